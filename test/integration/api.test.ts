// The API of a whole Starling, as programs and people use it: the event stream, metrics, roles, the description of itself, what wrong
// calls are told, and health when the database dies (last, for nothing works after it).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TimelineEntry } from '../../control/services.ts';
import { ActionStage, type Device } from './actions.test-helper.ts';
import { readMetrics } from './prometheus.test-helper.ts';

let stage: ActionStage;
let device: Device;
beforeAll(async () => {
  stage = await ActionStage.open();
  device = await stage.device('tr181');
});
afterAll(() => stage.close());

const call = (path: string, token = stage.starling.token, init: RequestInit = {}) =>
  fetch(`${stage.starling.httpUrl}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
  });

/** Follows the event stream until `enough` holds; returns the entries with the ids and kinds of their frames. */
async function follow(
  query: string,
  lastEventId: string | null,
  enough: (entries: TimelineEntry[]) => boolean,
  begun = () => {},
) {
  const leave = new AbortController();
  const headers: Record<string, string> = lastEventId === null ? {} : { 'last-event-id': lastEventId };
  const response = await call(`/api/v1/events${query}`, undefined, { headers, signal: leave.signal });
  expect(response.headers.get('content-type')).toMatch('text/event-stream');
  const entries: TimelineEntry[] = [];
  let text = '';
  const decoder = new TextDecoder();
  begun();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    const frames = text.split('\n\n');
    text = frames.pop()!;
    for (const frame of frames) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1];
      if (field('data') === undefined) continue;
      const entry = JSON.parse(field('data')!) as TimelineEntry;
      expect([field('id'), field('event')]).toEqual([entry.id, entry.kind]);
      entries.push(entry);
    }
    if (enough(entries)) break;
  }
  leave.abort();
  return entries;
}

test('events: an action goes by in its order, and Last-Event-ID goes on where a listener left', async () => {
  const ended = (entries: TimelineEntry[]) => entries.some(({ kind }) => kind === 'action.done');
  let act: Promise<unknown> = Promise.resolve();
  const seen = await follow(`?deviceId=${device.id}&kind=action.`, null, ended, () => {
    act = stage.act(device, { kind: 'set', values: { 'wifi.2g.ssid': 'Streamed' } });
  });
  await act;
  const kinds = seen.map(({ kind }) => kind);
  expect(kinds[0]).toBe('action.ready');
  expect(kinds.at(-1)).toBe('action.done');
  const order = ['action.ready', 'action.running', 'action.verifying', 'action.done'];
  const ranks = kinds.map((kind) => order.indexOf(kind));
  expect(ranks).toEqual([...ranks].sort());
  expect(new Set(ranks).size).toBeGreaterThanOrEqual(3);
  // Gone after the first event; back with its id: the rest comes, each once.
  const rest = await follow(`?deviceId=${device.id}&kind=action.`, seen[0]!.id, ended);
  expect(rest.map(({ id }) => id)).toEqual(seen.slice(1).map(({ id }) => id));
  // The stream and the timeline are the same record.
  const timeline = await stage.timeline(device.id);
  expect(timeline.filter(({ id }) => seen.some((entry) => entry.id === id))).toEqual(seen);
});

test('metrics: the page passes the linter and has every family that operations look at', async () => {
  const response = await call('/metrics');
  expect(response.headers.get('content-type')).toMatch('text/plain; version=0.0.4');
  const { families, problems } = readMetrics(await response.text());
  expect(problems).toEqual([]);
  const value = (name: string, labels = '') =>
    families
      .get(name)
      ?.samples.filter((one) => one.labels.includes(labels))
      .reduce((sum, one) => sum + one.value, 0);
  expect(value('starling_sessions_started_total')).toBeGreaterThanOrEqual(2);
  expect(value('starling_requests_total', 'kind="inform"')).toBeGreaterThanOrEqual(2);
  expect(value('starling_rpcs_total', 'method="SetParameterValues"')).toBeGreaterThanOrEqual(2);
  expect(value('starling_parse_path_total')).toBeGreaterThan(4);
  expect(value('starling_control_facts_total', 'type="result"')).toBeGreaterThanOrEqual(2);
  expect(value('starling_control_actions_ended_total', 'kind="set",outcome="done"')).toBeGreaterThanOrEqual(1);
  expect(value('starling_outbox_facts')).toBe(0);
  expect(value('process_cpu_seconds_total')).toBeGreaterThan(0);
  for (const histogram of [
    'starling_request_seconds',
    'starling_control_ingest_batch_seconds',
    'starling_control_action_seconds',
    'starling_relay_publish_seconds',
  ])
    expect(families.get(histogram), histogram).toMatchObject({ type: 'histogram' });
  // There before the first of them happens, so that alerts have something to look at.
  const others = [
    'starling_cpe_faults_total',
    'starling_acs_faults_total',
    'starling_tolerances_total',
    'starling_store_refusing',
    'starling_outbox_bytes',
    'starling_outbox_oldest_seconds',
    'starling_control_actions_open',
  ];
  for (const name of others) expect([...families.keys()]).toContain(name);
});

test('metrics: a fault of a CPE is counted by its code', async () => {
  await stage.act(device, { kind: 'get', names: ['Device.Time.NTPServer5'] });
  const { families } = readMetrics(await (await call('/metrics')).text());
  expect(families.get('starling_cpe_faults_total')?.samples).toContainEqual(
    expect.objectContaining({ labels: 'code="9005"' }),
  );
});

const READS = ['support', 'noc', 'field', 'finance', 'engineer', 'admin', 'auditor', 'agent'];
const READS_DEVICES = ['support', 'noc', 'field', 'engineer', 'admin', 'agent'];
const ACTS = ['support', 'noc', 'field', 'engineer', 'admin'];
test('roles: each may do what its work needs, and the refusal names the roles that may', async () => {
  const actions = `/api/v1/devices/${device.id}/actions`;
  const calls: [string, string, string, unknown, string[]][] = [
    ['read', 'GET', '/api/v1/devices', undefined, READS],
    ['get', 'POST', actions, { kind: 'get', names: ['wifi.2g.ssid'] }, READS_DEVICES],
    // What an agent asks waits for a person.
    ['set', 'POST', actions, { kind: 'set', values: { 'wifi.2g.ssid': 'Role' } }, [...ACTS, 'agent']],
    ['rpc', 'POST', actions, { kind: 'rpc', method: 'GetRPCMethods' }, ['engineer', 'admin']],
    ['credentials', 'GET', `/api/v1/devices/${device.id}/credentials`, undefined, ['noc', 'engineer', 'admin']],
    ['tokens', 'GET', '/api/v1/tokens', undefined, ['admin']],
    ['evidence', 'GET', '/api/v1/evidence/export', undefined, ['auditor', 'admin']],
    ['rotation', 'GET', '/api/v1/secrets/rotation', undefined, ['admin']],
  ];
  for (const role of READS) {
    const made = await stage.api('POST', '/tokens', { name: `A ${role}`, role });
    const { token } = made.body as { token: string };
    for (const [name, method, path, body, roles] of calls) {
      const json =
        body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
      const response = await call(path, token, { method, ...json });
      expect(response.status < 300 ? 'allowed' : response.status, `${role}: ${name}`).toBe(
        roles.includes(role) ? 'allowed' : 403,
      );
      const text = await response.text();
      if (response.status === 403) expect(JSON.parse(text).error.message).toContain(roles.join(' or '));
      else if (name === 'get')
        expect(JSON.parse(text).owner).toMatchObject({
          name: `A ${role}`,
          role,
          kind: role === 'agent' ? 'agent' : 'person',
        });
    }
    await stage.api('DELETE', `/tokens/${made.body.view.id}`);
    expect((await call('/api/v1/devices', token)).status).toBe(401);
  }
});

test('openapi.json describes every route of the outside contract, under its roles', async () => {
  const { body } = await stage.api('GET', '/openapi.json');
  expect(body.openapi).toBe('3.1.0');
  const routes = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`),
  );
  expect(routes.sort()).toEqual(
    [
      ...[
        'GET /actions',
        'GET /actions/{id}',
        'GET /connectors',
        'GET /devices',
        'GET /devices/{id}',
        'GET /events',
        'GET /files',
      ],
      ...[
        'GET /devices/{id}/credentials',
        'GET /devices/{id}/parameters',
        'GET /devices/{id}/timeline',
        'GET /files/{id}',
        'GET /evidence/export',
        'GET /evidence/key',
      ],
      ...[
        'GET /healthz',
        'GET /metrics',
        'GET /openapi.json',
        'GET /tokens',
        'DELETE /tokens/{id}',
        'POST /tokens',
        'POST /files',
      ],
      ...['GET /people', 'GET /people/{id}', 'PATCH /people/{id}', 'POST /people', 'GET /whoami'],
      ...[
        'POST /actions/{id}/approve',
        'POST /actions/{id}/cancel',
        'POST /actions/{id}/recover',
        'POST /actions/{id}/reject',
        'POST /actions/{id}/submit',
        'POST /actions/{id}/close',
        'GET /actions/{id}/explain',
        'GET /queue',
      ],
      ...['GET /approval-matrix', 'PUT /approval-matrix'],
      ...[
        'GET /batches',
        'POST /batches',
        'GET /batches/{id}',
        'GET /batches/{id}/refusals',
        'GET /batches/{id}/proof/{actionId}',
      ],
      ...['submit', 'approve', 'reject', 'pause', 'resume', 'cancel'].map((step) => `POST /batches/{id}/${step}`),
      ...[
        'POST /devices/{id}/actions',
        'POST /devices/{id}/wake',
        'POST /devices/{id}/secrets/read',
        'GET /secrets/rotation',
        'POST /secrets/rotation',
        'PUT /devices/{id}/credentials',
        'PUT /devices/{id}/tags',
        'GET /devices/{id}/explain',
        'POST /devices/{id}/recordings',
        'GET /recordings',
        'GET /recordings/{id}',
      ],
    ].sort(),
  );
});

test('healthz: 200 while all is well; 503 that names the database once PostgreSQL is killed, and the rest of the page still comes', async () => {
  const well = await call('/healthz');
  expect(well.status).toBe(200);
  expect(await well.json()).toMatchObject({ ok: true });
  const pid = Number(readFileSync(join(stage.starling.dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(pid, 'SIGKILL');
  await expect.poll(async () => (await call('/healthz')).status, { timeout: 20_000 }).toBe(503);
  const view = (await (await call('/healthz')).json()) as { checks: { name: string; ok: boolean; text: string }[] };
  expect(view.checks.find(({ name }) => name === 'database')).toMatchObject({
    ok: false,
    text: expect.stringContaining('does not answer'),
  });
  const { problems, families } = readMetrics(await (await call('/metrics')).text());
  expect(problems).toEqual([]);
  expect(families.has('starling_sessions_started_total')).toBe(true);
  const devices = await stage.api('GET', '/devices');
  expect(devices).toMatchObject({ status: 503, body: { error: { code: 'database-away' } } });
  // CPEs do not notice: the edge goes on under what it knows.
  expect(await device.cpe.inform('4 VALUE CHANGE')).toMatchObject({ outcome: 'ended' });
});
