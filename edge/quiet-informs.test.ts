// Which Informs a live edge answers at a glance, and which it must not. Nothing but a counter tells them apart from outside, so each test
// asks it; and each comes back to quiet in the end, for a CPE that is read for ever would be no error and all of the cost.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { basic } from '../bench/fleet/http-auth.ts';
import {
  envelope,
  FORCED,
  type InformParts,
  informXml,
  requestOf,
  responseOf,
  value,
  valueList,
  Wire,
  WireCpe,
  type WireCpeOptions,
  type WireReply,
} from '../test/conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../test/edge.test-helper.ts';

/** Sessions after which a CPE must be quiet again: one that is read and sets the mark, and some while that is being committed. */
const SESSIONS_MAX = 12;

let edge: TestEdge;
let guarded: TestEdge;
/** With one thread, as each learns for itself how Informs are printed. */
let single: TestEdge;
const open: WireCpe[] = [];
beforeAll(async () => {
  [edge, single, guarded] = await Promise.all([
    startTestEdge(),
    startTestEdge({ STARLING_EDGE_THREADS: '1' }),
    startTestEdge({ STARLING_CPE_AUTH: 'basic', STARLING_EDGE_THREADS: '1' }),
  ]);
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  await Promise.all([edge.close(), single.close(), guarded.close()]);
});

function newCpe(options: WireCpeOptions = {}, at = edge): WireCpe {
  const cpe = new WireCpe(at.port, options);
  open.push(cpe);
  return cpe;
}

/** Runs, and says how many Informs were answered at a glance meanwhile. */
async function glances(run: () => Promise<unknown>, at = edge): Promise<number> {
  const before = await at.metric('starling_parse_path_total', 'path="glance"');
  await run();
  return (await at.metric('starling_parse_path_total', 'path="glance"')) - before;
}

/** An Inform that is let in: an edge on a machine that is busy with other tests tells a CPE to come again. */
async function informed(
  cpe: WireCpe,
  parts: InformParts = {},
  headers: Record<string, string> = {},
): Promise<WireReply> {
  for (;;) {
    const reply = await cpe.inform(parts, headers);
    if (reply.status !== 503) return reply;
    const { localAddress } = cpe.wire.socket;
    cpe.wire.close();
    cpe.wire = new Wire(cpe.port, '127.0.0.1', localAddress);
  }
}

async function session(cpe: WireCpe, parts: InformParts = {}): Promise<void> {
  expect((await informed(cpe, parts)).status).toBe(200);
  expect((await cpe.empty()).status).toBe(204);
}

/** Whole sessions with the same Inform until one is answered at a glance. Returns how many were not. */
async function untilGlanced(cpe: WireCpe, parts: InformParts = {}, at = edge): Promise<number> {
  for (let read = 0; read < SESSIONS_MAX; read++) {
    if ((await glances(() => session(cpe, parts), at)) === 1) return read;
  }
  throw new Error(`not quiet after ${SESSIONS_MAX} sessions`);
}

/** Parameters of the Inform with another value of one of them. */
const withVersion = (version: string): string[] =>
  FORCED.map((entry) =>
    entry.includes('SoftwareVersion') ? value('Device.DeviceInfo.SoftwareVersion', version) : entry,
  );

test('an Inform is answered at a glance once its like was read in a session that stayed quiet', async () => {
  const cpe = newCpe();
  // The first one is news; the second is read, and its like is known when its session has ended.
  expect(await glances(() => session(cpe))).toBe(0);
  expect(await glances(() => session(cpe))).toBe(0);
  await untilGlanced(cpe);
  expect(await glances(() => session(cpe))).toBe(1);
  expect(await glances(() => session(cpe))).toBe(1);
});

test('such an answer is the one a read Inform gets, with the ID of its own', async () => {
  const cpe = newCpe();
  await session(cpe);
  const read = await informed(cpe, { id: 'of-one' });
  await cpe.empty();
  await untilGlanced(cpe);
  let glanced: WireReply | null = null;
  const count = await glances(async () => {
    glanced = await informed(cpe, { id: 'of-two', currentTime: '1970-01-01T00:00:41', retryCount: '3' });
  });
  const reply = glanced as unknown as WireReply;
  expect(count).toBe(1);
  expect(responseOf(reply, 'Inform').envelope.id).toBe('of-two');
  expect(reply.body).toBe(read.body.replace('of-one', 'of-two'));
  const plainHead = (head: string): string =>
    head.replace(/^(set-cookie: sid=)[^;]*/im, '$1').replace(/^Date:.*$/m, '');
  expect(plainHead(reply.head)).toBe(plainHead(read.head));
  expect((await cpe.empty()).status).toBe(204);
});

test('the metrics count a glanced session as any other', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  const names: [string, string][] = [
    ['starling_sessions_started_total', ''],
    ['starling_sessions_quiet_total', ''],
    ['starling_sessions_ended_total', 'why="done"'],
    ['starling_requests_total', 'kind="inform"'],
    ['starling_requests_total', 'kind="empty"'],
    ['starling_inform_events_total', 'code="2 PERIODIC"'],
    ['starling_responses_total', 'status="200"'],
    ['starling_responses_total', 'status="204"'],
  ];
  const all = (): Promise<number[]> => Promise.all(names.map(([name, label]) => edge.metric(name, label)));
  const before = await all();
  for (let i = 0; i < 3; i++) await session(cpe);
  expect((await all()).map((count, i) => count - before[i]!)).toEqual(names.map(() => 3));
  expect(await edge.metric('starling_sessions_open')).toBe(0);
});

test.each<[string, InformParts]>([
  ['a changed value', { parameters: withVersion('2.0.0') }],
  ['a value that is gone', { parameters: FORCED.slice(1) }],
  ['one parameter more', { parameters: [...FORCED, value('Device.DeviceInfo.X_One', '1')] }],
  ['another order', { parameters: [...FORCED].reverse() }],
  ['the event 1 BOOT', { events: ['1 BOOT'] }],
  ['the event 6 CONNECTION REQUEST', { events: ['6 CONNECTION REQUEST'] }],
  ['the event 4 VALUE CHANGE beside it', { events: ['2 PERIODIC', '4 VALUE CHANGE'] }],
  ['a header', { headers: '<cwmp:SessionTimeout>300</cwmp:SessionTimeout>' }],
  ['other MaxEnvelopes', { maxEnvelopes: '2' }],
])('%s is read, and the CPE is quiet again later', async (_, parts) => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  expect(await glances(() => session(cpe, parts))).toBe(0);
  await untilGlanced(cpe);
  // Sessions that were read and those that were glanced at are counted apart: none is left behind.
  expect(await edge.metric('starling_sessions_open')).toBe(0);
});

test('after a changed value the old one is news again: it is told, not glanced away', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  const told = (): (string | undefined)[] =>
    edge
      .factsOf('inform')
      .filter(({ cpeId }) => cpeId === cpe.cpeId)
      .slice(1)
      .map(({ changed }) => changed.find(({ Name }) => Name.endsWith('SoftwareVersion'))?.Value);
  expect(await glances(() => session(cpe, { parameters: withVersion('2.0.0'), events: ['4 VALUE CHANGE'] }))).toBe(0);
  expect(await glances(() => session(cpe))).toBe(0);
  await edge.until(() => told().length === 2);
  expect(told()).toEqual(['2.0.0', '1.0.0']);
  await untilGlanced(cpe, { parameters: FORCED });
});

test('another Content-Type may mean other letters: such an Inform is read', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  const latin1 = { 'Content-Type': 'text/xml; charset=iso-8859-1' };
  expect(await glances(() => informed(cpe, {}, latin1))).toBe(0);
  expect((await cpe.empty()).status).toBe(204);
  await untilGlanced(cpe);
});

test('an Inform from another address is read, for the address is news', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  cpe.wire.close();
  cpe.wire = new Wire(edge.port, '127.0.0.1', '127.0.0.2');
  expect(await glances(() => session(cpe))).toBe(0);
  await untilGlanced(cpe);
  expect(
    await edge.until(() =>
      edge.factsOf('inform').find(({ cpeId, cpe: facts }) => cpeId === cpe.cpeId && facts.address === '127.0.0.2'),
    ),
  ).toMatchObject({ changed: [] });
  cpe.reconnect();
  expect(await glances(() => session(cpe))).toBe(0);
  await untilGlanced(cpe);
});

test('another CPE behind the same address, with the same parameters, is read until it has a mark of its own', async () => {
  const first = newCpe();
  await session(first);
  await untilGlanced(first);
  const second = newCpe();
  expect(await glances(() => session(second))).toBe(0);
  expect(await glances(() => session(first))).toBe(1);
  await untilGlanced(second);
});

test('an Inform in a packed body is answered all the same', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  const packed = gzipSync(envelope(cpe.namespace, '1', informXml(cpe.device)));
  const reply = await cpe.post(packed, { 'Content-Encoding': 'gzip' });
  expect([reply.status, reply.header('Content-Encoding')]).toEqual([200, 'gzip']);
  // Its bytes are not the text a Wire goes on in.
  cpe.reconnect();
  expect((await cpe.empty()).status).toBe(204);
  await untilGlanced(cpe);
});

test('work handed over before the Inform is done in its session, and the CPE is quiet again after it', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  const action = await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  expect(await glances(() => informed(cpe))).toBe(0);
  const request = requestOf(await cpe.empty(), 'GetParameterValues');
  const told = valueList(value('Device.DeviceInfo.UpTime', '42', 'unsignedInt'));
  expect((await cpe.answer(request, told)).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('done');
  await untilGlanced(cpe);
});

test('work handed over between a glanced Inform and the empty POST is done in this session', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  for (let round = 0; round < 3; round++) {
    expect(await glances(() => informed(cpe))).toBe(1);
    const action = await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
    const request = requestOf(await cpe.empty(), 'GetParameterValues');
    const told = valueList(value('Device.DeviceInfo.UpTime', String(round), 'unsignedInt'));
    expect((await cpe.answer(request, told)).status).toBe(204);
    expect((await edge.result(action)).outcome).toBe('done');
    await untilGlanced(cpe);
  }
});

test('a set of a parameter of the Inform makes the old Inform news', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  const name = 'Device.DeviceInfo.ProvisioningCode';
  const action = await edge.act(cpe.cpeId, 'set', { values: [{ name, value: 'new', type: 'xsd:string' }] });
  await informed(cpe);
  let held = '';
  let reply = await cpe.empty();
  while (reply.status === 200) {
    const request = requestOf(reply);
    if (request.method === 'SetParameterValues') {
      held = 'new';
      reply = await cpe.answer(request, '<Status>0</Status>');
    } else reply = await cpe.answer(request, valueList(value(name, held)));
  }
  expect((await edge.result(action)).outcome).toBe('done');
  // The CPE says what it said before the set: somebody has to hear of it.
  expect(await glances(() => session(cpe))).toBe(0);
  await edge.until(() =>
    edge
      .factsOf('inform')
      .find(({ cpeId, changed }) => cpeId === cpe.cpeId && changed.length === 1 && changed[0]!.Name === name),
  );
  await untilGlanced(cpe);
});

test('a CPE that returns no cookie is read every time', async () => {
  const cpe = newCpe({ keepsCookie: false });
  expect(
    await glances(async () => {
      for (let i = 0; i < 6; i++) await session(cpe);
    }),
  ).toBe(0);
});

test('a CPE that stops to return its cookie ends its sessions all the same', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  for (let i = 0; i < 3; i++) {
    expect(await glances(() => informed(cpe))).toBe(1);
    cpe.cookie = '';
    expect((await cpe.empty()).status).toBe(204);
  }
  // And gets its work, which is found when it informs.
  await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  await informed(cpe);
  cpe.cookie = '';
  requestOf(await cpe.empty(), 'GetParameterValues');
});

test('the cookie of an earlier session does not end the present one', async () => {
  const cpe = newCpe();
  await session(cpe);
  await untilGlanced(cpe);
  await informed(cpe);
  const old = cpe.cookie;
  expect(await glances(() => informed(cpe))).toBe(1);
  const ended = (): Promise<number> => edge.metric('starling_sessions_ended_total', 'why="done"');
  const before = await ended();
  expect((await cpe.empty({ Cookie: old })).status).toBe(204);
  expect(await ended()).toBe(before);
  expect((await cpe.empty()).status).toBe(204);
  expect(await ended()).toBe(before + 1);
});

test('credentials of another device get no glance, and its own ones do', async () => {
  const [one, two] = [newCpe({}, guarded), newCpe({}, guarded)];
  const secrets = [one, two].map(({ cpeId }) => ({ username: cpeId, password: `secret of ${cpeId}` }));
  for (const [i, { cpeId }] of [one, two].entries()) {
    await guarded.decide({ type: 'device', body: { cpeId, settings: { cpe: secrets[i]!, connectionRequest: [] } } });
  }
  const [own, other] = secrets.map((secret) => basic(secret));
  one.headers = { Authorization: own! };
  two.headers = { Authorization: other! };
  for (const cpe of [one, two]) {
    await session(cpe);
    await untilGlanced(cpe, {}, guarded);
  }
  const refused = await guarded.metric('starling_cpe_auth_total', 'outcome="other-device"');
  one.cookie = '';
  one.headers = { Authorization: other! };
  expect(
    await glances(async () => {
      expect((await informed(one)).status).toBe(403);
    }, guarded),
  ).toBe(0);
  expect(await guarded.metric('starling_cpe_auth_total', 'outcome="other-device"')).toBe(refused + 1);
  one.headers = { Authorization: own! };
  expect(await glances(() => session(one), guarded)).toBe(1);
  // A cookie alone lets a session go on; it does not begin one.
  expect(await glances(() => informed(one), guarded)).toBe(1);
  one.headers = {};
  expect(
    await glances(async () => {
      expect((await informed(one)).status).toBe(401);
    }, guarded),
  ).toBe(0);
  // Nor does it end one of somebody else.
  expect((await one.empty({ Authorization: other! })).status).not.toBe(200);
  one.headers = { Authorization: own! };
  await untilGlanced(one, {}, guarded);
});

test('marks outlive a restart, and are worth nothing when profiles have changed', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-quiet-'));
  const profiles = mkdtempSync(join(tmpdir(), 'starling-quiet-profiles-'));
  const first = await startTestEdge({ STARLING_EDGE_THREADS: '1' }, dataDir);
  const cpe = newCpe({}, first);
  await session(cpe);
  await untilGlanced(cpe, {}, first);
  await first.close();

  const again = await startTestEdge({ STARLING_EDGE_THREADS: '1' }, dataDir);
  const same = newCpe({ device: cpe.device }, again);
  expect(await glances(() => session(same), again)).toBe(1);
  await again.close();

  writeFileSync(
    join(profiles, 'a.yaml'),
    'id: wire\ntitle: Wire\nextends: tr181\nmatch: { manufacturer: Test, productClass: Wire }\n',
  );
  const other = await startTestEdge({ STARLING_EDGE_THREADS: '1', STARLING_PROFILES_DIR: profiles }, dataDir);
  const known = newCpe({ device: cpe.device }, other);
  expect(await glances(() => session(known), other)).toBe(0);
  await other.until(() => other.factsOf('inform').find(({ cpe: facts }) => facts.profile === 'wire'));
  await untilGlanced(known, {}, other);
  await other.close();
  rmSync(dataDir, { recursive: true });
  rmSync(profiles, { recursive: true });
});

// ── News without reading ─────────────────────────────────────────────────────────────────────────────────────────────────

const CODE = 'Device.DeviceInfo.ProvisioningCode';
const COUNT = 'Device.Hosts.HostNumberOfEntries';

/** Parameters of an Inform with two that may change. */
function withCode(code: string, count = '7'): string[] {
  const forced = FORCED.map((entry) => (entry.includes(CODE) ? value(CODE, code) : entry));
  return [...forced, value(COUNT, count, 'unsignedInt')];
}

const changedTo = (code: string): InformParts => ({ parameters: withCode(code), events: ['4 VALUE CHANGE'] });

type InformFact = ReturnType<typeof informsOf>[number];

function informsOf(cpe: WireCpe, at = single) {
  return at.factsOf('inform').filter(({ cpeId }) => cpeId === cpe.cpeId);
}

/** All that was told so far has arrived, so that a test may count. */
async function arrived(at = single): Promise<void> {
  while ((await at.metric('starling_outbox_facts')) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A CPE that is quiet, on a thread that has read Informs like those of `parts` before. */
async function newsCpe(at = single, ...parts: InformParts[]): Promise<WireCpe> {
  const cpe = newCpe({}, at);
  await session(cpe, { parameters: withCode('') });
  // Read; then seen beside the record it is to be compared with; and quiet again.
  for (const some of [changedTo('x'), ...parts, changedTo('y'), ...parts]) {
    await untilGlanced(cpe, { parameters: withCode('') }, at);
    await session(cpe, some);
  }
  await untilGlanced(cpe, { parameters: withCode('') }, at);
  await arrived(at);
  return cpe;
}

/** A fact without what is another one each time. */
const plainly = ({ sessionId: _, ...fact }: InformFact): unknown => fact;

test('a value that changes is told without reading the Inform, in the words of one that was read', async () => {
  const cpe = await newsCpe();
  const before = informsOf(cpe).length;
  const reply = { status: 0 };
  expect(
    await glances(async () => {
      Object.assign(reply, await informed(cpe, { ...changedTo('y'), retryCount: '3', id: 'of-y' }));
    }, single),
  ).toBe(1);
  expect(responseOf(reply as WireReply, 'Inform').envelope.id).toBe('of-y');
  expect((await cpe.empty()).status).toBe(204);
  await single.until(() => informsOf(cpe).length === before + 1);
  const facts = informsOf(cpe);
  const read = facts.find(({ changed }) => changed.some(({ Name, Value }) => Name === CODE && Value === 'y'))!;
  expect(plainly(facts.at(-1)!)).toEqual({ ...(plainly(read) as InformFact), retryCount: 3 });
  expect(facts.at(-1)!.changed).toEqual([{ Name: CODE, Value: 'y', Type: 'xsd:string' }]);
  // Its like is known without having been read: the periodic Inform with the new value is quiet at once, and so is none with the old one.
  const counts = ['starling_sessions_quiet_total', 'starling_sessions_open'];
  const [quiet] = await Promise.all(counts.map((name) => single.metric(name)));
  expect(await glances(() => session(cpe, { parameters: withCode('y') }), single)).toBe(1);
  expect(await Promise.all(counts.map((name) => single.metric(name)))).toEqual([quiet! + 1, 0]);
  await session(cpe, { parameters: withCode('') });
  await single.until(() => informsOf(cpe).length === before + 2);
  expect(informsOf(cpe).at(-1)).toMatchObject({
    events: [{ EventCode: '2 PERIODIC' }],
    changed: [{ Name: CODE, Value: '' }],
  });
});

test('an event that must not be lost is told without a change, and a request for a connection is quiet', async () => {
  const boot = { parameters: withCode(''), events: ['1 BOOT', ['M Reboot', 'key']] } satisfies InformParts;
  const request = { parameters: withCode(''), events: ['6 CONNECTION REQUEST'] };
  const cpe = await newsCpe(single, boot, request);
  const before = informsOf(cpe).length;
  expect(await glances(() => session(cpe, boot), single)).toBe(1);
  expect(await glances(() => session(cpe, request), single)).toBe(1);
  await single.until(() => informsOf(cpe).length === before + 1);
  expect(informsOf(cpe).at(-1)).toMatchObject({
    events: [
      { EventCode: '1 BOOT', CommandKey: '' },
      { EventCode: 'M Reboot', CommandKey: 'key' },
    ],
    changed: [],
    reset: false,
  });
  // Nothing was written for it: it is as quiet as before.
  expect(await glances(() => session(cpe, { parameters: withCode('') }), single)).toBe(1);
});

test.each<[string, InformParts]>([
  ['a value that does not fit its type', { parameters: withCode('', 'seven'), events: ['4 VALUE CHANGE'] }],
  ['a value with a reference', { parameters: withCode('a &amp; b'), events: ['4 VALUE CHANGE'] }],
  ['a value with a blank before it', { parameters: withCode(' a'), events: ['4 VALUE CHANGE'] }],
  ['a software version', { parameters: [...withVersion('9'), value(COUNT, '7', 'unsignedInt')] }],
  ['0 BOOTSTRAP', { parameters: withCode('z'), events: ['0 BOOTSTRAP', '4 VALUE CHANGE'] }],
  ['a RetryCount of letters', { ...changedTo('z'), retryCount: 'x' }],
])('%s is read', async (_, parts) => {
  const cpe = await newsCpe();
  for (let i = 0; i < 2; i++) {
    expect(await glances(() => informed(cpe, parts), single)).toBe(0);
    cpe.reconnect();
    cpe.cookie = '';
    await untilGlanced(cpe, { parameters: withCode('') }, single);
  }
});

test('work is found by an Inform with news, and the next one is told without reading again', async () => {
  const cpe = await newsCpe();
  const action = await single.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  expect(await glances(() => informed(cpe, changedTo('y')), single)).toBe(0);
  const request = requestOf(await cpe.empty(), 'GetParameterValues');
  expect((await cpe.answer(request, valueList(value('Device.DeviceInfo.UpTime', '42', 'unsignedInt')))).status).toBe(
    204,
  );
  expect((await single.result(action)).outcome).toBe('done');
  await untilGlanced(cpe, { parameters: withCode('y') }, single);
  expect(await glances(() => informed(cpe, changedTo('x')), single)).toBe(1);
  // And work that comes while its session is open is done in it.
  const later = await single.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  const next = requestOf(await cpe.empty(), 'GetParameterValues');
  expect((await cpe.answer(next, valueList(value('Device.DeviceInfo.UpTime', '43', 'unsignedInt')))).status).toBe(204);
  expect((await single.result(later)).outcome).toBe('done');
});

test('an Inform that was read for its news marks its CPE when its session ends, so the next one is told', async () => {
  const cpe = await newsCpe();
  const action = await single.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  await informed(cpe);
  const request = requestOf(await cpe.empty(), 'GetParameterValues');
  await cpe.answer(request, valueList(value('Device.DeviceInfo.UpTime', '42', 'unsignedInt')));
  expect((await single.result(action)).outcome).toBe('done');
  // The work has made the mark worthless.
  expect(await glances(() => session(cpe, changedTo('x')), single)).toBe(0);
  expect(await glances(() => session(cpe, changedTo('y')), single)).toBe(1);
  await arrived();
  // The first periodic Inform is compared by its values, and from then on by its fingerprint; neither is told.
  const told = informsOf(cpe).length;
  for (let i = 0; i < 3; i++) {
    expect(await glances(() => session(cpe, { parameters: withCode('y') }), single)).toBe(1);
  }
  await arrived();
  expect(informsOf(cpe)).toHaveLength(told);
  expect(informsOf(cpe).at(-1)?.changed).toEqual([{ Name: CODE, Value: 'y', Type: 'xsd:string' }]);
});

test('two Informs of one CPE that wait for the same turn: both are told, and the last one told is what the next is compared with', async () => {
  const cpe = await newsCpe();
  const twin = newCpe({ device: cpe.device }, single);
  // Others before them make the two wait for a common turn.
  const others = [await newsCpe(), await newsCpe()];
  for (let round = 0; round < 5; round++) {
    const before = informsOf(cpe).length;
    const codes = [`one ${round}`, `two ${round}`] as const;
    const first = others.map((other) => informed(other, changedTo(`other ${round}`)));
    const replies = await Promise.all([
      ...first,
      informed(cpe, changedTo(codes[0])),
      informed(twin, changedTo(codes[1])),
    ]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await single.until(() => informsOf(cpe).length === before + 2);
    const told = informsOf(cpe)
      .slice(before)
      .map(({ changed }) => changed.map(({ Value }) => Value));
    expect(told.flat().sort()).toEqual([...codes].sort());
    const [older, newer] = told.flat();
    for (const one of [cpe, twin]) {
      one.reconnect();
      one.cookie = '';
    }
    await session(cpe, { parameters: withCode(newer!) });
    await session(cpe, { parameters: withCode(older!) });
    await single.until(() => informsOf(cpe).length === before + 3);
    expect(informsOf(cpe).at(-1)?.changed).toEqual([{ Name: CODE, Value: older, Type: 'xsd:string' }]);
    await untilGlanced(cpe, { parameters: withCode(older!) }, single);
  }
});

test('what was told so outlives the process: control gets it from the next one, and it is not told again', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-news-'));
  const control = { isAway: false };
  const first = await startTestEdge({ STARLING_EDGE_THREADS: '1' }, dataDir, control);
  const cpe = await newsCpe(first);
  control.isAway = true;
  expect(await glances(() => session(cpe, changedTo('y')), first)).toBe(1);
  await first.close();
  const again = await startTestEdge({ STARLING_EDGE_THREADS: '1' }, dataDir);
  const same = newCpe({ device: cpe.device }, again);
  await again.until(() => informsOf(same, again).some(({ changed }) => changed[0]?.Value === 'y'));
  const before = informsOf(same, again).length;
  expect(await glances(() => session(same, { parameters: withCode('y') }), again)).toBe(1);
  expect(informsOf(same, again)).toHaveLength(before);
  await again.close();
  rmSync(dataDir, { recursive: true });
});
