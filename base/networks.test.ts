import { expect, test } from 'vitest';
import { ConfigError } from './errors.ts';
import { Networks, parseNetwork, plainAddress } from './networks.ts';

test.each([
  ['IPv4 inside', '192.0.2.77', true],
  ['IPv4 outside', '192.0.3.1', false],
  ['IPv4 mapped into IPv6', '::ffff:192.0.2.77', true],
  ['IPv4 mapped into IPv6, in hex', '::ffff:c000:24d', true],
  ['IPv6 inside, another spelling', '2001:DB8:0:0::1', true],
  ['IPv6 in brackets', '[2001:db8::1]', true],
  ['IPv6 with a zone', '2001:db8::1%eth0', true],
  ['IPv6 outside', '2001:db9::1', false],
  ['a single address', '198.51.100.9', true],
  ['its neighbour', '198.51.100.10', false],
  ['a name', 'example.net', false],
  ['nothing', '', false],
])('networks: %s', (_name, address, inside) => {
  expect(new Networks(['192.0.2.0/24', ' 2001:db8::/32 ', '198.51.100.9']).has(address)).toBe(inside);
});

test.each([
  '',
  '10.0.0.0/33',
  '2001:db8::/129',
  '10.0.0.0/8/8',
  '10.0.0.0/',
  '10.0.0/8',
  'lan',
  '10.0.0.0/-1',
  '10.0.0.0/a',
])('networks: "%s" is refused with how to write it', (text) => {
  expect(() => parseNetwork(text)).toThrow(ConfigError);
});

test('one address has one spelling', () => {
  expect(plainAddress('::FFFF:127.0.0.1')).toBe('127.0.0.1');
  expect(plainAddress('[2001:0DB8::0001]')).toBe('2001:db8::1');
});
