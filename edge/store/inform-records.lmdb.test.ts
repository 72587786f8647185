// Marks of records and what takes them away. A mark that stays too long would hide news or work from the edge; each test is one way it must go.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { latin1 } from '../../base/bytes.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { FINGERPRINT_BYTES, RECORD } from './inform-records.ts';
import type { LmdbEdgeStore } from './lmdb-store.ts';
import { Stamps } from './stamps.ts';
import { CPE, deviceOf, openStore, recordOf, STORE_KEY, sessionOf, workOf } from './store.test-helper.ts';

const OTHER = '00D09E-Box-2';
const FINGERPRINTS = Buffer.alloc(FINGERPRINT_BYTES, 'fingerprint');
const MARK = 'an answer';
const LIST: ParameterValue[] = [{ Name: 'Device.DeviceInfo.SoftwareVersion', Value: '1.0', Type: 'xsd:string' }];

/** The answer in the mark; null when there is none. */
function markOf(store: LmdbEdgeStore, cpeId = CPE): string | null {
  const record = store.markedRecord(cpeId);
  if (record === undefined) return null;
  expect(Buffer.from(record.subarray(0, FINGERPRINT_BYTES))).toEqual(FINGERPRINTS);
  return latin1(record, RECORD.answer, RECORD.answer + record[RECORD.answerBytes]!);
}

/** Marks a record as the end of a quiet session does: when nothing is found open after the number was taken. */
function mark(store: LmdbEdgeStore, cpeId = CPE, answer = MARK): void {
  const openMark = store.openMark(cpeId);
  if (store.getSession(cpeId) === undefined && !store.hasWork(cpeId)) store.mark(cpeId, FINGERPRINTS, answer, openMark);
}

/** A store whose CPE, and another one, have a mark on the disk. */
async function marked(): Promise<ReturnType<typeof openStore>> {
  const opened = openStore();
  mark(opened.store);
  mark(opened.store, OTHER);
  await opened.store.flushed();
  expect([markOf(opened.store), markOf(opened.store, OTHER)]).toEqual([MARK, MARK]);
  return opened;
}

const begun = recordOf(workOf('a1'), { state: {}, phase: 'running' });

test('a mark is seen at once by its writer, and by others once it is committed', async () => {
  const { store, dir, stamps } = openStore();
  const { store: other } = openStore({ dir, stamps: new Stamps(stamps.memory), lane: 1 });
  mark(store);
  expect(markOf(store)).toBe(MARK);
  await store.flushed();
  expect(markOf(other)).toBe(MARK);
  expect(markOf(store)).toBe(MARK);
  expect(markOf(store, OTHER)).toBeNull();
  mark(store, CPE, 'another one');
  await store.flushed();
  expect(markOf(store)).toBe('another one');
});

const NEWS: [string, (store: LmdbEdgeStore) => Promise<unknown>][] = [
  ['putSession', (store) => store.putSession(CPE, sessionOf())],
  ['putWork', (store) => store.putWork(recordOf(workOf('a1')))],
  ['putWork in a transaction of the relay', (store) => store.transact((t) => t.putWork(recordOf(workOf('a1'))))],
  ['putDevice', (store) => store.putDevice(CPE, deviceOf())],
  ['applyValues', (store) => store.applyValues(CPE, LIST)],
  ['applyNames', (store) => store.applyNames(CPE, 'Device.', false, [{ Name: 'Device.A', Writable: true }])],
  ['resetShadow', (store) => store.resetShadow(CPE)],
];

test.each(NEWS)('%s takes the mark away, and that of no other CPE', async (_, write) => {
  const { store } = await marked();
  await write(store);
  expect([markOf(store), markOf(store, OTHER)]).toEqual([null, MARK]);
  await store.flushed();
  expect(markOf(store)).toBeNull();
});

test.each(NEWS)('%s: another writer sees the news and the mark never together', async (_, write) => {
  const { store, dir, stamps } = await marked();
  const { store: other } = openStore({ dir, stamps, lane: 1 });
  // What one transaction holds is read at once or not at all.
  const isNews = (): boolean =>
    other.getSession(CPE) !== undefined ||
    other.hasWork(CPE) ||
    other.getDevice(CPE) !== undefined ||
    !other.isNewDevice(CPE);
  let settled = false;
  const written = write(store).finally(() => {
    settled = true;
  });
  while (!settled) {
    if (isNews()) expect(markOf(other)).toBeNull();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await written;
  expect(markOf(other)).toBeNull();
});

test('a step of work that has begun takes the mark away', async () => {
  const { store } = openStore();
  await store.putWork(recordOf(workOf('a1')));
  // Nobody can set a mark while there is work; one from before a restore of the folder would be such.
  await store.transact((t) => t.removeWork(CPE, 'a1'));
  mark(store);
  await store.flushed();
  expect(markOf(store)).not.toBeNull();
  await store.transact((t) => {
    t.putWork(recordOf(workOf('a2')));
  });
  expect(markOf(store)).toBeNull();
  expect(await store.putWork({ ...begun, work: workOf('a2') })).toBe(true);
  expect(markOf(store)).toBeNull();
});

test('work that is refused because a newer one took its place leaves the mark as it is', async () => {
  const { store } = await marked();
  expect(await store.putWork(begun)).toBe(false);
  expect(markOf(store)).toBe(MARK);
});

test.each<[string, (store: LmdbEdgeStore) => Promise<unknown>]>([
  ['work', (store) => store.putWork(recordOf(workOf('a1')))],
  ['work of a transaction', (store) => store.transact((t) => t.putWork(recordOf(workOf('a1'))))],
  ['a session record', (store) => store.putSession(CPE, sessionOf())],
])('no mark is set where there is %s', async (_, write) => {
  const { store } = openStore();
  await write(store);
  mark(store);
  mark(store, OTHER);
  await store.flushed();
  expect([markOf(store), markOf(store, OTHER)]).toEqual([null, MARK]);
});

test.each<[string, (store: LmdbEdgeStore) => Promise<unknown>]>([
  ['work', (store) => store.putWork(recordOf(workOf('a1')))],
  ['a session record', (store) => store.putSession(CPE, sessionOf())],
])('no mark is set where %s is put in the same turn before it', async (_, write) => {
  const { store } = openStore();
  const written = write(store);
  mark(store);
  await written;
  await store.flushed();
  expect(markOf(store)).toBeNull();
});

test.each(NEWS)('a mark that is set before %s in the same turn is gone after it', async (_, write) => {
  const { store } = openStore();
  mark(store);
  const written = write(store);
  await written;
  await store.flushed();
  expect(markOf(store)).toBeNull();
});

test.each(NEWS)('a mark that is set between two writes of one turn, the last of them %s, is gone', async (_, write) => {
  const { store } = openStore();
  void store.putDevice(CPE, deviceOf());
  mark(store);
  await write(store);
  await store.flushed();
  expect(markOf(store)).toBeNull();
});

test('a mark can be set again when work and session are over', async () => {
  const { store } = openStore();
  await store.putWork(recordOf(workOf('a1')));
  await store.putSession(CPE, sessionOf());
  await store.removeWork(CPE, 'a1');
  mark(store);
  await store.flushed();
  expect(markOf(store)).toBeNull();
  await store.removeSession(CPE, 's1');
  mark(store);
  await store.flushed();
  expect(markOf(store)).toBe(MARK);
});

test('work that another writer commits hides a mark at the next look', async () => {
  const { store, dir, stamps } = await marked();
  const { store: relay } = openStore({ dir, stamps, lane: 1 });
  for (let round = 0; round < 20; round++) {
    // Looked at before, so that a snapshot of the reader's could be kept.
    expect(markOf(store)).not.toBeNull();
    await relay.putWork(recordOf(workOf(`a${round}`)));
    expect([markOf(store), store.hasWork(CPE)]).toEqual([null, true]);
    await relay.transact((t) => t.removeWork(CPE, `a${round}`));
    mark(store);
    await store.flushed();
  }
});

/** Another thread, which puts the work it is sent and says so in shared memory: nobody's event loop has to turn for that. */
const WRITER = `
  const { parentPort, workerData: { dir, memory, turn, built, key } } = require('node:worker_threads');
  Promise.all([import(built + 'lmdb-store.js'), import(built + 'stamps.js')]).then(([{ openEdgeStore }, { Stamps }]) => {
    const store = openEdgeStore({ dir, edgeId: 'e1', pop: 'pop', lane: 2, stamps: new Stamps(memory), key });
    const done = new Int32Array(turn);
    parentPort.on('message', async (record) => {
      if (record === null) return store.close().then(() => process.exit());
      await store.transact((t) => t.putWork(record));
      Atomics.add(done, 0, 1);
      Atomics.notify(done, 0);
    });
    parentPort.postMessage('ready');
  });
`;

test('work that another thread commits hides a mark within the turn of the loop that has just seen it', async () => {
  const { store, dir, stamps } = await marked();
  const turn = new SharedArrayBuffer(4);
  const done = new Int32Array(turn);
  const built = new URL('../../dist/edge/store/', import.meta.url).href;
  const thread = new Worker(WRITER, {
    eval: true,
    workerData: { dir, memory: stamps.memory, turn, built, key: STORE_KEY },
  });
  await once(thread, 'message');
  for (let round = 0; round < 20; round++) {
    expect([markOf(store), store.hasWork(CPE)]).toEqual([MARK, false]);
    thread.postMessage(recordOf(workOf(`a${round}`)));
    // Not awaited: this thread's own snapshot would be given up with its turn.
    expect(Atomics.wait(done, 0, round, 10_000)).not.toBe('timed-out');
    expect([markOf(store), store.hasWork(CPE)], `round ${round}`).toEqual([null, true]);
    await store.transact((t) => t.removeWork(CPE, `a${round}`));
    mark(store);
    await store.flushed();
  }
  thread.postMessage(null);
  await once(thread, 'exit');
});

test('two writers in one turn, whichever comes first: work and a mark never stand together', async () => {
  const { store, dir, stamps } = openStore();
  const { store: relay } = openStore({ dir, stamps, lane: 1 });
  for (let round = 0; round < 20; round++) {
    const hand = (): Promise<unknown> => relay.transact((t) => t.putWork(recordOf(workOf('a1'))));
    let handed: Promise<unknown>;
    if (round % 2 === 0) {
      mark(store);
      handed = hand();
    } else {
      handed = hand();
      mark(store);
    }
    await handed;
    await store.flushed();
    expect([markOf(store), markOf(relay)], `round ${round}`).toEqual([null, null]);
    await relay.transact((t) => t.removeWork(CPE, 'a1'));
  }
});

test('facts, settings and the end of a session leave the mark', async () => {
  const { store } = await marked();
  await store.appendFacts([{ type: 'seen', body: { devices: [{ cpeId: CPE, at: 1 }] } }], 1).durable;
  await store.putSettings(CPE, { cpe: { username: 'u', password: 'p' }, connectionRequest: [] });
  await store.removeSession(CPE, 'of long ago');
  await store.removeWork(CPE, 'of long ago');
  expect(markOf(store)).toBe(MARK);
});

test('a mark outlives the process', async () => {
  const { store, dir } = await marked();
  await store.flushed();
  expect(markOf(openStore({ dir }).store)).toBe(MARK);
});

test('a full disk takes no marks, and still takes them away', async () => {
  const { store, stamps } = await marked();
  stamps.setDiskFull(true);
  mark(store, CPE, 'another one');
  await store.resetShadow(OTHER);
  stamps.setDiskFull(false);
  await store.flushed();
  expect([markOf(store), markOf(store, OTHER)]).toEqual([MARK, null]);
});
