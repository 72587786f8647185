import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { createApi } from './app.ts';
import { DEVICE_ID, errorOf, memoryServices, TOKENS } from './services.test-helper.ts';

function setUp() {
  const { services } = memoryServices();
  const { api } = createApi({ services, log: silentLog, registry: new Registry() });
  const get = (path: string, token = 'stl_support') =>
    api.request(`/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
  return { services, get };
}

test('whoever may read is told why a parameter is as it is, by path or canonical name', async () => {
  const { services, get } = setUp();
  const asked: string[] = [];
  const { parameter } = services.explain;
  services.explain.parameter = (deviceId, name) => {
    asked.push(name);
    return parameter(deviceId, name);
  };
  for (const token of Object.keys(TOKENS)) {
    const answer = await get(`/devices/${DEVICE_ID}/explain?name=wifi.2g.ssid`, token);
    expect([answer.status, await answer.json()]).toMatchObject([200, { name: 'wifi.2g.ssid', text: 'Nobody knows.' }]);
  }
  expect(new Set(asked)).toEqual(new Set(['wifi.2g.ssid']));
});

test.each([
  ['no name', ''],
  ['an empty one', '?name='],
  ['one that is too long', `?name=${'x'.repeat(1_025)}`],
  ['one that PostgreSQL cannot hold', '?name=a%00b'],
  ['another query', '?name=a&prefix=b'],
])('explaining a parameter of %s is 400', async (_, query) => {
  expect((await setUp().get(`/devices/${DEVICE_ID}/explain${query}`)).status).toBe(400);
});

test('unknown devices and actions are 404', async () => {
  const { get } = setUp();
  expect((await errorOf(await get('/devices/nobody/explain?name=a'))).code).toBe('unknown-device');
  expect((await errorOf(await get('/actions/A1/explain'))).code).toBe('unknown-action');
});
