import { expect, test } from 'vitest';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { Operation, testProfile, testWork } from './operation.test-helper.ts';

const TREE = {
  'Device.DeviceInfo.ModelName': 'Box',
  'Device.DeviceInfo.UpTime': '1',
  'Device.WiFi.SSID.1.SSID': 'home',
  'Device.WiFi.SSID.1.Enable': '1',
  'Device.WiFi.SSID.2.SSID': 'guest',
  'Device.WiFi.SSID.2.Enable': '0',
  'Device.Time.NTPServer1': 'ntp',
};
const home = () => new FakeCpe(TREE, ['Device.Hosts.Host.']);
const refresh = (path = '') => testWork('refresh', { path });

/** The values control would hold after all facts. */
const learned = (run: Operation) =>
  Object.fromEntries(run.factsOf('values').flatMap(({ values }) => values.map(({ Name, Value }) => [Name, Value])));
const namesTold = (run: Operation) => run.factsOf('names').flatMap(({ names }) => names.map(({ Name }) => Name));

test('refresh: one listing of everything, then the values in batches by partial path', () => {
  const run = new Operation(home(), refresh()).session();
  expect(run.result).toMatchObject({ outcome: 'done', data: { parameters: 7, values: 7, gone: 0, refused: 0 } });
  expect(learned(run)).toEqual(TREE);
  expect(run.factsOf('names')).toMatchObject([{ path: '', complete: true }]);
  expect(run.cpe.received.map(({ method, args }) => args.ParameterPath ?? args.ParameterNames ?? method)).toEqual([
    '',
    ['Device.DeviceInfo.'],
    ['Device.WiFi.'],
    ['Device.Time.'],
  ]);
});

test('refresh: below a path, and a single parameter', () => {
  const object = new Operation(home(), refresh('Device.WiFi.SSID.1.')).session();
  expect(Object.keys(learned(object))).toEqual(['Device.WiFi.SSID.1.SSID', 'Device.WiFi.SSID.1.Enable']);
  expect(object.factsOf('names')).toMatchObject([{ path: 'Device.WiFi.SSID.1.', complete: true }]);
  const leaf = new Operation(home(), refresh('Device.Time.NTPServer1')).session();
  expect(learned(leaf)).toEqual({ 'Device.Time.NTPServer1': 'ntp' });
  const withoutDot = new Operation(home(), refresh('Device.Time')).session();
  expect(learned(withoutDot)).toEqual({ 'Device.Time.NTPServer1': 'ntp' });
});

test('refresh: an empty table is complete, so that its old rows go', () => {
  const run = new Operation(home(), refresh('Device.Hosts.Host.')).session();
  expect(run.result.outcome).toBe('done');
  expect(run.factsOf('names')).toMatchObject([{ path: 'Device.Hosts.Host.', complete: true }]);
});

test('FIELD 22: a refused empty path is followed by the root object, and skipRootGpn does not even ask', () => {
  for (const quirks of [{}, { skipRootGpn: true }]) {
    const run = new Operation(home(), refresh());
    run.profile = testProfile(quirks);
    run.cpe.misbehaviour = { emptyPathFault: 9005 };
    run.session();
    expect(run.result.outcome).toBe('done');
    expect(learned(run)).toEqual(TREE);
    expect(run.cpe.received[0]!.args.ParameterPath).toBe('skipRootGpn' in quirks ? 'Device.' : '');
  }
});

test('CWMP I8: while the root is unknown both are tried', () => {
  const run = new Operation(
    new FakeCpe(
      Object.fromEntries(Object.entries(TREE).map(([n, v]) => [n.replace('Device.', 'InternetGatewayDevice.'), v])),
    ),
    refresh(),
  );
  run.root = '';
  run.cpe.misbehaviour = { emptyPathFault: 9003 };
  run.session();
  expect(run.result).toMatchObject({ outcome: 'done', data: { values: 7 } });
  expect(run.cpe.received.slice(0, 3).map(({ args }) => args.ParameterPath)).toEqual([
    '',
    'Device.',
    'InternetGatewayDevice.',
  ]);
});

test.each([9001, 9002, 9003, 9004])(
  'FIELD 23: a CPE that answers a deep listing with %i is walked level by level',
  (code) => {
    const run = new Operation(home(), refresh());
    run.cpe.misbehaviour = { deepFault: code };
    run.session();
    expect(run.result).toMatchObject({ outcome: 'done', data: { values: 7 } });
    expect(learned(run)).toEqual(TREE);
  },
);

test('FIELD 23: walkNextLevel never asks for the whole tree', () => {
  const run = new Operation(home(), refresh());
  run.profile = testProfile({ walkNextLevel: true });
  run.session();
  expect(learned(run)).toEqual(TREE);
  const listings = run.cpe.received.filter(({ method }) => method === 'GetParameterNames');
  expect(listings.every(({ args }) => args.NextLevel === true)).toBe(true);
  // Only a level without objects may make control forget what it does not name.
  for (const { path, complete, names } of run.factsOf('names')) {
    expect(complete && names.some(({ Name }) => Name.endsWith('.') && Name !== path)).toBe(false);
  }
});

test.each([
  ['without their dot', 'without-dot', false],
  ['without their dot, level by level', 'without-dot', true],
  ['not at all', 'omitted', false],
] as const)('FIELD 17, 18: objects listed %s', (_how, objects, walkNextLevel) => {
  const run = new Operation(home(), refresh('Device.'));
  run.profile = testProfile({ walkNextLevel });
  run.cpe.misbehaviour = { objects };
  run.session();
  expect(run.result.outcome).toBe('done');
  expect(learned(run)).toEqual(TREE);
  if (objects === 'omitted') expect(namesTold(run)).toContain('Device.WiFi.SSID.2.');
});

test('FIELD 19: names outside the path are not told', () => {
  const run = new Operation(home(), refresh('Device.Time.'));
  run.cpe.misbehaviour = {
    answers: {
      GetParameterNames: {
        ParameterList: [
          { Name: 'Device.Time.', Writable: false },
          { Name: 'Device.Time.NTPServer1', Writable: true },
          { Name: 'Device.Other.X', Writable: true },
        ],
      },
    },
  };
  run.session();
  expect(namesTold(run)).toEqual(['Device.Time.', 'Device.Time.NTPServer1']);
});

test('a CPE that answers the empty path with its root object alone is walked from there', () => {
  const run = new Operation(home(), refresh());
  const { cpe } = run;
  const lazy = { ParameterList: [{ Name: 'Device.', Writable: false }] };
  cpe.answer = (request) => {
    const answer = FakeCpe.prototype.answer.call(cpe, request);
    const empty = request.method === 'GetParameterNames' && request.args.ParameterPath === '';
    return empty ? { type: 'response', method: request.method, result: lazy } : answer;
  };
  run.session();
  expect(run.result.outcome).toBe('done');
  expect(learned(run)).toEqual(TREE);
  expect(run.factsOf('names')[0]).toMatchObject({ path: '', complete: false });
});

test('FIELD 21: names that are listed and then unknown are dropped and counted', () => {
  const run = new Operation(home(), refresh('Device.Time.'));
  const { cpe } = run;
  cpe.answer = (request) => {
    if (request.method === 'GetParameterNames')
      cpe.tree.set('Device.Time.Gone', { value: '', type: '', writable: true });
    const answer = FakeCpe.prototype.answer.call(cpe, request);
    cpe.tree.delete('Device.Time.Gone');
    return answer;
  };
  run.profile = testProfile({ getBatchNames: 1 });
  run.session();
  expect(run.result).toMatchObject({ outcome: 'done', data: { values: 1, gone: 1 } });
});

test('an unknown path is unsupported, a CPE without GetParameterNames as well', () => {
  expect(new Operation(home(), refresh('Device.No.')).session().result.outcome).toBe('unsupported');
  const run = new Operation(home(), refresh('Device.Time.'));
  run.cpe.misbehaviour = { faults: { GetParameterNames: 9000 } };
  expect(run.session().result.outcome).toBe('unsupported');
});

test('a tree that cannot be listed in any way has failed, one whose values cannot be read in part is partial', () => {
  const failed = new Operation(home(), refresh());
  failed.cpe.misbehaviour = { faults: { GetParameterNames: 9002 } };
  expect(failed.session().result.outcome).toBe('failed');
  const partial = new Operation(home(), refresh());
  const { cpe } = partial;
  partial.profile = testProfile({ walkNextLevel: true });
  cpe.answer = (request) => {
    const answer = FakeCpe.prototype.answer.call(cpe, request);
    const spoiled = String(request.args.ParameterNames).includes('NTPServer1');
    return spoiled
      ? { type: 'fault', fault: { FaultCode: 9002, FaultString: '', SetParameterValuesFault: [] } }
      : answer;
  };
  expect(partial.session().result).toMatchObject({ outcome: 'partial', data: { values: 6, refused: 1 } });
});

test('refresh: a session that breaks over the deep listing is not broken by it again', () => {
  const run = new Operation(home(), refresh());
  run.fate = (request) => (request === 0 ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result.outcome).toBe('done');
  expect(learned(run)).toEqual(TREE);
  expect(run.cpe.received[1]!.args).toEqual({ ParameterPath: '', NextLevel: true });
});

test.each([1, 2, 3])('refresh: a session that breaks over request %i goes on where it was', (broken) => {
  const run = new Operation(home(), refresh());
  run.fate = (request) => (request === broken ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result.outcome).toBe('done');
  expect(learned(run)).toEqual(TREE);
  expect(run.cpe.received).toHaveLength(5);
});

test('refresh: the record of a tree of 9,000 names stays small, transcript included', () => {
  const tree: Record<string, string> = {};
  for (let i = 1; i <= 300; i++) {
    for (let j = 0; j < 30; j++) tree[`Device.Services.X_VENDOR_LongTableName.${i}.ParameterNumber${j}`] = `value ${j}`;
  }
  const run = new Operation(new FakeCpe(tree), refresh());
  run.profile = testProfile({ getBatchNames: 32 });
  let largest = 0;
  const { cpe } = run;
  cpe.answer = (request) => {
    largest = Math.max(largest, JSON.stringify(run.records).length);
    return FakeCpe.prototype.answer.call(cpe, request);
  };
  run.session();
  expect(run.result).toMatchObject({ outcome: 'done', data: { values: 9000 } });
  expect(largest).toBeLessThan(64 * 1024);
  expect(run.result.rpcs.length + Number(run.result.data.rpcsNotKept)).toBe(cpe.received.length);
});
