// Reading Work.args as control sends them: names are paths already. Each reader throws Refused with what is wrong; control has checked
// the same before, so such an action was planned by an older or a broken control.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Work } from '../../bus/messages.ts';
import { pathProblem } from '../../cwmp/paths.ts';

/** One value to write. `type` is what control believes; the device's own type wins (CWMP Y1). */
export interface Wanted {
  name: string;
  value: string;
  type: string | null;
  secret: boolean;
}

export function badArgs(work: Work, why: string): Refused {
  return new Refused(422, 'bad-arguments', `This ${work.kind} cannot be executed: ${why}.`);
}

export function textArg(work: Work, name: string): string {
  const value = work.args[name];
  if (typeof value !== 'string' || value === '') throw badArgs(work, `${name} is missing`);
  return value;
}

/** Optional text, `''` when absent; at most `charsMax` characters, as the schema of the method says. */
export function optionalTextArg(work: Work, name: string, charsMax: number): string {
  const value = work.args[name] ?? '';
  if (typeof value !== 'string') throw badArgs(work, `${name} is not text`);
  if (value.length > charsMax) throw badArgs(work, `${name} is longer than ${charsMax} characters`);
  return value;
}

/** Optional whole number from 0 to 2^32 - 1 (xsd:unsignedInt), `0` when absent. */
export function countArg(work: Work, name: string): number {
  const value = work.args[name] ?? 0;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw badArgs(work, `${name} is not a whole number from 0 to 4294967295`);
  }
  return value;
}

export function checkPath(work: Work, path: unknown): string {
  if (typeof path !== 'string') throw badArgs(work, 'a name is not text');
  const problem = pathProblem(path);
  if (problem !== null) throw badArgs(work, `the name ${path.slice(0, LIMITS.keyCharsMax)}… ${problem}`);
  return path;
}

/** An object's path, with its dot. */
export function objectArg(work: Work): string {
  const path = checkPath(work, textArg(work, 'objectName'));
  if (!path.endsWith('.')) throw badArgs(work, `the object name ${path} does not end with a dot`);
  return path;
}

/** Names to read, doubles left out, at least one. */
export function namesArg(work: Work): string[] {
  const names = work.args['names'];
  if (!Array.isArray(names) || names.length === 0) throw badArgs(work, 'names is not a list of at least one name');
  return [...new Set(names.map((name) => checkPath(work, name)))];
}

/**
 * Values that somebody saw when he approved this; where the device holds others now, nothing is written. Empty when nobody had to approve.
 */
export function expectedArg(work: Work): { name: string; value: string }[] {
  const expected = work.args['expected'] ?? [];
  if (!Array.isArray(expected)) throw badArgs(work, 'expected is not a list');
  return expected.flatMap((entry: unknown) => {
    const { name, value } = (entry ?? {}) as Record<string, unknown>;
    // Not known when it was approved: whatever is found is as good.
    if (value === null) return [];
    if (typeof value !== 'string') throw badArgs(work, 'an expected value is not text');
    return [{ name: checkPath(work, name), value }];
  });
}

/**
 * Values to write. The same name twice is 9003 on the CPE (A.3.2.1), so it is refused here.
 * @param required whether an empty or absent list is wrong.
 */
export function wantedArg(work: Work, required: boolean): Wanted[] {
  const values = work.args['values'] ?? [];
  if (!Array.isArray(values) || (required && values.length === 0)) {
    throw badArgs(work, 'values is not a list of at least one value');
  }
  const names = new Set<string>();
  return values.map((entry: unknown) => {
    const { name, value, type, secret } = (entry ?? {}) as Record<string, unknown>;
    const path = checkPath(work, name);
    if (path === '' || path.endsWith('.')) throw badArgs(work, `${path || "''"} is an object and has no value`);
    if (typeof value !== 'string') throw badArgs(work, `the value of ${path} is not text`);
    if (names.has(path)) throw badArgs(work, `${path} is given twice`);
    names.add(path);
    return { name: path, value, type: typeof type === 'string' && type !== '' ? type : null, secret: secret === true };
  });
}
