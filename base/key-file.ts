// The key file of an installation: its keys, one a line in base64url, the newest first. The last one is the original, of which what must stay
// as it is is derived (secret-box.ts): digests, and the seed of the key that signs. When the original has been retired, a line `derived` with
// those two stands in its place, from which the key itself cannot be found. A file of one line is what every installation begins with.

import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { chownSync, existsSync, statSync } from 'node:fs';
import { ConfigError } from './errors.ts';
import { readOrMake, replaceDurably } from './secret-file.ts';

export const KEY_BYTES = 32;
const FINGERPRINT_CHARS = 12;
const DERIVED = 'derived';

/** What of the original key outlives it. Each has KEY_BYTES. */
export interface Derived {
  digestKey: Buffer;
  signingSeed: Buffer;
}
export interface KeySet {
  /** Newest first, at least one. */
  keys: Buffer[];
  /** As the original key gives them, whether it is still among the keys or not. */
  derived: Derived;
  /** The original key is the last one. */
  hasOriginal: boolean;
}

/** How people, sealed texts and the database tell keys apart; nothing can be found from it. */
export const fingerprintOfKey = (key: Uint8Array): string =>
  createHash('sha256').update('starling key ').update(key).digest('hex').slice(0, FINGERPRINT_CHARS);

/** One key for one purpose. */
export const derivedKey = (key: Uint8Array, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key, '', `starling ${purpose}`, KEY_BYTES));

/** A set of one key, or of several, the newest first and the original last. @throws ConfigError `bad-key` when one has another length. */
export function keySetOf(...keys: Uint8Array[]): KeySet {
  for (const key of keys) checked(key);
  const original = keys.at(-1)!;
  return {
    keys: keys.map((key) => Buffer.from(key)),
    derived: { digestKey: derivedKey(original, 'digest'), signingSeed: derivedKey(original, 'sign') },
    hasOriginal: true,
  };
}

/**
 * Reads a key file.
 * @param ifMissing what is done without the file: `make` one with a first key, readable by its owner alone, or `refuse`.
 * @throws ConfigError with what to do when the file is missing, unusable, damaged, or others may read it.
 */
export function readKeyFile(file: string, ifMissing: 'make' | 'refuse'): KeySet {
  if (ifMissing === 'refuse' && !existsSync(file)) {
    const message = `There is no key file ${file}. Copy installation.key from the data folder of the first control there, readable for this user alone.`;
    throw new ConfigError('no-key', message);
  }
  let text: string;
  try {
    text = readOrMake(file, () => randomBytes(KEY_BYTES).toString('base64url'));
  } catch (cause) {
    const message = `The key file ${file} cannot be used: make it readable for this user, and its folder writable.`;
    throw new ConfigError('bad-key', message, { cause });
  }
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new ConfigError('open-key', `${file} may be read by others. Run: chmod 600 ${file}`);
  }
  return parseKeys(text);
}

/** Puts another set in place of a key file, at once and on the disk: a crash leaves the one or the other, whole. */
export function writeKeyFile(file: string, set: KeySet): void {
  const { uid, gid } = statSync(file);
  // Whoever runs the command may be root, and the control that reads the file is not.
  replaceDurably(file, `${keysText(set)}\n`, (draft) => chownSync(draft, uid, gid));
}

/** The set with a new random key in front. */
export const withNewKey = (set: KeySet): KeySet => ({ ...set, keys: [randomBytes(KEY_BYTES), ...set.keys] });

/** The set with its newest key alone; of the original what is derived from it stays. */
export function withNewestAlone({ keys, derived, hasOriginal }: KeySet): KeySet {
  return { keys: keys.slice(0, 1), derived, hasOriginal: hasOriginal && keys.length === 1 };
}

export function parseKeys(text: string): KeySet {
  const lines = text.trim().split(/\s*\n\s*/);
  const derivedLine = lines.at(-1)!.startsWith(`${DERIVED} `) ? lines.pop()! : null;
  const keys = lines.map((line) => checked(Buffer.from(line, 'base64url')));
  if (derivedLine === null) return keySetOf(...keys);
  const [digestKey, signingSeed] = derivedLine
    .split(/ +/)
    .slice(1)
    .map((part) => checked(Buffer.from(part, 'base64url')));
  if (digestKey === undefined || signingSeed === undefined || keys.length === 0) {
    throw new ConfigError(
      'bad-key',
      'The key file is damaged: restore it from a backup, or copy it from another control.',
    );
  }
  return { keys, derived: { digestKey, signingSeed }, hasOriginal: false };
}

function keysText({ keys, derived, hasOriginal }: KeySet): string {
  const lines = keys.map((key) => key.toString('base64url'));
  if (hasOriginal) return lines.join('\n');
  const parts = [derived.digestKey, derived.signingSeed].map((part) => part.toString('base64url'));
  return [...lines, [DERIVED, ...parts].join(' ')].join('\n');
}

function checked<T extends Uint8Array>(key: T): T {
  if (key.length === KEY_BYTES) return key;
  throw new ConfigError('bad-key', `An installation key has ${KEY_BYTES} bytes, this one ${key.length}.`);
}
