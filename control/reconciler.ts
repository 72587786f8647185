// A job without input that runs on signal and on period, one run at a time, and shows how its last run went. Every background activity
// of control is one; none keeps state that a restart would miss.

import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';

interface LastRun {
  at: number;
  ok: boolean;
  text: string;
}

/** Runs until it is closed; its timer keeps no process from ending. */
export class Reconciler {
  readonly name: string;
  readonly #job: () => Promise<string>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  /** The next try after a pass that failed; what failed with the database is not to look failed long after that is back. */
  #retry: NodeJS.Timeout | undefined;
  #running: Promise<void> | null = null;
  #again: Promise<void> | null = null;
  #closed = false;
  last: LastRun | null = null;

  /** @param job does one pass and says what it did; it may throw, then the next pass tries again. */
  constructor(options: { name: string; periodMs: number; job: () => Promise<string>; clock: Clock; log: Log }) {
    this.name = options.name;
    this.#job = options.job;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#timer = setInterval(() => this.signal(), options.periodMs);
    this.#timer.unref();
  }

  /** Asks for a pass soon. Several signals during a pass ask for one more. */
  signal(): void {
    void this.pass();
  }

  /** Resolves when a pass that began after this call is over, well or badly. */
  pass(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (!this.#running) {
      this.#running = this.#run();
      return this.#running;
    }
    this.#again ??= this.#running.then(() => {
      this.#again = null;
      return this.pass();
    });
    return this.#again;
  }

  /** No new pass begins; resolves when the present one is over. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      this.last = { at: this.#clock.now(), ok: true, text: await this.#job() };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.last = { at: this.#clock.now(), ok: false, text };
      if (!this.#closed) {
        clearTimeout(this.#retry);
        this.#retry = setTimeout(() => this.signal(), LIMITS.jobRetryMs);
        this.#retry.unref();
        this.#log.warn({ err: error, reconciler: this.name }, 'a pass failed; the next one tries again');
      }
    } finally {
      this.#running = null;
    }
  }
}
