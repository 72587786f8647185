// How many quiet sessions are open on all threads together: counted in shared memory by the second they began in, for as long as a silent
// one counts as open. They are too many for a map, begin on one thread and end on any.

import { LIMITS } from '../base/limits.ts';

const SECONDS = LIMITS.sessionTimeoutMs / 1_000 + 1;
/** A slot is the second it counts for, and the count. */
export const QUIET_COUNT_BYTES = SECONDS * 2 * 4;

export class QuietCount {
  readonly #words: Int32Array;

  /** @param words QUIET_COUNT_BYTES of shared memory. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  begun(second: number): void {
    const w = this.#words;
    const at = slotOf(second);
    const counted = Atomics.load(w, at);
    // The thread that turns a slot over empties it. What another one counts in between is lost: better one too few than one for ever.
    if (counted !== second && Atomics.compareExchange(w, at, counted, second) === counted) Atomics.store(w, at + 1, 0);
    Atomics.add(w, at + 1, 1);
  }

  ended(second: number): void {
    const at = slotOf(second);
    if (Atomics.load(this.#words, at) === second) Atomics.sub(this.#words, at + 1, 1);
  }

  open(second: number): number {
    let sum = 0;
    for (let at = 0; at < this.#words.length; at += 2) {
      const isRecent = Atomics.load(this.#words, at) > second - SECONDS;
      if (isRecent) sum += Math.max(0, Atomics.load(this.#words, at + 1));
    }
    return sum;
  }
}

/** Seconds fit 32 bits unsigned; told so, the engine takes the rest without going through floating point. */
function slotOf(second: number): number {
  return ((second >>> 0) % SECONDS) * 2;
}
