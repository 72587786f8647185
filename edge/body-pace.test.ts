import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { ManualTimers } from '../base/timers.ts';
import { BodyPace } from './body-pace.ts';

function setUp() {
  const timers = new ManualTimers();
  const paused: string[] = [];
  const resumed: string[] = [];
  const pace = new BodyPace<string>({
    now: () => timers.clock.now(),
    pause: (body) => void paused.push(body),
    resume: (body) => void resumed.push(body),
    timers,
  });
  return { timers, paused, resumed, pace };
}

const AT_ONCE = LIMITS.bigBodyBytesAtOnce;

test('what comes at the pace is never paused', () => {
  const { timers, paused, pace } = setUp();
  pace.begin('a');
  for (let i = 0; i < 100; i++) {
    pace.took('a', LIMITS.bigBodyBytesPerSecond / 1_000);
    timers.advance(1);
  }
  expect(paused).toEqual([]);
});

test('past the allowance bodies are paused, also before their first byte, and the one that began first goes on first', () => {
  const { timers, paused, resumed, pace } = setUp();
  for (const body of ['a', 'b', 'c']) pace.begin(body);
  pace.took('b', AT_ONCE);
  expect(paused).toEqual([]);
  pace.took('b', AT_ONCE);
  pace.took('a', AT_ONCE);
  pace.begin('d');
  expect(paused).toEqual(['b', 'a', 'd']);
  const msEach = (AT_ONCE * 1_000) / LIMITS.bigBodyBytesPerSecond;
  timers.advance(2 * msEach - 1);
  expect(resumed).toEqual([]);
  timers.advance(2);
  expect(resumed).toEqual(['a']);
  // It had a lot in its socket: the others wait for that too, and it is the first again.
  pace.took('a', AT_ONCE);
  timers.advance(msEach - 2);
  expect(resumed).toEqual(['a']);
  timers.advance(10);
  expect(resumed).toEqual(['a', 'a', 'b', 'd']);
});

test('a body that has ended is resumed at once and never again', () => {
  const { timers, resumed, pace } = setUp();
  for (const body of ['a', 'b', 'c']) pace.begin(body);
  for (const body of ['a', 'b', 'c']) pace.took(body, AT_ONCE);
  pace.end('b');
  expect([pace.has('b'), pace.has('c')]).toEqual([false, true]);
  expect(resumed).toEqual(['b']);
  timers.advance(1_000);
  expect(resumed).toEqual(['b', 'c']);
});

test('nothing is resumed once it is closed', () => {
  const { timers, resumed, pace } = setUp();
  pace.begin('a');
  pace.took('a', AT_ONCE + 1);
  pace.close();
  timers.advance(1_000);
  expect(resumed).toEqual([]);
});
