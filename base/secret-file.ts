// Files that hold a secret, made at first start and readable by their owner alone; and the secret of an edge, from which the keys of file
// URLs and nonces are derived, and the one its store is sealed with (edge/store/seal.ts): losing it costs open URLs and what the edge had not
// handed over. Secrets in the database are sealed under other keys (secret-box.ts).

import { hkdfSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
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
    return decode(
      path,
      readOrMake(path, () => randomBytes(SECRET_BYTES).toString('hex')),
    );
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

/**
 * The text of a secret file without the line break at its end; the first start makes it with `make`. Throws what the file system throws.
 * Written under another name and linked into place: a crash leaves no half file, and of several starters all read the same secret.
 */
export function readOrMake(path: string, make: () => string): string {
  const known = readIfThere(path);
  if (known !== null) return known.trim();
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = draftOf(path);
  writeDurably(draft, `${make()}\n`);
  // link() fails when the name exists, where rename() would replace it: the first of several starters wins.
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  // The name too must outlive a power cut: what is sealed under this key is on the disk from then on.
  syncFolder(folder);
  return readFileSync(path, 'latin1').trim();
}

/**
 * Puts `text` in place of a secret file: after a crash there is the old one or the new one, whole.
 * @param prepare what else the new file needs before it gets its name, as an owner.
 */
export function replaceDurably(path: string, text: string, prepare: (draft: string) => void): void {
  const draft = draftOf(path);
  writeDurably(draft, text);
  try {
    prepare(draft);
    renameSync(draft, path);
  } catch (error) {
    unlinkSync(draft);
    throw error;
  }
  syncFolder(dirname(path));
}

const draftOf = (path: string): string => `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function decode(path: string, text: string): Buffer {
  if (SECRET_TEXT.test(text)) return Buffer.from(text, 'hex');
  throw new ConfigError(
    'secret-file',
    `The secret file ${path} is damaged. Restore it from a backup. Without one, move it and the store of the edge away: what was not handed over is lost, and open file URLs end.`,
  );
}
