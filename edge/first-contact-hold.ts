// The first empty POST of a new CPE waits a little for the work control has for it, so that it is provisioned in its first session. All that
// wait on one thread share one timer: thousands of new CPEs, or somebody who invents them, cost no more looks than one. It does not know
// what the work is, nor whether there is any.

import type { Timers } from '../base/timers.ts';

export interface FirstContactHoldOptions {
  /** Highest sequence that control has acknowledged, of whatever thread: the session may have begun on another one. */
  ackedSequence(): number;
  /** See systemElapsed: a wall clock that is set back would keep CPEs waiting for as long. */
  elapsed(): number;
  timers: Timers;
}

/** Longest wait. A centre that is away must not keep CPEs waiting; its work then comes in a later session. */
const HOLD_MS = 1_500;
const LOOK_MS = 5;

interface Held {
  sequence: number;
  untilMs: number;
  go(): void;
}

export class FirstContactHold {
  readonly #o: FirstContactHoldOptions;
  /** One per POST that is being answered, so bounded as connections are. A timer runs exactly while it is not empty. */
  #held: Held[] = [];

  constructor(options: FirstContactHoldOptions) {
    this.#o = options;
  }

  /** Resolves when control has acknowledged the fact `sequence`, and so handed over what it has for it, or 1.5 s are over. */
  until(sequence: number): Promise<void> {
    if (this.#o.ackedSequence() >= sequence) return Promise.resolve();
    return new Promise((resolve) => {
      this.#held.push({ sequence, untilMs: this.#o.elapsed() + HOLD_MS, go: resolve });
      if (this.#held.length === 1) this.#lookLater();
    });
  }

  #lookLater(): void {
    this.#o.timers.after(LOOK_MS, () => {
      const acked = this.#o.ackedSequence();
      const nowMs = this.#o.elapsed();
      this.#held = this.#held.filter(({ sequence, untilMs, go }) => {
        const waits = sequence > acked && nowMs < untilMs;
        if (!waits) go();
        return waits;
      });
      if (this.#held.length > 0) this.#lookLater();
    });
  }
}
