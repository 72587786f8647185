// Takes decisions of control into the store. A batch is acknowledged when all of it is on the disk; delivered again it changes nothing. It
// runs no work: that is for the session threads, when the CPE is there.

import type { Registry } from 'prom-client';
import type { Clock } from '../base/clock.ts';
import { BusError, StoreError } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { Tally } from '../base/metrics.ts';
import { type AnyFactBody, type DecisionBody, type DecisionType, parseDecision, type Work } from '../bus/messages.ts';
import type { BusMessage } from '../bus/transport.ts';
import type { Claims } from './claims/claims.ts';
import type { WorkFiles } from './file-fetcher.ts';
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
  files: WorkFiles;
  /** With what this edge holds at the moment; null where no claims are needed. */
  claims: (Claims & { holds(actionId: string): boolean }) | null;
  /** Sessions of a CPE are to be recorded; resolves when every thread goes by it. */
  record(asked: DecisionBody<'record'>): Promise<void>;
  /** Control has taken the facts of this lane up to this one; what it decided for them is on the disk. */
  taken(lane: number, sequence: number): void;
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

  /**
   * Resolves when every decision of the batch is on the disk; rejects with StoreError when the store takes no writes, and with BusError when
   * it is not known who may cancel something.
   */
  async take(messages: BusMessage[]): Promise<void> {
    const { store, waker, log } = this.#o;
    const refusing = store.refusing();
    // Removing and reporting need room too: better that control keeps all of it than that we take half.
    if (refusing === 'disk-full' || refusing === 'broken') {
      throw new StoreError(refusing, 'The edge store takes no decisions now; they are delivered again.');
    }
    const steps: ({ change: (transaction: EdgeTransaction) => void } | { cancel: DecisionBody<'cancel'> })[] = [];
    const settings: DecisionBody<'device'>[] = [];
    const wakes: DecisionBody<'wake'>[] = [];
    const waited: string[] = [];
    const taken: DecisionBody<'taken'>[] = [];
    const recordings: DecisionBody<'record'>[] = [];
    const files = new Set<string>();
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
          steps.push({ change: (transaction) => handOver(transaction, decision.body) });
          if (isWaitedFor(decision.body)) waited.push(decision.body.cpeId);
          if (typeof decision.body.args['fileId'] === 'string') files.add(decision.body.args['fileId']);
          break;
        case 'cancel':
          steps.push({ cancel: decision.body });
          break;
        case 'withdraw':
          steps.push({ change: (transaction) => this.#withdraw(transaction, decision.body) });
          break;
        case 'device':
          settings.push(decision.body);
          break;
        case 'wake':
          wakes.push(decision.body);
          break;
        case 'taken':
          taken.push(decision.body);
          break;
        case 'record':
          recordings.push(decision.body);
          break;
      }
    }
    // Before the CPE is woken for what is to be recorded.
    for (const asked of recordings) await this.#o.record(asked);
    // A small file comes faster than the CPE that is woken for it.
    await Promise.all([...files].map((fileId) => this.#o.files.hold(fileId)));
    // Settings before work: what control changed first must be known when the CPE comes for the work.
    for (const { cpeId, settings: ofDevice, changedAt } of settings) store.putSettings(cpeId, ofDevice, changedAt);
    if (settings.length > 0) await store.flushed();
    // In their order, and together what stands together: an action may be handed over, taken back and handed over again.
    for (let at = 0; at < steps.length; ) {
      const step = steps[at]!;
      if ('cancel' in step) {
        await this.#cancel(step.cancel);
        at++;
        continue;
      }
      at = await store.transact((transaction) => {
        let next = at;
        for (let change = steps[next]; change !== undefined && 'change' in change; change = steps[++next])
          change.change(transaction);
        return next;
      });
    }
    for (const { lane, sequence } of taken) this.#o.taken(lane, sequence);
    for (const cpeId of waited) this.#o.expect(cpeId);
    for (const { cpeId, why } of wakes) {
      // A wake for a campaign alone is nothing somebody waits for.
      const work = store.workOf(cpeId);
      if (work.length === 0 || work.some((record) => isWaitedFor(record.work))) this.#o.expect(cpeId);
      waker.wake(cpeId, why);
    }
  }

  async #cancel({ cpeId, actionId }: DecisionBody<'cancel'>): Promise<void> {
    const { store, clock, log, claims } = this.#o;
    const token = newId();
    const claimed = claims === null ? 'all' : await claims.take(cpeId, token, actionId);
    const isOpen = (): boolean => store.workOf(cpeId).some(({ work }) => work.actionId === actionId);
    // It comes again: dropped here, it would be done although somebody took it back.
    if (claimed === 'away' && isOpen())
      throw new BusError('not-taken', `Who has action ${actionId} cannot be seen now.`);
    const nowMs = clock.now();
    const ended = await store.transact((transaction) => {
      const record = transaction.getWork(cpeId, actionId);
      // Unknown: its result is on its way already. In flight, or in a session of another edge: the CPE is doing it now, and its own result
      // tells what came of it.
      const isHere = claims === null || claims.holds(actionId);
      if (record === undefined || record.inFlight || !isHere) {
        log.info({ cpeId, actionId, inFlight: record?.inFlight, isHere }, 'too late to cancel');
        return null;
      }
      transaction.removeWork(cpeId, actionId);
      const fact = cancelled(record, nowMs);
      transaction.appendFacts([fact], nowMs);
      return fact;
    });
    if (ended !== null) claims?.over(cpeId, actionId, ended.body.generation, ended.body.result);
    claims?.release(cpeId, token);
  }

  #withdraw(transaction: EdgeTransaction, { cpeId, actionId, generation }: DecisionBody<'withdraw'>): void {
    const record = transaction.getWork(cpeId, actionId);
    // One that is held here learns it from its claim, when its session goes on.
    if (record === undefined || record.work.generation > generation || this.#o.claims?.holds(actionId)) return;
    transaction.removeWork(cpeId, actionId);
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

function cancelled({ work, rpcs, startedAt }: WorkRecord, nowMs: number): Extract<AnyFactBody, { type: 'result' }> {
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
