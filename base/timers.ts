// Waiting as a value that is handed in, the companion of Clock: code that must act later asks a Timers, and tests move it by hand.

import { ManualClock } from './clock.ts';

export interface Timers {
  /** Runs `run` once after `ms` milliseconds; the function that comes back calls it off. */
  after(ms: number, run: () => void): () => void;
}

export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Resolves when `wait` has settled, well or badly, or `ms` milliseconds are over: for an orderly end that must not take for ever. */
export function settledWithin(ms: number, wait: Promise<unknown>, timers: Timers = systemTimers): Promise<void> {
  return new Promise((resolve) => {
    const cancel = timers.after(ms, resolve);
    const settled = (): void => {
      cancel();
      resolve();
    };
    wait.then(settled, settled);
  });
}

/** Timers for tests: nothing runs until `advance` reaches it. The clock moves along. */
export class ManualTimers implements Timers {
  readonly clock = new ManualClock();
  #waiting: { at: number; run: () => void }[] = [];

  after(ms: number, run: () => void): () => void {
    const entry = { at: this.clock.now() + ms, run };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** Moves time on by `ms`, running what falls due in order, each at its own time. */
  advance(ms: number): void {
    const end = this.clock.now() + ms;
    for (;;) {
      const next = this.#waiting.filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((entry) => entry !== next);
      this.clock.advance(Math.max(0, next.at - this.clock.now()));
      next.run();
    }
    this.clock.advance(end - this.clock.now());
  }

  /** How many runs are waiting. */
  get pending(): number {
    return this.#waiting.length;
  }
}
