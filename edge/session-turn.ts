// What one POST of a session changes: the planner is asked, its effects are gathered while the step runs and written at its end, all of
// them in one turn of the event loop and so in one transaction.

import { assert } from '../base/assert.ts';
import { Refused } from '../base/errors.ts';
import type { CpeId } from '../base/ids.ts';
import type { AnyFactBody } from '../bus/messages.ts';
import type { InFlight, Learned } from '../cwmp/session.ts';
import { writeRequest } from '../cwmp/soap-writer.ts';
import type { Profile } from '../profiles/profile.ts';
import { isOurs } from './claims/claim.ts';
import type { Claims } from './claims/claims.ts';
import { deviationsOf, type SessionTolerance } from './deviations.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import { applyAnswer, applyEvents, interrupt, planNext } from './planner.ts';
import type { EdgeStore, SessionRecord, WorkRecord } from './store/store.ts';
import { type Answer, type CpeEvent, emptyResult, type TaskContext } from './tasks/task.ts';

/** What one step changes, gathered while it runs and written at its end. */
export interface Effects {
  readonly cpeId: CpeId;
  readonly profile: Profile;
  readonly namespace: string;
  records: Map<string, WorkRecord>;
  ended: WorkRecord[];
  facts: AnyFactBody[];
  /** Work whose request is outstanding after the step. */
  actionId: string | null;
  /** The request to send, written. */
  envelope: string | null;
  /** Its work as it was before: what is true when it may not leave after all. */
  unsent: WorkRecord | null;
  /** Under what the session's work was claimed; '' where nobody claims. */
  readonly token: string;
}

export interface Stored {
  /** Resolves when facts are durable and the rest is visible to every thread. Rejects when the store takes no facts. */
  written: Promise<unknown>;
  /** The store takes no facts, and nothing else was written either. */
  isRefused: boolean;
  /** False when the work whose request is about to be sent was cancelled or replaced meanwhile. */
  stillWanted: Promise<boolean>;
}

const TRUE = Promise.resolve(true);

/** What is known of a POST before its step. */
export type Beginning = Pick<Effects, 'cpeId' | 'profile' | 'namespace' | 'actionId' | 'token'>;

export function noEffects(beginning: Beginning): Effects {
  return { ...beginning, records: new Map(), ended: [], facts: [], envelope: null, unsent: null };
}

export interface SessionTurnOptions {
  store: EdgeStore;
  metrics: SessionMetrics;
  /** Null where no claims are needed. */
  claims: Claims | null;
}

export class SessionTurn {
  readonly #o: SessionTurnOptions;

  constructor(options: SessionTurnOptions) {
    this.#o = options;
  }

  /** The planner's turn: take in what the CPE answered, choose what to ask next. */
  next(learned: Learned, record: SessionRecord, effects: Effects, context: TaskContext): InFlight | null {
    const { metrics } = this.#o;
    const where = { cpeId: effects.cpeId, sessionId: record.sessionId };
    let records = this.#workOf(effects);
    if (learned !== null && (learned.type === 'response' || learned.type === 'fault')) {
      if (learned.type === 'fault') metrics.cpeFaults.inc(String(learned.fault.FaultCode));
      if (learned.idDiffers) metrics.tolerances.inc('id-differs' satisfies SessionTolerance);
      if (learned.type === 'response') {
        for (const name of deviationsOf(learned.request, learned.result)) metrics.tolerances.inc(name);
      }
      const current = records.find((candidate) => candidate.work.actionId === record.actionId);
      // Without its record the work was cancelled meanwhile: the answer is dropped, the session goes on.
      if (current?.inFlight) {
        const answer: Answer =
          learned.type === 'fault'
            ? { type: 'fault', fault: learned.fault }
            : { type: 'response', method: learned.request.method, result: learned.result };
        const applied = applyAnswer(current, answer, where, context);
        effects.facts.push(...applied.facts);
        effects.records.set(applied.record.work.actionId, applied.record);
        records = records.map((candidate) => (candidate === current ? applied.record : candidate));
      }
    }
    // Anything else still marked was sent in a session that broke without our seeing it (a crash): its outcome is unknown.
    records = records.map((candidate) => {
      if (!candidate.inFlight) return candidate;
      const settled = interrupt(candidate, context);
      effects.records.set(settled.work.actionId, settled);
      return settled;
    });
    for (;;) {
      const plan = planNext(records, where, context);
      for (const changed of plan.records) effects.records.set(changed.work.actionId, changed);
      for (const { record: ended } of plan.ended) {
        effects.ended.push(ended);
        effects.records.delete(ended.work.actionId);
      }
      effects.facts.push(...plan.facts);
      effects.actionId = plan.send?.actionId ?? null;
      const { send } = plan;
      if (send === null) return null;
      effects.unsent = records.find((candidate) => candidate.work.actionId === send.actionId) ?? null;
      const { method, args } = send.request;
      const id = `${record.sessionId}.${record.rpcs + 1}`;
      try {
        effects.envelope = writeRequest(effects.profile.style, effects.namespace, id, method, args);
        return { id, method, args, repeatable: send.repeatable };
      } catch (error) {
        // What cannot be written (a character XML does not have) ends this work and no other.
        if (!(error instanceof Refused)) throw error;
        const impossible = effects.records.get(send.actionId);
        assert(impossible !== undefined, 'the record of a request to send is among the changed ones');
        effects.records.delete(send.actionId);
        effects.ended.push(impossible);
        effects.facts.push(refusedFact(impossible, error.message, context.nowMs));
        const over = new Set([send.actionId, ...plan.ended.map((ended) => ended.record.work.actionId)]);
        records = records
          .filter((candidate) => !over.has(candidate.work.actionId))
          .map((candidate) => effects.records.get(candidate.work.actionId) ?? candidate);
      }
    }
  }

  /** Gives something the CPE told to all open work of it. */
  tell(event: CpeEvent, context: TaskContext, effects: Effects): void {
    const records = this.#workOf(effects).map((record) => effects.records.get(record.work.actionId) ?? record);
    for (const changed of applyEvents(records, [event], context)) effects.records.set(changed.work.actionId, changed);
  }

  /** The session ends with a request outstanding: its outcome is unknown. */
  interruptInFlight(record: SessionRecord, context: TaskContext, effects: Effects): void {
    if (record.actionId === null || record.session.phase === 'awaiting-inform') return;
    const current = this.#workOf(effects).find((candidate) => candidate.work.actionId === record.actionId);
    if (current?.inFlight) effects.records.set(current.work.actionId, interrupt(current, context));
  }

  /** Writes what a step changed, all of it or nothing. */
  write(effects: Effects, nowMs: number): Stored {
    const { store } = this.#o;
    // First, for they may be refused: work that was removed without its result would never end.
    const told = effects.facts.length > 0 ? store.appendFacts(effects.facts, nowMs) : null;
    if (told?.last === 0) return { written: told.durable, isRefused: true, stillWanted: TRUE };
    let written: Promise<unknown> = Promise.resolve();
    let stillWanted: Promise<boolean> = TRUE;
    // What was read is what is known from now on.
    for (const { type, body } of effects.facts) {
      if (type === 'values') written = store.applyValues(effects.cpeId, body.values);
      else if (type === 'names') written = store.applyNames(effects.cpeId, body.path, body.complete, body.names);
    }
    for (const changed of effects.records.values()) {
      const put = store.putWork(changed);
      written = put;
      if (changed.work.actionId === effects.actionId) stillWanted = put;
    }
    for (const ended of effects.ended) written = store.removeWork(ended.work.cpeId, ended.work.actionId);
    if (told !== null) written = told.durable;
    if (this.#o.claims !== null && effects.ended.length > 0) this.#over(this.#o.claims, effects.facts, written);
    return { written, isRefused: false, stillWanted };
  }

  /** The request that was written may not leave: its work is as it was before. Resolves when every thread sees it so. */
  async takeBack(effects: Effects): Promise<void> {
    const { unsent } = effects;
    if (unsent === null) return;
    // A newer session of this CPE may have gone on with it, and come further.
    const written = this.#workOf(effects).find(({ work }) => work.actionId === unsent.work.actionId);
    if (written?.inFlight) await this.#o.store.putWork(unsent);
  }

  /** Work of other edges is left to them. */
  #workOf({ cpeId, token }: Effects): WorkRecord[] {
    const records = this.#o.store.workOf(cpeId);
    return token === '' ? records : records.filter((record) => isOurs(record, token));
  }

  /** Their results are on the disk before anybody else is told that they have ended; else they could be lost with this edge. */
  #over(claims: Claims, facts: readonly AnyFactBody[], written: Promise<unknown>): void {
    const tell = (): void => {
      for (const { type, body } of facts) {
        if (type !== 'result') continue;
        const { cpeId, actionId, generation, result } = body;
        claims.over(cpeId, actionId, generation, { outcome: result.outcome, why: result.why });
      }
    };
    // What could not be stored is the caller's to tell.
    written.then(tell, () => {});
  }
}

/** How a session ended, for control. */
export function sessionFact(
  cpeId: CpeId,
  record: SessionRecord,
  why: string,
  ok: boolean,
  endedAt: number,
): AnyFactBody {
  const { sessionId, startedAt, rpcs } = record;
  return { type: 'session', body: { cpeId, sessionId, why, ok, startedAt, endedAt, rpcs } };
}

function refusedFact(record: WorkRecord, why: string, nowMs: number): AnyFactBody {
  const { cpeId, actionId, generation } = record.work;
  const result = { ...emptyResult('refused', why), rpcs: record.rpcs, startedAt: record.startedAt, endedAt: nowMs };
  return { type: 'result', body: { cpeId, actionId, generation, result } };
}
