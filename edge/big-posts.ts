// Big documents, as a session thread sees them: what takes milliseconds to read, plan and store is done by a pool thread that has a store,
// sessions and a handler of its own. Only bytes go there, by transfer, and only the answer comes back: what a document holds, thousands of
// objects, is never cloned from one thread to another.

import { LIMITS } from '../base/limits.ts';
import { settledWithin } from '../base/timers.ts';
import { TaskPool } from '../workers/pool.ts';
import type { Identity } from './auth.ts';
import type { CwmpExchange, HttpReply } from './http.ts';
import { COME_AGAIN } from './replies.ts';
import type { ThreadData } from './thread-protocol.ts';

/** What the pool thread is asked. */
export type BigTask =
  | {
      type: 'post';
      bytes: Uint8Array;
      identity: Identity | null;
      cookie: string;
      contentType: string;
      address: string;
      addressBytes: Uint8Array;
    }
  /** prom-client metrics of the pool thread, as JSON. */
  | { type: 'metrics' }
  | { type: 'close' };

export type BigResult =
  | { type: 'reply'; reply: HttpReply }
  /** An Inform whose sender was let in by a cookie: it has to prove who it is. */
  | { type: 'unproven' }
  | { type: 'metrics'; metrics: object[] }
  | { type: 'closed' };

export interface BigPostsOptions {
  /** Of the pool thread: the session thread's but for its lane. */
  data: ThreadData;
  unproven(exchange: CwmpExchange): HttpReply | null;
  nudge(): void;
}

export class BigPosts {
  readonly #o: BigPostsOptions;
  readonly #pool: TaskPool<BigTask, BigResult>;
  #metrics: object[] = [];
  /** The question under way; null while there is none. */
  #asked: Promise<void> | null = null;

  constructor(options: BigPostsOptions) {
    this.#o = options;
    const bounds = { tasks: LIMITS.poolQueueMax, bytes: LIMITS.poolQueueBytesMax, atOnce: LIMITS.poolAtOnceMax };
    this.#pool = new TaskPool('big-post-worker', options.data, bounds);
  }

  /** Documents in the pool, running or waiting. */
  get waiting(): number {
    return this.#pool.load.tasks;
  }

  /** False while the pool thread has enough to do for a while. */
  get hasRoom(): boolean {
    return this.#pool.load.bytes < LIMITS.poolAheadBytes;
  }

  /** Answers one POST; null when too many wait. `body` is moved or copied before this returns. */
  post(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): Promise<HttpReply> | null {
    const bytes = (exchange.bodyIsOwned ? body : body.slice()) as Uint8Array<ArrayBuffer>;
    const { cookie, contentType, address, addressBytes } = exchange;
    const task: BigTask = { type: 'post', bytes, identity, cookie, contentType, address, addressBytes };
    const result = this.#pool.run(task, bytes.buffer);
    return result === null ? null : this.#reply(exchange, result);
  }

  /** Metrics of the pool thread: those of the last time when it is busy with documents, so that no scrape waits for them. */
  async metrics(): Promise<object[]> {
    if (this.#pool.isStarted) this.#asked ??= this.#askMetrics();
    await settledWithin(LIMITS.poolMetricsMs, this.#asked ?? Promise.resolve());
    return this.#metrics;
  }

  async #askMetrics(): Promise<void> {
    try {
      const result = await this.#pool.run({ type: 'metrics' }, null);
      if (result?.type === 'metrics') this.#metrics = result.metrics;
    } finally {
      this.#asked = null;
    }
  }

  /** Ends the pool thread, when it has answered what it was given. */
  async close(): Promise<void> {
    if (this.#pool.isStarted) await this.#pool.run({ type: 'close' }, null);
    await this.#pool.close();
  }

  async #reply(exchange: CwmpExchange, result: Promise<BigResult>): Promise<HttpReply> {
    const done = await result;
    this.#o.nudge();
    if (done.type === 'reply') return done.reply;
    return this.#o.unproven(exchange) ?? COME_AGAIN;
  }
}
