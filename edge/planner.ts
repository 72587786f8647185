// What an edge does next for a device: picks among its open work, runs tasks, keeps transcripts, and says what control must hear. Pure: the
// session handler hands in the records it loaded and stores what comes back, before the reply leaves (DESIGN §4).
//
//   a new Inform   beginSession   what was outstanding is interrupted, then the events are heard
//   CPE's request  applyEvents    e.g. TransferComplete
//   an answer      applyAnswer    to the request of the one record that is in flight
//   our turn       planNext       ends what has ended, and names the next request
//   broken session interrupt      (timeout, crash, violation)
//   no session     overdue        a deadline or a wait has passed
//
// Order within a session: work under way or interrupted, then higher priority, then older; discovery (refresh) behind all other work, so
// that nobody waits for the walk of a large tree; what restarts the CPE last, because it ends the session's usefulness (CWMP S15).

import { assert } from '../base/assert.ts';
import { Refused } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { ActionResult, AnyFactBody, Work } from '../bus/messages.ts';
import { normaliseEventCode } from '../cwmp/events.ts';
import { faultRow } from '../cwmp/faults.ts';
import { cpeMethod } from '../cwmp/rpc-table.ts';
import type { AcsRequest } from '../cwmp/session.ts';
import type { WorkRecord } from './store/store.ts';
import { scrubResult } from './tasks/redacting.ts';
import { TASKS } from './tasks/table.ts';
import {
  type Answer,
  type CpeEvent,
  emptyResult,
  type TaskContext,
  type TaskFact,
  type TaskNext,
  type TaskResult,
  unknownResult,
} from './tasks/task.ts';
import { appendRpc, finishRpc, rpcCount, startedRpc } from './transcript.ts';
import { whyTooNew } from './version-gate.ts';

/** Which session of which CPE the facts belong to. */
export interface Where {
  cpeId: string;
  sessionId: string;
}

export interface Send {
  actionId: string;
  request: AcsRequest;
  /** True for a read-back. */
  verifying: boolean;
  /** May be sent again when its response got lost (InFlight.repeatable). */
  repeatable: boolean;
}

export interface Plan {
  /** Records to store: their state changed. Never holds one that is also in `ended`. */
  records: WorkRecord[];
  /** Work that is over: remove it from the store. The result is among `facts` already. */
  ended: { record: WorkRecord; result: ActionResult }[];
  facts: AnyFactBody[];
  send: Send | null;
}

/** A record for work that just arrived. */
export function newWorkRecord(work: Work): WorkRecord {
  return { work, state: undefined, phase: 'queued', inFlight: false, untilMs: 0, attempts: 0, rpcs: [], startedAt: 0 };
}

/**
 * Decides what to send now.
 * @param records all open work of the device; none of it may be in flight.
 * @returns changed and ended records with their facts, and the request to send; `send` is null when the session may end.
 */
export function planNext(records: readonly WorkRecord[], where: Where, context: TaskContext): Plan {
  const plan: Plan = { records: [], ended: [], facts: [], send: null };
  for (const record of inOrder(records)) {
    assert(
      !record.inFlight,
      `planNext while ${record.work.actionId} is in flight: apply its answer or interrupt it first`,
    );
    if (isExpired(record, context)) end(plan, record, expiredResult(record), context);
    else if (plan.send === null && isDue(record, records, context)) advance(plan, record, where, context);
  }
  return plan;
}

/** False while it waits for an event, and for what would restart the CPE once more while a restart is awaited already. */
function isDue(record: WorkRecord, records: readonly WorkRecord[], { nowMs }: TaskContext): boolean {
  if (record.phase === 'waiting') return record.untilMs <= nowMs;
  if (record.state !== undefined || turnOf(record.work) !== 2) return true;
  return !records.some(({ work, state }) => isRestart(work) && state !== undefined && !isEnded(state));
}

/** Asks the task of one record for its next step. */
function advance(plan: Plan, record: WorkRecord, where: Where, context: TaskContext): void {
  const { work } = record;
  const next = nextOf(record, context);
  if (next.type === 'end') {
    end(plan, record, next.result, context);
    return;
  }
  const startedAt = record.startedAt === 0 ? context.nowMs : record.startedAt;
  if (next.type === 'wait') {
    const waiting: WorkRecord = { ...record, state: next.state, phase: 'waiting', untilMs: next.untilMs, startedAt };
    plan.records.push(tell(plan, waiting, 'waiting', next.why));
    return;
  }
  const stuck = whyNotSend(record);
  if (stuck !== null) {
    end(plan, record, unknownResult(stuck), context);
    return;
  }
  const tooNew = whyTooNew(next.request, context.version);
  if (tooNew !== null) {
    end(plan, record, emptyResult('unsupported', tooNew), context);
    return;
  }
  const { method, args } = next.request;
  const verifying = next.verifying === true;
  const started = startedRpc(work, next.request, where.sessionId, context);
  const running: WorkRecord = {
    ...appendRpc({ ...record, startedAt }, started),
    state: next.state,
    phase: 'running',
    inFlight: true,
    untilMs: 0,
  };
  plan.records.push(tell(plan, running, verifying ? 'verifying' : 'running', `${method} is under way.`));
  const repeatable = cpeMethod(method)?.idempotent === true;
  plan.send = { actionId: work.actionId, request: { method, args }, verifying, repeatable };
}

function nextOf(record: WorkRecord, context: TaskContext): TaskNext<unknown> {
  const { work } = record;
  const task = TASKS[work.kind];
  try {
    return task.next(work, record.state === undefined ? task.start(work) : record.state, context);
  } catch (error) {
    if (error instanceof Refused) return { type: 'end', result: emptyResult('refused', error.message) };
    // Our own mistake, or a state that an older version left. Thrown on, it would cost the CPE every session until the work expires.
    const what = error instanceof Error ? error.message : String(error);
    const why = `Starling failed while planning this and sent nothing further: ${what}. This is a fault of Starling, worth reporting.`;
    return { type: 'end', result: emptyResult('failed', why) };
  }
}

function whyNotSend(record: WorkRecord): string | null {
  const sent = rpcCount(record);
  if (record.attempts >= LIMITS.actionAttemptsMax) {
    return `The session broke ${record.attempts} times while this was under way; ${sent} requests were sent, and their last outcome is not known.`;
  }
  if (sent < LIMITS.actionRpcsMax) return null;
  return `Stopped after ${sent} requests: the CPE answers with something new for ever.`;
}

/**
 * Takes the answer to the outstanding request of `record`.
 * @returns the record to store, and the facts learned; what comes next is for planNext to say.
 */
export function applyAnswer(
  record: WorkRecord,
  answer: Answer,
  where: Where,
  context: TaskContext,
): { record: WorkRecord; facts: AnyFactBody[] } {
  assert(record.inFlight, `an answer for ${record.work.actionId}, which has no request outstanding`);
  const { work } = record;
  const { state, facts } = TASKS[work.kind].answer(work, record.state, faultInStatus(answer), context);
  const answered = { ...finishRpc(record, answer, context), state, inFlight: false };
  return { record: answered, facts: facts.map((fact) => factBody(fact, where)) };
}

/** cwmp-sim refuses AddObject with a response whose Status is the fault code: a refusal is what it means, and no Status is above 1. */
function faultInStatus(answer: Answer): Answer {
  if (answer.type === 'fault') return answer;
  const status = answer.result['Status'];
  if (typeof status !== 'number' || status < 9000 || status > 9899) return answer;
  const { text } = faultRow(status);
  return { type: 'fault', fault: { FaultCode: status, FaultString: text, SetParameterValuesFault: [] } };
}

/**
 * The session broke while the request of `record` was outstanding; a record that is not in flight comes back as it is.
 */
export function interrupt(record: WorkRecord, context: TaskContext): WorkRecord {
  if (!record.inFlight) return record;
  const { work } = record;
  const state = TASKS[work.kind].interrupted(work, record.state, context);
  return {
    ...finishRpc(record, null, context),
    state,
    phase: 'queued',
    inFlight: false,
    attempts: record.attempts + 1,
  };
}

/**
 * Tells every open task what the CPE told by itself.
 * @returns the records that changed; tasks that wait are due at once when the event moved them.
 */
export function applyEvents(
  records: readonly WorkRecord[],
  events: readonly CpeEvent[],
  context: TaskContext,
): WorkRecord[] {
  // An event under a CommandKey of ours proves more than the plain one of the same Inform (`1 BOOT` before `M Reboot`), so it is heard first.
  const heard = events
    .map((event) => normalise(event, records))
    .sort((one, other) => Number(hasKey(other)) - Number(hasKey(one)));
  const changed: WorkRecord[] = [];
  for (const record of records) {
    if (record.state === undefined) continue;
    const { work } = record;
    const task = TASKS[work.kind];
    let state: unknown = record.state;
    for (const event of heard) state = task.event(work, state, event, context);
    if (state !== record.state) changed.push({ ...record, state, untilMs: Math.min(record.untilMs, context.nowMs) });
  }
  return changed;
}

/**
 * An Inform opened a session: interrupts what the last one left outstanding, then tells all tasks the events.
 * @returns the records that changed.
 */
export function beginSession(
  records: readonly WorkRecord[],
  events: readonly CpeEvent[],
  context: TaskContext,
): WorkRecord[] {
  const settled = records.map((record) => interrupt(record, context));
  const told = new Map(applyEvents(settled, events, context).map((record) => [record.work.actionId, record]));
  return settled
    .map((record) => told.get(record.work.actionId) ?? record)
    .filter((record, index) => record !== records[index]);
}

export type Overdue =
  /** It is over: remove the record, send the facts (the result is among them). */
  | { type: 'ended'; result: ActionResult; facts: AnyFactBody[] }
  /** It goes on waiting: store the record. */
  | { type: 'waiting'; record: WorkRecord }
  /** It can only go on in a session, so the CPE is worth waking. */
  | { type: 'needs-session' };

/**
 * For the time between sessions: what becomes of work whose deadline, or whose wait, is over. Work in flight belongs to its session,
 * whose own end comes first.
 */
export function overdue(record: WorkRecord, context: TaskContext): Overdue {
  if (record.inFlight) return { type: 'needs-session' };
  const plan: Plan = { records: [], ended: [], facts: [], send: null };
  if (isExpired(record, context)) end(plan, record, expiredResult(record), context);
  else if (record.phase === 'waiting') {
    const next = nextOf(record, context);
    if (next.type === 'wait')
      return { type: 'waiting', record: { ...record, state: next.state, untilMs: next.untilMs } };
    if (next.type === 'end') end(plan, record, next.result, context);
  }
  const [ended] = plan.ended;
  return ended === undefined ? { type: 'needs-session' } : { type: 'ended', result: ended.result, facts: plan.facts };
}

/** Work under way in a session is finished in it; what has ended already, however late, has its own result. */
function isExpired({ work, phase, state }: WorkRecord, { nowMs }: TaskContext): boolean {
  return phase !== 'running' && work.expiresAt <= nowMs && !isEnded(state);
}

function end(plan: Plan, record: WorkRecord, result: TaskResult, { nowMs, profile }: TaskContext): void {
  const { cpeId, actionId, generation } = record.work;
  const startedAt = record.startedAt === 0 ? nowMs : record.startedAt;
  const data = record.rpcsDropped === undefined ? result.data : { ...result.data, rpcsNotKept: record.rpcsDropped };
  const whole = { ...result, data, rpcs: record.rpcs, startedAt, endedAt: nowMs };
  const full = scrubResult(whole, record.work, profile);
  plan.ended.push({ record, result: full });
  plan.facts.push({ type: 'result', body: { cpeId, actionId, generation, result: full } });
}

function expiredResult(record: WorkRecord): TaskResult {
  const sent = rpcCount(record);
  if (sent === 0)
    return emptyResult('expired', 'Its deadline passed before the CPE had a session for it; nothing was sent.');
  return unknownResult(`Its deadline passed before it was finished; ${sent} requests had been sent.`, 'expired');
}

/** Adds the progress fact when control has not heard of this state yet. */
function tell(plan: Plan, record: WorkRecord, state: 'running' | 'verifying' | 'waiting', why: string): WorkRecord {
  if (record.told === state) return record;
  const { cpeId, actionId, generation } = record.work;
  plan.facts.push({ type: 'progress', body: { cpeId, actionId, generation, state, why } });
  return { ...record, told: state };
}

function inOrder(records: readonly WorkRecord[]): WorkRecord[] {
  return [...records].sort(
    (a, b) =>
      turnOf(a.work) - turnOf(b.work) ||
      Number(isUnderWay(b)) - Number(isUnderWay(a)) ||
      b.work.priority - a.work.priority ||
      a.work.createdAt - b.work.createdAt ||
      (a.work.actionId < b.work.actionId ? -1 : 1),
  );
}

/** In this session or in one that broke: whether the CPE did what was asked last is found out before other work does the like. */
function isUnderWay({ phase, attempts }: WorkRecord): boolean {
  return phase === 'running' || (phase === 'queued' && attempts > 0);
}

function turnOf(work: Work): number {
  if (isRestart(work) || work.kind === 'download') return 2;
  if (work.kind === 'rpc' && cpeMethod(String(work.args['method']))?.effect === 'disrupts') return 2;
  return work.kind === 'refresh' ? 1 : 0;
}

function normalise(event: CpeEvent, records: readonly WorkRecord[]): CpeEvent {
  if (event.type === 'event') {
    const { EventCode, CommandKey } = event.event;
    return { type: 'event', event: { EventCode: normaliseEventCode(EventCode), CommandKey } };
  }
  if (event.type !== 'request' || event.method !== 'TransferComplete') return event;
  // FIELD 15: without a CommandKey it can only be told whose it is while a single transfer waits.
  if ((event.args['CommandKey'] ?? '') !== '') return event;
  const transfers = records.filter(({ work, state }) => isTransfer(work) && state !== undefined && !isEnded(state));
  if (transfers.length !== 1) return event;
  return { ...event, args: { ...event.args, CommandKey: transfers[0]!.work.commandKey } };
}

function hasKey(event: CpeEvent): boolean {
  return event.type === 'event' && event.event.CommandKey !== '';
}

function isRestart(work: Work): boolean {
  return work.kind === 'reboot' || work.kind === 'factory-reset';
}

function isTransfer(work: Work): boolean {
  return work.kind === 'download' || work.kind === 'upload';
}

function isEnded(state: unknown): boolean {
  return (state as { phase?: string } | undefined)?.phase === 'ended';
}

function factBody(fact: TaskFact, where: Where): AnyFactBody {
  switch (fact.type) {
    case 'values':
      return { type: 'values', body: { ...where, values: fact.values } };
    case 'names':
      return { type: 'names', body: { ...where, path: fact.path, complete: fact.complete, names: fact.names } };
    case 'attributes':
      return { type: 'attributes', body: { ...where, attributes: fact.attributes } };
  }
}
