import { expect, test } from 'vitest';
import { ConfigError } from '../base/errors.ts';
import { connectionRequestGuard, type GuardRules } from './connection-request-guard.ts';

const NAMES: Record<string, string[]> = {
  'cpe.example.net': ['203.0.113.5'],
  'inside.example.net': ['127.0.0.1'],
  'two.example.net': ['10.9.9.9', '203.0.113.5'],
  'empty.example.net': [],
};
let resolutions = 0;
const resolve = async (name: string): Promise<string[]> => {
  resolutions++;
  const found = NAMES[name];
  if (found === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
  return found;
};

const judge = (url: string, cpeAddress: string | null = '203.0.113.5', rules: Partial<GuardRules> = {}) =>
  connectionRequestGuard({ networks: [], lowPorts: [], ...rules }, resolve)(url, cpeAddress);

test.each([
  [
    "the CPE's own address",
    'http://203.0.113.5:7547/abc',
    { address: '203.0.113.5', port: 7547, path: '/abc', host: '203.0.113.5:7547', tls: false },
  ],
  ['a query, kept', 'http://203.0.113.5:7547/a?b=c%20d&e', { path: '/a?b=c%20d&e' }],
  ['no path (FIELD 49)', 'http://203.0.113.5:58000', { path: '/', port: 58_000 }],
  ['no port', 'http://203.0.113.5/x', { port: 80, host: '203.0.113.5' }],
  ['https (FIELD 49)', 'https://203.0.113.5/x', { port: 443, tls: true, serverName: '' }],
  ['blanks around and capitals', ' HTTP://203.0.113.5:7547/A ', { path: '/A' }],
  [
    'a host name, resolved once',
    'http://cpe.example.net:7547/x',
    { address: '203.0.113.5', host: 'cpe.example.net:7547' },
  ],
  [
    'the allowed one of two addresses',
    'https://two.example.net:7547/',
    { address: '203.0.113.5', serverName: 'two.example.net' },
  ],
  [
    'another spelling of the address',
    'http://0xcb.0.0x7105:7547/',
    { address: '203.0.113.5', host: '203.0.113.5:7547' },
  ],
])('guard lets through %s', async (_name, url, expected) => {
  resolutions = 0;
  expect(await judge(url)).toMatchObject({ type: 'allowed', ...expected });
  expect(resolutions).toBe(url.includes('example') ? 1 : 0);
});

test('guard lets an IPv6 literal through, with brackets in Host (FIELD 49, CWMP X6)', async () => {
  const verdict = await judge('http://[2001:db8::1FF]:30005/cr', '2001:0db8:0:0::1ff');
  expect(verdict).toMatchObject({
    type: 'allowed',
    address: '2001:db8::1ff',
    port: 30_005,
    host: '[2001:db8::1ff]:30005',
  });
});

test.each([
  ['another address', 'http://203.0.113.6:7547/', 'address'],
  ['a private address of a CPE behind NAT (R5)', 'http://192.168.1.1:7547/', 'address'],
  ['loopback', 'http://127.0.0.1:7547/', 'address'],
  ['loopback, written as a number', 'http://2130706433:7547/', 'address'],
  ['loopback, IPv6', 'http://[::1]:7547/', 'address'],
  ['loopback, mapped', 'http://[::ffff:127.0.0.1]:7547/', 'address'],
  ['cloud metadata', 'http://169.254.169.254/latest', 'address'],
  ['the unspecified address', 'http://0.0.0.0:7547/', 'address'],
  ['a name that points inside', 'http://inside.example.net:7547/', 'address'],
  ['a name without addresses', 'http://empty.example.net:7547/', 'address'],
  ['a name nobody knows', 'http://nobody.example.net:7547/', 'unresolved'],
  ['a mail port', 'http://203.0.113.5:25/', 'port'],
  ['port 0', 'http://203.0.113.5:0/', 'port'],
  ['a user name (R3)', 'http://a:b@203.0.113.5:7547/', 'user-info'],
  ['ftp', 'ftp://203.0.113.5/', 'scheme'],
  ['file', 'file:///etc/passwd', 'scheme'],
  ['no URL', '203.0.113.5:7547/x', 'bad-url'],
  ['nothing', '', 'bad-url'],
])('guard refuses %s (R4)', async (_name, url, reason) => {
  const verdict = await judge(url);
  expect(verdict).toMatchObject({ type: 'refused', reason });
  expect(verdict.type === 'refused' && verdict.text.length).toBeGreaterThan(20);
});

test('guard: an unknown source address allows nothing by itself', async () => {
  expect(await judge('http://203.0.113.5:7547/', null)).toMatchObject({ type: 'refused', reason: 'address' });
});

test('guard: loopback is open to a CPE that informs from loopback, in either family', async () => {
  for (const from of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    expect(await judge('http://127.0.0.1:7547/', from)).toMatchObject({ type: 'allowed' });
    expect(await judge('http://localhost.example:7547/', from)).toMatchObject({ type: 'refused' });
    expect(await judge('http://169.254.169.254/', from)).toMatchObject({ type: 'refused' });
  }
});

test('guard: configured networks are open, but a broad one opens neither loopback nor link-local', async () => {
  expect(await judge('http://192.168.1.1:7547/', null, { networks: ['192.168.0.0/16'] })).toMatchObject({
    type: 'allowed',
  });
  const all = { networks: ['0.0.0.0/0', '::/0'] };
  expect(await judge('http://198.51.100.1:7547/', null, all)).toMatchObject({ type: 'allowed' });
  expect(await judge('http://[2001:db8::1]:7547/', null, all)).toMatchObject({ type: 'allowed' });
  for (const url of [
    'http://127.0.0.1:7547/',
    'http://[::1]:7547/',
    'http://169.254.169.254/',
    'http://[fe80::1]:7547/',
  ]) {
    expect(await judge(url, null, all)).toMatchObject({ type: 'refused', reason: 'address' });
  }
  expect(await judge('http://127.0.0.1:7547/', null, { networks: ['127.0.0.0/8'] })).toMatchObject({ type: 'allowed' });
});

test('guard: low ports are open when configured', async () => {
  expect(await judge('http://203.0.113.5:25/', '203.0.113.5', { lowPorts: [25] })).toMatchObject({
    type: 'allowed',
    port: 25,
  });
});

test('guard: a network that is none is refused at start', () => {
  expect(() => connectionRequestGuard({ networks: ['lan'], lowPorts: [] }, resolve)).toThrow(ConfigError);
});
