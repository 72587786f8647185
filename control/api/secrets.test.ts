import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { createApi } from './app.ts';
import { DEVICE_ID, errorOf, memoryServices } from './services.test-helper.ts';

const READ = `/api/v1/devices/${DEVICE_ID}/secrets/read`;
const ROTATION = '/api/v1/secrets/rotation';

function setUp() {
  const memory = memoryServices();
  const { secrets } = memory.services;
  const asked: unknown[] = [];
  memory.services.secrets = {
    ...secrets,
    read: async (id, question, principal) => {
      asked.push(['read', id, question, principal.role]);
      return await secrets.read(id, question, principal);
    },
  };
  memory.services.refusals = {
    record: async ({ role }, { path, code }) => {
      asked.push(['refused', path, role, code]);
    },
  };
  const { api } = createApi({ services: memory.services, log: silentLog, registry: new Registry() });
  const post = (path: string, role: string, body: unknown, headers: Record<string, string> = {}) =>
    api.request(path, {
      method: 'POST',
      headers: { authorization: `Bearer stl_${role}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  return { ...memory, api, asked, post };
}

const question = { name: 'wifi.2g.password', reason: 'T-17' };

test('a secret is answered for no cache, and kept for no repetition: each reading counts', async () => {
  const { post, asked, keys } = setUp();
  for (let i = 0; i < 2; i++) {
    const answer = await post(READ, 'support', question, { 'idempotency-key': 'k1' });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(await answer.json()).toMatchObject({ name: 'wifi.2g.password', value: 'of the test' });
  }
  const reading = ['read', DEVICE_ID, question, 'support'];
  expect(asked).toEqual([reading, reading]);
  expect(keys.size).toBe(0);
});

test('who may read none is refused, and that is told to be recorded before the answer', async () => {
  const { post, asked } = setUp();
  for (const role of ['field', 'finance', 'auditor', 'agent']) {
    const answer = await post(READ, role, question);
    expect([answer.status, (await errorOf(answer)).code]).toEqual([403, 'forbidden']);
    expect(asked.pop()).toEqual(['refused', READ, role, 'forbidden']);
  }
  expect(asked).toEqual([]);
});

test.each([
  ['no reason', { name: 'wifi.2g.password' }],
  ['a blank reason', { name: 'wifi.2g.password', reason: ' ' }],
  ['no name', { reason: 'T-17' }],
  ['more than it takes', { ...question, value: 'x' }],
])('422 for %s', async (_, body) => {
  const { post, asked } = setUp();
  expect((await post(READ, 'admin', body)).status).toBe(422);
  expect(asked).toEqual([['refused', READ, 'admin', 'invalid-body']]);
});

test('an admin sees and begins a rotation, once under a key; nobody else', async () => {
  const { post, api } = setUp();
  const key = 'b'.repeat(12);
  const begun = await post(ROTATION, 'admin', { key }, { 'idempotency-key': 'r1' });
  expect([begun.status, await begun.json()]).toEqual([202, { sealing: key, controls: [], rotation: null }]);
  expect((await post(ROTATION, 'admin', { key: 'c'.repeat(12) }, { 'idempotency-key': 'r1' })).status).toBe(422);
  expect((await post(ROTATION, 'admin', { key: '../etc' })).status).toBe(422);
  for (const role of ['engineer', 'noc', 'auditor']) {
    expect((await post(ROTATION, role, { key })).status).toBe(403);
    const looked = await api.request(ROTATION, { headers: { authorization: `Bearer stl_${role}` } });
    expect(looked.status).toBe(403);
  }
});
