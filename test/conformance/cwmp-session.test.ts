// CWMP.md §1.3, and the cases of §1.20 about sessions: who may speak when, on a real edge over raw sockets. Silence is made by setting a
// session's last POST back in the store, so that nothing waits for a minute.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { loadInstallationSecret } from '../../base/secret-file.ts';
import { childText } from '../../bench/fleet/xml-tree.ts';
import { openEdgeStore } from '../../edge/store/lmdb-store.ts';
import { storeKeyOf } from '../../edge/store/seal.ts';
import { Stamps } from '../../edge/store/stamps.ts';
import type { SessionRecord } from '../../edge/store/store.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import {
  envelope,
  FORCED,
  faultOf,
  faultXml,
  informXml,
  messageOf,
  requestOf,
  responseOf,
  value,
  valueList,
  WireCpe,
  type WireCpeOptions,
} from './wire.test-helper.ts';

let edge: TestEdge;
const open: WireCpe[] = [];
beforeAll(async () => {
  edge = await startTestEdge();
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  await edge.close();
});

function newCpe(options: WireCpeOptions = {}): WireCpe {
  const cpe = new WireCpe(edge.port, options);
  open.push(cpe);
  return cpe;
}

const UPTIME = 'Device.DeviceInfo.UpTime';
const uptime = valueList(value(UPTIME, '7', 'unsignedInt'));
const TRANSFER_COMPLETE =
  '<cwmp:TransferComplete><CommandKey>k</CommandKey><FaultStruct><FaultCode>0</FaultCode><FaultString></FaultString></FaultStruct>' +
  '<StartTime>2024-05-01T12:00:00Z</StartTime><CompleteTime>2024-05-01T12:01:00Z</CompleteTime></cwmp:TransferComplete>';

/** Changes the stored record of a CPE's session: what time, or ten thousand POSTs, would have done to it. */
async function withSession(cpe: WireCpe, change: (record: SessionRecord) => SessionRecord): Promise<void> {
  const dir = join(edge.dataDir, 'edge');
  const key = storeKeyOf(loadInstallationSecret(edge.dataDir));
  const stamps = Stamps.forNewStart(dir);
  const store = openEdgeStore({ dir, edgeId: 'test', pop: 'default', lane: 9, stamps, key });
  try {
    await store.putSession(cpe.cpeId, change(store.getSession(cpe.cpeId)!));
    await store.flushed();
  } finally {
    await store.close();
  }
}

const sessionsOf = (cpe: WireCpe) => edge.factsOf('session').filter((body) => body.cpeId === cpe.cpeId);
/** What this connection's thread stored before has reached control when this Inform has. */
async function settle(cpe: WireCpe): Promise<void> {
  await cpe.inform({ events: ['1 BOOT', ['M Reboot', 'settle']] });
  // Ended, or a CPE without a cookie at the same address would be taken for this one (CWMP H13).
  await cpe.empty();
  await edge.until(() =>
    edge.factsOf('inform').some(({ cpeId, events }) => cpeId === cpe.cpeId && events[1]?.CommandKey === 'settle'),
  );
}

const requestsOf = (cpe: WireCpe) => edge.factsOf('request').filter((body) => body.cpeId === cpe.cpeId);

test.each([
  ['an empty POST', null, 204],
  ['a request of the CPE', TRANSFER_COMPLETE, 400],
  ['a response', `<cwmp:GetParameterValuesResponse>${uptime}</cwmp:GetParameterValuesResponse>`, 400],
  ['a fault', faultXml(9002), 400],
])('CWMP S1: %s before any Inform begins no session', async (_name, body, status) => {
  const cpe = newCpe();
  const reply = await (body === null ? cpe.empty() : cpe.say(body));
  expect(reply.status).toBe(status);
  expect(reply.all('Set-Cookie')).toEqual([]);
  await settle(cpe);
  expect(requestsOf(cpe)).toEqual([]);
});

test.each(['1', '2', '0', '4294967295', '', 'many'])(
  'CWMP S2: MaxEnvelopes %j is answered with exactly 1',
  async (maxEnvelopes) => {
    const response = responseOf(await newCpe().inform({ maxEnvelopes }), 'Inform');
    expect(response.args.children.map(({ local, text }) => [local, text])).toEqual([['MaxEnvelopes', '1']]);
  },
);

test('CWMP S3: the CPE’s requests are answered one by one in their own responses, and none brings a request of ours', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  responseOf(await cpe.inform({ events: ['7 TRANSFER COMPLETE'] }), 'Inform');
  responseOf(await cpe.say(TRANSFER_COMPLETE, 'a'), 'TransferComplete');
  responseOf(await cpe.say('<cwmp:GetRPCMethods/>', 'b'), 'GetRPCMethods');
  faultOf(await cpe.say('<cwmp:X_Unheard/>', 'c'));
  requestOf(await cpe.empty(), 'GetParameterValues');
});

test('CWMP S4: one request of ours is outstanding at a time, the next comes only with the answer to the last', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  const first = requestOf(await cpe.begin());
  const between = await cpe.say('<cwmp:GetRPCMethods/>', 'late');
  responseOf(between, 'GetRPCMethods');
  const second = requestOf(
    await (first.method === 'GetParameterValues' ? cpe.answer(first, uptime) : cpe.answer(first, '<MethodList/>')),
  );
  expect(second.method).not.toBe(first.method);
  expect(second.envelope.id).not.toBe(first.envelope.id);
});

test.each<[string, (cpe: WireCpe) => Promise<{ status: number }>]>([
  ['an empty POST, twice', async (cpe) => ((await cpe.empty()).status === 200 ? cpe.empty() : { status: 0 })],
  ['the answer to another method', (cpe) => cpe.say('<cwmp:RebootResponse/>')],
])(
  'CWMP S5: %s in place of the answer ends the session, and what was asked is of unknown outcome',
  async (_name, deviate) => {
    const cpe = newCpe();
    const action = await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
    requestOf(await cpe.begin(), 'GetParameterValues');
    expect((await deviate(cpe)).status).toBe(400);
    expect((await cpe.say(`<cwmp:GetParameterValuesResponse>${uptime}</cwmp:GetParameterValuesResponse>`)).status).toBe(
      400,
    );
    await edge.until(() => sessionsOf(cpe).some(({ ok }) => !ok));
    // A read may be repeated: the next session does.
    const again = requestOf(await cpe.begin(), 'GetParameterValues');
    await cpe.answer(again, uptime);
    const result = await edge.result(action);
    expect(result.outcome).toBe('done');
    expect(result.rpcs.map(({ answer }) => answer)).toEqual(['none', 'response']);
  },
);

test('CWMP S6: a TransferComplete after the empty POST is answered, kept, and leaves our request outstanding', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  const asked = requestOf(await cpe.begin());
  responseOf(await cpe.say(TRANSFER_COMPLETE, 'late'), 'TransferComplete');
  await edge.until(() => requestsOf(cpe).length === 1);
  expect(requestsOf(cpe)[0]!.method).toBe('TransferComplete');
  expect((await cpe.answer(asked, uptime)).status).toBe(204);
});

test('CWMP S7: the session ends with 204 when nobody has anything left, and its end is a success', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  const asked = requestOf(await cpe.begin());
  expect((await cpe.answer(asked, uptime)).status).toBe(204);
  const ended = await edge.until(() => sessionsOf(cpe)[0]);
  expect(ended).toMatchObject({ ok: true, why: 'done', rpcs: 1 });
});

test('CWMP S8: the empty POST that some stacks send after the last 204 gets another 204', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  await cpe.answer(requestOf(await cpe.begin()), uptime);
  expect((await cpe.empty()).status).toBe(204);
  expect((await cpe.empty()).status).toBe(204);
});

test.each([
  ['30 s of silence', 30_000, '', true],
  ['59 s of silence', 59_000, '', true],
  ['61 s of silence', 61_000, '', false],
  ['200 s within a SessionTimeout of 300', 200_000, '<cwmp:SessionTimeout>300</cwmp:SessionTimeout>', true],
  ['310 s beyond a SessionTimeout of 300', 310_000, '<cwmp:SessionTimeout>300</cwmp:SessionTimeout>', false],
  [
    '40 s where SessionTimeout asks for less than the minimum',
    40_000,
    '<cwmp:SessionTimeout>5</cwmp:SessionTimeout>',
    true,
  ],
  ['700 s where SessionTimeout asks for a day', 700_000, '<cwmp:SessionTimeout>86400</cwmp:SessionTimeout>', false],
])('CWMP S9, E10: a session after %s', async (_name, silentMs, headers, lives) => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  const asked = requestOf(await cpe.begin({ headers }), 'GetParameterValues');
  await withSession(cpe, (record) => ({ ...record, lastAt: record.lastAt - silentMs }));
  expect((await cpe.answer(asked, uptime)).status).toBe(lives ? 204 : 400);
  if (lives) {
    expect((await edge.result(action)).outcome).toBe('done');
    return;
  }
  expect(await edge.until(() => sessionsOf(cpe)[0])).toMatchObject({ ok: false, why: 'timeout' });
  // Unknown outcome of a read: it is asked again in the next session.
  requestOf(await cpe.begin(), 'GetParameterValues');
});

test('CWMP S10: POSTs are answered well within 30 s, the first of a new CPE too', async () => {
  const started = performance.now();
  const cpe = newCpe();
  expect((await cpe.begin({ events: ['0 BOOTSTRAP', '1 BOOT'] })).status).toBe(204);
  expect(performance.now() - started).toBeLessThan(10_000);
});

test('CWMP S11: a second Inform of the same CPE takes over, and the hanging session cannot go on', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', {
    method: 'AddObject',
    arguments: { ObjectName: 'Device.Users.User.' },
  });
  const asked = requestOf(await cpe.begin(), 'AddObject');
  const old = cpe.cookie;
  cpe.reconnect();
  responseOf(await cpe.inform(), 'Inform');
  const body = '<cwmp:AddObjectResponse><InstanceNumber>1</InstanceNumber><Status>0</Status></cwmp:AddObjectResponse>';
  const late = await cpe.post(envelope(cpe.namespace, asked.envelope.id, body), { Cookie: old });
  expect(late.status).toBe(400);
  expect(await edge.until(() => sessionsOf(cpe)[0])).toMatchObject({ ok: false, why: 'taken over by a new Inform' });
  // It cannot be repeated, so it ends; the new session goes on.
  expect((await cpe.empty()).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('failed');
});

test('CWMP S11: a quiet Inform over a session that hangs without work is a takeover too', async () => {
  const cpe = newCpe();
  await cpe.inform();
  cpe.reconnect();
  await cpe.inform();
  responseOf(await cpe.say('<cwmp:GetRPCMethods/>'), 'GetRPCMethods');
  expect((await cpe.empty()).status).toBe(204);
});

test.each<[string, (xml: string) => string]>([
  ['no Event', (xml) => xml.replace(/<Event .*<\/Event>/, '')],
  ['no ParameterList', (xml) => xml.replace(/<ParameterList.*<\/ParameterList>/, '')],
  ['no RetryCount', (xml) => xml.replace(/<RetryCount>.*<\/RetryCount>/, '')],
  ['no MaxEnvelopes', (xml) => xml.replace(/<MaxEnvelopes>.*<\/MaxEnvelopes>/, '')],
  ['no CurrentTime', (xml) => xml.replace(/<CurrentTime>.*<\/CurrentTime>/, '')],
  ['a RetryCount that is no number', (xml) => xml.replace('<RetryCount>0', '<RetryCount>soon')],
  ['a CurrentTime that is none', (xml) => xml.replace('2024-05-01T12:00:00Z', 'yesterday')],
  ['no Manufacturer', (xml) => xml.replace(/<Manufacturer>.*<\/Manufacturer>/, '')],
  ['a wrong arrayType', (xml) => xml.replace('cwmp:ParameterValueStruct[', 'cwmp:Nonsense[9')],
  ['an element nobody knows', (xml) => xml.replace('<MaxEnvelopes>', '<Extra><Deep/></Extra><MaxEnvelopes>')],
  [
    'everything in another order',
    (xml) => xml.replace(/(<cwmp:Inform>)(<DeviceId>.*<\/DeviceId>)(.*)(<\/cwmp:Inform>)/, '$1$3$2$4'),
  ],
])('CWMP S12: an Inform with %s is no reason for a fault', async (_name, damage) => {
  const cpe = newCpe();
  responseOf(await cpe.post(envelope(cpe.namespace, '1', damage(informXml(cpe.device)))), 'Inform');
  expect((await cpe.empty()).status).toBe(204);
});

test('CWMP S13: a fault of the CPE ends one request and not the session', async () => {
  const cpe = newCpe();
  const bad = await edge.act(
    cpe.cpeId,
    'rpc',
    { method: 'GetOptions', arguments: { OptionName: '' } },
    { priority: 90 },
  );
  const good = await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  const asked = requestOf(await cpe.begin(), 'GetOptions');
  const next = requestOf(await cpe.fault(asked, 9000), 'GetParameterValues');
  expect((await cpe.answer(next, uptime)).status).toBe(204);
  expect(await edge.result(bad)).toMatchObject({ outcome: 'unsupported', fault: { FaultCode: 9000 } });
  expect((await edge.result(good)).outcome).toBe('done');
});

test.each([
  'TransferComplete',
  'AutonomousTransferComplete',
  'RequestDownload',
  'Kicked',
  'DUStateChangeComplete',
  'AutonomousDUStateChangeComplete',
])('CWMP S14: %s is answered positively, without its arguments and with odd ones', async (method) => {
  const cpe = newCpe();
  await cpe.inform();
  for (const inner of [
    '',
    '<FaultStruct><FaultCode>none</FaultCode></FaultStruct><Command/>',
    '<Results/><IsDownload>maybe</IsDownload>',
  ]) {
    responseOf(await cpe.say(`<cwmp:${method}>${inner}</cwmp:${method}>`, 'x'), method);
  }
});

test('CWMP S15: what restarts the CPE is asked last, whatever its priority', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'reboot', {}, { priority: 90 });
  await edge.act(cpe.cpeId, 'get', { names: [UPTIME] }, { priority: 10 });
  const first = requestOf(await cpe.begin(), 'GetParameterValues');
  const last = requestOf(await cpe.answer(first, uptime), 'Reboot');
  expect((await cpe.answer(last)).status).toBe(204);
});

test('CWMP S17: after a restart of the edge in mid-request what cannot be repeated is looked at and not sent again', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'starling-s17-'));
  let own = await startTestEdge({}, dir);
  try {
    let cpe = new WireCpe(own.port);
    open.push(cpe);
    const action = await own.act(cpe.cpeId, 'add', { objectName: 'Device.Users.User.' });
    const listing = requestOf(await cpe.begin(), 'GetParameterNames');
    const names = (...numbers: number[]) =>
      `<ParameterList enc:arrayType="cwmp:ParameterInfoStruct[${numbers.length}]">${numbers
        .map(
          (n) =>
            `<ParameterInfoStruct><Name>Device.Users.User.${n}.</Name><Writable>1</Writable></ParameterInfoStruct>`,
        )
        .join('')}</ParameterList>`;
    requestOf(await cpe.answer(listing, names(1)), 'AddObject');
    await own.close();
    own = await startTestEdge({}, dir);
    const { device } = cpe;
    cpe = new WireCpe(own.port, { device });
    open.push(cpe);
    const check = requestOf(await cpe.begin({ events: ['1 BOOT'] }), 'GetParameterNames');
    const after = await cpe.answer(check, names(1, 4));
    if (after.status === 200) expect(requestOf(after).method).not.toBe('AddObject');
    for (let reply = after; reply.status === 200; ) {
      const request = requestOf(reply);
      expect(request.method).not.toBe('AddObject');
      reply = await cpe.answer(
        request,
        request.method === 'GetParameterNames'
          ? names(1, 4)
          : valueList(value('Device.Users.User.4.Enable', '0', 'boolean')),
      );
    }
    expect((await own.result(action)).data).toMatchObject({ InstanceNumber: 4 });
  } finally {
    await own.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

// ── §1.20, sessions ──────────────────────────────────────────────────────────────────────────────────────────────────────

test('CWMP 1.20 response without request: it is 400, what was queued stays queued', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  await cpe.inform();
  expect((await cpe.say(`<cwmp:GetParameterValuesResponse>${uptime}</cwmp:GetParameterValuesResponse>`)).status).toBe(
    400,
  );
  await cpe.answer(requestOf(await cpe.begin(), 'GetParameterValues'), uptime);
  expect((await edge.result(action)).outcome).toBe('done');
});

test('CWMP 1.20 Inform twice in one session: the second begins a session of its own, events of both are kept', async () => {
  const cpe = newCpe();
  await cpe.inform({ events: ['1 BOOT'] });
  responseOf(await cpe.inform({ events: ['4 VALUE CHANGE'], id: '2' }), 'Inform');
  expect((await cpe.empty()).status).toBe(204);
  const informs = await edge.until(() => {
    const all = edge.factsOf('inform').filter((body) => body.cpeId === cpe.cpeId);
    return all.length === 2 && all;
  });
  expect(informs.map(({ events }) => events[0]!.EventCode)).toEqual(['1 BOOT', '4 VALUE CHANGE']);
});

test('CWMP 1.20 Inform in parallel: of sixteen at once one session is left, which gets the work once', async () => {
  const first = newCpe();
  const action = await edge.act(first.cpeId, 'rpc', { method: 'GetRPCMethods' });
  const all = Array.from({ length: 16 }, () => newCpe({ device: first.device }));
  for (const reply of await Promise.all(all.map((cpe) => cpe.inform()))) responseOf(reply, 'Inform');
  const turns = await Promise.all(all.map((cpe) => cpe.empty()));
  const asked = turns.flatMap((reply, at) =>
    reply.status === 200 ? [{ cpe: all[at]!, request: requestOf(reply) }] : [],
  );
  expect(asked).toHaveLength(1);
  expect(turns.filter(({ status }) => status === 204)).toHaveLength(15);
  await asked[0]!.cpe.answer(asked[0]!.request, '<MethodList><string>Inform</string></MethodList>');
  expect((await edge.result(action)).outcome).toBe('done');
});

test('CWMP 1.20 empty POST first, TransferComplete before Inform, POST after 204: 204, 400, and 204 or 400', async () => {
  const cpe = newCpe();
  expect((await cpe.empty()).status).toBe(204);
  expect((await cpe.say(TRANSFER_COMPLETE)).status).toBe(400);
  expect((await cpe.begin()).status).toBe(204);
  expect((await cpe.empty()).status).toBe(204);
  expect((await cpe.say(TRANSFER_COMPLETE)).status).toBe(400);
  await settle(cpe);
  expect(requestsOf(cpe)).toEqual([]);
});

test('CWMP 1.20 the cookie of another CPE: an Inform beside it is the informing CPE’s, and the other’s session is untouched', async () => {
  const [a, b] = [newCpe(), newCpe()];
  await edge.act(a.cpeId, 'get', { names: [UPTIME] });
  const asked = requestOf(await a.begin());
  await b.inform({}, { Cookie: a.cookie });
  expect((await b.empty()).status).toBe(204);
  expect((await a.answer(asked, uptime)).status).toBe(204);
});

test('CWMP 1.20 connection closed before the response is read: the same POST again brings the same request', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  await cpe.inform();
  const lost = requestOf(await cpe.empty());
  const again = requestOf(await cpe.reconnect().empty());
  expect(again.envelope.id).toBe(lost.envelope.id);
  await cpe.answer(again, uptime);
  expect((await edge.result(action)).outcome).toBe('done');
});

test('CWMP 1.20 a session of 10,000 POSTs is ended, and the next one is served', async () => {
  const cpe = newCpe();
  await cpe.inform();
  await withSession(cpe, (record) => ({ ...record, posts: LIMITS.sessionPostsMax - 1 }));
  responseOf(await cpe.say('<cwmp:GetRPCMethods/>'), 'GetRPCMethods');
  expect((await cpe.say('<cwmp:GetRPCMethods/>')).status).toBe(400);
  expect(await edge.until(() => sessionsOf(cpe)[0])).toMatchObject({ ok: false, why: 'posts-max' });
  responseOf(await cpe.inform({ parameters: FORCED }), 'Inform');
  expect(childText(responseOf(await cpe.say('<cwmp:GetRPCMethods/>'), 'GetRPCMethods').args, 'MethodList')).toBe('');
  messageOf(await cpe.say('<cwmp:GetRPCMethods/>'));
});
