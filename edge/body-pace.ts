// The pace at which one thread takes large bodies: its other CPEs wait while it receives, and a hundred megabytes that come at once would
// hold it for a third of a second. Past the allowance, and while enough of them wait to be dealt with, a body is paused in its socket, where
// TCP tells its CPE to slow down. The one that began first goes on first, so that few are held half received. Small bodies are never here.
//
//   begin ─▶ allowance and room left: goes on ◀─(time)──┐
//         └▶ either is not, here and at each piece: paused

import { LIMITS } from '../base/limits.ts';
import { systemTimers, type Timers } from '../base/timers.ts';

export interface BodyPaceOptions<Body> {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** False while what was received before keeps whoever deals with it busy: more would only lie in memory. */
  hasRoom(): boolean;
  /**
   * Runs it when all sockets that are ready have been read. The library goes on reading a socket that is paused while it is read, and one
   * whose last byte came when it was paused would be closed for idleness while its answer is made.
   */
  afterReading(run: () => void): void;
  pause(body: Body): void;
  resume(body: Body): void;
  timers?: Timers;
}

/** Between two looks whether there is room. */
const LOOK_MS = 4;

export class BodyPace<Body> {
  readonly #o: BodyPaceOptions<Body>;
  readonly #timers: Timers;
  /** Bytes that may be taken at once; below 0 when the last piece was larger than what was left. */
  #allowance: number = LIMITS.bigBodyBytesAtOnce;
  #countedAt: number;
  /** Bodies under way, in the order in which they began. */
  readonly #bodies = new Map<Body, 'taken' | 'to-pause' | 'paused'>();
  #isPausing = false;
  #cancel: (() => void) | null = null;

  constructor(options: BodyPaceOptions<Body>) {
    this.#o = options;
    this.#timers = options.timers ?? systemTimers;
    this.#countedAt = options.now();
  }

  /** A large body begins, or has shown itself to be one. */
  begin(body: Body): void {
    this.#bodies.set(body, 'taken');
    this.#count();
    if (this.#isOver()) this.#pause(body);
  }

  /** A piece of it was received; of one that has ended meanwhile it only counts. */
  took(body: Body, bytes: number): void {
    this.#count();
    this.#allowance -= bytes;
    if (this.#isOver() && this.#bodies.get(body) === 'taken') this.#pause(body);
  }

  /** It is whole, or gone. */
  end(body: Body): void {
    if (this.#bodies.get(body) === 'paused') this.#o.resume(body);
    this.#bodies.delete(body);
  }

  /** True for a body that was begun and has not ended. */
  has(body: Body): boolean {
    return this.#bodies.has(body);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#bodies.clear();
  }

  #count(): void {
    const now = this.#o.now();
    const more = ((now - this.#countedAt) / 1_000) * LIMITS.bigBodyBytesPerSecond;
    this.#allowance = Math.min(LIMITS.bigBodyBytesAtOnce, this.#allowance + more);
    this.#countedAt = now;
  }

  #isOver(): boolean {
    return this.#allowance < 0 || !this.#o.hasRoom();
  }

  #pause(body: Body): void {
    this.#bodies.set(body, 'to-pause');
    if (this.#isPausing) return;
    this.#isPausing = true;
    this.#o.afterReading(() => {
      this.#isPausing = false;
      for (const [one, state] of this.#bodies) {
        if (state !== 'to-pause') continue;
        this.#bodies.set(one, 'paused');
        this.#o.pause(one);
        this.#wait();
      }
    });
  }

  #wait(): void {
    if (this.#cancel !== null) return;
    // Whether there is room is looked at, not told: a document takes many times as long as one look waits.
    const least = this.#o.hasRoom() ? 1 : LOOK_MS;
    const ms = Math.max(least, Math.ceil((-this.#allowance * 1_000) / LIMITS.bigBodyBytesPerSecond));
    this.#cancel = this.#timers.after(ms, () => {
      this.#cancel = null;
      this.#count();
      // One at a time: how much has gathered in its socket shows when it is read.
      const isAnyLeft = this.#isOver() || this.#resumeFirst();
      if (isAnyLeft) this.#wait();
    });
  }

  /** False when none was paused. */
  #resumeFirst(): boolean {
    for (const [body, state] of this.#bodies) {
      if (state !== 'paused') continue;
      this.#bodies.set(body, 'taken');
      this.#o.resume(body);
      return true;
    }
    return false;
  }
}
