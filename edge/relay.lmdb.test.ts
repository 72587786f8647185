import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { MESSAGE_VERSION } from '../bus/messages.ts';
import { decisionsFor } from '../bus/subjects.ts';
import type { BusMessage } from '../bus/transport.ts';
import { Bench, until } from './relay.test-helper.ts';
import { Environment } from './store/environment.ts';
import { openOutbox } from './store/stamps.ts';
import { CPE, deviceOf, factsIn, recordOf, sessionOf, workOf } from './store/store.test-helper.ts';
import { TASKS } from './tasks/table.ts';

test('hello is the first fact of a start, before anything threads append', async () => {
  const bench = new Bench();
  await bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1).durable;
  await bench.start();
  await until(() => bench.facts.length === 2);
  expect(bench.facts[0]).toMatchObject({ type: 'hello', body: { version: '0.1.0', threads: 2 } });
});

test('the outbox is drained in order, in bounded batches, and is empty afterwards; the acknowledged sequence is told per lane', async () => {
  const bench = new Bench();
  const count = LIMITS.relayBatchFacts * 2 + 7;
  let last = 0;
  for (let i = 0; i < count; i++) {
    last = bench.store.appendFacts([{ type: 'seen', body: { devices: [{ cpeId: CPE, at: i }] } }], i).last;
  }
  await bench.store.flushed();
  await bench.start();
  await until(() => bench.facts.length === count + 1 && bench.store.outboxDepth() === 0);
  expect(bench.of('seen').map(({ at }) => at)).toEqual(Array.from({ length: count }, (_, i) => i));
  expect(Math.max(...bench.batches)).toBe(LIMITS.relayBatchFacts);
  expect(bench.store.readFacts(1)).toEqual([]);
  expect(Number(Atomics.load(bench.acked, 0))).toBe(last);
});

test('a record is one message: its text as it was stored, under the id of its first fact, and the same when it is published again', async () => {
  const bench = new Bench();
  const seen = (at: number) => ({ type: 'seen' as const, body: { devices: [{ cpeId: CPE, at }] } });
  void bench.store.appendFacts([seen(1)], 1);
  const { last } = bench.store.appendFacts([seen(2), seen(3)], 2);
  await bench.store.flushed();
  const records = bench.store.readFacts(10);
  const published: BusMessage[][] = [];
  bench.transport.publish = async (_, messages) => {
    published.push(messages);
    if (published.length === 1) throw new Error('the centre is away');
  };
  await bench.start();
  await until(() => bench.timers.pending === 3);
  expect(Number(Atomics.load(bench.acked, 0))).toBe(0);
  bench.timers.advance(LIMITS.relayBackoffMsMax);
  await until(() => bench.store.outboxDepth() === 0);
  // The hello was appended in the same turn.
  expect(records).toMatchObject([{ count: 4, last }]);
  expect(published[0]).toEqual([{ id: `e1.0:${records[0]!.first}-${last}`, payload: records[0]!.text }]);
  expect(published).toEqual([published[0], published[0]]);
  expect(Number(Atomics.load(bench.acked, 0))).toBe(last);
  expect(await bench.registry.getSingleMetricAsString('starling_relay_facts_total')).toContain(' 4');
});

test('a damaged record goes out as it is and holds nothing up', async () => {
  const bench = new Bench();
  const payloads: unknown[] = [];
  bench.transport.publish = async (_, messages) => void payloads.push(...messages.map(({ payload }) => payload));
  await bench.store.flushed();
  const environment = Environment.acquire(bench.dir);
  await openOutbox(environment).put([(bench.store.readFacts(1)[0]?.last ?? 0) + 0.5, 1], 'no head');
  await environment.release();
  const { last } = bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1);
  await bench.start();
  await until(() => bench.store.readFacts(1).length === 0);
  expect(payloads).toEqual([expect.stringContaining('hello'), 'no head', expect.stringContaining('seen')]);
  expect(Number(Atomics.load(bench.acked, 0))).toBe(last);
});

test('a nudge drains what was appended since', async () => {
  const bench = new Bench();
  await bench.start();
  await until(() => bench.store.outboxDepth() === 0 && bench.facts.length === 1);
  await bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1).durable;
  for (let i = 0; i < 10; i++) bench.relay.nudge();
  await until(() => bench.facts.length === 2);
});

test('without a nudge the outbox is looked at all the same', async () => {
  const bench = new Bench();
  await bench.start();
  await until(() => bench.store.outboxDepth() === 0 && bench.facts.length === 1);
  await bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1).durable;
  bench.timers.advance(LIMITS.relayPollMs);
  await until(() => bench.facts.length === 2);
});

test('while control takes nothing, facts wait, are tried again after growing pauses, and arrive once and in order', async () => {
  const bench = new Bench();
  // The bus's own tries use real timers; a transport that refuses at once shows the relay's.
  let tries = 0;
  let away = true;
  const publish = bench.transport.publish.bind(bench.transport);
  bench.transport.publish = async (subject, messages) => {
    tries++;
    if (away) throw new Error('the centre is away');
    await publish(subject, messages);
  };
  await bench.start();
  for (let i = 0; i < 3; i++) await bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], i).durable;
  await until(() => tries === 1);
  // poll, tick, pause
  await until(() => bench.timers.pending === 3);
  bench.timers.advance(40_000);
  await until(() => tries === 2);
  expect(bench.relay.problems()).toHaveLength(1);
  expect(bench.relay.problems()[0]).toContain('control has taken no facts since');
  expect(bench.store.outboxDepth()).toBe(4);
  away = false;
  await until(() => bench.timers.pending >= 3);
  bench.timers.advance(LIMITS.relayBackoffMsMax);
  await until(() => bench.facts.length === 4);
  expect(bench.facts.map(({ type, at }) => (type === 'hello' ? 'hello' : at))).toEqual(['hello', 0, 1, 2]);
  await until(() => bench.store.outboxDepth() === 0);
  expect(bench.relay.problems()).toEqual([]);
});

test('closing drains what is left; with control away it stops all the same and keeps it', async () => {
  const bench = new Bench();
  await bench.start();
  await until(() => bench.facts.length === 1);
  await bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1).durable;
  await bench.relay.close();
  expect(bench.facts).toHaveLength(2);

  const away = new Bench();
  away.transport.publish = async () => {
    throw new Error('the centre is away');
  };
  await away.start();
  await away.relay.close();
  expect(away.store.outboxDepth()).toBe(1);
});

test('work is in the store when the decision is acknowledged; delivered again it changes nothing, a newer generation replaces it', async () => {
  const bench = new Bench();
  await bench.start();
  await bench.decide('work', workOf('a'));
  expect(bench.store.workOf(CPE).map(({ work, phase }) => [work.actionId, phase])).toEqual([['a', 'queued']]);
  const begun = recordOf(workOf('a'), { state: { begun: true }, phase: 'waiting', untilMs: 9_000 });
  await bench.store.putWork(begun);
  await bench.decide('work', workOf('a'));
  expect(bench.store.workOf(CPE)).toEqual([begun]);
  await bench.decide('work', workOf('a', { generation: 2 }));
  expect(bench.store.workOf(CPE)).toMatchObject([{ work: { generation: 2 }, phase: 'queued' }]);
  await bench.decide('work', workOf('a', { generation: 1 }));
  expect(bench.store.workOf(CPE)).toMatchObject([{ work: { generation: 2 } }]);
});

test.each<[string, Parameters<typeof recordOf>[1], boolean]>([
  ['queued', {}, true],
  ['waiting for the CPE', { state: {}, phase: 'waiting', untilMs: 9_000 }, true],
  ['in flight', { state: {}, phase: 'running', inFlight: true }, false],
])('cancelling work that is %s', async (_, overrides, cancels) => {
  const bench = new Bench();
  await bench.start();
  await bench.store.putWork(recordOf(workOf('a')));
  await bench.store.putWork(recordOf(workOf('a'), overrides));
  await bench.decide('cancel', { cpeId: CPE, actionId: 'a' });
  expect(bench.store.hasWork(CPE)).toBe(!cancels);
  await until(() => bench.store.outboxDepth() === 0);
  expect(bench.results().map(({ actionId, result }) => [actionId, result.outcome])).toEqual(
    cancels ? [['a', 'cancelled']] : [],
  );
});

test('settings are found by user name when their decision is acknowledged; a wake goes to the waker', async () => {
  const bench = new Bench();
  await bench.start();
  const settings = { cpe: { username: 'u', password: 'p' }, connectionRequest: [] };
  await bench.decide('device', { cpeId: CPE, settings });
  expect(bench.store.findByUsername('u')).toEqual({ cpeId: CPE, password: 'p' });
  await bench.decide('wake', { cpeId: CPE, why: 'an operator waits' });
  expect(bench.woken).toEqual([`${CPE}: an operator waits`]);
});

test('a decision that cannot be read is counted and left out; the others of its batch are taken', async () => {
  const bench = new Bench();
  await bench.start();
  const good = { v: MESSAGE_VERSION, type: 'work', body: workOf('a') };
  const odd = [{ v: 99, type: 'work', body: {} }, null, { v: MESSAGE_VERSION, type: 'work', body: { actionId: 1 } }];
  await bench.transport.publish(
    decisionsFor('pop', 'e1'),
    [...odd, good].map((payload, i) => ({ id: `m${i}`, payload })),
  );
  expect(bench.store.workOf(CPE)).toHaveLength(1);
  expect(await bench.registry.getSingleMetricAsString('starling_decisions_total')).toContain('{type="unknown"} 3');
});

test('decisions of a newer control are counted and acknowledged, batch by batch, and hold up nothing behind them', async () => {
  const bench = new Bench();
  await bench.start();
  const newer = [
    { v: MESSAGE_VERSION, type: 'bundle', body: { policies: [] } },
    { v: MESSAGE_VERSION, type: 'work', body: { ...workOf('b'), kind: 'teleport' } },
    { v: MESSAGE_VERSION + 1, type: 'work', body: workOf('c') },
  ];
  const decide = (payload: unknown, id: string): Promise<void> =>
    bench.transport.publish(decisionsFor('pop', 'e1'), [{ id, payload }]);
  for (const [i, payload] of newer.entries()) await decide(payload, `n${i}`);
  // A member it does not know is nothing to stumble over.
  await decide({ v: MESSAGE_VERSION, type: 'work', body: { ...workOf('a'), shard: 7 }, trace: 'x' }, 'known');
  expect(bench.store.workOf(CPE).map(({ work }) => work.actionId)).toEqual(['a']);
  expect(bench.store.workOf(CPE)[0]?.work).not.toHaveProperty('shard');
  expect(await bench.registry.getSingleMetricAsString('starling_decisions_total')).toContain('{type="unknown"} 3');
});

test('with a full disk decisions are not acknowledged, and are taken when there is room again', async () => {
  const bench = new Bench();
  await bench.start();
  bench.free = 0;
  await bench.store.checkDisk();
  const decided = bench.decide('work', workOf('a'));
  await until(() => bench.store.refusing() === 'disk-full');
  expect(bench.relay.problems()[0]).toContain('disk-full');
  bench.free = LIMITS.storeReserveBytes * 4;
  await bench.store.checkDisk();
  await decided;
  expect(bench.store.workOf(CPE)).toHaveLength(1);
});

test('a silent session is ended: told as failed by timeout, its work in flight interrupted, its CPE woken', async () => {
  const bench = new Bench();
  await bench.start();
  const now = bench.timers.clock.now();
  const work = workOf('a', { expiresAt: now + 3_600_000 });
  await bench.store.putDevice(CPE, deviceOf());
  await bench.store.putWork(recordOf(work));
  const inFlight = { state: TASKS.get.start(work), phase: 'running' as const, inFlight: true };
  await bench.store.putWork(recordOf(work, inFlight));
  await bench.store.putSession(CPE, sessionOf({ actionId: 'a', lastAt: now, startedAt: now - 500, rpcs: 2 }));
  await bench.pass(60_000);
  expect(bench.store.getSession(CPE)).toBeDefined();
  await bench.pass(LIMITS.relayTickMs);
  await until(() => bench.woken.length > 0);
  expect(bench.store.getSession(CPE)).toBeUndefined();
  expect(bench.store.workOf(CPE)).toMatchObject([{ phase: 'queued', inFlight: false, attempts: 1 }]);
  expect(bench.woken).toEqual([`${CPE}: its session broke off with work under way`]);
  bench.relay.nudge();
  await until(() => bench.of('session').length > 0);
  expect(bench.of('session')[0]?.body).toEqual({
    cpeId: CPE,
    sessionId: 's1',
    why: 'timeout',
    ok: false,
    startedAt: now - 500,
    endedAt: now + 60_000,
    rpcs: 2,
  });
});

test('a record of a session that ended properly goes without a word', async () => {
  const bench = new Bench();
  await bench.start();
  const session = { phase: 'ended', why: 'done', cpeId: CPE, namespace: '' } as const;
  await bench.store.putSession(CPE, sessionOf({ session, lastAt: bench.timers.clock.now() }));
  await bench.pass(61_001);
  await until(() => bench.store.getSession(CPE) === undefined);
  bench.relay.nudge();
  await until(() => bench.store.outboxDepth() === 0);
  expect(bench.of('session')).toEqual([]);
});

test('work past its deadline ends as expired, once', async () => {
  const bench = new Bench();
  await bench.start();
  const now = bench.timers.clock.now();
  await bench.decide('work', workOf('a', { expiresAt: now + 5_000 }));
  await bench.pass(4_000);
  expect(bench.store.hasWork(CPE)).toBe(true);
  await bench.pass(2_000);
  await until(() => !bench.store.hasWork(CPE));
  await bench.pass(LIMITS.storeDueAgainMs * 2);
  await until(() => bench.store.outboxDepth() === 0);
  expect(bench.results().map(({ actionId, result }) => [actionId, result.outcome])).toEqual([['a', 'expired']]);
  expect(bench.woken).toEqual([]);
});

test('work whose wait is over wakes its CPE, again after a while, and not while a session is open', async () => {
  const bench = new Bench();
  await bench.start();
  const now = bench.timers.clock.now();
  const work = workOf('a', { expiresAt: now + 3_600_000 });
  await bench.store.putDevice(CPE, deviceOf());
  await bench.store.putWork(recordOf(work));
  const waiting = { state: TASKS.get.start(work), phase: 'waiting' as const, untilMs: now + 3_000 };
  await bench.store.putWork(recordOf(work, waiting));
  await bench.pass(2_000);
  expect(bench.woken).toEqual([]);
  await bench.pass(2_000);
  await until(() => bench.woken.length === 1);
  expect(bench.woken[0]).toBe(`${CPE}: its get is due`);
  await bench.store.flushed();
  await bench.pass(LIMITS.storeDueAgainMs + LIMITS.relayTickMs);
  await until(() => bench.woken.length === 2);
  await bench.store.putSession(CPE, sessionOf({ lastAt: bench.timers.clock.now(), timeoutMs: 600_000 }));
  await bench.store.flushed();
  await bench.pass(LIMITS.storeDueAgainMs + LIMITS.relayTickMs);
  await bench.pass(LIMITS.relayTickMs);
  expect(bench.woken).toHaveLength(2);
});

test('a task that fails between sessions ends its own work as failed, and that of others ends as it should', async () => {
  const bench = new Bench();
  await bench.start();
  const now = bench.timers.clock.now();
  const broken = workOf('broken', { cpeId: `${CPE}0`, expiresAt: now + 60_000 });
  await bench.store.putWork(recordOf(broken));
  await bench.store.putWork(recordOf(broken, { state: 'not a state', phase: 'waiting', untilMs: now + 1_000 }));
  await bench.store.putWork(recordOf(workOf('fine', { expiresAt: now + 1_000 })));
  await bench.pass(2_000);
  await until(() => !bench.store.hasWork(CPE) && !bench.store.hasWork(`${CPE}0`));
  const results = factsIn(bench.store).flatMap((fact) => (fact.type === 'result' ? [fact.body] : []));
  const outcomes = Object.fromEntries(results.map(({ actionId, result }) => [actionId, result.outcome]));
  expect(outcomes).toEqual({ broken: 'failed', fine: 'expired' });
});

test('metrics tell depth, age and acknowledged facts', async () => {
  const bench = new Bench();
  bench.control();
  await bench.store.appendFacts([{ type: 'seen', body: { devices: [] } }], bench.timers.clock.now()).durable;
  expect(await bench.registry.getSingleMetricAsString('starling_outbox_facts')).toContain(' 2');
  bench.relay.start();
  await until(() => bench.facts.length === 2 && bench.store.outboxDepth() === 0);
  await until(() => bench.store.readFacts(1).length === 0);
  expect(await bench.registry.getSingleMetricAsString('starling_outbox_facts')).toContain(' 0');
  expect(await bench.registry.getSingleMetricAsString('starling_relay_facts_total')).toContain(' 2');
  expect(await bench.registry.getSingleMetricAsString('starling_outbox_oldest_seconds')).toContain(' 0');
});
