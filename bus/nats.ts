// The transport over NATS JetStream. A batch is one message (or several, by what one may hold), stored at the hub when publish resolves; a
// subject has one publisher, one message under way and one consumer, so that nothing overtakes. Connecting, streams, consuming and coding
// are beside it, in files of their own.

import { headers, type Msg } from '@nats-io/transport-node';
import type { Registry } from 'prom-client';
import { BusError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { NatsBucket } from './nats-bucket.ts';
import { closed, type Link, type NatsOptions, NatsRoad } from './nats-connection.ts';
import { FAILED, NatsMetrics, STORED } from './nats-metrics.ts';
import { hasParts, type StreamName, streamOf } from './nats-streams.ts';
import { NatsSubscription } from './nats-subscription.ts';
import { cut, encode, storeId } from './nats-wire.ts';
import { inboxOf, noticeOf } from './subjects.ts';
import type { BusMessage, BusQuestions, BusTransport, MayTake, Subscription } from './transport.ts';

export type { NatsOptions } from './nats-connection.ts';

/**
 * Opens the road. Resolves when NATS is there, or, when it does not answer, after a moment without it.
 * @throws ConfigError when what answers cannot be used, with what to set.
 */
export async function openNats(options: NatsOptions, log: Log, registry: Registry): Promise<NatsTransport> {
  const metrics = new NatsMetrics(registry);
  return new NatsTransport(await NatsRoad.open(options, log, metrics), inboxOf(options.name), log, metrics);
}

export class NatsTransport implements BusTransport, BusQuestions {
  readonly publishes = 'stored';
  readonly #road: NatsRoad;
  readonly #inbox: string;
  readonly #log: Log;
  readonly #metrics: NatsMetrics;
  readonly #subscriptions = new Set<Subscription>();
  /** Per subject the last publish that was begun: the next one waits for it. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Per stream the number of what was stored from here last. */
  readonly #given = new Map<StreamName, number>();
  /**
   * Per stream the last number there at the beginning of a connection, before anything was published on it, where that was less than had been
   * given before; the lowest since the last look.
   */
  readonly #lowest = new Map<StreamName, number>();
  /** Subjects that were published on over this link; the first time is told. */
  #told: { link: Link; subjects: Set<string> } | null = null;

  constructor(road: NatsRoad, inbox: string, log: Log, metrics: NatsMetrics) {
    this.#road = road;
    this.#inbox = inbox;
    this.#log = log;
    this.#metrics = metrics;
    const linked = (): void => {
      for (const [stream, last] of road.link()?.lastStored ?? []) {
        if (last >= (this.#given.get(stream) ?? 0)) continue;
        this.#lowest.set(stream, Math.min(last, this.#lowest.get(stream) ?? last));
      }
    };
    road.onChange(linked);
  }

  async publish(subject: string, messages: BusMessage[], round = 0): Promise<void> {
    if (messages.length === 0) return;
    if (this.#road.isClosed) throw closed();
    const before = this.#turns.get(subject) ?? Promise.resolve();
    const published = before.then(() => this.#publish(subject, messages, round));
    const turn = published.catch(() => {});
    this.#turns.set(subject, turn);
    await published.finally(() => {
      if (this.#turns.get(subject) === turn) this.#turns.delete(subject);
    });
  }

  subscribe(
    pattern: string,
    _name: string,
    handler: (subject: string, messages: BusMessage[]) => Promise<void>,
    mayTake: MayTake = () => true,
    idle?: (subject: string) => Promise<void>,
  ): Subscription {
    if (this.#road.isClosed) throw closed();
    const shared = { road: this.#road, log: this.#log, metrics: this.#metrics, inbox: this.#inbox };
    return this.#keep(new NatsSubscription({ ...shared, pattern, handler, mayTake, idle: idle ?? null }));
  }

  knock(subject: string): void {
    const link = this.#road.link();
    const notice = noticeOf(subject);
    if (notice !== subject) link?.nats.publish(notice);
  }

  async ask(subject: string, question: Uint8Array): Promise<Uint8Array> {
    const link = await this.#road.whenLinked(LIMITS.busAnswerMs);
    try {
      const answer = await link.nats.request(subject, question, { timeout: LIMITS.busAnswerMs });
      return answer.data;
    } catch (cause) {
      throw new BusError('not-taken', `Nobody answered on ${subject}. Is the other side running?`, { cause });
    }
  }

  answer(
    pattern: string,
    handler: (subject: string, question: Uint8Array) => Promise<Uint8Array | null>,
  ): Subscription {
    let underWay = 0;
    return this.#listen(pattern, (message) => {
      // Past the bound nobody is answered, and asks again.
      if (underWay >= LIMITS.busAnswersMax) return;
      underWay++;
      handler(message.subject, message.data)
        .then((bytes) => {
          if (bytes !== null) message.respond(bytes);
        })
        .catch((failure: unknown) =>
          this.#log.warn({ err: failure, subject: message.subject }, 'a question was not answered'),
        )
        .finally(() => underWay--);
    });
  }

  given(subject: string): number {
    return this.#given.get(streamOf(subject)) ?? 0;
  }

  async lastStored(subject: string): Promise<{ lowest: number; now: number }> {
    const stream = streamOf(subject);
    const link = await this.#road.whenLinked(LIMITS.busAnswerMs);
    try {
      const { state } = await link.jsm.streams.info(stream);
      const now = state.last_seq;
      const lowest = Math.min(now, this.#lowest.get(stream) ?? now);
      this.#lowest.delete(stream);
      return { lowest, now };
    } catch (cause) {
      throw new BusError('not-taken', `The hub does not tell what it has stored of ${stream}.`, { cause });
    }
  }

  tell(subject: string, text: string): void {
    this.#road.link()?.nats.publish(subject, text);
  }

  hear(subject: string, handler: (text: string) => void): Subscription {
    return this.#listen(subject, (message) => handler(message.string()));
  }

  bucket(name: string): NatsBucket {
    return new NatsBucket(this.#road, name);
  }

  /** What is wrong with the road, one sentence each; empty while it can be used. */
  problems(): string[] {
    return this.#road.problems();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#road.close();
  }

  /** Over every link there will be. */
  #listen(pattern: string, heard: (message: Msg) => void): Subscription {
    if (this.#road.isClosed) throw closed();
    let stop = (): void => {};
    const listen = (): void => {
      const link = this.#road.link();
      if (link === null) return;
      const ear = link.nats.subscribe(pattern, {
        callback: (error, message) => {
          if (error !== null) this.#log.error({ err: error, pattern }, 'what is said here is not heard');
          else heard(message);
        },
      });
      link.lost.addEventListener('abort', () => ear.unsubscribe(), { once: true });
      stop = () => ear.unsubscribe();
    };
    const stopListening = this.#road.onChange(listen);
    listen();
    return this.#keep({
      close: async () => {
        stopListening();
        stop();
      },
    });
  }

  #keep(subscription: Subscription): Subscription {
    const kept = {
      close: async () => {
        this.#subscriptions.delete(kept);
        await subscription.close();
      },
    };
    this.#subscriptions.add(kept);
    return kept;
  }

  async #publish(subject: string, messages: BusMessage[], round: number): Promise<void> {
    const link = await this.#road.whenLinked(LIMITS.busSubscriberWaitMs);
    const bytes = await encode(messages);
    if (bytes.length <= link.bytesMax) {
      await this.#store(link, subject, bytes, round);
    } else if (messages.length > 1) {
      // One after the other: the second half must not be there without the first.
      const half = messages.length >> 1;
      await this.#publish(subject, messages.slice(0, half), round);
      await this.#publish(subject, messages.slice(half), round);
      return;
    } else if (hasParts(streamOf(subject))) {
      for (const part of cut(bytes, link.bytesMax)) await this.#store(link, subject, part, round);
    } else
      throw new BusError(
        'not-taken',
        `${messages[0]!.id} has ${bytes.length} bytes, and one message may have ${link.bytesMax}.`,
      );
    this.#knockOnce(link, subject);
  }

  /** Resolves when the stream has it, now or from an earlier try. */
  async #store(link: Link, subject: string, bytes: Uint8Array, round: number): Promise<void> {
    const startedAt = performance.now();
    const observe = (outcome: number): void =>
      this.#metrics.seconds.observe(outcome, (performance.now() - startedAt) / 1_000);
    const named = headers();
    named.set('Nats-Msg-Id', storeId(subject, bytes, round));
    try {
      const answer = await link.nats.request(subject, bytes, { timeout: LIMITS.natsAnswerMs, headers: named });
      const { error, stream, seq } = answer.json<{ error?: { description?: string }; stream?: string; seq?: number }>();
      if (error !== undefined || stream !== streamOf(subject)) {
        throw new BusError(
          'not-taken',
          `The hub does not store ${subject}: ${error?.description ?? 'no such stream'}.`,
        );
      }
      this.#given.set(stream, seq ?? 0);
    } catch (error) {
      observe(FAILED);
      if (error instanceof BusError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new BusError(
        'not-taken',
        `The hub did not store ${subject}: ${why}. Is it there, with room on its disk, and has control made its streams?`,
        {
          cause: error,
        },
      );
    }
    observe(STORED);
    this.#metrics.messages.inc('out');
    this.#metrics.bytes.inc('out', bytes.length);
  }

  /** Whoever takes this subject may not know of it yet: it looks at once instead of in some seconds. */
  #knockOnce(link: Link, subject: string): void {
    if (this.#told?.link !== link) this.#told = { link, subjects: new Set() };
    if (this.#told.subjects.has(subject)) return;
    this.#told.subjects.add(subject);
    this.knock(subject);
  }
}
