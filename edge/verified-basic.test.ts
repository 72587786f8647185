import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import type { Identity } from './auth.ts';
import { VerifiedBasic } from './verified-basic.ts';

const who: Identity = { scheme: 'basic', username: 'cpe-1', cpeId: null };

test('what was right is known by the very same header, until a secret changes', () => {
  let revision = 1;
  const verified = new VerifiedBasic(() => revision);
  verified.keep('Basic YTpi', who);
  expect(verified.get('Basic YTpi')).toBe(who);
  expect(verified.get('Basic YTpj')).toBeUndefined();
  revision = 2;
  expect(verified.get('Basic YTpi')).toBeUndefined();
  verified.keep('Basic YTpj', who);
  expect([verified.get('Basic YTpi'), verified.get('Basic YTpj')]).toEqual([undefined, who]);
});

test('the memory is bounded', () => {
  const verified = new VerifiedBasic(() => 1);
  for (let i = 0; i <= LIMITS.authVerifiedMax; i++) verified.keep(`Basic ${i}`, who);
  expect(verified.get('Basic 0')).toBeUndefined();
  expect(verified.get(`Basic ${LIMITS.authVerifiedMax}`)).toBe(who);
});
