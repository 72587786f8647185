import { expect, test } from 'vitest';
import { randomFrom } from '../../../test/random.ts';
import { TimerWheel } from './timer-wheel.ts';

function fired(wheel: TimerWheel, nowMs: number): number[] {
  const ids: number[] = [];
  wheel.advance(nowMs, (id) => ids.push(id));
  return ids;
}

test('a timer fires once, at its time and not before', () => {
  const wheel = new TimerWheel(4, 5, 1_000);
  wheel.set(2, 1_101);
  expect(fired(wheel, 1_104)).toEqual([]);
  expect(fired(wheel, 1_105)).toEqual([2]);
  expect(fired(wheel, 60_000)).toEqual([]);
});

test('a timer further away than a turn of the wheel waits for its turn', () => {
  const wheel = new TimerWheel(2, 1, 0);
  wheel.set(0, 10_000);
  wheel.set(1, 10_000 - 2 * 4_096);
  expect(fired(wheel, 9_999)).toEqual([1]);
  expect(fired(wheel, 10_000)).toEqual([0]);
});

test('setting replaces, clearing forgets, and both may be done by one that fires', () => {
  const wheel = new TimerWheel(5, 1, 0);
  for (const id of [0, 1, 2, 3]) wheel.set(id, 10);
  wheel.set(0, 20);
  wheel.clear(1);
  const ids: number[] = [];
  wheel.advance(15, (id) => {
    ids.push(id);
    wheel.clear(2);
    wheel.set(3, 12);
    wheel.set(4, 0);
  });
  // 3 was the newest of its slot and fires first; it clears 2, and sets itself anew.
  expect(ids.slice(0, 1)).toEqual([3]);
  expect(ids).not.toContain(2);
  expect(ids).toContain(4);
  expect(fired(wheel, 20)).toContain(0);
});

test('whatever is set fires in order of its ticks, whatever was cleared does not', () => {
  const random = randomFrom(7);
  const wheel = new TimerWheel(2_000, 5, 0);
  const due = new Map<number, number>();
  for (let id = 0; id < 2_000; id++) {
    const at = Math.floor(random() * 60_000) + 5;
    wheel.set(id, at);
    due.set(id, at);
  }
  for (let id = 0; id < 2_000; id += 3) {
    wheel.clear(id);
    due.delete(id);
  }
  for (let now = 0; now <= 60_100; now += 37) {
    for (const id of fired(wheel, now)) {
      expect(due.get(id)).toBeLessThanOrEqual(now);
      due.delete(id);
    }
  }
  expect(due.size).toBe(0);
});
