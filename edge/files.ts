// The files of an edge on its disk: what operators give us for Download, and what CPEs Upload. A file is `<id>.json`, which says what it
// is and names its data file; both lie flat in one folder, and no name from outside ever becomes a path. A data file that no .json names
// is one that was never finished; `<id>.fetch` is one that is being fetched from another Starling, and is gone on with after a restart.
// HTTP and its URLs are elsewhere.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { Refused } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { UploadedFile } from './tasks/task.ts';

const fileMeta = z.object({
  fileId: z.string(),
  /** As given from outside: for people, and for the end of a URL. */
  name: z.string(),
  /** FileType of TR-069 A.3.2.8. */
  fileType: z.string(),
  bytes: z.number(),
  sha256: z.string(),
  createdAt: z.number(),
  source: z.enum(['operator', 'cpe']),
  /** The action whose Upload this is; null for files of operators. */
  actionId: z.string().nullable(),
  data: z.string(),
});
export type FileMeta = z.infer<typeof fileMeta>;
export type FileDetails = Pick<FileMeta, 'fileId' | 'name' | 'fileType' | 'createdAt' | 'source' | 'actionId'>;

/** True for text that can be an id of a file or action: it is safe in a path, a URL and a log. */
export function isFileId(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text);
}

/** Opens the file store in `dir`, which is made when it is missing. */
export function openFileStore(dir: string): FileStore {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return new FileStore(dir);
}

export class FileStore {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** True when it is whole on this disk. */
  has(fileId: string): boolean {
    return isFileId(fileId) && existsSync(this.#metaPath(fileId));
  }

  /** The upload of an action, when it is whole on this disk; null otherwise. */
  uploaded(actionId: string): UploadedFile | null {
    if (!this.has(actionId)) return null;
    const { fileId, bytes, sha256, source } = fileMeta.parse(
      JSON.parse(readFileSync(this.#metaPath(actionId), 'utf8')),
    );
    return source === 'cpe' ? { fileId, bytes, sha256 } : null;
  }

  /** What is known of a file; null when there is none of this id. */
  async meta(fileId: string): Promise<FileMeta | null> {
    if (!isFileId(fileId)) return null;
    let text: string;
    try {
      text = await readFile(this.#metaPath(fileId), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    return fileMeta.parse(JSON.parse(text));
  }

  /** The finished data file of `meta`, open for reading; null when it was removed meanwhile. */
  async openData(meta: FileMeta): Promise<FileHandle | null> {
    try {
      return await open(join(this.#dir, meta.data), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  /** Up to `bytesMax` bytes from `offset` on, fewer at its end; null when it is not here. */
  async read(fileId: string, offset: number, bytesMax: number): Promise<{ meta: FileMeta; bytes: Uint8Array } | null> {
    const meta = await this.meta(fileId);
    const data = meta === null ? null : await this.openData(meta);
    if (meta === null || data === null) return null;
    try {
      const length = Math.max(0, Math.min(bytesMax, meta.bytes - offset));
      const { bytesRead, buffer } = await data.read(Buffer.alloc(length), 0, length, offset);
      return { meta, bytes: buffer.subarray(0, bytesRead) };
    } finally {
      await data.close();
    }
  }

  /**
   * Takes a file in, as a stream or as the path of a local file, without holding it in memory.
   * Throws Refused 413 `file-too-large` past LIMITS.fileBytesMax and 507 `disk-full`; nothing is left behind then.
   */
  async put(
    source: AsyncIterable<Uint8Array> | string,
    { name, fileType }: { name: string; fileType: string },
    nowMs = Date.now(),
  ): Promise<{ fileId: string; bytes: number; sha256: string }> {
    const fileId = newId(nowMs);
    const pending = await this.create(fileId);
    try {
      const chunks: AsyncIterable<Uint8Array> = typeof source === 'string' ? createReadStream(source) : source;
      for await (const chunk of chunks) {
        const outcome = await pending.write(chunk);
        if (outcome !== 'ok') throw refusalOf(outcome);
      }
      const details: FileDetails = { fileId, name, fileType, createdAt: nowMs, source: 'operator', actionId: null };
      const { bytes, sha256 } = await pending.commit(details);
      return { fileId, bytes, sha256 };
    } catch (error) {
      await pending.discard();
      throw isDiskFull(error) ? refusalOf('disk-full') : error;
    }
  }

  /** Begins a file that becomes visible when it is committed. `openFile` stands for fs.open. */
  async create(fileId: string, openFile: typeof open = open): Promise<PendingFile> {
    assert(isFileId(fileId), `"${fileId}" cannot be the id of a file`);
    const data = `${fileId}.${randomBytes(8).toString('hex')}`;
    return new PendingFile(this, this.#dir, data, await openFile(join(this.#dir, data), 'wx', 0o600));
  }

  /** Begins a file that comes from another Starling, or goes on where an earlier try of it ended: `bytes` says where. */
  async resume(fileId: string): Promise<PendingFile> {
    assert(isFileId(fileId), `"${fileId}" cannot be the id of a file`);
    const data = `${fileId}.fetch`;
    const handle = await open(join(this.#dir, data), 'a+', 0o600);
    const pending = new PendingFile(this, this.#dir, data, handle);
    await pending.readBack();
    return pending;
  }

  /** Removes files of operators that were fetched, and are to be had again, before `beforeMs`. @returns how many. */
  async removeCopies(beforeMs: number): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.#dir)) {
      const fileId = /^([A-Za-z0-9_-]+)\.json$/.exec(name)?.[1];
      if (fileId === undefined) continue;
      const meta = await this.meta(fileId);
      if (meta?.source !== 'operator' || (await stat(this.#metaPath(fileId))).mtimeMs >= beforeMs) continue;
      await this.remove(fileId);
      removed++;
    }
    return removed;
  }

  async remove(fileId: string): Promise<void> {
    const meta = await this.meta(fileId);
    if (meta === null) return;
    await rm(this.#metaPath(fileId), { force: true });
    await rm(join(this.#dir, meta.data), { force: true });
  }

  /**
   * Removes what a killed process left unfinished. @param beforeMs start of this process: what was touched since is being written now.
   * @returns how many files went.
   */
  async removeLeftovers(beforeMs: number): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.#dir)) {
      if (/^[A-Za-z0-9_-]+\.json$/.test(name)) continue;
      const path = join(this.#dir, name);
      const touched = await stat(path);
      const isKept = name.endsWith('.fetch') && touched.mtimeMs >= beforeMs - LIMITS.fileFetchLeftMs;
      if (isKept || touched.mtimeMs >= beforeMs || (await this.meta(name.split('.')[0] ?? ''))?.data === name) continue;
      await rm(path, { force: true });
      removed++;
    }
    return removed;
  }

  #metaPath(fileId: string): string {
    return join(this.#dir, `${fileId}.json`);
  }
}

/** A file that is being written. Exactly one of commit, discard and, of one that was resumed, leave ends it. */
export class PendingFile {
  readonly #store: FileStore;
  readonly #dir: string;
  readonly #data: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #open = true;

  constructor(store: FileStore, dir: string, data: string, handle: FileHandle) {
    this.#store = store;
    this.#dir = dir;
    this.#data = data;
    this.#handle = handle;
  }

  /** How many there are so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True when what was written has this digest. */
  matches(sha256: string): boolean {
    return this.#hash.copy().digest('hex') === sha256;
  }

  /** Counts what an earlier try left; once, before anything is written. */
  async readBack(): Promise<void> {
    for await (const chunk of this.#handle.createReadStream({ autoClose: false, start: 0 })) {
      this.#hash.update(chunk);
      this.#bytes += chunk.length;
    }
  }

  /** Leaves what was written where `resume` finds it. */
  async leave(): Promise<void> {
    await this.#close();
  }

  /** Appends; one call at a time. Anything but 'ok' is final. Throws what the disk throws, a full disk excepted. */
  async write(chunk: Uint8Array): Promise<'ok' | 'too-large' | 'disk-full'> {
    if (this.#bytes + chunk.byteLength > LIMITS.fileBytesMax) return 'too-large';
    try {
      // FileHandle.write may write less than it was given.
      for (let at = 0; at < chunk.byteLength; ) at += (await this.#handle.write(chunk, at)).bytesWritten;
    } catch (error) {
      if (isDiskFull(error)) return 'disk-full';
      throw error;
    }
    this.#hash.update(chunk);
    this.#bytes += chunk.byteLength;
    return 'ok';
  }

  /** Makes the file visible and durable: when this resolves, it survives a power cut. Replaces an older file of the same id at once. */
  async commit(details: FileDetails): Promise<FileMeta> {
    // A name of its own for good: the next fetch of this id begins a file of the old name.
    const data = this.#data.replace(/\.fetch$/, () => `.${randomBytes(8).toString('hex')}`);
    const meta: FileMeta = { ...details, bytes: this.#bytes, sha256: this.#hash.digest('hex'), data };
    await this.#handle.sync();
    await this.#close();
    const older = await this.#store.meta(meta.fileId);
    const path = join(this.#dir, `${meta.fileId}.json`);
    if (meta.data !== this.#data) await rename(join(this.#dir, this.#data), join(this.#dir, meta.data));
    const temporary = `${join(this.#dir, meta.data)}.meta`;
    await writeDurably(temporary, JSON.stringify(meta));
    await rename(temporary, path);
    const folder = await open(this.#dir, 'r');
    await folder.sync();
    await folder.close();
    if (older !== null) await rm(join(this.#dir, older.data), { force: true });
    return meta;
  }

  /** Removes what was written. Harmless after commit failed, and twice. */
  async discard(): Promise<void> {
    await this.#close();
    await rm(join(this.#dir, this.#data), { force: true });
    await rm(`${join(this.#dir, this.#data)}.meta`, { force: true });
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }
}

export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function refusalOf(outcome: 'too-large' | 'disk-full'): Refused {
  if (outcome === 'disk-full')
    return new Refused(507, 'disk-full', 'The disk for files is full. Make room, then send the file again.');
  return new Refused(413, 'file-too-large', `The file is larger than ${LIMITS.fileBytesMax} bytes.`);
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
