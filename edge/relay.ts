// The only thing on the edge that sees the bus. Outward it drains the outbox in order: read, publish, and only when control has it, remove.
// A record of the outbox is a message of the bus, text for text: which facts are in it is for control to read.
// Inward it makes decisions durable before they are acknowledged (decision-intake.ts); on its timer it looks after work and sessions
// whose CPE does not come (upkeep.ts). It never sees a CWMP message.
//
// A batch that is not taken is read and published again after a pause, for as long as it takes: the centre may be away for a day. What
// is published twice has the same message ids and, per lane, rising sequences; control's high-water marks make it count once.

import type { Registry } from 'prom-client';
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { gauge, Latency, Tally } from '../base/metrics.ts';
import { settledWithin, systemTimers, type Timers } from '../base/timers.ts';
import { factMessageId } from '../bus/messages.ts';
import { decisionsFor, factsOf } from '../bus/subjects.ts';
import type { BusTransport, Subscription } from '../bus/transport.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import { DecisionIntake } from './decision-intake.ts';
import type { Waker } from './http-waker.ts';
import type { FactRecord, RelayStore } from './store/store.ts';
import { Upkeep } from './upkeep.ts';

export interface RelayOptions {
  store: RelayStore;
  transport: BusTransport;
  waker: Waker;
  profiles: ProfileChooser;
  log: Log;
  registry: Registry;
  clock: Clock;
  timers?: Timers;
  edgeId: string;
  pop: string;
  /** Session threads of this edge, and its version: what control is told at start. */
  threads: number;
  version: string;
  /** Somebody waits for this CPE (see SessionTable). */
  expect(cpeId: string): void;
  /** One per lane: the highest sequence control has acknowledged, for threads that wait for it. */
  acked: BigInt64Array;
}

/** Outcomes of a batch. */
const OK = 0;
const FAILED = 1;
/** Silence of control after which the relay counts as a problem. */
const PROBLEM_AFTER_MS = 30_000;

export class Relay {
  readonly #o: RelayOptions;
  readonly #timers: Timers;
  readonly #subject: string;
  readonly #intake: DecisionIntake;
  readonly #upkeep: Upkeep;
  readonly #published: Tally;
  readonly #failures: Tally;
  readonly #seconds: Latency;
  #subscription: Subscription | null = null;
  /** The drain under way; null while the outbox is empty as far as was seen. */
  #draining: Promise<void> | null = null;
  #closing = false;
  /** Since when control has taken nothing though there is something to take; null while it takes. */
  #failingSince: number | null = null;
  /** Time of the oldest fact when the outbox was last read. */
  #oldestAt: number | null = null;
  #cancelPoll: (() => void) | null = null;
  #cancelTick: (() => void) | null = null;
  #ticking: Promise<void> = Promise.resolve();
  /** Ends the pause after a failure; non-null exactly during one. */
  #endPause: (() => void) | null = null;

  /**
   * Says hello to control at once, into the outbox: made before the session threads are, the relay so comes first in the order of this
   * start, and control learns that a store is a new one before it sees its first facts.
   */
  constructor(options: RelayOptions) {
    this.#o = options;
    const { store, registry, clock, log } = options;
    this.#timers = options.timers ?? systemTimers;
    this.#subject = factsOf(options.pop, options.edgeId);
    this.#intake = new DecisionIntake(options);
    this.#upkeep = new Upkeep(options);
    this.#published = new Tally(registry, 'starling_relay_facts_total', 'Facts control has acknowledged.');
    this.#failures = new Tally(registry, 'starling_relay_failures_total', 'Batches of facts that were not taken.');
    this.#seconds = new Latency(
      registry,
      'starling_relay_publish_seconds',
      'Time for control to take one batch.',
      'outcome',
      ['ok', 'failed'],
    );
    gauge(registry, 'starling_outbox_facts', 'Facts control has not acknowledged.', () => store.outboxDepth());
    gauge(registry, 'starling_outbox_bytes', 'About their bytes.', () => store.outboxBytes());
    gauge(registry, 'starling_outbox_oldest_seconds', 'Age of the oldest of them.', () => this.#oldestSeconds());
    gauge(registry, 'starling_store_refusing', '1 while the store takes no writes.', () => (store.refusing() ? 1 : 0));
    const { version, threads } = options;
    const startedAt = clock.now();
    const hello = store.appendFacts([{ type: 'hello', body: { version, threads, startedAt } }], startedAt);
    hello.durable.catch((error: unknown) => log.error({ err: error }, 'the hello to control could not be stored'));
  }

  /** Begins to drain, to take decisions, and the timer. */
  start(): void {
    const { transport, pop, edgeId } = this.#o;
    this.#subscription = transport.subscribe(decisionsFor(pop, edgeId), `edge ${edgeId}`, async (_, messages) => {
      await this.#intake.take(messages);
      this.nudge();
    });
    this.#poll();
    this.#tickLater();
  }

  /** Something may have been appended: drain now instead of at the next look. Any number of nudges cost one drain. */
  nudge(): void {
    if (this.#closing || this.#draining !== null || this.#o.store.outboxDepth() === 0) return;
    this.#drainNow();
  }

  /** What is wrong, one sentence each, for the health page. */
  problems(): string[] {
    const problems: string[] = [];
    const refusing = this.#o.store.refusing();
    if (refusing !== null) problems.push(`the edge store takes no writes: ${refusing}`);
    if (this.#failingSince !== null && this.#o.clock.now() - this.#failingSince > PROBLEM_AFTER_MS) {
      const since = new Date(this.#failingSince).toISOString();
      problems.push(`control has taken no facts since ${since}; ${this.#o.store.outboxDepth()} wait`);
    }
    return problems;
  }

  /** Takes no more decisions, drains as far as control takes it within a bound, stops. What is left is on the disk. */
  async close(): Promise<void> {
    this.#cancelPoll?.();
    this.#cancelTick?.();
    await this.#subscription?.close();
    await this.#ticking;
    this.#closing = true;
    this.#endPause?.();
    // A control whose database is away answers the batch in hand late or never.
    const drained = (async () => {
      await this.#draining;
      await this.#drainNow();
    })();
    await settledWithin(LIMITS.relayDrainMs, drained, this.#timers);
  }

  #drainNow(): Promise<void> {
    const drained = this.#drain()
      .catch((error: unknown) => this.#o.log.error({ err: error }, 'draining the outbox failed'))
      .finally(() => {
        this.#draining = null;
      });
    this.#draining = drained;
    return drained;
  }

  async #drain(): Promise<void> {
    const { store } = this.#o;
    let pauseMs: number = LIMITS.relayBackoffMsMin;
    for (;;) {
      const records = store.readFacts(LIMITS.relayBatchFacts, LIMITS.relayBatchBytes);
      this.#oldestAt = records[0]?.at ?? null;
      if (records.length === 0) return;
      if (await this.#publish(records)) {
        // What has become visible is counted before its thread nudges, so an empty outbox need not be looked into to be known.
        if (store.outboxDepth() === 0) return;
        pauseMs = LIMITS.relayBackoffMsMin;
        continue;
      }
      if (this.#closing) return;
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LIMITS.relayBackoffMsMax);
    }
  }

  /** True when control has the batch and it is out of the outbox. */
  async #publish(records: FactRecord[]): Promise<boolean> {
    const { store, transport, acked, clock, log, edgeId } = this.#o;
    const startedAt = performance.now();
    const observe = (outcome: number): void => this.#seconds.observe(outcome, (performance.now() - startedAt) / 1_000);
    try {
      const messages = records.map(({ lane, first, text }) => ({
        id: factMessageId({ edgeId, lane, sequence: first }),
        payload: text,
      }));
      await transport.publish(this.#subject, messages);
      // Within a lane the batch rises, so the last one of each lane stands.
      for (const { lane, last } of records) {
        if (lane < acked.length) Atomics.store(acked, lane, BigInt(last));
      }
      await store.ackFacts(records);
    } catch (error) {
      observe(FAILED);
      this.#failures.inc();
      if (this.#failingSince === null) {
        this.#failingSince = clock.now();
        log.warn({ err: error, waiting: store.outboxDepth() }, 'control does not take facts; they wait in the outbox');
      }
      return false;
    }
    observe(OK);
    let facts = 0;
    for (const { count } of records) facts += count;
    this.#published.inc('', facts);
    if (this.#failingSince !== null) {
      log.info(
        { failedMs: clock.now() - this.#failingSince, waiting: store.outboxDepth() },
        'control takes facts again',
      );
      this.#failingSince = null;
    }
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#endPause = null;
        resolve();
      };
      const cancel = this.#timers.after(ms, end);
      this.#endPause = end;
    });
  }

  #poll(): void {
    this.nudge();
    this.#cancelPoll = this.#timers.after(LIMITS.relayPollMs, () => this.#poll());
  }

  #tickLater(): void {
    this.#cancelTick = this.#timers.after(LIMITS.relayTickMs, () => {
      this.#ticking = this.#upkeep.round().then(
        () => {
          this.nudge();
          this.#tickLater();
        },
        (error: unknown) => {
          this.#o.log.error({ err: error }, 'a round of upkeep failed');
          this.#tickLater();
        },
      );
    });
  }

  #oldestSeconds(): number {
    if (this.#oldestAt === null || this.#o.store.outboxDepth() === 0) return 0;
    return Math.max(0, (this.#o.clock.now() - this.#oldestAt) / 1_000);
  }
}
