import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { ManualTimers } from '../base/timers.ts';
import { type ByteSink, streamFile } from './file-stream.ts';

const SIZE = LIMITS.fileChunkBytes * 3 + 17;
const content = Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 255));
let folder = '';
let file: FileHandle;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'starling-stream-'));
  writeFileSync(join(folder, 'f'), content);
  file = await open(join(folder, 'f'));
});
afterAll(async () => {
  await file.close();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * A connection that takes at most `room()` bytes at a time and says nothing of the rest, as uWebSockets.js does.
 * `auto` drains it by itself; otherwise `drain` does.
 */
function connection(room: () => number, auto = true) {
  const taken: Buffer[] = [];
  let offset = 0;
  let handler: ((offset: number) => boolean) | null = null;
  const drain = (): void => {
    if (handler?.(offset) === false && auto) setImmediate(drain);
  };
  const sink: ByteSink = {
    tryEnd(chunk, totalBytes) {
      const part = Buffer.from(chunk.subarray(0, room()));
      taken.push(part);
      offset += part.length;
      const ok = part.length === chunk.byteLength;
      if (!ok && auto) setImmediate(drain);
      return [ok, offset === totalBytes];
    },
    getWriteOffset: () => offset,
    onWritable: (run) => {
      handler = run;
    },
    cork: (run) => run(),
  };
  return { sink, drain, sent: () => Buffer.concat(taken), isWaiting: () => handler !== null };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

test('whatever part is asked for and however little a connection takes at once, the bytes arrive as they are', async () => {
  const part = fc
    .tuple(fc.nat(SIZE - 1), fc.nat(SIZE))
    .map(([start, n]) => ({ start, bytes: Math.max(1, Math.min(n, SIZE - start)) }));
  const rooms = fc.array(fc.integer({ min: 0, max: LIMITS.fileChunkBytes * 2 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(part, rooms, async ({ start, bytes }, sizes) => {
      let i = 0;
      // At least some room now and then, or nothing would ever arrive.
      const { sink, sent } = connection(() => Math.max(sizes[i++ % sizes.length] ?? 0, i % 3 === 0 ? 9_000 : 0));
      expect(await streamFile(file, start, bytes, sink, new AbortController().signal, new ManualTimers())).toBe('sent');
      expect(sent().equals(content.subarray(start, start + bytes))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('a CPE that goes away ends the transfer, also while it waits', async () => {
  const abort = new AbortController();
  const timers = new ManualTimers();
  const { sink, isWaiting, drain } = connection(() => 10, false);
  const outcome = streamFile(file, 0, SIZE, sink, abort.signal, timers);
  await until(isWaiting);
  abort.abort();
  expect(await outcome).toBe('aborted');
  drain(); // A late call must not touch the response.
  expect(timers.pending).toBe(0);
  expect(await streamFile(file, 0, SIZE, sink, abort.signal, timers)).toBe('aborted');
});

test('a CPE that takes nothing for too long is given up; one that takes a little is not', async () => {
  const timers = new ManualTimers();
  const { sink, isWaiting, drain } = connection(() => 10, false);
  const outcome = streamFile(file, 0, SIZE, sink, new AbortController().signal, timers);
  await until(isWaiting);
  for (let i = 0; i < 5; i++) {
    timers.advance(LIMITS.fileStallMs - 1);
    drain();
  }
  expect(timers.pending).toBe(1);
  timers.advance(LIMITS.fileStallMs);
  expect(await outcome).toBe('stalled');
});

test('a file that is shorter than was told is noticed', async () => {
  const { sink, sent } = connection(() => SIZE);
  expect(await streamFile(file, 0, SIZE + 1, sink, new AbortController().signal, new ManualTimers())).toBe('short');
  expect(sent()).toHaveLength(SIZE);
});
