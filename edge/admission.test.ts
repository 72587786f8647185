import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { referenceInform } from '../bench/reference-inform.ts';
import { randomFrom } from '../test/random.ts';
import { Admission, type AdmissionClass, CLASSES, RETRY_AFTER } from './admission.ts';
import { NOTHING_TO_READ, SessionMetrics } from './edge-metrics.ts';

const EVENTS: Record<AdmissionClass, string> = {
  operator: '6 CONNECTION REQUEST',
  boot: '1 BOOT',
  change: '4 VALUE CHANGE',
  periodic: '2 PERIODIC',
  bulk: '6 CONNECTION REQUEST',
};

/** Looks are taken every so often here, as on a thread that is busy. */
const LOOK_MS = 100;

function bench(random = () => 0.5) {
  const expected = new Set<string>();
  const metrics = new SessionMetrics(NOTHING_TO_READ);
  const admission = new Admission({ shed: metrics.sessionsShed, isExpected: (cpeId) => expected.has(cpeId), random });
  const serial = (name: AdmissionClass): string => `TN${name}`;
  expected.add(`0A1B2C-TN~2D440-${serial('operator')}`);
  const informs = (retryCount: string): Record<AdmissionClass, Uint8Array> => {
    const of = (name: AdmissionClass): [AdmissionClass, Uint8Array] => {
      const text = referenceInform({ SerialNumber: serial(name), EventCode: EVENTS[name] }).toString();
      return [name, Buffer.from(text.replace('<RetryCount>0<', `<RetryCount>${retryCount}<`))];
    };
    return Object.fromEntries(CLASSES.map(of)) as Record<AdmissionClass, Uint8Array>;
  };
  const [first, again] = [informs('0'), informs('3')];
  const judge = (name: AdmissionClass, isRetry = false): number | null =>
    admission.judge((isRetry ? again : first)[name], 'loop');
  const letIn = (): AdmissionClass[] => CLASSES.filter((name) => judge(name) === null);
  const waited = (loopMs: number, diskMs = 0, ended = 0, posts = 100): void =>
    admission.measured({ loopMs, diskMs, posts, ended, sinceMs: LOOK_MS, busy: 1 });
  const begin = (): void => {
    for (let i = 0; i < 3; i++) waited(LIMITS.admissionWaitMs * 2);
  };
  /** Ten Informs a second come of each class, sessions end at a rate, and POSTs wait as long as they may; until the bar has come to rest. */
  const settle = (endedPerSecond: number, comes: readonly AdmissionClass[] = CLASSES): void => {
    if (admission.isOpen) begin();
    for (let i = 0; i < 100; i++) {
      for (const name of comes) judge(name);
      waited(LIMITS.admissionAimMs * 1.001, 0, (endedPerSecond * LOOK_MS) / 1_000);
    }
  };
  return { admission, registry: metrics.registry, judge, letIn, settle, begin, waited };
}

test('while nobody has to wait everybody is let in, and nothing is looked at', () => {
  const { admission, letIn, waited } = bench();
  for (let i = 0; i < 10; i++) waited(LIMITS.admissionWaitMs, LIMITS.admissionDiskWaitMs);
  expect(admission.isOpen).toBe(true);
  expect(letIn()).toEqual([...CLASSES]);
});

test('as many begin as end: classes are turned away in order, the one somebody waits for never', () => {
  const { settle, letIn, admission } = bench(() => 0.999);
  for (const classes of [4, 3, 2]) {
    settle(10 * classes + 2);
    expect(letIn()).toEqual(CLASSES.slice(0, classes));
  }
  settle(0);
  for (let i = 0; i < 10; i++)
    admission.measured({ loopMs: 10_000, diskMs: 0, posts: 100, ended: 0, sinceMs: 10_000, busy: 1 });
  expect(letIn()).toEqual(['operator']);
});

test.each([
  ['a single long wait', [5_000, 0]],
  ['two waits that are not long', [LIMITS.admissionWaitMs * 3, LIMITS.admissionWaitMs * 3, 0]],
])('%s turns nobody away', (_, pattern) => {
  const { admission, waited } = bench();
  for (let i = 0; i < 10; i++) for (const ms of pattern) waited(ms);
  expect(admission.isOpen).toBe(true);
});

test.each([
  ['three waits in a row', [2, 2, 2]],
  ['two long ones', [10, 10]],
])('%s bring the bar down', (_, pattern) => {
  const { admission, waited, letIn } = bench();
  for (const times of pattern) waited(LIMITS.admissionWaitMs * times);
  expect(admission.isOpen).toBe(false);
  expect(letIn()).toEqual(['operator']);
});

test('a thread that waits for a core, with hardly a POST to answer, turns nobody away', () => {
  const { admission, waited } = bench();
  for (let i = 0; i < 10; i++) waited(5_000, 0, 0, 3);
  expect(admission.isOpen).toBe(true);
});

test('of the class the bar stands in as large a part is let in as the bar tells, and those that come again are the first', () => {
  let n = 0;
  const { judge, settle, waited } = bench(() => (n++ % 100) / 100);
  settle(33);
  // Of ten periodic ones that begin and ten that come again there is room for three of those.
  for (let i = 0; i < 100; i++) {
    for (const name of ['operator', 'boot', 'change', 'periodic'] as const) judge(name);
    judge('periodic', true);
    waited(LIMITS.admissionAimMs * 1.001, 0, 3.3);
  }
  const admitted = (isRetry: boolean): number => {
    let count = 0;
    for (let i = 0; i < 1_000; i++) {
      n = i % 100;
      if (judge('periodic', isRetry) === null) count++;
    }
    return count / 1_000;
  };
  expect(admitted(true)).toBeCloseTo(0.3, 1);
  expect(admitted(false)).toBe(0);
});

test('all are let in again a second after those that come are no more than can be served', () => {
  const { admission, settle, waited, judge } = bench();
  settle(22);
  expect(admission.isOpen).toBe(false);
  let looks = 0;
  for (; !admission.isOpen && looks < 100; looks++) {
    judge('boot');
    waited(0, 0, 2);
  }
  expect(looks * LOOK_MS).toBeLessThanOrEqual(3_000);
});

test.each(CLASSES.filter((name) => name !== 'operator'))(
  '%s: told to come again within the bounds of its class, and soon when few are waiting',
  (name) => {
    for (const random of [0, 0.37, 0.999]) {
      const { judge, begin } = bench(() => random);
      begin();
      const [least, most] = RETRY_AFTER[name];
      const seconds = judge(name)!;
      expect(seconds).toBeGreaterThanOrEqual(least);
      expect(seconds).toBeLessThanOrEqual(2 * least);
      for (let i = 0; i < 2_000; i++) judge(name);
      expect(judge(name)).toBe(least + Math.floor(random * (most - least + 1)));
    }
  },
);

test('those turned away are spread over the time it takes to serve all that wait, and nobody is counted twice', () => {
  let random = 0.999;
  const { judge, waited, begin } = bench(() => random);
  begin();
  for (let i = 0; i < 50; i++) waited(10_000, 0, 10);
  // 100 sessions end per second.
  for (let i = 0; i < 3_000; i++) {
    judge('boot');
    for (let tries = 0; tries < 3; tries++) judge('boot', true);
  }
  const [boot] = RETRY_AFTER.boot;
  expect(judge('boot')).toBeCloseTo(boot + 30, -1);
  // Boots go first.
  const [periodic] = RETRY_AFTER.periodic;
  for (let i = 0; i < 2_000; i++) judge('periodic');
  expect(judge('periodic')).toBeCloseTo(periodic + 50, -1);
  random = 0;
  expect(judge('boot')).toBe(boot);
});

/** A session is an Inform and some more POSTs; saying no costs a little. Milliseconds of the thread's. */
interface Costs {
  informMs: number;
  postMs: number;
  posts: number;
  refusalMs: number;
}

const capacityOf = ({ informMs, postMs, posts }: Costs): number => 1_000 / (informMs + posts * postMs);

/** A thread whose loop does in each turn what there is, offered so many boots a second. */
function simulate(costs: Costs, offered: number, forMs: number, startsCold: boolean) {
  const { admission, judge } = bench(randomFrom(5));
  const { informMs, postMs, posts, refusalMs } = costs;
  const left = new Array<number>(posts + 1).fill(0);
  let [now, lookedAt, arrived, ended, served, idleMs, idleSince, longestMs, openAt] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  // What it does first takes thirty times as long: code that was never run, pages that were never read.
  const slowness = (): number => (startsCold && now < 500 ? 30 : 1);
  while (now < forMs) {
    let turnMs = 0;
    for (; arrived < (now / 1_000) * offered; arrived++) {
      if (judge('boot') === null) {
        turnMs += informMs * slowness();
        left[posts]!++;
      } else turnMs += refusalMs;
    }
    for (let i = 1; i <= posts; i++) {
      turnMs += left[i]! * postMs * slowness();
      if (i === 1) ended += left[i]!;
      else left[i - 1] = left[i]!;
    }
    left[posts] = 0;
    if (turnMs === 0) {
      idleMs += 1;
      turnMs = 1;
    }
    now += turnMs;
    if (now > 10_000) longestMs = Math.max(longestMs, turnMs);
    const sinceMs = now - lookedAt;
    if (sinceMs < LIMITS.admissionTickMs) continue;
    const busy = 1 - (idleMs - idleSince) / sinceMs;
    admission.measured({ loopMs: sinceMs - LIMITS.admissionTickMs, diskMs: 0, posts: 100, ended, sinceMs, busy });
    if (!admission.isOpen) openAt = now;
    served += ended;
    ended = 0;
    lookedAt = now;
    idleSince = idleMs;
  }
  return { now, served, idleMs, longestMs, openAt };
}

test('a thread offered four times what it can serve is busy all the time, and no POST waits for long', () => {
  const costs = { informMs: 0.2, postMs: 1, refusalMs: 0.04, posts: 4 };
  const capacity = capacityOf(costs);
  const { now, served, idleMs, longestMs } = simulate(costs, 4 * capacity, 60_000, false);
  expect(idleMs / now).toBeLessThan(0.02);
  expect(served / ((now / 1_000) * capacity)).toBeGreaterThan(0.93);
  expect(longestMs).toBeLessThan(200);
});

test.each([0.2, 0.8])('a thread that starts cold serves all that come soon after: %d of what it can', (part) => {
  const costs = { informMs: 0.06, postMs: 0.04, refusalMs: 0.03, posts: 1 };
  const offered = part * capacityOf(costs);
  const { served, openAt } = simulate(costs, offered, 20_000, true);
  expect(openAt).toBeGreaterThan(500);
  expect(openAt).toBeLessThan(6_000);
  expect(served).toBeGreaterThan(0.8 * 20 * offered);
});

test('what is no Inform goes on: it belongs to a session that has begun', () => {
  const { admission, begin } = bench();
  begin();
  const answer = '<Envelope><Body><GetParameterValuesResponse/></Body></Envelope>';
  for (const body of ['', answer, '<x:InformResponse>', '�'])
    expect(admission.judge(Buffer.from(body), 'loop')).toBeNull();
});

test('those turned away are counted by class', async () => {
  const { judge, begin, registry } = bench();
  begin();
  for (const name of CLASSES) judge(name);
  const text = await registry.metrics();
  for (const name of CLASSES.slice(1)) expect(text).toContain(`starling_sessions_shed_total{class="${name}"} 1`);
  expect(text).not.toContain('class="operator"');
});

test('a slow disk turns away who has something to write, and the loop nobody for it', () => {
  const { admission, waited, letIn } = bench(() => 0.999);
  for (let i = 0; i < 3; i++) waited(0, LIMITS.admissionDiskWaitMs * 2);
  expect(letIn()).toEqual([...CLASSES]);
  expect(admission.isOpen).toBe(false);
  const inform = referenceInform({ EventCode: EVENTS.change });
  expect(admission.judge(inform, 'disk')).toBeGreaterThan(0);
});
