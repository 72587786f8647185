import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { silentLog } from '../base/log.ts';
import { answerFiles } from '../bus/file-chunks.ts';
import { ALL_FILES } from '../bus/subjects.ts';
import type { BusQuestions } from '../bus/transport.ts';
import { FileFetcher } from './file-fetcher.ts';
import { type FileStore, openFileStore } from './files.ts';

const META = { name: 'image.bin', fileType: '1 Firmware Upgrade Image' };

/** Two disks and a line between them, which can be cut before any answer. */
function stage() {
  const dirs = [
    mkdtempSync(join(tmpdir(), 'starling-files-')),
    mkdtempSync(join(tmpdir(), 'starling-files-')),
  ] as const;
  const [control, edge] = dirs.map(openFileStore) as [FileStore, FileStore];
  const line = { cutAfter: Number.POSITIVE_INFINITY, offsets: [] as number[] };
  let handler: Parameters<BusQuestions['answer']>[1] = async () => null;
  const questions: BusQuestions = {
    async ask(subject, question) {
      line.offsets.push(JSON.parse(Buffer.from(question).toString()).offset);
      const answer = line.offsets.length > line.cutAfter ? null : await handler(subject, question);
      if (answer === null) throw new Error('nobody answered');
      return answer;
    },
    answer(_, own) {
      handler = own;
      return { close: async () => {} };
    },
  };
  answerFiles(questions, ALL_FILES, control);
  const clock = new ManualClock();
  const fetcher = (): FileFetcher => {
    const parts = {
      questions,
      store: edge,
      clock,
      elapsed: () => clock.now(),
      log: silentLog,
      registry: new Registry(),
      pop: 'pop',
      edgeId: 'e1',
    };
    const opened = new FileFetcher(parts);
    onTestFinished(() => opened.close());
    return opened;
  };
  onTestFinished(() => {
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  });
  const put = (bytes: Uint8Array) => control.put((async function* () { yield bytes; })(), META); // biome-ignore format: one thing
  return { control, edge, edgeDir: dirs[1], line, clock, fetcher, put };
}

const CHUNKS = 4;
const image = randomBytes(CHUNKS * LIMITS.busFileChunkBytes - 17);

test('a file that is not here is fetched in chunks, and is then the same', async () => {
  const { edge, fetcher, put, line } = stage();
  const { fileId, sha256 } = await put(image);
  const files = fetcher();
  expect(files.has(fileId)).toBe(false);
  await files.hold(fileId);
  await vi.waitFor(() => expect(files.has(fileId)).toBe(true));
  expect(await edge.meta(fileId)).toMatchObject({ ...META, sha256, bytes: image.length, source: 'operator' });
  expect(line.offsets).toEqual([0, 1, 2, 3].map((i) => i * LIMITS.busFileChunkBytes));
});

test('an empty file arrives too', async () => {
  const { fetcher, put } = stage();
  const { fileId } = await put(new Uint8Array());
  const files = fetcher();
  files.has(fileId);
  await vi.waitFor(() => expect(files.has(fileId)).toBe(true));
});

test('after a cut, and after a restart, it goes on where it was', async () => {
  const { edge, fetcher, put, line, clock } = stage();
  const { fileId, sha256 } = await put(image);
  line.cutAfter = 2;
  const files = fetcher();
  await files.hold(fileId);
  expect(edge.has(fileId)).toBe(false);
  // Not before its pause is over.
  files.has(fileId);
  expect(line.offsets).toHaveLength(3);
  files.close();
  expect(await edge.removeLeftovers(Date.now() + 1_000)).toBe(0);
  line.cutAfter = Number.POSITIVE_INFINITY;
  clock.advance(LIMITS.fileFetchBackoffMsMax);
  const again = fetcher();
  await again.hold(fileId);
  await vi.waitFor(() => expect(again.has(fileId)).toBe(true));
  expect(line.offsets.slice(3)).toEqual([2, 3].map((i) => i * LIMITS.busFileChunkBytes));
  expect(await edge.meta(fileId)).toMatchObject({ sha256 });
});

test('what came damaged is thrown away and fetched anew', async () => {
  const { edge, edgeDir, fetcher, put, line, clock } = stage();
  const { fileId, sha256 } = await put(image);
  line.cutAfter = 1;
  const files = fetcher();
  await files.hold(fileId);
  appendFileSync(join(edgeDir, `${fileId}.fetch`), 'not of this file');
  line.cutAfter = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3 && !edge.has(fileId); i++) {
    clock.advance(LIMITS.fileFetchBackoffMsMax);
    await files.hold(fileId);
    await vi.waitFor(() => expect(readdirSync(edgeDir).some((name) => name.endsWith('.fetch'))).toBe(false));
  }
  const meta = await edge.meta(fileId);
  expect(meta).toMatchObject({ sha256 });
  expect(readFileSync(join(edgeDir, meta!.data)).equals(image)).toBe(true);
});

test('a file that nobody has is asked for again after a growing pause', async () => {
  const { fetcher, line, clock } = stage();
  const files = fetcher();
  for (const pauseMs of [500, 1_000, 2_000]) {
    const asked = line.offsets.length;
    await files.hold('nobody-has-it');
    expect(line.offsets).toHaveLength(asked + 1);
    clock.advance(pauseMs - 1);
    await files.hold('nobody-has-it');
    expect(line.offsets).toHaveLength(asked + 1);
    clock.advance(1);
  }
});

test('copies of what operators gave go when they are old; what CPEs brought stays', async () => {
  const { edge } = stage();
  const { fileId } = await edge.put((async function* () { yield image; })(), META); // biome-ignore format: one thing
  const upload = await edge.create('upload-1');
  await upload.write(image);
  await upload.commit({ fileId: 'upload-1', ...META, createdAt: 0, source: 'cpe', actionId: 'upload-1' });
  expect(await edge.removeCopies(Date.now() - 60_000)).toBe(0);
  expect(await edge.removeCopies(Date.now() + 60_000)).toBe(1);
  expect([edge.has(fileId), edge.has('upload-1')]).toEqual([false, true]);
});
