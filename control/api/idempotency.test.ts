import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { createApi } from './app.ts';
import { DEVICE_ID, errorOf, memoryServices } from './services.test-helper.ts';

function setUp() {
  const memory = memoryServices();
  const { api } = createApi({ services: memory.services, log: silentLog, registry: new Registry() });
  const post = (path: string, body: unknown, key: string | null, role = 'admin') =>
    api.request(path, {
      method: 'POST',
      headers: {
        authorization: `Bearer stl_${role}`,
        'content-type': typeof body === 'string' ? 'application/octet-stream' : 'application/json',
        ...(key === null ? {} : { 'idempotency-key': key }),
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return { ...memory, api, post };
}

const ACTIONS = `/api/v1/devices/${DEVICE_ID}/actions`;

test('the same key and request make one action; the repeated request shows how it goes on', async () => {
  const { post, log, endActions } = setUp();
  expect((await post(ACTIONS, { kind: 'reboot', reason: 'r' }, 'k1')).status).toBe(202);
  endActions('done');
  const again = await post(ACTIONS, { reason: 'r', kind: 'reboot' }, 'k1');
  expect(again.status).toBe(200);
  expect(await again.json()).toMatchObject({ id: 'A1', state: 'done' });
  expect(log.created).toBe(1);
});

test('a caller that lost its connection while waiting repeats the request and waits again for the same action', async () => {
  const { post, log, endActions, somebodyWaits } = setUp();
  const lost = post(`${ACTIONS}?wait=60`, { kind: 'reboot' }, 'k1');
  await somebodyWaits();
  const again = post(`${ACTIONS}?wait=60`, { kind: 'reboot' }, 'k1');
  await somebodyWaits(2);
  endActions('done');
  expect((await lost).status).toBe(201);
  expect((await again).status).toBe(200);
  expect(log.created).toBe(1);
});

test('the same key with another body is 422 and does nothing', async () => {
  const { post, log } = setUp();
  await post(ACTIONS, { kind: 'reboot' }, 'k1');
  const answer = await post(ACTIONS, { kind: 'factory-reset' }, 'k1');
  expect([answer.status, (await errorOf(answer)).code]).toEqual([422, 'idempotency-conflict']);
  expect(log.created).toBe(1);
});

test('the same key on another path is 422', async () => {
  const { post, log } = setUp();
  await post(ACTIONS, { kind: 'reboot' }, 'k1');
  expect((await post(`/api/v1/devices/${DEVICE_ID}/wake`, {}, 'k1')).status).toBe(422);
  expect(log.woken).toBe(0);
});

test('keys of different tokens do not meet', async () => {
  const { post, log } = setUp();
  await post(ACTIONS, { kind: 'reboot' }, 'k1', 'noc');
  await post(ACTIONS, { kind: 'reboot' }, 'k1', 'support');
  expect(log.created).toBe(2);
});

test('while the first request is under way the second is 409 with Retry-After', async () => {
  const { post, services } = setUp();
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const started = new Promise<void>((resolve) => {
    const wake = services.devices.wake;
    services.devices.wake = async (...args) => {
      resolve();
      await gate;
      return wake(...args);
    };
  });
  const first = post(`/api/v1/devices/${DEVICE_ID}/wake`, {}, 'k1');
  await started;
  const second = await post(`/api/v1/devices/${DEVICE_ID}/wake`, {}, 'k1');
  expect([second.status, second.headers.get('retry-after')]).toEqual([409, '1']);
  go();
  expect((await first).status).toBe(202);
});

test('a simple POST is answered again as it was, and done once', async () => {
  const { post, log } = setUp();
  const first = await post(`/api/v1/devices/${DEVICE_ID}/wake`, {}, 'k1');
  const second = await post(`/api/v1/devices/${DEVICE_ID}/wake`, {}, 'k1');
  expect([second.status, await second.json()]).toEqual([first.status, await first.json()]);
  expect(log.woken).toBe(1);
});

test('a refused request leaves its key free for the corrected one', async () => {
  const { post, log } = setUp();
  expect((await post('/api/v1/devices/nobody/wake', {}, 'k1')).status).toBe(404);
  expect((await post(`/api/v1/devices/${DEVICE_ID}/wake`, {}, 'k1')).status).toBe(202);
  expect((await post('/api/v1/devices/nobody/actions', { kind: 'reboot' }, 'k2')).status).toBe(404);
  expect((await post(ACTIONS, { kind: 'reboot' }, 'k2')).status).toBe(202);
  expect(log.created).toBe(1);
});

test('a token is shown once and is not kept with its key', async () => {
  const { post, keys } = setUp();
  const first = (await (await post('/api/v1/tokens', { name: 'crm', role: 'support' }, 'k1')).json()) as {
    token: string;
    view: unknown;
  };
  expect(first.token).toBe('stl_secret_T1');
  const again = await post('/api/v1/tokens', { name: 'crm', role: 'support' }, 'k1');
  expect([again.status, await again.json()]).toEqual([200, { token: null, view: first.view }]);
  expect(JSON.stringify([...keys.values()])).not.toContain('stl_secret');
});

test('the same file under the same key is stored once; other bytes are 422', async () => {
  const { post, services } = setUp();
  const path = '/api/v1/files?name=a.bin&fileType=1%20Firmware%20Upgrade%20Image';
  expect((await post(path, 'bytes', 'k1')).status).toBe(201);
  expect((await post(path, 'bytes', 'k1')).status).toBe(200);
  expect((await post(path, 'other', 'k1')).status).toBe(422);
  expect((await services.files.list({})).items).toHaveLength(1);
});

test.each(['with blank', 'ümlaut', 'x'.repeat(201)])('the key "%s" is refused', async (key) => {
  const { api } = setUp();
  const headers = new Headers({ authorization: 'Bearer stl_admin' });
  headers.set('idempotency-key', Buffer.from(key).toString('latin1'));
  const answer = await api.request(`/api/v1/devices/${DEVICE_ID}/wake`, { method: 'POST', headers });
  expect([answer.status, (await errorOf(answer)).code]).toEqual([400, 'invalid-header']);
});
