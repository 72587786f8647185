import { expect, test } from 'vitest';
import { StoreError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { AnyFactBody } from '../../bus/messages.ts';
import { Environment } from './environment.ts';
import { TRANSACTION_LANE } from './outbox.ts';
import { openOutbox, Stamps } from './stamps.ts';
import { CPE, closeStore, factsIn, openStore, temporaryFolder } from './store.test-helper.ts';

const seen = (at: number): AnyFactBody => ({ type: 'seen', body: { devices: [{ cpeId: CPE, at }] } });

test('facts are read in the order they were appended, with their envelope, and again after the store was opened anew', async () => {
  const { store, dir } = openStore({ lane: 3 });
  const { last, durable } = store.appendFacts([seen(1), seen(2)], 77);
  await durable;
  const records = store.readFacts(10);
  expect(records).toMatchObject([{ first: last - 1, last, count: 2, lane: 3, at: 77 }]);
  expect(factsIn(store)).toEqual(
    [1, 2].map((at) => ({ v: 1, edgeId: 'e1', pop: 'pop', lane: 3, sequence: last - 2 + at, at: 77, ...seen(at) })),
  );
  await closeStore(store);
  const again = openStore({ dir });
  expect(again.store.readFacts(10)).toEqual(records);
  expect(again.store.outboxDepth()).toBe(2);
});

test('acknowledged facts are gone, the others stay; depth and bytes follow', async () => {
  const { store } = openStore();
  await store.appendFacts([seen(1), seen(2)], 1).durable;
  await store.appendFacts([seen(3)], 1).durable;
  expect(store.outboxDepth()).toBe(3);
  await store.ackFacts(store.readFacts(2));
  expect(factsIn(store).map(({ body }) => body)).toEqual([seen(3).body]);
  expect(store.outboxDepth()).toBe(1);
  expect(store.outboxBytes()).toBeGreaterThan(0);
  await store.ackFacts(store.readFacts(10));
  expect(store.outboxDepth()).toBe(0);
  expect(store.outboxBytes()).toBe(0);
});

test('large facts are read a few at a time, and at least one', async () => {
  const { store } = openStore();
  const large = (at: number): AnyFactBody => ({
    type: 'seen',
    body: { devices: Array.from({ length: 1_000 }, () => ({ cpeId: CPE, at })) },
  });
  for (let at = 1; at <= 4; at++) await store.appendFacts([large(at)], 1).durable;
  const [first] = store.readFacts(10, 1);
  expect(store.readFacts(10, 1)).toHaveLength(1);
  expect(store.readFacts(10, first!.bytes + 1)).toHaveLength(2);
  expect(store.readFacts(10)).toHaveLength(4);
});

test('facts of one turn lie in one record, in order, whatever other threads append meanwhile', async () => {
  const { store, stamps } = openStore();
  const { last: first } = store.appendFacts([seen(1)], 70);
  stamps.draw(5);
  const { last, durable } = store.appendFacts([seen(2), seen(3)], 71);
  await durable;
  expect(last).toBe(first + 7);
  // More than was asked for, as it is the first.
  const records = store.readFacts(1);
  expect(records).toMatchObject([{ first, last, count: 3, at: 70 }]);
  expect(factsIn(store).map(({ sequence, body }) => [sequence, body])).toEqual([
    [first, seen(1).body],
    [last - 1, seen(2).body],
    [last, seen(3).body],
  ]);
  await store.appendFacts([seen(4)], 72).durable;
  expect(store.readFacts(3)).toEqual(records);
  expect(store.readFacts(4)).toHaveLength(2);
});

test('a record whose text was damaged is read as it is, and those around it as they were', async () => {
  const { store, dir } = openStore();
  await store.appendFacts([seen(1)], 1).durable;
  const damaged = (store.readFacts(1)[0]?.last ?? 0) + 0.5;
  const environment = Environment.acquire(dir);
  await openOutbox(environment).put([damaged, 1], '"no head');
  await environment.release();
  await store.appendFacts([seen(2)], 1).durable;
  const records = store.readFacts(10);
  expect(records.map(({ text }) => text)).toEqual([
    expect.stringContaining('"at":1'),
    '"no head',
    expect.stringContaining('"at":1'),
  ]);
  expect(records[1]).toMatchObject({ first: damaged, last: Number.NaN, lane: Number.NaN, count: 1 });
  await store.ackFacts(records);
  expect(store.readFacts(10)).toEqual([]);
});

test('many appends of one turn share one durable promise and one flush', async () => {
  const { store } = openStore();
  const appended = Array.from({ length: 50 }, (_, i) => store.appendFacts([seen(i)], 1));
  expect(new Set(appended.map(({ durable }) => durable)).size).toBe(1);
  await Promise.all(appended.map(({ durable }) => durable));
  expect(factsIn(store)).toHaveLength(50);
});

test('every start draws higher sequences than all before it, even when nothing of theirs was kept', async () => {
  const dir = temporaryFolder();
  let highest = 0;
  for (let start = 0; start < 3; start++) {
    const { store, stamps } = openStore({ dir });
    expect(stamps.incarnation).toBe(start + 1);
    const drawn = store.appendFacts([seen(1)], 1).last;
    expect(drawn).toBeGreaterThan(highest);
    highest = drawn;
    await store.flushed();
    await store.ackFacts(store.readFacts(10));
    await closeStore(store);
  }
});

test('a start that used up its stamps runs on, and the next start begins above it', async () => {
  const { store, dir, stamps } = openStore();
  stamps.draw(2 ** 32);
  const { last, durable } = store.appendFacts([seen(1)], 1);
  await durable;
  expect(Stamps.incarnationOf(last)).toBe(2);
  await store.ackFacts(store.readFacts(1));
  await closeStore(store);
  const next = openStore({ dir });
  expect(next.stamps.incarnation).toBe(3);
});

test('writers of one start share the counter: no two draw the same sequence, and reading merges their lanes in stamp order', async () => {
  const { store, dir, stamps } = openStore({ lane: 1 });
  const other = openStore({ dir, lane: 2, stamps: new Stamps(stamps.memory) }).store;
  for (let i = 0; i < 10; i++) await (i % 2 === 0 ? store : other).appendFacts([seen(i)], 1).durable;
  const facts = factsIn(store);
  expect(facts.map(({ lane }) => lane)).toEqual([1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
  expect(store.readFacts(100).map(({ lane, first, last }) => [lane, first, last])).toEqual(
    facts.map(({ lane, sequence }) => [lane, sequence, sequence]),
  );
  expect(store.outboxDepth()).toBe(10);
});

test('facts of a transaction have their own lane, in which they rise too', async () => {
  const { store } = openStore({ lane: 2 });
  const plain = store.appendFacts([seen(1)], 1);
  const inside = store.transact((transaction) => transaction.appendFacts([seen(2)], 1));
  const after = store.appendFacts([seen(3)], 1);
  await Promise.all([plain.durable, inside, after.durable]);
  await store.transact((transaction) => transaction.appendFacts([seen(4)], 1));
  const lanes = new Map<number, number[]>();
  for (const { lane, sequence } of factsIn(store)) lanes.set(lane, [...(lanes.get(lane) ?? []), sequence]);
  expect([...lanes.keys()].sort((a, b) => a - b)).toEqual([2, 2 + TRANSACTION_LANE]);
  for (const sequences of lanes.values()) {
    expect(sequences).toHaveLength(2);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  }
  expect(store.outboxDepth()).toBe(4);
});

test('a transaction that throws leaves nothing behind', async () => {
  const { store } = openStore();
  const failed = store.transact((transaction) => {
    transaction.appendFacts([seen(1)], 1);
    throw new Error('a mistake');
  });
  await expect(failed).rejects.toThrow('a mistake');
  expect(store.readFacts(10)).toEqual([]);
  expect(store.refusing()).toBeNull();
  await store.appendFacts([seen(2)], 1).durable;
  expect(store.readFacts(10)).toHaveLength(1);
});

test('a disk that runs full refuses facts and records before LMDB meets it, still lets facts be acknowledged, and recovers', async () => {
  let free = LIMITS.storeReserveBytes * 4;
  const { store } = openStore({ freeBytes: async () => free });
  await store.checkDisk();
  await store.appendFacts([seen(1)], 1).durable;
  free = LIMITS.storeReserveBytes / 2;
  await store.checkDisk();
  expect(store.refusing()).toBe('disk-full');
  const { durable } = store.appendFacts([seen(2)], 1);
  const error = await durable.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StoreError);
  expect((error as StoreError).code).toBe('disk-full');
  await expect(store.applyValues(CPE, [{ Name: 'Device.A', Value: '1', Type: '' }])).rejects.toThrow(StoreError);
  await expect(store.flushed()).rejects.toThrow(StoreError);
  expect(store.readFacts(10)).toHaveLength(1);
  await store.ackFacts(store.readFacts(10));
  expect(store.outboxDepth()).toBe(0);
  // A little more than the reserve is not enough yet: it would flap.
  free = LIMITS.storeReserveBytes + 1;
  await store.checkDisk();
  expect(store.refusing()).toBe('disk-full');
  free = LIMITS.storeReserveBytes * 2;
  await store.checkDisk();
  expect(store.refusing()).toBeNull();
  await store.appendFacts([seen(3)], 1).durable;
});

test('room that acknowledged facts left in the file counts as free: it is filled before the file grows', async () => {
  const bytes = 2_000_000;
  const free = LIMITS.storeReserveBytes * 2 - bytes;
  const { store: drained, stamps } = openStore({ freeBytes: async () => free });
  for (let i = 0; i < 40; i++)
    drained.appendFacts([{ type: 'seen', body: { devices: [{ cpeId: 'x'.repeat(bytes / 20), at: i }] } }], 1);
  await drained.flushed();
  await drained.ackFacts(drained.readFacts(100));
  const empty = openStore({ freeBytes: async () => free });
  stamps.setDiskFull(true);
  empty.stamps.setDiskFull(true);
  await drained.checkDisk();
  await empty.store.checkDisk();
  expect(empty.store.refusing()).toBe('disk-full');
  expect(drained.refusing()).toBeNull();
});

test('an outbox at its bound refuses facts, not the end of open sessions', async () => {
  const { store, stamps } = openStore();
  await store.appendFacts([seen(1)], 1).durable;
  stamps.outboxGrew(0, LIMITS.outboxBytesMax);
  expect(store.refusing()).toBe('outbox-full');
  await expect(store.appendFacts([seen(2)], 1).durable).rejects.toMatchObject({ tag: 'store', code: 'outbox-full' });
  await store.applyValues(CPE, [{ Name: 'Device.A', Value: '1', Type: '' }]);
});

test('a store of another format is refused with what to do', async () => {
  const { store, dir } = openStore();
  await closeStore(store);
  const environment = Environment.acquire(dir);
  environment.meta.putSync('format', 99);
  await environment.release();
  expect(() => Environment.acquire(dir)).toThrow(/format 99/);
});
