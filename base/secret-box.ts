// Secrets at rest: AES-256-GCM under a key of this installation. What is sealed is bound to where it belongs (`context`), so that a
// sealed value copied to another row does not open there. Rotation of the key is not here: the `1.` in front leaves its place.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { ConfigError } from './errors.ts';
import { readOrMake } from './secret-file.ts';

/** What is shown wherever a secret would stand. */
export const REDACTED = '••••';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Seals and opens texts, and makes keyed digests. */
export class SecretBox {
  readonly #sealKey: Buffer;
  readonly #digestKey: Buffer;
  /** 32 bytes, of which the key is made that signs for this installation. */
  readonly signingSeed: Buffer;

  /** @param key 32 random bytes; a key for each purpose is derived from it. */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES)
      throw new ConfigError('bad-key', `An installation key has ${KEY_BYTES} bytes, this one ${key.length}.`);
    this.#sealKey = Buffer.from(hkdfSync('sha256', key, '', 'starling seal', KEY_BYTES));
    this.#digestKey = Buffer.from(hkdfSync('sha256', key, '', 'starling digest', KEY_BYTES));
    this.signingSeed = Buffer.from(hkdfSync('sha256', key, '', 'starling sign', KEY_BYTES));
  }

  /** Seals `plain` for `context`; the result is ASCII without white space. */
  seal(plain: string, context: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#sealKey, iv);
    cipher.setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return `1.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`;
  }

  /** Opens what `seal` made for the same context. Throws ConfigError when the key, the context or the text is another one. */
  open(sealed: string, context: string): string {
    const bytes = Buffer.from(sealed.slice(2), 'base64url');
    try {
      if (!sealed.startsWith('1.')) throw new Error('not a sealed text of form 1');
      const decipher = createDecipheriv('aes-256-gcm', this.#sealKey, bytes.subarray(0, IV_BYTES));
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch (cause) {
      const message =
        'A stored secret does not open: the database and the installation key in the data folder do not belong together.';
      throw new ConfigError('sealed', message, { cause, detail: context });
    }
  }

  /** A keyed digest: tells whether two secrets are equal without telling either, and cannot be searched without the key. */
  digest(plain: string): string {
    return createHmac('sha256', this.#digestKey).update(plain).digest('hex');
  }
}

/**
 * Opens the box whose key lies in `keyFile`.
 * @param ifMissing what is done without the file: `make` one, readable by its owner alone, or `refuse`.
 * Throws ConfigError when the file is unusable or others may read it.
 */
export function openSecretBox(keyFile: string, ifMissing: 'make' | 'refuse' = 'make'): SecretBox {
  if (ifMissing === 'refuse' && !existsSync(keyFile)) {
    const message = `There is no key file ${keyFile}. Copy installation.key from the data folder of the first control there, readable for this user alone.`;
    throw new ConfigError('no-key', message);
  }
  let text: string;
  try {
    text = readOrMake(keyFile, () => randomBytes(KEY_BYTES).toString('base64url'));
  } catch (cause) {
    const message = `The key file ${keyFile} cannot be used: make it readable for this user, and its folder writable.`;
    throw new ConfigError('bad-key', message, { cause });
  }
  if ((statSync(keyFile).mode & 0o077) !== 0) {
    throw new ConfigError('open-key', `${keyFile} may be read by others. Run: chmod 600 ${keyFile}`);
  }
  return new SecretBox(Buffer.from(text.trim(), 'base64url'));
}
