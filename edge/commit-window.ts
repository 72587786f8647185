// Lets sessions that have something to write write it together. lmdb-js puts the writes of one turn of the event loop into one transaction;
// a transaction costs some hundred microseconds of CPU and a flush whatever is in it. So the first one goes at once, and those that come
// in the next milliseconds go together when these are over: at low load nobody waits, at high load one transaction carries dozens.

import type { Timers } from '../base/timers.ts';

const RESOLVED = Promise.resolve();

export class CommitWindow {
  readonly #timers: Timers;
  readonly #ms: number;
  #isOpen = false;
  /** Resolves when the window closes; null while nobody waits for it. */
  #turn: Promise<void> | null = null;
  #go: (() => void) | null = null;

  /** @param ms how long the others wait at most. */
  constructor(timers: Timers, ms: number) {
    this.#timers = timers;
    this.#ms = ms;
  }

  /** Resolves when it is this one's turn to write: all that wait for the same turn continue in the same turn of the event loop. */
  turn(): Promise<void> {
    if (this.#turn !== null) return this.#turn;
    if (!this.#isOpen) {
      this.#open();
      return RESOLVED;
    }
    this.#turn = new Promise((resolve) => {
      this.#go = resolve;
    });
    return this.#turn;
  }

  #open(): void {
    this.#isOpen = true;
    this.#timers.after(this.#ms, () => {
      const go = this.#go;
      this.#go = null;
      this.#turn = null;
      this.#isOpen = false;
      if (go === null) return;
      this.#open();
      go();
    });
  }
}
