import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import {
  type AuthPolicy,
  type AuthRequest,
  type AuthResult,
  authenticate,
  claimedUsername,
  cpeIdOfUsername,
  DEFAULT_AUTH,
  isFailedAttempt,
  mayInformAs,
} from './auth.ts';
import { readCredentials } from './credentials.ts';
import { DIGEST_ALGORITHMS, type DigestAlgorithm, digestResponse } from './digest.ts';
import { encodeBasic, param, parseAuthHeader } from './http-auth-header.ts';

const NOW = 1_700_000_000_000;
const digest: AuthPolicy = { ...DEFAULT_AUTH, mode: 'digest', nonceKey: Buffer.alloc(32, 7) };
const basic: AuthPolicy = { ...digest, mode: 'basic' };
const SECRETS: Record<string, { password: string; cpeId: string | null }> = {
  'router 1': { password: 'pä:ss"word', cpeId: '00D09E-Box-1' },
  bootstrap: { password: 'shared', cpeId: null },
  'LAN\\box': { password: 'x', cpeId: null },
};
const lookUp = (username: string) => SECRETS[username] ?? null;

function ask(policy: AuthPolicy, header: string | null, over: Partial<AuthRequest> = {}): AuthResult {
  const authorization = readCredentials(header ?? '');
  const isGiven = header !== null && header !== '';
  return authenticate(
    policy,
    { method: 'POST', uri: '/', authorization, isGiven, tlsHeader: null, nowMs: NOW, ...over },
    lookUp,
  );
}

function nonceOf(result: AuthResult): string {
  if (result.type !== 'challenge') throw new Error(`expected a challenge, got ${result.type}`);
  return param(parseAuthHeader(result.headers[0] ?? '')[0]!, 'nonce') ?? '';
}

interface Answer {
  algorithm: DigestAlgorithm;
  username: string;
  password: string;
  uri: string;
  qop: string | null;
  nonce: string;
}

const right: Answer = {
  algorithm: 'MD5',
  username: 'router 1',
  password: 'pä:ss"word',
  uri: '/',
  qop: 'auth',
  nonce: '',
};

/** Writes an Authorization header as a CPE would; `template` places the pieces. */
function answerTo(
  challenge: AuthResult,
  over: Partial<Answer> = {},
  template?: (a: Answer & { response: string }) => string,
): string {
  const a = { ...right, nonce: nonceOf(challenge), ...over };
  const response = digestResponse({ ...a, realm: 'Starling', method: 'POST', nc: '00000001', cnonce: 'c' });
  if (template) return template({ ...a, response });
  const qop = a.qop === null ? '' : `, qop=${a.qop}, nc=00000001`;
  return `Digest username="${a.username}", realm="Starling", nonce="${a.nonce}", uri="${a.uri}", algorithm=${a.algorithm}, response="${response}"${qop}, cnonce="c"`;
}

const first = ask(digest, null);

test('none: everyone passes and nobody is anybody', () => {
  expect(ask({ ...digest, mode: 'none' }, 'Digest nonsense')).toMatchObject({
    type: 'ok',
    scheme: 'none',
    username: null,
    cpeId: null,
  });
});

test('digest: the first request is challenged, MD5 first, one header per algorithm, one nonce (A1, A2)', () => {
  if (first.type !== 'challenge') throw new Error('no challenge');
  expect(first).toMatchObject({ reason: 'absent', stale: false });
  expect(first.headers.map((h) => h.replace(/nonce="[^"]+"/, 'nonce="…"'))).toEqual([
    'Digest realm="Starling", qop="auth", algorithm=MD5, nonce="…"',
    'Digest realm="Starling", qop="auth", algorithm=SHA-256, nonce="…"',
  ]);
  expect(isFailedAttempt(first)).toBe(false);
});

test.each(DIGEST_ALGORITHMS)('digest: %s is taken, with and without qop (FIELD 53, RFC 2069)', (algorithm) => {
  const ok = { type: 'ok', scheme: 'digest', username: 'router 1', cpeId: '00D09E-Box-1' };
  expect(ask(digest, answerTo(first, { algorithm }))).toMatchObject(ok);
  expect(ask(digest, answerTo(first, { algorithm, qop: null }))).toMatchObject(ok);
});

test('digest: another thread, a new connection and the same nc again all pass (FIELD 47)', () => {
  const answer = answerTo(first);
  const otherThread: AuthPolicy = { ...digest, nonceKey: Buffer.alloc(32, 7) };
  for (const policy of [digest, otherThread, digest]) expect(ask(policy, answer).type).toBe('ok');
});

test.each<[string, (a: Answer & { response: string }) => string]>([
  [
    'everything quoted',
    (a) =>
      `Digest username="${a.username}",realm="Starling",nonce="${a.nonce}",uri="/",algorithm="MD5",qop="auth",nc="00000001",cnonce="c",response="${a.response}"`,
  ],
  [
    'upper-case response and scheme',
    (a) =>
      `DIGEST username="${a.username}", realm="Starling", nonce="${a.nonce}", uri="/", qop=auth, nc=00000001, cnonce="c", response="${a.response.toUpperCase()}"`,
  ],
  [
    'empty opaque and a trailing comma',
    (a) =>
      `Digest username="${a.username}", realm="Starling", nonce="${a.nonce}", uri="/", qop=auth, nc=00000001, cnonce="c", response="${a.response}", opaque="",`,
  ],
  [
    'no uri, no realm',
    (a) =>
      `Digest username="${a.username}", nonce="${a.nonce}", qop=auth, nc=00000001, cnonce="c", response="${a.response}"`,
  ],
  [
    'an algorithm copied from a challenge it did not understand',
    (a) =>
      `Digest username="${a.username}", nonce="${a.nonce}", uri="/", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="c", response="${a.response}"`,
  ],
  [
    'username*',
    (a) =>
      `Digest username*=UTF-8''router%201, nonce="${a.nonce}", uri="/", qop=auth, nc=00000001, cnonce="c", response="${a.response}"`,
  ],
])('digest: tolerated: %s', (_name, template) => {
  expect(ask(digest, answerTo(first, {}, template)).type).toBe('ok');
});

test.each([
  ['http://acs.example.net:7547/cwmp', '/cwmp'],
  ['/cwmp', '/cwmp?a=1'],
  ['http://acs.example.net', '/'],
  ['/a b', '/a%20b'],
  ['', '/'],
])('digest: uri "%s" is good for %s (A2)', (sent, requested) => {
  expect(ask(digest, answerTo(first, { uri: sent }), { uri: requested }).type).toBe('ok');
});

test('digest: a uri of another path is refused', () => {
  expect(ask(digest, answerTo(first, { uri: '/other' }), { uri: '/cwmp' })).toMatchObject({
    type: 'challenge',
    reason: 'uri',
  });
});

test('digest: a user name with a backslash works escaped and unescaped', () => {
  const plain = answerTo(first, { username: 'LAN\\box', password: 'x' });
  expect(ask(digest, plain)).toMatchObject({ type: 'ok', username: 'LAN\\box' });
  expect(ask(digest, plain.replace('LAN\\box', 'LAN\\\\box'))).toMatchObject({ type: 'ok', username: 'LAN\\box' });
});

test.each<[string, Partial<Answer>, string]>([
  ['a wrong password', { password: 'guess' }, 'wrong-password'],
  ['a user nobody knows', { username: 'nobody' }, 'unknown-user'],
  ['a user nobody knows, with an empty password', { username: 'nobody', password: '' }, 'unknown-user'],
  ['a quality we did not offer', { qop: 'auth-int' }, 'qop'],
])('digest: %s is challenged again, not stale, and counts as a failure', (_name, over, reason) => {
  const result = ask(digest, answerTo(first, over));
  expect(result).toMatchObject({ type: 'challenge', reason, stale: false });
  expect(isFailedAttempt(result)).toBe(true);
});

test('digest: an expired nonce is stale=true for the right password only (RFC 7616 §3.3)', () => {
  const later = { nowMs: NOW + LIMITS.authNonceMs + 1 };
  expect(ask(digest, answerTo(first), { nowMs: NOW + LIMITS.authNonceMs }).type).toBe('ok');
  const result = ask(digest, answerTo(first), later);
  expect(result).toMatchObject({ type: 'challenge', reason: 'stale', stale: true });
  expect(result.type === 'challenge' && result.headers.every((h) => h.endsWith('stale=true'))).toBe(true);
  expect(isFailedAttempt(result)).toBe(false);
  expect(ask(digest, answerTo(first, { password: 'guess' }), later)).toMatchObject({
    stale: false,
    reason: 'wrong-password',
  });
});

test('digest: every altered character of a nonce makes it foreign, never fresh', () => {
  const nonce = nonceOf(first);
  expect(nonce).toMatch(/^[A-Za-z0-9_-]{40}$/);
  for (let i = 0; i < nonce.length; i++) {
    const altered = nonce.slice(0, i) + (nonce[i] === 'A' ? 'B' : 'A') + nonce.slice(i + 1);
    expect(ask(digest, answerTo(first, { nonce: altered }))).toMatchObject({ reason: 'stale' });
  }
  const otherKey: AuthPolicy = { ...digest, nonceKey: Buffer.alloc(32, 8) };
  expect(ask(otherKey, answerTo(first))).toMatchObject({ reason: 'stale' });
  expect(ask(digest, answerTo(first, { nonce: '' }))).toMatchObject({ reason: 'stale' });
});

test('digest: a family that is not offered is not taken', () => {
  const strict: AuthPolicy = { ...digest, algorithms: ['SHA-256'] };
  expect(ask(strict, answerTo(first))).toMatchObject({ reason: 'algorithm' });
  expect(ask(strict, answerTo(first, { algorithm: 'SHA-256-sess' })).type).toBe('ok');
});

test('digest: a malformed Authorization header is a failed attempt, never a throw (FIELD 35)', () => {
  const piece = fc.constantFrom(
    'Digest ',
    'Basic ',
    'username=',
    'nonce=',
    'response=',
    '"',
    ',',
    '\\',
    '=',
    'a',
    '%',
    '\u0000',
    'f'.repeat(32),
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece).map((p) => p.join('')),
    fc.string().map((s) => `Digest response="${createHash('md5').update(s).digest('hex')}", ${s}`),
  );
  fc.assert(
    fc.property(text, fc.constantFrom(digest, basic), (authorization, policy) => {
      const result = ask(policy, authorization);
      expect(result.type).toBe('challenge');
      claimedUsername(readCredentials(authorization));
    }),
  );
});

test('digest: cutting a right answer anywhere never throws, and passes only when nothing of weight is missing', () => {
  const whole = answerTo(first);
  const responseEnd = whole.indexOf('response="') + 'response="'.length + 32;
  for (let i = 0; i < whole.length; i++) {
    if (ask(digest, whole.slice(0, i)).type === 'ok') expect(i).toBeGreaterThan(responseEnd);
  }
});

test('basic: sent unasked or after its challenge (A6, FIELD 48)', () => {
  expect(ask(basic, null)).toMatchObject({ type: 'challenge', headers: ['Basic realm="Starling"'] });
  const good = `Basic ${encodeBasic('router 1', 'pä:ss"word')}`;
  expect(ask(basic, good)).toMatchObject({ type: 'ok', scheme: 'basic', username: 'router 1', cpeId: '00D09E-Box-1' });
  expect(ask(basic, `basic   ${encodeBasic('bootstrap', 'shared')}`)).toMatchObject({ type: 'ok', cpeId: null });
  expect(ask(basic, `Basic ${encodeBasic('router 1', 'x')}`)).toMatchObject({ reason: 'wrong-password' });
  expect(ask(basic, `Basic ${encodeBasic('nobody', '')}`)).toMatchObject({ reason: 'unknown-user' });
  expect(ask(basic, 'Basic !!!')).toMatchObject({ reason: 'malformed' });
});

test('basic in digest mode: refused, taken unasked, or offered, as the policy says', () => {
  const good = `Basic ${encodeBasic('bootstrap', 'shared')}`;
  expect(ask(digest, good)).toMatchObject({ type: 'challenge', reason: 'scheme' });
  const unasked: AuthPolicy = { ...digest, basicInDigestMode: 'unasked' };
  expect(ask(unasked, good)).toMatchObject({ type: 'ok', scheme: 'basic' });
  const offered = ask({ ...digest, basicInDigestMode: 'offered' }, null);
  expect(offered.type === 'challenge' && offered.headers.at(-1)).toBe('Basic realm="Starling"');
  const silent = ask(unasked, null);
  expect(silent.type === 'challenge' && silent.headers.some((h) => h.startsWith('Basic'))).toBe(false);
});

test.each([
  ['202BC1-BM632w-000000', '202BC1-BM632w-000000'],
  [
    '8C1F64-ENB%2DN03002%2DB3-SN1',
    cpeIdOf({ Manufacturer: '', OUI: '8C1F64', ProductClass: 'ENB-N03002-B3', SerialNumber: 'SN1' }),
  ],
  [
    '8C1F64-ENB-N03002-B3-SN1',
    cpeIdOf({ Manufacturer: '', OUI: '8C1F64', ProductClass: 'ENB-N03002-B3', SerialNumber: 'SN1' }),
  ],
  ['00d09e-12345', '00D09E-12345'],
  ['00D09E-A%zz-1', cpeIdOf({ Manufacturer: '', OUI: '00D09E', ProductClass: 'A%zz', SerialNumber: '1' })],
  ['00D09E-', null],
  ['router-1', null],
  [`00D09E-${'9'.repeat(65)}`, null],
  ['', null],
])('user name "%s" means CPE %s (A4)', (username, cpeId) => {
  expect(cpeIdOfUsername(username)).toBe(cpeId);
});

test('every escaped identity comes back from its recommended user name (A4)', () => {
  const part = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' });
  fc.assert(
    fc.property(part, part, (ProductClass, SerialNumber) => {
      const device = { Manufacturer: '', OUI: 'A1B2C3', ProductClass, SerialNumber };
      const encode = (text: string): string => encodeURIComponent(text).replace(/-/g, '%2D');
      expect(cpeIdOfUsername(`A1B2C3-${encode(ProductClass)}-${encode(SerialNumber)}`)).toBe(cpeIdOf(device));
    }),
  );
});

test('a device may inform only as itself, a shared secret as anyone (A5)', () => {
  const own = { scheme: 'digest', username: 'u', cpeId: '00D09E-Box-1' } as const;
  expect(mayInformAs(own, '00D09E-Box-1')).toBe(true);
  expect(mayInformAs(own, '00D09E-Box-2')).toBe(false);
  expect(mayInformAs({ ...own, cpeId: '00D09E-1' }, '00D09E-Box-1')).toBe(false);
  expect(mayInformAs({ ...own, cpeId: null }, '00D09E-Box-2')).toBe(true);
  const certificate = { scheme: 'certificate', username: 'u', cpeId: '00D09E-1' } as const;
  expect(mayInformAs(certificate, '00D09E-Box-1')).toBe(true);
  expect(mayInformAs(certificate, '00D09E-Box-2')).toBe(false);
});

test.each([
  ['00D09E-Box-1', '00D09E-Box-1', '00D09E-Box-1'],
  ['"00D09E-Box-1"', '00D09E-Box-1', '00D09E-Box-1'],
  ['/C=DE/O=Vendor/CN=00D09E-Box-1', '00D09E-Box-1', '00D09E-Box-1'],
  ['CN=00D09E-Box-1, O=Vendor', '00D09E-Box-1', '00D09E-Box-1'],
  ['O=Vendor,CN = Class A', 'Class A', null],
])('certificate header %s names %s (A7)', (tlsHeader, username, cpeId) => {
  const policy: AuthPolicy = { ...digest, mode: 'certificate-header' };
  expect(ask(policy, null, { tlsHeader })).toMatchObject({ type: 'ok', scheme: 'certificate', username, cpeId });
});

test.each([null, '', '""', '-', ' '])('certificate header %o is denied', (tlsHeader) => {
  expect(ask({ ...digest, mode: 'certificate-header' }, null, { tlsHeader })).toMatchObject({
    type: 'denied',
    status: 403,
  });
});

test('certificate-or-digest: a certificate says who it is, whatever credentials stand beside it', () => {
  const policy: AuthPolicy = { ...digest, mode: 'certificate-or-digest' };
  const tlsHeader = '00D09E-Box-1';
  const expected = { type: 'ok', scheme: 'certificate', username: '00D09E-Box-1', cpeId: '00D09E-Box-1', proof: null };
  expect(ask(policy, null, { tlsHeader })).toEqual(expected);
  expect(ask(policy, 'Digest nonsense', { tlsHeader })).toEqual(expected);
  expect(ask(policy, answerTo(first, { password: 'guessed' }), { tlsHeader })).toEqual(expected);
});

test.each([null, '', '""', '-'])('certificate-or-digest: with the header %o it is digest', (tlsHeader) => {
  const policy: AuthPolicy = { ...digest, mode: 'certificate-or-digest' };
  const challenged = ask(policy, null, { tlsHeader });
  expect(challenged).toEqual({ ...first, headers: expect.any(Array) });
  const given = answerTo(challenged);
  expect(ask(policy, given, { tlsHeader })).toMatchObject({ type: 'ok', scheme: 'digest', cpeId: '00D09E-Box-1' });
  // Basic as the options of digest mode say.
  const unasked = `Basic ${encodeBasic('router 1', 'pä:ss"word')}`;
  expect(ask(policy, unasked, { tlsHeader })).toMatchObject({ type: 'challenge', reason: 'scheme' });
  expect(ask({ ...policy, basicInDigestMode: 'unasked' }, unasked, { tlsHeader })).toMatchObject({ scheme: 'basic' });
});
