import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Fact, MESSAGE_VERSION, parseFacts } from './messages.ts';
import { cut, decode, encode, garbage, readPart, storeId } from './nats-wire.ts';

const messages = [
  { id: 'e1.1:7', payload: '[{"v":1}]' },
  { id: 'work:1:1', payload: { v: 1, type: 'wake', body: { cpeId: 'ä', why: '' } } },
];

test('a batch comes back as it went', async () => {
  expect(await decode(await encode(messages))).toEqual(messages);
  const behind = [{ ...messages[0]!, after: { lane: 1_001, sequence: 4_294_967_299 } }, messages[1]!];
  expect(await decode(await encode(behind))).toEqual(behind);
});

test('a batch that is stored in another round has another id, and the same one in the same', () => {
  const bytes = Uint8Array.of(1, 2, 3);
  expect(storeId('a', bytes, 1)).toBe(storeId('a', bytes, 1));
  expect(new Set([storeId('a', bytes), storeId('a', bytes, 1), storeId('b', bytes)]).size).toBe(3);
});

test('whatever else comes is no batch, and its garbage is parked by whoever reads facts', async () => {
  const good = await encode(messages);
  const cutShort = good.subarray(0, good.length - 3);
  const otherVersion = Uint8Array.from(good, (byte, i) => (i === 0 ? 9 : byte));
  const noList = await encode(messages.slice(0, 0)).then(() => Uint8Array.of(1, 3, 0));
  for (const bytes of [new Uint8Array(), cutShort, otherVersion, noList, new TextEncoder().encode('hello')]) {
    expect(await decode(bytes)).toBeNull();
    const [{ id, payload }, ...others] = garbage('S 1', bytes) as [{ id: string; payload: unknown }];
    expect({ id, others }).toEqual({ id: 'S 1', others: [] });
    expect(parseFacts(payload).map(({ parsed }) => parsed.type)).toEqual(['garbage']);
  }
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => void (await decode(bytes))));
});

test('parts name their whole and their place, and put together are what was cut', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 500 }),
      fc.integer({ min: 30, max: 100 }),
      (whole, bytesMax) => {
        const parts = cut(whole, bytesMax);
        expect(parts.every(({ length }) => length <= bytesMax)).toBe(true);
        const read = parts.map((bytes) => readPart(bytes)!);
        expect(read.map(({ index, count }) => [index, count])).toEqual(parts.map((_, i) => [i, parts.length]));
        expect(new Set(read.map((part) => part.whole)).size).toBe(1);
        expect(Buffer.concat(read.map(({ bytes }) => bytes)).equals(whole)).toBe(true);
      },
    ),
  );
});

test('batches that begin and end alike and differ between have ids of their own, as has the same batch on another subject', async () => {
  const id = async (subject: string, ids: string[]) =>
    storeId(subject, await encode(ids.map((each) => ({ id: each, payload: each }))));
  expect(await id('s', ['a', 'b', 'c'])).toBe(await id('s', ['a', 'b', 'c']));
  expect(new Set([await id('s', ['a', 'b', 'c']), await id('s', ['a', 'c']), await id('t', ['a', 'c'])]).size).toBe(3);
});

test('a quiet device costs less than 40 bytes in a batch of last contacts', async () => {
  // As edge/last-contacts.ts tells them: serial numbers that nothing can be guessed of, in the order the CPEs came.
  const facts = (devices: number): Fact[] => [
    {
      ...{
        v: MESSAGE_VERSION,
        edgeId: 'edge-1',
        pop: 'north',
        lane: 1,
        sequence: 4_294_967_297,
        at: 1_795_000_000_000,
      },
      type: 'seen',
      body: {
        devices: Array.from({ length: devices }, (_, i) => ({
          cpeId: `00D09E-HG8245-${randomBytes(6).toString('hex').toUpperCase()}`,
          at: 1_795_000_000_000 + i * 37 + (randomBytes(1)[0] ?? 0),
        })),
      },
    },
  ];
  const bytesPer: Record<number, number> = {};
  for (const devices of [10, 100, 1_000]) {
    const bytes = await encode([{ id: 'edge-1.1:4294967297', payload: JSON.stringify(facts(devices)) }]);
    bytesPer[devices] = Math.round((bytes.length / devices) * 10) / 10;
  }
  console.log('bytes on the wire for each quiet device, by devices in the batch:', bytesPer);
  expect(bytesPer[10]).toBeLessThan(40);
  expect(bytesPer[1_000]).toBeLessThan(20);
});
