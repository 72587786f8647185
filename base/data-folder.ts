// One Starling per data folder. The lock is one that the kernel gives back with the process, however it ends, so that there is no stale lock
// to judge after a kill -9: on Linux the abstract socket name of the folder, on macOS an exclusive open. The file beside it holds no lock;
// it only says whom to name. Two machines, or two containers with networks of their own, on one shared folder are not told apart.

import { constants } from 'node:fs';
import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ConfigError } from './errors.ts';

/** Gives the folder free again. */
export type Release = () => Promise<void>;

/** BSD's open(2) flag for a lock that goes with the descriptor; Node has no name for it. */
const O_EXLOCK = 0x20;

/**
 * Takes `dir` (made when absent, readable by this user alone) for this process.
 * Throws ConfigError `data-folder-in-use` naming the process that has it, `data-folder` when the folder cannot be made or locked.
 */
export async function lockDataFolder(dir: string): Promise<Release> {
  const holder = join(dir, 'starling.pid');
  let unlock: Release | null;
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    unlock = process.platform === 'linux' ? await lockByName(dir) : await lockByOpen(dir);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      'data-folder',
      `The data folder ${dir} cannot be used: ${why}. Set STARLING_DATA_DIR to another.`,
      {
        cause,
      },
    );
  }
  if (unlock === null) {
    const who = (await readFile(holder, 'utf8').catch(() => '')).trim();
    const process = who === '' ? 'another process' : `process ${who}`;
    const text = `The data folder ${dir} is in use by ${process}. Stop it, or set STARLING_DATA_DIR to another folder.`;
    throw new ConfigError('data-folder-in-use', text);
  }
  await writeFile(holder, `${process.pid}\n`, { mode: 0o600 });
  const release = unlock;
  return async () => {
    await rm(holder, { force: true });
    await release();
  };
}

/** null when the name is taken. Inode and device name the folder, whatever path leads there. */
async function lockByName(dir: string): Promise<Release | null> {
  const { dev, ino } = await stat(dir, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen(`\0starling-data-${dev}-${ino}`, () => {
      // The lock keeps nobody from ending.
      server.unref();
      resolve(() => new Promise((closed) => server.close(() => closed())));
    });
  });
}

async function lockByOpen(dir: string): Promise<Release | null> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK;
  try {
    const handle = await open(join(dir, 'starling.lock'), flags, 0o600);
    return () => handle.close();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return null;
    throw error;
  }
}
