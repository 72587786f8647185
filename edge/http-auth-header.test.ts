import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBasic, encodeBasic, param, parseAuthHeader, quoted } from './http-auth-header.ts';

/** Schemes, tokens and parameters as plain data. */
const read = (text: string): unknown[] =>
  parseAuthHeader(text).map((part) => [
    part.scheme,
    part.token,
    Object.fromEntries([...part.params].map(([k, v]) => [k, v.value])),
  ]);

test.each<[string, string, unknown[]]>([
  ['quoted and bare values', 'Digest realm="a", qop=auth', [['digest', null, { realm: 'a', qop: 'auth' }]]],
  [
    'a comma in quotes',
    'Digest qop="auth,auth-int", realm="a, b"',
    [['digest', null, { qop: 'auth,auth-int', realm: 'a, b' }]],
  ],
  ['trailing and doubled commas', 'Digest realm="a",, nonce="n",', [['digest', null, { realm: 'a', nonce: 'n' }]]],
  ['blanks around =', 'Digest realm = "a" , nonce= "n"', [['digest', null, { realm: 'a', nonce: 'n' }]]],
  [
    'no commas at all',
    'Digest realm="a" nonce="n" qop="auth"',
    [['digest', null, { realm: 'a', nonce: 'n', qop: 'auth' }]],
  ],
  ['folded over lines', 'Digest realm="a",\r\n\tnonce="n"', [['digest', null, { realm: 'a', nonce: 'n' }]]],
  [
    'two challenges',
    'Basic realm="b", Digest realm="d", nonce="n"',
    [
      ['basic', null, { realm: 'b' }],
      ['digest', null, { realm: 'd', nonce: 'n' }],
    ],
  ],
  ['a token', 'Basic dXNlcjpwYXNz', [['basic', 'dXNlcjpwYXNz', {}]]],
  ['a token with padding', 'Basic dTpwYQ==', [['basic', 'dTpwYQ==', {}]]],
  ['an empty value', 'Digest opaque=, realm=""', [['digest', null, { opaque: '', realm: '' }]]],
  [
    'an unquoted value with a blank',
    'Digest realm=My Router, nonce="n"',
    [['digest', null, { realm: 'My', nonce: 'n' }]],
  ],
  ['the first of a repeated name', 'Digest nonce="1", NONCE="2"', [['digest', null, { nonce: '1' }]]],
  ['a quote never closed', 'Digest realm="a', [['digest', null, { realm: 'a' }]]],
  ['junk between', 'Digest realm="a", =", "x" nonce=n', [['digest', null, { realm: 'a', nonce: 'n' }]]],
  [
    'a list without its quotes',
    'Digest qop=auth,auth-int, nonce="n"',
    [['digest', null, { qop: 'auth,auth-int', nonce: 'n' }]],
  ],
  [
    'a scheme alone',
    'Digest qop=auth, nonce=n, Negotiate',
    [
      ['digest', null, { qop: 'auth', nonce: 'n' }],
      ['negotiate', null, {}],
    ],
  ],
  ['nothing', ' , ', []],
])('auth header: %s', (_name, text, expected) => {
  expect(read(text)).toEqual(expected);
});

test('auth header: escapes are undone, and kept beside for CPEs that do not know them', () => {
  const [part] = parseAuthHeader(String.raw`Digest username="LAN\cpe \"1\""`);
  expect(part?.params.get('username')).toEqual({ raw: String.raw`LAN\cpe \"1\"`, value: 'LANcpe "1"' });
});

test('auth header: any text is read without a throw, in linear time', () => {
  const alphabet = fc.constantFrom('"', '\\', ',', '=', ' ', 'a', 'Digest ', 'nonce=', '\t', '\u0000', 'é', 'Basic ');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(alphabet).map((parts) => parts.join('')),
      ),
      (text) => {
        for (const part of parseAuthHeader(text)) expect(part.scheme).not.toBe('');
      },
    ),
  );
  // 16 KiB is all the header may have; a quadratic reader would need minutes for a hundred times that.
  for (const piece of ['"', '\\', ',', '=', 'a ', 'a=', ', x ', '"\\'])
    parseAuthHeader(`Digest ${piece.repeat(400_000)}`);
});

test('auth header: what quoted() writes is read back', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const clean = text.replace(/[\u0000-\u001f\u007f]/g, ' ');
      const [part] = parseAuthHeader(`Digest realm=${quoted(text)}, nonce="n"`);
      expect([part && param(part, 'realm'), part && param(part, 'nonce')]).toEqual([clean, 'n']);
    }),
  );
});

test('Basic: the first colon divides, and text without one is nothing', () => {
  expect(decodeBasic(encodeBasic('üser', 'pa:ss'))).toEqual({ username: 'üser', password: 'pa:ss' });
  expect(decodeBasic(Buffer.from('nocolon').toString('base64'))).toBeNull();
});
