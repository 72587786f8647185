import { expect, test } from 'vitest';
import { Collector, type Reading, sum, usageBetween } from './collect.ts';
import { type GeneratorSecond, noCounts } from './tally.ts';

const part = (over: Partial<GeneratorSecond>): GeneratorSecond => ({
  ...{ phase: 0, second: 0, generator: 0, classes: {}, failures: {} },
  ...{ open: 0, wanting: 0, backlog: 0, starved: 0, full: 0, lateMs: 0 },
  ...over,
});
const counts = (first: number, served: number) => ({
  ...{ ...noCounts(), first, served, sessionMs: [[100, served]] as [number, number][], wholeMs: [] },
});

test('counts of generators add up, levels are the last of each', () => {
  const collector = new Collector();
  collector.add(part({ classes: { periodic: counts(3, 2) }, open: 9, failures: { 'connection reset': 1 } }));
  collector.add(part({ classes: { periodic: counts(1, 1) }, open: 1 }));
  collector.add(part({ generator: 1, classes: { boot: counts(5, 4) }, open: 2, failures: { 'connection reset': 2 } }));
  collector.add(part({ phase: 1, classes: { boot: counts(7, 7) } }));
  const [first, second] = collector.seconds();
  expect(first).toMatchObject({ phase: 0, open: 3, failures: { 'connection reset': 3 } });
  expect(sum([first!])).toMatchObject({ first: 9, served: 7 });
  expect(sum([first!], 'periodic')).toMatchObject({ first: 4, served: 3 });
  expect(sum([first!, second!]).session.count).toBe(14);
});

test('shares of cores are what was used between two readings', () => {
  const reading = (over: Partial<Reading>): Reading => ({
    ...{ atMs: 0, serverPid: 10, server: [], memory: { rssBytes: 5, anonymousBytes: 3 }, generatorUs: [0] },
    machine: { busyTicks: 0, cores: 2, diskWaitUs: 0 },
    ...over,
  });
  const thread = (tid: number, us: number) => ({ tid, name: 'node', us });
  const before = reading({ server: [thread(10, 1e6), thread(11, 5e6)] });
  const after = reading({
    ...{ atMs: 2_000, server: [thread(10, 1.5e6), thread(11, 7e6), thread(12, 0.2e6)], generatorUs: [1e6] },
    machine: { busyTicks: 300, cores: 2, diskWaitUs: 400_000 },
  });
  const { mainThread, sessionThread, server, generators, machine, diskWait } = usageBetween(before, after);
  expect([mainThread, sessionThread, generators[0], machine, diskWait]).toEqual([0.25, 1, 0.5, 0.75, 0.2]);
  expect(server).toBeCloseTo(1.35);
  expect(usageBetween(before, { ...after, machine: { ...after.machine, busyTicks: 500 } }).others).toBeCloseTo(0.65);
});
