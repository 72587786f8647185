import { expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { silentLog } from '../base/log.ts';
import { NOTHING_TO_READ, SessionMetrics } from './edge-metrics.ts';
import type { HttpExchange } from './http.ts';
import { COOKIE_NAME, SessionCookies } from './session-cookie.ts';
import { createSessionMemory, SessionTable } from './session-table.ts';
import { Sessions } from './sessions.ts';
import { FINGERPRINT_BYTES } from './store/inform-records.ts';
import { openStore, recordOf, workOf } from './store/store.test-helper.ts';

const from = (cookie = ''): HttpExchange => ({ address: '192.0.2.1', cookie }) as HttpExchange;

function bench() {
  const clock = new ManualClock();
  const { store } = openStore();
  const table = new SessionTable(createSessionMemory());
  const ofLane = (lane: number): Sessions =>
    new Sessions({
      store,
      table,
      cookies: new SessionCookies(Buffer.alloc(32, 7)),
      metrics: new SessionMetrics(NOTHING_TO_READ),
      clock,
      log: silentLog,
      incarnation: 1,
      lane,
    });
  const sessions = ofLane(1);
  const another = (): Sessions => ofLane(2);
  const begun = (serial: string) => ({
    cpeId: `00D09E-Box-${serial}`,
    namespace: 'urn:dslforum-org:cwmp-1-0',
    version: '1.0',
    timeoutMs: LIMITS.sessionTimeoutMs,
    nowMs: clock.now(),
  });
  const begin = (serial: string) => sessions.begin(from(), null, begun(serial));
  const beginQuiet = (serial: string) => {
    const what = begun(serial);
    return sessions.beginQuiet(null, what, store.openMark(what.cpeId)).cookie;
  };
  const giveWork = (serial: string) => store.putWork(recordOf(workOf('work', { cpeId: `00D09E-Box-${serial}` })));
  return { clock, sessions, another, table, begin, beginQuiet, giveWork };
}

test('a session counts as open until its timeout after its last POST, in whatever order sessions began', () => {
  const { clock, sessions, begin } = bench();
  const first = begin('1');
  begin('2');
  clock.advance(LIMITS.sessionTimeoutMs / 2);
  sessions.touch(sessions.find(from(`${COOKIE_NAME}=${first.cookie}`), null)!.claims, clock.now());
  begin('3');
  clock.advance(LIMITS.sessionTimeoutMs / 2);
  expect(sessions.openSessions()).toBe(3);
  clock.advance(1);
  expect(sessions.openSessions()).toBe(2);
  clock.advance(LIMITS.sessionTimeoutMs / 2);
  expect(sessions.openSessions()).toBe(0);
});

test('a session that was closed is neither open nor found again by its cookie', () => {
  const { sessions, begin } = bench();
  const exchange = from(`${COOKIE_NAME}=${begin('1').cookie}`);
  const found = sessions.find(exchange, null);
  expect(found?.session.phase).toBe('cpe-turn');
  sessions.close(found!, exchange, null, 'done');
  expect([sessions.openSessions(), sessions.find(exchange, null)]).toEqual([0, null]);
});

test('a session that began at a glance ends at a look, once', () => {
  const { sessions, beginQuiet } = bench();
  const exchange = from(`${COOKIE_NAME}=${beginQuiet('1')}`);
  expect(sessions.openQuietSessions()).toBe(1);
  expect([sessions.endQuiet(exchange, null), sessions.openQuietSessions()]).toEqual([true, 0]);
  expect([sessions.endQuiet(exchange, null), sessions.find(exchange, null)]).toEqual([false, null]);
});

test('a CPE without cookies is found by its address, also with the longest plain identity and a mark to be', () => {
  const { clock, sessions, begin } = bench();
  const serial = 'S'.repeat(LIMITS.deviceIdPartCharsMax);
  const cpeId = `00D09E-${'P'.repeat(LIMITS.deviceIdPartCharsMax)}-${serial}`;
  const what = { namespace: 'urn:dslforum-org:cwmp-1-0', version: '1.0', timeoutMs: 60_000, nowMs: clock.now() };
  const quiet = `${Buffer.alloc(FINGERPRINT_BYTES, 255).toString('base64url')}+`;
  begin('1');
  sessions.begin({ ...from(), address: '192.0.2.2' } as HttpExchange, null, { ...what, cpeId, quiet });
  const found = sessions.find({ ...from(), address: '192.0.2.2' } as HttpExchange, null);
  expect(found?.claims).toMatchObject({ cpeId, quiet });
});

test('a session that was read is not ended at a look: it is looked for by its address', () => {
  const { clock, sessions, table, begin } = bench();
  const exchange = from(`${COOKIE_NAME}=${begin('1').cookie}`);
  expect(sessions.endQuiet(exchange, null)).toBe(false);
  sessions.close(sessions.find(exchange, null)!, exchange, null, 'done');
  expect(sessions.openSessions()).toBe(0);
  expect(table.findAddress(exchange.address, clock.now() / 1_000)).toBeNull();
});

test('a session that began at a glance and found work counts as open until it is closed', async () => {
  const { sessions, beginQuiet, giveWork } = bench();
  const exchange = from(`${COOKIE_NAME}=${beginQuiet('1')}`);
  await giveWork('1');
  expect(sessions.endQuiet(exchange, null)).toBe(false);
  const found = sessions.find(exchange, null);
  expect([found?.session.phase, sessions.openQuietSessions()]).toEqual(['cpe-turn', 1]);
  sessions.close(found!, exchange, null, 'done');
  expect([sessions.openQuietSessions(), sessions.find(exchange, null)]).toEqual([0, null]);
});

test('a session that began on one thread and ended on another is open on neither', async () => {
  const one = bench();
  const other = one.another();
  const exchange = from(`${COOKIE_NAME}=${one.begin('1').cookie}`);
  const found = other.find(exchange, null)!;
  other.touch(found.claims, one.clock.now());
  expect([one.sessions.openSessions(), other.openSessions()]).toEqual([1, 1]);
  other.close(found, exchange, null, 'done');
  expect([one.sessions.openSessions(), other.openSessions()]).toEqual([0, 0]);

  const quiet = from(`${COOKIE_NAME}=${one.beginQuiet('2')}`);
  expect(other.openQuietSessions()).toBe(1);
  expect([other.endQuiet(quiet, null), one.sessions.openQuietSessions()]).toEqual([true, 0]);
});

test('a session that was taken over is not open', () => {
  const { sessions, begin } = bench();
  begin('1');
  begin('1');
  expect(sessions.openSessions()).toBe(1);
});

test('a quiet session that never ends counts as open until its time is over', () => {
  const { clock, sessions, beginQuiet } = bench();
  beginQuiet('1');
  clock.advance(LIMITS.sessionTimeoutMs);
  expect(sessions.openQuietSessions()).toBe(1);
  clock.advance(1_000);
  expect(sessions.openQuietSessions()).toBe(0);
  beginQuiet('1');
  expect(sessions.openQuietSessions()).toBe(1);
});

test('a session that began at a glance is not ended after its time, nor by another user', () => {
  const { clock, sessions, beginQuiet } = bench();
  const exchange = from(`${COOKIE_NAME}=${beginQuiet('1')}`);
  expect(sessions.endQuiet(exchange, { scheme: 'basic', username: 'other', cpeId: null })).toBe(false);
  clock.advance(LIMITS.sessionTimeoutMs + 1_000);
  expect(sessions.endQuiet(exchange, null)).toBe(false);
});
