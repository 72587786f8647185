import { expect, test } from 'vitest';
import { calmest, complaints, median, quantile, reportRows, tableOf, together } from './report.ts';
import type { Sample } from './rounds.ts';
import { byFloor, FLOORS, type InformRow, ROWS as OF_BENCH } from './rows.ts';

const ROWS: InformRow[] = [
  { name: 'floor', server: { kind: 'floor' }, load: {}, base: 'floor' },
  { name: 'edge', server: { kind: 'edge' }, load: {}, base: 'floor', goal: 1.5, guard: 1.8 },
];

function sample(cpuUs: number, more: Partial<Sample> = {}): Sample {
  return {
    ...{
      seconds: 0.1,
      spentUs: cpuUs * 100,
      cpuUs,
      sessionsPerSecond: 1_000,
      sessions: 100,
      anonymousBytes: 1e6,
      storeBytesPerDevice: 0,
      errors: 0,
      why: [],
      informUs: [10, 20, 30],
      emptyUs: [5],
    },
    ...{ serverLoad: 0.5, generatorLoad: 0.5, othersLoad: 0.1, quiet: 100 },
    ...more,
  };
}

const report = (floor: Sample[], edge: Sample[]) => {
  const [first, second] = reportRows(
    ROWS,
    new Map([
      ['floor', floor],
      ['edge', edge],
    ]),
  );
  return { floor: first!, edge: second! };
};

test('a ratio is the median of the ratios of the rounds, not the ratio of the medians', () => {
  // A neighbour was busy in the second round, and slowed both rows of it alike.
  const floor = [sample(10), sample(40), sample(11)];
  const edge = [sample(15), sample(60), sample(22)];
  const reports = report(floor, edge);
  expect([reports.edge.ratio, reports.edge.ratioMin, reports.edge.ratioMax]).toEqual([1.5, 1.5, 2]);
  expect([reports.floor.ratio, reports.floor.ratioMin, reports.floor.ratioMax]).toEqual([1, 1, 1]);
  expect([reports.floor.cpuUs, reports.edge.cpuUs]).toEqual([11, 22]);
});

test('sessions and errors are summed, latencies are medians over the rounds, of each its quantile', () => {
  const edge = [
    sample(15, { informUs: [1, 2, 3, 100], errors: 1, why: ['one'] }),
    sample(15, { informUs: [5, 6, 7, 8], errors: 2, why: ['two', 'three'] }),
    sample(15, { informUs: [9, 10, 11, 12], why: ['four'] }),
  ];
  const reports = report([sample(10), sample(10), sample(10)], edge);
  expect(reports.edge).toMatchObject({ sessions: 300, errors: 3, quiet: 300, informP50Us: 6, informP99Us: 12 });
  expect(reports.edge.why).toEqual(['one', 'two', 'three']);
});

test('where one sample of a row says that nobody counts quiet sessions, nobody counts them', () => {
  expect(report([sample(10), sample(10, { quiet: -1 })], [sample(15), sample(15)]).floor.quiet).toBe(-1);
});

test.each([
  [0.95, 0.2, 'server'],
  [0.2, 0.95, 'generator'],
  [0.95, 0.95, 'both'],
  [0.89, 0.89, 'neither'],
] as const)('server busy to %d and generator to %d: bound by %s', (serverLoad, generatorLoad, bound) => {
  expect(report([sample(10)], [sample(15, { serverLoad, generatorLoad })]).edge.bound).toBe(bound);
});

test('nothing is wrong at the guard itself', () => {
  const { floor, edge } = report([sample(10)], [sample(18)]);
  expect(complaints([floor, edge])).toEqual([]);
});

test('a guard that is passed is a complaint, and says how far', () => {
  const { floor, edge } = report([sample(10)], [sample(19)]);
  expect(complaints([floor, edge])).toEqual(['edge: 1.90 × floor, and the guard is 1.8 ×']);
});

test('sessions that failed are a complaint, also of a row without a guard', () => {
  const { floor, edge } = report([sample(10, { errors: 2, why: ['an Inform was answered 503'] })], [sample(15)]);
  expect(complaints([floor, edge])).toEqual(['floor: 2 sessions failed, e.g. an Inform was answered 503']);
});

test.each<[string, Sample[], Sample[]]>([
  ['no sample at all', [sample(10)], []],
  ['no sample of its base', [], [sample(15)]],
  ['not a session in the time', [sample(10)], [sample(Number.NaN, { sessions: 0 })]],
  ['not a session of its base', [sample(Number.NaN, { sessions: 0 })], [sample(15)]],
])('%s: a row whose ratio is no number has passed its guard', (_, floor, edge) => {
  const wrong = complaints([report(floor, edge).edge]);
  expect(wrong).toHaveLength(1);
  expect(wrong[0]).toMatch(/^edge: NaN × floor/);
});

test('the table says which goal was not met, and counts no quiet sessions where nobody does', () => {
  const { floor, edge } = report([sample(10, { quiet: -1 })], [sample(16)]);
  expect(tableOf([floor, edge])).toMatchObject([
    { row: 'floor', ratio: 1, goal: '', quiet: '', errors: 0 },
    { row: 'edge', ratio: 1.6, spread: '1.60–1.60', of: 'floor', goal: '≤ 1.5  NOT MET', quiet: 100 },
  ]);
});

test('median and quantile of few numbers', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([7])]).toEqual([2, 2.5, 7]);
  expect(median([])).toBeNaN();
  expect([quantile([3, 1, 2], 0.5), quantile([3, 1, 2], 0.99), quantile([7], 0.5)]).toEqual([2, 3, 7]);
  expect(quantile([], 0.5)).toBeNaN();
});

test('the rounds in which other programs were busiest are left out, whatever was measured in them', () => {
  // Of the third round only the mean of the rows is less.
  const others = [
    [0.5, 0.1],
    [0.1, 0.1],
    [0.4, 0.1],
    [0, 0.9],
  ];
  const of = (row: number): Sample[] => others.map((loads, round) => sample(round, { othersLoad: loads[row]! }));
  const samples = new Map([
    ['floor', of(0)],
    ['edge', of(1)],
  ]);
  const { samples: kept, othersLoad } = calmest(samples, 2);
  expect([...kept].map(([name, all]) => [name, all.map(({ cpuUs }) => cpuUs)])).toEqual([
    ['floor', [1, 2]],
    ['edge', [1, 2]],
  ]);
  expect(othersLoad).toBeCloseTo(0.175);
  expect(calmest(samples, 7).samples).toEqual(samples);
  expect(calmest(new Map(), 7)).toEqual({ samples: new Map(), othersLoad: Number.NaN });
});

test('the turns of a round are one sample: sums are of all, shares of the time', () => {
  const turns = [
    sample(10, { serverLoad: 0.2, othersLoad: 0, errors: 1, why: ['a'] }),
    sample(20, { seconds: 0.3, spentUs: 6_000, sessions: 300, serverLoad: 0.6, othersLoad: 0.4, anonymousBytes: 2e6 }),
    // It stood still.
    sample(Number.NaN, { seconds: 0.1, spentUs: 200, sessions: 0, quiet: 0, informUs: [], emptyUs: [] }),
  ];
  const all = together(turns);
  expect(all).toMatchObject({ spentUs: 7_200, sessions: 400, cpuUs: 18, sessionsPerSecond: 800, quiet: 200 });
  expect(all).toMatchObject({ errors: 1, why: ['a'], anonymousBytes: 2e6 });
  expect([all.serverLoad, all.othersLoad]).toEqual([expect.closeTo(0.5), expect.closeTo(0.26)]);
  expect([all.informUs.length, all.emptyUs.length]).toEqual([6, 2]);
  expect(together([turns[0]!, { ...turns[1]!, quiet: -1 }]).quiet).toBe(-1);
});

test('rows that are not put beside each other are measured in runs of their own', () => {
  const names = byFloor(OF_BENCH).map((group) => group.map(({ name }) => name));
  expect(names.flat().toSorted()).toEqual(OF_BENCH.map(({ name }) => name).toSorted());
  expect(names.map(([floor]) => floor)).toEqual(FLOORS.map(({ name }) => name));
  for (const group of byFloor(OF_BENCH)) {
    for (const { base } of group) expect(group.map(({ name }) => name)).toContain(base);
  }
});
