import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { findCookie, type SessionClaims, SessionCookies, wantsCertificate } from './session-cookie.ts';

const claims: SessionClaims = {
  sessionId: '5-1-a2',
  incarnation: 5,
  generation: 77,
  startedAtSeconds: 1_700_000_000,
  timeoutSeconds: 60,
  namespaceDigit: '2',
  version: '1.4',
  cpeId: '00259E-EG8145V5-485717205F265A17',
  authTag: 'abc123',
  quiet: '',
};
const key = Buffer.alloc(32, 7);

test('another thread reads from the cookie what the first one sealed', () => {
  const value = new SessionCookies(key).seal(claims);
  expect(new SessionCookies(key).open(value)).toEqual(claims);
  expect(value.length).toBeLessThanOrEqual(100);
  expect(value).toMatch(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/);
});

test('a cookie changed at any place, cut, or sealed with another key is nothing', () => {
  const value = new SessionCookies(key).seal(claims);
  for (let i = 0; i < value.length; i++) {
    const other = value[i] === 'x' ? 'y' : 'x';
    expect(new SessionCookies(key).open(value.slice(0, i) + other + value.slice(i + 1))).toBeNull();
    expect(new SessionCookies(key).open(value.slice(0, i))).toBeNull();
  }
  expect(new SessionCookies(Buffer.alloc(32, 8)).open(value)).toBeNull();
});

test('any text at all is opened without a throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => new SessionCookies(key).open(text) === null));
});

test.each([
  ['alone', 'sid=v1', 'v1'],
  ['among others', 'a=b; sid=v1; c=d', 'v1'],
  ['separated by commas', 'a=b,sid=v1,c=d', 'v1'],
  ['quoted', 'sid="v1"', 'v1'],
  ['in the form of RFC 2109', '$Version="0"; sid=v1;$Path=/', 'v1'],
  ['with the attributes of Set-Cookie echoed', 'sid=v1; Path=/', 'v1'],
  ['absent', 'a=b', null],
  ['as the end of another name', 'xsid=v1', null],
  ['empty', 'sid=; a=b', null],
])('the cookie is found %s', (_, header, value) => {
  expect(findCookie(header)).toBe(value);
});

test('the longest identity that is let in fits into a cookie that another thread opens', () => {
  const part = '漢'.repeat(LIMITS.deviceIdPartCharsMax);
  const cpeId = cpeIdOf({ Manufacturer: '', OUI: part, ProductClass: part, SerialNumber: part });
  const value = new SessionCookies(key).seal({ ...claims, cpeId });
  expect(new SessionCookies(key).open(value)?.cpeId).toBe(cpeId);
});

test('a certificate and a user name of the same text are two', () => {
  const cookies = new SessionCookies(key);
  const [digest, certificate] = (['digest', 'certificate'] as const).map((scheme) =>
    cookies.authTag({ scheme, username: '00259E-EG8145V5-1' }),
  ) as [string, string];
  expect(digest).not.toBe(certificate);
  expect(wantsCertificate({ ...claims, authTag: certificate })).toBe(true);
  expect(wantsCertificate({ ...claims, authTag: digest })).toBe(false);
  expect(cookies.authTag({ scheme: 'none', username: null })).toBe('');
  expect(cookies.open(cookies.seal({ ...claims, authTag: certificate }))?.authTag).toBe(certificate);
});
