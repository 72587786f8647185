import { expect, test } from 'vitest';
import { newWorkRecord } from '../planner.ts';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { Operation, testWork } from './operation.test-helper.ts';

const TABLE = 'Device.NAT.PortMapping.';
const router = () => {
  const cpe = new FakeCpe({ 'Device.DeviceInfo.ModelName': 'Box' }, [TABLE]);
  cpe.answer({ method: 'AddObject', args: { ObjectName: TABLE } });
  cpe.received.length = 0;
  return cpe;
};
const add = (values?: Record<string, string>, objectName = TABLE) =>
  testWork('add', {
    objectName,
    ...(values && { values: Object.entries(values).map(([name, value]) => ({ name, value })) }),
  });
const VALUES = { Name: 'ssh', Enable: 'true' };

test('add: lists, adds, reads the types of the new instance, writes and reads back', () => {
  const run = new Operation(router(), add(VALUES)).session();
  expect(run.methods()).toEqual([
    'GetParameterNames',
    'AddObject',
    'GetParameterValues',
    'SetParameterValues',
    'GetParameterValues',
  ]);
  expect(run.result).toMatchObject({
    outcome: 'done',
    data: { InstanceNumber: 2, object: `${TABLE}2.` },
    items: [
      { name: `${TABLE}2.Name`, status: 'set' },
      { name: `${TABLE}2.Enable`, status: 'set' },
    ],
  });
  expect(run.cpe.value(`${TABLE}2.Name`)).toBe('ssh');
  // CWMP Y1: Enable is a boolean of this CPE, whatever control believed.
  expect(run.cpe.received[3]!.args.ParameterList).toMatchObject([{ Type: 'xsd:string' }, { Type: 'xsd:boolean' }]);
});

test('add: without values the new instance is read back all the same', () => {
  const run = new Operation(router(), add()).session();
  expect(run.methods()).toEqual(['GetParameterNames', 'AddObject', 'GetParameterValues']);
  expect(run.result).toMatchObject({ outcome: 'done', data: { InstanceNumber: 2 } });
});

test('add: the instance of an AddObject whose answer was lost is found before older or more urgent work adds another', () => {
  const run = new Operation(router(), add(VALUES));
  run.fate = (_, method) => (method === 'AddObject' ? 'answer-lost' : 'answered');
  run.session();
  run.fate = () => 'answered';
  // Control handed them over again, or late.
  const urgent = testWork('add', { objectName: TABLE }, { actionId: 'urgent', priority: 90 });
  const older = testWork('add', { objectName: TABLE }, { actionId: 'older', createdAt: 0 });
  run.records = [...run.records, newWorkRecord(urgent), newWorkRecord(older)];
  run.session();
  expect(run.ended.map(({ result }) => [result.outcome, result.data['InstanceNumber']])).toEqual([
    ['done', 2],
    ['done', 3],
    ['done', 4],
  ]);
  expect(run.cpe.count('AddObject')).toBe(3);
});

test.each([
  [9000, 'unsupported'],
  [9001, 'refused'],
  [9004, 'failed'],
  [9005, 'unsupported'],
])('add: AddObject answered with fault %i is %s', (code, outcome) => {
  const run = new Operation(router(), add(VALUES));
  run.cpe.misbehaviour = { faults: { AddObject: code } };
  expect(run.session().result).toMatchObject({ outcome, fault: { FaultCode: code } });
  expect(run.cpe.count('SetParameterValues')).toBe(0);
});

test('add: values that are refused leave the instance, and the result says so', () => {
  const run = new Operation(router(), add({ Name: 'bad' })).session();
  expect(run.result).toMatchObject({
    outcome: 'partial',
    data: { InstanceNumber: 2 },
    items: [{ name: `${TABLE}2.Name`, status: 'refused', faultCode: 9007 }],
  });
  expect(run.result.why).toContain(`${TABLE}2. was made`);
});

test('add: default values that are wanted already are not written (FIELD 29)', () => {
  const run = new Operation(router(), add({ Enable: '0' })).session();
  expect(run.cpe.count('SetParameterValues')).toBe(0);
  expect(run.result).toMatchObject({ outcome: 'done', items: [{ status: 'unchanged' }] });
});

test('add: an instance that cannot be read is still written, and applied', () => {
  const run = new Operation(router(), add({ Name: 'ssh' }));
  run.cpe.misbehaviour = { faults: { GetParameterValues: 9001 } };
  expect(run.session().result).toMatchObject({ outcome: 'applied', data: { InstanceNumber: 2 } });
  expect(run.cpe.value(`${TABLE}2.Name`)).toBe('ssh');
});

test('add: secrets of the new instance are redacted by the mark of control', () => {
  const values = [{ name: 'Name', value: 'hunter22', secret: true }];
  const run = new Operation(router(), testWork('add', { objectName: TABLE, values })).session();
  expect(run.result).toMatchObject({ outcome: 'done', after: [{ Name: `${TABLE}2.Name`, Value: '••••' }] });
  expect(JSON.stringify(run.result)).not.toContain('hunter22');
});

test('add: a CPE that does not tell the InstanceNumber is looked at', () => {
  const run = new Operation(router(), add());
  const { cpe } = run;
  cpe.answer = (request) => {
    const answer = FakeCpe.prototype.answer.call(cpe, request);
    return request.method === 'AddObject' ? { type: 'response', method: 'AddObject', result: {} } : answer;
  };
  expect(run.session().result).toMatchObject({ outcome: 'done', data: { InstanceNumber: 2 } });
});

test('add: a new instance the CPE then does not know is refused', () => {
  const run = new Operation(router(), add());
  run.cpe.misbehaviour = { answers: { AddObject: { InstanceNumber: 9, Status: 0 } } };
  expect(run.session().result.outcome).toBe('refused');
});

test('add: an instance accepted with Status 1 and not there yet is applied', () => {
  const run = new Operation(router(), add());
  run.cpe.misbehaviour = { answers: { AddObject: { InstanceNumber: 9, Status: 1 } } };
  expect(run.session().result.outcome).toBe('applied');
});

test.each(['request-lost', 'answer-lost'] as const)('add: %s over AddObject never makes a second instance', (fate) => {
  const run = new Operation(router(), add(VALUES));
  run.fate = (request) => (request === 1 ? fate : 'answered');
  run.session().session();
  expect(run.result).toMatchObject({ outcome: 'done', data: { InstanceNumber: 2 } });
  expect(run.cpe.count('AddObject')).toBe(1);
});

test('add: several new instances after a broken session cannot be told apart, so it fails with what is known', () => {
  const run = new Operation(router(), add());
  run.fate = (request) => (request === 1 ? 'answer-lost' : 'answered');
  run.session();
  run.cpe.answer({ method: 'AddObject', args: { ObjectName: TABLE } });
  run.session();
  expect(run.result).toMatchObject({ outcome: 'failed', data: { instances: ['2', '3'] } });
});

test('add: a table that cannot be listed is not added to twice', () => {
  const run = new Operation(router(), add());
  run.cpe.misbehaviour = { faults: { GetParameterNames: 9002 } };
  run.fate = (request) => (request === 1 ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result.outcome).toBe('failed');
  expect(run.cpe.count('AddObject')).toBe(1);
});

test.each([0, 2, 3, 4])('add: a session that breaks over request %i goes on with it', (broken) => {
  const run = new Operation(router(), add(VALUES));
  run.fate = (request) => (request === broken ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result).toMatchObject({ outcome: 'done', data: { InstanceNumber: 2 } });
  expect(run.cpe.count('AddObject')).toBe(1);
});

test('add: a CPE that answers without a number and adds nothing is not asked again', () => {
  const run = new Operation(router(), add());
  run.cpe.misbehaviour = { answers: { AddObject: { InstanceNumber: 0, Status: 0 } } };
  expect(run.session().result).toMatchObject({ outcome: 'failed' });
  expect(run.methods().filter((method) => method === 'AddObject')).toHaveLength(1);
});

test('add: a fault code in the Status of a response is the refusal it means', () => {
  const run = new Operation(router(), add());
  run.cpe.misbehaviour = { answers: { AddObject: { InstanceNumber: 0, Status: 9005 } } };
  expect(run.session().result.outcome).not.toBe('done');
  expect(run.result.fault?.FaultCode).toBe(9005);
  expect(run.methods()).toEqual(['GetParameterNames', 'AddObject']);
});
