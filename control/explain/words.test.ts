import { expect, test } from 'vitest';
import { loadProfiles } from '../../profiles/load.ts';
import { NAME_WORDS, sayApprovals, sayDuration, sayFault, sayList, sayTime, sayValue, staffName } from './words.ts';

test('every canonical name of the profiles has words, and there are words for no other', () => {
  const names = new Set([...loadProfiles().values()].flatMap((profile) => Object.keys(profile.names)));
  expect(Object.keys(NAME_WORDS).sort()).toEqual([...names].sort());
});

test('words for customers speak of their device, and those for staff never do', () => {
  for (const [canonical, { yours }] of Object.entries(NAME_WORDS)) {
    expect(yours).toMatch(/\byour\b/);
    expect(staffName('Device.X', canonical)).not.toMatch(/\b(your|us|we)\b/);
  }
});

test('names of secrets are never told with their value', () => {
  for (const profile of loadProfiles().values()) {
    for (const [canonical, { secret }] of Object.entries(profile.names)) {
      if (secret) expect(NAME_WORDS[canonical]!.tell, canonical).toBe('no');
    }
  }
});

test.each([
  ['wifi.2g.ssid', 'the name of the 2.4 GHz Wi-Fi network (wifi.2g.ssid)'],
  [
    'management.connection-request-password',
    'the password that lets the ACS reach the device (management.connection-request-password)',
  ],
  ['operators.own', 'operators.own (Device.X)'],
  [null, 'Device.X'],
] as const)('staff call %s by words and name', (canonical, said) => {
  expect(staffName('Device.X', canonical)).toBe(said);
});

test.each([
  ['home', '“home”'],
  ['', 'empty'],
  [null, 'a value that is not known'],
  ['••••', 'a secret value'],
  ['a\u0000b\nc\u202Ed', '“a b c d”'],
  ['x'.repeat(65), `“${'x'.repeat(64)}…”`],
  ['😀'.repeat(65), `“${'😀'.repeat(64)}…”`],
])('the value %j is said %s', (value, said) => {
  expect(sayValue(value)).toBe(said);
});

test.each([
  [[], ''],
  [['a'], 'a'],
  [['a', 'b'], 'a and b'],
  [['a', 'b', 'c'], 'a, b and c'],
  [['a', 'b', 'c', 'd', 'e', 'f', 'g'], 'a, b, c, d, e and 2 more'],
])('the list %j is said %j', (items, said) => {
  expect(sayList(items)).toBe(said);
});

test('times, durations, faults and approvals are said as people say them', () => {
  expect(sayTime(1_700_000_000_000)).toBe('on 14 November 2023 at 22:13 UTC');
  expect([0, 1_400, 119_000, 120_000, 7_200_000].map(sayDuration)).toEqual([
    'less than a second',
    '1 s',
    '119 s',
    '2 min',
    '2 h',
  ]);
  expect(sayFault(9007)).toBe(
    'fault 9007 (Invalid parameter value): the CPE does not accept this value, at least in its present state',
  );
  const at = '2026-11-27T09:05:00.000Z';
  const approvals = [
    { decision: 'rejected', by: 'Grace', at, why: 'not in the evening' },
    { decision: 'approved', by: 'Edsger', at, why: '' },
  ] as const;
  expect(sayApprovals(approvals)).toBe(
    'was rejected by Grace on 27 November 2026 at 09:05 UTC (“not in the evening”) and was approved by Edsger on 27 November 2026 at 09:05 UTC',
  );
  expect(sayApprovals([{ decision: 'auto', by: 'policy', at }])).toBe('was approved automatically');
});
