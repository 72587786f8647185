import { expect, test } from 'vitest';
import { BusError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { ManualTimers } from '../base/timers.ts';
import { InProcessTransport } from './in-process.ts';
import { transportContract } from './transport.contract.ts';
import type { BusMessage } from './transport.ts';

transportContract('in-process', async () => new InProcessTransport());

const messages = (count: number): BusMessage[] =>
  Array.from({ length: count }, (_, i) => ({ id: `m${i}`, payload: i }));
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('publish does not resolve before the handler has', async () => {
  const transport = new InProcessTransport();
  const order: string[] = [];
  let finish = (): void => {};
  transport.subscribe('s.*', 'reader', async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    order.push('handled');
  });
  const published = transport.publish('s.1', messages(1)).then(() => order.push('published'));
  await settle();
  expect(order).toEqual([]);
  finish();
  await published;
  expect(order).toEqual(['handled', 'published']);
});

test('publish gives up when nobody subscribes in time, and says so', async () => {
  const timers = new ManualTimers();
  const transport = new InProcessTransport(timers);
  const published = transport.publish('s.1', messages(1)).catch((error: unknown) => error);
  timers.advance(LIMITS.busSubscriberWaitMs);
  const error = await published;
  expect(error).toBeInstanceOf(BusError);
  expect((error as BusError).code).toBe('no-subscriber');
  expect(timers.pending).toBe(0);
});

test('a batch that is rejected every time is given back to its publisher, with the cause, after growing pauses', async () => {
  const timers = new ManualTimers();
  const transport = new InProcessTransport(timers);
  const triedAt: number[] = [];
  const start = timers.clock.now();
  transport.subscribe('s.1', 'ingest', async () => {
    triedAt.push(timers.clock.now() - start);
    throw new Error('database away');
  });
  const published = transport.publish('s.1', messages(1)).catch((error: unknown) => error);
  for (let i = 0; i < LIMITS.busDeliveriesMax; i++) {
    await settle();
    timers.advance(LIMITS.busRedeliverMsMax);
  }
  const error = (await published) as BusError;
  expect(error.code).toBe('not-taken');
  expect((error.cause as Error).message).toBe('database away');
  expect(triedAt).toHaveLength(LIMITS.busDeliveriesMax);
});

test('a publisher waits while a subscriber has its bound of messages waiting', async () => {
  const transport = new InProcessTransport();
  const release: (() => void)[] = [];
  let handled = 0;
  transport.subscribe('s.1', 'slow', async (_, batch) => {
    await new Promise<void>((resolve) => release.push(resolve));
    handled += batch.length;
  });
  const first = transport.publish('s.1', messages(LIMITS.busInFlightMax - 1));
  const second = transport.publish('s.1', messages(1));
  let thirdTaken = false;
  const third = transport.publish('s.1', messages(1)).then(() => {
    thirdTaken = true;
  });
  await settle();
  // The third is not even queued: closing would refuse it, and the handler has seen one batch.
  expect(release).toHaveLength(1);
  release[0]?.();
  await first;
  await settle();
  release[1]?.();
  await second;
  expect(thirdTaken).toBe(false);
  await settle();
  release[2]?.();
  await third;
  expect(handled).toBe(LIMITS.busInFlightMax + 1);
});

test('a small batch does not overtake a large one that waits for room', async () => {
  const transport = new InProcessTransport();
  const seen: string[] = [];
  transport.subscribe('s.1', 'reader', async (_, batch) => {
    await settle();
    seen.push(String(batch[0]?.payload));
  });
  const named = (name: string, count: number): BusMessage[] => messages(count).map(({ id }) => ({ id, payload: name }));
  await Promise.all([
    transport.publish('s.1', named('first', LIMITS.busInFlightMax - 1)),
    transport.publish('s.1', named('large', 500)),
    transport.publish('s.1', named('small', 1)),
  ]);
  expect(seen).toEqual(['first', 'large', 'small']);
});

test('a batch larger than the bound is taken by an idle subscriber', async () => {
  const transport = new InProcessTransport();
  let handled = 0;
  transport.subscribe('s.1', 'reader', async (_, batch) => {
    handled += batch.length;
  });
  await transport.publish('s.1', messages(LIMITS.busInFlightMax * 2));
  expect(handled).toBe(LIMITS.busInFlightMax * 2);
});

test('closing refuses what waits, behind the batch in hand and for a subscriber, and does not wait for a pause to end', async () => {
  const timers = new ManualTimers();
  const transport = new InProcessTransport(timers);
  transport.subscribe('s.1', 'reader', async () => {
    throw new Error('not now');
  });
  const outcomes = ['s.1', 's.1', 's.nobody'].map((subject) =>
    transport.publish(subject, messages(1)).catch((error: BusError) => error.code),
  );
  await settle();
  expect(timers.pending).toBe(3); // The pause; the wait for a subscriber, and its next ask.
  await transport.close();
  // The one in hand had its last try, the others none.
  expect(await Promise.all(outcomes)).toEqual(['not-taken', 'closed', 'closed']);
  expect(timers.pending).toBe(0);
});
