// add: makes an instance of a table, reads it, gives it values as `set` does, and says under which number it is.
//
//   listing ─▶ adding ─InstanceNumber─▶ reading ─values─▶ setting ─▶ ended
//                │ ▲                      ▲  └────none────────────────▲
//     broken     ▼ │ nothing new          │
//     session  checking ──one new instance┘
//
// listing    Reads which instances there are, so that a lost answer to AddObject can be told from a lost request.
// adding     AddObject is not idempotent (A.3.2.6): after a broken session it is never just sent again.
// checking   Entered from adding alone. No new instance: add again; one: that is ours; several: somebody else adds too, so it fails.
// reading    Reads the new instance: proof that it is there, its default values, and the types to write (CWMP Y1).
// setting    The task of `set`, with the values below the new instance. Refused: the instance stays as it is, and the result says so.

import type { Work } from '../../bus/messages.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { instanceBelow } from '../../cwmp/paths.ts';
import { infosOf, numberOf, request } from './answers.ts';
import { faultResult, INVALID_NAME } from './fault-outcome.ts';
import { beginReading, type Reading, readAnswer, readRequest } from './reading.ts';
import { type SetState, set, setFrom } from './set.ts';
import {
  type Answer,
  emptyResult,
  type Task,
  type TaskContext,
  type TaskFact,
  type TaskResult,
  unknownResult,
} from './task.ts';
import { objectArg, wantedArg } from './work-args.ts';
import { redactValues } from './writing.ts';

export type AddState =
  | { phase: 'listing' }
  /**
   * Instances before the AddObject; null when the CPE would not list them. `answered`: the CPE did answer it, only not with a number, so
   * it must not be sent again.
   */
  | { phase: 'adding' | 'checking'; instances: string[] | null; answered?: boolean }
  /** `later`: the CPE said Status 1, so the instance may not be there yet. */
  | { phase: 'reading'; instance: string; later: boolean; reading: Reading; found: ParameterValue[] }
  | { phase: 'setting'; instance: string; set: SetState }
  | { phase: 'ended'; result: TaskResult };

export const add: Task<AddState> = {
  start(work) {
    objectArg(work);
    wantedArg(work, false);
    return { phase: 'listing' };
  },

  next(work, state, context) {
    const table = objectArg(work);
    switch (state.phase) {
      case 'listing':
      case 'checking': {
        const list = request('GetParameterNames', { ParameterPath: table, NextLevel: true });
        return { type: 'send', state, request: list, verifying: state.phase === 'checking' };
      }
      case 'adding': {
        const args = { ObjectName: table, ParameterKey: work.commandKey };
        return { type: 'send', state, request: request('AddObject', args) };
      }
      case 'reading':
        return { type: 'send', state, request: readRequest(state.reading)!, verifying: true };
      case 'setting': {
        const next = set.next(setWork(work, state.instance), state.set, context);
        if (next.type === 'end') return { type: 'end', result: valuesResult(work, state.instance, next.result) };
        return { ...next, state: { ...state, set: next.state } };
      }
      case 'ended':
        return { type: 'end', result: state.result };
    }
  },

  answer(work, state, answer, context) {
    switch (state.phase) {
      case 'listing':
      case 'checking': {
        const { instances, facts } = listed(objectArg(work), answer);
        if (state.phase === 'listing') return { state: { phase: 'adding', instances }, facts };
        return { state: checked(work, state, instances, context), facts };
      }
      case 'adding': {
        if (answer.type === 'fault') {
          const result = faultResult(`adding to ${objectArg(work)}`, answer.fault);
          return { state: { phase: 'ended', result }, facts: [] };
        }
        const number = numberOf(answer.result, 'InstanceNumber');
        // Made, but without saying which one: look.
        if (number < 1) return { state: { phase: 'checking', instances: state.instances, answered: true }, facts: [] };
        const later = numberOf(answer.result, 'Status') === 1;
        return { state: added(work, String(number), later, context), facts: [] };
      }
      case 'reading':
        return readBack(work, state, answer, context);
      case 'setting': {
        const told = set.answer(setWork(work, state.instance), state.set, answer, context);
        return { state: { ...state, set: told.state }, facts: told.facts };
      }
      case 'ended':
        return { state, facts: [] };
    }
  },

  event: (_work, state) => state,

  interrupted(work, state, context) {
    if (state.phase === 'adding') return { phase: 'checking', instances: state.instances };
    if (state.phase !== 'setting') return state;
    return { ...state, set: set.interrupted(setWork(work, state.instance), state.set, context) };
  },
};

/** The same work as a `set` of the values below the new instance. */
function setWork(work: Work, instance: string): Work {
  const object = `${objectArg(work)}${instance}.`;
  const values = wantedArg(work, false).map((one) => ({ ...one, name: object + one.name }));
  return { ...work, kind: 'set', args: { values } };
}

function listed(table: string, answer: Answer): { instances: string[] | null; facts: TaskFact[] } {
  if (answer.type === 'fault') {
    // Some CPEs do not know a table while it is empty; whether it exists at all, AddObject will tell.
    return { instances: answer.fault.FaultCode === INVALID_NAME ? [] : null, facts: [] };
  }
  const names = infosOf(answer.result).filter(({ Name }) => Name.startsWith(table));
  const instances = new Set(names.map(({ Name }) => instanceBelow(table, Name)).filter((one) => one !== null));
  const facts: TaskFact[] = names.length === 0 ? [] : [{ type: 'names', path: table, complete: false, names }];
  return { instances: [...instances], facts };
}

function checked(
  work: Work,
  { instances: before, answered }: AddState & { phase: 'adding' | 'checking' },
  now: string[] | null,
  context: TaskContext,
): AddState {
  const table = objectArg(work);
  if (before === null || now === null) {
    const why = `The session broke while adding to ${table}, and the CPE does not list its instances: whether one was added is not known.`;
    return { phase: 'ended', result: unknownResult(why) };
  }
  const fresh = now.filter((instance) => !before.includes(instance));
  if (fresh.length === 0 && answered) {
    const why = `The CPE answered AddObject of ${table} without an instance number, and none is new.`;
    return { phase: 'ended', result: emptyResult('failed', why) };
  }
  if (fresh.length === 0) return { phase: 'adding', instances: now };
  if (fresh.length === 1) return added(work, fresh[0]!, false, context);
  const why = `The session broke while adding to ${table}; since then ${fresh.length} instances are new (${fresh.join(', ')}), and which one is ours is not known.`;
  return { phase: 'ended', result: { ...unknownResult(why), data: { instances: fresh } } };
}

function added(work: Work, instance: string, later: boolean, context: TaskContext): AddState {
  const reading = beginReading([`${objectArg(work)}${instance}.`], context.profile.quirks.getBatchNames);
  return { phase: 'reading', instance, later, reading, found: [] };
}

function readBack(
  work: Work,
  state: AddState & { phase: 'reading' },
  answer: Answer,
  context: TaskContext,
): { state: AddState; facts: TaskFact[] } {
  const { instance, later } = state;
  const { reading, values, facts } = readAnswer(state.reading, answer);
  const object = `${objectArg(work)}${instance}.`;
  const found = [...state.found, ...values.filter(({ Name }) => Name.startsWith(object))];
  if (readRequest(reading) !== null) return { state: { ...state, reading, found }, facts };
  const [lost] = found.length > 0 ? [] : reading.lost;
  const end = (result: TaskResult) => {
    const after = redactValues(found, new Set(), context);
    return { state: { phase: 'ended', result: { ...result, after, data: dataOf(work, instance) } } as const, facts };
  };
  if (lost?.status === 'unknown' && !later) {
    return end(emptyResult('refused', `The CPE said it made ${object}, but does not know it: ${lost.text}.`));
  }
  const sub = setWork(work, instance);
  const wanted = wantedArg(sub, false);
  if (wanted.length > 0) return { state: { phase: 'setting', instance, set: setFrom(wanted, found, context) }, facts };
  if (lost === undefined) return end(emptyResult('done', `${object} was made and read back.`));
  if (!later) return end(emptyResult('applied', `${object} was made, but could not be read back: ${lost.text}.`));
  return end(emptyResult('applied', `${object} was accepted; the CPE makes it later, perhaps after a restart.`));
}

/** The instance is there whatever became of its values, so their refusal is not a plain one. */
function valuesResult(work: Work, instance: string, result: TaskResult): TaskResult {
  const outcome = result.outcome === 'done' || result.outcome === 'applied' ? result.outcome : 'partial';
  const data = dataOf(work, instance);
  return { ...result, outcome, why: `${data.object} was made. ${result.why}`, data };
}

function dataOf(work: Work, instance: string): { InstanceNumber: number | null; object: string } {
  const number = Number(instance);
  // A CPE that lists by alias (CWMP X1) does not tell the number of an instance that was found by listing.
  return { InstanceNumber: Number.isNaN(number) ? null : number, object: `${objectArg(work)}${instance}.` };
}
