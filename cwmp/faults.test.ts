import { expect, test } from 'vitest';
import { FAULTS, faultRow } from './faults.ts';

test('the table holds 8000–8006 and 9000–9032, each once, in order, on its side', () => {
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  expect(FAULTS.map((row) => row.code)).toEqual([...range(8000, 8006), ...range(9000, 9032)]);
  for (const row of FAULTS) expect(row.side).toBe(row.code < 9000 ? 'acs' : 'cpe');
});

test.each([
  [9000, 'never'],
  [9005, 'never'],
  [9018, 'never'],
  [9001, 'next-session'],
  [9015, 'backoff'],
  [8005, 'at-once'],
])('after %i the same request is tried: %s (CWMP 1.11)', (code, next) => {
  expect(faultRow(code).next).toBe(next);
});

test.each([
  [8850, 'acs', 'Vendor fault of the ACS 8850'],
  [9033, 'cpe', 'Reserved fault 9033'],
  [9800, 'cpe', 'Vendor fault 9800'],
  [9899, 'cpe', 'Vendor fault 9899'],
  [9900, 'cpe', 'Unknown fault 9900'],
  [0, 'cpe', 'Unknown fault 0'],
])('code %i is a row as well: %s, %s', (code, side, text) => {
  expect(faultRow(code)).toMatchObject({ code, side, text, next: 'next-session' });
});
