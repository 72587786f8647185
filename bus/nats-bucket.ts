// A bucket of JetStream's key-value store: at the server this process is connected to, where that has JetStream, so that the edges of a POP
// agree among themselves while the hub is away. Of what a bucket can do only two things are asked: read one entry, and write one over a
// revision that was seen. Nothing is watched, deleted or left to expire by itself but with the age of the whole bucket.

import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { BusError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Link, NatsRoad } from './nats-connection.ts';
import type { Bucket } from './transport.ts';

/** Codes of JetStream's API: somebody was faster (10164 of servers that do not tell by whom); the bucket is gone. */
const WRONG_LAST = [10071, 10164];
const NO_STREAM = 10059;
/** What is written about an action is wanted until its deadline, and by a restarted edge a little longer. */
const AGE_MS = LIMITS.actionLifeMsMax + LIMITS.actionSilenceMs;

export class NatsBucket implements Bucket {
  readonly #road: NatsRoad;
  readonly #name: string;
  #opened: { link: Link; kv: Promise<KV> } | null = null;

  constructor(road: NatsRoad, name: string) {
    this.#road = road;
    this.#name = name;
  }

  async get(key: string): Promise<{ value: string; revision: number } | null> {
    return this.#run(async (kv) => {
      const entry = await kv.get(key);
      return entry === null || entry.operation !== 'PUT' ? null : { value: entry.string(), revision: entry.revision };
    });
  }

  async put(key: string, value: string, revision: number): Promise<number | null> {
    return this.#run(async (kv) => {
      try {
        return revision === 0 ? await kv.create(key, value) : await kv.update(key, value, revision);
      } catch (error) {
        if (error instanceof JetStreamApiError && WRONG_LAST.includes(error.code)) return null;
        throw error;
      }
    });
  }

  async #run<T>(use: (kv: KV) => Promise<T>): Promise<T> {
    // Somebody waits for the answer: without a link there is none, and no waiting for it.
    const link = this.#road.link();
    if (link === null) throw new BusError('not-taken', `The bucket ${this.#name} cannot be reached: NATS is away.`);
    if (this.#opened?.link !== link) this.#opened = { link, kv: open(link, this.#name) };
    const opened = this.#opened;
    try {
      return await use(await opened.kv);
    } catch (cause) {
      const isGone = cause instanceof JetStreamApiError && cause.code === NO_STREAM;
      // A bucket that could not be opened, or was removed, is made the next time.
      if (isGone || (await opened.kv.catch(() => null)) === null) this.#opened = null;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BusError('not-taken', `The bucket ${this.#name} did not answer: ${why}.`, { cause });
    }
  }
}

/** Opens the bucket, making it when it is missing. */
function open({ nats, api }: Link, name: string): Promise<KV> {
  const isLocal = nats.info?.jetstream === true;
  // Nothing of the account is asked: an edge may ask about its bucket alone.
  const apiPrefix = isLocal ? '$JS.API' : api;
  const js = jetstream(nats, { apiPrefix, timeout: LIMITS.claimAnswerMs, checkAPI: false });
  const opened = new Kvm(js).create(name, {
    history: 1,
    ttl: AGE_MS,
    max_bytes: LIMITS.claimsBytesMax,
    // Read where it is written: a copy that lags would cost a try.
    allow_direct: false,
  });
  opened.catch(() => {});
  return opened;
}
