// Diagnostics as data: requests, states and readings on both data models, and the object paths against real trees.

import { expect, test } from 'vitest';
import {
  DIAGNOSTIC_TESTS,
  DIAGNOSTICS,
  diagnosticRequest,
  diagnosticState,
  findDiagnostic,
  readDiagnostic,
} from './diagnostics.ts';

const nothing = () => false;
const value = (Name: string, Value: string) => ({ Name, Value, Type: 'xsd:string' });

test.each(['Device.', 'InternetGatewayDevice.'])('every test has a standard object below %s', (root) => {
  for (const name of DIAGNOSTIC_TESTS) {
    const diagnostic = findDiagnostic(name, root, nothing);
    expect(diagnostic?.object).toMatch(new RegExp(`^${root.replace('.', '\\.')}.*${name}(Diagnostics)?\\.$`));
  }
});

test('a device without a known data model has no diagnostics', () => {
  expect(findDiagnostic('IPPing', '', nothing)).toBeNull();
});

test('the candidate that exists on the device wins over the standard one', () => {
  const huawei = 'InternetGatewayDevice.DNS.Diagnostics.NSLookupDiagnostics.';
  const found = findDiagnostic('NSLookup', 'InternetGatewayDevice.', (path) => path === `${huawei}DiagnosticsState`);
  expect(found?.object).toBe(huawei);
  const stb = findDiagnostic('IPPing', 'Device.', (path) => path.startsWith('Device.LAN.'));
  expect(stb?.object).toBe('Device.LAN.IPPingDiagnostics.');
  expect(stb?.inputs.map((input) => input.name)).not.toContain('Interface');
});

test('all inputs and the state go into one request, the state last (CWMP D1)', () => {
  const ping = findDiagnostic('IPPing', 'InternetGatewayDevice.', nothing)!;
  expect(diagnosticRequest(ping, { NumberOfRepetitions: '3', Host: '192.0.2.1', Interface: '' })).toEqual({
    type: 'ok',
    values: [
      { Name: 'InternetGatewayDevice.IPPingDiagnostics.Host', Value: '192.0.2.1', Type: 'xsd:string' },
      { Name: 'InternetGatewayDevice.IPPingDiagnostics.NumberOfRepetitions', Value: '3', Type: 'xsd:unsignedInt' },
      { Name: 'InternetGatewayDevice.IPPingDiagnostics.DiagnosticsState', Value: 'Requested', Type: 'xsd:string' },
    ],
  });
});

test.each([
  [{}, 'IPPing needs Host'],
  [{ Host: 'a', Colour: 'red' }, 'IPPing has no input Colour; it takes Host, Interface, NumberOfRepetitions'],
  [{ Host: 'a', Timeout: 'soon' }, 'Timeout is a whole number, not soon'],
])('inputs %j are refused', (parameters, why) => {
  const ping = findDiagnostic('IPPing', 'Device.', nothing)!;
  const request = diagnosticRequest(ping, parameters as Record<string, string>);
  expect(request).toMatchObject({ type: 'bad', why: expect.stringContaining(why) });
});

test.each([
  ['Complete', 'complete'],
  ['Completed', 'complete'],
  [' Complete\n', 'complete'],
  ['Requested', 'requested'],
  ['Canceled', 'cancelled'],
  ['None', 'idle'],
  ['', 'idle'],
  ['Error_CannotResolveHostName', 'error'],
  ['Error', 'error'],
  ['Error_X_SomethingNew', 'error'],
])('state %j means %s', (state, type) => {
  expect(diagnosticState(state).type).toBe(type);
});

test('a state that is called like a member of every object is an unknown error', () => {
  for (const state of ['constructor', '__proto__', 'toString']) {
    expect(diagnosticState(state)).toEqual({ type: 'error', code: state, text: `the CPE reports ${state}` });
  }
});

test('the misspelt MinimumResponseTmie of TR-098 is read under its proper name (CWMP D13)', () => {
  const ping = findDiagnostic('IPPing', 'InternetGatewayDevice.', nothing)!;
  const reading = readDiagnostic(ping, [
    value('InternetGatewayDevice.IPPingDiagnostics.DiagnosticsState', 'Complete'),
    value('InternetGatewayDevice.IPPingDiagnostics.SuccessCount', '3'),
    value('InternetGatewayDevice.IPPingDiagnostics.MinimumResponseTmie', '7'),
    value('InternetGatewayDevice.IPPingDiagnostics.X_000000_Other', '1'),
    value('InternetGatewayDevice.DeviceInfo.UpTime', '5'),
  ]);
  expect(reading).toEqual({
    state: { type: 'complete' },
    results: { SuccessCount: '3', MinimumResponseTime: '7' },
    rows: [],
  });
});

test.each([
  ['Device.', 'Host', 'RTTimes'],
  ['InternetGatewayDevice.', 'HopHost', 'HopRTTimes'],
])('hops below %s come back in order of instance, under plain names', (root, host, times) => {
  const trace = findDiagnostic('TraceRoute', root, nothing)!;
  const { rows, state } = readDiagnostic(trace, [
    value(`${trace.object}RouteHops.10.${host}`, '192.0.2.10'),
    value(`${trace.object}RouteHops.2.${host}`, '192.0.2.2'),
    value(`${trace.object}RouteHops.2.${times}`, '1,2,1'),
    value(`${trace.object}DiagnosticsState`, 'Error_MaxHopCountExceeded'),
  ]);
  expect(rows).toEqual([{ Host: '192.0.2.2', RTTimes: '1,2,1' }, { Host: '192.0.2.10' }]);
  expect(state).toMatchObject({ type: 'error', code: 'Error_MaxHopCountExceeded' });
});

test('object paths end with a dot and lie below their root', () => {
  for (const [root, diagnostics] of Object.entries(DIAGNOSTICS)) {
    for (const { object } of diagnostics) expect(object.startsWith(root) && object.endsWith('.')).toBe(true);
  }
});
