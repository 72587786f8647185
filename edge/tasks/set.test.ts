import { expect, test } from 'vitest';
import { FakeCpe, fault } from './fake-cpe.test-helper.ts';
import { Operation, testProfile, testWork } from './operation.test-helper.ts';

const SSID = 'Device.WiFi.SSID.1.SSID';
const ENABLE = 'Device.WiFi.SSID.1.Enable';
const KEY = 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase';
const CHANNEL = 'Device.WiFi.Radio.1.Channel';
const MODEL = 'Device.DeviceInfo.ModelName';

const home = () =>
  new FakeCpe({
    [SSID]: 'old',
    [ENABLE]: ['1', 'xsd:boolean'],
    [KEY]: 'oldsecret',
    [CHANNEL]: ['6', 'xsd:unsignedInt'],
    [MODEL]: ['Box', 'xsd:string', false],
  });

const set = (values: Record<string, string>, over: Record<string, object> = {}) =>
  testWork('set', { values: Object.entries(values).map(([name, value]) => ({ name, value, ...over[name] })) });

const written = (run: Operation) =>
  run.cpe.received.filter(({ method }) => method === 'SetParameterValues').map(({ args }) => args.ParameterList);

test('set: reads old values and types, writes, reads back in the same session', () => {
  const run = new Operation(home(), set({ [SSID]: 'new', [CHANNEL]: '11' })).session();
  expect(run.methods()).toEqual(['GetParameterValues', 'SetParameterValues', 'GetParameterValues']);
  expect(run.result).toMatchObject({
    outcome: 'done',
    before: [{ Value: 'old' }, { Value: '6' }],
    after: [{ Value: 'new' }, { Value: '11' }],
    items: [{ status: 'set' }, { status: 'set' }],
  });
  // CWMP Y1: the device's own types.
  expect(written(run)).toEqual([
    [
      { Name: SSID, Value: 'new', Type: 'xsd:string' },
      { Name: CHANNEL, Value: '11', Type: 'xsd:unsignedInt' },
    ],
  ]);
  expect(run.cpe.received[1]!.args.ParameterKey).toBe(run.ended[0]!.work.commandKey);
});

test('FIELD 29: values already equal are not written, all equal means no SetParameterValues at all', () => {
  const some = new Operation(home(), set({ [SSID]: 'old', [CHANNEL]: '11' })).session();
  expect(written(some)).toEqual([[{ Name: CHANNEL, Value: '11', Type: 'xsd:unsignedInt' }]]);
  expect(some.result.items).toEqual([
    { name: SSID, status: 'unchanged' },
    { name: CHANNEL, status: 'set' },
  ]);
  // `true` and `1` are one value under xsd:boolean.
  const all = new Operation(home(), set({ [SSID]: 'old', [ENABLE]: 'true' })).session();
  expect(all.methods()).toEqual(['GetParameterValues']);
  expect(all.result).toMatchObject({ outcome: 'done', why: 'Already set; nothing was written.' });
});

test.each([
  ['the device', 'xsd:unsignedInt', 'xsd:int', 'xsd:string', 'xsd:unsignedInt'],
  ['the shadow, when the device tells none', '', 'xsd:int', 'xsd:string', 'xsd:int'],
  ['the shadow, when the device tells nonsense (CWMP E4)', 'xsd:string(64)', 'xsd:int', 'xsd:string', 'xsd:int'],
  ['control, when neither tells', '', '', 'xsd:boolean', 'xsd:boolean'],
  ['nobody: a string', '', '', undefined, 'xsd:string'],
])('set: the type is that of %s', (_who, device, shadow, given, expected) => {
  const cpe = home();
  cpe.tree.set(CHANNEL, { value: '6', type: device, writable: true });
  const run = new Operation(cpe, set({ [CHANNEL]: '1' }, { [CHANNEL]: { type: given } }));
  run.known.set(CHANNEL, { type: shadow, writable: true });
  run.session();
  expect(written(run)).toMatchObject([[{ Type: expected }]]);
});

test('set: what was approved is not written over a value that nobody saw', () => {
  const work = set({ [SSID]: 'new', [CHANNEL]: '11' });
  work.args['expected'] = [
    { name: SSID, value: 'older' },
    { name: CHANNEL, value: '6' },
  ];
  const run = new Operation(home(), work).session();
  expect(written(run)).toEqual([]);
  expect(run.result).toMatchObject({
    outcome: 'refused',
    items: [
      { name: SSID, status: 'drifted' },
      { name: CHANNEL, status: 'not-written' },
    ],
  });
  expect(run.result.why).toContain('make a new preview');
});

test('set: an approved value that is so already, or was not known, is no drift; one that the CPE hides cannot be told', () => {
  const work = set({ [SSID]: 'new', [CHANNEL]: '6', [KEY]: 'newsecret' });
  work.args['expected'] = [
    { name: SSID, value: null },
    { name: CHANNEL, value: '1' },
    { name: KEY, value: 'whatever' },
  ];
  const run = new Operation(home(), work);
  run.cpe.misbehaviour = { hides: [KEY] };
  run.session();
  expect(written(run)).toHaveLength(1);
  expect(run.result.outcome).toBe('applied');
});

test('set: a refused value refuses all, says which, and reads back that nothing took', () => {
  const run = new Operation(home(), set({ [SSID]: 'new', [MODEL]: 'Other' })).session();
  expect(run.result.outcome).toBe('refused');
  expect(run.result.why).toContain(MODEL);
  expect(run.result.items).toMatchObject([
    { name: SSID, status: 'not-written' },
    { name: MODEL, status: 'refused', faultCode: 9008 },
  ]);
  expect(run.result.after).toMatchObject([{ Value: 'old' }, { Value: 'Box' }]);
  expect(run.result.fault?.FaultCode).toBe(9003);
});

test.each([
  [9003, 'refused'],
  [9005, 'unsupported'],
  [9007, 'refused'],
  [9002, 'failed'],
])('set: fault %i at the top without details is about the only value (CWMP F3): %s', (code, outcome) => {
  const cpe = home();
  cpe.misbehaviour = { flatFault: code };
  const run = new Operation(cpe, set({ [SSID]: 'bad' })).session();
  expect(run.result).toMatchObject({ outcome, items: [{ name: SSID, status: 'refused', faultCode: code }] });
});

test('set: fault without details on several values says that the CPE did not say which', () => {
  const cpe = home();
  cpe.misbehaviour = { flatFault: 9003 };
  const run = new Operation(cpe, set({ [SSID]: 'bad', [CHANNEL]: '11' })).session();
  expect(run.result.items.map(({ text }) => text)).toEqual([
    expect.stringContaining('did not say which'),
    expect.stringContaining('did not say which'),
  ]);
});

test('set: an unknown parameter is found by reading, and nothing is written', () => {
  const run = new Operation(home(), set({ [SSID]: 'new', 'Device.No': 'x' })).session();
  expect(written(run)).toEqual([]);
  expect(run.result).toMatchObject({
    outcome: 'unsupported',
    items: [{ status: 'not-written' }, { status: 'unknown' }],
  });
});

test('FIELD 24: a parameter known as read-only is not tried, unless the profile says that this CPE claims it wrongly', () => {
  const strict = new Operation(home(), set({ [SSID]: 'new' }));
  strict.known.set(SSID, { type: 'xsd:string', writable: false });
  expect(strict.session().result).toMatchObject({ outcome: 'refused', items: [{ status: 'read-only' }] });
  expect(written(strict)).toEqual([]);

  const lenient = new Operation(home(), set({ [SSID]: 'new' }));
  lenient.known.set(SSID, { type: 'xsd:string', writable: false });
  lenient.profile = testProfile({ ignoreWritable: true });
  expect(lenient.session().result.outcome).toBe('done');
});

test('set: accepted but not taken is refused; some of several is partial', () => {
  const one = new Operation(home(), set({ [SSID]: 'new' }));
  one.cpe.misbehaviour = { ignores: [SSID] };
  expect(one.session().result).toMatchObject({
    outcome: 'refused',
    items: [{ name: SSID, status: 'differs', text: 'reads back as "old"' }],
  });
  const two = new Operation(home(), set({ [SSID]: 'new', [CHANNEL]: '11' }));
  two.cpe.misbehaviour = { ignores: [SSID] };
  expect(two.session().result.outcome).toBe('partial');
});

test('set: Status 1 means applied later, so old values read back are no failure', () => {
  const run = new Operation(home(), set({ [SSID]: 'new' }));
  run.cpe.misbehaviour = { later: true };
  expect(run.session().result).toMatchObject({ outcome: 'applied', items: [{ status: 'pending' }] });
});

test('FIELD 27: a secret that reads back blank is applied, never called verified, and written even if it may be equal', () => {
  const run = new Operation(home(), set({ [KEY]: 'oldsecret' }));
  run.cpe.misbehaviour = { hides: [KEY] };
  run.session();
  expect(written(run)).toHaveLength(1);
  expect(run.result).toMatchObject({ outcome: 'applied', items: [{ status: 'unverified' }] });
  expect(run.result.why).toContain('cannot be read back');
});

test('set: a secret that the CPE shows is verified by it', () => {
  const run = new Operation(home(), set({ [KEY]: 'newsecret' })).session();
  expect(run.result).toMatchObject({ outcome: 'done', before: [{ Value: '••••' }], after: [{ Value: '••••' }] });
});

test.each([
  ['by its name', KEY, {}],
  ['by the mark of control', SSID, { [SSID]: { secret: true } }],
])('set: secrets (%s) appear nowhere in result, progress or transcript', (_how, name, over) => {
  const run = new Operation(home(), set({ [name]: 'newsecret' }, over));
  run.cpe.tree.get(name)!.value = 'oldsecret';
  run.cpe.misbehaviour = { ignores: [name] };
  run.session();
  const told = JSON.stringify([run.result, run.factsOf('progress')]);
  expect(told).not.toContain('newsecret');
  expect(told).not.toContain('oldsecret');
  expect(run.result.outcome).toBe('refused');
});

test('set: a CPE that quotes the refused secret in its fault does not get it into the evidence', () => {
  const run = new Operation(home(), set({ [KEY]: 'new"secret' }));
  const FaultString = 'value new"secret too short';
  run.cpe.answer = (request) =>
    request.method === 'SetParameterValues'
      ? { type: 'fault', fault: { FaultCode: 9007, FaultString, SetParameterValuesFault: [] } }
      : FakeCpe.prototype.answer.call(run.cpe, request);
  run.session();
  expect(run.result.fault).toEqual({ FaultCode: 9007, FaultString: 'value •••• too short' });
  expect(JSON.stringify(run.facts)).not.toContain('secret too');
});

test('set: paths of the profile that read back masked are like secrets', () => {
  const run = new Operation(home(), set({ [SSID]: 'new' }));
  run.profile = testProfile({ blankReads: ['Device.WiFi.SSID.'] });
  run.cpe.misbehaviour = { hides: [SSID] };
  expect(run.session().result.outcome).toBe('applied');
});

test('set: values that cannot be read back are applied, not done', () => {
  const run = new Operation(home(), set({ [SSID]: 'new' }));
  run.cpe.misbehaviour = { omits: [SSID] };
  expect(run.session().result).toMatchObject({ outcome: 'applied', items: [{ status: 'unverified' }] });
});

test('set: more values than one request bears go in several; a refusal stops the rest and is partial', () => {
  const cpe = new FakeCpe(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`Device.P${i}`, 'old'])));
  const values = Object.fromEntries([...cpe.tree.keys()].map((name, i) => [name, i === 5 ? 'bad' : 'new']));
  const run = new Operation(cpe, set(values)).session();
  expect(written(run)).toHaveLength(2);
  expect(run.result.outcome).toBe('partial');
  expect(run.result.items.map(({ status }) => status)).toEqual([
    ...Array(4).fill('set'),
    'not-written',
    'refused',
    ...Array(4).fill('not-written'),
  ]);
});

test('set: a CPE that takes values although it answered with a fault is believed by what it holds', () => {
  const cpe = home();
  const run = new Operation(cpe, set({ [SSID]: 'new' }));
  cpe.answer = (request) => {
    const answer = FakeCpe.prototype.answer.call(cpe, request);
    return request.method === 'SetParameterValues' ? fault(9002) : answer;
  };
  expect(run.session().result).toMatchObject({ outcome: 'done', items: [{ status: 'set' }] });
});

test.each(['request-lost', 'answer-lost'] as const)(
  'set: after a broken write (%s) it reads, compares and writes only what differs',
  (fate) => {
    const run = new Operation(home(), set({ [SSID]: 'new' }));
    run.fate = (request) => (request === 1 ? fate : 'answered');
    run.session().session();
    expect(run.result).toMatchObject({ outcome: 'done', before: [{ Value: 'old' }], after: [{ Value: 'new' }] });
    // The one that arrived: what took is not written twice.
    expect(written(run)).toHaveLength(1);
    const sent = run.result.rpcs.map(({ method, answer }) => `${method} ${answer}`);
    expect(sent[1]).toBe('SetParameterValues none');
  },
);

test.each([0, 2])('set: a session that breaks over read %i goes on with that read', (broken) => {
  const run = new Operation(home(), set({ [SSID]: 'new' }));
  run.fate = (request) => (request === broken ? 'answer-lost' : 'answered');
  run.session().session();
  expect(run.result).toMatchObject({ outcome: 'done', before: [{ Value: 'old' }], after: [{ Value: 'new' }] });
  expect(written(run)).toHaveLength(1);
});
