import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from './errors.ts';
import { deriveKey, loadInstallationSecret } from './secret-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'starling-secret-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the secret is made once, is 32 bytes, and only its owner can read it', () => {
  const dataDir = join(folder, 'new', 'data');
  const first = loadInstallationSecret(dataDir);
  expect(first).toHaveLength(32);
  expect(loadInstallationSecret(dataDir)).toEqual(first);
  expect(statSync(join(dataDir, 'installation.secret')).mode & 0o777).toBe(0o600);
  expect(readdirSync(dataDir)).toEqual(['installation.secret']);
});

test('a damaged secret file is refused with what to do, never replaced', () => {
  writeFileSync(join(folder, 'installation.secret'), 'half a secr');
  expect(() => loadInstallationSecret(folder)).toThrow(ConfigError);
  expect(() => loadInstallationSecret(folder)).toThrow(/Restore it from a backup/);
});

test('keys of different purposes differ, and the same purpose gives the same key', () => {
  const secret = loadInstallationSecret(folder);
  expect(deriveKey(secret, 'cpe-nonce')).toEqual(deriveKey(secret, 'cpe-nonce'));
  expect(deriveKey(secret, 'cpe-nonce')).not.toEqual(deriveKey(secret, 'file-url'));
});
