// The retry policy and the rules of the event queue, without a session.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue, retryWaitMs } from './events.ts';

test.each([
  [1, 5, 10],
  [2, 10, 20],
  [9, 1_280, 2_560],
  [10, 2_560, 5_120],
  [25, 2_560, 5_120],
])('after %i failures the wait is %i to %i s with the default settings (CWMP 1.12)', (failures, low, high) => {
  expect(retryWaitMs(failures, 5, 2_000, 0)).toBe(low * 1_000);
  expect(retryWaitMs(failures, 5, 2_000, 1)).toBe(high * 1_000);
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (random) => {
      const waitMs = retryWaitMs(failures, 5, 2_000, random);
      expect(waitMs).toBeGreaterThanOrEqual(low * 1_000);
      expect(waitMs).toBeLessThanOrEqual(high * 1_000);
    }),
  );
});

const codes = (queue: EventQueue): string[] =>
  queue.pending.map((event) => `${event.EventCode} ${event.CommandKey}`.trim());

test('single events are there once, multiple ones once per CommandKey', () => {
  const queue = new EventQueue();
  queue.add('2 PERIODIC');
  queue.add('2 PERIODIC');
  queue.add('M Reboot', 'a');
  queue.add('M Reboot', 'b');
  queue.add('M Reboot', 'a');
  expect(codes(queue)).toEqual(['2 PERIODIC', 'M Reboot a', 'M Reboot b']);
});

test('an event that happens again during its session is another one, and is delivered by the next', () => {
  const queue = new EventQueue();
  queue.add('4 VALUE CHANGE');
  const first = queue.take();
  queue.add('4 VALUE CHANGE');
  queue.informed(first);
  expect(codes(queue)).toEqual(['4 VALUE CHANGE']);
  queue.informed(queue.take());
  expect(codes(queue)).toEqual([]);
});

test('of more than 64 events the oldest M event goes, never 0 BOOTSTRAP', () => {
  const queue = new EventQueue();
  queue.add('0 BOOTSTRAP');
  for (let number = 0; number < 70; number++) queue.add('M Reboot', String(number));
  expect(queue.pending).toHaveLength(64);
  expect(codes(queue).slice(0, 2)).toEqual(['0 BOOTSTRAP', 'M Reboot 7']);
});

test('7 TRANSFER COMPLETE stays until the last TransferComplete is answered', () => {
  const queue = new EventQueue();
  for (const key of ['a', 'b']) {
    queue.add('7 TRANSFER COMPLETE');
    queue.add('M Download', key);
  }
  queue.informed(queue.take());
  queue.transferCompleted('a', true);
  expect(codes(queue)).toEqual(['7 TRANSFER COMPLETE', 'M Download b']);
  queue.transferCompleted('b', false);
  expect(codes(queue)).toEqual([]);
});

test('0 BOOTSTRAP drops what is undelivered; a reboot only 1 BOOT and 4 VALUE CHANGE', () => {
  const queue = new EventQueue();
  for (const code of ['1 BOOT', '4 VALUE CHANGE', '8 DIAGNOSTICS COMPLETE']) queue.add(code);
  queue.booted();
  expect(codes(queue)).toEqual(['8 DIAGNOSTICS COMPLETE', '1 BOOT']);
  queue.bootstrapped();
  expect(codes(queue)).toEqual(['0 BOOTSTRAP']);
});
