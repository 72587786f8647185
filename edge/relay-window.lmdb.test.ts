// Facts on their way over a bus that stores: how many, until when, and when they are published again.

import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { endOfMessage, type FactMarks, type LanePlace, marksText } from '../bus/messages.ts';
import { factsOf, marksFor } from '../bus/subjects.ts';
import type { BusMessage } from '../bus/transport.ts';
import { Bench, until } from './relay.test-helper.ts';
import { Environment } from './store/environment.ts';
import { openOutbox } from './store/stamps.ts';

const endOf = (message: BusMessage | undefined): LanePlace => {
  const { lane, sequence } = endOfMessage(message!.id)!;
  return { lane, sequence };
};

/** A hub that stores what is published, and control, which takes of it what the test wants. */
class Hub {
  readonly bench = new Bench();
  readonly stored: { round: number; messages: BusMessage[] }[] = [];

  readonly knocks: string[] = [];

  constructor() {
    const { transport } = this.bench;
    Object.assign(transport, { knock: (subject: string) => void this.knocks.push(subject) });
    transport.publish = async (_, messages, round = 0) => void this.stored.push({ round, messages });
    Object.assign(transport, { publishes: 'stored' });
  }

  /** A record of its own. */
  async append(at: number): Promise<void> {
    await this.bench.store.flushed();
    await this.bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], at).durable;
  }

  async start(): Promise<void> {
    await this.bench.store.flushed();
    this.bench.relay.start();
  }

  /** @param through the last message that control has taken. */
  tell(through: BusMessage | undefined, more: Omit<FactMarks, 'marks'> = {}): void {
    const end = through === undefined ? null : endOfMessage(through.id);
    const marks: FactMarks['marks'] = end === null ? [] : [[end.lane, end.sequence]];
    this.bench.transport.tell(marksFor('pop', 'e1'), marksText({ marks, ...more }));
  }

  ids(of = this.stored): string[] {
    return of.flatMap(({ messages }) => messages.map(({ id }) => id));
  }
}

test('over a bus that only stores, facts stay in the outbox until control says that it has them', async () => {
  const hub = new Hub();
  const { bench } = hub;
  await hub.append(1);
  await hub.append(2);
  await hub.start();
  await until(() => hub.ids().length === 3);
  const [hello, first, second] = hub.stored.flatMap(({ messages }) => messages);
  // Each says what it comes behind.
  expect(hello?.after).toBeUndefined();
  expect(first?.after).toEqual(endOf(hello));
  expect(second?.after).toEqual(endOf(first));
  expect(bench.store.outboxDepth()).toBe(3);
  hub.tell(first);
  await until(() => bench.store.outboxDepth() === 1);
  // Told twice, or late, changes nothing.
  hub.tell(first);
  hub.tell(hello);
  bench.transport.tell(marksFor('pop', 'e1'), '{"v":1,"marks":"all of them"}');
  bench.transport.tell(marksFor('pop', 'e1'), 'no JSON');
  await hub.append(3);
  bench.relay.nudge();
  await until(() => hub.ids().length === 4);
  expect(bench.store.outboxDepth()).toBe(2);
  hub.tell(hub.stored.at(-1)?.messages[0]);
  await until(() => bench.store.outboxDepth() === 0);
  await hub.append(4);
  bench.relay.nudge();
  await until(() => hub.ids().length === 5);
  // All before it is taken.
  expect(hub.stored.at(-1)?.messages[0]?.after).toBeUndefined();
  expect(new Set(hub.ids()).size).toBe(5);
});

test('control may say that it has something before the hub says that it stored it', async () => {
  const hub = new Hub();
  const { bench } = hub;
  const { transport } = bench;
  const store = transport.publish;
  let answer = (): void => {};
  transport.publish = async (...all) => {
    await store(...all);
    await new Promise<void>((done) => {
      answer = done;
    });
  };
  await hub.start();
  await until(() => hub.ids().length === 1);
  hub.tell(hub.stored[0]?.messages[0]);
  expect(bench.store.outboxDepth()).toBe(1);
  answer();
  await until(() => bench.store.outboxDepth() === 0);
});

test('what control has not taken of all that was left on the road is published again; what it is silent about is not', async () => {
  const hub = new Hub();
  const { bench } = hub;
  await hub.append(1);
  await hub.start();
  await until(() => hub.ids().length === 2);
  const once = hub.ids();
  expect(bench.relay.problems()).toEqual([]);
  bench.timers.advance(LIMITS.relaySettleMs - 1);
  // What was stored a moment ago may have come behind that word.
  hub.tell(undefined, { idle: true });
  bench.timers.advance(86_400_000);
  expect(hub.ids()).toEqual(once);
  expect(bench.relay.problems()).toEqual([expect.stringContaining('control has taken no facts since')]);
  // The first one is taken, and the second lost.
  hub.tell(hub.stored[0]?.messages[0], { idle: true });
  await until(() => hub.ids().length === 3);
  expect(hub.ids()).toEqual([...once, once[1]]);
  // Or the hub would take it for what it has.
  expect(hub.stored.map(({ round }) => round > 0)).toEqual([false, true]);
  bench.timers.advance(LIMITS.relayAgainMs);
  hub.tell(hub.stored[0]?.messages[1], { idle: true });
  await until(() => bench.store.outboxDepth() === 0);
  expect(hub.ids()).toHaveLength(3);
  expect(bench.relay.problems()).toEqual([]);
});

test('control is knocked at as long as it takes nothing of what is on its way', async () => {
  const hub = new Hub();
  const { timers, store } = hub.bench;
  await hub.start();
  await until(() => hub.ids().length === 1);
  timers.advance(LIMITS.relayKnockMs - 1);
  expect(hub.knocks).toEqual([]);
  timers.advance(1 + LIMITS.relayKnockMs);
  expect(hub.knocks).toEqual([factsOf('pop', 'e1'), factsOf('pop', 'e1')]);
  hub.tell(hub.stored[0]?.messages[0]);
  await until(() => store.outboxDepth() === 0);
  timers.advance(LIMITS.relayKnockMs * 2);
  expect(hub.knocks).toHaveLength(2);
});

test('when control misses something all that it has not taken is published again at once, and once', async () => {
  const hub = new Hub();
  await hub.append(1);
  await hub.start();
  await until(() => hub.ids().length === 2);
  hub.tell(undefined, { again: true });
  hub.tell(undefined, { again: true });
  await until(() => hub.ids().length === 4);
  await new Promise((resolve) => setImmediate(resolve));
  expect(hub.stored.map(({ round }) => round)).toEqual([0, 1]);
  // Nothing is out before it any more.
  expect(hub.stored[1]?.messages.map(({ after }) => after)).toEqual(hub.stored[0]?.messages.map(({ after }) => after));
});

test('only so many batches are on their way: the rest waits in the outbox until control has taken some', async () => {
  const hub = new Hub();
  const { bench } = hub;
  const count = LIMITS.relayBatchFacts * (LIMITS.relayWindowBatches + 2);
  await bench.store.flushed();
  for (let i = 0; i < count; i++) {
    // One record each.
    bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], i);
    await null;
  }
  await hub.start();
  await until(() => hub.stored.length === LIMITS.relayWindowBatches);
  for (let i = 0; i < 20; i++) bench.relay.nudge();
  await new Promise((resolve) => setImmediate(resolve));
  expect(hub.stored).toHaveLength(LIMITS.relayWindowBatches);
  expect(bench.store.outboxDepth()).toBe(count + 1);
  while (bench.store.outboxDepth() > 0) {
    hub.tell(hub.stored.at(-1)?.messages.at(-1));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(new Set(hub.ids()).size).toBe(hub.ids().length);
  expect(hub.ids()).toHaveLength(count + 1);
});

test('a damaged record goes to the hub once: nobody will ever say that it was taken', async () => {
  const hub = new Hub();
  const { bench } = hub;
  await bench.store.flushed();
  const environment = Environment.acquire(bench.dir);
  await openOutbox(environment).put([(bench.store.readFacts(1)[0]?.last ?? 0) + 0.5, 1], 'no head');
  await environment.release();
  await hub.append(1);
  await hub.start();
  await until(() => hub.ids().length === 3 && bench.store.readFacts(10).length === 2);
  const [hello, , last] = hub.stored.flatMap(({ messages }) => messages);
  expect(last?.after).toEqual(endOf(hello));
  hub.tell(last);
  await until(() => bench.store.readFacts(1).length === 0);
});

test('over a bus that only stores, a session that waits goes on when control says so, and a lane never falls back', async () => {
  const bench = new Bench();
  Object.assign(bench.transport, { publishes: 'stored' });
  const { last } = bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1);
  await bench.start();
  await until(() => bench.facts.length === 2);
  expect(Number(bench.acked[0])).toBe(0);
  await bench.decide('taken', { lane: 0, sequence: last });
  expect(Number(bench.acked[0])).toBe(last);
  await bench.decide('taken', { lane: 0, sequence: last - 1 });
  await bench.decide('taken', { lane: 1_000, sequence: last });
  expect([...bench.acked].map(Number)).toEqual([last, 0, 0, 0]);
});
