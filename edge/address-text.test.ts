import { expect, test } from 'vitest';
import { addressBytes, addressText } from './address-text.ts';

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

test.each([
  ['IPv4', 'c0000201', '192.0.2.1'],
  ['IPv4 mapped into IPv6', '00000000 00000000 0000ffff c0000201', '192.0.2.1'],
  ['loopback', '00000000 00000000 00000000 00000001', '::1'],
  ['the unspecified address', '00000000 00000000 00000000 00000000', '::'],
  ['zeros in the middle', '20010db8 00000000 00000000 00000001', '2001:db8::1'],
  ['zeros at the end', '20010db8 00000000 00000000 00000000', '2001:db8::'],
  ['the longer of two runs of zeros', '20010000 00000001 00000000 00000001', '2001:0:0:1::1'],
  ['the first of two equal runs', '20010db8 00000000 00010000 00000001', '2001:db8::1:0:0:1'],
  ['one zero group, which is written out', '20010db8 00000001 00010001 00010001', '2001:db8:0:1:1:1:1:1'],
  ['no zeros', '20010db8 00010001 00010001 00010001', '2001:db8:1:1:1:1:1:1'],
  ['a socket that is gone', '', ''],
])('%s', (_name, hex, text) => {
  expect(addressText(bytesOf(hex))).toBe(text);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:201', '192.0.2.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['::', '::'],
  ['::1', '::1'],
  ['2001:DB8::', '2001:db8::'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
])('%s is read and named %s', (given, text) => {
  const bytes = addressBytes(given);
  expect(bytes && addressText(bytes)).toBe(text);
});

test.each(['', '-', 'unknown', '192.0.2', '192.0.2.1:7547', '[::1]', '::1%eth0', '1.2.3.4, 5.6.7.8', '1:2', ':::'])(
  '%o is no address',
  (text) => {
    expect(addressBytes(text)).toBeNull();
  },
);
