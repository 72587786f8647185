import { expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { type AuthPolicy, type AuthResult, DEFAULT_AUTH } from './auth.ts';
import { AuthThrottle, authenticateThrottled } from './auth-throttle.ts';
import { readCredentials } from './credentials.ts';
import { encodeBasic } from './http-auth-header.ts';

const policy: AuthPolicy = { ...DEFAULT_AUTH, mode: 'basic', nonceKey: Buffer.alloc(32) };

function trier(clock = new ManualClock()) {
  const throttle = new AuthThrottle(() => clock.now());
  const attempt = (address: string, username: string | null, password = 'right'): AuthResult => {
    const authorization = username === null ? null : readCredentials(`Basic ${encodeBasic(username, password)}`);
    const isGiven = username !== null;
    const request = { method: 'POST', uri: '/', authorization, isGiven, tlsHeader: null, nowMs: clock.now() };
    return authenticateThrottled(throttle, { address }, policy, request, () => ({ password: 'right', cpeId: null }));
  };
  const fail = (times: number, address: string, username: string): void => {
    for (let i = 0; i < times; i++) attempt(address, username, 'wrong');
  };
  return { clock, throttle, attempt, fail };
}

test('a CPE that repeats its wrong password is told to wait, and even the right one waits', () => {
  const { attempt, fail, clock } = trier();
  fail(LIMITS.authFailuresPerName - 1, 'a', 'u');
  expect(attempt('a', 'u', 'wrong').type).toBe('challenge');
  expect(attempt('a', 'u')).toMatchObject({
    type: 'denied',
    status: 503,
    retryAfterSeconds: LIMITS.authBlockMsMin / 1_000,
  });
  clock.advance(LIMITS.authBlockMsMin);
  expect(attempt('a', 'u').type).toBe('ok');
});

test('others are not touched: another name from the same address, the same name from another address, a first contact', () => {
  const { attempt, fail } = trier();
  fail(LIMITS.authFailuresPerName, 'a', 'u');
  expect(attempt('a', 'v').type).toBe('ok');
  expect(attempt('b', 'u').type).toBe('ok');
  expect(attempt('a', null)).toMatchObject({ type: 'challenge', reason: 'absent' });
});

test('each further failure doubles the wait, up to the longest', () => {
  const { attempt, fail, clock, throttle } = trier();
  fail(LIMITS.authFailuresPerName, 'a', 'u');
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    waits.push(throttle.waitMs('a', 'u'));
    clock.advance(throttle.waitMs('a', 'u'));
    attempt('a', 'u', 'wrong');
  }
  expect(waits.map((ms) => ms / 1_000)).toEqual([30, 60, 120, 240, 480, 900, 900, 900]);
});

test('a guesser of names is stopped by its address', () => {
  const { attempt, throttle } = trier();
  for (let i = 0; i < LIMITS.authFailuresPerAddress; i++) attempt('a', `name ${i}`, 'wrong');
  expect(attempt('a', 'yet another').type).toBe('denied');
  expect(attempt('b', 'yet another').type).toBe('ok');
  expect(throttle.waitMs('a', null)).toBeGreaterThan(0);
});

test('failures are forgotten after the window, and after success', () => {
  const { attempt, fail, clock } = trier();
  fail(LIMITS.authFailuresPerName - 1, 'a', 'u');
  clock.advance(LIMITS.authFailureWindowMs + 1);
  fail(LIMITS.authFailuresPerName - 1, 'a', 'u');
  expect(attempt('a', 'u').type).toBe('ok');
  fail(LIMITS.authFailuresPerName - 1, 'a', 'u');
  expect(attempt('a', 'u').type).toBe('ok');
});

test('memory is bounded however many names are tried', () => {
  const throttle = new AuthThrottle(() => 0);
  let largest = 0;
  for (let i = 0; i < LIMITS.authThrottleEntriesMax; i++) {
    throttle.failed(`address ${i}`, `name ${i}`);
    largest = Math.max(largest, throttle.size);
  }
  expect(largest).toBeLessThanOrEqual(LIMITS.authThrottleEntriesMax);
  expect(largest).toBeGreaterThan(LIMITS.authThrottleEntriesMax / 2);
});
