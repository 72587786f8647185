import { expect, test } from 'vitest';
import { z } from 'zod';
import { actionRequest } from '../actions/request.ts';
import { detailsOf } from './errors.ts';

const says = (schema: z.ZodType, value: unknown): Record<string, string> => {
  const { error } = schema.safeParse(value);
  return Object.fromEntries(detailsOf(error!, '(body)').map(({ field, message }) => [field, message]));
};

test('a person is told what each field must be, without a word of the schema language', () => {
  const schema = z.strictObject({
    when: z.iso.datetime(),
    wait: z.number().max(120),
    names: z.array(z.string()).min(1).max(2),
    role: z.enum(['noc', 'admin']),
    value: z.union([z.string(), z.number()]),
    name: z.string().max(3),
    own: z.string().regex(/^a/, 'must begin with a'),
    count: z.int(),
  });
  expect(says(schema, {})).toMatchObject({
    when: 'is missing; it must be text',
    value: 'is missing; it must be text or a number',
  });
  const bad = { when: 'soon', wait: 500, names: [], role: 'boss', value: true, name: 'long', own: 'b', count: 1.5 };
  expect(says(schema, bad)).toEqual({
    when: 'must be a time such as 2026-01-31T12:00:00Z',
    wait: 'must be at most 120',
    names: 'must not be empty',
    role: 'must be one of noc, admin',
    value: 'must be text or a number',
    name: 'must have at most 3 characters',
    own: 'must begin with a',
    count: 'must be a whole number',
  });
  expect(says(schema, { ...bad, names: 'a' })['names']).toBe('must be a list');
  expect(says(schema, [])).toEqual({ '(body)': 'must be an object' });
});

test.each([
  ['no kind', {}, 'kind', 'must be one of get, set, refresh'],
  ['an unknown kind', { kind: 'sett' }, 'kind', 'must be one of get, set, refresh'],
  ['a set without values', { kind: 'set' }, 'values', 'is missing; it must be an object of names and values'],
  [
    'a value that is a list',
    { kind: 'set', values: { 'wifi.2g.ssid': ['x'] } },
    'values.wifi.2g.ssid',
    'must be text or a number or true or false',
  ],
  ['a mistyped field', { kind: 'reboot', reasn: 'x' }, 'reasn', 'unknown field: remove it or correct its name'],
  [
    'neither file nor url',
    { kind: 'download', fileType: '1 Firmware Upgrade Image' },
    '(body)',
    'give either file or url',
  ],
])('an action with %s', (_name, body, field, message) => {
  expect(says(actionRequest, body)[field]).toContain(message);
});
