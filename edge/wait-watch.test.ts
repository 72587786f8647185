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
  ['half of the time', 50, 50, 0.5],
  ['all of it', 50, 0, 1],
  // The two clocks are not read at once.
  ['a little more of it than there was', 50, 101, 0],
  ['none that passed', 0, 0, 1],
])('busy for %s', (_, busyMs, idleMs, busy) => {
  const { watch, pass } = bench();
  pass(40, 40);
  watch.tick();
  pass(busyMs === 0 ? 0 : 100, idleMs);
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
