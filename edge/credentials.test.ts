import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readCredentials, readPlain } from './credentials.ts';

test('what is read as plain is read the same in the general way', () => {
  const word = fc.constantFrom(
    'username',
    'realm',
    'nonce',
    'qop',
    'Algorithm',
    'x*',
    '=',
    ' ',
    ',',
    '"',
    '\\',
    'MD5',
    '',
  );
  const pair = fc.tuple(word, fc.oneof(word, fc.string())).map(([name, value]) => `${name}="${value}"`);
  const text = fc.oneof(
    fc.array(pair, { minLength: 1 }).map((pairs) => `Digest ${pairs.join(', ')}`),
    fc.array(fc.oneof(pair, word)).map((parts) => `digest ${parts.join(',')}`),
    fc.base64String().map((token) => `Basic ${token}`),
    fc.array(word).map((words) => words.join('')),
  );
  let plains = 0;
  fc.assert(
    fc.property(text, (header) => {
      const plain = readPlain(header);
      if (plain === null) return;
      plains++;
      // A leading comma is skipped by the general reader alone: the very same credentials behind it.
      expect(readPlain(`,${header}`)).toBeNull();
      expect(plain).toEqual(readCredentials(`,${header}`));
    }),
    { numRuns: 2_000 },
  );
  expect(plains).toBeGreaterThan(200);
});

test('what is not plain is read all the same', () => {
  const digest = readCredentials(
    String.raw`Digest username="LAN\cpe \"1\"", nc=00000001, qop=auth, username*=x`,
  )?.digest;
  expect(digest).toMatchObject({
    username: 'LANcpe "1"',
    rawUsername: String.raw`LAN\cpe \"1\"`,
    qop: 'auth',
    realm: null,
  });
  expect(readCredentials('Bearer abc')).toEqual({ scheme: 'bearer', token: 'abc', digest: null });
  expect([readCredentials(''), readCredentials(' , =')]).toEqual([null, null]);
});
