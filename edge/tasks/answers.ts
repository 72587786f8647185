// Reading what a CPE answered, whatever it left out: the reader checked the envelope, not that a result holds every member. Nothing
// here throws; a missing member is an empty list, '' or 0 (FIELD 13).

import { LIMITS } from '../../base/limits.ts';
import type { Args, ParameterAttribute, ParameterInfo, ParameterValue } from '../../cwmp/message.ts';
import { hasWildcard, isPartialPath, matchesPath } from '../../cwmp/paths.ts';
import type { CpeArgs, CpeMethod } from '../../cwmp/rpc-table.ts';
import type { AcsRequest } from '../../cwmp/session.ts';
import type { TaskFact } from './task.ts';

/** A request of ours with arguments checked against the RPC table. */
export function request<M extends CpeMethod>(method: M, args: CpeArgs<M>): AcsRequest {
  return { method, args };
}

/**
 * A list of structs that have a Name; entries without one are skipped (FIELD 12). So are names of absurd length: a walk that followed
 * them would go down for ever.
 */
export function namedEntries(result: Args, field: string): ({ Name: string } & Record<string, unknown>)[] {
  const list = result[field];
  if (!Array.isArray(list)) return [];
  return list.filter((entry) => {
    if (typeof entry !== 'object' || entry === null || typeof entry.Name !== 'string') return false;
    return entry.Name.length <= LIMITS.parameterNameCharsMax;
  });
}

/** A test for names that answer one of these: full names, partial paths and paths with wildcards. */
export function answerTest(asked: readonly string[]): (name: string) => boolean {
  const full = new Set(asked.filter((name) => !hasWildcard(name)));
  const partial = asked.filter((name) => isPartialPath(name) && !hasWildcard(name));
  const patterns = asked.filter(hasWildcard);
  return (name) =>
    partial.some((path) => name.startsWith(path)) ||
    patterns.some((pattern) => matchesPath(pattern, name)) ||
    full.has(name);
}

export function valuesOf(result: Args): ParameterValue[] {
  return namedEntries(result, 'ParameterList').map((entry) => ({
    Name: entry.Name,
    Value: typeof entry.Value === 'string' ? entry.Value : '',
    Type: typeof entry.Type === 'string' ? entry.Type : '',
  }));
}

export function infosOf(result: Args): ParameterInfo[] {
  return namedEntries(result, 'ParameterList').map((entry) => ({
    Name: entry.Name,
    Writable: entry.Writable === true,
  }));
}

export function attributesOf(result: Args): ParameterAttribute[] {
  return namedEntries(result, 'ParameterList').map((entry) => ({
    Name: entry.Name,
    Notification: typeof entry.Notification === 'number' ? entry.Notification : 0,
    AccessList: Array.isArray(entry.AccessList) ? entry.AccessList.filter((one) => typeof one === 'string') : [],
  }));
}

export function numberOf(result: Args, field: string): number {
  const value = result[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

export function textOf(result: Args, field: string): string {
  const value = result[field];
  return typeof value === 'string' ? value : '';
}

/** The fact of a GetParameterValues answer; none when it was empty, because an empty list teaches nothing. */
export function valuesFact(values: ParameterValue[]): TaskFact[] {
  return values.length === 0 ? [] : [{ type: 'values', values }];
}
