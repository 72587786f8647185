// Keeps what is secret in the store from whoever reads its file: work and the sessions that run it, settings of devices, and facts on their
// way are sealed whole (AES-256-GCM); of a secret among the parameters of a device, which is only ever compared, the shadow keeps a keyed mark.
//
//   0xC1 1 | IV | tag | text         neither UTF-8 nor what lmdb-js encodes begins so: what an older Starling wrote lies in plain, is read as
//                                    it is, and is sealed when it is written next
//
// The key comes from the installation.secret of the data folder. It is not rotated: all that is here is soon gone or can be had again, so a
// drained edge whose store and secret are moved away begins with new ones.

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { deriveKey } from '../../base/secret-file.ts';

const HEAD = Buffer.from([0xc1, 1]);
const PREFIX_BYTES = 8;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const TEXT_AT = HEAD.length + IV_BYTES + TAG_BYTES;
const COUNT_MAX = 2 ** 32;
/** Texts at hand, and the largest of them: those of the sessions of some seconds, a few MB. */
const RECENT_MAX = 2_000;
const RECENT_BYTES_MAX = 4_096;
/** Cannot stand in XML 1.0, so no value that a CPE sends begins with it. */
const MASKED = '\u0001';
const MASK_CHARS = 22;

/** The key of a store beside this secret. */
export const storeKeyOf = (installationSecret: Buffer): Buffer => deriveKey(installationSecret, 'edge-store');

/** Seals for one writer. */
export class StoreSeal {
  /** Tells keys apart, and nothing of them: 48 bits. */
  readonly fingerprint: number;
  readonly #key: Buffer;
  readonly #maskKey: Buffer;
  /** Eight random bytes of this writer and a count: random ones alone would meet again in a busy year. */
  readonly #iv = Buffer.alloc(IV_BYTES);
  #count = COUNT_MAX;
  /** What was sealed or opened here last, by its IV: a session reads its work and its record at each POST, mostly where it wrote them. */
  readonly #recent = new Map<string, Buffer>();

  /** @param key 32 bytes. */
  constructor(key: Uint8Array) {
    const secret = Buffer.from(key);
    this.#key = deriveKey(secret, 'store seal');
    this.#maskKey = deriveKey(secret, 'store mask');
    this.fingerprint = createHash('sha256').update(deriveKey(secret, 'store name')).digest().readUIntBE(0, 6);
  }

  /** @param isReadSoon keeps it at hand, in this thread. */
  seal(plain: Uint8Array, isReadSoon = false): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nextIv());
    const text = cipher.update(plain);
    cipher.final();
    if (isReadSoon) this.#keep(this.#iv.toString('latin1'), Buffer.from(plain));
    return Buffer.concat([HEAD, this.#iv, cipher.getAuthTag(), text]);
  }

  /** What was sealed, or the very bytes when they are none that was. Throws when they were changed. */
  open(bytes: Buffer, isReadSoon = false): Buffer {
    if (bytes[0] !== HEAD[0] || bytes[1] !== HEAD[1]) return bytes;
    const iv = isReadSoon ? bytes.toString('latin1', HEAD.length, HEAD.length + IV_BYTES) : '';
    const recent = isReadSoon ? this.#recent.get(iv) : undefined;
    if (recent !== undefined) return recent;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(HEAD.length, HEAD.length + IV_BYTES));
    decipher.setAuthTag(bytes.subarray(HEAD.length + IV_BYTES, TEXT_AT));
    const text = decipher.update(bytes.subarray(TEXT_AT));
    decipher.final();
    if (isReadSoon) this.#keep(iv, text);
    return text;
  }

  /** What stands for a secret value of a device: equal for equal ones. A blank stays blank, and what is masked stays as it is. */
  mask(cpeId: string, name: string, value: string): string {
    if (value === '' || value.startsWith(MASKED)) return value;
    const mac = createHmac('sha256', this.#maskKey).update(`${cpeId}\0${name}\0${value}`).digest('base64url');
    return MASKED + mac.slice(0, MASK_CHARS);
  }

  #keep(iv: string, plain: Buffer): void {
    if (plain.length > RECENT_BYTES_MAX) return;
    if (this.#recent.size >= RECENT_MAX) {
      const [oldest = ''] = this.#recent.keys();
      this.#recent.delete(oldest);
    }
    this.#recent.set(iv, plain);
  }

  #nextIv(): Buffer {
    if (this.#count === COUNT_MAX) {
      randomBytes(PREFIX_BYTES).copy(this.#iv);
      this.#count = 0;
    }
    this.#iv.writeUInt32BE(this.#count++, PREFIX_BYTES);
    return this.#iv;
  }
}
