// delete: removes one instance of a table, keeps its values for the record, and looks whether it is gone.
//
//   reading ─▶ deleting ─▶ verifying ─▶ ended
//      │          ▲            │          ▲
//      │          └─still there┘          │   (the way back only after a broken session)
//      └──────────── not there ───────────┘
//
// reading    Values of the object, for the evidence. 9005 means there is nothing to delete.
// deleting   DeleteObject is not idempotent (A.3.2.7): an instance number may have been given anew, so it is not blindly repeated.
// verifying  Lists the table. `sure` is false when the session broke over DeleteObject: then an instance still there is deleted again.

import type { ParameterValue } from '../../cwmp/message.ts';
import { isInstance, lastPart, parentPath } from '../../cwmp/paths.ts';
import { infosOf, numberOf, request, valuesFact, valuesOf } from './answers.ts';
import { faultResult, INVALID_NAME, sayFault } from './fault-outcome.ts';
import {
  type Answer,
  emptyResult,
  type Task,
  type TaskContext,
  type TaskFact,
  type TaskResult,
  unknownResult,
} from './task.ts';
import { badArgs, objectArg } from './work-args.ts';
import { redactValues } from './writing.ts';

export type DeleteState =
  | { phase: 'reading' }
  | { phase: 'deleting'; before: ParameterValue[] }
  | { phase: 'verifying'; before: ParameterValue[]; sure: boolean; later: boolean }
  | { phase: 'ended'; result: TaskResult };

export const deleteObject: Task<DeleteState> = {
  start(work) {
    const object = objectArg(work);
    if (!isInstance(lastPart(object))) throw badArgs(work, `${object} is not an instance of a table`);
    return { phase: 'reading' };
  },

  next(work, state) {
    const object = objectArg(work);
    switch (state.phase) {
      case 'reading':
        return { type: 'send', state, request: request('GetParameterValues', { ParameterNames: [object] }) };
      case 'deleting': {
        const args = { ObjectName: object, ParameterKey: work.commandKey };
        return { type: 'send', state, request: request('DeleteObject', args) };
      }
      case 'verifying': {
        const list = request('GetParameterNames', { ParameterPath: parentPath(object), NextLevel: true });
        return { type: 'send', state, request: list, verifying: true };
      }
      case 'ended':
        return { type: 'end', result: state.result };
    }
  },

  answer(work, state, answer, context) {
    const object = objectArg(work);
    switch (state.phase) {
      case 'reading': {
        if (answer.type === 'fault') {
          if (answer.fault.FaultCode === INVALID_NAME) {
            const result = emptyResult('done', `The CPE has no ${object}: nothing to delete.`);
            return { state: { phase: 'ended', result }, facts: gone(object) };
          }
          // Too big or not readable: the deletion does not depend on it.
          return { state: { phase: 'deleting', before: [] }, facts: [] };
        }
        const values = valuesOf(answer.result);
        const before = values.filter(({ Name }) => Name.startsWith(object));
        return { state: { phase: 'deleting', before }, facts: valuesFact(values) };
      }
      case 'deleting': {
        const { before } = state;
        if (answer.type === 'response') {
          const later = numberOf(answer.result, 'Status') === 1;
          return { state: { phase: 'verifying', before, sure: true, later }, facts: [] };
        }
        const result = {
          ...faultResult(`deleting ${object}`, answer.fault),
          before: redactValues(before, new Set(), context),
        };
        return { state: { phase: 'ended', result }, facts: [] };
      }
      case 'verifying':
        return verified(object, state, answer, context);
      case 'ended':
        return { state, facts: [] };
    }
  },

  event: (_work, state) => state,

  interrupted(_work, state) {
    if (state.phase !== 'deleting') return state;
    return { phase: 'verifying', before: state.before, sure: false, later: false };
  },
};

function gone(object: string): TaskFact[] {
  return [{ type: 'names', path: object, complete: true, names: [] }];
}

function verified(
  object: string,
  state: DeleteState & { phase: 'verifying' },
  answer: Answer,
  context: TaskContext,
): { state: DeleteState; facts: TaskFact[] } {
  const before = redactValues(state.before, new Set(), context);
  const end = (result: TaskResult): DeleteState => ({ phase: 'ended', result: { ...result, before } });
  if (answer.type === 'fault' && answer.fault.FaultCode !== INVALID_NAME) {
    const told = sayFault(answer.fault);
    const sure = emptyResult(
      'applied',
      `${object} was deleted, but its table could not be read to verify it: ${told}.`,
    );
    const unsure = unknownResult(
      `The session broke while deleting ${object}, and its table could not be read: ${told}.`,
    );
    return { state: end(state.sure ? sure : unsure), facts: [] };
  }
  // 9005 for the table itself: it went with its last instance.
  const infos = answer.type === 'fault' ? [] : infosOf(answer.result);
  const table = parentPath(object);
  const names = infos.filter(({ Name }) => Name.startsWith(table));
  const facts: TaskFact[] = names.length === 0 ? [] : [{ type: 'names', path: table, complete: false, names }];
  const there = names.some(({ Name }) => Name.startsWith(object) || `${Name}.` === object);
  if (!there) return { state: end(emptyResult('done', `${object} is deleted.`)), facts: [...facts, ...gone(object)] };
  if (!state.sure) return { state: { phase: 'deleting', before: state.before }, facts };
  const result = state.later
    ? emptyResult('applied', `Accepted; the CPE deletes ${object} later, perhaps after a restart.`)
    : emptyResult('refused', `The CPE accepted it, but ${object} is still there.`);
  return { state: end(result), facts };
}
