import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { edgeIdOf, flagOf, loadConfig } from './config.ts';
import { ConfigError } from './errors.ts';

const codeOf = (load: () => unknown): string => {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.code;
    throw error;
  }
  return 'none';
};

test('defaults are usable as they are', () => {
  expect(loadConfig({}, {})).toMatchObject({
    cwmpPort: 7547,
    httpPort: 8080,
    cwmpHost: '127.0.0.1',
    cpeAuth: 'none',
    pop: 'default',
  });
});

test('flags win over the environment, the environment over the file, the file over defaults', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'starling-')), 'c.json');
  writeFileSync(file, JSON.stringify({ cwmpPort: 1, httpPort: 1, pop: 'file' }));
  const config = loadConfig({ cwmpPort: '3' }, { STARLING_CWMP_PORT: '2', STARLING_HTTP_PORT: '2' }, file);
  expect(config).toMatchObject({ cwmpPort: 3, httpPort: 2, pop: 'file' });
});

test.each([
  ['a port that is none', { STARLING_CWMP_PORT: '99999' }, 'bad-value'],
  ['a number with a unit', { STARLING_DRAIN_SECONDS: '10s' }, 'bad-value'],
  ['a choice that is none', { STARLING_CPE_AUTH: 'ntlm' }, 'bad-value'],
  ['a list with a choice that is none', { STARLING_CPE_DIGEST_ALGORITHMS: 'MD5,MD6' }, 'bad-value'],
  ['a list of choices with none', { STARLING_CPE_DIGEST_ALGORITHMS: ',' }, 'bad-value'],
  ['an option that does not exist', { STARLING_CWMP_PROT: '1' }, 'unknown-option'],
  ['another address without authentication', { STARLING_CWMP_HOST: '0.0.0.0' }, 'cpe-auth-needed'],
  ['half a bootstrap secret', { STARLING_CPE_USERNAME: 'u' }, 'half-secret'],
  ['a certificate without its key', { STARLING_CWMP_TLS_CERTIFICATE: '/c.pem' }, 'half-tls'],
  ['a POP that is no subject token', { STARLING_POP: 'a.b' }, 'bad-name'],
  ['a short admin token', { STARLING_ADMIN_TOKEN: 'short' }, 'weak-token'],
])('%s is refused', (_, env, code) => {
  expect(codeOf(() => loadConfig({}, env))).toBe(code);
});

test('secrets are not repeated in messages', () => {
  expect(() => loadConfig({}, { STARLING_ADMIN_TOKEN: 'short' })).not.toThrow(/short"/);
});

test('another address with authentication is accepted', () => {
  expect(loadConfig({}, { STARLING_CWMP_HOST: '0.0.0.0', STARLING_CPE_AUTH: 'digest' }).cpeAuth).toBe('digest');
});

test('a list is taken apart at its commas, in its order', () => {
  const { cpeDigestAlgorithms } = loadConfig({}, { STARLING_CPE_DIGEST_ALGORITHMS: 'SHA-256, MD5-sess' });
  expect(cpeDigestAlgorithms).toEqual(['SHA-256', 'MD5-sess']);
});

test('option names become flags', () => {
  expect(flagOf('cpeAuth')).toBe('--cpe-auth');
});

test.each([
  ['edge1', 'edge1'],
  ['edge1.pop.example.net', 'edge1'],
  ['Büro Rechner', 'B-ro-Rechner'],
  ['', 'edge'],
])('the edge id of host %s is %s', (host, id) => {
  expect(edgeIdOf(host)).toBe(id);
});

test('NATS options come in pairs and name a domain that fits a subject', () => {
  expect(() => loadConfig({}, { STARLING_NATS_CERTIFICATE: 'c.pem' }, null)).toThrow(/STARLING_NATS_KEY together/);
  expect(() => loadConfig({}, { STARLING_NATS_DOMAIN: 'hub.example' }, null)).toThrow(/STARLING_NATS_DOMAIN/);
  const url = 'nats://user:pl4nted@host:4222';
  expect(loadConfig({}, { STARLING_NATS_URL: url, STARLING_NATS_DOMAIN: 'hub' }, null)).toMatchObject({
    ...{ natsUrl: url, natsDomain: 'hub', natsReplicas: 1, edgeAdminPort: 7548 },
  });
});

test('the token of commands may be set where a role is started', () => {
  expect(() => loadConfig({}, { STARLING_TOKEN: 'stl_x' })).not.toThrow();
  expect(() => loadConfig({}, { STARLING_TOKENS: 'stl_x' })).toThrow(/STARLING_TOKENS is set/);
});
