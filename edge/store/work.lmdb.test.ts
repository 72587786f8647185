import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { Stamps } from './stamps.ts';
import { CPE, openStore, recordOf, workOf } from './store.test-helper.ts';

const ids = (records: { work: { actionId: string } }[]): string[] => records.map(({ work }) => work.actionId);

test('work of a device comes highest priority first, then oldest, and is seen by its writer at once', async () => {
  const { store } = openStore();
  expect(store.hasWork(CPE)).toBe(false);
  const written = [
    store.putWork(recordOf(workOf('bulk', { priority: 10 }))),
    store.putWork(recordOf(workOf('newer', { createdAt: 2_000 }))),
    store.putWork(recordOf(workOf('older', { createdAt: 1_000 }))),
    store.putWork(recordOf(workOf('waited-for', { priority: 90 }))),
    store.putWork(recordOf(workOf('of-another', { cpeId: `${CPE}0` }))),
  ];
  const order = ['waited-for', 'older', 'newer', 'bulk'];
  expect(store.hasWork(CPE)).toBe(true);
  expect(ids(store.workOf(CPE))).toEqual(order);
  expect(await Promise.all(written)).toEqual([true, true, true, true, true]);
  expect(ids(store.workOf(CPE))).toEqual(order);
});

test('a record comes back as it was put, with whatever its state holds', async () => {
  const { store } = openStore();
  const work = workOf('a');
  await store.putWork(recordOf(work));
  const state = { phase: 'reading', names: ['x'], none: undefined, at: 1.5, nested: [{ ok: true }] };
  const record = recordOf(work, { state, phase: 'waiting', untilMs: Number.POSITIVE_INFINITY, attempts: 2 });
  expect(await store.putWork(record)).toBe(true);
  expect(store.workOf(CPE)).toEqual([record]);
});

test('work that has become visible is told by another number, on any thread and whoever wrote it', async () => {
  const { store, dir, stamps } = openStore({ lane: 1 });
  const other = openStore({ dir, lane: 2, stamps: new Stamps(stamps.memory) }).store;
  const before = other.openMark(CPE);
  await store.putWork(recordOf(workOf('a')));
  const then = other.openMark(CPE);
  await store.transact((transaction) => transaction.putWork(recordOf(workOf('b'))));
  expect(new Set([before, then, other.openMark(CPE)]).size).toBe(3);
  const of = other.openMark(CPE);
  // Another generation is known already: nothing is written.
  expect(await store.putWork(recordOf(workOf('a', { generation: 0 })))).toBe(false);
  expect(other.openMark(CPE)).toBe(of);
});

test('removed work is gone at once, for this writer and then for all', async () => {
  const { store, dir, stamps } = openStore({ lane: 1 });
  const other = openStore({ dir, lane: 2, stamps: new Stamps(stamps.memory) }).store;
  await store.putWork(recordOf(workOf('a')));
  expect(other.hasWork(CPE)).toBe(true);
  const removed = store.removeWork(CPE, 'a');
  expect(store.hasWork(CPE)).toBe(false);
  expect(store.workOf(CPE)).toEqual([]);
  await removed;
  expect(other.hasWork(CPE)).toBe(false);
  expect(other.workOf(CPE)).toEqual([]);
});

test('work that was cancelled while a thread began it does not come back, and the thread is told', async () => {
  const { store } = openStore();
  const work = workOf('a');
  await store.putWork(recordOf(work));
  const cancelled = store.transact((transaction) => transaction.removeWork(CPE, 'a'));
  await cancelled;
  expect(await store.putWork(recordOf(work, { state: { begun: true }, inFlight: true }))).toBe(false);
  expect(store.hasWork(CPE)).toBe(false);
});

test('cancelling and beginning the same work at the same moment: exactly one of them wins', async () => {
  const { store, dir, stamps } = openStore();
  const thread = openStore({ dir, lane: 1, stamps: new Stamps(stamps.memory) }).store;
  for (let round = 0; round < 50; round++) {
    const work = workOf(`a${round}`);
    await store.putWork(recordOf(work));
    expect(thread.workOf(CPE)).toHaveLength(1);
    const cancel = store.transact((transaction) => {
      const record = transaction.getWork(CPE, work.actionId);
      if (record === undefined || record.inFlight) return false;
      transaction.removeWork(CPE, work.actionId);
      return true;
    });
    const begin = thread.putWork(recordOf(work, { state: { begun: true }, phase: 'running', inFlight: true }));
    const [wasCancelled, hasBegun] = await Promise.all([cancel, begin]);
    expect(wasCancelled).toBe(!hasBegun);
    expect(store.hasWork(CPE)).toBe(hasBegun);
    await store.removeWork(CPE, work.actionId);
  }
});

test('a newer generation replaces an older one, never the other way round', async () => {
  const { store } = openStore();
  const newer = recordOf(workOf('a', { generation: 2 }));
  await store.putWork(recordOf(workOf('a', { generation: 1 })));
  expect(await store.putWork(newer)).toBe(true);
  expect(await store.putWork(recordOf(workOf('a', { generation: 1 })))).toBe(false);
  expect(await store.putWork(recordOf(workOf('a', { generation: 1 }), { state: {} }))).toBe(false);
  expect(store.workOf(CPE)).toEqual([newer]);
});

test('a newer generation that arrives while a thread removes the older one stays', async () => {
  const { store } = openStore();
  await store.putWork(recordOf(workOf('a', { generation: 1 })));
  const removed = store.removeWork(CPE, 'a');
  // Transactions run after the plain writes of their turn: this one sees the removal. The other way round is the next case.
  await store.transact((transaction) => transaction.putWork(recordOf(workOf('a', { generation: 2 }))));
  await removed;
  expect(store.workOf(CPE).map(({ work }) => work.generation)).toEqual([2]);
});

test('work is due at its deadline, or when its wait is over, and not before', async () => {
  const { store } = openStore();
  await store.putWork(recordOf(workOf('expires', { expiresAt: 5_000 })));
  await store.putWork(recordOf(workOf('waits', { expiresAt: 9_000 }), { phase: 'waiting', untilMs: 3_000 }));
  expect(ids(store.dueWork(2_999, 10))).toEqual([]);
  expect(ids(store.dueWork(3_000, 10))).toEqual(['waits']);
  await store.flushed();
  expect(ids(store.dueWork(5_000, 10))).toEqual(['expires']);
});

test('due work is handed out again later, and does not hide the rest from a bounded look', async () => {
  const { store } = openStore();
  for (const id of ['a', 'b', 'c']) await store.putWork(recordOf(workOf(id, { expiresAt: 1_000 })));
  const seen = new Set([...ids(store.dueWork(2_000, 2))]);
  await store.flushed();
  for (const id of ids(store.dueWork(2_000, 2))) seen.add(id);
  await store.flushed();
  expect([...seen].sort()).toEqual(['a', 'b', 'c']);
  expect(store.dueWork(2_000, 10)).toEqual([]);
  expect(ids(store.dueWork(2_000 + LIMITS.storeDueAgainMs, 10)).sort()).toEqual(['a', 'b', 'c']);
});

test('work that moved on is not due at its old time', async () => {
  const { store } = openStore();
  const work = workOf('a', { expiresAt: 9_000 });
  await store.putWork(recordOf(work));
  await store.putWork(recordOf(work, { state: {}, phase: 'waiting', untilMs: 3_000 }));
  await store.putWork(recordOf(work, { state: {}, phase: 'waiting', untilMs: 6_000 }));
  expect(store.dueWork(3_000, 10)).toEqual([]);
  expect(ids(store.dueWork(6_000, 10))).toEqual(['a']);
  await store.removeWork(CPE, 'a');
  expect(store.dueWork(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
});

test('an action that has ended is remembered until its deadline, so that it is not run again when it is handed over again', async () => {
  const { store } = openStore();
  await store.putWork(recordOf(workOf('a', { expiresAt: 5_000, generation: 3 })));
  await store.removeWork(CPE, 'a');
  const ended = () => store.transact((transaction) => transaction.endedGeneration(CPE, 'a'));
  store.dueWork(4_999, 10);
  expect(await ended()).toBe(3);
  expect(store.dueWork(5_000, 10)).toEqual([]);
  await store.flushed();
  expect(await ended()).toBe(0);
});
