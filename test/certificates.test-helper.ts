// Certificates made by openssl at run time: authorities, and what they sign. For tests of TLS; the keys are worth nothing.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** PEM texts. */
  cert: string;
  key: string;
  certFile: string;
  keyFile: string;
}

export interface Validity {
  /** Days from now. */
  fromDays?: number;
  toDays?: number;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate authority with a folder of its own. */
export class Authority {
  readonly certFile: string;
  readonly #dir: string;
  readonly #configFile: string;
  #count = 0;

  /** @throws Error with what openssl says. */
  constructor(parent: string, name: string) {
    this.#dir = join(parent, name);
    this.certFile = join(this.#dir, 'ca.pem');
    this.#configFile = join(this.#dir, 'ca.cnf');
    mkdirSync(this.#dir);
    writeFileSync(join(this.#dir, 'index.txt'), '');
    // The same name may be signed twice, expired and valid.
    writeFileSync(join(this.#dir, 'index.txt.attr'), 'unique_subject = no\n');
    writeFileSync(
      this.#configFile,
      `[ca]\ndefault_ca = own\n[own]\ndatabase = ${this.#dir}/index.txt\nnew_certs_dir = ${this.#dir}\nrand_serial = yes\n` +
        `certificate = ${this.certFile}\nprivate_key = ${this.#dir}/ca.key\ndefault_md = sha256\npolicy = any\n` +
        'copy_extensions = copy\ndefault_crl_days = 2\nstring_mask = utf8only\n[any]\ncommonName = optional\norganizationName = optional\n' +
        '[req]\ndistinguished_name = dn\nstring_mask = utf8only\n[dn]\n',
    );
    const subject = ['-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE'];
    openssl(
      'req',
      '-x509',
      ...KEY,
      '-days',
      '30',
      ...subject,
      '-keyout',
      join(this.#dir, 'ca.key'),
      '-out',
      this.certFile,
    );
  }

  /** @param subject as openssl takes it, e.g. `/CN=…`. */
  sign(subject: string, { fromDays = -1, toDays = 2 }: Validity = {}, more: string[] = []): Certificate {
    const base = join(this.#dir, `${++this.#count}`);
    const [keyFile, certFile, requestFile] = [`${base}.key`, `${base}.pem`, `${base}.csr`];
    openssl(
      'req',
      '-new',
      ...KEY,
      '-config',
      this.#configFile,
      '-subj',
      subject,
      ...more,
      '-keyout',
      keyFile,
      '-out',
      requestFile,
    );
    const dates = ['-startdate', dateIn(fromDays), '-enddate', dateIn(toDays)];
    openssl('ca', '-batch', '-notext', '-config', this.#configFile, ...dates, '-in', requestFile, '-out', certFile);
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
  }

  revoke({ certFile }: Certificate): void {
    openssl('ca', '-config', this.#configFile, '-revoke', certFile);
  }

  /** The list of what it revoked, PEM. */
  revocations(): string {
    const file = join(this.#dir, 'crl.pem');
    openssl('ca', '-config', this.#configFile, '-gencrl', '-out', file);
    return readFileSync(file, 'utf8');
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** YYYYMMDDHHMMSSZ, days from now. */
function dateIn(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '');
}
