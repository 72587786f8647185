import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { ManualTimers } from '../base/timers.ts';
import { HttpWaker, type WakeOutcome, type WakeResult, type WakeTarget } from './http-waker.ts';

/** A waker with every look-up a plain variable; requests stay open until `answer`. */
function bench(mayComeElsewhere = false) {
  const timers = new ManualTimers();
  const asked: string[] = [];
  const open: ((result: WakeResult) => void)[] = [];
  const settled: string[] = [];
  const world = {
    work: true,
    session: false,
    mark: 0,
    url: 'http://192.0.2.1/',
    known: true,
    signal: null as AbortSignal | null,
  };
  const waker = new HttpWaker({
    target: (cpeId): WakeTarget | null =>
      world.known ? { url: world.url && `${world.url}${cpeId}`, address: '192.0.2.1', credentials: [] } : null,
    inSession: () => world.session,
    hasWork: () => world.work,
    contactMark: () => world.mark,
    mayComeElsewhere,
    request: (target, signal) => {
      asked.push(target.url.replace(world.url, ''));
      world.signal = signal;
      return new Promise((resolve) => open.push(resolve));
    },
    settled: ({ cpeId, outcome }) => settled.push(`${cpeId} ${outcome}`),
    elapsed: () => timers.clock.now(),
    timers,
  });
  /** Answers the oldest open request and lets the waker take note. */
  const answer = async (outcome: WakeOutcome): Promise<void> => {
    open.shift()?.({ outcome, why: 'said so' } as WakeResult);
    await Promise.resolve();
    await Promise.resolve();
  };
  return { timers, asked, settled, world, waker, answer };
}

test('many wakes of one CPE are one request (R6)', async () => {
  const { waker, asked, answer, settled } = bench();
  for (let i = 0; i < 5; i++) waker.wake('a', 'work');
  await answer('accepted');
  waker.wake('a', 'more work');
  expect(asked).toEqual(['a']);
  expect(settled).toEqual(['a accepted']);
});

test('busy and unreachable are tried again after 5, 15 and 60 s while work waits, then given up', async () => {
  const { waker, asked, answer, settled, timers } = bench();
  waker.wake('a', 'work');
  for (const [outcome, ms] of [
    ['busy', 5_000],
    ['unreachable', 15_000],
    ['busy', 60_000],
  ] as const) {
    await answer(outcome);
    const before = asked.length;
    timers.advance(ms - 1);
    expect(asked).toHaveLength(before);
    timers.advance(1);
    expect(asked).toHaveLength(before + 1);
  }
  await answer('unreachable');
  expect([asked.length, timers.pending, waker.load]).toEqual([4, 0, { inFlight: 0, waiting: 0 }]);
  expect(settled).toEqual(['a busy', 'a unreachable', 'a busy', 'a unreachable']);
});

test('without work left, nothing is tried again', async () => {
  const { waker, asked, answer, world, timers } = bench();
  waker.wake('a', 'work');
  await answer('busy');
  world.work = false;
  timers.advance(600_000);
  waker.wake('b', 'asked by a person');
  await answer('busy');
  timers.advance(600_000);
  expect(asked).toEqual(['a', 'b']);
  expect(waker.load.waiting).toBe(0);
});

test.each(['unauthorized', 'refused'] as const)('%s is final: another try would end the same', async (outcome) => {
  const { waker, asked, answer, timers } = bench();
  waker.wake('a', 'work');
  await answer(outcome);
  timers.advance(600_000);
  expect([asked.length, waker.load.waiting]).toEqual([1, 0]);
});

test('a CPE that accepts and does not come within 30 s is asked again (R2)', async () => {
  const { waker, asked, answer, timers } = bench();
  waker.wake('a', 'work');
  await answer('accepted');
  timers.advance(LIMITS.connectionRequestAnswerMs - 1);
  expect(asked).toHaveLength(1);
  timers.advance(1);
  expect(asked).toHaveLength(2);
  for (let i = 0; i < 5; i++) {
    await answer('accepted');
    timers.advance(LIMITS.connectionRequestAnswerMs);
  }
  expect([asked.length, waker.load.waiting]).toEqual([4, 0]);
});

test('new work after the CPE came is asked for at once, but not within 5 s of the last request (R6)', async () => {
  const { waker, asked, answer, world, timers } = bench();
  waker.wake('a', 'work');
  await answer('accepted');
  world.mark++;
  timers.advance(1_000);
  waker.wake('a', 'new work');
  expect(asked).toHaveLength(1);
  timers.advance(LIMITS.connectionRequestGapMs - 1_000);
  expect(asked).toHaveLength(2);
  await answer('accepted');
  world.mark++;
  timers.advance(10_000);
  waker.wake('a', 'newer work');
  timers.advance(0);
  expect(asked).toHaveLength(3);
});

test('a CPE that accepted may have come to another edge of its POP: new work asks again, not within 5 s', async () => {
  const { waker, asked, answer, timers } = bench(true);
  waker.wake('a', 'work');
  await answer('accepted');
  timers.advance(1_000);
  waker.wake('a', 'new work');
  waker.wake('a', 'newer work');
  timers.advance(LIMITS.connectionRequestGapMs - 1_001);
  expect(asked).toHaveLength(1);
  timers.advance(1);
  expect(asked).toHaveLength(2);
});

test('a wake while a retry waits brings it forward and counts afresh', async () => {
  const { waker, asked, answer, timers } = bench();
  waker.wake('a', 'work');
  await answer('busy');
  timers.advance(5_000);
  await answer('busy');
  timers.advance(6_000);
  waker.wake('a', 'a person asks');
  timers.advance(0);
  expect(asked).toHaveLength(3);
  await answer('busy');
  timers.advance(5_000);
  expect(asked).toHaveLength(4);
});

test('a CPE in a session is left alone; when the session ends with work still there, it is asked', async () => {
  const { waker, asked, settled, world, timers } = bench();
  world.session = true;
  waker.wake('a', 'work');
  timers.advance(60_000);
  expect([asked, settled]).toEqual([[], ['a accepted']]);
  world.session = false;
  timers.advance(LIMITS.connectionRequestGapMs);
  expect(asked).toEqual(['a']);
});

test('a CPE in a session with nothing to do is forgotten', () => {
  const { waker, asked, world, timers } = bench();
  Object.assign(world, { session: true, work: false });
  waker.wake('a', 'a person asks');
  timers.advance(LIMITS.connectionRequestGapMs);
  expect([asked.length, waker.load.waiting, timers.pending]).toEqual([0, 0, 0]);
});

test('no URL, and an unknown CPE, are told and forgotten (R5)', () => {
  const { waker, settled, world } = bench();
  world.url = '';
  waker.wake('a', 'work');
  world.known = false;
  waker.wake('b', 'work');
  expect(settled).toEqual(['a no-url', 'b no-url']);
  expect(waker.load.waiting).toBe(0);
});

test('requests in flight are bounded; the others follow in order', async () => {
  const { waker, asked, answer } = bench();
  const many = LIMITS.connectionRequestsInFlightMax + 3_000;
  for (let i = 0; i < many; i++) waker.wake(`${i}`, 'work');
  expect(asked).toHaveLength(LIMITS.connectionRequestsInFlightMax);
  expect(waker.load).toEqual({ inFlight: LIMITS.connectionRequestsInFlightMax, waiting: 3_000 });
  for (let i = 0; i < many; i++) await answer('unauthorized');
  expect(asked).toEqual(Array.from({ length: many }, (_, i) => `${i}`));
  expect(waker.load).toEqual({ inFlight: 0, waiting: 0 });
});

test('closing ends what is under way, reports nothing more, and takes no new wakes', async () => {
  const { waker, asked, settled, answer, timers, world } = bench();
  waker.wake('a', 'work');
  await answer('busy');
  waker.wake('b', 'work');
  waker.close();
  expect(world.signal?.aborted).toBe(true);
  await answer('accepted');
  waker.wake('c', 'work');
  timers.advance(600_000);
  expect([asked, settled, timers.pending]).toEqual([['a', 'b'], ['a busy'], 0]);
});
