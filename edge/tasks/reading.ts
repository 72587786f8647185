// Reading many values with GetParameterValues, in batches the CPE can bear: the part that get, set, refresh and add have in common.
// Plain data in, plain data out. It does not keep the values it reads: whoever reads says what becomes of them.
//
// Two things are told apart by fault code. 9005 means that at least one name is unknown, without saying which: the batch is bisected
// until the bad name stands alone (CWMP P5). 9001–9004 may mean "too much at once": this and all later batches are halved (P1), and an
// object that is too big all alone is listed with GetParameterNames and read child by child.

import type { ParameterValue } from '../../cwmp/message.ts';
import { hasWildcard, isPartialPath } from '../../cwmp/paths.ts';
import type { AcsRequest } from '../../cwmp/session.ts';
import { infosOf, request, valuesFact, valuesOf } from './answers.ts';
import { asksForLess, INVALID_NAME, METHOD_NOT_SUPPORTED, sayFault } from './fault-outcome.ts';
import type { Answer, TaskFact } from './task.ts';

/** A name that was asked for and not answered. */
export interface LostName {
  name: string;
  /** unknown: 9005; omitted: the answer left it out (FIELD 20); refused: any other fault. */
  status: 'unknown' | 'omitted' | 'refused';
  faultCode?: number;
  text: string;
}

export interface Reading {
  /** Requests still to make, the next one first: the names of one GetParameterValues each. Never holds an empty batch. */
  todo: string[][];
  /** Objects whose children are listed before anything else is read, because they were refused in one piece. */
  tooBig: string[];
  /** Names in one request; falls when the CPE asks for less, never rises. */
  batchMax: number;
  lost: LostName[];
  /** True once two sessions broke over the same partial paths: objects are listed, and only full names are read from then on. */
  byName?: boolean;
  /** True while the next request, one with partial paths, has broken a session already. */
  broke?: boolean;
}

export interface Read {
  reading: Reading;
  /** Everything the answer held, also what was not asked for; a name that came twice counts by its last value. */
  values: ParameterValue[];
  facts: TaskFact[];
}

export function beginReading(names: readonly string[], batchMax: number): Reading {
  return { todo: chunk(names, batchMax), tooBig: [], batchMax, lost: [] };
}

/** The next request, or null when all is read. */
export function readRequest(reading: Reading): AcsRequest | null {
  const object = reading.tooBig[0];
  if (object !== undefined) return request('GetParameterNames', { ParameterPath: object, NextLevel: true });
  const names = reading.todo[0];
  return names === undefined ? null : request('GetParameterValues', { ParameterNames: names });
}

/** Takes the answer to the request that `readRequest` made of the same reading. */
export function readAnswer(asked: Reading, answer: Answer): Read {
  const reading = asked.broke ? { ...asked, broke: false } : asked;
  if (reading.tooBig.length > 0) return childrenAnswer(reading, answer);
  const [names = [], ...todo] = reading.todo;
  if (answer.type === 'fault')
    return { reading: afterFault({ ...reading, todo }, names, answer.fault), values: [], facts: [] };
  const byName = new Map(valuesOf(answer.result).map((value) => [value.Name, value]));
  const values = [...byName.values()];
  const lost = [...reading.lost];
  for (const name of names) {
    // An object without parameters is answered by nothing, and rightly so.
    if (isPartialPath(name) || hasWildcard(name) || byName.has(name)) continue;
    lost.push({ name, status: 'omitted', text: 'the CPE left it out of its answer' });
  }
  return { reading: { ...reading, todo, lost }, values, facts: valuesFact(values) };
}

function afterFault(reading: Reading, names: string[], fault: { FaultCode: number; FaultString: string }): Reading {
  const { FaultCode: faultCode } = fault;
  const [name = ''] = names;
  const lose = (these: string[], status: LostName['status']): LostName[] => [
    ...reading.lost,
    ...these.map((one) => ({ name: one, status, faultCode, text: sayFault(fault) })),
  ];
  if (faultCode === METHOD_NOT_SUPPORTED) {
    // No later batch will fare better.
    return { ...reading, todo: [], lost: lose([...names, ...reading.todo.flat()], 'refused') };
  }
  if (names.length > 1) {
    const half = Math.ceil(names.length / 2);
    if (!asksForLess(faultCode))
      return { ...reading, todo: [names.slice(0, half), names.slice(half), ...reading.todo] };
    // Objects keep their batches whole: a batch of partial paths was sized by what lies below them.
    const later = reading.todo.flatMap((batch) => (batch.length > half ? chunk(batch, half) : [batch]));
    return { ...reading, batchMax: half, todo: [...chunk(names, half), ...later] };
  }
  // One name that the CPE lists and does not know spoils its whole object for some (FIELD 21): what is below is asked for by name then.
  if (isPartialPath(name) && !hasWildcard(name) && (faultCode === INVALID_NAME || asksForLess(faultCode))) {
    return { ...reading, tooBig: [name] };
  }
  if (faultCode === INVALID_NAME) return { ...reading, lost: lose(names, 'unknown') };
  return { ...reading, lost: lose(names, 'refused') };
}

function childrenAnswer(reading: Reading, answer: Answer): Read {
  const [object = '', ...tooBig] = reading.tooBig;
  if (answer.type === 'fault') {
    const { fault } = answer;
    const status = fault.FaultCode === INVALID_NAME ? 'unknown' : 'refused';
    const lost: LostName = { name: object, status, faultCode: fault.FaultCode, text: sayFault(fault) };
    return { reading: { ...reading, tooBig, lost: [...reading.lost, lost] }, values: [], facts: [] };
  }
  // Only what is really below counts, or a CPE that names itself would be asked for ever (FIELD 19).
  const names = infosOf(answer.result).filter(({ Name }) => Name.length > object.length && Name.startsWith(object));
  const objects = names.filter(({ Name }) => Name.endsWith('.')).map(({ Name }) => Name);
  const leaves = names.filter(({ Name }) => !Name.endsWith('.')).map(({ Name }) => Name);
  const whole = reading.byName ? [] : objects.map((Name) => [Name]);
  if (reading.byName) tooBig.unshift(...objects);
  const todo = [...chunk(leaves, reading.batchMax), ...whole, ...reading.todo];
  const facts: TaskFact[] = names.length === 0 ? [] : [{ type: 'names', path: object, complete: false, names }];
  return { reading: { ...reading, tooBig, todo }, values: [], facts };
}

/**
 * The session broke over the request that `readRequest` made. Small stacks die of a partial path in GetParameterValues (genieacs-sim is
 * one): a request with one that breaks two sessions is not made a third time; the objects are listed and full names read. Anything else is
 * asked again as it was.
 */
export function afterBreak(reading: Reading): Reading {
  const broken = reading.tooBig.length === 0 ? (reading.todo[0] ?? []) : [];
  if (!broken.some(isPartialPath)) return reading;
  if (!reading.broke) return { ...reading, broke: true };
  const objects = reading.todo.flat().filter(isPartialPath);
  const names = reading.todo.flat().filter((name) => !isPartialPath(name));
  return { ...reading, byName: true, tooBig: objects, todo: chunk(names, reading.batchMax) };
}

export function chunk(names: readonly string[], size: number): string[][] {
  const chunks: string[][] = [];
  for (let i = 0; i < names.length; i += size) chunks.push(names.slice(i, i + size));
  return chunks;
}
