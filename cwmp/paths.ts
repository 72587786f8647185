// Parameter and object paths (TR-069 §3.2, TR-106 §3.1): splitting, relatives, validity. Text in, text out; knows no data model.
// An instance alias stands in brackets and may contain dots (CWMP X1), so a path is never split at every dot.

import { LIMITS } from '../base/limits.ts';

/** True for objects and the empty path: what TR-069 calls a partial path. */
export function isPartialPath(path: string): boolean {
  return path === '' || path.endsWith('.');
}

/** True for text that is meant as a path: it begins with one of the two root objects. */
export function isRooted(text: string): boolean {
  return text.startsWith('Device.') || text.startsWith('InternetGatewayDevice.');
}

/** The parts between the dots; the dot at the end of a partial path adds none. `A.[x.y].B.` has three. */
export function splitPath(path: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let inAlias = false;
  for (let i = 0; i < path.length; i++) {
    const char = path.charCodeAt(i);
    if (char === 0x5b) inAlias = true;
    else if (char === 0x5d) inAlias = false;
    else if (char === 0x2e && !inAlias) {
      parts.push(path.slice(start, i));
      start = i + 1;
    }
  }
  if (start < path.length) parts.push(path.slice(start));
  return parts;
}

/** The object a path lies in, with its dot; '' for a root object and for ''. */
export function parentPath(path: string): string {
  const name = lastPart(path);
  return path.slice(0, path.length - name.length - (path.endsWith('.') ? 1 : 0));
}

/** The last part, without the dot of an object. */
export function lastPart(path: string): string {
  const end = path.endsWith('.') ? path.length - 1 : path.length;
  let inAlias = false;
  for (let i = end - 1; i >= 0; i--) {
    const char = path.charCodeAt(i);
    if (char === 0x5d) inAlias = true;
    else if (char === 0x5b) inAlias = false;
    else if (char === 0x2e && !inAlias) return path.slice(i + 1, end);
  }
  return path.slice(0, end);
}

/** `object` with or without its dot, and a name below it. */
export function joinPath(object: string, name: string): string {
  return object === '' || object.endsWith('.') ? object + name : `${object}.${name}`;
}

const INSTANCE = /^(?:[1-9]\d*|\[.+\])$/;

/** True for an instance number or an alias in brackets. */
export function isInstance(part: string): boolean {
  return INSTANCE.test(part);
}

/**
 * The instance directly below a table that a path leads through: ('A.B.', 'A.B.3.C') → '3'.
 * @returns number or alias as text, null when the path does not lead through an instance of `table`.
 */
export function instanceBelow(table: string, path: string): string | null {
  if (!path.startsWith(table) || path.length === table.length) return null;
  const part = splitPath(path.slice(table.length))[0];
  return part !== undefined && isInstance(part) ? part : null;
}

/** The path with `{i}` for every instance: what tells parameters of one kind together. */
export function templateOf(path: string): string {
  const parts = splitPath(path).map((part, index) => (index > 0 && (isInstance(part) || part === '*') ? '{i}' : part));
  return parts.join('.') + (path.endsWith('.') ? '.' : '');
}

/** True when an instance is left open with `*` (CWMP X2): only reads may use it. */
export function hasWildcard(path: string): boolean {
  return splitPath(path).includes('*');
}

/** True when `path` is meant by `pattern`: equal part by part, `*` standing for any instance, a partial pattern for all below it. */
export function matchesPath(pattern: string, path: string): boolean {
  const wanted = splitPath(pattern);
  const parts = splitPath(path);
  if (isPartialPath(pattern)) {
    if (parts.length < wanted.length || (parts.length === wanted.length && !isPartialPath(path))) return false;
  } else if (parts.length !== wanted.length || isPartialPath(path)) return false;
  return wanted.every((part, index) => part === parts[index] || (part === '*' && isInstance(parts[index]!)));
}

/**
 * Why a path of ours must not be sent, or null when it may. What CPEs send is not judged by it: they use longer and odder names.
 */
export function pathProblem(path: string): string | null {
  if (path.length > LIMITS.pathCharsMax) return `longer than ${LIMITS.pathCharsMax} characters`;
  if (/[\s\u0000-\u001f\u007f]/.test(path)) return 'contains white space or a control character';
  if (path === '') return null;
  for (const part of splitPath(path)) {
    if (part === '') return 'has an empty part (two dots in a row, or a dot at the start)';
    if (part.startsWith('[') ? !/^\[[^[\]]{1,64}\]$/.test(part) : /[[\]]/.test(part)) {
      return `has a malformed alias in ${part}: write [alias], 1–64 characters`;
    }
  }
  return null;
}

/** The root object a parameter name begins with; '' for none of the two. */
export function rootOf(name: string): string {
  if (name.startsWith('InternetGatewayDevice.')) return 'InternetGatewayDevice.';
  return name.startsWith('Device.') ? 'Device.' : '';
}
