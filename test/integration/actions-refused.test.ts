// Actions that go wrong, are taken back, or must first reach a CPE that does not answer: what the caller is told, and what the timeline
// keeps. Against `starling up` as a process, PostgreSQL and simulated CPEs.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { valuesToSet } from '../../bench/fleet/acs-message.ts';
import type { Hooks } from '../../bench/fleet/behaviour.ts';
import { misbehaviourOf } from '../../bench/fleet/misbehaviour.ts';
import type { ActionDetail } from '../../control/services.ts';
import { ActionStage, type Device, MODELS, PATHS } from './actions.test-helper.ts';

let stage: ActionStage;
beforeAll(async () => {
  stage = await ActionStage.open();
});
afterAll(() => stage.close());

/** What the device's timeline says of its connection requests, oldest first. */
async function wakes(device: Device): Promise<string[]> {
  return (await stage.timeline(device.id)).filter(({ kind }) => kind === 'wake').map(({ summary }) => summary);
}

/** Makes an action that nobody comes to run, or that is looked at while it waits. */
const make = (device: Device, body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  stage.api('POST', `/devices/${device.id}/actions`, body, headers);

/** A CPE with rules of its own about parameters that end in `leaf`. */
const refusing = (code: number, text: string, leaf: string): Hooks => ({
  execute(method, args) {
    const bad = method === 'SetParameterValues' ? valuesToSet(args).filter(({ Name }) => Name.endsWith(leaf)) : [];
    if (bad.length === 0) return null;
    return {
      ok: false,
      code: 9003,
      text: 'Invalid arguments',
      parameters: bad.map(({ Name }) => ({ name: Name, code, text })),
    };
  },
});

test.each(MODELS)('unknown on %s: a parameter the CPE does not have is unsupported, and named', async (model) => {
  const device = await stage.device(model);
  const path = `${device.cpe.tree.root}Time.NTPServer5`;
  const got = await stage.act(device, { kind: 'get', names: [path, PATHS[model].ssid] });
  expect(got).toMatchObject({ state: 'partial', why: expect.stringContaining(path) });
  expect(got.result?.items).toContainEqual(expect.objectContaining({ name: path, status: 'unknown', faultCode: 9005 }));
  await stage.checkRecord(got);
  const set = await stage.act(device, { kind: 'set', values: { [path]: 'x' } });
  expect(set).toMatchObject({ state: 'unsupported', why: expect.stringContaining('9005') });
  await stage.checkRecord(set);
  const table = `${device.cpe.tree.root}PeriodicStatistics.SampleSet.`;
  const added = await stage.act(device, { kind: 'add', name: table });
  expect(added).toMatchObject({ state: 'unsupported', result: { fault: { FaultCode: 9005 } } });
  await stage.checkRecord(added);
});

test.each(MODELS)(
  'unknown on %s: a name that no data model has is refused by the plan, until the CPE tells it',
  async (model) => {
    const device = await stage.device(model);
    const { root } = device.cpe.tree;
    const path = `${root}DeviceInfo.SerialNumbr`;
    const body = { kind: 'get' as const, names: [path] };
    expect(await make(device, body)).toMatchObject({
      status: 422,
      body: { error: { code: 'unknown-name', message: expect.stringContaining(`${root}DeviceInfo.SerialNumber`) } },
    });
    device.cpe.tree.plant(path, { value: 'odd' });
    await stage.act(device, { kind: 'refresh', name: `${root}DeviceInfo.` });
    expect(await stage.act(device, body)).toMatchObject({ state: 'done' });
  },
);

test('unknown: a canonical name that may be elsewhere on a CPE nobody has refreshed says so, and the refresh helps', async () => {
  const device = await stage.device('tr098');
  const first = await stage.act(device, { kind: 'set', values: { 'wifi.5g.ssid': 'Fast' } });
  expect(first).toMatchObject({ state: 'unsupported', why: expect.stringContaining('refresh the device') });
  await stage.act(device, { kind: 'refresh', name: PATHS.tr098.wifi });
  expect(await stage.act(device, { kind: 'set', values: { 'wifi.5g.ssid': 'Fast' } })).toMatchObject({ state: 'done' });
});

/** Writable by the data models, and not on the simulated CPE. */
const READ_ONLY = {
  tr098: 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.MACAddress',
  tr181: 'Device.Ethernet.Link.1.MACAddress',
} as const;

test.each(MODELS)('read-only on %s: refused by the CPE, and from then on by the plan', async (model) => {
  const device = await stage.device(model);
  const path = READ_ONLY[model];
  const request = { kind: 'set' as const, values: { [path]: '02:00:00:00:00:01' } };
  const first = await stage.act(device, request);
  expect(first).toMatchObject({ state: 'refused', why: expect.stringContaining(path) });
  await stage.checkRecord(first);
  await stage.act(device, { kind: 'refresh', name: path.replace('MACAddress', '') });
  expect(await make(device, request)).toMatchObject({ status: 422, body: { error: { code: 'read-only' } } });
});

/** Security modes that the data models have, and not the simulated CPE. */
const MODE = {
  tr098: { path: 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.BeaconType', value: 'BasicandWPA' },
  tr181: { path: 'Device.WiFi.AccessPoint.1.Security.ModeEnabled', value: 'OWE' },
} as const;

test.each(MODELS)(
  'bad value on %s: refused by the plan when type or data model tell, by the CPE when only its own rule does',
  async (model) => {
    const device = await stage.device(model);
    const bad = { 'wifi.2g.channel': 'eleven', 'wifi.2g.ssid': 'x'.repeat(33), 'wifi.2g.security': 'WPA9' };
    for (const [name, value] of Object.entries(bad)) {
      expect(await make(device, { kind: 'set', values: { [name]: value } })).toMatchObject({
        status: 422,
        body: { error: { code: 'bad-value', message: expect.stringContaining(name) } },
      });
    }
    const { path, value } = MODE[model];
    const asked = await stage.act(device, { kind: 'set', values: { 'wifi.2g.security': value } });
    expect(asked).toMatchObject({
      state: 'refused',
      result: { items: [{ name: path, status: 'refused', faultCode: 9007 }] },
    });
    expect(asked.why).toContain('9007');
    await stage.checkRecord(asked);
  },
);

test.each(MODELS)('refusing CPE on %s: nothing is changed, and the fault of each parameter is shown', async (model) => {
  const device = await stage.device(model, { misbehaviours: [refusing(9001, 'Request denied', 'SSID')] });
  const before = device.value(PATHS[model].ssid);
  const action = await stage.act(device, { kind: 'set', values: { 'wifi.2g.ssid': 'New', 'wifi.2g.channel': 11 } });
  expect(action).toMatchObject({ state: 'refused', why: expect.stringContaining('Request denied') });
  expect(action.result?.items).toContainEqual(
    expect.objectContaining({ name: PATHS[model].ssid, status: 'refused', faultCode: 9001 }),
  );
  expect(device.value(PATHS[model].ssid)).toBe(before);
  await stage.checkRecord(action);
});

test.each(MODELS)('a value that does not stick on %s is refused, with what the CPE shows instead', async (model) => {
  const device = await stage.device(model, { misbehaviours: [misbehaviourOf('values-forgotten')] });
  const before = device.value(PATHS[model].ssid)!;
  const action = await stage.act(device, { kind: 'set', values: { 'wifi.2g.ssid': 'New' } });
  expect(action).toMatchObject({ state: 'refused', why: expect.stringContaining('did not take') });
  expect(action.result?.after).toEqual([expect.objectContaining({ Value: before })]);
  await stage.checkRecord(action);
});

test.each(MODELS)('partial on %s: an instance that was made, but not with all its values', async (model) => {
  const device = await stage.device(model, { misbehaviours: [refusing(9007, 'Port in use', 'ExternalPort')] });
  const add = (ExternalPort: number) => ({
    kind: 'add' as const,
    name: PATHS[model].mappings,
    values: { ExternalPort },
  });
  expect(await make(device, add(-1))).toMatchObject({ status: 422, body: { error: { code: 'bad-value' } } });
  const action = await stage.act(device, add(8_443));
  expect(action).toMatchObject({ state: 'partial', result: { data: { InstanceNumber: expect.any(Number) } } });
  expect(action.why).toContain('was made');
  await stage.checkRecord(action);
});

test('passwords: a CPE that masks secrets is told apart from one that did not take them', async () => {
  const device = await stage.device('tr181', { misbehaviours: [misbehaviourOf('passwords-masked')] });
  const action = await stage.act(device, { kind: 'set', values: { 'wifi.2g.password': 'correct horse' } });
  expect(action).toMatchObject({ outcome: 'applied', state: 'done' });
  expect(stage.said.join()).not.toContain('correct horse');
});

test('cancel: before it ran it is cancelled for good, after its end it is a 409', async () => {
  const device = await stage.device('tr098');
  const { body } = await make(device, { kind: 'reboot' });
  expect(body).toMatchObject({ state: 'ready' });
  const look = async () => (await stage.api('GET', `/actions/${body.id}`)).body;
  // With its edge, which has to be asked: before it is there it just ends.
  await expect.poll(async () => (await look()).evidence.at(-1).kind, { timeout: 10_000 }).toBe('sent');
  await stage.api('POST', `/actions/${body.id}/cancel`, {});
  await expect.poll(async () => (await look()).state, { timeout: 10_000 }).toBe('cancelled');
  const ended = (await look()) as ActionDetail;
  expect(ended.why).toMatch(/cancel/i);
  expect(ended.evidence.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['planned', 'approved', 'cancel-asked']),
  );
  await device.cpe.inform();
  expect(device.cpe.sessions.at(-1)?.requests).toEqual([]);
  const again = await stage.api('POST', `/actions/${body.id}/cancel`, {});
  expect(again).toMatchObject({
    status: 409,
    body: { error: { code: 'already-ended', message: expect.stringContaining('cancelled') } },
  });
});

test('expire: an action whose device does not come in time has expired, and says why', async () => {
  const device = await stage.device('tr181');
  const expiresAt = new Date(Date.now() + 1_000).toISOString();
  const { body, status } = await stage.api('POST', `/devices/${device.id}/actions?wait=20`, {
    kind: 'reboot',
    expiresAt,
  });
  expect(status).toBe(201);
  expect(body).toMatchObject({ state: 'expired', outcome: 'expired' });
  expect(body.why).toContain('nothing was sent');
  await device.cpe.inform();
  expect(device.cpe.sessions.at(-1)?.requests).toEqual([]);
  const past = await make(device, { kind: 'reboot', expiresAt: '2020-01-01T00:00:00Z' });
  expect(past).toMatchObject({ status: 422, body: { error: { message: expect.stringContaining('past') } } });
});

test('Idempotency-Key: repeated is the same action once, with another body a conflict', async () => {
  const device = await stage.device('tr098');
  const key = { 'idempotency-key': 'order-4711' };
  const body = { kind: 'set', wake: true, values: { 'wifi.2g.ssid': 'Once' } };
  const path = `/devices/${device.id}/actions?wait=20`;
  const first = await stage.api('POST', path, body, key);
  const second = await stage.api('POST', path, body, key);
  expect([first.status, second.status]).toEqual([201, 200]);
  expect(second.body.id).toBe(first.body.id);
  expect(second.body.state).toBe('done');
  const { body: all } = await stage.api('GET', `/actions?deviceId=${device.id}&kind=set`);
  expect(all.items.filter(({ owner }: ActionDetail) => owner.kind === 'person')).toHaveLength(1);
  const other = await stage.api('POST', path, { ...body, values: { 'wifi.2g.ssid': 'Twice' } }, key);
  expect(other.status).toBe(422);
  expect(other.body.error.message).toMatch(/Idempotency-Key/);
});

test.each(MODELS)(
  'first contact on %s: credentials are set in the first session, and the wake answers their Digest challenge',
  async (model) => {
    const device = await stage.device(model);
    const [first] = device.cpe.sessions;
    expect(first?.events.map(({ EventCode }) => EventCode)).toContain('0 BOOTSTRAP');
    expect(first?.requests.map(({ method }) => method)).toContain('SetParameterValues');
    const { body } = await stage.api('GET', `/devices/${device.id}/credentials`);
    const management = `${device.cpe.tree.root}ManagementServer.`;
    expect(device.value(`${management}ConnectionRequestUsername`)).toBe(body.connectionRequest[0].username);
    const password = device.value(`${management}ConnectionRequestPassword`)!;
    expect(password.length).toBeGreaterThanOrEqual(20);
    const sessions = device.cpe.sessions.length;
    const woken = await stage.api('POST', `/devices/${device.id}/wake`, {});
    expect(woken).toMatchObject({ status: 202, body: { requested: true } });
    await device.cpe.waitFor((cpe) => cpe.sessions.length > sessions);
    expect(device.cpe.sessions.at(-1)?.events.map(({ EventCode }) => EventCode)).toEqual(['6 CONNECTION REQUEST']);
    expect(device.cpe.gate.counts).toMatchObject({ challenged: 1, accepted: 1, refused: 0 });
    await expect.poll(() => wakes(device)).toEqual([expect.stringContaining('accepted')]);
    expect(stage.said.join()).not.toContain(password);
    expect(stage.starling.log()).not.toContain(password);
  },
);

test('wake of a CPE that is down: unreachable, in the timeline; the action stays ready', async () => {
  // A port that was just given back: nobody listens there.
  const probe = createServer();
  await new Promise<void>((listening) => probe.listen(0, '127.0.0.1', listening));
  const { port } = probe.address() as AddressInfo;
  await new Promise((closed) => probe.close(closed));
  const nobody = { traits: { connectionRequestUrl: () => `http://127.0.0.1:${port}/` } };
  const device = await stage.device('tr098', { misbehaviours: [nobody] });
  const action = await stage.act(device, { kind: 'reboot' }, 0);
  await expect.poll(() => wakes(device)).toEqual([expect.stringMatching(/unreachable: \S/)]);
  expect((await stage.api('GET', `/actions/${action.id}`)).body).toMatchObject({ state: 'ready' });
  await device.cpe.inform();
  await expect
    .poll(async () => (await stage.api('GET', `/actions/${action.id}`)).body.state, { timeout: 10_000 })
    .toBe('done');
});

test('wake of a CPE that is busy: busy, in the timeline; the action runs when the CPE comes by itself', async () => {
  const device = await stage.device('tr181', { misbehaviours: [{ traits: { connectionRequestStatus: 503 } }] });
  const action = await stage.act(device, { kind: 'get', names: ['wifi.2g.ssid'] }, 0);
  await expect.poll(() => wakes(device)).toEqual([expect.stringMatching(/busy: \S/)]);
  await device.cpe.inform();
  await expect
    .poll(async () => (await stage.api('GET', `/actions/${action.id}`)).body.state, { timeout: 10_000 })
    .toBe('done');
});

test('wake of a CPE with other credentials: unauthorized, in the timeline, and new ones are set when it comes', async () => {
  const own = { traits: { connectionRequestCredentials: { username: 'somebody', password: 'else' } } };
  const device = await stage.device('tr098', { misbehaviours: [own] });
  const before = (await stage.api('GET', `/devices/${device.id}/credentials`)).body.connectionRequest[0].username;
  expect((await stage.api('POST', `/devices/${device.id}/wake`, {})).status).toBe(202);
  await expect.poll(() => wakes(device)).toEqual([expect.stringMatching(/unauthorized: \S/)]);
  await expect.poll(async () => (await stage.api('GET', `/devices/${device.id}`)).body.openActions).toBe(1);
  const now = (await stage.api('GET', `/devices/${device.id}/credentials`)).body.connectionRequest[0].username;
  expect(now).not.toBe(before);
  // It cannot be woken, so it comes when it comes: the first time perhaps before its edge was given the action.
  const comes = async (): Promise<string | undefined> => {
    await device.cpe.inform();
    return device.value('InternetGatewayDevice.ManagementServer.ConnectionRequestUsername');
  };
  await expect.poll(comes, { timeout: 10_000 }).toBe(now);
});
