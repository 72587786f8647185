// The deviations Starling accepts in how CPEs behave within a session, beside those in what they write (cwmp/tolerances.ts). It names and
// recognises them, for metrics and docs; what is made of them is the business of tasks and sessions.

import type { Args } from '../cwmp/message.ts';
import { hasWildcard, isPartialPath, parentPath } from '../cwmp/paths.ts';
import type { AcsRequest } from '../cwmp/session.ts';
import { answerTest, infosOf, namedEntries, textOf } from './tasks/answers.ts';

/** Name → what the CPE did and what was made of it. */
export const SESSION_TOLERANCES = {
  'no-cookie': 'A POST without the cookie of its session; found by source address and user name.',
  'id-differs': 'An answer without the cwmp:ID of its request; taken for the one request outstanding.',
  'object-without-dot': 'GetParameterNames listed an object without its dot; told by its number or what lies below it.',
  'missing-object': 'GetParameterNames left out an object that has something below it; put in as writable.',
  'outside-path': 'GetParameterNames listed names outside the path, or with NextLevel the path itself; ignored.',
  'unasked-parameter': 'An answer held parameters nobody asked for; learned, but no part of the result.',
  'omitted-parameter': 'An answer left out a parameter that was asked for; the result says so.',
} as const satisfies Record<string, string>;

export type SessionTolerance = keyof typeof SESSION_TOLERANCES;

/** What is odd about the answer to one of our requests for names, values or attributes (A.3.2.2 to A.3.2.5), each name once. */
export function deviationsOf({ method, args }: AcsRequest, result: Args): readonly SessionTolerance[] {
  switch (method) {
    case 'GetParameterNames':
      return inNames(textOf(args, 'ParameterPath'), args['NextLevel'] === true, result);
    case 'GetParameterValues':
    case 'GetParameterAttributes':
      return inParameters(args['ParameterNames'], result);
    default:
      return [];
  }
}

function inNames(path: string, nextLevel: boolean, result: Args): SessionTolerance[] {
  const found = new Set<SessionTolerance>();
  const listed = new Set(infosOf(result).map(({ Name }) => Name));
  for (const name of listed) {
    if (`${name}.` === path || /\.\d+$/.test(name)) found.add('object-without-dot');
    else if (!name.startsWith(path) || (nextLevel && name === path && path !== '')) found.add('outside-path');
    // One look at the parent of each name, not at all above it: answers have up to tens of thousands.
    const parent = parentPath(name);
    if (parent.length <= path.length || listed.has(parent)) continue;
    found.add(listed.has(parent.slice(0, -1)) ? 'object-without-dot' : 'missing-object');
  }
  return [...found];
}

function inParameters(names: unknown, result: Args): SessionTolerance[] {
  const asked = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  const isOpen = (name: string): boolean => isPartialPath(name) || hasWildcard(name);
  const full = new Set(asked.filter((name) => !isOpen(name)));
  const isAnswer = answerTest(asked.filter(isOpen));
  // Answers have up to tens of thousands of names: each is looked at once, and none is copied.
  const missing = new Set(full);
  let isUnasked = false;
  for (const { Name } of namedEntries(result, 'ParameterList')) {
    if (full.has(Name)) missing.delete(Name);
    else isUnasked ||= !isAnswer(Name);
  }
  const found: SessionTolerance[] = [];
  if (isUnasked) found.push('unasked-parameter');
  if (missing.size > 0) found.push('omitted-parameter');
  return found;
}
