import { expect, test } from 'vitest';
import { digestAlgorithm, digestResponse } from './digest.ts';

const mufasa = {
  username: 'Mufasa',
  realm: 'testrealm@host.com',
  password: 'Circle Of Life',
  method: 'GET',
  uri: '/dir/index.html',
  nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
  nc: '00000001',
  cnonce: '0a4f113b',
  qop: 'auth',
} as const;

const rfc7616 = {
  ...mufasa,
  realm: 'http-auth@example.org',
  password: 'Circle of Life',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
} as const;

test('digest: the example of RFC 2617 §3.5', () => {
  expect(digestResponse({ ...mufasa, algorithm: 'MD5' })).toBe('6629fae49393a05397450978507c4ef1');
});

test.each([
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
] as const)('digest: the example of RFC 7616 §3.9.1, %s', (algorithm, response) => {
  expect(digestResponse({ ...rfc7616, algorithm })).toBe(response);
});

test('digest: without qop, the form of RFC 2069', () => {
  // Values of RFC 2069 §2.4 with its errata (the printed digest was wrong).
  const input = { ...mufasa, password: 'CircleOfLife', qop: null, algorithm: 'MD5' } as const;
  expect(digestResponse(input)).toBe('1949323746fe6a43ef61f9606e7febea');
});

test('digest: session forms depend on cnonce even without qop', () => {
  const one = digestResponse({ ...mufasa, qop: null, algorithm: 'MD5-sess' });
  expect(digestResponse({ ...mufasa, qop: null, algorithm: 'MD5-sess', cnonce: 'other' })).not.toBe(one);
  expect(digestResponse({ ...mufasa, algorithm: 'SHA-256-sess' })).toHaveLength(64);
});

test.each([
  [null, 'MD5'],
  ['', 'MD5'],
  ['md5', 'MD5'],
  ['MD5-SESS', 'MD5-sess'],
  ['sha-256', 'SHA-256'],
  ['SHA-512-256', null],
])('digest: algorithm %s is %s', (name, expected) => {
  expect(digestAlgorithm(name)).toBe(expected);
});
