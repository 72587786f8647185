import { expect, test } from 'vitest';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { Operation, testProfile, testWork } from './operation.test-helper.ts';

const home = () =>
  new FakeCpe({
    'Device.WiFi.SSID.1.SSID': 'home',
    'Device.WiFi.SSID.2.SSID': 'guest',
    'Device.WiFi.AccessPoint.1.Security.KeyPassphrase': 'hunter22',
    'Device.Time.NTPServer1': '',
  });
const get = (...names: string[]) => testWork('get', { names });

test('get: values come back, and go to control as a fact too', () => {
  const run = new Operation(home(), get('Device.WiFi.SSID.', 'Device.Time.NTPServer1')).session();
  expect(run.result.outcome).toBe('done');
  expect(run.result.after.map(({ Name, Value }) => [Name, Value])).toEqual([
    ['Device.WiFi.SSID.1.SSID', 'home'],
    ['Device.WiFi.SSID.2.SSID', 'guest'],
    ['Device.Time.NTPServer1', ''],
  ]);
  expect(run.factsOf('values')[0]!.values).toHaveLength(3);
});

test('get: one bad name does not spoil the rest (FIELD 21)', () => {
  const run = new Operation(home(), get('Device.WiFi.SSID.1.SSID', 'Device.No', 'Device.Time.NTPServer1')).session();
  expect(run.result.outcome).toBe('partial');
  expect(run.result.items).toEqual([
    { name: 'Device.WiFi.SSID.1.SSID', status: 'read' },
    { name: 'Device.Time.NTPServer1', status: 'read' },
    { name: 'Device.No', status: 'unknown', faultCode: 9005, text: 'fault 9005 (Fault 9005)' },
  ]);
  expect(run.result.after).toHaveLength(2);
});

test('get: nothing but unknown names is unsupported', () => {
  const run = new Operation(home(), get('Device.No', 'Device.Neither')).session();
  expect(run.result.outcome).toBe('unsupported');
  expect(run.result.why).toContain('Device.No');
});

test('get: a CPE that reads nothing at all has failed', () => {
  const cpe = home();
  cpe.misbehaviour = { faults: { GetParameterValues: 9002 } };
  const run = new Operation(cpe, get('Device.Time.NTPServer1')).session();
  expect(run.result.outcome).toBe('failed');
});

test('get: a name left out of the answer is reported, extra ones are facts but not results (FIELD 20)', () => {
  const cpe = home();
  cpe.misbehaviour = {
    answers: { GetParameterValues: { ParameterList: [{ Name: 'Device.Extra', Value: 'x', Type: 'xsd:string' }] } },
  };
  const run = new Operation(cpe, get('Device.Time.NTPServer1')).session();
  expect(run.result).toMatchObject({ outcome: 'failed', after: [], items: [{ status: 'omitted' }] });
  expect(run.factsOf('values')[0]!.values[0]!.Name).toBe('Device.Extra');
});

test('get: values by wildcard belong to the result (CWMP X2)', () => {
  const cpe = home();
  const ParameterList = [{ Name: 'Device.WiFi.SSID.2.SSID', Value: 'guest', Type: 'xsd:string' }];
  cpe.misbehaviour = { answers: { GetParameterValues: { ParameterList } } };
  const run = new Operation(cpe, get('Device.WiFi.SSID.*.SSID')).session();
  expect(run.result).toMatchObject({ outcome: 'done', after: ParameterList });
});

test('get: secrets are redacted in result and transcript', () => {
  const run = new Operation(home(), get('Device.WiFi.')).session();
  expect(run.result.after.find(({ Name }) => Name.endsWith('KeyPassphrase'))?.Value).toBe('••••');
  expect(JSON.stringify(run.result)).not.toContain('hunter22');
});

test('get: what only the data model knows to be a secret is redacted too', () => {
  const cpe = home();
  const Name = 'Device.Routing.Babel.MACKeySet.1.MACKey.1.KeyValue';
  const ParameterList = [{ Name, Value: '0A0B0C', Type: 'xsd:hexBinary' }];
  cpe.misbehaviour = { answers: { GetParameterValues: { ParameterList } } };
  const run = new Operation(cpe, get('Device.Routing.Babel.MACKeySet.*.MACKey.*.KeyValue')).session();
  expect(run.result.after).toEqual([{ Name, Value: '••••', Type: 'xsd:hexBinary' }]);
  expect(JSON.stringify(run.result)).not.toContain('0A0B0C');
});

test('get: a broken session is taken up where it broke, without reading again what was read', () => {
  const run = new Operation(home(), get('Device.WiFi.SSID.1.SSID', 'Device.WiFi.SSID.2.SSID'));
  run.profile = testProfile({ getBatchNames: 1 });
  run.fate = (request) => (request === 1 ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result.outcome).toBe('done');
  expect(run.result.after).toHaveLength(2);
  expect(run.cpe.received.map(({ args }) => args.ParameterNames)).toEqual([
    ['Device.WiFi.SSID.1.SSID'],
    ['Device.WiFi.SSID.2.SSID'],
    ['Device.WiFi.SSID.2.SSID'],
  ]);
});
