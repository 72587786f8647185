// What is wrong with one field of a request, said for the person who wrote it; the texts of zod are for programmers. Messages that a
// schema gives itself stay as they are.

import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** What zod calls a type → what JSON has. */
const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object of names and values',
};

/** Formats whose text zod makes; a pattern of ours says itself what it wants. */
const FORMATS: Readonly<Record<string, string>> = {
  datetime: 'must be a time such as 2026-01-31T12:00:00Z',
  url: 'must be a URL such as http://host/path',
};

/** One phrase that goes on after the name of the field: `must be a list`. */
export function issueText(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeText(KINDS[issue.expected] ?? issue.expected, issue.message);
    case 'invalid_value':
      return `must be ${oneOf(issue.values.map(String))}`;
    case 'invalid_format':
      return FORMATS[issue.format] ?? issue.message;
    case 'too_big':
      return `must ${bound(issue.origin, 'at most', issue.maximum)}`;
    case 'too_small':
      if (issue.origin !== 'number' && Number(issue.minimum) === 1) return 'must not be empty';
      return `must ${bound(issue.origin, 'at least', issue.minimum)}`;
    case 'invalid_key':
      return `has a name that ${issue.issues[0] === undefined ? 'cannot be used' : issueText(issue.issues[0])}`;
    case 'invalid_union':
      return unionText(issue);
    default:
      return issue.message;
  }
}

function typeText(wanted: string, message: string): string {
  return message.endsWith('received undefined') ? `is missing; it must be ${wanted}` : `must be ${wanted}`;
}

function unionText({ errors, message, ...rest }: Issue & { code: 'invalid_union' }): string {
  if ('options' in rest && Array.isArray(rest.options)) return `must be ${oneOf(rest.options.map(String))}`;
  const kinds = errors.flatMap(([first]) =>
    first?.code === 'invalid_type' && first.path.length === 0 ? [KINDS[first.expected] ?? first.expected] : [],
  );
  return kinds.length === 0 ? message : typeText(kinds.join(' or '), errors[0]?.[0]?.message ?? '');
}

function oneOf(values: string[]): string {
  return values.length === 1 ? values[0]! : `one of ${values.join(', ')}`;
}

function bound(origin: string, which: string, value: number | bigint): string {
  if (origin === 'string') return `have ${which} ${value} characters`;
  return origin === 'number' || origin === 'int' ? `be ${which} ${value}` : `have ${which} ${value} entries`;
}
