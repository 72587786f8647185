import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { BodyUnpacker, type Unpacked } from './content-encoding.ts';

const TEXT = Buffer.from('<a/>'.repeat(100));

test.each([
  ['gzip', 'gzip', gzipSync(TEXT)],
  ['zlib', 'deflate', deflateSync(TEXT)],
  ['raw deflate', 'deflate', deflateRawSync(TEXT)],
] as const)('%s is inflated', async (_name, encoding, body) => {
  const unpacked = await new BodyUnpacker().unpack(encoding, body);
  expect(unpacked.type === 'ok' && Buffer.from(unpacked.bytes).equals(TEXT)).toBe(true);
});

test('many bodies at once are all inflated, each as itself', async () => {
  const unpacker = new BodyUnpacker();
  const bodies = Array.from({ length: LIMITS.inflatesMax + 200 }, (_, i) => gzipSync(String(i)));
  const unpacked = await Promise.all(bodies.map((body) => unpacker.unpack('gzip', body)));
  expect(unpacked.map((one) => one.type === 'ok' && Buffer.from(one.bytes).toString())).toEqual(
    bodies.map((_, i) => String(i)),
  );
});

test('a body that fails gives its place to the next', async () => {
  const unpacker = new BodyUnpacker();
  const torn = Array.from({ length: LIMITS.inflatesMax * 2 }, () => unpacker.unpack('gzip', Buffer.from('none')));
  const good = unpacker.unpack('gzip', gzipSync(TEXT));
  expect(new Set((await Promise.all(torn)).map(({ type }) => type))).toEqual(new Set(['corrupt']));
  expect((await good).type).toBe('ok');
});

test('bodies beyond what may wait are refused at once, and taken again when there is room', async () => {
  const unpacker = new BodyUnpacker();
  const small = gzipSync('x');
  const all: Promise<Unpacked>[] = [];
  for (let i = 0; i < LIMITS.inflatesMax + LIMITS.inflatesWaitingMax; i++) all.push(unpacker.unpack('gzip', small));
  expect((await unpacker.unpack('gzip', small)).type).toBe('busy');
  expect(new Set((await Promise.all(all)).map(({ type }) => type))).toEqual(new Set(['ok']));
  expect((await unpacker.unpack('gzip', small)).type).toBe('ok');
});

test('the bytes that wait are bounded too', async () => {
  const unpacker = new BodyUnpacker();
  const running = Array.from({ length: LIMITS.inflatesMax }, () => unpacker.unpack('gzip', gzipSync(TEXT)));
  const large = Buffer.alloc(LIMITS.inflatesWaitingBytesMax / 2);
  const waiting = [unpacker.unpack('gzip', large), unpacker.unpack('gzip', large)];
  expect((await unpacker.unpack('gzip', Buffer.alloc(1))).type).toBe('busy');
  await Promise.all([...running, ...waiting]);
  expect((await unpacker.unpack('gzip', gzipSync(TEXT))).type).toBe('ok');
});
