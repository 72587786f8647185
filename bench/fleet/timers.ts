// The time of simulated CPEs: real, scaled (an hour of retries in a second) or moved by hand in tests. Only waiting between sessions runs
// on it; time-outs of sockets stay real, because the other end is real.

import type { Clock } from '../../base/clock.ts';

export interface Timers extends Clock {
  /** Runs `run` once after `delayMs` of this time; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** Longest delay of setTimeout; a longer one would fire at once. */
const TIMEOUT_MS_MAX = 2_147_483_647;

/**
 * Timers on the wall clock.
 * @param scale seconds of real time per second of simulated time: 0.001 makes a 10 s wait take 10 ms.
 */
export function systemTimers(scale = 1): Timers {
  const startMs = Date.now();
  return {
    now: () => startMs + (Date.now() - startMs) / scale,
    after(delayMs, run) {
      const handle = setTimeout(run, Math.min(delayMs * scale, TIMEOUT_MS_MAX));
      return () => clearTimeout(handle);
    },
  };
}

/** Timers that stand still until `advance` moves them; due callbacks run in order of their time. */
export class ManualTimers implements Timers {
  #nowMs: number;
  #waiting: { atMs: number; run: () => void }[] = [];

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const entry = { atMs: this.#nowMs + Math.max(0, delayMs), run };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** Milliseconds until the next callback, or null when nothing waits. */
  nextInMs(): number | null {
    if (this.#waiting.length === 0) return null;
    return Math.min(...this.#waiting.map((entry) => entry.atMs)) - this.#nowMs;
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#waiting.filter((entry) => entry.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#waiting = this.#waiting.filter((entry) => entry !== due);
      this.#nowMs = due.atMs;
      due.run();
    }
    this.#nowMs = untilMs;
  }
}

/** dateTime as CWMP writes it: UTC, no milliseconds. */
export function dateTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** dateTime with the microseconds TR-143 wants for its measuring points. */
export function preciseDateTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

/** The Unknown Time of A.2.2. */
export const UNKNOWN_TIME = '0001-01-01T00:00:00Z';
