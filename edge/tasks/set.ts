// set: writes values and knows whether they took. Reads first (old values, the device's types, what is set already), writes only what
// differs, reads back in the same session.
//
//   starting ─▶ comparing ─differs─▶ writing ─all sent, or refused─▶ verifying ─▶ ended
//                  │  ▲                 │                                           ▲
//                  │  └─broken session──┘                                           │
//                  └──────────────── all equal, or cannot be written ───────────────┘
//
// starting   Entered by start; left at the first turn, when the profile is known.
// comparing  Reads all values. Entered again when the session broke over a write: what took is not written twice.
// writing    SetParameterValues, in one request when the CPE can bear it, because one request is atomic (A.3.2.1). The first fault ends
//            it: the operator asked for all.
// verifying  Reads all values again, also after a fault: what the CPE holds counts more than what it said.

import type { CpeFault, ParameterValue } from '../../cwmp/message.ts';
import { numberOf } from './answers.ts';
import { elsewhere } from './fault-outcome.ts';
import { judge } from './judging.ts';
import { beginReading, chunk, type Reading, readAnswer, readRequest } from './reading.ts';
import { type Answer, emptyResult, type Task, type TaskContext, type TaskFact, type TaskResult } from './task.ts';
import { expectedArg, type Wanted, wantedArg } from './work-args.ts';
import { compare, faultItems, type Item, redactValues, writeRequest } from './writing.ts';

export type SetState =
  | { phase: 'starting' }
  /** `before` is null on the first pass, and then becomes what this pass reads. */
  | { phase: 'comparing'; before: ParameterValue[] | null; current: ParameterValue[]; reading: Reading; later: boolean }
  /** `todo[0]` holds the names of the request that is sent next or outstanding. */
  | { phase: 'writing'; before: ParameterValue[]; current: ParameterValue[]; todo: string[][]; later: boolean }
  | {
      phase: 'verifying';
      before: ParameterValue[];
      after: ParameterValue[];
      reading: Reading;
      later: boolean;
      refused: Item[];
      fault: CpeFault | null;
    }
  | { phase: 'ended'; result: TaskResult };

export const set: Task<SetState> = {
  start(work) {
    wantedArg(work, true);
    expectedArg(work);
    return { phase: 'starting' };
  },

  next(work, state, context) {
    const wanted = wantedArg(work, true);
    const begun: SetState =
      state.phase === 'starting'
        ? { phase: 'comparing', before: null, current: [], reading: readingOf(wanted, context), later: false }
        : state;
    switch (begun.phase) {
      case 'comparing':
        return { type: 'send', state: begun, request: readRequest(begun.reading)! };
      case 'writing': {
        const batch = pick(wanted, begun.todo[0]!);
        return { type: 'send', state: begun, request: writeRequest(batch, begun.current, work.commandKey, context) };
      }
      case 'verifying':
        return { type: 'send', state: begun, request: readRequest(begun.reading)!, verifying: true };
      case 'ended':
        return { type: 'end', result: begun.result };
    }
  },

  answer(work, state, answer, context) {
    const wanted = wantedArg(work, true);
    switch (state.phase) {
      case 'comparing': {
        const { reading, values, facts } = readAnswer(state.reading, answer);
        const asked = values.filter(({ Name }) => wanted.some(({ name }) => name === Name));
        const read = { ...state, reading, current: [...state.current, ...asked] };
        return {
          state: readRequest(reading) === null ? compared(wanted, expectedArg(work), read, context) : read,
          facts,
        };
      }
      case 'writing':
        return { state: wrote(wanted, state, answer, context), facts: [] };
      case 'verifying':
        return verified(wanted, state, answer, context);
      default:
        return { state, facts: [] };
    }
  },

  event: (_work, state) => state,

  interrupted(work, state, context) {
    if (state.phase !== 'writing') return state;
    // The CPE may have taken the values, and a Wi-Fi or WAN change may be just why the session broke.
    const { before, later } = state;
    const reading = readingOf(wantedArg(work, true), context);
    return { phase: 'comparing', before, current: [], reading, later };
  },
};

/** The state of a set whose current values were read already: straight to writing what differs, or to the end. */
export function setFrom(wanted: Wanted[], current: ParameterValue[], context: TaskContext): SetState {
  return compared(
    wanted,
    [],
    { phase: 'comparing', before: null, current, reading: beginReading([], 1), later: false },
    context,
  );
}

function readingOf(wanted: readonly Wanted[], context: TaskContext): Reading {
  return beginReading(
    wanted.map(({ name }) => name),
    context.profile.quirks.getBatchNames,
  );
}

function pick(wanted: readonly Wanted[], names: readonly string[]): Wanted[] {
  return wanted.filter(({ name }) => names.includes(name));
}

function compared(
  wanted: Wanted[],
  expected: readonly { name: string; value: string }[],
  state: SetState & { phase: 'comparing' },
  context: TaskContext,
): SetState {
  const { current, reading, later } = state;
  const before = state.before ?? current;
  const byName = new Map(current.map((value) => [value.Name, value]));
  const differing = wanted.filter((one) => compare(one, byName.get(one.name), context) !== 'equal');
  if (differing.length === 0) {
    const written = { wanted, before, after: current, lost: [], refused: [], fault: null, later };
    return { phase: 'ended', result: judge(written, context) };
  }
  const drifted = state.before === null ? driftedFrom(expected, differing, byName, context) : [];
  const impossible = state.before === null ? [...drifted, ...cannotWrite(differing, reading, context)] : [];
  if (impossible.length > 0) {
    const unknown = impossible.every(({ status }) => status === 'unknown');
    const [first] = impossible;
    const more = impossible.length > 1 ? `, and ${impossible.length - 1} more` : '';
    const why = `Nothing was written: ${first!.name}: ${first!.text}${more}.`;
    const result = emptyResult(unknown ? 'unsupported' : 'refused', why);
    const bad = new Map(impossible.map((item) => [item.name, item]));
    result.items = wanted.map(({ name }) => bad.get(name) ?? { name, status: 'not-written' });
    const secrets = new Set(wanted.filter(({ secret }) => secret).map(({ name }) => name));
    return { phase: 'ended', result: { ...result, before: redactValues(before, secrets, context) } };
  }
  // FIELD 29: some CPEs restart their Wi-Fi on a write that changes nothing, so equal values stay out.
  const todo = chunk(
    differing.map(({ name }) => name),
    context.profile.quirks.setBatchValues,
  );
  return { phase: 'writing', before, current, todo, later };
}

/** Values that are neither what was approved to be changed nor what is wanted. One the device hides cannot be told. */
function driftedFrom(
  expected: readonly { name: string; value: string }[],
  differing: readonly Wanted[],
  byName: ReadonlyMap<string, ParameterValue>,
  context: TaskContext,
): Item[] {
  return expected.flatMap(({ name, value }) => {
    const wanted = differing.find((one) => one.name === name);
    if (wanted === undefined || compare({ ...wanted, value }, byName.get(name), context) !== 'differs') return [];
    return [{ name, status: 'drifted', text: 'is not what it was when this was approved; make a new preview' }];
  });
}

/** Values that need not be tried: the request is atomic, so one of them would spoil the others. */
function cannotWrite(differing: readonly Wanted[], reading: Reading, context: TaskContext): Item[] {
  const items: Item[] = [];
  const unknown = new Map(reading.lost.filter(({ status }) => status === 'unknown').map((one) => [one.name, one]));
  for (const { name } of differing) {
    const lost = unknown.get(name);
    if (lost !== undefined) {
      items.push({
        name,
        status: 'unknown',
        faultCode: lost.faultCode,
        text: `this CPE has no such parameter, ${lost.text}${elsewhere(name, context.profile)}`,
      });
    } else if (context.known(name)?.writable === false && !context.profile.quirks.ignoreWritable) {
      // FIELD 24: a CPE that claims so wrongly needs the quirk in its profile.
      const text = 'the CPE calls it read-only; if it is not, set ignoreWritable in its profile';
      items.push({ name, status: 'read-only', text });
    }
  }
  return items;
}

function wrote(
  wanted: Wanted[],
  state: SetState & { phase: 'writing' },
  answer: Answer,
  context: TaskContext,
): SetState {
  const { before } = state;
  const [batch = [], ...todo] = state.todo;
  const verify = { phase: 'verifying' as const, before, after: [], reading: readingOf(wanted, context) };
  if (answer.type === 'fault') {
    const unsent = todo
      .flat()
      .map((name) => ({ name, status: 'not-written', text: 'not sent after an earlier refusal' }));
    const refused = [...faultItems(pick(wanted, batch), answer.fault), ...unsent];
    return { ...verify, later: state.later, refused, fault: answer.fault };
  }
  const later = state.later || numberOf(answer.result, 'Status') === 1;
  if (todo.length > 0) return { ...state, todo, later };
  return { ...verify, later, refused: [], fault: null };
}

function verified(
  wanted: Wanted[],
  state: SetState & { phase: 'verifying' },
  answer: Answer,
  context: TaskContext,
): { state: SetState; facts: TaskFact[] } {
  const { reading, values, facts } = readAnswer(state.reading, answer);
  const after = [...state.after, ...values];
  if (readRequest(reading) !== null) return { state: { ...state, reading, after }, facts };
  const { before, later, refused, fault } = state;
  const result = judge({ wanted, before, after, lost: reading.lost, refused, fault, later }, context);
  return { state: { phase: 'ended', result }, facts };
}
