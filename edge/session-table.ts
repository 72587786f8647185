// What session threads share in memory about sessions: a generation per slot of CPEs, the sessions lately begun per source address, how many are quiet, and the
// CPEs somebody waits for. All lie in one SharedArrayBuffer, so that a session may go on on any thread without a message between them.
//
// Generations: slot = hash(cpeId). An Inform raises the slot's number and puts it into the cookie; the end of the session raises it again.
// A cookie whose number is not the slot's is of a session that ended, was taken over, or (one chance in a million per Inform in the
// meantime) shares the slot with another CPE; a session with work outstanding also has its record in the store, which decides then.
//
// Addresses: CPEs that return no cookie (FIELD 46, CWMP H13) are found by source address and user name. This build of uWebSockets.js
// does not tell the remote port, so "the same TCP connection" cannot be asked. A session whose CPE was seen to return its cookie is
// forgotten here; between two that are left under one key nobody guesses.
//
// Quiet sessions: how many are open (quiet-count.ts).
//
// Expected CPEs: slot = hash(cpeId), the second until which somebody waits. Two CPEs in one slot are both let in first; no harm in that.

import { hashText } from '../base/hash-text.ts';
import type { CpeId } from '../base/ids.ts';
import { QUIET_COUNT_BYTES, QuietCount } from './quiet-count.ts';

const SLOTS = 1 << 20;
const ADDRESS_SLOTS = 1 << 14;
/** Words of one address slot: lock, hash of the key, expiry (s), length of the cookie, hash of its CPE; then the cookie. */
const ADDRESS_HEAD = 5 * 4;
const ADDRESS_BYTES = 320;
/** Slots in a row that one key may use: sessions of CPEs behind one address that are open at once. */
const ADDRESS_PROBES = 8;

const EXPECTED_SLOTS = 1 << 16;

const GENERATIONS_BYTES = SLOTS * 4;
const EXPECTED_AT = GENERATIONS_BYTES + ADDRESS_SLOTS * ADDRESS_BYTES;
const QUIET_AT = EXPECTED_AT + EXPECTED_SLOTS * 4;
const TOTAL_BYTES = QUIET_AT + QUIET_COUNT_BYTES;

/** Made once by the main thread of the edge and handed to every session thread. */
export function createSessionMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(TOTAL_BYTES);
}

export class SessionTable {
  readonly #generations: Int32Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #expected: Uint32Array;
  readonly quiet: QuietCount;

  constructor(memory: SharedArrayBuffer) {
    this.#generations = new Int32Array(memory, 0, SLOTS);
    this.#words = new Int32Array(memory, GENERATIONS_BYTES, (EXPECTED_AT - GENERATIONS_BYTES) / 4);
    this.#bytes = new Uint8Array(memory, GENERATIONS_BYTES);
    this.#expected = new Uint32Array(memory, EXPECTED_AT, EXPECTED_SLOTS);
    this.quiet = new QuietCount(new Int32Array(memory, QUIET_AT, QUIET_COUNT_BYTES / 4));
  }

  /** Begins a session: every earlier one of this CPE is void from now on. Returns the generation for its cookie. */
  begin(cpeId: CpeId): number {
    return (Atomics.add(this.#generations, hashText(cpeId) & (SLOTS - 1), 1) + 1) >>> 0;
  }

  isLive(cpeId: CpeId, generation: number): boolean {
    return this.mark(cpeId) === generation;
  }

  /** Another number after each begin or end of a session of this CPE: tells whether it was here since. */
  mark(cpeId: CpeId): number {
    return Atomics.load(this.#generations, hashText(cpeId) & (SLOTS - 1)) >>> 0;
  }

  /** Ends a session; no effect when it is not the live one any more. */
  end(cpeId: CpeId, generation: number): void {
    const slot = hashText(cpeId) & (SLOTS - 1);
    Atomics.compareExchange(this.#generations, slot, generation | 0, (generation + 1) | 0);
  }

  /** Somebody waits for this CPE, until that second. */
  expect(cpeId: CpeId, untilSeconds: number): void {
    const slot = hashText(cpeId) & (EXPECTED_SLOTS - 1);
    if (Atomics.load(this.#expected, slot) < untilSeconds) Atomics.store(this.#expected, slot, untilSeconds);
  }

  isExpected(cpeId: CpeId, nowSeconds: number): boolean {
    return Atomics.load(this.#expected, hashText(cpeId) & (EXPECTED_SLOTS - 1)) >= nowSeconds;
  }

  /** Remembers a session begun from `key` (address, or address and user) until its CPE is seen to return the cookie. */
  rememberAddress(key: string, cookie: string, nowSeconds: number, untilSeconds: number): void {
    if (cookie.length > ADDRESS_BYTES - ADDRESS_HEAD) return;
    const hash = hashText(key) | 0;
    // CPEs behind one front all have its address: their slots are told apart by hash, not by reading eight cookies for each Inform.
    const cpe = hashText(cpeOf(cookie)) | 0;
    for (let probe = 0; probe < ADDRESS_PROBES; probe++) {
      const word = this.#lock(hash, probe);
      if (word < 0) continue;
      const w = this.#words;
      const taken = (w[word + 2] ?? 0) > nowSeconds && !(w[word + 1] === hash && w[word + 4] === cpe);
      if (!taken) {
        w[word + 1] = hash;
        w[word + 2] = untilSeconds;
        w[word + 3] = cookie.length;
        w[word + 4] = cpe;
        const at = word * 4 + ADDRESS_HEAD;
        for (let i = 0; i < cookie.length; i++) this.#bytes[at + i] = cookie.charCodeAt(i);
      }
      Atomics.store(w, word, 0);
      if (!taken) return;
    }
  }

  /** The cookie of the one session under `key` whose CPE has not shown that it returns cookies; null when there are none or several. */
  findAddress(key: string, nowSeconds: number): string | null {
    const hash = hashText(key) | 0;
    let found: string | null = null;
    for (let probe = 0; probe < ADDRESS_PROBES; probe++) {
      const word = this.#lock(hash, probe);
      if (word < 0) return null;
      const cookie =
        this.#words[word + 1] === hash && (this.#words[word + 2] ?? 0) > nowSeconds ? this.#cookieAt(word) : null;
      Atomics.store(this.#words, word, 0);
      if (cookie === null) continue;
      if (found !== null) return null;
      found = cookie;
    }
    return found;
  }

  /** Forgets the session under `key`: it ended, or its CPE returned the cookie and so need not be looked for. */
  forgetAddress(key: string, cookie: string): void {
    const hash = hashText(key) | 0;
    for (let probe = 0; probe < ADDRESS_PROBES; probe++) {
      const word = this.#lock(hash, probe);
      if (word < 0) continue;
      const w = this.#words;
      const mine = w[word + 1] === hash && (w[word + 2] ?? 0) > 0 && this.#isCookieAt(word, cookie);
      if (mine) w[word + 2] = 0;
      Atomics.store(w, word, 0);
      if (mine) return;
    }
  }

  /** From the end, where the seal is: cookies of others differ there at once. */
  #isCookieAt(word: number, cookie: string): boolean {
    if (this.#words[word + 3] !== cookie.length) return false;
    const at = word * 4 + ADDRESS_HEAD;
    for (let i = cookie.length - 1; i >= 0; i--) if (this.#bytes[at + i] !== cookie.charCodeAt(i)) return false;
    return true;
  }

  #cookieAt(word: number): string {
    const at = word * 4 + ADDRESS_HEAD;
    const length = Math.min(this.#words[word + 3] ?? 0, ADDRESS_BYTES - ADDRESS_HEAD);
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.#bytes[at + i] ?? 0);
    return text;
  }

  /** Index of a slot's first word with its lock taken, or -1 when another thread holds it: this memory is a help, never waited for. */
  #lock(hash: number, probe: number): number {
    const word = (((hash >>> 0) + probe) & (ADDRESS_SLOTS - 1)) * (ADDRESS_BYTES / 4);
    for (let tries = 0; tries < 64; tries++) {
      if (Atomics.compareExchange(this.#words, word, 0, 1) === 0) return word;
    }
    return -1;
  }
}

/** The CPE a cookie names: its last part but the seal. */
function cpeOf(cookie: string): string {
  const seal = cookie.lastIndexOf('.');
  return cookie.slice(cookie.lastIndexOf('.', seal - 1) + 1, seal);
}
