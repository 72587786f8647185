// Nonces that need no memory: base64url(time, random bytes, MAC over both), 40 characters. The MAC is SHA-256 over key and head, cut to
// half: what is cut off is what one would need to go on from it. A CPE that opens a new connection after the
// 401, and lands on another thread or on a restarted process, is still understood (FIELD 47). The price: a captured answer can be
// repeated while its nonce lives. The lifetime bounds that; counting nc would need the memory, and CPEs that never raise it exist.

import { hash, randomFillSync, timingSafeEqual } from 'node:crypto';

const TIME_BYTES = 6;
const RANDOM_BYTES = 8;
const MAC_BYTES = 16;
const HEAD_BYTES = TIME_BYTES + RANDOM_BYTES;
const NONCE_CHARS = ((HEAD_BYTES + MAC_BYTES) * 4) / 3;

/** Random bytes in store: a call for eight of them costs as much as one for thousands. */
const random = Buffer.alloc(RANDOM_BYTES * 512);
let taken = random.length;

/** Makes a nonce. `key` is the nonce key of the installation, the same on all its threads. */
export function newNonce(key: Buffer, nowMs: number): string {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(nowMs, 0, TIME_BYTES);
  if (taken >= random.length) {
    randomFillSync(random);
    taken = 0;
  }
  random.copy(head, TIME_BYTES, taken, taken + RANDOM_BYTES);
  taken += RANDOM_BYTES;
  return Buffer.concat([head, mac(key, head)]).toString('base64url');
}

/** 'foreign' is a nonce that this installation did not make, or that was altered. */
export function judgeNonce(
  key: Buffer,
  nonce: string,
  nowMs: number,
  lifetimeMs: number,
): 'fresh' | 'expired' | 'foreign' {
  if (nonce.length !== NONCE_CHARS) return 'foreign';
  const bytes = Buffer.from(nonce, 'base64url');
  if (bytes.length !== HEAD_BYTES + MAC_BYTES) return 'foreign';
  const head = bytes.subarray(0, HEAD_BYTES);
  if (!timingSafeEqual(bytes.subarray(HEAD_BYTES), mac(key, head))) return 'foreign';
  // A time ahead of ours means that our clock was set back: the age is unknown, so the nonce is not trusted either.
  const age = nowMs - head.readUIntBE(0, TIME_BYTES);
  return age >= -lifetimeMs && age <= lifetimeMs ? 'fresh' : 'expired';
}

function mac(key: Buffer, head: Buffer): Buffer {
  return hash('sha256', Buffer.concat([key, head]), 'buffer').subarray(0, MAC_BYTES);
}
