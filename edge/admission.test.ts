import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { referenceInform } from '../bench/reference-inform.ts';
import { Admission, type AdmissionClass, CLASSES, RETRY_AFTER } from './admission.ts';
import { NOTHING_TO_READ, SessionMetrics } from './edge-metrics.ts';

const EVENTS: Record<AdmissionClass, string> = {
  operator: '6 CONNECTION REQUEST',
  boot: '1 BOOT',
  change: '4 VALUE CHANGE',
  periodic: '2 PERIODIC',
  bulk: '6 CONNECTION REQUEST',
};

function bench(random = () => 0.5) {
  const expected = new Set<string>();
  const metrics = new SessionMetrics(NOTHING_TO_READ);
  const admission = new Admission({ shed: metrics.sessionsShed, isExpected: (cpeId) => expected.has(cpeId), random });
  const serial = (name: AdmissionClass): string => `TN${name}`;
  expected.add(`0A1B2C-TN~2D440-${serial('operator')}`);
  const judge = (name: AdmissionClass): number | null =>
    admission.judge(referenceInform({ SerialNumber: serial(name), EventCode: EVENTS[name] }), 'loop');
  const letIn = (): AdmissionClass[] => CLASSES.filter((name) => judge(name) === null);
  const waited = (loopMs: number, diskMs = 0): void => admission.measured({ loopMs, diskMs });
  /** Measures a wait until the bar stands below `bar`. */
  const fallTo = (bar: number): void => {
    for (let i = 0; admission.bars.loop > bar && i < 1_000; i++) waited(LIMITS.admissionWaitMs * 2);
  };
  return { admission, registry: metrics.registry, judge, letIn, fallTo, waited };
}

test('while nobody has to wait everybody is let in, and nothing is looked at', () => {
  const { admission, letIn, waited } = bench();
  waited(LIMITS.admissionWaitMs, LIMITS.admissionDiskWaitMs);
  expect(admission.isOpen).toBe(true);
  expect(letIn()).toEqual([...CLASSES]);
});

test('classes are turned away in order, the one somebody waits for never', () => {
  const { waited, letIn, fallTo } = bench(() => 0.999);
  for (let bar = CLASSES.length - 1; bar >= 1; bar--) {
    fallTo(bar + 0.2);
    expect(letIn()).toEqual(CLASSES.slice(0, bar));
  }
  for (let i = 0; i < 1_000; i++) waited(10_000);
  expect(letIn()).toEqual(['operator']);
});

test('a single long wait, or two, turn nobody away', () => {
  const { admission, waited } = bench();
  for (let i = 0; i < 10; i++) for (const ms of [5_000, 5_000, 0]) waited(ms, ms);
  expect(admission.isOpen).toBe(true);
});

test('of the class the bar stands in as large a part is let in as the bar tells', () => {
  let n = 0;
  const { admission, judge, fallTo } = bench(() => (n++ % 100) / 100);
  fallTo(3.5);
  const share = admission.bars.loop - 3;
  let admitted = 0;
  for (let i = 0; i < 1_000; i++) {
    n = i % 100;
    if (judge('periodic') === null) admitted++;
  }
  expect(admitted / 1_000).toBeCloseTo(share, 1);
});

test('a longer wait turns more away at once, and all are let in again some seconds after it has ended', () => {
  const slow = bench();
  const fast = bench();
  for (let i = 0; i < 3; i++) {
    slow.waited(LIMITS.admissionWaitMs * 1.1);
    fast.waited(LIMITS.admissionWaitMs * 5);
  }
  expect(fast.admission.bars.loop).toBeLessThan(slow.admission.bars.loop);
  fast.fallTo(1);
  const ticks = Math.ceil(10_000 / LIMITS.admissionTickMs);
  for (let i = 0; i < ticks; i++) fast.waited(0);
  expect(fast.admission.isOpen).toBe(true);
});

test.each(CLASSES.filter((name) => name !== 'operator'))(
  '%s: told to come again within the bounds of its class',
  (name) => {
    for (const random of [0, 0.37, 0.999]) {
      const { judge, fallTo } = bench(() => random);
      fallTo(1);
      const [least, most] = RETRY_AFTER[name];
      const seconds = judge(name)!;
      expect(seconds).toBeGreaterThanOrEqual(least);
      expect(seconds).toBeLessThanOrEqual(most);
    }
  },
);

test('what is no Inform goes on: it belongs to a session that has begun', () => {
  const { admission, fallTo } = bench();
  fallTo(1);
  const answer = '<Envelope><Body><GetParameterValuesResponse/></Body></Envelope>';
  for (const body of ['', answer, '<x:InformResponse>', '�'])
    expect(admission.judge(Buffer.from(body), 'loop')).toBeNull();
});

test('those turned away are counted by class', async () => {
  const { judge, fallTo, registry } = bench();
  fallTo(1);
  for (const name of CLASSES) judge(name);
  const text = await registry.metrics();
  for (const name of CLASSES.slice(1)) expect(text).toContain(`starling_sessions_shed_total{class="${name}"} 1`);
  expect(text).not.toContain('class="operator"');
});

test('a slow disk turns away who has something to write, and the loop nobody for it', () => {
  const { admission, waited, letIn } = bench(() => 0.999);
  for (let i = 0; i < 1_000; i++) waited(0, LIMITS.admissionDiskWaitMs * 2);
  expect(letIn()).toEqual([...CLASSES]);
  expect(admission.isOpen).toBe(false);
  const inform = referenceInform({ EventCode: EVENTS.change });
  expect(admission.judge(inform, 'disk')).toBeGreaterThan(0);
});
