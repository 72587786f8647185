import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeCpe, fault } from './fake-cpe.test-helper.ts';
import { afterBreak, beginReading, type Reading, readAnswer, readRequest } from './reading.ts';

function readAll(cpe: FakeCpe, names: string[], batchMax: number) {
  let reading: Reading = beginReading(names, batchMax);
  const values: Record<string, string> = {};
  for (let request = readRequest(reading); request !== null; request = readRequest(reading)) {
    const read = readAnswer(reading, cpe.answer(request));
    reading = read.reading;
    for (const { Name, Value } of read.values) values[Name] = Value;
  }
  return { values, lost: reading.lost };
}

const leaves = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`Device.P${i}`, `v${i}`]));

test('names are asked for in batches', () => {
  const cpe = new FakeCpe(leaves(10));
  const { values, lost } = readAll(cpe, Object.keys(leaves(10)), 4);
  expect(Object.keys(values)).toHaveLength(10);
  expect(lost).toEqual([]);
  expect(cpe.received.map(({ args }) => (args.ParameterNames as string[]).length)).toEqual([4, 4, 2]);
});

test('9005 on a batch is bisected until the bad name stands alone (CWMP P5)', () => {
  const cpe = new FakeCpe(leaves(7));
  const { values, lost } = readAll(cpe, [...Object.keys(leaves(7)), 'Device.Bad'], 8);
  expect(Object.keys(values)).toHaveLength(7);
  expect(lost).toEqual([{ name: 'Device.Bad', status: 'unknown', faultCode: 9005, text: 'fault 9005 (Fault 9005)' }]);
});

test.each([9001, 9002, 9003, 9004])('fault %i halves this batch and all later ones (CWMP P1)', (code) => {
  const reading = beginReading(Object.keys(leaves(16)), 8);
  const { reading: smaller } = readAnswer(reading, fault(code));
  expect(smaller.todo.map((batch) => batch.length)).toEqual([4, 4, 4, 4]);
});

test('an object that is too big in one piece is listed and read child by child (CWMP P1)', () => {
  const cpe = new FakeCpe({ 'Device.A.X': '1', 'Device.A.B.Y': '2', 'Device.A.B.Z': '3', 'Device.C.Q': '4' });
  cpe.misbehaviour = { readMax: 2 };
  const { values, lost } = readAll(cpe, ['Device.'], 4);
  expect(values).toEqual({ 'Device.A.X': '1', 'Device.A.B.Y': '2', 'Device.A.B.Z': '3', 'Device.C.Q': '4' });
  expect(lost).toEqual([]);
});

test('a single name that is refused is lost, the others are read', () => {
  const reading = beginReading(['Device.P0', 'Device.P1'], 1);
  const { reading: after } = readAnswer(reading, fault(9002));
  expect(after.lost).toEqual([
    { name: 'Device.P0', status: 'refused', faultCode: 9002, text: 'fault 9002 (Fault 9002)' },
  ]);
  expect(readRequest(after)?.args).toEqual({ ParameterNames: ['Device.P1'] });
});

test('9000 ends it at once: no later batch will fare better', () => {
  const cpe = new FakeCpe(leaves(20));
  cpe.misbehaviour = { faults: { GetParameterValues: 9000 } };
  const { lost } = readAll(cpe, Object.keys(leaves(20)), 4);
  expect(lost).toHaveLength(20);
  expect(cpe.received).toHaveLength(1);
});

test('FIELD 20: names left out of the answer are reported, extra ones are kept, doubles count by their last value', () => {
  const reading = beginReading(['Device.P0', 'Device.P1'], 4);
  const ParameterList = [
    { Name: 'Device.P0', Value: 'old', Type: 'xsd:string' },
    { Name: 'Device.P0', Value: 'new', Type: 'xsd:string' },
    { Name: 'Device.Other', Value: 'x', Type: 'xsd:string' },
  ];
  const read = readAnswer(reading, { type: 'response', method: 'GetParameterValues', result: { ParameterList } });
  expect(read.values.map(({ Name, Value }) => [Name, Value])).toEqual([
    ['Device.P0', 'new'],
    ['Device.Other', 'x'],
  ]);
  expect(read.reading.lost).toMatchObject([{ name: 'Device.P1', status: 'omitted' }]);
});

test('an object without parameters is not lost, and a wildcard is not looked for by its own text (CWMP X2)', () => {
  const reading = beginReading(['Device.Hosts.Host.', 'Device.Hosts.Host.*.Name'], 4);
  const read = readAnswer(reading, { type: 'response', method: 'GetParameterValues', result: { ParameterList: [] } });
  expect(read.reading.lost).toEqual([]);
  expect(read.facts).toEqual([]);
});

test('whatever the batch size and the bad names: every good name is read, every bad one reported, once', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      (numbers, batchMax, readMax) => {
        const cpe = new FakeCpe(leaves(30));
        cpe.misbehaviour = { readMax };
        const names = numbers.map((number) => `Device.P${number}`);
        const { values, lost } = readAll(cpe, names, batchMax);
        expect(Object.keys(values).sort()).toEqual(names.filter((name) => cpe.tree.has(name)).sort());
        expect(lost.map(({ name }) => name).sort()).toEqual(names.filter((name) => !cpe.tree.has(name)).sort());
        expect(lost.every(({ status }) => status === 'unknown')).toBe(true);
      },
    ),
    { seed: 20251, verbose: 1 },
  );
});

test('after two sessions broke over the same partial path only full names are read', () => {
  const once = afterBreak(beginReading(['D.A.', 'D.X'], 2));
  expect(readRequest(once)).toMatchObject({ method: 'GetParameterValues' });
  const broken = afterBreak(once);
  expect(readRequest(broken)).toMatchObject({
    method: 'GetParameterNames',
    args: { ParameterPath: 'D.A.', NextLevel: true },
  });
  const children = [
    { Name: 'D.A.B.', Writable: false },
    { Name: 'D.A.1', Writable: false },
  ];
  const listed = readAnswer(broken, {
    type: 'response',
    method: 'GetParameterNames',
    result: { ParameterList: children },
  }).reading;
  expect(listed.tooBig).toEqual(['D.A.B.']);
  expect(listed.todo).toEqual([['D.A.1'], ['D.X']]);
});

test('a session that broke over full names asks the same again', () => {
  const reading = beginReading(['D.X', 'D.Y'], 2);
  expect(afterBreak(reading)).toBe(reading);
});
