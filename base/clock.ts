// Time as a value that is handed in, so that tests move it by hand and nothing sleeps.

export interface Clock {
  /** Milliseconds since 1970, wall clock. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Milliseconds that only ever go on: for how long something took or may last, whatever is done to the wall clock. */
export const systemElapsed = (): number => performance.now();

/** A clock for tests: stands still until `advance` moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }
  now(): number {
    return this.#nowMs;
  }
  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
