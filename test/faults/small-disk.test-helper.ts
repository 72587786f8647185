// A small disk that can be filled: a file system in memory. Making one takes root; without it the tests that need one are skipped with a line.

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;

export class SmallDisk {
  readonly dir: string;
  /** Why there is none; null when there is. */
  readonly why: string | null;
  readonly #ballast: string;

  /** @param dir made when it is missing. */
  constructor(dir: string, bytes: number) {
    this.dir = dir;
    this.#ballast = join(dir, 'ballast');
    mkdirSync(dir, { recursive: true });
    const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', dir]);
    this.why = status === 0 ? null : (error?.message ?? String(stderr).trim());
    if (this.why !== null) {
      console.log(`skipped: a disk that fills up, because no file system can be mounted here (${this.why})`);
    }
  }

  /** Puts so many bytes on it, or as many as there is room for. */
  fill(bytesMax = Number.MAX_SAFE_INTEGER): void {
    const file = openSync(this.#ballast, 'w');
    const piece = Buffer.alloc(MIB / 4, 1);
    try {
      for (let left = bytesMax; left > 0; left -= piece.length) writeSync(file, piece, 0, Math.min(piece.length, left));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Takes that off again. */
  clear(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Removes the disk; its folder stays. */
  unmount(): void {
    if (this.why === null) spawnSync('umount', ['--lazy', this.dir]);
  }
}
