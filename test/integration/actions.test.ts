// Every kind of action on a CPE of each data model, from the API down to the CPE's own tree and back into evidence, with nothing replaced:
// `starling up` as a process, PostgreSQL, sockets. What goes wrong is in actions-refused.test.ts.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ActionStage, MODELS, PATHS } from './actions.test-helper.ts';

const SECRET = 'k3ep-Out-0f-L0gs';

let stage: ActionStage;
let fileServer: Server;
let fileUrl = '';
beforeAll(async () => {
  stage = await ActionStage.open({ STARLING_LOG_LEVEL: 'debug' });
  fileServer = createServer((request, response) => {
    request.resume();
    if (request.url === '/broken') response.writeHead(500).end();
    else response.writeHead(200).end(request.url === '/empty' ? '' : Buffer.alloc(2_000, 0x55));
  });
  await new Promise<void>((listening) => fileServer.listen(0, '127.0.0.1', listening));
  fileUrl = `http://127.0.0.1:${(fileServer.address() as AddressInfo).port}`;
});
afterAll(async () => {
  fileServer.close();
  await stage.close();
});

test.each(MODELS)('get on %s: a path, a partial path and a canonical name', async (model) => {
  const device = await stage.device(model);
  const { ssid, wifi } = PATHS[model];
  const action = await stage.act(device, {
    kind: 'get',
    names: [ssid, wifi, 'device.software-version'],
  });
  expect(action).toMatchObject({ state: 'done', outcome: 'done' });
  await stage.checkRecord(action);
  const after = new Map(action.result!.after.map(({ Name, Value }) => [Name, Value]));
  expect(after.get(ssid)).toBe(device.value(ssid));
  expect(after.get(PATHS[model].softwareVersion)).toBe(device.value(PATHS[model].softwareVersion));
  expect([...after.keys()].filter((name) => name.startsWith(wifi)).length).toBeGreaterThan(20);
  // What was read tells which of the places of a canonical name this device has.
  expect(await stage.act(device, { kind: 'get', names: ['wifi.5g.ssid'] })).toMatchObject({ state: 'done' });
  const [shown] = await stage.parameters(device.id, 'wifi.2g.ssid');
  expect(shown).toMatchObject({ name: ssid, canonical: 'wifi.2g.ssid', value: device.value(ssid) });
});

test.each(MODELS)('set on %s: several values are written, read back, and could be taken back', async (model) => {
  const device = await stage.device(model);
  const { ssid, wifi } = PATHS[model];
  const before = device.value(ssid);
  await stage.act(device, { kind: 'get', names: [wifi] });
  const values = { 'wifi.2g.ssid': 'Café <&> "1"', 'wifi.2g.channel': 11, 'wifi.5g.ssid': 'Five' };
  const action = await stage.act(device, { kind: 'set', values, reason: 'The customer asked.', reference: 'T-17' });
  expect(action).toMatchObject({
    state: 'done',
    outcome: 'done',
    owner: { reason: 'The customer asked.', reference: 'T-17' },
  });
  await stage.checkRecord(action);
  expect(device.value(ssid)).toBe('Café <&> "1"');
  expect(action.plan.diff.find(({ canonical }) => canonical === 'wifi.2g.ssid')).toMatchObject({
    from: before,
    to: 'Café <&> "1"',
  });
  expect(action.recovery).toMatchObject({ possible: true, text: expect.stringContaining('3 values') });
  expect(action.result?.before.find(({ Name }) => Name === ssid)?.Value).toBe(before);
  expect(action.result?.after.find(({ Name }) => Name === ssid)?.Value).toBe('Café <&> "1"');
  const [shown] = await stage.parameters(device.id, 'wifi.2g.ssid');
  expect(shown?.value).toBe('Café <&> "1"');
  const again = await stage.act(device, { kind: 'set', values });
  expect(again).toMatchObject({ outcome: 'done' });
  expect(again.result?.rpcs.map(({ method }) => method)).not.toContain('SetParameterValues');
});

test.each(MODELS)('set on %s: a secret reaches the CPE and is shown nowhere', async (model) => {
  const device = await stage.device(model);
  const secret = `${SECRET}-${model}`;
  const action = await stage.act(device, { kind: 'set', values: { 'wifi.2g.password': secret } });
  expect(action).toMatchObject({ state: 'done' });
  await stage.checkRecord(action);
  expect(device.value(PATHS[model].password)).toBe(secret);
  expect(action.request).toEqual({ values: { 'wifi.2g.password': '••••' } });
  expect(action.plan.diff).toEqual([expect.objectContaining({ to: '••••' })]);
  const [shown] = await stage.parameters(device.id, 'wifi.2g.password');
  // This CPE answers '' when it is asked for a secret, as TR-069 wants it.
  expect(shown).toMatchObject({ value: '', secret: true });
  await stage.act(device, { kind: 'get', names: ['wifi.2g.password', PATHS[model].wifi] });
  await stage.timeline(device.id);
  await stage.api('GET', '/actions?limit=500');
});

test.each(MODELS)('refresh on %s: the whole tree, then a subtree', async (model) => {
  const device = await stage.device(model);
  const action = await stage.act(device, { kind: 'refresh' });
  expect(action).toMatchObject({ state: 'done' });
  await stage.checkRecord(action);
  const leaves = [...device.cpe.tree.paths()].filter((path) => !path.endsWith('.'));
  const shown: string[] = [];
  let cursor = '';
  do {
    const { body } = await stage.api('GET', `/devices/${device.id}/parameters?limit=500${cursor}`);
    shown.push(...body.items.map(({ name }: { name: string }) => name));
    cursor = body.next === null ? '' : `&cursor=${body.next}`;
  } while (cursor !== '');
  expect(shown.filter((name) => !name.endsWith('.')).sort()).toEqual(leaves.sort());

  device.cpe.tree.set(PATHS[model].ssid, 'Changed by hand');
  const part = await stage.act(device, { kind: 'refresh', name: PATHS[model].wifi });
  expect(part.state).toBe('done');
  const methods = part.result!.rpcs.map(({ method }) => method);
  expect(new Set(methods)).toEqual(new Set(['GetParameterNames', 'GetParameterValues']));
  expect((await stage.parameters(device.id, 'wifi.2g.ssid'))[0]?.value).toBe('Changed by hand');
});

test.each(MODELS)('refresh on %s: a tree of 3,000 parameters', async (model) => {
  const device = await stage.device(model, { parameters: 3_000 });
  const action = await stage.act(device, { kind: 'refresh' });
  expect(action).toMatchObject({ state: 'done' });
  expect((action.result!.data as { values: number }).values).toBeGreaterThanOrEqual(3_000);
  await stage.checkRecord(action);
});

test.each(MODELS)('add on %s makes an instance with values, delete takes it away', async (model) => {
  const device = await stage.device(model);
  const { mappings, mapping } = PATHS[model];
  const added = await stage.act(device, { kind: 'add', name: mappings, values: mapping });
  expect(added).toMatchObject({ state: 'done', recovery: { possible: true } });
  await stage.checkRecord(added);
  const { object, InstanceNumber } = added.result!.data as { object: string; InstanceNumber: number };
  expect(object).toBe(`${mappings}${InstanceNumber}.`);
  expect(device.value(`${object}ExternalPort`)).toBe('8443');
  const names = async () => (await stage.parameters(device.id, object)).map(({ name }) => name);
  expect(await names()).toContain(`${object}ExternalPort`);

  const deleted = await stage.act(device, { kind: 'delete', name: object });
  // All of it is known, so it could be made anew.
  expect(deleted).toMatchObject({ state: 'done', recovery: { possible: true } });
  await stage.checkRecord(deleted);
  expect(deleted.result?.before.find(({ Name }) => Name === `${object}ExternalPort`)?.Value).toBe('8443');
  expect(device.value(`${object}ExternalPort`)).toBeUndefined();
  expect(await names()).toEqual([]);
});

test.each(MODELS)('reboot on %s ends with the boot that tells its CommandKey', async (model) => {
  const device = await stage.device(model);
  const action = await stage.act(device, { kind: 'reboot' });
  expect(action).toMatchObject({ state: 'done', plan: { impact: { reboot: true, serviceCut: true }, risk: 'medium' } });
  await stage.checkRecord(action);
  const booted = device.cpe.sessions.find(({ events }) =>
    events.some(({ CommandKey }) => CommandKey === action.commandKey),
  );
  expect(booted?.events.map(({ EventCode }) => EventCode)).toEqual(expect.arrayContaining(['1 BOOT', 'M Reboot']));
});

test.each(MODELS)(
  'factory-reset on %s: control forgets what it knew, and gives new connection-request credentials',
  async (model) => {
    const device = await stage.device(model);
    const { ssid } = PATHS[model];
    const factory = device.value(ssid);
    await stage.act(device, { kind: 'refresh' });
    await stage.act(device, { kind: 'set', values: { 'wifi.2g.ssid': 'Mine' } });
    const before = await stage.api('GET', `/devices/${device.id}/credentials`);
    const action = await stage.act(device, { kind: 'factory-reset' });
    expect(action).toMatchObject({ state: 'done', plan: { risk: 'high' } });
    await stage.checkRecord(action);
    expect(device.value(ssid)).toBe(factory);
    // The value set before is gone with the tree, and so is the rest that the first Inform does not tell anew.
    expect(await stage.parameters(device.id, PATHS[model].wifi)).toEqual([]);
    expect((await stage.timeline(device.id)).map(({ kind }) => kind)).toContain('bootstrap');
    await expect
      .poll(async () => (await stage.api('GET', `/devices/${device.id}`)).body.openActions, { timeout: 10_000 })
      .toBe(0);
    const after = await stage.api('GET', `/devices/${device.id}/credentials`);
    expect(after.body.connectionRequest[0].username).not.toBe(before.body.connectionRequest[0].username);
    expect(device.value(`${device.cpe.tree.root}ManagementServer.ConnectionRequestUsername`)).toBe(
      after.body.connectionRequest[0].username,
    );
    expect(await stage.act(device, { kind: 'get', names: ['wifi.2g.ssid'] })).toMatchObject({ state: 'done' });
  },
);

async function uploadFile(name: string, fileType: string, bytes: Buffer): Promise<{ id: string; sha256: string }> {
  const query = new URLSearchParams({ name, fileType });
  const response = await fetch(`${stage.starling.httpUrl}/api/v1/files?${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stage.starling.token}`, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(bytes),
  });
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string; sha256: string };
}

test.each(MODELS)('download on %s: firmware given to the API changes SoftwareVersion', async (model) => {
  const device = await stage.device(model);
  const image = Buffer.concat([Buffer.from('version=9.9.1\n'), Buffer.alloc(300_000, 7)]);
  const file = await uploadFile('image.bin', '1 Firmware Upgrade Image', image);
  const action = await stage.act(device, { kind: 'download', fileType: '1 Firmware Upgrade Image', file: file.id });
  expect(action).toMatchObject({ state: 'done', plan: { risk: 'high', impact: { reboot: true } } });
  await stage.checkRecord(action);
  expect(device.cpe.transfers.done[0]).toMatchObject({ bytes: image.length, sha256: file.sha256, faultCode: 0 });
  const version = async () => (await stage.api('GET', `/devices/${device.id}`)).body.softwareVersion;
  await expect.poll(version, { timeout: 10_000 }).toBe('9.9.1');
  // The signed address is an entry ticket: it stays out of the record.
  expect(JSON.stringify(action)).not.toMatch(/files\/[^"]*sig/i);
});

test.each(MODELS)('download on %s: a configuration file takes effect', async (model) => {
  const device = await stage.device(model);
  const file = await uploadFile(
    'config.txt',
    '3 Vendor Configuration File',
    Buffer.from(`${PATHS[model].ssid}=From the file\n`),
  );
  const action = await stage.act(device, { kind: 'download', fileType: '3 Vendor Configuration File', file: file.id });
  expect(action.state).toBe('done');
  expect(device.value(PATHS[model].ssid)).toBe('From the file');
});

test.each([
  ['tr098', 'broken', 9010],
  ['tr181', 'broken', 9010],
  ['tr098', 'empty', 9018],
  ['tr181', 'empty', 9018],
] as const)('download on %s: a %s file fails with fault %i', async (model, path, code) => {
  const device = await stage.device(model);
  const request = { kind: 'download', fileType: '3 Vendor Configuration File', url: `${fileUrl}/${path}` } as const;
  const action = await stage.act(device, { ...request, username: 'files', password: `${SECRET}-url` });
  expect(action).toMatchObject({ state: 'failed', outcome: 'failed', result: { fault: { FaultCode: code } } });
  expect(action.why).toContain(String(code));
  await stage.checkRecord(action);
  const transfer = (await stage.timeline(device.id)).find(({ kind }) => kind === 'transfer');
  expect(transfer?.summary).toContain(String(code));
});

test.each(MODELS)('upload on %s: the file is listed, and its bytes are those the CPE sent', async (model) => {
  const device = await stage.device(model);
  const action = await stage.act(device, { kind: 'upload', fileType: '1 Vendor Configuration File' });
  expect(action).toMatchObject({ state: 'done' });
  await stage.checkRecord(action);
  const sent = device.cpe.transfers.done[0]!;
  const { body } = await stage.api('GET', '/files?limit=500');
  const file = body.items.find((one: { actionId: string | null }) => one.actionId === action.id);
  expect(file).toMatchObject({
    source: 'device',
    deviceId: device.id,
    bytes: sent.bytes,
    sha256: sent.sha256,
    fileType: '1 Vendor Configuration File',
  });
  // The same bytes go out again to another CPE.
  const other = await stage.device(model);
  const back = await stage.act(other, { kind: 'download', fileType: '3 Vendor Configuration File', file: file.id });
  expect(back.state).toBe('done');
  expect(other.cpe.transfers.done[0]).toMatchObject({ bytes: sent.bytes, sha256: sent.sha256 });
});

const TESTS = [
  ['IPPing', { Host: '192.0.2.1', NumberOfRepetitions: 3 }, { SuccessCount: '3', FailureCount: '0' }],
  ['TraceRoute', { Host: '192.0.2.1', MaxHopCount: 20 }, { RouteHopsNumberOfEntries: expect.stringMatching(/^\d+$/) }],
  ['Download', {}, { TestBytesReceived: '2000' }],
  ['Upload', { TestFileLength: 4_000 }, { EOMTime: expect.stringMatching(/^20/) }],
  ['NSLookup', { HostName: 'www.example.com' }, { SuccessCount: expect.stringMatching(/^\d+$/) }],
] as const;

test.each(MODELS.flatMap((model) => TESTS.map((row) => [row[0], model, row[1], row[2]] as const)))(
  'diagnose %s on %s',
  async (name, model, inputs, results) => {
    const device = await stage.device(model);
    const url =
      { Download: { DownloadURL: `${fileUrl}/2000` }, Upload: { UploadURL: `${fileUrl}/put` } }[name as string] ?? {};
    const action = await stage.act(device, { kind: 'diagnose', test: name, ...inputs, ...url });
    expect(action).toMatchObject({ state: 'done', outcome: 'done', result: { data: { test: name, results } } });
    await stage.checkRecord(action);
    const { rows } = action.result!.data as { rows: Record<string, string>[] };
    if (name === 'TraceRoute')
      expect(rows[0]).toMatchObject({ Host: expect.stringMatching(/./), HostAddress: '203.0.113.1' });
    if (name === 'NSLookup') expect(rows[0]).toMatchObject({ Status: 'Success' });
  },
);

test.each(MODELS)('diagnose on %s: an Error_ state is a failed action that names it', async (model) => {
  const device = await stage.device(model);
  const action = await stage.act(device, { kind: 'diagnose', test: 'IPPing', Host: 'nowhere.invalid' });
  expect(action).toMatchObject({ state: 'failed', result: { data: { state: 'Error_CannotResolveHostName' } } });
  expect(action.why).toContain('could not resolve the host name');
  await stage.checkRecord(action);
});

test.each(MODELS)('schedule-inform on %s ends with 3 SCHEDULED', async (model) => {
  const device = await stage.device(model);
  const action = await stage.act(device, { kind: 'schedule-inform', delaySeconds: 1 });
  expect(action).toMatchObject({ state: 'done' });
  await stage.checkRecord(action);
  const events = device.cpe.sessions.flatMap((session) => session.events.map(({ EventCode }) => EventCode));
  expect(events).toContain('3 SCHEDULED');
});

test.each(MODELS)(
  'rpc on %s: GetRPCMethods, SetParameterAttributes, and a vendor method the CPE does not know',
  async (model) => {
    const device = await stage.device(model);
    const methods = await stage.act(device, { kind: 'rpc', method: 'GetRPCMethods' });
    expect(methods).toMatchObject({
      state: 'done',
      result: { data: { MethodList: expect.arrayContaining(['GetParameterValues', 'Download']) } },
    });
    await stage.checkRecord(methods);

    const { ssid } = PATHS[model];
    const attribute = {
      Name: ssid,
      NotificationChange: true,
      Notification: 2,
      AccessListChange: false,
      AccessList: [],
    };
    const set = await stage.act(device, {
      kind: 'rpc',
      method: 'SetParameterAttributes',
      arguments: { ParameterList: [attribute] },
    });
    expect(set.state).toBe('done');
    expect(device.cpe.tree.notification(ssid)).toBe(2);
    await stage.checkRecord(set);

    const vendor = await stage.act(device, { kind: 'rpc', method: 'X_00005E_Dance', arguments: { Steps: '3' } });
    expect(vendor).toMatchObject({ state: 'unsupported', result: { fault: { FaultCode: 9000 } } });
    expect(vendor.why).toContain('9000');
    await stage.checkRecord(vendor);
  },
);

test('no secret that was set appears in anything the API said, in the log at level debug, or in the files of the database', async () => {
  const everything = stage.said.join('\n');
  expect(everything).toContain('••••');
  expect(everything).not.toContain(SECRET);
  const { starling } = stage;
  expect(starling.log()).toMatch(/"level"/);
  expect(starling.log()).not.toContain(SECRET);
  // A checkpoint is not needed: what was committed stands in the write-ahead log, and so in these files.
  const files = readdirSync(starling.dataDir, { recursive: true, encoding: 'utf8' }).map((name) =>
    join(starling.dataDir, name),
  );
  const holding = (text: string) =>
    files.filter((file) => statSync(file).isFile() && readFileSync(file).includes(text));
  expect(holding('••••').some((file) => file.includes('/postgres/'))).toBe(true);
  expect(holding(SECRET)).toEqual([]);
});
