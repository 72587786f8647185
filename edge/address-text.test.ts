import { expect, test } from 'vitest';
import { addressText } from './address-text.ts';

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
