import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { type FileStore, openFileStore, type PendingFile } from './files.ts';
import { UploadSink } from './upload-sink.ts';

let folder = '';
let store: FileStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'starling-sink-'));
  store = openFileStore(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const details = { fileId: 'a', name: 'a', fileType: '', createdAt: 1, source: 'cpe', actionId: 'a' } as const;
const text = (value: string): Uint8Array => Buffer.from(value);

/** A file whose writes wait until they are let go. */
function slowDisk(outcome: 'ok' | 'too-large' = 'ok') {
  const waiting: (() => void)[] = [];
  const file = {
    write: () => new Promise<string>((resolve) => waiting.push(() => resolve(outcome))),
    discard: async () => {},
  } as unknown as PendingFile;
  const letOne = async (): Promise<void> => {
    while (waiting.length === 0) await Promise.resolve();
    waiting.shift()?.();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  return { file: Promise.resolve(file), letOne };
}

test('chunks that come before the file is open, and all at once, are stored in order', async () => {
  const sink = new UploadSink(store.create('a'), () => {});
  for (let i = 0; i < 100; i++) sink.push(text(`${i},`));
  const result = await sink.finish(details);
  const expected = Array.from({ length: 100 }, (_, i) => `${i},`).join('');
  expect(result).toMatchObject({ type: 'stored', meta: { bytes: expected.length, source: 'cpe' } });
  if (result.type === 'stored') expect(readFileSync(join(folder, result.meta.data), 'utf8')).toBe(expected);
});

test('an upload of nothing is an empty file', async () => {
  expect(await new UploadSink(store.create('a'), () => {}).finish(details)).toMatchObject({
    type: 'stored',
    meta: { bytes: 0 },
  });
});

test('the source is told to pause when the disk is behind, and to go on once when it has caught up', async () => {
  let changes = 0;
  const { file, letOne } = slowDisk();
  const sink = new UploadSink(file, () => changes++);
  const chunk = new Uint8Array(LIMITS.uploadHeldBytesMax / 2);
  const full: boolean[] = [];
  for (let i = 0; i < 3; i++) {
    sink.push(chunk);
    full.push(sink.full);
  }
  expect([full, changes]).toEqual([[false, false, true], 0]);
  await letOne();
  expect([sink.full, changes]).toEqual([false, 1]);
  await letOne();
  expect([sink.full, changes]).toEqual([false, 1]);
});

test('a file that is too large fails at once, and what follows is dropped', async () => {
  let changes = 0;
  const { file, letOne } = slowDisk('too-large');
  const sink = new UploadSink(file, () => changes++);
  sink.push(text('x'));
  await letOne();
  expect([sink.failure?.status, sink.full, changes]).toEqual([413, false, 1]);
  sink.push(text('more'));
  expect(await sink.finish(details)).toMatchObject({ type: 'failed', failure: { status: 413 } });
});

test('a full disk is 507, told while the upload still runs, and nothing is left', async () => {
  if (!statSync('/dev/full', { throwIfNoEntry: false })) return console.log('skipped: this system has no /dev/full');
  const told = new Promise<void>((resolve) => {
    const sink = new UploadSink(
      store.create('a', () => open('/dev/full', 'w')),
      () => {
        expect(sink.failure?.status).toBe(507);
        sink.finish(details).then((result) => {
          expect(result).toMatchObject({ type: 'failed', failure: { status: 507 } });
          resolve();
        });
      },
    );
    sink.push(text('x'));
  });
  await told;
  expect(readdirSync(folder)).toEqual([]);
});

test('a file that cannot even be opened is our failure, with its cause for the log', async () => {
  const sink = new UploadSink(Promise.reject(new Error('no folder')), () => {});
  sink.push(text('x'));
  expect(await sink.finish(details)).toMatchObject({
    type: 'failed',
    failure: { status: 500, cause: { message: 'no folder' } },
  });
});

test('an aborted upload leaves nothing, whenever it is aborted', async () => {
  for (const before of [0, 1, 50]) {
    const sink = new UploadSink(store.create('a'), () => {});
    for (let i = 0; i < before; i++) sink.push(new Uint8Array(10_000));
    await sink.abort();
    sink.push(text('late'));
    expect(await sink.finish(details)).toEqual({ type: 'aborted' });
    expect([readdirSync(folder), await store.meta('a')]).toEqual([[], null]);
  }
});
