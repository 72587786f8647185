// Requests that stay open on purpose: waits for an action and event streams. Each kind is bounded, each ends when its caller goes away
// or the server drains.

import { ApiError } from './errors.ts';

export interface OpenRequest {
  /** Aborts when the caller went away, the server drains, or the request has left. */
  signal: AbortSignal;
  /** Gives the place back; safe to call twice. */
  leave(): void;
}

/** The places for one kind of open request. */
export class OpenRequests {
  readonly #what: string;
  readonly #max: number;
  readonly #open = new Set<AbortController>();
  #draining = false;

  constructor(what: string, max: number) {
    this.#what = what;
    this.#max = max;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Takes a place. @throws ApiError 429 when all are taken, 503 while draining. */
  enter(callerGone: AbortSignal): OpenRequest {
    if (this.#draining) {
      throw new ApiError(503, 'draining', 'This Starling is stopping. Repeat the request in a moment.', {
        headers: { 'Retry-After': '5' },
      });
    }
    if (this.#open.size >= this.#max) {
      const message = `There are ${this.#max} ${this.#what} open, the most allowed. Close one of yours or come again later.`;
      throw new ApiError(429, 'too-many-open', message, { headers: { 'Retry-After': '5' } });
    }
    const controller = new AbortController();
    const abort = () => controller.abort();
    const leave = () => {
      callerGone.removeEventListener('abort', abort);
      this.#open.delete(controller);
      abort(); // Whatever still waits on behalf of this request is no longer wanted.
    };
    if (callerGone.aborted) abort();
    callerGone.addEventListener('abort', abort, { once: true });
    this.#open.add(controller);
    return { signal: controller.signal, leave };
  }

  /** Ends all of them and lets no new one in. */
  drain(): void {
    this.#draining = true;
    for (const controller of this.#open) controller.abort();
  }
}
