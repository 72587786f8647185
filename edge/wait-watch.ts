// How long POSTs wait on this thread, for their turn of the event loop and for the disk, and how much of the time the loop had something to
// do. All is measured, never counted: a thread that is slow because its neighbours are, or whose disk has a bad minute, has as little room as
// one that is asked too much.

import { LIMITS } from '../base/limits.ts';

/** Milliseconds. */
export interface Waits {
  loopMs: number;
  diskMs: number;
}

/** What a look at the thread found. */
export interface Look extends Waits {
  /** POSTs answered and sessions ended since the last one, and how long ago that was. */
  posts: number;
  ended: number;
  sinceMs: number;
  /** Part of that time in which the loop did something, or waited for a core to do it; 0 to 1. */
  busy: number;
}

export class WaitWatch {
  readonly #now: () => number;
  readonly #idleMs: () => number;
  #tickedAt: number;
  #idleAt: number;
  /** Answers that wait for the disk, and since when none of them came. */
  #stored = 0;
  #storedSince = 0;
  /** Longest wait for the disk that ended since the last tick. */
  #longestMs = 0;
  #posts = 0;
  #ended = 0;

  /** @param now milliseconds that only rise, and @param idleMs those of them in which the loop had nothing to do. */
  constructor(now: () => number, idleMs: () => number) {
    this.#now = now;
    this.#idleMs = idleMs;
    this.#tickedAt = now();
    this.#idleAt = idleMs();
  }

  /** An answer waits for the disk from now on; returns what `written` wants. */
  writing(): number {
    const now = this.#now();
    if (this.#stored++ === 0) this.#storedSince = now;
    return now;
  }

  /** It waits no more, whatever came of it. */
  written(since: number): void {
    const now = this.#now();
    this.#stored--;
    this.#storedSince = now;
    this.#longestMs = Math.max(this.#longestMs, now - since);
  }

  /** A POST is answered, and with it a session ended or not. */
  answered(isEnd: boolean): void {
    this.#posts++;
    if (isEnd) this.#ended++;
  }

  /** Called by a timer of admissionTickMs: the longest waits since the last call. */
  tick(): Look {
    const now = this.#now();
    const sinceMs = now - this.#tickedAt;
    // A timer is late by as much as whoever came just after the last turn of the loop had to wait.
    const loopMs = Math.max(0, sinceMs - LIMITS.admissionTickMs);
    const stuck = this.#stored > 0 ? now - this.#storedSince : 0;
    const diskMs = Math.max(this.#longestMs, stuck);
    const idleAt = this.#idleMs();
    const idle = sinceMs > 0 ? (idleAt - this.#idleAt) / sinceMs : 0;
    const busy = Math.min(1, Math.max(0, 1 - idle));
    this.#tickedAt = now;
    this.#idleAt = idleAt;
    this.#longestMs = 0;
    const [posts, ended] = [this.#posts, this.#ended];
    this.#posts = 0;
    this.#ended = 0;
    return { loopMs, diskMs, posts, ended, sinceMs, busy };
  }
}
