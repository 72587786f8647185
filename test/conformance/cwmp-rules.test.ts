// CWMP.md §1.13 to §1.19: connection requests, transfers, notifications, addressing, diagnostics, types and pacing, as a CPE meets them on
// a real edge. Connection requests and file servers have tests of their own beside their code; here is the whole way.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpeIdOf } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { child, childText } from '../../bench/fleet/xml-tree.ts';
import { openFileStore } from '../../edge/files.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import { FORCED, requestOf, responseOf, value, valueList, WireCpe, type WireRequest } from './wire.test-helper.ts';

let edge: TestEdge;
const open: WireCpe[] = [];
const simulated: SimulatedCpe[] = [];
const servers: Server[] = [];
beforeAll(async () => {
  edge = await startTestEdge();
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  for (const server of servers) server.close();
  await Promise.all(simulated.map((cpe) => cpe.stop()));
  await edge.close();
});

function newCpe(): WireCpe {
  const cpe = new WireCpe(edge.port);
  open.push(cpe);
  return cpe;
}

async function simulate(serialNumber: string, model: 'tr098' | 'tr181' = 'tr181', more = {}): Promise<SimulatedCpe> {
  const cpe = new SimulatedCpe({
    acsUrl: edge.url,
    serialNumber,
    model,
    connectionRequests: 'none',
    downMs: 50,
    diagnosticMs: 20,
    ...more,
  });
  simulated.push(cpe);
  await cpe.start();
  return cpe;
}

const wakesOf = (cpeId: string) => edge.factsOf('wake').filter((body) => body.cpeId === cpeId);
const names = (request: WireRequest, list: string) =>
  (child(request.args, list)?.children ?? []).map((one) => childText(one, 'Name') || one.text);

// ── Connection requests ──────────────────────────────────────────────────────────────────────────────────────────────────

/** A CPE that has told a URL of its own and counts who calls it. */
async function reachable(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const calls: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    calls.push(request);
    handle(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cr?a=b`;
  const cpe = newCpe();
  await cpe.begin({
    events: ['1 BOOT'],
    parameters: [...FORCED.slice(0, 5), value('Device.ManagementServer.ConnectionRequestURL', url)],
  });
  return { cpe, calls };
}

test('CWMP R1: a connection request is a GET without a body, unauthenticated first, then with the digest of the device’s own secret', async () => {
  const cpe = await simulate('R1', 'tr181', {
    connectionRequests: 'own',
    connectionRequestUsername: 'cr',
    connectionRequestPassword: 'secret',
  });
  const cpeId = cpeIdOf(cpe.device);
  const settings = { cpe: null, connectionRequest: [{ username: 'cr', password: 'secret' }] };
  await edge.decide({ type: 'device', body: { cpeId, settings } });
  const action = await edge.act(cpeId, 'rpc', { method: 'GetRPCMethods' });
  await edge.decide({ type: 'wake', body: { cpeId, why: 'test' } });
  expect((await edge.result(action)).outcome).toBe('done');
  // CWMP R2: the session followed, with its event, and nothing was wrong with the request.
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]).toMatchObject({
    outcome: 'ended',
    complaints: [],
    events: [{ EventCode: '6 CONNECTION REQUEST' }],
  });
  expect((await edge.until(() => wakesOf(cpeId)[0])).outcome).toBe('accepted');
});

test('CWMP R1: the first request carries no credentials, no body and no length', async () => {
  const { cpe, calls } = await reachable((_, response) => response.writeHead(200).end());
  await edge.decide({ type: 'wake', body: { cpeId: cpe.cpeId, why: 'test' } });
  await edge.until(() => wakesOf(cpe.cpeId)[0]);
  const [{ method, url, headers, httpVersion }] = calls as [IncomingMessage];
  expect([method, url, httpVersion]).toEqual(['GET', '/cr?a=b', '1.1']);
  expect(headers).not.toHaveProperty('authorization');
  expect(headers).not.toHaveProperty('content-length');
});

test.each([
  [200, 'accepted'],
  [204, 'accepted'],
  [503, 'busy'],
  [401, 'unauthorized'],
  [302, 'unreachable'],
])('CWMP R2: an answer of %i is %s', async (status, outcome) => {
  const { cpe, calls } = await reachable((_, response) =>
    response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(),
  );
  await edge.decide({ type: 'wake', body: { cpeId: cpe.cpeId, why: 'test' } });
  expect((await edge.until(() => wakesOf(cpe.cpeId)[0])).outcome).toBe(outcome);
  expect(calls.length).toBeLessThanOrEqual(2);
});

test('CWMP R2: nobody listening is unreachable, and the work stays for the next session', async () => {
  const cpe = newCpe();
  await cpe.begin({
    events: ['1 BOOT'],
    parameters: [value('Device.ManagementServer.ConnectionRequestURL', 'http://127.0.0.1:1025/cr')],
  });
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  await edge.decide({ type: 'wake', body: { cpeId: cpe.cpeId, why: 'test' } });
  expect((await edge.until(() => wakesOf(cpe.cpeId)[0])).outcome).toBe('unreachable');
  await cpe.answer(requestOf(await cpe.begin()), '<MethodList/>');
  expect((await edge.result(action)).outcome).toBe('done');
});

test.each([
  ['of another host', 'http://192.0.2.1:7547/'],
  ['of another scheme', 'ftp://127.0.0.1/'],
  ['with a user name in it', 'http://u:p@127.0.0.1:7547/'],
  ['of a low port', 'http://127.0.0.1:22/'],
])('CWMP R4: a URL %s is not called', async (_name, url) => {
  const cpe = newCpe();
  await cpe.begin({ events: ['1 BOOT'], parameters: [value('Device.ManagementServer.ConnectionRequestURL', url)] });
  await edge.decide({ type: 'wake', body: { cpeId: cpe.cpeId, why: 'test' } });
  expect((await edge.until(() => wakesOf(cpe.cpeId)[0])).outcome).toBe('refused');
});

test.each([
  ['no URL', []],
  ['an empty URL', [value('Device.ManagementServer.ConnectionRequestURL', '')]],
])('CWMP R5: with %s there is no connection request, and that is said', async (_name, parameters) => {
  const cpe = newCpe();
  await cpe.begin({ events: ['1 BOOT'], parameters });
  await edge.decide({ type: 'wake', body: { cpeId: cpe.cpeId, why: 'test' } });
  expect((await edge.until(() => wakesOf(cpe.cpeId)[0])).outcome).toBe('no-url');
});

test('CWMP R5: the URL of the last Inform is the one that counts', async () => {
  const { cpe, calls } = await reachable((_, response) => response.writeHead(200).end());
  const other = await reachable((_, response) => response.writeHead(200).end());
  const { port } = servers.at(-1)!.address() as AddressInfo;
  await cpe.begin({
    events: ['4 VALUE CHANGE'],
    parameters: [value('Device.ManagementServer.ConnectionRequestURL', `http://127.0.0.1:${port}/new`)],
  });
  await edge.decide({ type: 'wake', body: { cpeId: cpe.cpeId, why: 'test' } });
  await edge.until(() => wakesOf(cpe.cpeId)[0]);
  expect([calls.length, other.calls.map(({ url }) => url)]).toEqual([0, ['/new']]);
});

test('CWMP R6: many reasons at once are one connection request', async () => {
  const { cpe, calls } = await reachable((_, response) => response.writeHead(200).end());
  await Promise.all(
    Array.from({ length: 20 }, () => edge.decide({ type: 'wake', body: { cpeId: cpe.cpeId, why: 'test' } })),
  );
  await edge.until(() => wakesOf(cpe.cpeId)[0]);
  expect(calls).toHaveLength(1);
});

// ── Transfers ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A file for downloads, as control puts it there. */
async function offer(bytes: Buffer): Promise<string> {
  const source = (async function* () {
    yield bytes;
  })();
  const details = { name: 'image.bin', fileType: '1 Firmware Upgrade Image' };
  return (await openFileStore(join(edge.dataDir, 'files')).put(source, details)).fileId;
}

test('CWMP T2, T5, T7: a firmware download from the edge’s own file server, to its TransferComplete and the new version', async () => {
  const cpe = await simulate('T2');
  const fileId = await offer(Buffer.alloc(300_000, 'starling'));
  const action = await edge.act(cpeIdOf(cpe.device), 'download', {
    fileId,
    fileType: '1 Firmware Upgrade Image',
    targetFileName: 'image-9.9.9.bin',
  });
  expect((await cpe.inform()).complaints).toEqual([]);
  expect((await edge.result(action, 20_000)).outcome).toBe('done');
  expect(cpe.transfers.done[0]).toMatchObject({ faultCode: 0, bytes: 300_000 });
});

test('CWMP T2: HEAD, a range, a resumed download and a request without credentials are served with the right length', async () => {
  const bytes = Buffer.from(Array.from({ length: 1_000 }, (_, i) => i % 251));
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'download', { fileId: await offer(bytes), fileType: '1 Firmware Upgrade Image' });
  const request = requestOf(await cpe.begin(), 'Download');
  const url = childText(request.args, 'URL');
  expect(url.length).toBeLessThanOrEqual(LIMITS.fileUrlCharsMax);
  const head = await fetch(url, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, '1000']);
  const part = await fetch(url, { headers: { range: 'bytes=400-' } });
  expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 400-999/1000']);
  expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(400))).toBe(true);
  expect((await fetch(`${url}x`)).status).toBeGreaterThanOrEqual(400);
});

test.each(['PUT', 'POST'])('CWMP T3: an upload by %s arrives whole, chunked too', async (method) => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'upload', { fileType: '1 Vendor Configuration File' });
  const request = requestOf(await cpe.begin(), 'Upload');
  const body = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 3; i++) controller.enqueue(new Uint8Array(10_000));
      controller.close();
    },
  });
  const reply = await fetch(childText(request.args, 'URL'), { method, body, duplex: 'half' } as RequestInit);
  expect(reply.ok).toBe(true);
  expect((await edge.until(() => edge.factsOf('upload').find((one) => one.actionId === action))).bytes).toBe(30_000);
});

test('CWMP T4, T8: an unknown size is 0, and CommandKeys are unique, at most 32 characters, of a safe charset', async () => {
  const keys = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const cpe = newCpe();
    await edge.act(cpe.cpeId, 'download', { url: 'http://files.example/f', fileType: '2 Web Content' });
    const { args } = requestOf(await cpe.begin(), 'Download');
    expect(childText(args, 'FileSize')).toBe('0');
    keys.add(childText(args, 'CommandKey'));
  }
  expect(keys.size).toBe(3);
  for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9_-]{1,32}$/);
});

test('CWMP T8: the same TransferComplete twice ends the download once', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'download', { url: 'http://files.example/f', fileType: '2 Web Content' });
  const request = requestOf(await cpe.begin(), 'Download');
  await cpe.answer(
    request,
    '<Status>1</Status><StartTime>0001-01-01T00:00:00Z</StartTime><CompleteTime>0001-01-01T00:00:00Z</CompleteTime>',
  );
  const key = childText(request.args, 'CommandKey');
  const told = `<cwmp:TransferComplete><CommandKey>${key}</CommandKey><FaultStruct><FaultCode>9016</FaultCode><FaultString/></FaultStruct></cwmp:TransferComplete>`;
  for (let i = 0; i < 2; i++) {
    await cpe.inform({ events: ['7 TRANSFER COMPLETE', ['M Download', key]] });
    responseOf(await cpe.say(told), 'TransferComplete');
    responseOf(await cpe.say(told), 'TransferComplete');
    await cpe.empty();
  }
  expect(await edge.result(action)).toMatchObject({ outcome: 'failed', fault: { FaultCode: 9016 } });
  expect(edge.factsOf('result').filter((body) => body.actionId === action)).toHaveLength(1);
});

// ── Notifications, names ─────────────────────────────────────────────────────────────────────────────────────────────────

test('CWMP N1, N3: notification is set, read, and brings what changed from the inside, not what we wrote', async () => {
  const cpe = await simulate('N1');
  const cpeId = cpeIdOf(cpe.device);
  const Name = 'Device.DeviceInfo.ProvisioningCode';
  const entry = { Name, NotificationChange: true, Notification: 2, AccessListChange: false, AccessList: [] };
  const actions = [
    await edge.act(
      cpeId,
      'rpc',
      { method: 'SetParameterAttributes', arguments: { ParameterList: [entry] } },
      { priority: 90 },
    ),
    await edge.act(
      cpeId,
      'rpc',
      { method: 'GetParameterAttributes', arguments: { ParameterNames: [Name] } },
      { priority: 50 },
    ),
    await edge.act(cpeId, 'set', { values: [{ name: Name, value: 'ours' }] }, { priority: 10 }),
  ];
  await cpe.inform();
  for (const action of actions) expect(['done', 'applied']).toContain((await edge.result(action)).outcome);
  expect(edge.factsOf('attributes').findLast((body) => body.cpeId === cpeId)!.attributes).toMatchObject([
    { Name, Notification: 2 },
  ]);
  expect(cpe.events.pending).toEqual([]);
  cpe.change(Name, 'theirs');
  const fact = await edge.until(() =>
    edge
      .factsOf('inform')
      .findLast((body) => body.cpeId === cpeId && body.events.some(({ EventCode }) => EventCode === '4 VALUE CHANGE')),
  );
  expect(fact.changed).toContainEqual({ Name, Value: 'theirs', Type: 'xsd:string' });
});

test('CWMP X1, X3, X4: paths with an alias, with gaps in their numbers and in their own case are sent as they are', async () => {
  const cpe = newCpe();
  const wanted = ['Device.WiFi.SSID.[cpe-a.b].SSID', 'Device.WiFi.SSID.77.ssid'];
  await edge.act(cpe.cpeId, 'get', { names: wanted });
  expect(names(requestOf(await cpe.begin(), 'GetParameterValues'), 'ParameterNames')).toEqual(wanted);
});

// ── Diagnostics ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('CWMP D1, D2, D3, D4: inputs and Requested in one write, no polling in the session, one read of the object after event 8', async () => {
  const cpe = newCpe();
  const PING = 'Device.IP.Diagnostics.IPPing.';
  const action = await edge.act(cpe.cpeId, 'diagnose', { test: 'IPPing', parameters: { Host: 'example.net' } });
  const request = requestOf(await cpe.begin(), 'SetParameterValues');
  expect(names(request, 'ParameterList')).toEqual([`${PING}Host`, `${PING}DiagnosticsState`]);
  expect(childText(child(request.args, 'ParameterList')!.children[1], 'Value')).toBe('Requested');
  expect((await cpe.answer(request, '<Status>0</Status>')).status).toBe(204);
  const read = requestOf(await cpe.begin({ events: ['8 DIAGNOSTICS COMPLETE'] }), 'GetParameterValues');
  expect(names(read, 'ParameterNames')).toEqual([PING]);
  await cpe.answer(
    read,
    valueList(value(`${PING}DiagnosticsState`, 'Complete'), value(`${PING}SuccessCount`, '3', 'unsignedInt')),
  );
  expect(await edge.result(action)).toMatchObject({ outcome: 'done', data: { results: { SuccessCount: '3' } } });
});

test.each(['Complete', 'Completed'])('CWMP D5: results count when the state is %s', async (state) => {
  const cpe = newCpe();
  const PING = 'Device.IP.Diagnostics.IPPing.';
  const action = await edge.act(cpe.cpeId, 'diagnose', { test: 'IPPing', parameters: { Host: 'example.net' } });
  await cpe.answer(requestOf(await cpe.begin()), '<Status>0</Status>');
  await cpe.answer(
    requestOf(await cpe.begin({ events: ['8 DIAGNOSTICS COMPLETE'] })),
    valueList(value(`${PING}DiagnosticsState`, state)),
  );
  expect((await edge.result(action)).outcome).toBe('done');
});

test.each(['Error_CannotResolveHostName', 'Error', 'Error_Of_The_Vendor'])(
  'CWMP D9: the state %s is a failure that says so',
  async (state) => {
    const cpe = newCpe();
    const PING = 'Device.IP.Diagnostics.IPPing.';
    const action = await edge.act(cpe.cpeId, 'diagnose', { test: 'IPPing', parameters: { Host: 'example.net' } });
    await cpe.answer(requestOf(await cpe.begin()), '<Status>0</Status>');
    await cpe.answer(
      requestOf(await cpe.begin({ events: ['8 DIAGNOSTICS COMPLETE'] })),
      valueList(value(`${PING}DiagnosticsState`, state)),
    );
    const result = await edge.result(action);
    expect(result.outcome).toBe('failed');
    expect(JSON.stringify(result)).toContain(state);
  },
);

test.each(['tr098', 'tr181'] as const)(
  'CWMP D8, D13: ping and trace route of one %s CPE end in one Inform',
  async (model) => {
    const cpe = await simulate(`D8${model}`, model);
    const cpeId = cpeIdOf(cpe.device);
    const actions = [
      await edge.act(cpeId, 'diagnose', { test: 'IPPing', parameters: { Host: '127.0.0.1' } }),
      await edge.act(cpeId, 'diagnose', { test: 'TraceRoute', parameters: { Host: '127.0.0.1' } }),
    ];
    await cpe.inform();
    for (const action of actions) expect((await edge.result(action, 20_000)).outcome).toBe('done');
  },
);

// ── Types and pacing ─────────────────────────────────────────────────────────────────────────────────────────────────────

test.each([
  ['boolean', 'true', '1'],
  ['unsignedInt', '7', '7'],
  ['int', '-7', '-7'],
  ['dateTime', '2024-05-01T12:00:00.5Z', '2024-05-01T12:00:00Z'],
  ['base64', 'AAEC', 'AAEC'],
  ['base64Binary', 'AAEC', 'AAEC'],
  ['hexBinary', '00ff', '00ff'],
  ['unsignedLong', '18446744073709551615', '18446744073709551615'],
  ['long', '-9007199254740993', '-9007199254740993'],
  ['string', ' a b ', ' a b '],
])('CWMP Y1, Y2: a value is written with the type the CPE itself gave it: %s', async (type, wanted, wire) => {
  const cpe = newCpe();
  const name = `Device.X_${type}`;
  await edge.act(cpe.cpeId, 'set', { values: [{ name, value: wanted, type: 'xsd:string' }] });
  const reply = await cpe.answer(
    requestOf(await cpe.begin(), 'GetParameterValues'),
    valueList(value(name, type === 'boolean' ? '0' : '', type)),
  );
  requestOf(reply, 'SetParameterValues');
  expect(reply.body).toContain(`<Value xsi:type="xsd:${type}">${wire}</Value>`);
});

test.each(['0', '1', 'true', 'FALSE', ' True ', 'false'])(
  'CWMP Y2: a boolean read as %j compares as what it means',
  async (spelling) => {
    const cpe = newCpe();
    const name = 'Device.X_Flag';
    const truth = /1|true/i.test(spelling);
    const action = await edge.act(cpe.cpeId, 'set', { values: [{ name, value: String(truth) }] });
    // Equal already: nothing is written.
    expect(
      (
        await cpe.answer(
          requestOf(await cpe.begin(), 'GetParameterValues'),
          valueList(value(name, spelling, 'boolean')),
        )
      ).status,
    ).toBe(204);
    expect((await edge.result(action)).outcome).toBe('done');
  },
);

test.each([
  ['an empty element', '<Value xsi:type="xsd:string"></Value>'],
  ['a self-closed one', '<Value/>'],
  ['none', ''],
])('CWMP Y4: %s is the empty string', async (_name, xml) => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'get', { names: ['Device.X_Text'] });
  const asked = requestOf(await cpe.begin());
  await cpe.answer(
    asked,
    `<ParameterList><ParameterValueStruct><Name>Device.X_Text</Name>${xml}</ParameterValueStruct></ParameterList>`,
  );
  expect((await edge.result(action)).after).toMatchObject([{ Name: 'Device.X_Text', Value: '' }]);
});

test('CWMP P1, P5: reads go out in batches, and one bad name does not spoil the others', async () => {
  const cpe = newCpe();
  const wanted = Array.from({ length: LIMITS.getBatchNames + 8 }, (_, i) => `Device.X_Table.${i}.Value`);
  const bad = wanted[5]!;
  const action = await edge.act(cpe.cpeId, 'get', { names: wanted });
  let reply = await cpe.begin();
  while (reply.status === 200) {
    const request = requestOf(reply, 'GetParameterValues');
    const asked = names(request, 'ParameterNames');
    expect(asked.length).toBeLessThanOrEqual(LIMITS.getBatchNames);
    reply = asked.includes(bad)
      ? await cpe.fault(request, 9005)
      : await cpe.answer(request, valueList(...asked.map((name) => value(name, 'v'))));
  }
  const result = await edge.result(action);
  expect([result.outcome, result.after.length]).toEqual(['partial', wanted.length - 1]);
  expect(result.items.find(({ name }) => name === bad)).toMatchObject({ faultCode: 9005 });
});
