// Route × role × scope: what each route says of who may call it, held against what it does when called.

import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { isPermitted, PERMISSION_NAMES, PERMISSIONS, permissionsOf, ROLES, rolesWith } from '../permissions.ts';
import { createApi } from './app.ts';
import { routeRules } from './routes.ts';
import { DEVICE_ID, errorOf, memoryServices } from './services.test-helper.ts';

function setUp() {
  const registry = new Registry();
  const { api } = createApi({ services: memoryServices().services, log: silentLog, registry });
  /** Calls with nothing in the body: who may is told before it is read. */
  const call = async (method: string, path: string, token: string) => {
    const id = path.includes('/devices/') ? DEVICE_ID : 'A1';
    const authorization = `Bearer ${token}`;
    const answer = await api.request(path.replace('{id}', id), { method, headers: { authorization } });
    // An event stream would go on for ever.
    if (answer.ok) await answer.body?.cancel();
    return answer;
  };
  return { api, call, registry, rules: routeRules(api) };
}

test('every route below /api/v1 has a rule, made of permissions that exist', () => {
  const { api, rules } = setUp();
  for (const { method, path, anyOf } of rules) {
    expect(anyOf, `${method} ${path}`).not.toEqual([]);
    for (const permission of anyOf) expect(Object.keys(PERMISSIONS), `${method} ${path}`).toContain(permission);
  }
  // Whatever is routed is described, so that nothing slips in beside the rules.
  const routed = api.routes
    .filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/v1/'))
    .map(({ method, path }) => `${method} ${path.replace(/:([a-zA-Z]+)/g, '{$1}')}`);
  expect([...new Set(routed)].sort()).toEqual(rules.map(({ method, path }) => `${method} ${path}`).sort());
  expect(rules.length).toBeGreaterThan(25);
});

test('some role has each permission, and an admin has them all', () => {
  for (const permission of PERMISSION_NAMES) expect(rolesWith([permission]), permission).not.toEqual([]);
  // Nobody but an admin makes tokens, so no token can be made by somebody who may less than an admin.
  expect(PERMISSIONS.tokens).toEqual(['admin']);
  expect(permissionsOf({ role: 'admin', scope: null })).toEqual(PERMISSION_NAMES);
});

test.each(ROLES)('a token of role %s is refused by exactly the routes that do not name the role', async (role) => {
  const { call, rules } = setUp();
  for (const { method, path, anyOf } of rules) {
    const answer = await call(method, path, `stl_${role}`);
    expect(answer.status === 403, `${method} ${path}`).toBe(!rolesWith(anyOf).includes(role));
    if (answer.status === 403) {
      const { code, message } = await errorOf(answer);
      expect(code).toBe('forbidden');
      for (const each of rolesWith(anyOf)) expect(message).toContain(each);
    }
  }
});

test.each(PERMISSION_NAMES)(
  'a token of an admin narrowed to %s is refused by exactly the routes that need something else',
  async (permission) => {
    const { call, rules } = setUp();
    for (const { method, path, anyOf } of rules) {
      const answer = await call(method, path, `stl_only_${permission}`);
      expect(answer.status === 403, `${method} ${path}`).toBe(!anyOf.includes(permission));
      if (answer.status === 403) {
        const { code, message } = await errorOf(answer);
        expect(code).toBe('out-of-scope');
        for (const each of anyOf) expect(message).toContain(each);
      }
    }
  },
);

test('scope narrows a role and never widens it', () => {
  for (const role of ROLES) {
    for (const permission of PERMISSION_NAMES) {
      const holds = rolesWith([permission]).includes(role);
      expect(isPermitted({ role, scope: PERMISSION_NAMES }, permission)).toBe(holds);
      expect(permissionsOf({ role, scope: [permission] })).toEqual(holds ? [permission] : []);
    }
  }
});

test.each([
  ['expired', 'token-expired', 'expired at 2026-01-31'],
  ['disabled', 'person-disabled', 'is disabled'],
  ['revoked', 'bad-token', 'unknown or revoked'],
  ['nobody', 'bad-token', 'unknown or revoked'],
])('401 for a token that is %s', async (token, code, text) => {
  const { call } = setUp();
  const answer = await call('GET', '/api/v1/devices', `stl_${token}`);
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="starling", error="invalid_token"');
  const error = await errorOf(answer);
  expect(error).toMatchObject({ code, message: expect.stringContaining(text) });
});

test('what became of each token is counted', async () => {
  const { api, call, registry } = setUp();
  for (const token of ['admin', 'admin', 'expired', 'disabled', 'revoked', 'nobody'])
    await call('GET', '/api/v1/devices', `stl_${token}`);
  await api.request('/api/v1/devices');
  await api.request('/api/v1/devices', { headers: { authorization: 'Basic YTpi' } });
  const { values } = await registry.getSingleMetric('starling_api_auth_total')!.get();
  expect(Object.fromEntries(values.map(({ labels, value }) => [labels['outcome'], value]))).toEqual({
    ...{ ok: 2, none: 1, unknown: 2, revoked: 1, disabled: 1, expired: 1 },
  });
});
