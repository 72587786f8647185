import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AssertionError } from '../base/assert.ts';
import { Refused } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type FileStore, openFileStore } from './files.ts';

let folder = '';
let store: FileStore;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'starling-files-')), 'files');
  store = openFileStore(folder);
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

const details = { name: '../../etc/passwd', fileType: '1 Firmware Upgrade Image' };
const upload = { fileId: 'a', name: 'a', fileType: '', createdAt: 1, source: 'cpe', actionId: 'a' } as const;

async function* chunksOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function contentOf(fileId: string): Promise<string> {
  const meta = await store.meta(fileId);
  const data = meta === null ? null : await store.openData(meta);
  if (data === null) return 'absent';
  const text = await data.readFile('utf8');
  await data.close();
  return text;
}

test('a file given as a stream is stored under our name, with size and hash', async () => {
  const put = await store.put(chunksOf('hello ', '', 'world'), details, 1_700_000_000_000);
  expect(put).toMatchObject({ bytes: 11, sha256: createHash('sha256').update('hello world').digest('hex') });
  expect(await store.meta(put.fileId)).toMatchObject({ ...details, bytes: 11, source: 'operator', actionId: null });
  expect(await contentOf(put.fileId)).toBe('hello world');
  const names = readdirSync(folder);
  expect(names).toHaveLength(2);
  for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
});

test('a file given as a path is stored; an empty one too', async () => {
  const path = join(folder, '..', 'given');
  writeFileSync(path, 'content');
  expect(await contentOf((await store.put(path, details)).fileId)).toBe('content');
  expect(await store.put(chunksOf(), details)).toMatchObject({ bytes: 0 });
});

test('a source that breaks leaves nothing behind', async () => {
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    throw new Error('the line went dead');
  }
  await expect(store.put(breaking(), details)).rejects.toThrow('the line went dead');
  await expect(store.put(join(folder, 'not-there'), details)).rejects.toThrow('ENOENT');
  expect(readdirSync(folder)).toEqual([]);
});

test('a file past the limit is refused before it is written, and nothing is left', async () => {
  async function* huge(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('x');
    // Says that it is larger than any file may be; the refusal comes before its bytes are looked at.
    yield { byteLength: LIMITS.fileBytesMax } as Uint8Array;
  }
  const refusal = store.put(huge(), details);
  await expect(refusal).rejects.toThrow(Refused);
  await expect(refusal).rejects.toMatchObject({ status: 413, code: 'file-too-large' });
  expect(readdirSync(folder)).toEqual([]);
});

test('an unfinished file cannot be seen, and is removed at the next start; finished ones stay', async () => {
  const kept = await store.put(chunksOf('kept'), details);
  const pending = await store.create('a');
  await pending.write(Buffer.from('half'));
  expect(await store.meta('a')).toBeNull();
  writeFileSync(join(folder, 'b.0123.meta'), '{}');
  expect(await store.removeLeftovers(Date.now() - 60_000)).toBe(0);
  const later = Date.now() + 60_000;
  expect(await store.removeLeftovers(later)).toBe(2);
  expect(await contentOf(kept.fileId)).toBe('kept');
  expect(readdirSync(folder)).toHaveLength(2);
  await pending.discard();
  expect(await store.removeLeftovers(later)).toBe(0);
});

test('an upload that comes again replaces the first as a whole; a reader of the first goes on', async () => {
  const first = await store.create('a');
  await first.write(Buffer.from('first'));
  const meta = await first.commit(upload);
  const reader = await store.openData(meta);
  const second = await store.create('a');
  await second.write(Buffer.from('second'));
  expect(await contentOf('a')).toBe('first');
  await second.commit(upload);
  expect(await contentOf('a')).toBe('second');
  expect(await reader?.readFile('utf8')).toBe('first');
  await reader?.close();
  expect(await store.openData(meta)).toBeNull();
  expect(readdirSync(folder)).toHaveLength(2);
});

test('a removed file is gone, and removing it again is nothing', async () => {
  const { fileId } = await store.put(chunksOf('x'), details);
  await store.remove(fileId);
  await store.remove(fileId);
  expect([await store.meta(fileId), readdirSync(folder)]).toEqual([null, []]);
});

test('ids from outside never become paths', async () => {
  for (const id of ['../x', '', 'a/b', '.', 'a.json']) expect(await store.meta(id)).toBeNull();
  await expect(store.create('../x')).rejects.toThrow(AssertionError);
});

test('a full disk is a value for who writes, and Refused 507 for who gives a file', async () => {
  if (!statSync('/dev/full', { throwIfNoEntry: false })) return console.log('skipped: this system has no /dev/full');
  const pending = await store.create('a', () => open('/dev/full', 'w'));
  expect(await pending.write(Buffer.from('x'))).toBe('disk-full');
  await pending.discard();
  const create = store.create.bind(store);
  store.create = (id) => create(id, () => open('/dev/full', 'w'));
  await expect(store.put(chunksOf('x'), details)).rejects.toMatchObject({ status: 507, code: 'disk-full' });
});

test('the metadata on the disk says all there is to know', async () => {
  const { fileId, sha256 } = await store.put(chunksOf('x'), details, 5);
  const stored: unknown = JSON.parse(readFileSync(join(folder, `${fileId}.json`), 'utf8'));
  expect(stored).toEqual({
    fileId,
    ...details,
    bytes: 1,
    sha256,
    createdAt: 5,
    source: 'operator',
    actionId: null,
    data: expect.stringContaining(fileId),
  });
});
