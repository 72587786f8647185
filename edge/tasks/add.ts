// add: makes an instance of a table, gives it values, reads it back.
//
//   listing ─▶ adding ─InstanceNumber─▶ writing ─▶ verifying ─▶ ended
//                │ ▲                      ▲  (without values: straight to verifying)
//     broken     ▼ │ nothing new          │
//     session  checking ──one new instance┘
//
// listing    Reads which instances there are, so that a lost answer to AddObject can be told from a lost request.
// adding     AddObject is not idempotent (A.3.2.6): after a broken session it is never just sent again.
// checking   Entered from adding alone. No new instance: add again; one: that is ours; several: somebody else adds too, so it fails.
// writing    One SetParameterValues below the new instance. Refused: the instance stays, with default values, and the result says so.
// verifying  Reads the instance.

import type { Work } from '../../bus/messages.ts';
import type { CpeFault, ParameterValue } from '../../cwmp/message.ts';
import { instanceBelow } from '../../cwmp/paths.ts';
import { infosOf, numberOf, request } from './answers.ts';
import { faultResult, INVALID_NAME, sayFault } from './fault-outcome.ts';
import { judge } from './judging.ts';
import { beginReading, type Reading, readAnswer, readRequest } from './reading.ts';
import { type Answer, emptyResult, type Task, type TaskContext, type TaskFact, type TaskResult } from './task.ts';
import { objectArg, type Wanted, wantedArg } from './work-args.ts';
import { faultItems, type Item, redactValues, writeRequest } from './writing.ts';

export type AddState =
  | { phase: 'listing' }
  /** Instances before the AddObject; null when the CPE would not list them. */
  | { phase: 'adding' | 'checking'; instances: string[] | null }
  | { phase: 'writing'; instance: string; later: boolean }
  | {
      phase: 'verifying';
      instance: string;
      later: boolean;
      reading: Reading;
      after: ParameterValue[];
      refused: Item[];
      fault: CpeFault | null;
    }
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
      case 'adding':
        return {
          type: 'send',
          state,
          request: request('AddObject', { ObjectName: table, ParameterKey: work.commandKey }),
        };
      case 'writing': {
        const wanted = wantedBelow(work, state.instance);
        return { type: 'send', state, request: writeRequest(wanted, [], work.commandKey, context) };
      }
      case 'verifying':
        return { type: 'send', state, request: readRequest(state.reading)!, verifying: true };
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
        return { state: checked(work, state.instances, instances, context), facts };
      }
      case 'adding': {
        if (answer.type === 'fault') {
          return {
            state: { phase: 'ended', result: faultResult(`adding to ${objectArg(work)}`, answer.fault) },
            facts: [],
          };
        }
        const number = numberOf(answer.result, 'InstanceNumber');
        // Made, but without saying which one: look.
        if (number < 1) return { state: { phase: 'checking', instances: state.instances }, facts: [] };
        return { state: added(work, String(number), numberOf(answer.result, 'Status') === 1, context), facts: [] };
      }
      case 'writing':
        return { state: wrote(work, state, answer, context), facts: [] };
      case 'verifying':
        return verified(work, state, answer, context);
      case 'ended':
        return { state, facts: [] };
    }
  },

  event: (_work, state) => state,

  interrupted(_work, state) {
    if (state.phase !== 'adding') return state;
    return { phase: 'checking', instances: state.instances };
  },
};

function wantedBelow(work: Work, instance: string): Wanted[] {
  const object = `${objectArg(work)}${instance}.`;
  return wantedArg(work, false).map((one) => ({ ...one, name: object + one.name }));
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

function checked(work: Work, before: string[] | null, now: string[] | null, context: TaskContext): AddState {
  const table = objectArg(work);
  if (before === null || now === null) {
    const why = `The session broke while adding to ${table}, and the CPE does not list its instances: whether one was added is not known.`;
    return { phase: 'ended', result: emptyResult('failed', why) };
  }
  const fresh = now.filter((instance) => !before.includes(instance));
  if (fresh.length === 0) return { phase: 'adding', instances: now };
  if (fresh.length === 1) return added(work, fresh[0]!, false, context);
  const why = `The session broke while adding to ${table}; since then ${fresh.length} instances are new (${fresh.join(', ')}), and which one is ours is not known.`;
  return { phase: 'ended', result: { ...emptyResult('failed', why), data: { instances: fresh } } };
}

function added(work: Work, instance: string, later: boolean, context: TaskContext): AddState {
  if (wantedArg(work, false).length > 0) return { phase: 'writing', instance, later };
  return verify(work, instance, later, [], null, context);
}

function verify(
  work: Work,
  instance: string,
  later: boolean,
  refused: Item[],
  fault: CpeFault | null,
  context: TaskContext,
): AddState {
  const reading = beginReading([`${objectArg(work)}${instance}.`], context.profile.quirks.getBatchNames);
  return { phase: 'verifying', instance, later, reading, after: [], refused, fault };
}

function wrote(work: Work, state: AddState & { phase: 'writing' }, answer: Answer, context: TaskContext): AddState {
  const { instance } = state;
  if (answer.type === 'fault') {
    const refused = faultItems(wantedBelow(work, instance), answer.fault);
    return verify(work, instance, state.later, refused, answer.fault, context);
  }
  return verify(work, instance, state.later || numberOf(answer.result, 'Status') === 1, [], null, context);
}

function verified(
  work: Work,
  state: AddState & { phase: 'verifying' },
  answer: Answer,
  context: TaskContext,
): { state: AddState; facts: TaskFact[] } {
  const { instance, later, refused, fault } = state;
  const { reading, values, facts } = readAnswer(state.reading, answer);
  const object = `${objectArg(work)}${instance}.`;
  const after = [...state.after, ...values.filter(({ Name }) => Name.startsWith(object))];
  if (readRequest(reading) !== null) return { state: { ...state, reading, after }, facts };
  const wanted = wantedBelow(work, instance);
  const data = { InstanceNumber: Number(instance), object };
  const shown = redactValues(after, new Set(wanted.filter(({ secret }) => secret).map(({ name }) => name)), context);
  const end = (result: TaskResult) => ({
    state: { phase: 'ended', result: { ...result, after: shown, data } } as AddState,
    facts,
  });

  const [lost] = reading.lost;
  if (lost !== undefined && after.length === 0) {
    if (later)
      return end(emptyResult('applied', `${object} was accepted; the CPE makes it later, perhaps after a restart.`));
    if (lost.status === 'unknown')
      return end(emptyResult('refused', `The CPE said it made ${object}, but does not know it: ${lost.text}.`));
    return end(emptyResult('applied', `${object} was made, but could not be read back: ${lost.text}.`));
  }
  if (wanted.length === 0) return end(emptyResult('done', `${object} was made and read back.`));
  const verdict = judge({ wanted, before: [], after, lost: reading.lost, refused, fault, later }, context);
  // The instance is there whatever became of its values: that is never a plain refusal.
  const outcome = verdict.outcome === 'done' || verdict.outcome === 'applied' ? verdict.outcome : 'partial';
  const told = fault === null ? '' : ` (${sayFault(fault)})`;
  return end({ ...verdict, outcome, why: `${object} was made. ${verdict.why}${outcome === 'partial' ? told : ''}` });
}
