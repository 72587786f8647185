import { expect, test } from 'vitest';
import { AssertionError } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { overdue, planNext } from './planner.ts';
import { FakeCpe } from './tasks/fake-cpe.test-helper.ts';
import { informEvent, Operation, testProfile, testWork } from './tasks/operation.test-helper.ts';

const box = () =>
  new FakeCpe({ 'Device.A': '1', 'Device.B': '2', 'Device.C': '3', 'Device.T.1.Name': 'x' }, ['Device.T.']);
const get = (name: string, over = {}) => testWork('get', { names: [name] }, over);
const order = (run: Operation) => run.ended.map(({ work }) => work.actionId);
const where = { cpeId: 'AABBCC-Box-1', sessionId: 'S1' };

test('higher priority runs first, then older work', () => {
  const run = new Operation(
    box(),
    get('Device.A', { actionId: 'low', priority: 10, createdAt: 1 }),
    get('Device.B', { actionId: 'new', priority: 50, createdAt: 3 }),
    get('Device.C', { actionId: 'old', priority: 50, createdAt: 2 }),
    get('Device.A', { actionId: 'urgent', priority: 90, createdAt: 4 }),
  ).session();
  expect(order(run)).toEqual(['urgent', 'old', 'new', 'low']);
});

test('work under way is finished before more urgent work begins', () => {
  const values = [{ name: 'Device.A', value: 'new' }];
  const run = new Operation(box(), testWork('set', { values }, { actionId: 'set', priority: 10 }));
  const { cpe } = run;
  cpe.answer = (request) => {
    // Arrives in mid-session, as an operator's work does.
    if (cpe.received.length === 0)
      run.records.push({
        ...run.records[0]!,
        work: get('Device.B', { actionId: 'urgent', priority: 90 }),
        state: undefined,
        phase: 'queued',
        inFlight: false,
        rpcs: [],
        told: undefined,
      });
    return FakeCpe.prototype.answer.call(cpe, request);
  };
  run.session();
  expect(order(run)).toEqual(['set', 'urgent']);
  expect(run.methods()).toEqual([
    'GetParameterValues',
    'SetParameterValues',
    'GetParameterValues',
    'GetParameterValues',
  ]);
});

test('discovery comes behind other work, even once it has begun, and restarts come last (CWMP S15)', () => {
  const run = new Operation(
    box(),
    testWork('reboot', {}, { actionId: 'reboot', priority: 90 }),
    testWork('refresh', { path: '' }, { actionId: 'refresh', priority: 90 }),
    get('Device.A', { actionId: 'get', priority: 10 }),
  );
  const { cpe } = run;
  cpe.answer = (request) => {
    if (request.method === 'GetParameterNames') {
      run.records.push({
        ...run.records[0]!,
        work: get('Device.B', { actionId: 'late', priority: 10 }),
        state: undefined,
        phase: 'queued',
        inFlight: false,
        rpcs: [],
        told: undefined,
      });
    }
    return FakeCpe.prototype.answer.call(cpe, request);
  };
  run.session();
  expect(order(run)).toEqual(['get', 'late', 'refresh']);
  expect(run.methods().at(-1)).toBe('Reboot');
});

test.each([
  ['rpc', { method: 'FactoryReset' }],
  ['download', { fileId: 'f', fileType: '1 Firmware Upgrade Image' }],
  ['factory-reset', {}],
] as const)('%s goes behind reads of lower priority', (kind, args) => {
  const run = new Operation(box(), testWork(kind, args, { priority: 90 }), get('Device.A', { priority: 10 })).session();
  expect(run.methods()[0]).toBe('GetParameterValues');
  expect(run.methods()).toHaveLength(2);
});

test('while a restart is awaited, nothing else that restarts is begun, but reads go on', () => {
  const run = new Operation(
    box(),
    testWork('reboot', {}, { actionId: 'first', commandKey: 'k1' }),
    testWork('reboot', {}, { actionId: 'second', commandKey: 'k2' }),
  ).session();
  expect(run.cpe.count('Reboot')).toBe(1);
  run.session(informEvent('M Reboot', 'k1'));
  expect(order(run)).toEqual(['first']);
  expect(run.cpe.count('Reboot')).toBe(2);
});

test('expired work ends as such, and says whether anything was sent', () => {
  const unsent = new Operation(box(), get('Device.A', { expiresAt: 1 })).session();
  expect(unsent.result).toMatchObject({
    outcome: 'expired',
    rpcs: [],
    why: expect.stringContaining('nothing was sent'),
  });
  expect(unsent.cpe.received).toEqual([]);
  const waiting = new Operation(box(), testWork('reboot', {}));
  waiting.records[0]!.work.expiresAt = waiting.nowMs + 60_000;
  expect(waiting.session().wait(60_000).result).toMatchObject({
    outcome: 'expired',
    why: expect.stringContaining('1 requests'),
  });
});

test('an event that proves the outcome counts, also after the deadline', () => {
  const run = new Operation(box(), testWork('reboot', {}, { commandKey: 'k' }));
  run.records[0]!.work.expiresAt = run.nowMs + 60_000;
  run.session();
  run.nowMs += 60_000;
  expect(run.session(informEvent('M Reboot', 'k')).result.outcome).toBe('done');
});

test('work under way is not cut off by its deadline', () => {
  const run = new Operation(box(), testWork('set', { values: [{ name: 'Device.A', value: 'new' }] }));
  run.records[0]!.work.expiresAt = run.nowMs + 1;
  expect(run.session().result.outcome).toBe('done');
});

test('sessions that break again and again end the work as failed, with its transcript', () => {
  const run = new Operation(box(), get('Device.A'));
  run.fate = () => 'answer-lost';
  run.sessions(20);
  expect(run.result.outcome).toBe('failed');
  expect(run.result.why).toContain(`${LIMITS.actionAttemptsMax} times`);
  expect(run.result.rpcs).toHaveLength(LIMITS.actionAttemptsMax);
  expect(run.result.rpcs.every(({ answer }) => answer === 'none')).toBe(true);
});

test('a CPE that answers for ever with something new is stopped', () => {
  const run = new Operation(box(), testWork('refresh', { path: 'Device.' }));
  run.profile = testProfile({ walkNextLevel: true });
  run.cpe.answer = ({ method, args }) => {
    const ParameterList = [{ Name: `${args.ParameterPath}X.`, Writable: false }];
    return { type: 'response', method, result: { ParameterList } };
  };
  run.records[0]!.rpcsDropped = LIMITS.actionRpcsMax - 10;
  run.session();
  expect(run.result.outcome).toBe('failed');
  expect(run.result.why).toContain(String(LIMITS.actionRpcsMax));
  expect(run.result.rpcs).toHaveLength(10);
  // Without that bound the length of names ends it.
  const deep = new Operation(box(), testWork('refresh', { path: 'Device.' }));
  deep.profile = testProfile({ walkNextLevel: true });
  deep.cpe.answer = run.cpe.answer;
  expect(deep.session().result.data.objects).toBeLessThan(LIMITS.parameterNameCharsMax);
});

test('progress is told once per change, and the result exactly once', () => {
  const run = new Operation(box(), testWork('set', { values: [{ name: 'Device.A', value: 'new' }] })).session();
  expect(run.factsOf('progress').map(({ state }) => state)).toEqual(['running', 'verifying']);
  expect(run.factsOf('result')).toHaveLength(1);
  expect(run.factsOf('result')[0]).toMatchObject({ cpeId: where.cpeId, generation: 1, result: run.result });
  const waiting = new Operation(box(), testWork('reboot', {})).session();
  for (let i = 0; i < 3; i++) waiting.session(informEvent('2 PERIODIC'));
  expect(waiting.factsOf('progress').map(({ state }) => state)).toEqual(['running', 'waiting']);
});

test('facts of an answer carry the CPE and the session they were learned in', () => {
  const run = new Operation(box(), get('Device.A')).session();
  expect(run.factsOf('values')).toEqual([{ ...where, values: [{ Name: 'Device.A', Value: '1', Type: 'xsd:string' }] }]);
});

test('a result has times and every RPC with its session', () => {
  const run = new Operation(box(), get('Device.A'));
  run.fate = (request) => (request === 0 ? 'request-lost' : 'answered');
  const startedAt = run.nowMs;
  run.session();
  run.nowMs += 5_000;
  run.session();
  expect(run.result).toMatchObject({ startedAt, endedAt: startedAt + 5_010 });
  expect(run.result.rpcs.map(({ answer, sessionId }) => [answer, sessionId])).toEqual([
    ['none', 'S1'],
    ['response', 'S2'],
  ]);
});

test('arguments that cannot be executed are refused and hold up nothing', () => {
  const run = new Operation(box(), testWork('set', {}, { priority: 90 }), get('Device.A')).session();
  expect(run.ended.map(({ result }) => result.outcome)).toEqual(['refused', 'done']);
});

test('one failed session is one attempt, and a record without a request outstanding is left alone', () => {
  const run = new Operation(box(), get('Device.A'), get('Device.B'));
  run.fate = () => 'request-lost';
  run.session().break();
  expect(run.records.map(({ attempts }) => attempts)).toEqual([1, 0]);
  expect(run.break().records.map(({ attempts }) => attempts)).toEqual([1, 0]);
});

test('planning while a request is outstanding is our own mistake, and loud', () => {
  const run = new Operation(box(), get('Device.A'));
  run.fate = () => 'request-lost';
  run.session();
  expect(() => planNext(run.records, where, run.context)).toThrow(AssertionError);
});

test('repeatable follows the RPC table', () => {
  const repeatable = (kind: 'get' | 'reboot', args: object) => {
    const run = new Operation(box(), testWork(kind, { ...args }));
    return planNext(run.records, where, run.context).send?.repeatable;
  };
  expect(repeatable('get', { names: ['Device.A'] })).toBe(true);
  expect(repeatable('reboot', {})).toBe(false);
});

test('between sessions: work in flight, and work that needs a request, needs a session', () => {
  const inFlight = new Operation(box(), get('Device.A'));
  inFlight.fate = () => 'request-lost';
  inFlight.session();
  expect(overdue(inFlight.records[0]!, inFlight.context)).toEqual({ type: 'needs-session' });
  const queued = new Operation(box(), get('Device.A'));
  expect(overdue(queued.records[0]!, queued.context)).toEqual({ type: 'needs-session' });
});

test('a task that fails by our own mistake ends as failed and says so, and other work of the CPE goes on', () => {
  const run = new Operation(
    box(),
    get('Device.A', { actionId: 'broken', priority: 90 }),
    get('Device.B', { actionId: 'good' }),
  );
  run.records = run.records.map((record) =>
    record.work.actionId === 'broken' ? { ...record, state: { phase: 'reading' } } : record,
  );
  run.session();
  const outcomes = Object.fromEntries(run.ended.map(({ work, result }) => [work.actionId, result.outcome]));
  expect(outcomes).toEqual({ broken: 'failed', good: 'done' });
});
