import fc from 'fast-check';
import { expect, test } from 'vitest';
import { redact } from './redaction.ts';

const isSecret = (path: string): boolean => path.endsWith('KeyPassphrase');
const SECRET = 'hunter2!';

test.each([
  [
    'values of CWMP',
    {
      ParameterList: [{ Name: 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase', Value: SECRET, Type: 'xsd:string' }],
    },
  ],
  ['values of ours', { values: [{ name: 'a.KeyPassphrase', value: SECRET }] }],
  ['a map by path', { values: { 'a.KeyPassphrase': SECRET } }],
  ['a Download', { Username: 'u', Password: SECRET }],
  ['a login in a URL', { URL: `ftp://user:${SECRET}@files.example/fw.bin` }],
  ['deep inside', [{ a: [{ b: { connectionRequestPassword: SECRET } }] }]],
])('no secret is left in %s', (_, value) => {
  expect(JSON.stringify(redact(value, isSecret))).not.toContain(SECRET);
});

test('a member called __proto__ is kept like any other', () => {
  const sent = '{"__proto__":{"a":"1"},"b":"2"}';
  expect(JSON.stringify(redact(JSON.parse(sent), isSecret))).toBe(sent);
});

test('what is not secret stays as it is, an empty secret stays visibly empty', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(!/pass|secret|presharedkey|:\/\//i.test(JSON.stringify(value)));
      expect(redact(value, isSecret)).toEqual(value);
    }),
  );
  expect(redact({ Name: 'x.KeyPassphrase', Value: '' }, isSecret)).toEqual({ Name: 'x.KeyPassphrase', Value: '' });
});
