import { expect, test } from 'vitest';
import { SecretBox } from '../../base/secret-box.ts';
import { freshDatabase } from '../../test/postgres.test-helper.ts';
import { checkInstallationKey } from './key-check.ts';

const box = (byte: number): SecretBox => new SecretBox(new Uint8Array(32).fill(byte));

test('a database belongs to the key of the first control; another one is refused with what to copy', async () => {
  const { sql } = await freshDatabase();
  await checkInstallationKey(sql, box(1));
  await checkInstallationKey(sql, box(1));
  await expect(checkInstallationKey(sql, box(2))).rejects.toMatchObject({
    tag: 'config',
    code: 'other-key',
    message: expect.stringContaining('STARLING_INSTALLATION_KEY_FILE'),
  });
});

test('of two controls with two keys that meet on an empty database one is refused', async () => {
  const { sql } = await freshDatabase();
  const outcomes = await Promise.allSettled([checkInstallationKey(sql, box(1)), checkInstallationKey(sql, box(2))]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});
