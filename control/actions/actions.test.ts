import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { ADMIN, CPE, inform, progress, result, type TestControl, testControl, value } from '../control.test-helper.ts';
import { evidenceHash, GENESIS } from '../evidence/chain.ts';
import { ACTION_STATES } from '../services.ts';
import { expireActions } from './end-here.ts';
import type { ActionRequest } from './request.ts';
import { mayFollow, transition } from './states.ts';

const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
const principal = ADMIN;
let control: TestControl;

beforeEach(async () => {
  control = await testControl();
  await control.send(inform({ changed: [value(SSID, 'old-name')] }));
});

async function create(request: ActionRequest, idempotencyKey?: string) {
  const made = await control.actions.create(CPE, request, { principal, idempotencyKey });
  await control.handOver.pass();
  return made;
}

test('a set goes the whole way: planned, approved, sent, running, verified, with the evidence of each', async () => {
  const request: ActionRequest = {
    kind: 'set',
    values: { 'wifi.2g.ssid': 'new-name' },
    reason: 'asked by phone',
    reference: 'T-1',
  };
  const { created, action } = await create(request);
  expect(created).toBe(true);
  expect(action).toMatchObject({
    state: 'ready',
    owner: { kind: 'person', name: 'Ada', role: 'admin', reason: 'asked by phone', reference: 'T-1' },
    object: { connector: 'cwmp', ref: CPE },
    plan: {
      risk: 'low',
      diff: [{ name: SSID, canonical: 'wifi.2g.ssid', from: 'old-name', to: 'new-name', ageSeconds: 0 }],
    },
    approvals: [{ decision: 'auto', planHash: action.plan.hash }],
    recovery: { possible: true, state: 'not-run' },
  });
  const [work] = control.bus.work();
  expect(work).toMatchObject({ actionId: action.id, kind: 'set', generation: 1, priority: 50 });
  expect(work!.args).toEqual({ values: [{ name: SSID, value: 'new-name', type: 'xsd:string', secret: false }] });
  expect(work!.commandKey).toMatch(/^[0-9A-Za-z]{1,32}$/);

  const rpc = {
    at: 1,
    method: 'SetParameterValues',
    args: {},
    answer: 'response' as const,
    durationMs: 3,
    sessionId: 's',
  };
  const after = [value(SSID, 'new-name')];
  await control.send(
    progress(work!, 'running', 'The device is in session.'),
    progress(work!, 'verifying', 'Reading back.'),
  );
  expect((await control.actions.get(action.id)).state).toBe('verifying');
  await control.send(result(work!, { before: [value(SSID, 'old-name')], after, rpcs: [rpc] }));
  const ended = await control.actions.get(action.id);
  expect(ended).toMatchObject({ state: 'done', outcome: 'done', result: { after } });
  expect(ended.evidence.map(({ kind }) => kind)).toEqual(['planned', 'approved', 'sent', 'running', 'rpc', 'result']);
  const { items } = await control.devices.timeline(CPE, {});
  const kinds = items.map(({ kind }) => kind).filter((kind) => kind.startsWith('action.'));
  expect(kinds).toEqual(['action.done', 'action.verifying', 'action.running', 'action.ready']);
  expect((await control.devices.get(CPE)).openActions).toBe(0);
});

test.each([
  ['done', 'done'],
  ['applied', 'done'],
  ['partial', 'partial'],
  ['unsupported', 'unsupported'],
  ['refused', 'refused'],
  ['failed', 'failed'],
  ['cancelled', 'cancelled'],
  ['expired', 'expired'],
] as const)('outcome %s ends an action as %s, also without progress before it', async (outcome, state) => {
  const { action } = await create({ kind: 'reboot' });
  await control.send(result(control.bus.work()[0]!, { outcome, why: 'because' }));
  expect(await control.actions.get(action.id)).toMatchObject({ state, outcome, why: 'because' });
});

test('a result for an unknown action, another generation, another device or an ended action is recorded and changes nothing', async () => {
  const { action } = await create({ kind: 'reboot' });
  const work = control.bus.work()[0]!;
  await control.send(inform({ serial: 'OTHER' }));
  await control.send(
    result({ ...work, actionId: 'UNKNOWN' }),
    result({ ...work, generation: 7 }, { outcome: 'failed' }),
    result({ ...work, cpeId: '00259E-HG8245-OTHER' }, { outcome: 'failed' }),
  );
  expect((await control.actions.get(action.id)).state).toBe('ready');
  await control.send(result(work), result(work, { outcome: 'failed' }));
  const ended = await control.actions.get(action.id);
  expect(ended).toMatchObject({ state: 'done', outcome: 'done' });
  const late = await control.context
    .sql`select action_id, body->>'why' as why from evidence where kind = 'late-result' order by seq`;
  expect(late.map(({ why }) => why)).toEqual([
    'unknown action',
    'generation 7, the action is at 1',
    `the action belongs to ${CPE}`,
    'the action is done already',
  ]);
});

test('the same idempotency key gives the same action, also to callers at the same time', async () => {
  const made = await Promise.all(Array.from({ length: 5 }, () => create({ kind: 'reboot' }, 'key-1')));
  expect(new Set(made.map(({ action }) => action.id)).size).toBe(1);
  expect(made.filter(({ created }) => created)).toHaveLength(1);
  expect((await create({ kind: 'reboot' }, 'key-2')).created).toBe(true);
  expect(control.bus.work()).toHaveLength(2);
});

test.each<[string, ActionRequest, string, RegExp]>([
  [
    'a misspelt canonical name',
    { kind: 'set', values: { 'wifi.2g.ssdi': 'x' } },
    'unknown-name',
    /Nearest names: wifi\.2g\.ssid/,
  ],
  [
    'a path of the other data model',
    { kind: 'get', names: ['Device.WiFi.'] },
    'unknown-name',
    /InternetGatewayDevice\./,
  ],
  [
    'the same parameter twice',
    { kind: 'set', values: { 'wifi.2g.ssid': 'a', [SSID]: 'b' } },
    'bad-action',
    /name it once/,
  ],
  [
    'a value for an object',
    { kind: 'set', values: { 'InternetGatewayDevice.WANDevice.': 'x' } },
    'bad-action',
    /object/,
  ],
  ['a read-only parameter', { kind: 'set', values: { 'device.serial': 'x' } }, 'read-only', /read-only/],
  ['a boolean that is none', { kind: 'set', values: { 'wifi.2g.enable': 'maybe' } }, 'bad-value', /neither true/],
  [
    'an object without its dot',
    { kind: 'add', name: 'InternetGatewayDevice.LANDevice' },
    'bad-action',
    /end with a dot/,
  ],
  [
    'an unknown file',
    { kind: 'download', fileType: '1 Firmware Upgrade Image', file: 'nope' },
    'bad-action',
    /GET \/files/,
  ],
  ['an unknown test', { kind: 'diagnose', test: 'Speed' }, 'bad-action', /IPPing/],
  ['a test without its host', { kind: 'diagnose', test: 'IPPing' }, 'bad-action', /needs Host/],
  [
    'an RPC with a wrong argument',
    { kind: 'rpc', method: 'Reboot', arguments: { Now: true } },
    'bad-action',
    /it takes CommandKey/,
  ],
  ['an RPC that CWMP lacks', { kind: 'rpc', method: 'Explode', arguments: {} }, 'bad-action', /begin with X_/],
  [
    'an RPC whose name is nearly right',
    { kind: 'rpc', method: 'GetParameterValue', arguments: {} },
    'bad-action',
    /the nearest is GetParameterValues/,
  ],
  [
    'an RPC whose arguments cannot be written',
    { kind: 'rpc', method: 'GetParameterValues', arguments: { ParameterNames: 'Device.' } },
    'bad-action',
    /ParameterNames.*a list/,
  ],
  ['a deadline in the past', { kind: 'reboot', expiresAt: '2001-01-01T00:00:00Z' }, 'bad-action', /past/],
])('%s is refused with what to do, and nothing is stored', async (_, request, code, message) => {
  await expect(create(request)).rejects.toMatchObject({ status: 422, code, message: expect.stringMatching(message) });
  expect((await control.actions.list({})).items).toEqual([]);
});

test('what the device told counts before the data model: names, objects by what lies below them, tables by their instances', async () => {
  const root = 'InternetGatewayDevice.';
  const table = `${root}WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.`;
  const requests: ActionRequest[] = [
    { kind: 'get', names: [`${root}Odd.1.Name`] },
    { kind: 'refresh', name: `${root}Odd.` },
    { kind: 'get', names: [`${root}Odd.*.Name`] },
    { kind: 'add', name: table, values: { Zone: 'lan' } },
  ];
  for (const request of requests) await expect(create(request)).rejects.toMatchObject({ code: 'unknown-name' });
  const told = [value(`${root}Odd.1.Name`, 'a'), value(`${table}7.Zone`, '4', 'xsd:unsignedInt')];
  await control.send(inform({ changed: told }));
  for (const request of requests.slice(0, 3)) expect((await create(request)).created).toBe(true);
  await expect(create(requests[3]!)).rejects.toMatchObject({ code: 'bad-value', message: /Zone is no whole number/ });
  const { action } = await create({ kind: 'add', name: table, values: { Zone: 5 } });
  const work = control.bus.work().find(({ actionId }) => actionId === action.id)!;
  expect(work.args['values']).toEqual([{ name: 'Zone', value: '5', type: 'xsd:unsignedInt', secret: false }]);
  // Other names of the same object are not known by it.
  for (const name of [`${root}Odd.1.Other`, `${root}Od.`, `${root}Odd.1.Name.Deep`])
    await expect(create({ kind: 'get', names: [name] })).rejects.toMatchObject({ code: 'unknown-name' });
});

test('a device that keeps to other values than the data model is believed', async () => {
  const wlan = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.';
  const beacon: ActionRequest = { kind: 'set', values: { [`${wlan}BeaconType`]: '11iandWPA3' } };
  await expect(create(beacon)).rejects.toMatchObject({ status: 422, code: 'bad-value', message: /one of None, Basic/ });
  await control.send(inform({ changed: [value(`${wlan}BeaconType`, 'WPA3')] }));
  expect((await create(beacon)).created).toBe(true);
});

test('names of prototypes are unknown names, SQL in names is data', async () => {
  for (const name of ['__proto__', 'constructor', 'toString', "'; drop table action; --"]) {
    const request: ActionRequest = { kind: 'get', names: [name] };
    await expect(create(request)).rejects.toMatchObject({ code: 'unknown-name' });
  }
  await expect(control.actions.create("x' or '1'='1", { kind: 'reboot' }, { principal })).rejects.toMatchObject({
    status: 404,
  });
  expect((await control.actions.list({ reference: "' or ''='" })).items).toEqual([]);
});

test('a secret is in the work alone: not in plan, request, evidence, events, results or any table', async () => {
  const secret = 'pl4nted-s3cret';
  const { action } = await create({ kind: 'set', values: { 'wifi.2g.password': secret } });
  const work = control.bus.work()[0]!;
  expect(JSON.stringify(work.args)).toContain(secret);
  const path = (work.args['values'] as { name: string }[])[0]!.name;
  await create({
    kind: 'rpc',
    method: 'SetParameterValues',
    arguments: { ParameterList: [{ Name: path, Value: secret, Type: 'xsd:string' }] },
  });
  await create({
    kind: 'download',
    fileType: '3 Vendor Configuration File',
    url: `http://u:${secret}@h/x`,
    password: secret,
  });
  await create({ kind: 'add', name: 'InternetGatewayDevice.X_Foo.', values: { Password: secret } });
  // Even an edge that forgot to redact does not get it into evidence.
  const rpc = {
    at: 1,
    method: 'SetParameterValues',
    args: { ParameterList: [value(path, secret)] },
    answer: 'response' as const,
    durationMs: 3,
    sessionId: 's',
  };
  await control.send(
    result(work, {
      before: [value(path, secret)],
      after: [value(path, secret)],
      rpcs: [rpc],
      data: { Password: secret },
    }),
  );
  expect(JSON.stringify(await control.actions.get(action.id))).not.toContain(secret);
  const { sql } = control.context;
  for (const {
    table_name,
  } of await sql`select table_name from information_schema.tables where table_schema = 'public'`) {
    for (const { row } of await sql.unsafe(`select t::text as row from "${table_name}" t`))
      expect(row, table_name).not.toContain(secret);
  }
});

test('plans of equal requests are equal but for their keys, and a different secret makes a different hash', async () => {
  const hash = async (secret: string): Promise<string> => {
    const { action } = await create({
      kind: 'add',
      name: 'InternetGatewayDevice.X_Foo.',
      values: { Password: secret },
    });
    return action.plan.hash;
  };
  expect(await hash('one')).not.toBe(await hash('two'));
});

test('an edge that does not answer gets the work when it does, once', async () => {
  control.bus.answers = false;
  const { action } = await create({ kind: 'reboot' });
  expect((await control.actions.get(action.id)).why).toMatch(/^Ready/);
  control.bus.answers = true;
  await control.handOver.pass();
  expect(control.bus.work()).toHaveLength(0); // Its claim is still leased: the first try may have arrived after all.
  control.clock.advance(60_000);
  await control.handOver.pass();
  await control.handOver.pass();
  expect(control.bus.work().map(({ actionId }) => actionId)).toEqual([action.id]);
  expect((await control.actions.get(action.id)).why).toMatch(/With edge edge1/);
});

test('cancel ends what nobody has yet, and asks the edge for what it has', async () => {
  control.bus.answers = false;
  await control.devices.setCredentials('00259E-HG8245-NEW1', { cpe: { username: 'u', password: 'p' } }, principal);
  const unsent = await control.actions.create('00259E-HG8245-NEW1', { kind: 'reboot' }, { principal });
  expect(await control.actions.cancel(unsent.action.id, principal)).toMatchObject({
    state: 'cancelled',
    outcome: 'cancelled',
  });
  await expect(control.actions.cancel(unsent.action.id, principal)).rejects.toMatchObject({
    status: 409,
    code: 'already-ended',
  });

  control.bus.answers = true;
  control.clock.advance(60_000);
  const { action } = await create({ kind: 'reboot' });
  expect(await control.actions.cancel(action.id, principal)).toMatchObject({ state: 'ready' });
  await control.handOver.pass();
  expect(control.bus.decisions.at(-1)!.decision).toEqual({
    v: 1,
    type: 'cancel',
    body: { cpeId: CPE, actionId: action.id },
  });
  const work = control.bus.work().find(({ actionId }) => actionId === action.id)!;
  await control.send(result(work, { outcome: 'cancelled', why: 'Taken back before it ran.' }));
  expect((await control.actions.get(action.id)).state).toBe('cancelled');
});

test('a cancellation waits for an edge that does not answer, and what was perhaps never there ends after a grace', async () => {
  control.bus.answers = false;
  const { action } = await create({ kind: 'reboot' });
  expect((await control.actions.cancel(action.id, principal)).state).toBe('ready');
  control.bus.answers = true;
  control.clock.advance(60_000);
  await control.handOver.pass();
  expect(control.bus.decisions.map(({ decision }) => decision.type)).toEqual(['cancel']);
  control.clock.advance(3_600_000);
  await expireActions(control.context);
  expect((await control.actions.get(action.id)).state).toBe('cancelled');
});

test('a hand-over that is slow is waited for, not repeated', async () => {
  let answer = (): void => {};
  control.bus.slow = new Promise((resolve) => {
    answer = resolve;
  });
  const { action } = await create({ kind: 'reboot' }); // Resolves after the bound on the wait.
  control.clock.advance(60_000);
  await control.handOver.pass();
  answer();
  await expect.poll(async () => (await control.actions.get(action.id)).why).toMatch(/With edge edge1/);
  control.clock.advance(60_000);
  await control.handOver.pass();
  expect(control.bus.work()).toHaveLength(1);
});

test('an action that began and was never heard of again is called failed after long silence', async () => {
  const { action } = await create({ kind: 'reboot' });
  await control.send(progress(control.bus.work()[0]!, 'waiting', 'Waits for the device to come back.'));
  control.clock.advance(3 * 24 * 3_600_000);
  await expireActions(control.context);
  expect((await control.actions.get(action.id)).state).toBe('running');
  control.clock.advance(2 * 24 * 3_600_000);
  await expireActions(control.context);
  expect(await control.actions.get(action.id)).toMatchObject({
    state: 'failed',
    why: expect.stringMatching(/look at the device/),
  });
});

test('an unsent action expires at its deadline, a sent one after a grace; the truth of the device is still heard', async () => {
  const expiresAt = new Date(control.clock.now() + 60_000).toISOString();
  const { action: sent } = await create({ kind: 'reboot', expiresAt });
  await control.devices.setCredentials('00259E-HG8245-NEW1', {}, principal);
  const { action: unsent } = await control.actions.create(
    '00259E-HG8245-NEW1',
    { kind: 'reboot', expiresAt },
    { principal },
  );
  control.clock.advance(61_000);
  await expireActions(control.context);
  expect((await control.actions.get(unsent.id)).state).toBe('expired');
  expect((await control.actions.get(sent.id)).state).toBe('ready');
  control.clock.advance(3_600_000);
  await expireActions(control.context);
  expect((await control.actions.get(sent.id)).state).toBe('expired');
  await control.send(result(control.bus.work()[0]!, { why: 'It did run in time.' }));
  expect(await control.actions.get(sent.id)).toMatchObject({ state: 'done', why: 'It did run in time.' });
});

test('waiting ends with the action, with its time, or with the caller', async () => {
  const { action } = await create({ kind: 'reboot' });
  const waiting = control.actions.waitForEnd(action.id, 60_000);
  await control.send(progress(control.bus.work()[0]!, 'running', 'In session.'));
  await control.send(result(control.bus.work()[0]!));
  expect((await waiting).state).toBe('done');
  expect((await control.actions.waitForEnd(action.id, 60_000)).state).toBe('done');
  const { action: open } = await create({ kind: 'reboot' });
  expect((await control.actions.waitForEnd(open.id, 20)).state).toBe('ready');
  const caller = new AbortController();
  const left = control.actions.waitForEnd(open.id, 60_000, caller.signal);
  caller.abort();
  expect((await left).state).toBe('ready');
  await expect(control.actions.waitForEnd('NOPE', 60_000)).rejects.toMatchObject({ status: 404 });
});

test('wake goes out with the work, and its own way when asked', async () => {
  await create({ kind: 'get', names: ['wifi.2g.ssid'], wake: true });
  expect(control.bus.decisions.map(({ decision }) => decision.type)).toEqual(['work', 'wake']);
  expect(control.bus.work()[0]!.priority).toBe(90);
  expect(await control.devices.wake(CPE, principal)).toEqual({ requested: true, edgeId: 'edge1' });
  expect(control.bus.decisions.at(-1)!.decision.type).toBe('wake');
});

test('evidence is a chain that no statement can change', async () => {
  await create({ kind: 'reboot' });
  await control.send(result(control.bus.work()[0]!, { data: { z: 1, a: { c: 2.5, b: null } } }));
  const { sql } = control.context;
  const rows = await sql`select seq, action_id, at, kind, body, prev_hash, hash from evidence order by seq`;
  let hash = GENESIS;
  for (const { seq, action_id, at, kind, body, ...row } of rows) {
    expect(row['prev_hash']).toBe(hash);
    hash = evidenceHash(hash, { seq: Number(seq), actionId: action_id, at: at.toISOString(), kind, body });
    expect(row['hash']).toBe(hash);
  }
  expect(rows.length).toBeGreaterThan(3);
  await expect(sql`update evidence set kind = 'sent'`).rejects.toThrow(/append-only/);
  await expect(sql`delete from evidence`).rejects.toThrow(/append-only/);
});

test('pages of actions follow each other without a gap, newest first, and forged cursors are refused', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) {
    control.clock.advance(1);
    ids.unshift((await create({ kind: 'reboot' })).action.id);
  }
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await control.actions.list({ limit: 3, cursor, deviceId: CPE, kind: 'reboot', state: 'ready' });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  expect(seen).toEqual(ids);
  await expect(control.actions.list({ cursor: "' or 1=1" })).rejects.toMatchObject({ status: 400, code: 'bad-cursor' });
});

test('approval, rejection and recovery answer with what the state allows', async () => {
  const { action } = await create({ kind: 'reboot' });
  await expect(control.actions.approve(action.id, action.plan.hash, principal)).rejects.toMatchObject({
    status: 409,
    code: 'not-awaiting-approval',
  });
  await expect(control.actions.reject(action.id, 'no', principal)).rejects.toMatchObject({
    status: 409,
    code: 'not-awaiting-approval',
  });
  await expect(control.actions.recover(action.id, principal)).rejects.toMatchObject({
    status: 409,
    code: 'not-recoverable',
  });
});

test('the transition function allows what the drawing has and throws for all else', () => {
  fc.assert(
    fc.property(fc.constantFrom(...ACTION_STATES), fc.constantFrom(...ACTION_STATES), (from, to) => {
      if (mayFollow(from, to)) expect(transition('x', from, to)).toBe(to);
      else expect(() => transition('x', from, to)).toThrow(`cannot go from ${from} to ${to}`);
    }),
  );
  for (const state of ACTION_STATES) expect(mayFollow(state, 'planned')).toBe(false);
});
