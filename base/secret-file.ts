// The one secret of an installation, from which every key is derived: made at first start, kept in the data folder, readable by its
// owner alone. Losing it costs nothing but open file URLs and nonces. It does not encrypt stored secrets and is never sent anywhere.

import { hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './errors.ts';

const SECRET_BYTES = 32;
const SECRET_TEXT = /^[0-9a-f]{64}$/;

/**
 * Reads the installation secret of a data folder, or makes it. Threads and processes that start at once all get the same one.
 * @param dataDir made when it is missing.
 * @returns 32 bytes.
 * @throws ConfigError `secret-file` when the file cannot be read, made, or is not what this function wrote.
 */
export function loadInstallationSecret(dataDir: string): Buffer {
  const path = join(dataDir, 'installation.secret');
  try {
    mkdirSync(dataDir, { recursive: true });
    return decode(path, readIfThere(path) ?? create(dataDir, path));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      'secret-file',
      `The secret file ${path} cannot be used: make it readable and writable for this user.`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Derives one key of 32 bytes. `purpose` names its only use ('cpe-nonce', 'file-url'): a signature made for one never fits another.
 */
export function deriveKey(secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `starling ${purpose}`, 32));
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function create(dataDir: string, path: string): string {
  const temporary = join(dataDir, `.installation.secret.${randomBytes(8).toString('hex')}`);
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(fd, `${randomBytes(SECRET_BYTES).toString('hex')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  // link() fails when the name exists, where rename() would replace it: the first of several starters wins and all read its secret.
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(temporary);
  }
  return readFileSync(path, 'latin1');
}

function decode(path: string, text: string): Buffer {
  const hex = text.trim();
  if (SECRET_TEXT.test(hex)) return Buffer.from(hex, 'hex');
  throw new ConfigError(
    'secret-file',
    `The secret file ${path} is damaged. Restore it from a backup, or delete it to get a new one; open file URLs then end.`,
  );
}
