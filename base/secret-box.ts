// Secrets at rest in the database: AES-256-GCM under a key of this installation. What is sealed is bound to where it belongs (`context`), so
// that a sealed value copied to another row does not open there.
//
//   2.<fingerprint of the key>.<base64url of IV, tag and text>
//   1.<the same>                         from before there were several keys: under the original one
//
// Of several keys one seals and all open. Which one seals is said by the database, not by the file (control/secrets/rotation.ts): controls
// that have copies of the file change at one moment, after all of them hold the new key.
//
// Rotated is what is sealed, in the columns of control/secrets/sealed-columns.ts. Not rotated is what must be the same for ever, as it is
// compared with what was written before: `digest` (hashes of plans, the mark of key-check.ts) and `signingSeed` (signatures under evidence);
// both come from the original key and outlive it (key-file.ts). Edges have no part in this: cookies, nonces, file URLs and what lies in their
// store are under secrets of their own (secret-file.ts, edge/store/seal.ts), and no key of control ever leaves it.

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { ConfigError } from './errors.ts';
import { derivedKey, fingerprintOfKey, type KeySet, keySetOf, readKeyFile } from './key-file.ts';

/** What is shown wherever a secret would stand. */
export const REDACTED = '••••';

const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Version, and in version 2 the fingerprint. */
const FORM = /^(?:1|2\.([0-9a-f]+))\.(?=[A-Za-z0-9_-]*$)/;

/** Seals and opens texts, and makes keyed digests. */
export class SecretBox {
  readonly #source: (() => KeySet) | null;
  /** Key of the cipher by fingerprint of the key it comes from. Only ever grows: what was retired since may be in hand. */
  readonly #ciphers = new Map<string, Buffer>();
  readonly #digestKey: Buffer;
  /** Form 1 is under it; null once it was retired. */
  #original: string | null = null;
  #sealing: string;
  /** As the file was when it was last read, newest first. */
  #held: string[] = [];
  /** 32 bytes, of which the key is made that signs for this installation. */
  readonly signingSeed: Buffer;

  /**
   * @param keys 32 random bytes, or several keys; the oldest seals until `sealWith` says otherwise.
   * @param source where they are read again, for keys that were added since.
   */
  constructor(keys: Uint8Array | KeySet, source: (() => KeySet) | null = null) {
    const set = keys instanceof Uint8Array ? keySetOf(keys) : keys;
    this.#source = source;
    this.#digestKey = set.derived.digestKey;
    this.signingSeed = set.derived.signingSeed;
    this.#take(set);
    this.#sealing = this.#held.at(-1)!;
  }

  /** Fingerprints of the keys in the file, as of the last look, newest first. */
  get held(): readonly string[] {
    return this.#held;
  }
  /** Fingerprint of the key that seals. */
  get sealing(): string {
    return this.#sealing;
  }
  /** Fingerprint of the key that seals before any other was chosen. */
  get oldest(): string {
    return this.#held.at(-1)!;
  }

  /** From now on this key seals. @returns false, and nothing changes, when it is not held. */
  sealWith(fingerprint: string): boolean {
    if (!this.#ciphers.has(fingerprint)) return false;
    this.#sealing = fingerprint;
    return true;
  }

  /** Looks for keys that were added to the file. @throws ConfigError when it is of another installation, or cannot be read. */
  readAgain(): void {
    if (this.#source === null) return;
    const set = this.#source();
    // Another file under the same name: what it seals nobody else could open.
    if (!set.derived.digestKey.equals(this.#digestKey)) {
      throw new ConfigError('other-key', 'The key file was replaced by that of another installation. Put it back.');
    }
    this.#take(set);
  }

  /** Seals `plain` for `context`; the result is ASCII without white space. */
  seal(plain: string, context: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#ciphers.get(this.#sealing)!, iv);
    cipher.setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return `2.${this.#sealing}.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`;
  }

  /** Opens what `seal` made for the same context. Throws ConfigError when the key, the context or the text is another one. */
  open(sealed: string, context: string): string {
    const form = FORM.exec(sealed);
    const fingerprint = form?.[1] ?? this.#original;
    const key = fingerprint === null ? undefined : this.#ciphers.get(fingerprint);
    if (form !== null && key === undefined) {
      const which = fingerprint === null ? 'the original key, which was retired' : `key ${fingerprint}`;
      const message = `A stored secret is sealed under ${which}, and the key file of this control does not have it. Copy the key file from a control that does.`;
      throw new ConfigError('missing-key', message, { detail: context });
    }
    try {
      if (form === null) throw new Error('not a sealed text');
      const bytes = Buffer.from(sealed.slice(form[0].length), 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key!, bytes.subarray(0, IV_BYTES));
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

  #take({ keys, hasOriginal }: KeySet): void {
    this.#held = keys.map(fingerprintOfKey);
    for (const key of keys) {
      const fingerprint = fingerprintOfKey(key);
      if (!this.#ciphers.has(fingerprint)) this.#ciphers.set(fingerprint, derivedKey(key, 'seal'));
    }
    if (hasOriginal) this.#original = this.#held.at(-1)!;
  }
}

/** What a text sealed under this key begins with. */
export const sealedUnder = (fingerprint: string): string => `2.${fingerprint}.`;

/**
 * Opens the box whose keys lie in `keyFile`.
 * @param ifMissing what is done without the file: `make` one, readable by its owner alone, or `refuse`.
 * Throws ConfigError when the file is unusable or others may read it.
 */
export function openSecretBox(keyFile: string, ifMissing: 'make' | 'refuse' = 'make'): SecretBox {
  const set = readKeyFile(keyFile, ifMissing);
  return new SecretBox(set, () => readKeyFile(keyFile, 'refuse'));
}
