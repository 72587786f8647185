// Which rows of CWMP.md must have a test here, written down from reading it, and whether each has one: a test names its rows first, as
// `CWMP H1, H2: …`. The list is of the rows that bind or concern an ACS and say MUST; further rows are tested and not listed.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EVENTS } from '../../cwmp/events.ts';
import { ACS_METHODS, CPE_METHODS } from '../../cwmp/rpc-table.ts';
import { REPOSITORY } from '../corpus.ts';

/** §1.1 to §1.7 and §1.11, row by row. Those that are MUST for the CPE alone stand for what the ACS makes of them. */
const MUST = [
  ...['H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'H7', 'H8', 'H12'],
  ...['C1', 'C4'],
  ...['S1', 'S2', 'S3', 'S4', 'S5', 'S6', 'S7', 'S9', 'S10', 'S11', 'S12', 'S13', 'S14', 'S15'],
  ...['E1', 'E2', 'E3', 'E4', 'E7', 'E9', 'E11', 'E13', 'E14', 'E17'],
  ...['V1', 'V2', 'V3'],
  ...['A1', 'A2', 'A7', 'A8'],
  ...['I1', 'I2', 'I4', 'I5', 'I9'],
  ...['E-1', 'E-2', 'E-3', 'E-4', 'E-5', 'E-6'],
  ...['F1', 'F4', '1.12'],
  ...['R1', 'R2', 'R5'],
  // What the unnumbered rules of §1.14 to §1.18 ask of the ACS itself.
  ...['T2', 'T3', 'T4', 'T5', 'T8', 'N1', 'N3', 'D1', 'D2', 'D3', 'D4', 'D5', 'Y1', 'Y2', 'Y4'],
];

/** Safety rules and what real CPEs need, tested as well. */
const ALSO = [
  'H9',
  'H10',
  'H11',
  'H13',
  'C3',
  'C5',
  'C6',
  'S8',
  'S16',
  'S17',
  'E5',
  'E6',
  'E8',
  'E10',
  'E12',
  'E15',
  'E16',
  'E18',
  'V4',
  'V5',
  'A3',
  'A4',
  'A5',
  'A6',
  'A9',
  'I6',
  'I7',
  'I8',
  'E-7',
  'F2',
  'F3',
  'R4',
  'R6',
];

/** The cases of §1.20 about sessions, identities and lists; those about HTTP and XML are with the bad input. */
const NEGATIVE = [
  ...[
    'response without request',
    'Inform twice in one session',
    'Inform in parallel',
    'empty POST first, TransferComplete before Inform, POST after 204',
  ],
  ...['the cookie of another CPE', 'connection closed before the response is read', 'a session of 10,000 POSTs'],
  ...['missing DeviceId', '65-char serial', 'OUI "zzzzzz"', 'serial with /%?#<>', 'serial outside ASCII'],
  ...['65 events', '10 000 parameters, duplicate names, a value of 64 KB'],
];

const FOLDER = join(REPOSITORY, 'test/conformance');
const SOURCES = readdirSync(FOLDER)
  .filter((file) => /^cwmp-.*\.test\.ts$/.test(file) && file !== 'cwmp-rows.test.ts')
  .map((file) => readFileSync(join(FOLDER, file), 'utf8'));

/** Every name of a test, and the first cells of its table where it has one. */
const TITLES = SOURCES.flatMap((source) => [...source.matchAll(/['"`]CWMP ([^\n]*)/g)].map(([, title]) => title!));
const HEADS = TITLES.map((title) => title.split(':')[0]!);
const IDS = new Set(HEADS.flatMap((head) => head.split(', ').map((id) => id.split(' ')[0]!)));

test.each([...MUST, ...ALSO])('row %s of CWMP.md has a test named after it', (id) => {
  expect([...IDS]).toContain(id);
});

test.each([...Object.keys(CPE_METHODS)])(
  'CWMP.md 1.10: every method of the CPE is in the tables of the tests: %s',
  (method) => {
    expect(SOURCES.join('')).toMatch(new RegExp(`^  ${method}: \\{`, 'm'));
  },
);

test.each(Object.keys(ACS_METHODS))('CWMP.md 1.8: every method of the ACS has a test: %s', (method) => {
  const named = HEADS.some((head) => head.startsWith('1.8 ') && head.includes(method));
  expect(named || SOURCES.some((source) => source.includes(`method: '${method}'`))).toBe(true);
});

test('CWMP.md 1.9: the tests run over the whole table of events', () => {
  expect(SOURCES.some((source) => source.includes('EVENTS.map('))).toBe(true);
  expect(EVENTS.length).toBeGreaterThanOrEqual(21);
});

test.each(NEGATIVE)('CWMP.md 1.20: %s has a test', (what) => {
  expect(SOURCES.some((source) => source.includes('CWMP 1.20') && source.includes(what))).toBe(true);
});
