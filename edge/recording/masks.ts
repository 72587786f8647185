// Masks for secrets in a recording. A mask says nothing of its secret but whether it is the same as another of the same recording: what the
// planner compares (is the value read the one wanted?) comes out the same in a replay. The key of the masks never leaves the edge, and is
// gone with the end of the recording.

import { createHmac } from 'node:crypto';
import { lastPart } from '../../cwmp/paths.ts';
import { escapeEcho } from '../../cwmp/xml-text.ts';
import { isSecretLeaf } from '../../profiles/resolve.ts';

/** What a CPE shows in place of a secret (FIELD 27): the planner looks for it, and it tells nothing. */
const SHOWN_AS_MASK = /^[*•●]*$/;
/** Letters that spell no words. */
const LETTERS = 'bcdfghjkmnpqrstvwxz23456789';
const DIGITS = '0123456789';
/** Characters of a mask by which it is told from others. */
const TELLING_CHARS = 10;
/** Shorter secrets are left where they are quoted: replacing them would tear ordinary words apart. */
const QUOTED_CHARS_MIN = 4;

/** User and password in front of a host. */
const URL_LOGIN = /(\b[a-z][a-z0-9+.-]*:\/\/)([^/@\s<>"']+)@/gi;
/** The signature of a file URL (file-urls.ts): who has it has the file. */
const FILE_SIGNATURE = /(\/files\/[du]\/[\w~/-]+?\/[0-9a-z]{1,9}\/)([\w-]{22})(?![\w-])/g;

export class Masks {
  readonly #key: Buffer;
  readonly #isSecret: (path: string) => boolean;
  /** Of the device; a secret that is the same is no secret, and its replacement would be another device. */
  readonly #identity: ReadonlySet<string>;
  /** Secrets met so far in what is being redacted, for where they are quoted; and names that control called secret, or their ends. */
  readonly #met = new Set<string>();
  readonly #named = new Set<string>();

  /**
   * @param key of this recording. @param isSecret whether the value of this path is one, by the profile or by its name.
   * @param identity parts of the DeviceId.
   */
  constructor(key: Buffer, isSecret: (path: string) => boolean, identity: readonly string[]) {
    this.#key = key;
    this.#isSecret = isSecret;
    this.#identity = new Set(identity);
  }

  /**
   * The mask of a secret: ASCII, of as many bytes as the secret takes in an XML document of ours, digits for digits. '' and what a CPE shows
   * in place of a secret stay as they are.
   */
  of(secret: string): string {
    if (SHOWN_AS_MASK.test(secret)) return secret;
    if (secret.length >= QUOTED_CHARS_MIN && !this.#identity.has(secret)) this.#met.add(secret);
    const bytes = Buffer.byteLength(escapeEcho(secret));
    const isNumber = /^\d+$/.test(secret);
    const alphabet = isNumber ? DIGITS : LETTERS;
    const digest = createHmac('sha256', this.#key).update(secret).digest();
    const telling = Array.from(digest.subarray(0, TELLING_CHARS), (byte) => alphabet[byte % alphabet.length]).join('');
    // A number keeps its type: it begins with 1, so that it is no larger than one of as many digits may be.
    const filling = isNumber ? '1' : 'x';
    if (bytes > TELLING_CHARS) return filling.repeat(bytes - TELLING_CHARS) + telling;
    return isNumber ? `1${telling.slice(0, bytes - 1)}` : telling.slice(0, bytes);
  }

  isSecretPath(path: string): boolean {
    if (isSecretLeaf(lastPart(path)) || this.#isSecret(path)) return true;
    for (const named of this.#named) if (path === named || path.endsWith(`.${named}`)) return true;
    return false;
  }

  /** A text without logins, signatures and secrets that were met before. @param unescaped what a part of it means. */
  text(text: string, unescaped: (part: string) => string = (part) => part): string {
    let masked = text
      .replace(URL_LOGIN, (_, scheme: string, login: string) => `${scheme}${this.of(unescaped(login))}@`)
      .replace(FILE_SIGNATURE, (_, before: string, signature: string) => before + this.of(signature));
    for (const secret of this.#met) {
      const written = escapeEcho(secret);
      for (const spelt of new Set([secret, written])) {
        if (masked.includes(spelt)) masked = replaceWords(masked, spelt, this.of(secret));
      }
    }
    return masked;
  }

  /**
   * A copy of any JSON-like value without secrets: values of secret names (`{ Name, Value }`, `{ name, value }`, members called by a path),
   * what control marked `secret: true`, members with the name of a secret argument, and texts that quote one of them.
   */
  value<T>(value: T): T {
    this.#listen(value);
    // Twice: what is met late may be quoted early.
    return this.#copy(this.#copy(value, false), true) as T;
  }

  /** Takes in which names are secret. */
  #listen(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const { name, secret } = value as { name?: unknown; secret?: unknown };
    if (secret === true && typeof name === 'string') this.#named.add(name);
    for (const member of Object.values(value)) this.#listen(member);
  }

  #copy(value: unknown, quotes: boolean): unknown {
    if (typeof value === 'string') return quotes ? this.text(value) : value;
    if (Array.isArray(value)) return value.map((one) => this.#copy(one, quotes));
    if (typeof value !== 'object' || value === null) return value;
    const { Name, name, secret } = value as { Name?: unknown; name?: unknown; secret?: unknown };
    const path = Name ?? name;
    const isPair = secret === true || (typeof path === 'string' && this.isSecretPath(path));
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => {
        const isSecret = (isPair && /^value$/i.test(key)) || this.isSecretPath(key);
        // The second time around it is its mask already.
        if (isSecret && typeof member === 'string') return [key, quotes ? member : this.of(member)];
        return [key, this.#copy(member, quotes)];
      }),
    );
  }
}

/** Only where it stands by itself: within a longer word it is not that secret. */
function replaceWords(text: string, word: string, by: string): string {
  let replaced = '';
  let from = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
    const isPart = isLetter(text[at - 1]) || isLetter(text[at + word.length]);
    replaced += text.slice(from, at) + (isPart ? word : by);
    from = at + word.length;
  }
  return replaced + text.slice(from);
}

const isLetter = (char: string | undefined): boolean => char !== undefined && /[\p{L}\p{N}_]/u.test(char);
