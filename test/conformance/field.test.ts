// That every line of what CPEs really do has its test, one and no more, and that it tries everything the simulated CPE can do wrong there.
// It reads the other files; it starts nothing.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { MISBEHAVIOURS } from '../../bench/fleet/misbehaviour.ts';

const folder = dirname(fileURLToPath(import.meta.url));
const tests = readdirSync(folder)
  .filter((file) => /^field-.*\.test\.ts$/.test(file))
  .flatMap((file) => readFileSync(join(folder, file), 'utf8').split(/^(?=test)/m))
  .flatMap((source) => {
    const line = /^test\(\s*['"]FIELD (\d+): /.exec(source)?.[1];
    return line === undefined ? [] : [{ line: Number(line), source }];
  });

test('each of the 55 lines has exactly one test', () => {
  const lines = tests.map(({ line }) => line).sort((one, other) => one - other);
  expect(lines).toEqual(Array.from({ length: 55 }, (_, at) => at + 1));
});

test('each misbehaviour is tried by the test of its line', () => {
  const untried = MISBEHAVIOURS.filter(
    ({ field, name }) =>
      field !== null && !tests.some(({ line, source }) => line === field && source.includes(`'${name}'`)),
  );
  expect(untried.map(({ field, name }) => `${field} ${name}`)).toEqual([]);
});
