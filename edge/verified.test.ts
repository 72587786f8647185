import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { authenticate, DEFAULT_AUTH, type Identity } from './auth.ts';
import { type DigestFields, readCredentials } from './credentials.ts';
import { digestResponse } from './digest.ts';
import { newNonce } from './nonce.ts';
import { Verified } from './verified.ts';

const who: Identity = { scheme: 'basic', username: 'cpe-1', cpeId: null };

test('what was right is known by the very same header, until a secret changes', () => {
  let revision = 1;
  const verified = new Verified(() => revision);
  verified.keepBasic('Basic YTpi', who);
  expect(verified.basic('Basic YTpi')).toBe(who);
  expect(verified.basic('Basic YTpj')).toBeUndefined();
  revision = 2;
  expect(verified.basic('Basic YTpi')).toBeUndefined();
  verified.keepBasic('Basic YTpj', who);
  expect([verified.basic('Basic YTpi'), verified.basic('Basic YTpj')]).toEqual([undefined, who]);
});

test('the memory is bounded', () => {
  const verified = new Verified(() => 1);
  for (let i = 0; i <= LIMITS.authVerifiedMax; i++) verified.keepBasic(`Basic ${i}`, who);
  expect(verified.basic('Basic 0')).toBeUndefined();
  expect(verified.basic(`Basic ${LIMITS.authVerifiedMax}`)).toBe(who);
});

const NOW = 1_700_000_000_000;
const nonceKey = Buffer.alloc(32, 7);

/** What a CPE answers to `nonce`. */
function answer(nonce: string, over: Partial<Record<'nc' | 'uri' | 'username' | 'qop' | 'realm', string>> = {}) {
  const told = { nc: '00000001', uri: '/acs', username: 'cpe-1', qop: 'auth', realm: 'Starling', ...over };
  const signed = { ...told, algorithm: 'MD5', password: 'secret', method: 'POST', nonce, cnonce: 'c' } as const;
  const pairs = { ...told, nonce, cnonce: 'c', response: digestResponse(signed) };
  const fields = Object.entries(pairs).map(([name, value]) => `${name}="${value}"`);
  return readCredentials(`Digest ${fields.join(', ')}`)!.digest!;
}

function proofOf(digest: DigestFields) {
  const request = { method: 'POST', uri: '/acs', isGiven: true, tlsHeader: null, nowMs: NOW };
  const authorization = { scheme: 'digest', token: null, digest };
  const lookUp = () => ({ password: 'secret', cpeId: null });
  const result = authenticate({ ...DEFAULT_AUTH, mode: 'digest', nonceKey }, { ...request, authorization }, lookUp);
  if (result.type !== 'ok' || result.proof === null) throw new Error(`no proof: ${result.type}`);
  return result.proof;
}

test('the next right answer to a nonce is known without a secret, and nothing but a right one', () => {
  let revision = 1;
  const verified = new Verified(() => revision);
  const nonce = newNonce(nonceKey, NOW);
  const first = answer(nonce);
  verified.keepDigest(first, proofOf(first), who);
  const asked = (given: DigestFields, nowMs = NOW, uri = '/acs') => verified.digest(given, 'POST', uri, nowMs);
  const next = answer(nonce, { nc: '00000002' });
  expect(asked(next)).toBe(who);
  expect(asked({ ...next, nc: '00000003' })).toBeUndefined();
  expect(asked({ ...next, response: first.response })).toBeUndefined();
  expect(asked(answer(nonce, { username: 'cpe-2' }))).toBeUndefined();
  expect(asked(answer(nonce, { realm: 'other' }))).toBeUndefined();
  expect(asked(answer(newNonce(nonceKey, NOW)))).toBeUndefined();
  expect(asked(next, NOW, '/elsewhere')).toBeUndefined();
  expect(asked(next, NOW + LIMITS.authNonceMs)).toBe(who);
  expect(asked(next, NOW + LIMITS.authNonceMs + 1)).toBeUndefined();
  revision = 2;
  expect(asked(next)).toBeUndefined();
});
