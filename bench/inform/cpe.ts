// What the CPEs of the Inform bench say: the bytes of each kind of session, made once, with only what differs patched in.

import { createHash } from 'node:crypto';
import { cpeIdOf } from '../../base/ids.ts';
import { DEFAULT_STYLE } from '../../cwmp/envelope-style.ts';
import { writeCpeResponse } from '../../cwmp/soap-writer.ts';
import { CONTENT_TYPE, referenceInform, valuesResponse } from '../reference-inform.ts';

/** What the Informs of a row say. `action`: quiet, and the ACS has a value to set; `big`: it reads an object of many parameters. */
export type Traffic = 'quiet' | 'change' | 'boot' | 'action' | 'big';
export type CpeAuth = 'none' | 'basic' | 'digest';

const NAMESPACE = 'urn:dslforum-org:cwmp-1-2';
const SERIAL_DIGITS = 8;
const SERIAL = `TN${'0'.repeat(SERIAL_DIGITS)}`;
/** In the place of the provisioning code: as long as the marks that replace it. */
const MARK = 'retail.home.fibre.north';

/** Serial number of device `n`. */
export function serialOf(n: number): string {
  return `TN${String(n).padStart(SERIAL_DIGITS, '0')}`;
}

/** The cpeId the ACS gives it. */
export function cpeIdOfDevice(n: number): string {
  return cpeIdOf({ Manufacturer: '', OUI: '0A1B2C', ProductClass: 'TN-440', SerialNumber: serialOf(n) });
}

export const usernameOf = (n: number): string => `cpe-${n}`;
export const passwordOf = (n: number): string => `secret-${n}`;

/** Informs of many devices out of one buffer; each is valid until the next is made. */
export class Informs {
  readonly #bytes: Buffer;
  readonly #serialAt: number;
  readonly #markAt: number;
  #mark = 0;

  constructor(traffic: Traffic) {
    const event = {
      quiet: '2 PERIODIC',
      action: '2 PERIODIC',
      big: '2 PERIODIC',
      change: '4 VALUE CHANGE',
      boot: '1 BOOT',
    }[traffic];
    this.#bytes = referenceInform({ SerialNumber: SERIAL, EventCode: event });
    this.#serialAt = this.#bytes.indexOf(SERIAL) + 2;
    this.#markAt = traffic === 'change' ? this.#bytes.indexOf(MARK) : -1;
  }

  /** The Inform of device `n`; with a value never sent before where the traffic is of changes. */
  of(n: number): Buffer {
    this.#bytes.write(serialOf(n).slice(2), this.#serialAt, 'latin1');
    if (this.#markAt >= 0) {
      const mark =
        (++this.#mark).toString(36).padStart(MARK.length - 12, '0') + Date.now().toString(36).padStart(12, '0');
      this.#bytes.write(mark, this.#markAt, 'latin1');
    }
    return this.#bytes;
  }
}

/** Head of a POST. `more` are header lines, each with its end. */
export function head(length: number, more: string): string {
  return `POST / HTTP/1.1\r\nHost: acs\r\nContent-Type: ${CONTENT_TYPE}\r\nSOAPAction: \r\n${more}Content-Length: ${length}\r\n\r\n`;
}

/** Parameters of a document of a megabyte. */
export const BIG_VALUES = 5_000;

/** Documents by their number of parameters: what lies in front of their ID and behind it. */
const documents = new Map<number, { head: Buffer; tail: Buffer }>();

/** A GetParameterValuesResponse of so many parameters, in pieces, to the request that has this text. */
export function bigAnswer(request: string, values: number): Buffer[] {
  let document = documents.get(values);
  if (document === undefined) {
    const bytes = valuesResponse(values);
    const idAt = bytes.indexOf('>a2<') + 1;
    document = { head: bytes.subarray(0, idAt), tail: bytes.subarray(idAt + 2) };
    documents.set(values, document);
  }
  return [document.head, Buffer.from(between(request, '>', '</cwmp:ID>')), document.tail];
}

/** Answers an RPC of the ACS; `held` is the value the CPE has, changed by a SetParameterValues. */
export function answerRpc(request: string, held: { value: string }): string {
  const id = between(request, '>', '</cwmp:ID>');
  if (request.includes(':SetParameterValues>')) {
    held.value = between(request, '>', '</Value>');
    return writeCpeResponse(DEFAULT_STYLE, NAMESPACE, id, 'SetParameterValues', { Status: 0 });
  }
  if (!request.includes(':GetParameterValues>'))
    throw new Error(`an RPC this bench does not know: ${request.slice(0, 600)}`);
  const names = [...request.matchAll(/<string[^>]*>([^<]+)<\/string>/g)].map((match) => match[1] ?? '');
  const list = names.map((Name) => ({ Name, Value: held.value, Type: 'xsd:string' }));
  return writeCpeResponse(DEFAULT_STYLE, NAMESPACE, id, 'GetParameterValues', { ParameterList: list });
}

/** Text in front of `end`, back to the last `start` before it. */
function between(text: string, start: string, end: string): string {
  const to = text.indexOf(end);
  return text.slice(text.lastIndexOf(start, to) + start.length, to);
}

/** Authorization line of Basic (RFC 7617) for device `n`. */
export function basicLine(n: number): string {
  return `Authorization: Basic ${Buffer.from(`${usernameOf(n)}:${passwordOf(n)}`).toString('base64')}\r\n`;
}

/** Answers the MD5 challenge among the lines of a 401 (RFC 2617), as most CPEs do. */
export class DigestAnswer {
  readonly #n: number;
  readonly #realm: string;
  readonly #nonce: string;
  #count = 0;

  constructor(n: number, response: string) {
    const at = response.indexOf('algorithm=MD5');
    if (at < 0) throw new Error(`no Digest challenge with MD5: ${response.slice(0, 400)}`);
    const line = response.slice(response.lastIndexOf('\n', at) + 1, response.indexOf('\r\n', at));
    this.#n = n;
    this.#realm = quoted(line, 'realm');
    this.#nonce = quoted(line, 'nonce');
  }

  /** Authorization line of the next request. */
  line(): string {
    const nc = (++this.#count).toString(16).padStart(8, '0');
    const user = usernameOf(this.#n);
    const a1 = md5(`${user}:${this.#realm}:${passwordOf(this.#n)}`);
    const proof = md5(`${a1}:${this.#nonce}:${nc}:0a1b2c3d:auth:${md5('POST:/')}`);
    return (
      `Authorization: Digest username="${user}", realm="${this.#realm}", nonce="${this.#nonce}", uri="/", ` +
      `algorithm=MD5, qop=auth, nc=${nc}, cnonce="0a1b2c3d", response="${proof}"\r\n`
    );
  }
}

function quoted(line: string, name: string): string {
  const from = line.indexOf(`${name}="`) + name.length + 2;
  return line.slice(from, line.indexOf('"', from));
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
