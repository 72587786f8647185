// Lets sessions that have something to write write it together. lmdb-js puts the writes of one turn of the event loop into one transaction;
// a transaction costs some hundred microseconds of CPU and a flush whatever is in it. So while few come, each goes at once and nobody waits;
// when several have come within the last milliseconds, the next ones wait for one another: at high load one transaction carries dozens.

import type { Timers } from '../base/timers.ts';

const RESOLVED = Promise.resolve();

/** As many as this within one window, and a transaction for each costs more than the wait is worth. */
const MANY = 4;

export class CommitWindow {
  readonly #timers: Timers;
  readonly #ms: number;
  readonly #now: () => number;
  /** When the last MANY came, in turn. */
  readonly #came = new Float64Array(MANY).fill(Number.NEGATIVE_INFINITY);
  #count = 0;
  /** Resolves when the window closes; null while nobody waits for it. */
  #turn: Promise<void> | null = null;

  /**
   * @param ms how long one waits at most.
   * @param now milliseconds that only rise.
   */
  constructor(timers: Timers, ms: number, now: () => number) {
    this.#timers = timers;
    this.#ms = ms;
    this.#now = now;
  }

  /** Resolves when it is this one's turn to write: all that wait for the same turn continue in the same turn of the event loop. */
  turn(): Promise<void> {
    const now = this.#now();
    const place = this.#count++ % MANY;
    const before = this.#came[place]!;
    this.#came[place] = now;
    if (this.#turn !== null) return this.#turn;
    if (now - before >= this.#ms) return RESOLVED;
    this.#turn = new Promise((resolve) => {
      this.#timers.after(this.#ms, () => {
        this.#turn = null;
        resolve();
      });
    });
    return this.#turn;
  }
}
