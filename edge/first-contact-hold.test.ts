import { expect, test } from 'vitest';
import { ManualTimers } from '../base/timers.ts';
import { FirstContactHold } from './first-contact-hold.ts';

function bench() {
  const timers = new ManualTimers();
  const world = { acked: 0 };
  const gone: number[] = [];
  const hold = new FirstContactHold({ ackedSequence: () => world.acked, elapsed: () => timers.clock.now(), timers });
  const until = (sequence: number): void => void hold.until(sequence).then(() => gone.push(sequence));
  const advance = async (ms: number): Promise<void> => {
    timers.advance(ms);
    await Promise.resolve();
  };
  return { timers, world, gone, until, advance };
}

test('what control has acknowledged already is not waited for', async () => {
  const { timers, world, gone, until, advance } = bench();
  world.acked = 7;
  until(7);
  await advance(0);
  expect([gone, timers.pending]).toEqual([[7], 0]);
});

test('each goes when its own fact is acknowledged, and no timer is left behind the last', async () => {
  const { timers, world, gone, until, advance } = bench();
  for (const sequence of [3, 1, 2]) until(sequence);
  await advance(100);
  expect(gone).toEqual([]);
  world.acked = 2;
  await advance(5);
  expect(gone).toEqual([1, 2]);
  world.acked = 3;
  await advance(5);
  expect([gone, timers.pending]).toEqual([[1, 2, 3], 0]);
});

test('a control that is away is waited for 1.5 s, on one timer for all', async () => {
  const { timers, gone, until, advance } = bench();
  for (let sequence = 1; sequence <= 1_000; sequence++) until(sequence);
  expect(timers.pending).toBe(1);
  await advance(1_499);
  expect(gone).toHaveLength(0);
  await advance(5);
  expect([gone.length, timers.pending]).toEqual([1_000, 0]);
});
