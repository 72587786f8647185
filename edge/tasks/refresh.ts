// refresh: learns what parameters a CPE has, below a path or altogether, and reads all their values.
//
//   starting ─▶ listing ─names─▶ reading ─▶ ended
//                  │ fault, broken session      ▲
//                  └──────▶ walking ◀─children──┤
//                              └───leaves──▶ reading
//
// starting  Entered by start. Leaves at once: the profile says whether to list or to walk, the context which root to begin with.
// listing   One GetParameterNames of the whole tree (NextLevel=0). A refused '' is followed by the root object (FIELD 22, CWMP I8); a CPE
//           that cannot list deeply (FIELD 23), or whose session broke over it, is walked.
// walking   One GetParameterNames of one object's children (NextLevel=1) after the other, depth first.
// reading   GetParameterValues of the leaves found, then back to walking while objects are left.
//
// The state holds paths still to visit and counts, never what was found: that leaves as facts at once, so that the record stays small
// for a tree of 9,000 names.

import type { ParameterInfo } from '../../cwmp/message.ts';
import { infosOf, request } from './answers.ts';
import { faultResult, INVALID_NAME, METHOD_NOT_SUPPORTED, sayFault } from './fault-outcome.ts';
import { arrangeNames, batchLeaves } from './names.ts';
import { afterBreak, beginReading, type Reading, readAnswer, readRequest } from './reading.ts';
import { type Answer, emptyResult, type Task, type TaskContext, type TaskFact, type TaskResult } from './task.ts';
import { checkPath } from './work-args.ts';

interface Counts {
  objects: number;
  parameters: number;
  values: number;
  /** Names that the CPE listed and then did not know (FIELD 21). */
  gone: number;
  omitted: number;
  refused: number;
  /** Of the first refusal, for the result. */
  fault: string;
}

export type RefreshState =
  | { phase: 'starting'; path: string }
  /** `paths[0]` is being listed; the others are tried when it is refused. */
  | { phase: 'listing'; paths: string[]; counts: Counts }
  /** `objects[0]` is being listed; `instead` is tried when the very first one is refused. */
  | { phase: 'walking'; objects: string[]; instead: string[]; counts: Counts }
  | { phase: 'reading'; reading: Reading; objects: string[]; walked: boolean; counts: Counts }
  | { phase: 'ended'; result: TaskResult };

const NO_COUNTS: Counts = { objects: 0, parameters: 0, values: 0, gone: 0, omitted: 0, refused: 0, fault: '' };

export const refresh: Task<RefreshState> = {
  start: (work) => ({ phase: 'starting', path: checkPath(work, work.args['path'] ?? '') }),

  next(_work, state, context) {
    const begun = state.phase === 'starting' ? begin(state.path, context) : state;
    switch (begun.phase) {
      case 'listing':
        return { type: 'send', state: begun, request: listRequest(begun.paths[0]!, false) };
      case 'walking':
        return { type: 'send', state: begun, request: listRequest(begun.objects[0]!, true) };
      case 'reading':
        // Never null here: `settle` leaves this phase with the last batch.
        return { type: 'send', state: begun, request: readRequest(begun.reading)! };
      case 'ended':
        return { type: 'end', result: begun.result };
    }
  },

  answer(_work, state, answer, context) {
    if (state.phase === 'listing') return listed(state, answer, context);
    if (state.phase === 'walking') return walked(state, answer, context);
    if (state.phase !== 'reading') return { state, facts: [] };
    const { reading, values, facts } = readAnswer(state.reading, answer);
    const counts = { ...state.counts, values: state.counts.values + values.length };
    const objects = [...state.objects];
    for (const { name, status, text } of reading.lost) {
      if (status === 'omitted') counts.omitted++;
      else if (status === 'refused') {
        counts.refused++;
        counts.fault ||= text;
      } else if (state.walked && !name.endsWith('.')) {
        // FIELD 17: listed level by level, an object without its dot looks like a parameter until it is read.
        objects.push(`${name}.`);
      } else counts.gone++;
    }
    return { state: settle({ ...state, reading: { ...reading, lost: [] }, objects, counts }), facts };
  },

  event: (_work, state) => state,

  interrupted(_work, state) {
    if (state.phase === 'reading') return { ...state, reading: afterBreak(state.reading) };
    // The deep listing may be what broke the session, so the next attempt asks for less. Everything else is just asked again.
    if (state.phase !== 'listing' || !canWalk(state.paths[0]!)) return state;
    const [path = '', ...instead] = state.paths;
    return { phase: 'walking', objects: [path], instead, counts: state.counts };
  },
};

function listRequest(path: string, nextLevel: boolean) {
  return request('GetParameterNames', { ParameterPath: path, NextLevel: nextLevel });
}

function canWalk(path: string): boolean {
  // NextLevel=1 with a full parameter name is fault 9003 (A.3.2.3).
  return path === '' || path.endsWith('.');
}

function begin(path: string, { profile, root }: TaskContext): Exclude<RefreshState, { phase: 'starting' }> {
  const roots = root === '' ? ['Device.', 'InternetGatewayDevice.'] : [root];
  let paths = [path];
  if (path === '') paths = profile.quirks.skipRootGpn ? roots : ['', ...roots];
  else if (!path.endsWith('.')) paths = [path, `${path}.`];
  if (!profile.quirks.walkNextLevel || !canWalk(path)) return { phase: 'listing', paths, counts: NO_COUNTS };
  return { phase: 'walking', objects: [paths[0]!], instead: paths.slice(1), counts: NO_COUNTS };
}

function listed(state: RefreshState & { phase: 'listing' }, answer: Answer, context: TaskContext) {
  const [path = '', ...instead] = state.paths;
  if (answer.type === 'fault') {
    const code = answer.fault.FaultCode;
    const again = instead.length > 0 && (path === '' || code === INVALID_NAME);
    let next: RefreshState = { phase: 'walking', objects: [path], instead, counts: state.counts };
    if (again) next = { ...state, paths: instead };
    else if (code === INVALID_NAME || code === METHOD_NOT_SUPPORTED || !canWalk(path)) {
      next = { phase: 'ended', result: faultResult(`listing ${path}`, answer.fault) };
    }
    return { state: next, facts: [] };
  }
  const { names, leaves, objects } = arrangeNames(path, infosOf(answer.result));
  // Some CPEs answer the root, or '', with the root object alone whatever NextLevel says: that is not the whole tree. A table of a
  // known place that lists nothing is empty, and then its old rows are gone.
  const complete = leaves.length > 0 || path.indexOf('.') < path.lastIndexOf('.');
  const counts = count(state.counts, names);
  const facts: TaskFact[] = [{ type: 'names', path, complete, names }];
  if (!complete) {
    const below = objects.filter((name) => name !== path);
    const start = below.length > 0 ? below : path === '' ? instead : [path];
    return { state: settleWalk({ phase: 'walking', objects: start, instead: [], counts }), facts };
  }
  const { getBatchNames } = context.profile.quirks;
  const reading: Reading = { ...beginReading([], getBatchNames), todo: batchLeaves(path, leaves, getBatchNames) };
  return { state: settle({ phase: 'reading', reading, objects: [], walked: false, counts }), facts };
}

function walked(state: RefreshState & { phase: 'walking' }, answer: Answer, context: TaskContext) {
  const [path = '', ...rest] = state.objects;
  const counts = { ...state.counts };
  if (answer.type === 'fault') {
    const { fault } = answer;
    if (counts.objects + counts.parameters === 0 && rest.length === 0) {
      if (state.instead.length === 0) {
        return { state: { phase: 'ended', result: faultResult(`listing ${path}`, fault) } as RefreshState, facts: [] };
      }
      const next: RefreshState = { ...state, objects: state.instead.slice(0, 1), instead: state.instead.slice(1) };
      return { state: next, facts: [] };
    }
    if (fault.FaultCode === INVALID_NAME) counts.gone++;
    else {
      counts.refused++;
      counts.fault ||= sayFault(fault);
    }
    return { state: settleWalk({ ...state, objects: rest, counts }), facts: [] };
  }
  const { names, leaves, objects } = arrangeNames(path, infosOf(answer.result));
  // A CPE that ignores NextLevel lists everything: objects whose contents are listed already need no visit of their own.
  const below = objects.filter(
    (name) => name !== path && !names.some(({ Name }) => Name !== name && Name.startsWith(name)),
  );
  // Only a level without objects is the whole of what lies below.
  const complete =
    below.length === 0 && path !== '' && (leaves.length > 0 || path.indexOf('.') < path.lastIndexOf('.'));
  const facts: TaskFact[] = names.length > 0 || complete ? [{ type: 'names', path, complete, names }] : [];
  const reading = beginReading(leaves, context.profile.quirks.getBatchNames);
  const next: RefreshState = {
    phase: 'reading',
    reading,
    objects: [...below, ...rest],
    walked: true,
    counts: count(counts, names),
  };
  return { state: settle(next), facts };
}

function count(counts: Counts, names: readonly ParameterInfo[]): Counts {
  const objects = names.filter(({ Name }) => Name.endsWith('.')).length;
  return { ...counts, objects: counts.objects + objects, parameters: counts.parameters + names.length - objects };
}

/** Leaves `reading` once nothing is left to read. */
function settle(state: RefreshState & { phase: 'reading' }): RefreshState {
  if (readRequest(state.reading) !== null) return state;
  return settleWalk({ phase: 'walking', objects: state.objects, instead: [], counts: state.counts });
}

/** Ends the walk once no object is left. */
function settleWalk(state: RefreshState & { phase: 'walking' }): RefreshState {
  if (state.objects.length > 0) return state;
  const { fault, ...counts } = state.counts;
  const read = `${counts.values} values of ${counts.parameters} parameters`;
  if (counts.refused > 0) {
    const outcome = counts.values > 0 ? 'partial' : 'failed';
    const why = `Read ${read}; the CPE refused ${counts.refused} requests for part of the tree: ${fault}.`;
    return { phase: 'ended', result: { ...emptyResult(outcome, why), data: counts } };
  }
  return { phase: 'ended', result: { ...emptyResult('done', `Read ${read}.`), data: counts } };
}
