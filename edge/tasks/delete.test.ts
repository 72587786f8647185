import { expect, test } from 'vitest';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { Operation, testWork } from './operation.test-helper.ts';

const TABLE = 'Device.NAT.PortMapping.';
const router = () => new FakeCpe({ [`${TABLE}1.Name`]: 'web', [`${TABLE}2.Name`]: 'ssh' }, [TABLE]);
const remove = (objectName = `${TABLE}2.`) => testWork('delete', { objectName });

test('delete: keeps the values, deletes, sees that it is gone, and tells control to forget it', () => {
  const run = new Operation(router(), remove()).session();
  expect(run.methods()).toEqual(['GetParameterValues', 'DeleteObject', 'GetParameterNames']);
  expect(run.result).toMatchObject({ outcome: 'done', before: [{ Name: `${TABLE}2.Name`, Value: 'ssh' }] });
  expect(run.factsOf('names').at(-1)).toMatchObject({ path: `${TABLE}2.`, complete: true, names: [] });
});

test('delete: the last instance may take its table along', () => {
  const cpe = new FakeCpe({ [`${TABLE}2.Name`]: 'ssh' });
  expect(new Operation(cpe, remove()).session().result.outcome).toBe('done');
});

test('delete: what is not there is done without deleting', () => {
  const run = new Operation(router(), remove(`${TABLE}7.`)).session();
  expect(run.result).toMatchObject({ outcome: 'done', why: expect.stringContaining('nothing to delete') });
  expect(run.cpe.count('DeleteObject')).toBe(0);
});

test.each([
  [9000, 'unsupported'],
  [9001, 'refused'],
  [9002, 'failed'],
])('delete: DeleteObject answered with fault %i is %s', (code, outcome) => {
  const run = new Operation(router(), remove());
  run.cpe.misbehaviour = { faults: { DeleteObject: code } };
  expect(run.session().result).toMatchObject({ outcome, before: [{ Value: 'ssh' }] });
});

test.each([
  [0, 'refused'],
  [1, 'applied'],
])('delete: accepted with Status %i and still there is %s', (Status, outcome) => {
  const run = new Operation(router(), remove());
  run.cpe.misbehaviour = { answers: { DeleteObject: { Status } } };
  expect(run.session().result.outcome).toBe(outcome);
  expect(run.cpe.count('DeleteObject')).toBe(1);
});

test('delete: a table that cannot be listed leaves it unverified', () => {
  const run = new Operation(router(), remove());
  run.cpe.misbehaviour = { faults: { GetParameterNames: 9002 } };
  expect(run.session().result.outcome).toBe('applied');
});

test('delete: an object too big to read is deleted without its values', () => {
  const run = new Operation(router(), remove());
  run.cpe.misbehaviour = { faults: { GetParameterValues: 9004 } };
  expect(run.session().result).toMatchObject({ outcome: 'done', before: [] });
});

test.each([
  ['request-lost', ['GetParameterValues', 'GetParameterNames', 'DeleteObject', 'GetParameterNames']],
  ['answer-lost', ['GetParameterValues', 'DeleteObject', 'GetParameterNames']],
] as const)('delete: %s over DeleteObject is looked at before anything is repeated', (fate, methods) => {
  const run = new Operation(router(), remove());
  run.fate = (request) => (request === 1 ? fate : 'answered');
  run.session().session();
  expect(run.result.outcome).toBe('done');
  expect(run.methods()).toEqual(methods);
});

test('delete: a broken session over an object that cannot be looked for has failed, not been repeated', () => {
  const run = new Operation(router(), remove());
  run.cpe.misbehaviour = { faults: { GetParameterNames: 9002 } };
  run.fate = (request) => (request === 1 ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result.outcome).toBe('failed');
  expect(run.cpe.count('DeleteObject')).toBe(1);
});
