// A subscription over NATS: a partition for each subject that matches. Of a pattern the subjects are found in the stream, among its
// consumers (an edge that is quiet now has one from before), and by the notices of those who begin to publish.

import { LIMITS } from '../base/limits.ts';
import type { NatsRoad } from './nats-connection.ts';
import { Partition, type PartitionOptions } from './nats-partition.ts';
import { streamOf } from './nats-streams.ts';
import { eventOf, noticesOf, subjectMatches, subjectOf } from './subjects.ts';
import type { Subscription } from './transport.ts';

export interface NatsSubscriptionOptions extends Omit<PartitionOptions, 'subject' | 'stream'> {
  pattern: string;
}

export class NatsSubscription implements Subscription {
  readonly #o: NatsSubscriptionOptions;
  readonly #road: NatsRoad;
  readonly #partitions = new Map<string, Partition>();
  readonly #timers: NodeJS.Timeout[] = [];
  #stopListening: () => void = () => {};
  #discovering = false;
  #closed = false;

  constructor(options: NatsSubscriptionOptions) {
    this.#o = options;
    this.#road = options.road;
    const { pattern } = options;
    this.#timers.push(setInterval(() => this.#tick(), LIMITS.busAskAgainMs));
    if (!/[*>]/.test(pattern)) {
      this.#open(pattern);
      return;
    }
    this.#timers.push(setInterval(() => void this.#discover(), LIMITS.natsDiscoverMs));
    this.#stopListening = this.#road.onChange(() => this.#linked());
    this.#linked();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([...this.#partitions.values()].map((partition) => partition.close()));
  }

  #linked(): void {
    const link = this.#road.link();
    if (link === null) return;
    const { pattern, log } = this.#o;
    const notice = noticesOf(pattern);
    // First the ear, then the look: an edge that appears in between is heard.
    const ear = link.nats.subscribe(notice, {
      callback: (error, message) => {
        if (error !== null) log.error({ err: error, notice }, 'notices of edges that come up are not heard');
        else this.#open(eventOf(message.subject));
      },
    });
    link.lost.addEventListener('abort', () => ear.unsubscribe(), { once: true });
    void this.#discover();
  }

  async #discover(): Promise<void> {
    const link = this.#road.link();
    if (link === null || this.#discovering) return;
    this.#discovering = true;
    const { pattern, log } = this.#o;
    const stream = streamOf(pattern);
    try {
      const { state } = await link.jsm.streams.info(stream, { subjects_filter: pattern });
      for (const subject of Object.keys(state.subjects ?? {})) this.#open(subject);
      for await (const { name } of link.jsm.consumers.list(stream)) this.#open(subjectOf(name));
    } catch (error) {
      if (!link.lost.aborted) log.warn({ err: error, pattern }, 'subjects of edges could not be looked for');
    } finally {
      this.#discovering = false;
    }
  }

  #open(subject: string): void {
    const { pattern, ...options } = this.#o;
    if (this.#closed || this.#partitions.has(subject) || !subjectMatches(pattern, subject)) return;
    this.#partitions.set(subject, new Partition({ ...options, subject, stream: streamOf(pattern) }));
  }

  #tick(): void {
    for (const partition of this.#partitions.values()) partition.tick();
  }
}
