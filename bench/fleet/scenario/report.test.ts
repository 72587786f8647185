import { expect, test } from 'vitest';
import type { Counted, Second, Usage } from './collect.ts';
import { Histogram } from './histogram.ts';
import { goodputPeak, idealDrainSeconds, type PlayedPhase, reportOf, type Samples } from './report.ts';
import { bars, plotOf, reportText, saturationSentence } from './report-text.ts';
import { type ClassName, SCENARIOS } from './scenarios.ts';
import { type ClassCounts, noCounts } from './tally.ts';

function counted(over: Partial<ClassCounts>, ms: number): Counted {
  const [session, whole] = [new Histogram(), new Histogram()];
  for (let i = 0; i < (over.served ?? 0); i++) session.add(ms);
  for (let i = 0; i < (over.done ?? over.served ?? 0); i++) whole.add(ms * 2);
  return { ...noCounts(), ...over, session, whole };
}

function second(
  phase: number,
  at: number,
  classes: Partial<Record<ClassName, Counted>>,
  over: Partial<Second> = {},
): Second {
  return {
    ...{ phase, second: at, classes: new Map(Object.entries(classes)) as Second['classes'], failures: {} },
    ...{ open: 0, wanting: 0, backlog: 0, starved: 0, full: 0, lateMs: 0 },
    ...over,
  };
}

const IDLE: Usage = {
  ...{
    mainThread: 0.1,
    sessionThread: 0.5,
    server: 0.7,
    generators: [0.3, 0.2],
    machine: 0.5,
    others: 0.1,
    diskWait: 0.1,
  },
  ...{ rssBytes: 200_000_000, anonymousBytes: 100_000_000 },
};
const phase = (name: string, kind: PlayedPhase['kind'], ms: number, over: Partial<PlayedPhase> = {}): PlayedPhase => ({
  ...{ name, kind, ms, wantedPerSecond: null, drain: null },
  ...over,
});

/** Capacity 1,000/s; a storm of 4,000/s of which 950 are served; then 1,000/s. Seconds 0 to 4, 5 to 14 and 15 to 24. */
function storm(
  over: { usage?: (at: number) => Partial<Usage>; operatorMs?: number; drainMs?: number | null } = {},
): Samples {
  const { usage = () => ({}), operatorMs = 50, drainMs = 9_000 } = over;
  const seconds = [
    ...[0, 1, 2, 3, 4].map((at) =>
      second(0, at, { periodic: counted({ first: 1_000, served: 1_000, done: 1_000 }, 10) }),
    ),
    ...Array.from({ length: 10 }, (_, i) =>
      second(
        1,
        5 + i,
        {
          periodic: counted({ first: 3_000, retries: 1_000, served: 950, shed: 3_040, failed: 10, done: 950 }, 20),
          operator: counted({ first: 4, served: 4, done: 4 }, operatorMs),
        },
        { wanting: 2_000 * (i + 1), failures: { 'connection reset': 10 } },
      ),
    ),
    ...Array.from({ length: 10 }, (_, i) =>
      second(2, 15 + i, {
        periodic: counted({ first: 0, retries: 1_000, served: 1_000, done: 1_000 }, 20),
        operator: counted({ first: 4, served: 4, done: 4 }, operatorMs),
      }),
    ),
  ];
  return {
    ...{ scenario: 'storm', text: 'a storm', cpes: 10_000, contract: SCENARIOS.storm.contract, seconds },
    phases: [
      phase('capacity', 'capacity', 5_000),
      phase('storm', 'scenario', 10_000, { wantedPerSecond: 4_000 }),
      phase('after', 'scenario', 10_000, {
        drain: {
          dueMs: [
            [0, 1_000],
            [4_000, 2_000],
          ],
          ms: drainMs,
        },
      }),
    ],
    usage: new Map(seconds.map(({ second: at }) => [at, { ...IDLE, ...usage(at) }])),
  };
}

test('goodput, percentiles and drain of a storm that was borne', () => {
  const report = reportOf(storm());
  expect(report.capacityPerSecond).toBe(1_000);
  expect(report.total).toMatchObject({
    first: 35_080,
    retries: 20_000,
    served: 24_580,
    shed: 30_400,
    failed: 100,
    cut: 0,
    lost: 0,
  });
  expect(report.phases[1]).toMatchObject({ offeredPerSecond: 4_004, goodputPerSecond: 954 });
  const operator = report.classes.find(({ name }) => name === 'operator')!;
  expect(operator.whole.p95Ms).toBeGreaterThan(100);
  expect(operator.whole.p95Ms).toBeLessThan(105);
  expect(report.drains).toMatchObject([{ phase: 'after', backlog: 3_000, seconds: 9 }]);
  expect(report.drains[0]!.idealSeconds).toBeCloseTo(6, 1);
  expect(report.memory).toEqual({ startBytes: 1e8, maxBytes: 1e8, endBytes: 1e8, rssMaxBytes: 2e8, growth: 0 });
  expect(report.failures).toEqual({ 'connection reset': 100 });
  expect(report.verdicts.map(({ met }) => met)).toEqual([true, true, true, true]);
  expect(report.notes).toEqual([]);
});

test('each part of the contract can be broken', () => {
  const broken = (samples: Samples) =>
    reportOf(samples)
      .verdicts.filter(({ met }) => !met)
      .map(({ what }) => what);
  expect(broken(storm({ operatorMs: 600 }))).toEqual(['operator p95']);
  expect(broken(storm({ drainMs: null }))).toEqual(['drain']);
  expect(broken(storm({ drainMs: 20_000 }))).toEqual(['drain']);
  expect(broken(storm({ usage: (at) => ({ anonymousBytes: 1e8 + at * 1e7 }) }))).toEqual(['memory growth']);
  const samples = storm();
  for (const one of samples.seconds) if (one.phase === 1) one.classes.get('periodic')!.done = 500;
  expect(broken(samples)).toEqual(['goodput of peak']);
});

test.each([
  [
    'the session thread',
    (at: number) => ({ sessionThread: at > 6 ? 0.97 : 0.5, generators: [at > 10 ? 1 : 0.2] }),
    'session thread',
  ],
  ['the generator', (at: number) => ({ generators: [0.1, at > 6 ? 0.99 : 0.2] }), 'generator'],
  ['the disk', (at: number) => ({ diskWait: at > 7 ? 0.8 : 0 }), 'disk wait'],
  ['nothing, when it was for one second', (at: number) => ({ mainThread: at === 9 ? 1 : 0 }), null],
])('what saturated first: %s', (_who, usage, expected) => {
  const report = reportOf(storm({ usage }));
  expect(report.saturatedFirst).toBe(expected);
  expect(saturationSentence(report)).toMatch(expected === null ? /^nothing was saturated/ : /^saturated first: the/);
});

test('what a reader must know is told: too little offered, CPEs missing, a late generator, attempts lost, other programs', () => {
  const samples = storm({ usage: () => ({ others: 0.7 }) });
  samples.phases[1]!.wantedPerSecond = 6_000;
  samples.seconds[7]!.starved = 3;
  samples.seconds[8]!.lateMs = 250;
  samples.seconds[9]!.full = 1;
  samples.seconds[9]!.classes.get('periodic')!.first++;
  expect(reportOf(samples).notes).toHaveLength(6);
});

test('the best three whole seconds in a row are the peak; the first and the last are parts', () => {
  const seconds = [9, 3, 4, 5, 1, 9].map((served, at) =>
    second(0, at, { boot: counted({ first: served, served, done: served }, 1) }),
  );
  expect(goodputPeak(seconds, 6_000)).toBe(4);
  expect(goodputPeak(seconds.slice(0, 2), 2_000)).toBe(6);
});

test('an ideal ACS serves each when it comes, and no more than it can', () => {
  expect(idealDrainSeconds([[0, 100]], 10)).toBe(10);
  expect(
    idealDrainSeconds(
      [
        [8_000, 10],
        [0, 10],
      ],
      10,
    ),
  ).toBe(9);
  expect(idealDrainSeconds([], 10)).toBe(0);
});

test('the text has the phases, the bars and the verdicts, within the width', () => {
  const samples = storm();
  const plot = plotOf(samples.phases, samples.seconds, samples.usage, 60);
  for (const line of plot) expect(line.length).toBeLessThanOrEqual(60);
  expect(plot[0]).toContain('|storm');
  const text = reportText(reportOf(samples), plot);
  for (const part of ['served', '█', 'met      drain', 'saturated']) expect(text).toContain(part);
});

test('bars are as high as their part of the most', () => {
  expect(bars([0, 1, 4, 8], 8)).toBe(' ▂▅█');
});
