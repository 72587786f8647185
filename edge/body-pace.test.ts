import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { ManualTimers } from '../base/timers.ts';
import { BodyPace } from './body-pace.ts';

function setUp() {
  const timers = new ManualTimers();
  const paused: string[] = [];
  const resumed: string[] = [];
  const later: (() => void)[] = [];
  const behind = { hasRoom: true };
  const read = (): void => {
    for (const run of later.splice(0)) run();
  };
  const pace = new BodyPace<string>({
    now: () => timers.clock.now(),
    hasRoom: () => behind.hasRoom,
    afterReading: (run) => void later.push(run),
    pause: (body) => void paused.push(body),
    resume: (body) => void resumed.push(body),
    timers,
  });
  return { timers, paused, resumed, pace, read, behind };
}

const AT_ONCE = LIMITS.bigBodyBytesAtOnce;

test('what comes at the pace is never paused', () => {
  const { timers, paused, pace, read } = setUp();
  pace.begin('a');
  for (let i = 0; i < 100; i++) {
    pace.took('a', LIMITS.bigBodyBytesPerSecond / 1_000);
    read();
    timers.advance(1);
  }
  expect(paused).toEqual([]);
});

test('past the allowance bodies are paused, also before their first byte, and the one that began first goes on first', () => {
  const { timers, paused, resumed, pace, read } = setUp();
  for (const body of ['a', 'b', 'c']) pace.begin(body);
  pace.took('b', AT_ONCE);
  read();
  expect(paused).toEqual([]);
  pace.took('b', AT_ONCE);
  pace.took('a', AT_ONCE);
  pace.begin('d');
  expect(paused).toEqual([]);
  read();
  expect(paused).toEqual(['a', 'b', 'd']);
  const msEach = (AT_ONCE * 1_000) / LIMITS.bigBodyBytesPerSecond;
  timers.advance(2 * msEach - 1);
  expect(resumed).toEqual([]);
  timers.advance(2);
  expect(resumed).toEqual(['a']);
  // It had a lot in its socket: the others wait for that too, and it is the first again.
  pace.took('a', AT_ONCE);
  read();
  timers.advance(msEach - 2);
  expect(resumed).toEqual(['a']);
  timers.advance(10);
  expect(resumed).toEqual(['a', 'a', 'b', 'd']);
});

test('a body that has ended is not paused, and one that was paused is resumed once', () => {
  const { timers, paused, resumed, pace, read } = setUp();
  for (const body of ['a', 'b', 'c']) pace.begin(body);
  for (const body of ['a', 'b', 'c']) pace.took(body, AT_ONCE);
  pace.end('a');
  read();
  expect(paused).toEqual(['b', 'c']);
  pace.end('b');
  expect([pace.has('b'), pace.has('c')]).toEqual([false, true]);
  expect(resumed).toEqual(['b']);
  timers.advance(1_000);
  expect(resumed).toEqual(['b', 'c']);
});

test('nothing is paused or resumed once it is closed', () => {
  const { timers, paused, resumed, pace, read } = setUp();
  for (const body of ['a', 'b']) pace.begin(body);
  pace.took('a', AT_ONCE + 1);
  read();
  pace.took('b', AT_ONCE);
  pace.close();
  read();
  timers.advance(1_000);
  expect([paused, resumed]).toEqual([['a'], []]);
});

test('while what came before is not dealt with bodies stay in their sockets, and go on one by one when there is room', () => {
  const { timers, paused, resumed, pace, read, behind } = setUp();
  pace.begin('a');
  behind.hasRoom = false;
  pace.begin('b');
  pace.took('a', 1_000);
  read();
  expect(paused).toEqual(['a', 'b']);
  timers.advance(60_000);
  expect(resumed).toEqual([]);
  behind.hasRoom = true;
  while (resumed.length === 0) timers.advance(1);
  // The first one may be all there is room for.
  behind.hasRoom = false;
  timers.advance(60_000);
  expect(resumed).toEqual(['a']);
  behind.hasRoom = true;
  timers.advance(10);
  expect(resumed).toEqual(['a', 'b']);
});
