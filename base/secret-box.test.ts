import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSecretBox, SecretBox } from './secret-box.ts';

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
  expect(() => new SecretBox(new Uint8Array(32)).open(sealed, 'device A')).toThrow(/do not belong together/);
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
