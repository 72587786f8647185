// Takes decisions of control into the store. A batch is acknowledged when all of it is on the disk; delivered again it changes nothing. It
// runs no work: that is for the session threads, when the CPE is there.

import type { Registry } from 'prom-client';
import type { Clock } from '../base/clock.ts';
import { StoreError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Tally } from '../base/metrics.ts';
import { type AnyFactBody, type DecisionBody, type DecisionType, parseDecision, type Work } from '../bus/messages.ts';
import type { BusMessage } from '../bus/transport.ts';
import type { Waker } from './http-waker.ts';
import { newWorkRecord } from './planner.ts';
import type { EdgeTransaction, RelayStore, WorkRecord } from './store/store.ts';
import { emptyResult } from './tasks/task.ts';

export interface IntakeOptions {
  store: RelayStore;
  waker: Waker;
  log: Log;
  registry: Registry;
  clock: Clock;
  /** Somebody waits for this CPE: it is let in first when there is no room for all. */
  expect(cpeId: string): void;
}

export class DecisionIntake {
  readonly #o: IntakeOptions;
  readonly #counts: Tally;

  constructor(options: IntakeOptions) {
    this.#o = options;
    this.#counts = new Tally(
      options.registry,
      'starling_decisions_total',
      'Decisions of control taken, by type.',
      'type',
    );
  }

  /** Resolves when every decision of the batch is on the disk; rejects with StoreError when the store takes no writes. */
  async take(messages: BusMessage[]): Promise<void> {
    const { store, waker, log } = this.#o;
    const refusing = store.refusing();
    // Removing and reporting need room too: better that control keeps all of it than that we take half.
    if (refusing === 'disk-full' || refusing === 'broken') {
      throw new StoreError(refusing, 'The edge store takes no decisions now; they are delivered again.');
    }
    const changes: ((transaction: EdgeTransaction) => void)[] = [];
    const settings: DecisionBody<'device'>[] = [];
    const wakes: DecisionBody<'wake'>[] = [];
    const waited: string[] = [];
    for (const { id, payload } of messages) {
      const parsed = parseDecision(payload);
      if (parsed.type === 'unknown') {
        // Of a newer control: it sees from the missing result that nothing came of it.
        log.error({ id, why: parsed.why }, 'a decision of control cannot be read here; it is left out');
        this.#counts.inc('unknown');
        continue;
      }
      const { decision } = parsed;
      this.#counts.inc(decision.type satisfies DecisionType);
      switch (decision.type) {
        case 'work':
          changes.push((transaction) => handOver(transaction, decision.body));
          if (isWaitedFor(decision.body)) waited.push(decision.body.cpeId);
          break;
        case 'cancel':
          changes.push((transaction) => this.#cancel(transaction, decision.body));
          break;
        case 'device':
          settings.push(decision.body);
          break;
        case 'wake':
          wakes.push(decision.body);
          break;
      }
    }
    // Settings before work: what control changed first must be known when the CPE comes for the work.
    for (const { cpeId, settings: ofDevice } of settings) store.putSettings(cpeId, ofDevice);
    if (settings.length > 0) await store.flushed();
    if (changes.length > 0) {
      await store.transact((transaction) => {
        for (const change of changes) change(transaction);
      });
    }
    for (const cpeId of waited) this.#o.expect(cpeId);
    for (const { cpeId, why } of wakes) {
      // A wake for a campaign alone is nothing somebody waits for.
      const work = store.workOf(cpeId);
      if (work.length === 0 || work.some((record) => isWaitedFor(record.work))) this.#o.expect(cpeId);
      waker.wake(cpeId, why);
    }
  }

  #cancel(transaction: EdgeTransaction, { cpeId, actionId }: DecisionBody<'cancel'>): void {
    const { clock, log } = this.#o;
    const record = transaction.getWork(cpeId, actionId);
    // Unknown: its result is on its way already. In flight: the CPE is doing it now, and its own result tells what came of it.
    if (record === undefined || record.inFlight) {
      log.info({ cpeId, actionId, inFlight: record !== undefined }, 'too late to cancel');
      return;
    }
    transaction.removeWork(cpeId, actionId);
    transaction.appendFacts([cancelled(record, clock.now())], clock.now());
  }
}

/** From this priority on an operator asked for it; below are policies and campaigns. */
const WAITED_FOR_PRIORITY = 50;

const isWaitedFor = ({ priority }: Work): boolean => priority >= WAITED_FOR_PRIORITY;

/** An older generation loses, the same one changes nothing: it may be running already, or have ended. */
function handOver(transaction: EdgeTransaction, work: Work): void {
  if (transaction.endedGeneration(work.cpeId, work.actionId) >= work.generation) return;
  const known = transaction.getWork(work.cpeId, work.actionId);
  if (known === undefined || known.work.generation < work.generation) transaction.putWork(newWorkRecord(work));
}

function cancelled({ work, rpcs, startedAt }: WorkRecord, nowMs: number): AnyFactBody {
  const why =
    rpcs.length === 0
      ? 'Cancelled before anything was sent to the CPE.'
      : 'Cancelled while it waited; what had been sent to the CPE is not undone.';
  const { cpeId, actionId, generation } = work;
  const result = {
    ...emptyResult('cancelled', why),
    rpcs,
    startedAt: startedAt === 0 ? nowMs : startedAt,
    endedAt: nowMs,
  };
  return { type: 'result', body: { cpeId, actionId, generation, result } };
}
