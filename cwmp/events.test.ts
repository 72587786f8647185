import { expect, test } from 'vitest';
import { EVENTS, eventRow, isRelearnable, normaliseEventCode } from './events.ts';

test('only PERIODIC and CONNECTION REQUEST can be learned again', () => {
  expect(EVENTS.filter(({ code }) => isRelearnable(code)).map(({ code }) => code)).toEqual([
    '2 PERIODIC',
    '6 CONNECTION REQUEST',
  ]);
  expect(isRelearnable('X BC0304 Alarm')).toBe(false);
});

test('numbered events are single and run from 0 to 14, M events are multiple', () => {
  const single = EVENTS.filter(({ kind }) => kind === 'single');
  expect(single.map(({ code }) => Number.parseInt(code, 10))).toEqual(Array.from({ length: 15 }, (_, i) => i));
  for (const { code, kind } of EVENTS) expect(kind).toBe(code.startsWith('M ') ? 'multiple' : 'single');
});

test.each([
  ['1 BOOT', '1 BOOT'],
  ['1 Boot', '1 BOOT'],
  ['1', '1 BOOT'],
  [' 4  value change\n', '4 VALUE CHANGE'],
  ['8 DIAGNOSTICS  COMPLETED', '8 DIAGNOSTICS COMPLETE'],
  ['m reboot', 'M Reboot'],
  ['M  Download', 'M Download'],
  ['M X_000000_Do', 'M X_000000_Do'],
  ['X BC0304 Alarm', 'X BC0304 Alarm'],
  ['15 SOMETHING NEW', '15 SOMETHING NEW'],
  ['99', '99'],
  ['', ''],
  ['BOOT', 'BOOT'],
])('%j is kept or normalised to %j (CWMP E-4)', (sent, code) => {
  expect(normaliseEventCode(sent)).toBe(code);
});

test('every code of the table is its own normal form', () => {
  for (const { code } of EVENTS) {
    expect(normaliseEventCode(code)).toBe(code);
    expect(normaliseEventCode(code.toLowerCase())).toBe(code);
    expect(eventRow(code)?.code).toBe(code);
  }
});
