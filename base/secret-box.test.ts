import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fingerprintOfKey, keySetOf, readKeyFile, withNewestAlone, withNewKey, writeKeyFile } from './key-file.ts';
import { openSecretBox, SecretBox, sealedUnder } from './secret-box.ts';

const key = new Uint8Array(32).fill(7);
const keyFile = (): string => join(mkdtempSync(join(tmpdir(), 'starling-box-')), 'installation.key');

test('what is sealed opens again under the same key and context, and twice sealed looks different', () => {
  const box = new SecretBox(key);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (plain, context) => {
      const sealed = box.seal(plain, context);
      expect(box.open(sealed, context)).toBe(plain);
      expect(box.seal(plain, context)).not.toBe(sealed);
    }),
  );
});

test('another context, another key, a flipped character and plain text do not open', () => {
  const box = new SecretBox(key);
  const sealed = box.seal('hunter2', 'device A');
  const flipped = sealed.slice(0, -1) + (sealed.endsWith('A') ? 'B' : 'A');
  expect(() => box.open(sealed, 'device B')).toThrow(/do not belong together/);
  expect(() => new SecretBox(new Uint8Array(32)).open(sealed, 'device A')).toThrow(/does not have it/);
  expect(() => box.open(sealed.replace(box.sealing, 'aaaaaaaaaaaa'), 'device A')).toThrow(/key aaaaaaaaaaaa/);
  expect(() => box.open(`${flipped}AA`, 'device A')).toThrow(/do not belong together/);
  expect(() => box.open('hunter2', 'device A')).toThrow(/do not belong together/);
});

test('the digest is equal for equal secrets and another one under another key', () => {
  const box = new SecretBox(key);
  expect(box.digest('a')).toBe(box.digest('a'));
  expect(box.digest('a')).not.toBe(box.digest('b'));
  expect(box.digest('a')).not.toBe(new SecretBox(new Uint8Array(32)).digest('a'));
});

test('the first start makes a key file of mode 600, later starts use it', () => {
  const file = keyFile();
  const sealed = openSecretBox(file).seal('x', 'y');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(openSecretBox(file).open(sealed, 'y')).toBe('x');
});

test('a key file that others may read, or that is cut short, is refused with what to do', () => {
  const file = keyFile();
  openSecretBox(file);
  chmodSync(file, 0o644);
  expect(() => openSecretBox(file)).toThrow(/chmod 600/);
  chmodSync(file, 0o600);
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 10));
  expect(() => openSecretBox(file)).toThrow(/32 bytes/);
});

/** As the first version of this file sealed: without the name of a key. */
const inFormOne = (sealed: string): string => `1.${sealed.split('.')[2]}`;
const oldest = new Uint8Array(32).fill(1);

test('of several keys the oldest seals until another is chosen, and all open; texts of the first form are under the original', () => {
  const box = new SecretBox(keySetOf(new Uint8Array(32).fill(3), new Uint8Array(32).fill(2), oldest));
  const sealed = box.held.toReversed().map((key) => {
    expect(box.sealWith(key)).toBe(true);
    const text = box.seal('hunter2', 'c');
    expect(text.startsWith(sealedUnder(key))).toBe(true);
    return text;
  });
  for (const text of sealed) expect(box.open(text, 'c')).toBe('hunter2');
  expect(box.open(inFormOne(sealed[0]!), 'c')).toBe('hunter2');
  expect(box.open(inFormOne(new SecretBox(oldest).seal('before', 'c')), 'c')).toBe('before');
  expect(() => box.open(inFormOne(sealed[1]!), 'c')).toThrow(/do not belong together/);
  expect(new SecretBox(keySetOf(new Uint8Array(32).fill(3), oldest)).sealing).toBe(fingerprintOfKey(oldest));
  expect(box.sealWith('aaaaaaaaaaaa')).toBe(false);
  expect(box.sealing).toBe(box.held[0]);
});

test('digests and what signs outlive rotation and retiring; what was sealed under a retired key does not open', () => {
  const file = keyFile();
  const first = openSecretBox(file);
  const old = first.seal('hunter2', 'c');
  writeKeyFile(file, withNewKey(readKeyFile(file, 'refuse')));
  first.readAgain();
  expect(first.held).toHaveLength(2);
  expect(first.sealing).toBe(first.held[1]);
  first.sealWith(first.held[0]!);
  const anew = first.seal('hunter2', 'c');
  writeKeyFile(file, withNewestAlone(readKeyFile(file, 'refuse')));
  // Who has it in hand still opens it.
  first.readAgain();
  expect([first.held.length, first.open(old, 'c')]).toEqual([1, 'hunter2']);

  expect(statSync(file).mode & 0o777).toBe(0o600);
  const later = openSecretBox(file);
  expect([later.digest('x'), later.signingSeed]).toEqual([first.digest('x'), first.signingSeed]);
  expect(later.open(anew, 'c')).toBe('hunter2');
  expect(() => later.open(old, 'c')).toThrow(/does not have it/);
  expect(() => later.open(inFormOne(old), 'c')).toThrow(/original key, which was retired/);
  // A second rotation, from a file without the original.
  writeKeyFile(file, withNewKey(readKeyFile(file, 'refuse')));
  const last = openSecretBox(file);
  expect([last.held.length, last.digest('x')]).toEqual([2, first.digest('x')]);
  writeKeyFile(file, withNewestAlone(readKeyFile(file, 'refuse')));
  expect(openSecretBox(file).signingSeed).toEqual(first.signingSeed);
});

test('a file that was replaced by another installation’s is noticed; a damaged one is refused', () => {
  const file = keyFile();
  const box = openSecretBox(file);
  const other = keyFile();
  openSecretBox(other);
  writeFileSync(file, readFileSync(other));
  expect(() => box.readAgain()).toThrow(/another installation/);
  writeFileSync(file, `${Buffer.alloc(32).toString('base64url')}\nderived abc\n`);
  expect(() => openSecretBox(file)).toThrow(/32 bytes/);
  writeFileSync(file, `derived ${[1, 2].map(() => Buffer.alloc(32).toString('base64url')).join(' ')}\n`);
  expect(() => openSecretBox(file)).toThrow(/damaged/);
});
