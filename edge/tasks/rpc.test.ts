import { expect, test } from 'vitest';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { Operation, testWork } from './operation.test-helper.ts';

const rpc = (method: string, args: object = {}) => testWork('rpc', { method, arguments: args });
const box = (answers: Record<string, Record<string, unknown>> = {}) => {
  const cpe = new FakeCpe({ 'Device.A.Password': 'topsecret', 'Device.A.Name': 'x' });
  cpe.misbehaviour = { answers };
  return cpe;
};

test('rpc: the answer of a read is the data, and it is done', () => {
  const run = new Operation(box({ GetRPCMethods: { MethodList: ['Reboot', 'X_ACME_Blink'] } }), rpc('GetRPCMethods'));
  expect(run.session().result).toMatchObject({ outcome: 'done', data: { MethodList: ['Reboot', 'X_ACME_Blink'] } });
});

test('rpc: a write is applied, for nobody reads it back; vendor methods go through as they are', () => {
  const run = new Operation(box({ X_ACME_Blink: { Lamp: 'on' } }), rpc('X_ACME_Blink', { Seconds: 3 })).session();
  expect(run.result).toMatchObject({ outcome: 'applied', data: { Lamp: 'on' } });
  expect(run.cpe.received).toEqual([{ method: 'X_ACME_Blink', args: { Seconds: 3 } }]);
});

test('rpc: what reads teach about the device goes to control as facts', () => {
  const values = new Operation(box(), rpc('GetParameterValues', { ParameterNames: ['Device.A.'] })).session();
  expect(values.factsOf('values')[0]!.values).toHaveLength(2);
  expect(JSON.stringify(values.result)).not.toContain('topsecret');
  const names = new Operation(box(), rpc('GetParameterNames', { ParameterPath: 'Device.', NextLevel: true })).session();
  expect(names.factsOf('names')).toMatchObject([{ path: 'Device.', complete: false, names: [{ Name: 'Device.A.' }] }]);
  const ParameterList = [{ Name: 'Device.A.Name', Notification: 2, AccessList: ['Subscriber'] }];
  const attributes = new Operation(
    box({ GetParameterAttributes: { ParameterList } }),
    rpc('GetParameterAttributes', { ParameterNames: ['Device.A.Name'] }),
  ).session();
  expect(attributes.factsOf('attributes')).toMatchObject([{ attributes: ParameterList }]);
});

test('rpc: a fault is the result', () => {
  expect(new Operation(box(), rpc('GetOptions', { OptionName: '' })).session().result).toMatchObject({
    outcome: 'unsupported',
    fault: { FaultCode: 9000 },
  });
});

test.each([
  ['GetRPCMethods', 'done', 2],
  ['ChangeDUState', 'failed', 1],
  ['X_ACME_Blink', 'failed', 1],
])('rpc: %s in a broken session is %s, sent %i times', (method, outcome, sent) => {
  const run = new Operation(box({ [method]: {} }), rpc(method));
  run.fate = (request) => (request === 0 ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result.outcome).toBe(outcome);
  expect(run.cpe.count(method)).toBe(sent);
});

test.each([
  ['Inform is no method of a CPE', { method: 'Inform' }],
  ['a made-up method', { method: 'Explode' }],
  ['a method that is no name', { method: 'X_a><b' }],
  ['arguments that are a list', { method: 'Reboot', arguments: [] }],
])('rpc: %s is refused without a request', (_what, args) => {
  const run = new Operation(box(), testWork('rpc', args)).session();
  expect(run.result.outcome).toBe('refused');
  expect(run.cpe.received).toEqual([]);
});

test('rpc: arguments longer than the schema allows are refused before anything is sent', () => {
  const run = new Operation(box(), rpc('Reboot', { CommandKey: 'k'.repeat(33) })).session();
  expect(run.result).toMatchObject({ outcome: 'refused', why: expect.stringContaining('32 characters') });
  expect(run.cpe.received).toEqual([]);
  expect(new Operation(box(), rpc('Reboot', { CommandKey: 'k'.repeat(32) })).session().cpe.received).toHaveLength(1);
});
