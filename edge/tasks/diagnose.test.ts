import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { informEvent, Operation, testWork } from './operation.test-helper.ts';

const PING = 'Device.IP.Diagnostics.IPPing.';
const IGD_PING = 'InternetGatewayDevice.IPPingDiagnostics.';
const TRACE = 'Device.IP.Diagnostics.TraceRoute.';

function gateway(object = PING, minimum = 'MinimumResponseTime') {
  return new FakeCpe({
    [`${object}DiagnosticsState`]: 'None',
    [`${object}Host`]: '',
    [`${object}NumberOfRepetitions`]: ['3', 'xsd:unsignedInt'],
    [`${object}SuccessCount`]: ['0', 'xsd:unsignedInt', false],
    [`${object}${minimum}`]: ['7', 'xsd:unsignedInt', false],
  });
}
const ping = (parameters: object = { Host: 'example.net', NumberOfRepetitions: '4' }) =>
  testWork('diagnose', { test: 'IPPing', parameters });
const finish = (run: Operation, state = 'Complete', object = PING) => {
  run.cpe.tree.get(`${object}DiagnosticsState`)!.value = state;
  run.cpe.tree.get(`${object}SuccessCount`)!.value = '4';
};
const DONE = informEvent('8 DIAGNOSTICS COMPLETE');

test('diagnose: inputs and state in one write (D1), the session closes (D3), event 8 brings one read of all (D4, D15)', () => {
  const run = new Operation(gateway(), ping()).session();
  expect(run.cpe.received).toHaveLength(1);
  expect(run.cpe.received[0]!.args.ParameterList).toEqual([
    { Name: `${PING}Host`, Value: 'example.net', Type: 'xsd:string' },
    { Name: `${PING}NumberOfRepetitions`, Value: '4', Type: 'xsd:unsignedInt' },
    { Name: `${PING}DiagnosticsState`, Value: 'Requested', Type: 'xsd:string' },
  ]);
  finish(run);
  run.session(DONE);
  expect(run.cpe.received[1]).toEqual({ method: 'GetParameterValues', args: { ParameterNames: [PING] } });
  expect(run.result).toMatchObject({
    outcome: 'done',
    data: { test: 'IPPing', state: 'Complete', results: { SuccessCount: '4', MinimumResponseTime: '7' }, rows: [] },
  });
});

test('D5, D13: the spellings of TR-098 are read as those of TR-181', () => {
  const run = new Operation(gateway(IGD_PING, 'MinimumResponseTmie'), ping());
  run.root = 'InternetGatewayDevice.';
  run.session();
  finish(run, 'Completed', IGD_PING);
  expect(run.session(DONE).result).toMatchObject({
    outcome: 'done',
    data: { state: 'Completed', results: { MinimumResponseTime: '7' } },
  });
});

test('diagnose: rows of the result table come as plain names', () => {
  const run = new Operation(
    new FakeCpe({
      [`${TRACE}DiagnosticsState`]: 'None',
      [`${TRACE}Host`]: '',
      [`${TRACE}RouteHops.2.Host`]: 'b',
      [`${TRACE}RouteHops.1.Host`]: 'a',
    }),
    testWork('diagnose', { test: 'TraceRoute', parameters: { Host: 'example.net' } }),
  ).session();
  run.cpe.tree.get(`${TRACE}DiagnosticsState`)!.value = 'Complete';
  expect(run.session(DONE).result.data.rows).toEqual([{ Host: 'a' }, { Host: 'b' }]);
});

test('D10: without event 8 any later Inform is taken as the moment to look', () => {
  const run = new Operation(gateway(), ping()).session();
  finish(run);
  expect(run.session(informEvent('6 CONNECTION REQUEST')).result.outcome).toBe('done');
});

test('D8, D11: a test that is still Requested is waited for again', () => {
  const run = new Operation(gateway(), ping()).session().session(DONE);
  expect(run.ended).toEqual([]);
  expect(run.records[0]!.phase).toBe('waiting');
  finish(run);
  expect(run.session(informEvent('2 PERIODIC')).result.outcome).toBe('done');
});

test('diagnose: when the wait is over a session is needed to look, and a test that never ends fails', () => {
  const run = new Operation(gateway(), ping()).session().wait(LIMITS.diagnosticsPollMs);
  expect(run.ended).toEqual([]);
  run.wait(LIMITS.diagnosticsWaitMs).session(informEvent('6 CONNECTION REQUEST'));
  expect(run.result).toMatchObject({ outcome: 'failed', why: expect.stringContaining('has not ended') });
});

test.each([
  ['Error_CannotResolveHostName', 'could not resolve'],
  ['Error_X_VENDOR', 'Error_X_VENDOR'],
  ['None', 'lost'],
  ['Canceled', 'cancelled'],
])('D7, D9: state %s has failed, in words', (state, words) => {
  const run = new Operation(gateway(), ping()).session();
  finish(run, state);
  expect(run.session(DONE).result).toMatchObject({
    outcome: 'failed',
    why: expect.stringContaining(words),
    data: { state },
  });
});

test('diagnose: 9005 moves on to the next object where the test has been found', () => {
  const run = new Operation(gateway('Device.LAN.IPPingDiagnostics.'), ping()).session();
  expect(run.cpe.received).toHaveLength(2);
  finish(run, 'Complete', 'Device.LAN.IPPingDiagnostics.');
  expect(run.session(DONE).result.outcome).toBe('done');
});

test('diagnose: what the shadow knows saves the detour', () => {
  const run = new Operation(gateway('Device.LAN.IPPingDiagnostics.'), ping());
  run.known.set('Device.LAN.IPPingDiagnostics.DiagnosticsState', { type: 'xsd:string', writable: true });
  run.session();
  expect(run.cpe.received).toHaveLength(1);
});

test('diagnose: a CPE without the test is unsupported, a refused input says which', () => {
  const none = new Operation(new FakeCpe({ 'Device.X': '' }), ping()).session();
  expect(none.result.outcome).toBe('unsupported');
  const refused = new Operation(gateway(), ping({ Host: 'bad' })).session();
  expect(refused.result).toMatchObject({ outcome: 'refused', items: [{ name: `${PING}Host`, faultCode: 9007 }] });
  const unknownRoot = new Operation(gateway(), ping());
  unknownRoot.root = '';
  expect(unknownRoot.session().result.outcome).toBe('unsupported');
});

test.each([
  ['an unknown test', { test: 'Teleport', parameters: {} }],
  ['an unknown input', { test: 'IPPing', parameters: { Host: 'x', Speed: '1' } }],
  ['a missing input', { test: 'IPPing', parameters: {} }],
  ['a value that is not text', { test: 'IPPing', parameters: { Host: 1 } }],
  ['parameters that are a list', { test: 'IPPing', parameters: [] }],
])('diagnose: %s is refused without a request', (_what, args) => {
  const run = new Operation(gateway(), testWork('diagnose', args)).session();
  expect(run.result.outcome).toBe('refused');
  expect(run.cpe.received).toEqual([]);
});

test.each([0, 1])('diagnose: a session that breaks over request %i asks the same again', (broken) => {
  const run = new Operation(gateway(), ping());
  run.fate = (request) => (request === broken ? 'answer-lost' : 'answered');
  run.session();
  if (broken === 0) run.session(informEvent('2 PERIODIC'));
  finish(run);
  run.session(DONE).session(informEvent('2 PERIODIC'));
  expect(run.result.outcome).toBe('done');
});
