// docs: printed documents: they are those the tables print today.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { DOCUMENTS } from '../bin/documents.ts';
import { EVENTS } from '../cwmp/events.ts';
import { FAULTS } from '../cwmp/faults.ts';
import { ACS_METHODS, CPE_METHODS } from '../cwmp/rpc-table.ts';

const root = resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

test.each(DOCUMENTS)('$file is what its table prints (npm run docs prints it anew)', ({ file, print }) => {
  expect(read(file)).toBe(print(read(file)));
});

/** First cells of all table rows below a heading. */
function firstCells(document: string, heading: string): string[] {
  const part = document.split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
  return [...part.matchAll(/^\| ([^|]+) \|/gm)]
    .map((match) => match[1]!)
    .filter((cell) => !/^(-+|code|method|event)$/.test(cell));
}

test('docs/faults.md has every code of the table, and no other', () => {
  const document = read('docs/faults.md');
  const codes = [...firstCells(document, 'From the ACS'), ...firstCells(document, 'From the CPE')];
  expect(codes).toEqual(FAULTS.map(({ code }) => String(code)));
});

test('docs/rpc.md has every method and event of the tables, and no other', () => {
  const document = read('docs/rpc.md');
  expect(firstCells(document, 'Methods of the CPE')).toEqual(Object.keys(CPE_METHODS));
  expect(firstCells(document, 'Methods of the ACS')).toEqual(Object.keys(ACS_METHODS));
  expect(firstCells(document, 'Events of an Inform')).toEqual(EVENTS.map(({ code }) => code));
  const sections = [...document.matchAll(/^### (\S+)$/gm)].map((match) => match[1]);
  expect(sections).toEqual([...Object.keys(CPE_METHODS), ...Object.keys(ACS_METHODS)]);
});
