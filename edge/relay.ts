// The only thing on the edge that sees the bus. Outward it drains the outbox in order: read, publish, and only when control has it, remove.
// A record of the outbox is a message of the bus, text for text: which facts are in it is for control to read. Where a publish that
// resolves says only that a hub has stored something, control has it when it says so: until then a record is on its way (fact-window.ts).
// Inward it makes decisions durable before they are acknowledged (decision-intake.ts); on its timer it looks after work and sessions
// whose CPE does not come (upkeep.ts). It never sees a CWMP message.
//
// A batch that is not taken is read and published again after a pause, for as long as it takes: the centre may be away for a day. What
// is published twice has the same message ids and, per lane, rising sequences; control's high-water marks make it count once. What was
// stored at the hub and is lost there is published again as well: control says that something is missing, or that it has all there is. While
// it says nothing nothing is repeated: it may be away for a day, and what the hub keeps for it is not to grow meanwhile.

import type { Registry } from 'prom-client';
import { type Clock, systemElapsed } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { gauge, Latency, Tally } from '../base/metrics.ts';
import { settledWithin, systemTimers, type Timers } from '../base/timers.ts';
import { type LanePlace, parseMarks, recordMessageId } from '../bus/messages.ts';
import { decisionsFor, factsOf, marksFor } from '../bus/subjects.ts';
import type { BusMessage, BusTransport, Subscription } from '../bus/transport.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import type { ClaimKeeper } from './claims/keeper.ts';
import { DecisionIntake } from './decision-intake.ts';
import { FactWindow } from './fact-window.ts';
import type { WorkFiles } from './file-fetcher.ts';
import type { Waker } from './http-waker.ts';
import type { RecordingKeeper } from './recording/keeper.ts';
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
  files: WorkFiles;
  /** Null where no claims are needed. */
  claims: ClaimKeeper | null;
  recordings: Pick<RecordingKeeper, 'begin' | 'round'>;
  /** One per lane: the highest sequence control has acknowledged, for threads that wait for it. */
  acked: BigInt64Array;
  /** Milliseconds that pass, whatever the wall clock does. */
  elapsed?: () => number;
}

/** Outcomes of a batch. */
const OK = 0;
const FAILED = 1;
/** Silence of control after which the relay counts as a problem. */
const PROBLEM_AFTER_MS = 30_000;

export class Relay {
  readonly #o: RelayOptions;
  readonly #timers: Timers;
  readonly #elapsed: () => number;
  readonly #subject: string;
  readonly #intake: DecisionIntake;
  readonly #upkeep: Upkeep;
  readonly #published: Tally;
  readonly #failures: Tally;
  readonly #seconds: Latency;
  readonly #again: Tally;
  readonly #window = new FactWindow();
  /** Raised when what is on its way is to be published again. */
  #round = 0;
  #againAt = Number.NEGATIVE_INFINITY;
  #subscriptions: Subscription[] = [];
  /** The drain under way; null while the outbox is empty as far as was seen. */
  #draining: Promise<void> | null = null;
  #closing = false;
  /** The store may be closed: what is still under way reads it no more. */
  #closed = false;
  /** Since when nothing could be published; null while it can. */
  #failingSince: number | null = null;
  /** Since when control has taken nothing of what is on its way; null while nothing is. */
  #waitingSince: number | null = null;
  #cancelKnock: (() => void) | null = null;
  /** Time of the oldest fact when the outbox was last read. */
  #oldestAt: number | null = null;
  #cancelPoll: (() => void) | null = null;
  #cancelTick: (() => void) | null = null;
  #ticking: Promise<void> = Promise.resolve();
  /** The removal of what control has taken last. */
  #removing: Promise<void> = Promise.resolve();
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
    this.#elapsed = options.elapsed ?? systemElapsed;
    this.#subject = factsOf(options.pop, options.edgeId);
    this.#intake = new DecisionIntake({
      ...options,
      taken: (lane, sequence) => this.#raise(lane, sequence),
      record: (asked) => options.recordings.begin(asked),
    });
    this.#upkeep = new Upkeep(options);
    this.#published = new Tally(registry, 'starling_relay_facts_total', 'Facts control has acknowledged.');
    this.#again = new Tally(
      registry,
      'starling_relay_again_total',
      'Times that facts on their way to control were published again: they were lost on the road.',
    );
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
    this.#subscriptions = [
      transport.subscribe(decisionsFor(pop, edgeId), `edge ${edgeId}`, async (_, messages) => {
        await this.#intake.take(messages);
        this.nudge();
      }),
    ];
    if (transport.publishes === 'stored') {
      this.#subscriptions.push(transport.hear(marksFor(pop, edgeId), (text) => this.#hear(text)));
    }
    this.#poll();
    this.#tickLater();
  }

  /** Something may have been appended: drain now instead of at the next look. Any number of nudges cost one drain. */
  nudge(): void {
    if (this.#closing || this.#draining !== null || this.#waiting <= 0) return;
    this.#drainNow();
  }

  /** What is wrong, one sentence each, for the health page. */
  problems(): string[] {
    const problems: string[] = [];
    const refusing = this.#o.store.refusing();
    if (refusing !== null) problems.push(`the edge store takes no writes: ${refusing}`);
    const silentSince = Math.min(
      this.#failingSince ?? Number.POSITIVE_INFINITY,
      this.#waitingSince ?? Number.POSITIVE_INFINITY,
    );
    if (this.#o.clock.now() - silentSince > PROBLEM_AFTER_MS) {
      const since = new Date(silentSince).toISOString();
      problems.push(`control has taken no facts since ${since}; ${this.#o.store.outboxDepth()} wait`);
    }
    problems.push(...(this.#o.claims?.problems() ?? []));
    return problems;
  }

  /** Takes no more decisions, drains as far as control takes it within a bound, stops. What is left is on the disk. */
  async close(): Promise<void> {
    this.#cancelPoll?.();
    this.#cancelTick?.();
    await this.#subscriptions[0]?.close();
    await this.#ticking;
    this.#closing = true;
    this.#endPause?.();
    // A control whose database is away answers the batch in hand late or never.
    const drained = (async () => {
      await this.#draining;
      await this.#drainNow();
    })();
    await settledWithin(LIMITS.relayDrainMs, drained, this.#timers);
    this.#closed = true;
    this.#cancelKnock?.();
    for (const subscription of this.#subscriptions.slice(1)) await subscription.close();
    await this.#removing;
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
    const window = this.#window;
    let pauseMs: number = LIMITS.relayBackoffMsMin;
    // A full one is drained further when control has taken some of it.
    while (!this.#closed && !window.isFull) {
      const records = store.readFacts(LIMITS.relayBatchFacts, LIMITS.relayBatchBytes, window);
      this.#oldestAt = window.oldestAt ?? records[0]?.at ?? null;
      if (records.length === 0) return;
      if (await this.#publish(records)) {
        // What has become visible is counted before its thread nudges, so an empty outbox need not be looked into to be known.
        if (this.#waiting <= 0) return;
        pauseMs = LIMITS.relayBackoffMsMin;
        continue;
      }
      if (this.#closing) return;
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LIMITS.relayBackoffMsMax);
    }
  }

  /** Facts that are to be published. */
  get #waiting(): number {
    return this.#o.store.outboxDepth() - this.#window.facts;
  }

  /** True when control has the batch and it is out of the outbox, or it is on its way. */
  async #publish(records: FactRecord[]): Promise<boolean> {
    const { store, transport, clock, log } = this.#o;
    const isHandled = transport.publishes === 'handled';
    const startedAt = performance.now();
    const observe = (outcome: number): void => this.#seconds.observe(outcome, (performance.now() - startedAt) / 1_000);
    const round = this.#round;
    try {
      await transport.publish(this.#subject, this.#messages(records), round);
      if (isHandled) {
        for (const { lane, last } of records) this.#raise(lane, last);
        await store.ackFacts(records);
        this.#count(records);
      } else if (round === this.#round) await this.#onTheWay(records);
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
    if (this.#failingSince !== null) {
      log.info(
        { failedMs: clock.now() - this.#failingSince, waiting: store.outboxDepth() },
        'control takes facts again',
      );
      this.#failingSince = null;
    }
    return true;
  }

  /** Each behind the one before it. */
  #messages(records: FactRecord[]): BusMessage[] {
    const { edgeId } = this.#o;
    let after: LanePlace | null = this.#window.end;
    return records.map((record) => {
      const { lane, last, text } = record;
      const message = {
        id: recordMessageId({ edgeId, ...record }),
        payload: text,
        ...(after === null ? {} : { after }),
      };
      if (!Number.isNaN(lane)) after = { lane, sequence: last };
      return message;
    });
  }

  /** The hub has stored them. Of one that cannot be read nobody will ever say that it was taken: control puts it aside. */
  async #onTheWay(records: FactRecord[]): Promise<void> {
    const damaged = records.filter(({ lane }) => Number.isNaN(lane));
    this.#window.add(
      records.filter(({ lane }) => !Number.isNaN(lane)),
      this.#elapsed(),
    );
    this.#waitingSince ??= this.#o.clock.now();
    if (this.#cancelKnock === null) this.#knockLater();
    this.#takeOut();
    await this.#o.store.ackFacts(damaged);
    this.#count(damaged);
  }

  /** Control says how far it has come. */
  #hear(text: string): void {
    const heard = parseMarks(text);
    if (heard === null) return;
    this.#window.mark(heard.marks);
    this.#takeOut();
    if (heard.again) this.#publishAgain('control misses facts that the hub had stored');
    if (heard.idle && this.#window.isBehind(this.#elapsed() - LIMITS.relaySettleMs)) {
      this.#publishAgain('control has all that is left of what the hub had stored');
    }
  }

  /** What control has leaves the outbox. */
  #takeOut(): void {
    const { store, log, clock } = this.#o;
    const window = this.#window;
    const taken = window.taken();
    if (taken.length === 0) return;
    this.#waitingSince = clock.now();
    this.#removing = store.ackFacts(taken).then(
      () => {
        window.drop(taken);
        this.#count(taken);
        if (window.size === 0) this.#waitingSince = null;
        this.#knockLater();
        this.nudge();
      },
      (error: unknown) => {
        window.keep(taken);
        log.error({ err: error }, 'facts that control has taken could not be removed; they are published again');
      },
    );
  }

  /** As long as control has taken nothing of what is on its way. */
  #knockLater(): void {
    this.#cancelKnock?.();
    this.#cancelKnock = null;
    if (this.#window.size === 0 || this.#closed) return;
    this.#cancelKnock = this.#timers.after(LIMITS.relayKnockMs, () => {
      this.#o.transport.knock(this.#subject);
      this.#knockLater();
    });
  }

  #publishAgain(why: string): void {
    const elapsed = this.#elapsed();
    if (this.#closing || this.#window.size === 0 || elapsed - this.#againAt < LIMITS.relayAgainMs) return;
    this.#againAt = elapsed;
    this.#o.log.warn({ why, facts: this.#window.facts, round: this.#round }, 'facts on their way are published again');
    this.#again.inc();
    this.#round++;
    this.#window.reset();
    this.#knockLater();
    this.nudge();
  }

  #count(records: readonly { count: number }[]): void {
    let facts = 0;
    for (const { count } of records) facts += count;
    this.#published.inc('', facts);
  }

  /** Only upwards: what control says may come twice, and later than what is newer. The lane of a damaged record is NaN. */
  #raise(lane: number, sequence: number): void {
    const { acked } = this.#o;
    if (!(lane < acked.length) || Atomics.load(acked, lane) >= BigInt(sequence)) return;
    Atomics.store(acked, lane, BigInt(sequence));
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
      const round = this.#upkeep.round().then(() => this.#o.recordings.round());
      this.#ticking = round.then(
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
