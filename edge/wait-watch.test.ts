import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { WaitWatch } from './wait-watch.ts';

function bench() {
  let [now, idle] = [0, 0];
  const watch = new WaitWatch(
    () => now,
    () => idle,
  );
  const pass = (ms: number, idleMs = 0): void => {
    now += ms;
    idle += idleMs;
  };
  return { watch, pass };
}

test('a timer that comes late tells how long the loop was busy', () => {
  const { watch, pass } = bench();
  pass(LIMITS.admissionTickMs);
  expect(watch.tick().loopMs).toBe(0);
  pass(LIMITS.admissionTickMs + 130);
  const sinceMs = LIMITS.admissionTickMs + 130;
  expect(watch.tick()).toEqual({ loopMs: 130, diskMs: 0, posts: 0, ended: 0, sinceMs, busy: 1 });
});

test.each([
  ['idle for half of the time: busy for the other', 100, 50, 0.5],
  ['never idle: busy all the time', 100, 0, 1],
  ['idle for more than all of it, as the clocks are not read at once: never busy', 100, 101, 0],
  ['no time at all: busy', 0, 0, 1],
])('%s', (_, ms, idleMs, busy) => {
  const { watch, pass } = bench();
  pass(40, 40);
  watch.tick();
  pass(ms, idleMs);
  expect(watch.tick().busy).toBe(busy);
});

test('the longest wait for the disk counts once it has ended, one that does not end while it lasts', () => {
  const { watch, pass } = bench();
  const first = watch.writing();
  pass(LIMITS.admissionTickMs);
  expect(watch.tick().diskMs).toBe(LIMITS.admissionTickMs);
  const second = watch.writing();
  pass(LIMITS.admissionTickMs);
  watch.written(first);
  expect(watch.tick().diskMs).toBe(2 * LIMITS.admissionTickMs);
  watch.written(second);
  watch.tick();
  pass(LIMITS.admissionTickMs);
  expect(watch.tick().diskMs).toBe(0);
});

test('POSTs and sessions that ended are told once', () => {
  const { watch } = bench();
  for (const isEnd of [false, true, true]) watch.answered(isEnd);
  expect(watch.tick()).toMatchObject({ posts: 3, ended: 2 });
  expect(watch.tick()).toMatchObject({ posts: 0, ended: 0 });
});
