import { expect, test } from 'vitest';
import { loadConfig } from '../base/config.ts';
import { LIMITS } from '../base/limits.ts';
import { frontOf } from './fronts.ts';

const of = (env: Record<string, string>): ReturnType<typeof frontOf> => frontOf(loadConfig({}, env));

test.each([
  ['none', {}, null],
  ['digest', { STARLING_CPE_AUTH: 'digest' }, null],
  ['certificate-header', { STARLING_CPE_AUTH: 'certificate-header' }, ['x-client-certificate-cn', '']],
  ['certificate-or-digest', { STARLING_CPE_AUTH: 'certificate-or-digest' }, ['x-client-certificate-cn', '']],
  ['an address header alone', { STARLING_ADDRESS_HEADER: 'X-CPE-Address' }, ['', 'x-cpe-address']],
])('%s: only the headers that count are read', (_, env, names) => {
  const front = of(env);
  expect(front && [front.certificateHeader, front.addressHeader]).toEqual(names);
});

test('peers are trusted by network, in either family and mapped into the other', () => {
  const front = of({ STARLING_ADDRESS_HEADER: 'x', STARLING_TRUSTED_FRONTS: '192.0.2.0/30,2001:db8::1' });
  const trusted = (...bytes: number[]): boolean | undefined => front?.isTrusted(Uint8Array.from(bytes));
  expect(trusted(192, 0, 2, 3)).toBe(true);
  expect(trusted(192, 0, 2, 4)).toBe(false);
  expect(trusted(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 3)).toBe(true);
  expect(trusted(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)).toBe(true);
  expect(trusted(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)).toBe(false);
  // A connection that is gone.
  expect(trusted()).toBe(false);
});

test('more peers than are remembered are judged all the same', () => {
  const front = of({ STARLING_ADDRESS_HEADER: 'x', STARLING_TRUSTED_FRONTS: '10.0.0.0/8' });
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < LIMITS.frontPeersMax + 10; i++) {
      expect(front?.isTrusted(Uint8Array.of(10 + (i % 2), 0, i >> 8, i & 255))).toBe(i % 2 === 0);
    }
  }
});
