// Nonces that need no memory: time, random characters, and a MAC over both, 40 characters. A CPE that opens a new connection after the
// 401, and lands on another thread or on a restarted process, is still understood (FIELD 47). The price: a captured answer can be
// repeated while its nonce lives. The lifetime bounds that; counting nc would need the memory, and CPEs that never raise it exist.
//
// The MAC is SHA-256 over key and head, cut to 120 bits: what is cut off is what one would need to go on from it.

import { hash, randomBytes } from 'node:crypto';

const TIME_CHARS = 9;
/** Where the random characters of a nonce begin. */
export const NONCE_RANDOM_AT = TIME_CHARS;
const RANDOM_CHARS = 11;
const MAC_CHARS = 20;
const HEAD_CHARS = TIME_CHARS + RANDOM_CHARS;
const NONCE_CHARS = HEAD_CHARS + MAC_CHARS;

/** Random characters in store: a call for eleven of them costs as much as one for thousands. */
let random = '';
let taken = 0;

/** Makes a nonce. `key` is the nonce key of the installation, the same on all its threads. */
export function newNonce(key: Buffer, nowMs: number): string {
  if (taken + RANDOM_CHARS > random.length) {
    random = randomBytes(6_000).toString('base64url');
    taken = 0;
  }
  const head = nowMs.toString(36).padStart(TIME_CHARS, '0') + random.slice(taken, taken + RANDOM_CHARS);
  taken += RANDOM_CHARS;
  return head + mac(key, head);
}

/** 'foreign' is a nonce that this installation did not make, or that was altered. */
export function judgeNonce(
  key: Buffer,
  nonce: string,
  nowMs: number,
  lifetimeMs: number,
): 'fresh' | 'expired' | 'foreign' {
  if (nonce.length !== NONCE_CHARS) return 'foreign';
  const expected = mac(key, nonce.slice(0, HEAD_CHARS));
  let differs = 0;
  for (let i = 0; i < MAC_CHARS; i++) differs |= nonce.charCodeAt(HEAD_CHARS + i) ^ expected.charCodeAt(i);
  if (differs !== 0) return 'foreign';
  // A time ahead of ours means that our clock was set back: the age is unknown, so the nonce is not trusted either.
  const age = nowMs - nonceTime(nonce);
  return age >= -lifetimeMs && age <= lifetimeMs ? 'fresh' : 'expired';
}

/** When a nonce of ours was made, in milliseconds. */
export function nonceTime(nonce: string): number {
  return Number.parseInt(nonce.slice(0, TIME_CHARS), 36);
}

/** The key last used, as text: there is one per installation. */
let lastKey: { key: Buffer; text: string } = { key: Buffer.alloc(0), text: '' };

function mac(key: Buffer, head: string): string {
  if (lastKey.key !== key) lastKey = { key, text: key.toString('latin1') };
  return hash('sha256', lastKey.text + head, 'base64url').slice(0, MAC_CHARS);
}
