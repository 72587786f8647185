import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { createApi } from './app.ts';
import { errorOf, memoryServices } from './services.test-helper.ts';

function setUp() {
  const { services } = memoryServices();
  const { api } = createApi({ services, log: silentLog, registry: new Registry() });
  const get = (path: string, role: string, method = 'GET') =>
    api.request(`/api/v1/evidence/${path}`, { method, headers: { authorization: `Bearer stl_${role}` } });
  return { services, get };
}

test('an auditor gets evidence as lines of JSON, of what was asked for', async () => {
  const { services, get } = setUp();
  const asked: unknown[] = [];
  services.evidence.export = async function* (filter) {
    asked.push(filter);
    yield '{"a":1}\n{"b":2}\n';
    yield '{"c":3}\n';
  };
  const answer = await get('export?deviceId=00259E-HG8245-1&from=2026-01-31T12:00:00Z', 'auditor');
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
  expect(await answer.text()).toBe('{"a":1}\n{"b":2}\n{"c":3}\n');
  expect(asked).toEqual([{ deviceId: '00259E-HG8245-1', from: '2026-01-31T12:00:00Z' }]);
});

test('others may see the key, and not the evidence', async () => {
  const { get } = setUp();
  expect((await errorOf(await get('export', 'noc'))).code).toBe('forbidden');
  expect(await (await get('key', 'noc')).json()).toEqual({ key: 'bm90IGEga2V5', fingerprint: 'ffffffffffffffff' });
  expect((await errorOf(await get('export?from=yesterday', 'auditor'))).code).not.toBe('');
});

test('an export nobody reads is given up: by its reader, and when only its head is asked for', async () => {
  const { services, get } = setUp();
  let open = 0;
  services.evidence.export = async function* () {
    open++;
    try {
      for (;;) yield '{}\n';
    } finally {
      open--;
    }
  };
  expect((await get('export', 'admin', 'HEAD')).status).toBe(200);
  expect(open).toBe(0);
  const reader = (await get('export', 'admin')).body!.getReader();
  await reader.read();
  expect(open).toBe(1);
  await reader.cancel();
  expect(open).toBe(0);
});
