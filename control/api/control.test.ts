// The API on the real control plane and a real PostgreSQL; the edge is this test, at the other end of the in-process bus.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { InProcessTransport } from '../../bus/in-process.ts';
import { type AnyFactBody, type Decision, MESSAGE_VERSION, type Work } from '../../bus/messages.ts';
import { decisionsFor, factsOf } from '../../bus/subjects.ts';
import { freshDatabaseUrl } from '../../test/postgres.test-helper.ts';
import { inform, messageOf, result, value } from '../control.test-helper.ts';
import { startControl } from '../main.ts';
import type {
  ActionDetail,
  DeviceView,
  FileStore,
  FileView,
  Page,
  ParameterView,
  PersonView,
  TimelineEntry,
  TokenView,
} from '../services.ts';
import { createApi } from './app.ts';
import { errorOf } from './services.test-helper.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const WIFI = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.';
const ID = '00259E-HG8245-TEST0001';
const ACTIONS = `/api/v1/devices/${ID}/actions`;

/** Control with its API; `fileStore` as up.ts would hand it over. */
async function setUp(fileStore: FileStore | null = null) {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-api-'));
  const transport = new InProcessTransport();
  const registry = new Registry();
  const databaseUrl = await freshDatabaseUrl();
  const options = {
    dataDir,
    databaseUrl,
    manageConnectionRequest: false,
    transport,
    log: silentLog,
    registry,
    fileStore,
  };
  const control = await startControl(options);
  const work: Work[] = [];
  let arrived = () => {};
  const edge = transport.subscribe(decisionsFor('pop1', 'edge1'), 'edge1', async (_, messages) => {
    for (const { payload } of messages) {
      const decision = payload as Decision;
      if (decision.type === 'work') work.push(decision.body);
    }
    arrived();
  });
  closing.push(async () => {
    await edge.close();
    await control.close();
    await transport.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const { api } = createApi({ services: control.services, log: silentLog, registry, heartbeatMs: 60_000 });
  const token = (await control.services.tokens.ensureAdmin(null))!;
  let sequence = 0;
  return {
    ...{ api, control, token, work },
    async send(...bodies: AnyFactBody[]) {
      const envelope = { v: MESSAGE_VERSION, edgeId: 'edge1', pop: 'pop1', lane: 1, at: Date.now() };
      const facts = bodies.map((body) => ({ ...envelope, sequence: ++sequence, ...body }));
      await transport.publish(factsOf('pop1', 'edge1'), [messageOf(facts)]);
    },
    /** Resolves with the first work that is handed to the edge from now on, or was. */
    async nextWork(): Promise<Work> {
      while (work.length === 0) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
      return work.shift()!;
    },
    call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
      const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
      const init = { method, headers: { authorization: `Bearer ${token}`, ...type, ...headers } };
      return Promise.resolve(api.request(path, body === undefined ? init : { ...init, body: JSON.stringify(body) }));
    },
  };
}

const read = async <T>(answer: Promise<Response>): Promise<T> => (await (await answer).json()) as T;

test('tokens: the first is made once; made ones work, and stop working when revoked or expired', async () => {
  const { api, control, call, token } = await setUp();
  expect(token).toMatch(/^stl_[A-Za-z0-9_-]{43}$/);
  expect(await control.services.tokens.ensureAdmin(null)).toBeNull();
  const made = await read<{ token: string; view: TokenView }>(
    call('POST', '/api/v1/tokens', { name: 'crm', role: 'support' }),
  );
  const asCrm = () => api.request('/api/v1/devices', { headers: { authorization: `Bearer ${made.token}` } });
  expect((await asCrm()).status).toBe(200);
  expect(await (await call('GET', '/api/v1/tokens')).text()).not.toContain(made.token);
  expect((await call('DELETE', `/api/v1/tokens/${made.view.id}`)).status).toBe(200);
  expect((await asCrm()).status).toBe(401);
  const late = await call('POST', '/api/v1/tokens', { name: 'late', role: 'noc', expiresAt: '2020-01-01T00:00:00Z' });
  expect(late.status).toBe(422);
});

test('people: made, given a narrowed token, risen, disabled; what the token may follows at once', async () => {
  const { api, call } = await setUp();
  const key = { 'idempotency-key': 'make-operator' };
  const operator = await read<PersonView>(
    call('POST', '/api/v1/people', { name: ' Operator A ', role: 'support' }, key),
  );
  expect(operator).toMatchObject({ name: 'Operator A', role: 'support', createdBy: 'admin', disabledAt: null });
  const again = await read<PersonView>(call('POST', '/api/v1/people', { name: ' Operator A ', role: 'support' }, key));
  expect(again).toEqual(operator);
  const path = `/api/v1/people/${operator.id}`;
  expect(await read(call('GET', path))).toEqual(operator);
  const { token } = await read<{ token: string }>(
    call('POST', '/api/v1/tokens', { name: 'laptop', personId: operator.id, scope: ['read', 'act-read'] }),
  );
  const asOperator = async (method: string, path: string) => {
    const answer = await api.request(path, { method, headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const who = {
    name: 'Operator A',
    person: { id: operator.id, name: 'Operator A' },
    permissions: ['read', 'act-read'],
  };
  expect((await asOperator('GET', '/api/v1/whoami')).body).toMatchObject({ ...who, role: 'support' });
  const forbidden = { status: 403, body: { error: { code: 'forbidden' } } };
  const cancel = () => asOperator('POST', '/api/v1/actions/A1/approve');
  expect(await cancel()).toMatchObject(forbidden);
  await call('PATCH', path, { role: 'engineer' });
  expect(await cancel()).toMatchObject({ status: 403, body: { error: { code: 'out-of-scope' } } });
  expect((await asOperator('GET', '/api/v1/whoami')).body).toMatchObject({ ...who, role: 'engineer' });
  await call('PATCH', path, { disabled: true });
  expect(await asOperator('GET', '/api/v1/whoami')).toMatchObject({
    ...{ status: 401, body: { error: { code: 'person-disabled' } } },
  });
  const people = await read<Page<PersonView>>(call('GET', '/api/v1/people'));
  expect(people.items.map(({ name }) => name)).toEqual(['admin', 'Operator A']);
  const last = await call('PATCH', `/api/v1/people/${people.items[0]!.id}`, { role: 'noc' });
  expect([last.status, (await errorOf(last)).code]).toEqual([409, 'last-admin']);
});

test.each([
  ['no change at all', 'PATCH', {}],
  ['a name that cannot be seen', 'POST', { name: '\u200b', role: 'noc' }],
  ['a name that turns the text around', 'POST', { name: 'Ada \u202enimda', role: 'noc' }],
  ['a role that is none', 'POST', { name: 'Operator A', role: 'god' }],
  ['an address that is none', 'POST', { name: 'Operator A', role: 'noc', email: 'operator at home' }],
  ['a name too long', 'PATCH', { name: 'x'.repeat(101) }],
])('a person with %s is refused', async (_, method, body) => {
  const { call } = await setUp();
  const answer = await call(method, method === 'POST' ? '/api/v1/people' : '/api/v1/people/P1', body);
  expect([answer.status, (await errorOf(answer)).code]).toEqual([422, 'invalid-body']);
});

test.each([
  ['a year after 9999 in UTC', '/api/v1/devices?seenSince=9999-12-31T23:59:59-14:00'],
  ['a year before 1', '/api/v1/devices?silentSince=0000-01-01T00:00:00Z'],
  [
    'a forged cursor with a time out of range',
    `/api/v1/files?cursor=${btoa('99999999999999999999|x').replace('==', '')}`,
  ],
])('%s is refused as the mistake of the caller', async (_, path) => {
  const { call } = await setUp();
  const answer = await call('GET', path);
  expect(answer.status).toBe(400);
  expect((await read<{ error: { message: string } }>(Promise.resolve(answer))).error.message).toMatch(/9999|cursor/);
});

test('a token that ends after the year 9999 is refused', async () => {
  const { call } = await setUp();
  const meta = { name: 'late', role: 'noc', expiresAt: '9999-12-31T23:59:59-14:00' };
  expect((await call('POST', '/api/v1/tokens', meta)).status).toBe(422);
});

test('an operator may choose a token as long as a header takes, and no longer', async () => {
  const { control, api } = await setUp();
  const longest = 'x'.repeat(256);
  await control.services.tokens.ensureAdmin(longest);
  const answer = await api.request('/api/v1/devices', { headers: { authorization: `Bearer ${longest}` } });
  expect(answer.status).toBe(200);
  for (const token of ['x'.repeat(257), 'with blanks in it, and long enough', 'ümlaut-and-long-enough-for-all']) {
    await expect(control.services.tokens.ensureAdmin(token)).rejects.toThrow(/24 to 256 printable ASCII/);
  }
});

test('devices come in keyset pages, each once, and filters narrow them', async () => {
  const { send, call } = await setUp();
  await send(...Array.from({ length: 23 }, (_, i) => inform({ serial: `S${String(i).padStart(3, '0')}` })));
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Page<DeviceView> = await read(call('GET', `/api/v1/devices?limit=10${cursor && `&cursor=${cursor}`}`));
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  }
  expect(seen).toHaveLength(23);
  expect(new Set(seen).size).toBe(23);
  const count = async (query: string) =>
    (await read<Page<DeviceView>>(call('GET', `/api/v1/devices?${query}`))).items.length;
  expect(await count('q=s007')).toBe(1);
  expect(await count('manufacturer=Huawei&productClass=HG8245')).toBe(23);
  expect(await count('manufacturer=ZTE')).toBe(0);
  expect(await count('q=%27%3B%20drop%20table%20device%3B--')).toBe(0);
  expect(await count('seenSince=2020-01-01T00:00:00Z')).toBe(23);
  expect(await count('silentSince=2020-01-01T00:00:00Z')).toBe(0);
  for (const forged of ['x', '..', 'AAAA', Buffer.from("' or 1=1").toString('base64')]) {
    expect([200, 400]).toContain((await call('GET', `/api/v1/devices?cursor=${encodeURIComponent(forged)}`)).status);
  }
});

test('an unknown canonical name is 422 and the nearest ones are offered', async () => {
  const { send, call } = await setUp();
  await send(inform());
  const answer = await call('POST', ACTIONS, { kind: 'set', values: { 'wifi.2g.sid': 'x' } });
  expect(answer.status).toBe(422);
  const error = await errorOf(answer);
  expect(error.code).toBe('unknown-name');
  expect(error.message).toContain('wifi.2g.ssid');
  // And it is kept that this was asked for, and refused.
  const exported = await (await call('GET', '/api/v1/evidence/export')).text();
  expect(exported).toContain('"kind":"refused"');
  expect(exported).toContain('unknown-name');
});

test('a set with ?wait is answered when its result comes, with plan, approval, result and evidence', async () => {
  const { send, call, nextWork } = await setUp();
  await send(inform({ changed: [value(`${WIFI}SSID`, 'Old')] }));
  const body = { kind: 'set', values: { 'wifi.2g.ssid': 'Harbour' }, reason: 'asked by phone', reference: 'T-1' };
  const answer = call('POST', `${ACTIONS}?wait=30`, body);
  const work = await nextWork();
  expect(work.args).toMatchObject({ values: [{ name: `${WIFI}SSID`, value: 'Harbour' }] });
  await send(result(work, { before: [value(`${WIFI}SSID`, 'Old')], after: [value(`${WIFI}SSID`, 'Harbour')] }));
  const ended = await answer;
  expect(ended.status).toBe(201);
  const action = (await ended.json()) as ActionDetail;
  expect(action).toMatchObject({
    state: 'done',
    outcome: 'done',
    owner: { name: 'admin', role: 'admin', reason: 'asked by phone', reference: 'T-1' },
    plan: { diff: [{ canonical: 'wifi.2g.ssid', from: 'Old', to: 'Harbour' }] },
    approvals: [{ decision: 'auto', planHash: action.plan.hash }],
    result: { after: [{ Value: 'Harbour' }] },
  });
  expect(action.evidence.length).toBeGreaterThan(1);
  expect((await call('POST', `/api/v1/actions/${action.id}/cancel`)).status).toBe(409);
  const ofPlan = { planHash: action.plan.hash };
  for (const verb of ['submit', 'approve'])
    expect((await call('POST', `/api/v1/actions/${action.id}/${verb}`, ofPlan)).status, verb).toBe(409);
  expect((await call('POST', `/api/v1/actions/${action.id}/reject`, { why: 'late' })).status).toBe(409);
});

test('a secret goes in and is never shown again', async () => {
  const { send, call, nextWork } = await setUp();
  await send(inform());
  const secret = 'tulip-4711-secret';
  const made = await call('POST', ACTIONS, { kind: 'set', values: { 'wifi.2g.password': secret } });
  expect(made.status).toBe(202);
  const work = await nextWork();
  expect(JSON.stringify(work)).toContain(secret);
  await call('PUT', `/api/v1/devices/${ID}/credentials`, { cpe: { username: 'cpe', password: secret } });
  const shown = [await made.text()];
  const paths = ['/api/v1/actions', `/api/v1/actions/${work.actionId}`, `/api/v1/devices/${ID}`];
  for (const path of [
    ...paths,
    ...['parameters', 'timeline', 'credentials'].map((part) => `/api/v1/devices/${ID}/${part}`),
  ]) {
    const answer = await call('GET', path);
    expect(answer.status, path).toBe(200);
    shown.push(await answer.text());
  }
  for (const text of shown) expect(text).not.toContain(secret);
});

test('ten requests at once under one key make one action', async () => {
  const { send, call } = await setUp();
  await send(inform());
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => call('POST', ACTIONS, { kind: 'reboot' }, { 'idempotency-key': 'k1' })),
  );
  for (const { status } of answers) expect([202, 409]).toContain(status);
  expect((await read<Page<unknown>>(call('GET', '/api/v1/actions'))).items).toHaveLength(1);
  expect((await call('POST', ACTIONS, { kind: 'reboot' }, { 'idempotency-key': 'k1' })).status).toBe(202);
  expect((await call('POST', ACTIONS, { kind: 'factory-reset' }, { 'idempotency-key': 'k1' })).status).toBe(422);
});

test('parameters are found by path and by canonical name', async () => {
  const { send, call } = await setUp();
  await send(inform({ changed: [value(`${WIFI}SSID`, 'Old'), value('InternetGatewayDevice.DeviceInfo.UpTime', '7')] }));
  const names = async (prefix: string) =>
    (await read<Page<ParameterView>>(call('GET', `/api/v1/devices/${ID}/parameters?prefix=${prefix}`))).items.map(
      ({ name }) => name,
    );
  expect(await names('wifi.')).toEqual([`${WIFI}SSID`]);
  expect(await names('InternetGatewayDevice.DeviceInfo.')).toEqual(['InternetGatewayDevice.DeviceInfo.UpTime']);
  expect(await names('%25')).toEqual([]);
});

test('the event stream shows a device as it appears, and goes on behind Last-Event-ID', async () => {
  const { send, call } = await setUp();
  const answer = await call('GET', `/api/v1/events?deviceId=${ID}`);
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  await send(inform({ serial: 'OTHER' }), inform());
  const first = /^id: (\d+)\nevent: (\S+)\ndata: (.*)\n\n$/.exec((await reader.read()).value!)!;
  expect(JSON.parse(first[3]!)).toMatchObject({ id: first[1], kind: first[2], deviceId: ID });
  await reader.cancel();
  const later = await call('GET', `/api/v1/events?deviceId=${ID}`, undefined, {
    'last-event-id': String(Number(first[1]) - 1),
  });
  const again = later.body!.pipeThrough(new TextDecoderStream()).getReader();
  await again.read();
  expect((await again.read()).value).toBe(first[0]);
  await again.cancel();
  const { items } = await read<Page<TimelineEntry>>(call('GET', `/api/v1/devices/${ID}/timeline`));
  expect(items.map(({ id }) => id)).toContain(first[1]);
});

test('a file is stored under its hash; without a file store it is 503', async () => {
  const store: FileStore = {
    read: async () => null,
    async put(source) {
      let bytes = 0;
      for await (const chunk of source) bytes += chunk.byteLength;
      return { fileId: 'F1', bytes, sha256: 'a'.repeat(64) };
    },
  };
  const give = async (api: Awaited<ReturnType<typeof setUp>>) =>
    api.api.request('/api/v1/files?name=fw.bin&fileType=1%20Firmware%20Upgrade%20Image', {
      method: 'POST',
      headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
      body: 'firmware',
    });
  const withStore = await setUp(store);
  expect((await give(withStore)).status).toBe(201);
  expect((await read<Page<FileView>>(withStore.call('GET', '/api/v1/files'))).items).toMatchObject([
    { name: 'fw.bin', bytes: 8 },
  ]);
  const without = await give(await setUp());
  expect([without.status, (await errorOf(without)).code]).toEqual([503, 'no-file-store']);
});

test('connectors and health tell what is', async () => {
  const { send, call, api } = await setUp();
  await send(inform());
  const { items } = await read<{ items: unknown[] }>(call('GET', '/api/v1/connectors'));
  expect(items).toMatchObject([{ id: 'cwmp', pathsKnown: 1, pathsOnline: 1 }]);
  expect((await api.request('/healthz')).status).toBe(200);
  expect(await (await api.request('/metrics')).text()).toContain('starling_api_request_seconds_count');
});

test('whatever is asked, control answers below 500', async () => {
  const { send, call } = await setUp();
  await send(inform({ changed: [value(`${WIFI}SSID`, 'Old')] }));
  const actionId = (await read<ActionDetail>(call('POST', ACTIONS, { kind: 'reboot' }))).id;
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.constantFrom(
      "'; drop table device; --",
      '%',
      '_',
      '\\',
      'wifi.2g.ssid',
      WIFI,
      `${WIFI}SSID`,
      'Device.',
      '.',
      '{}',
      '\u2028',
    ),
  );
  const given = fc.oneof(text, fc.integer(), fc.boolean());
  const common = { reason: fc.option(text, { nil: undefined }), wake: fc.option(fc.boolean(), { nil: undefined }) };
  const names = fc.dictionary(text, given, { maxKeys: 4 });
  const tests = fc.constantFrom('IPPing', 'TraceRoute', 'Download', 'Upload', 'NSLookup', 'Nothing');
  const action = fc.oneof(
    fc.record({ kind: fc.constant('get'), names: fc.array(text, { maxLength: 4 }), ...common }),
    fc.record({ kind: fc.constant('set'), values: names, ...common }),
    fc.record({ kind: fc.constant('refresh'), name: fc.option(text, { nil: undefined }), ...common }),
    fc.record({ kind: fc.constant('add'), name: text, values: fc.option(names, { nil: undefined }), ...common }),
    fc.record({ kind: fc.constant('delete'), name: text, ...common }),
    fc.record({ kind: fc.constantFrom('reboot', 'factory-reset'), ...common }),
    fc.record({ kind: fc.constant('download'), fileType: text, file: text }),
    fc.record({ kind: fc.constant('download'), fileType: text, url: fc.webUrl() }),
    fc.record({ kind: fc.constant('upload'), fileType: text }),
    fc.tuple(tests, names).map(([name, inputs]) => ({ ...inputs, kind: 'diagnose', test: name })),
    fc.record({ kind: fc.constant('schedule-inform'), delaySeconds: fc.integer() }),
    fc.record({ kind: fc.constant('rpc'), method: text, arguments: fc.dictionary(text, fc.jsonValue()) }),
    fc.record({
      kind: fc.constant('set'),
      values: names,
      expiresAt: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    }),
  );
  const id = fc.oneof(
    fc.constantFrom(ID, actionId),
    text.map((part) => encodeURIComponent(part) || 'x'),
  );
  const query = fc
    .dictionary(
      fc.constantFrom('q', 'tag', 'cursor', 'limit', 'prefix', 'deviceId', 'state', 'seenSince', 'reference'),
      text,
      { maxKeys: 2 },
    )
    .map((pairs) => `?${new URLSearchParams(pairs)}`);
  const asked = fc.oneof(
    fc.record({ method: fc.constant('POST'), path: fc.constant(ACTIONS), body: action }),
    fc.record({
      method: fc.constant('PUT'),
      path: id.map((one) => `/api/v1/devices/${one}/tags`),
      body: fc.record({ tags: fc.array(text) }),
    }),
    fc.record({
      method: fc.constant('PUT'),
      path: id.map((one) => `/api/v1/devices/${one}/credentials`),
      body: fc.record({ cpe: fc.record({ username: text, password: text }) }),
    }),
    fc.record({
      method: fc.constant('GET'),
      path: fc
        .tuple(
          fc.constantFrom('devices', 'actions', 'files', `devices/${ID}/parameters`, `devices/${ID}/timeline`),
          query,
        )
        .map(([path, rest]) => `/api/v1/${path}${rest}`),
      body: fc.constant(undefined),
    }),
    fc.record({
      method: fc.constant('GET'),
      path: fc.tuple(fc.constantFrom('devices', 'actions', 'files'), id).map(([list, one]) => `/api/v1/${list}/${one}`),
      body: fc.constant(undefined),
    }),
  );
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(asked, async ({ method, path, body }) => {
      const answer = await call(method, path, body);
      statuses.add(answer.status);
      expect(answer.status).toBeLessThan(500);
      if (answer.status >= 400) await errorOf(answer);
    }),
    { numRuns: 400, verbose: true },
  );
  // The fuzz reaches behind the validators: some of it is accepted.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 202, 404, 422]));
});
