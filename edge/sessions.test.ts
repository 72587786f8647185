import { expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { silentLog } from '../base/log.ts';
import { SessionMetrics } from './edge-metrics.ts';
import type { HttpExchange } from './http.ts';
import { COOKIE_NAME, SessionCookies } from './session-cookie.ts';
import { createSessionMemory, SessionTable } from './session-table.ts';
import { Sessions } from './sessions.ts';
import { openStore } from './store/store.test-helper.ts';

const from = (cookie = ''): HttpExchange => ({ address: '192.0.2.1', cookie }) as HttpExchange;

function bench() {
  const clock = new ManualClock();
  const sessions = new Sessions({
    store: openStore().store,
    table: new SessionTable(createSessionMemory()),
    cookies: new SessionCookies(Buffer.alloc(32, 7)),
    metrics: new SessionMetrics({ openConnections: () => 0, openSessions: () => 0, bodiesHeldBytes: () => 0 }),
    clock,
    log: silentLog,
    incarnation: 1,
    lane: 1,
  });
  const begin = (serial: string) =>
    sessions.begin(from(), null, {
      cpeId: `00D09E-Box-${serial}`,
      namespace: 'urn:dslforum-org:cwmp-1-0',
      version: '1.0',
      timeoutMs: LIMITS.sessionTimeoutMs,
      nowMs: clock.now(),
    });
  return { clock, sessions, begin };
}

test('a session counts as open until its timeout after its last POST, in whatever order sessions began', () => {
  const { clock, sessions, begin } = bench();
  const first = begin('1');
  begin('2');
  clock.advance(LIMITS.sessionTimeoutMs / 2);
  sessions.touch(first.sessionId, clock.now());
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
