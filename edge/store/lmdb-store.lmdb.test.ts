import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { Stamps } from './stamps.ts';
import { CPE, closeStore, deviceOf, openStore, recordOf, sessionOf, workOf } from './store.test-helper.ts';

test('a session put by one writer is read by another when the put has resolved', async () => {
  const { store, dir, stamps } = openStore({ lane: 1 });
  const other = openStore({ dir, lane: 2, stamps: new Stamps(stamps.memory) }).store;
  expect(other.getSession(CPE)).toBeUndefined();
  const record = sessionOf();
  const put = store.putSession(CPE, record);
  expect(store.getSession(CPE)).toEqual(record);
  await put;
  expect(other.getSession(CPE)).toEqual(record);
  await other.removeSession(CPE, record.sessionId);
  expect(store.getSession(CPE)).toBeUndefined();
});

test('the end of a session that was taken over leaves the new one alone', async () => {
  const { store, dir, stamps } = openStore({ lane: 1 });
  const other = openStore({ dir, lane: 2, stamps: new Stamps(stamps.memory) }).store;
  await store.putSession(CPE, sessionOf({ sessionId: 'old' }));
  await other.putSession(CPE, sessionOf({ sessionId: 'new' }));
  await store.removeSession(CPE, 'old');
  expect(store.getSession(CPE)?.sessionId).toBe('new');
});

test('what was put together without a wait is there together after the store was opened anew', async () => {
  const { store, dir } = openStore();
  store.putSession(CPE, sessionOf());
  store.putWork(recordOf(workOf('a')));
  await store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1).durable;
  await closeStore(store);
  const again = openStore({ dir }).store;
  expect(again.getSession(CPE)).toEqual(sessionOf());
  expect(again.hasWork(CPE)).toBe(true);
  expect(again.readFacts(10)).toHaveLength(1);
});

test('expired sessions are found in bounded rounds, every record in turn, the silent ones only', async () => {
  const { store } = openStore();
  const count = LIMITS.storeSessionScanMax * 2 + 10;
  for (let i = 0; i < count; i++) {
    store.putSession(`00D09E-Box-${i}`, sessionOf({ lastAt: i % 2 === 0 ? 1_000 : 100_000, timeoutMs: 60_000 }));
  }
  await store.flushed();
  const found = new Set<string>();
  for (let round = 0; round < 3; round++) {
    for (const { cpeId, record } of store.expiredSessions(61_001, count)) {
      expect(record.lastAt).toBe(1_000);
      found.add(cpeId);
    }
  }
  expect(found.size).toBe(count / 2);
  expect(store.expiredSessions(61_001, 3)).toHaveLength(3);
});

test('a session is not expired at the very end of its timeout', async () => {
  const { store } = openStore();
  await store.putSession(CPE, sessionOf({ lastAt: 1_000, timeoutMs: 60_000 }));
  expect(store.expiredSessions(61_000, 10)).toEqual([]);
  expect(store.expiredSessions(61_001, 10).map(({ cpeId }) => cpeId)).toEqual([CPE]);
});

test('a root object that was learned by reading is still known when the device is read again (CWMP I8)', async () => {
  const { store, dir } = openStore();
  await store.putDevice(CPE, deviceOf({ learnedRoot: 'Device.' }));
  expect(store.getDevice(CPE)?.learnedRoot).toBe('Device.');
  await closeStore(store);
  expect(openStore({ dir }).store.getDevice(CPE)).toEqual(deviceOf({ learnedRoot: 'Device.' }));
});

test('settings come from control alone: a thread that puts an older device record does not bring old ones back', async () => {
  const { store } = openStore();
  const settings = { cpe: { username: 'u', password: 'p' }, connectionRequest: [] };
  await store.putDevice(CPE, deviceOf());
  expect(store.getDevice(CPE)).toEqual(deviceOf());
  const read = store.getDevice(CPE)!;
  await store.putSettings(CPE, settings);
  await store.putDevice(CPE, { ...read, softwareVersion: '2.0' });
  expect(store.getDevice(CPE)).toEqual(deviceOf({ softwareVersion: '2.0', settings }));
  expect(store.getSettings(CPE)).toEqual(settings);
});

test('a device is found by its present user name, not by an earlier one, and a name that moved belongs to its new device', async () => {
  const { store } = openStore();
  const other = '00D09E-Box-2';
  const as = (username: string) => ({ cpe: { username, password: `secret of ${username}` }, connectionRequest: [] });
  await store.putSettings(CPE, as('first'));
  expect(store.findByUsername('first')).toEqual({ cpeId: CPE, password: 'secret of first' });
  await store.putSettings(CPE, as('second'));
  expect(store.findByUsername('first')).toBeUndefined();
  await store.putSettings(other, as('second'));
  await store.putSettings(CPE, as('third'));
  expect(store.findByUsername('second')?.cpeId).toBe(other);
  await store.putSettings(CPE, { cpe: null, connectionRequest: [] });
  expect(store.findByUsername('third')).toBeUndefined();
});

test('settings that come late change nothing: the newest stay, as control counts them', async () => {
  const { store } = openStore();
  const as = (username: string) => ({ cpe: { username, password: 'p' }, connectionRequest: [] });
  await store.putSettings(CPE, as('second'), 2_000);
  await store.putSettings(CPE, as('first'), 1_000);
  expect(store.getSettings(CPE)).toMatchObject(as('second'));
  expect(store.findByUsername('first')).toBeUndefined();
  await store.putSettings(CPE, as('third'), 2_001);
  expect(store.getSettings(CPE)).toMatchObject(as('third'));
});

test.each([
  ['empty', ''],
  ['longer than any key may be', 'x'.repeat(100_000)],
  ['with a NUL', 'a\0b'],
  ['unknown', 'nobody'],
])('a user name that is %s finds nobody', (_, username) => {
  const { store } = openStore();
  expect(store.findByUsername(username)).toBeUndefined();
});
