// What one POST of a session changes: the planner is asked, its effects are gathered while the step runs and written at its end, all of
// them in one turn of the event loop and so in one transaction.

import { assert } from '../base/assert.ts';
import { Refused } from '../base/errors.ts';
import type { CpeId } from '../base/ids.ts';
import type { AnyFactBody } from '../bus/messages.ts';
import type { InFlight, Learned } from '../cwmp/session.ts';
import { writeRequest } from '../cwmp/soap-writer.ts';
import type { Profile } from '../profiles/profile.ts';
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
}

export interface Stored {
  /** Resolves when facts are durable and the rest is visible to every thread. */
  written: Promise<unknown>;
  /** False when the work whose request is about to be sent was cancelled or replaced meanwhile. */
  stillWanted: Promise<boolean>;
}

const TRUE = Promise.resolve(true);

export function noEffects(cpeId: CpeId, profile: Profile, namespace: string, actionId: string | null): Effects {
  return { cpeId, profile, namespace, records: new Map(), ended: [], facts: [], actionId, envelope: null };
}

export class SessionTurn {
  readonly #o: { store: EdgeStore; metrics: SessionMetrics };

  constructor(options: { store: EdgeStore; metrics: SessionMetrics }) {
    this.#o = options;
  }

  /** The planner's turn: take in what the CPE answered, choose what to ask next. */
  next(learned: Learned, record: SessionRecord, effects: Effects, context: TaskContext): InFlight | null {
    const { store, metrics } = this.#o;
    const where = { cpeId: effects.cpeId, sessionId: record.sessionId };
    let records = store.workOf(where.cpeId);
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
    const records = this.#o.store
      .workOf(effects.cpeId)
      .map((record) => effects.records.get(record.work.actionId) ?? record);
    for (const changed of applyEvents(records, [event], context)) effects.records.set(changed.work.actionId, changed);
  }

  /** The session ends with a request outstanding: its outcome is unknown. */
  interruptInFlight(record: SessionRecord, context: TaskContext, effects: Effects): void {
    if (record.actionId === null || record.session.phase === 'awaiting-inform') return;
    const current = this.#o.store
      .workOf(record.session.cpeId)
      .find((candidate) => candidate.work.actionId === record.actionId);
    if (current?.inFlight) effects.records.set(current.work.actionId, interrupt(current, context));
  }

  /** Writes what a step changed; resolves when the facts are durable, or the rest visible to every thread. */
  write(effects: Effects, nowMs: number): Stored {
    const { store } = this.#o;
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
    if (effects.facts.length > 0) written = store.appendFacts(effects.facts, nowMs).durable;
    return { written, stillWanted };
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
