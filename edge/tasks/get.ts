// get: reads values by names and partial paths, and says of each name that was not answered why.
// One state only: what is still to be read and what was found, so there is no drawing.

import type { ParameterValue } from '../../cwmp/message.ts';
import { answerTest } from './answers.ts';
import { elsewhere } from './fault-outcome.ts';
import { afterBreak, beginReading, type LostName, type Reading, readAnswer, readRequest } from './reading.ts';
import { emptyResult, type Task, type TaskContext, type TaskResult } from './task.ts';
import { namesArg } from './work-args.ts';
import { redactValues } from './writing.ts';

export type GetState =
  /** Before the profile is known, which sizes the batches. */
  | { phase: 'starting'; names: string[] }
  | { phase: 'reading'; names: string[]; reading: Reading; found: ParameterValue[] };

export const get: Task<GetState> = {
  start: (work) => ({ phase: 'starting', names: namesArg(work) }),

  next(_work, state, context) {
    const { names } = state;
    const reading =
      state.phase === 'reading' ? state.reading : beginReading(names, context.profile.quirks.getBatchNames);
    const found = state.phase === 'reading' ? state.found : [];
    const request = readRequest(reading);
    if (request === null) return { type: 'end', result: result(names, reading.lost, found, context) };
    return { type: 'send', state: { phase: 'reading', names, reading, found }, request };
  },

  answer(_work, state, answer) {
    if (state.phase === 'starting') return { state, facts: [] };
    const { reading, values, facts } = readAnswer(state.reading, answer);
    // More than was asked for leaves as a fact, but is no part of this result (FIELD 20).
    const isAnswer = answerTest(state.names);
    const asked = values.filter(({ Name }) => isAnswer(Name));
    return { state: { ...state, reading, found: [...state.found, ...asked] }, facts };
  },

  event: (_work, state) => state,
  interrupted: (_work, state) => (state.phase === 'reading' ? { ...state, reading: afterBreak(state.reading) } : state),
};

function result(names: string[], lost: LostName[], found: ParameterValue[], context: TaskContext): TaskResult {
  const byName = new Map(found.map((value) => [value.Name, value]));
  const after = redactValues([...byName.values()], new Set(), context);
  if (lost.length === 0) return { ...emptyResult('done', `Read ${after.length} values.`), after };
  const lostNames = new Set(lost.map(({ name }) => name));
  const items = [
    ...names.filter((name) => !lostNames.has(name)).map((name) => ({ name, status: 'read' })),
    ...lost.map(({ name, status, faultCode, text }) => ({ name, status, faultCode, text })),
  ];
  const [first] = lost;
  const hint = first!.status === 'unknown' ? elsewhere(first!.name, context.profile) : '';
  const missing = `${first!.name}: ${first!.text}${hint}${lost.length > 1 ? `, and ${lost.length - 1} more` : ''}`;
  if (after.length > 0) {
    return { ...emptyResult('partial', `Read ${after.length} values, but not all: ${missing}.`), after, items };
  }
  const unknown = lost.every(({ status, faultCode }) => status === 'unknown' || faultCode === 9000);
  return { ...emptyResult(unknown ? 'unsupported' : 'failed', `Read nothing: ${missing}.`), items };
}
