// From samples to what a person wants to know of a run: what was offered and served, how long it took, how long the backlog took to drain,
// what the memory did, and what saturated first. Pure; the words are in report-text.ts.

import { type Counted, type Second, sum, type Usage } from './collect.ts';
import type { Histogram } from './histogram.ts';
import { CLASS_NAMES, type ClassName, type Contract } from './scenarios.ts';
import type { Attempts } from './tally.ts';

/** One phase as it was played. */
export interface PlayedPhase {
  name: string;
  /** Of the run: the first phases make the ACS know the CPEs, find the capacity, and let its sessions end. */
  kind: 'introduction' | 'capacity' | 'pause' | 'scenario';
  ms: number;
  /** Attempts or sessions per second it was to offer; null when nothing of the kind was asked for. */
  wantedPerSecond: number | null;
  /**
   * Of a phase that drains: when the CPEs that wanted a session as it began would come next, and the time until all had one (null: it did
   * not get there).
   */
  drain: { dueMs: readonly (readonly [ms: number, cpes: number])[]; ms: number | null } | null;
}

export interface Samples {
  scenario: string;
  text: string;
  cpes: number;
  contract: Contract | null;
  phases: PlayedPhase[];
  seconds: Second[];
  usage: ReadonlyMap<number, Usage>;
}

export interface Percentiles {
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
}

export interface Counts extends Attempts {
  /** First attempts and retries; each is served, shed, failed or cut (the run was over), or `lost` to our own counting, which is 0. */
  offered: number;
}

export interface PhaseReport extends Counts {
  name: string;
  seconds: number;
  wantedPerSecond: number | null;
  offeredPerSecond: number;
  goodputPerSecond: number;
  goodputOfPeak: number;
  /** From the operator's wish to the end of the session that carried it out. */
  operator: Percentiles;
}

export interface ClassReport extends Counts {
  name: ClassName;
  /** A served session from connect to end; and from the first connect to the end of what the CPE wanted, with all waits. */
  session: Percentiles;
  whole: Percentiles;
}

export interface DrainReport {
  phase: string;
  /** CPEs that wanted a session when it began. */
  backlog: number;
  /** Until each of them had one; null when that was not reached. */
  seconds: number | null;
  /** The backlog at peak goodput; and the same by an ACS that serves each of them when it comes next, at no more than peak goodput. */
  atPeakSeconds: number;
  idealSeconds: number;
  timesIdeal: number | null;
}

/** Means and the worst second of what was used while the scenario ran. */
export interface ResourceReport {
  name: ResourceName;
  mean: number;
  max: number;
  /** Seconds of the run from which on it was saturated for two in a row; null when it never was. */
  saturatedAt: number | null;
}

export type ResourceName = 'session thread' | 'main thread' | 'generator' | 'machine' | 'disk wait';

export interface Verdict {
  what: string;
  wanted: string;
  got: string;
  met: boolean;
}

export interface Report {
  scenario: string;
  text: string;
  cpes: number;
  seconds: number;
  /** Sessions per second: in the closed loop, and the best three seconds anywhere. */
  capacityPerSecond: number;
  peakPerSecond: number;
  total: Counts & { lost: number; done: number; leftWanting: number };
  phases: PhaseReport[];
  classes: ClassReport[];
  drains: DrainReport[];
  memory: { startBytes: number; maxBytes: number; endBytes: number; rssMaxBytes: number; growth: number | null } | null;
  resources: ResourceReport[];
  saturatedFirst: ResourceName | null;
  failures: Record<string, number>;
  verdicts: Verdict[];
  notes: string[];
}

/** Shares from which on a resource counts as saturated. Waiting for a disk half of the time is all that group commit lets one see. */
const SATURATED: Record<ResourceName, number> = {
  'session thread': 0.92,
  'main thread': 0.92,
  generator: 0.92,
  machine: 0.97,
  'disk wait': 0.5,
};
const RESOURCES = Object.keys(SATURATED) as ResourceName[];
const PEAK_SECONDS = 3;
/** An event loop that is later than this sends later than it was asked to. */
const LATE_MS = 100;
/** Cores taken by others from which on they are told of; the kernel's own work for loopback is less. */
const OTHERS_MAX = 0.4;

/** Sessions per second, with what they came for, of a phase: the best three whole seconds in a row, or the mean of a phase that has not as many. */
export function goodputPeak(seconds: readonly Second[], ms: number): number {
  return bestSeconds(seconds) ?? (ms > 0 ? (sum(seconds).done * 1_000) / ms : 0);
}

/** Null when there are not as many: what is left of a burst, over the moment it takes, is no rate. */
function bestSeconds(seconds: readonly Second[]): number | null {
  // The first and the last are of two phases.
  const done = seconds.slice(1, -1).map((one) => sum([one]).done);
  let best: number | null = null;
  for (let i = 0; i + PEAK_SECONDS <= done.length; i++) {
    const three = done.slice(i, i + PEAK_SECONDS).reduce((a, b) => a + b, 0) / PEAK_SECONDS;
    best = Math.max(best ?? 0, three);
  }
  return best;
}

/** Judges a run. */
export function reportOf(samples: Samples): Report {
  const { phases, seconds, usage } = samples;
  const ofPhase = (index: number): Second[] => seconds.filter(({ phase }) => phase === index);
  const firstOfScenario = Math.max(
    0,
    phases.findIndex(({ kind }) => kind === 'scenario'),
  );
  const during = seconds.filter(({ phase }) => phase >= firstOfScenario);
  const capacityIndex = phases.findIndex(({ kind }) => kind === 'capacity');
  const capacityPerSecond = goodputPeak(ofPhase(capacityIndex), phases[capacityIndex]?.ms ?? 0);
  const others = phases.map(({ kind }, i) => (kind === 'scenario' ? (bestSeconds(ofPhase(i)) ?? 0) : 0));
  const peakPerSecond = Math.max(capacityPerSecond, ...others);
  const all = sum(seconds);
  const last = seconds.at(-1);
  const report: Report = {
    ...{ scenario: samples.scenario, text: samples.text, cpes: samples.cpes },
    seconds: phases.reduce((total, { ms }) => total + ms, 0) / 1_000,
    ...{ capacityPerSecond, peakPerSecond },
    total: {
      ...countsOf(all),
      lost: all.first + all.retries - all.served - all.shed - all.failed - all.cut,
      done: all.done,
      leftWanting: last?.wanting ?? 0,
    },
    phases: phases
      .map((phase, i) => phaseReport(phase, ofPhase(i), peakPerSecond))
      .filter((_, i) => phases[i]!.kind !== 'pause'),
    classes: CLASS_NAMES.flatMap((name) => classReport(name, during)),
    drains: phases.flatMap((phase) => drainReport(phase, peakPerSecond)),
    memory: memoryOf(during, ofPhase(phases.findIndex(({ name }) => name === samples.contract?.phases[0])), usage),
    ...resourcesOf(during, usage),
    failures: failuresOf(seconds),
    verdicts: [],
    notes: [],
  };
  if (samples.contract !== null) report.verdicts = verdictsOf(samples.contract, report);
  report.notes = notesOf(report, during, usage);
  return report;
}

function countsOf({ first, retries, served, shed, failed, cut }: Counted): Counts {
  return { offered: first + retries, first, retries, served, shed, failed, cut };
}

function percentilesOf(histogram: Histogram): Percentiles {
  return {
    p50Ms: histogram.percentile(0.5),
    p95Ms: histogram.percentile(0.95),
    p99Ms: histogram.percentile(0.99),
  };
}

function phaseReport(phase: PlayedPhase, seconds: readonly Second[], peak: number): PhaseReport {
  const total = sum(seconds);
  const took = phase.ms / 1_000;
  const goodputPerSecond = took > 0 ? total.done / took : 0;
  return {
    ...{ name: phase.name, seconds: took, wantedPerSecond: phase.wantedPerSecond },
    ...countsOf(total),
    offeredPerSecond: took > 0 ? (total.first + total.retries) / took : 0,
    goodputPerSecond,
    goodputOfPeak: peak > 0 ? goodputPerSecond / peak : 0,
    operator: percentilesOf(sum(seconds, 'operator').whole),
  };
}

function drainReport({ name, drain }: PlayedPhase, peak: number): DrainReport[] {
  if (drain === null) return [];
  const backlog = drain.dueMs.reduce((all, [, cpes]) => all + cpes, 0);
  const idealSeconds = idealDrainSeconds(drain.dueMs, peak);
  const seconds = drain.ms === null ? null : drain.ms / 1_000;
  const timesIdeal = seconds === null || idealSeconds === 0 ? null : seconds / idealSeconds;
  const atPeakSeconds = peak > 0 ? backlog / peak : 0;
  return [{ phase: name, backlog, seconds, atPeakSeconds, idealSeconds, timesIdeal }];
}

/** When the last of a backlog is served at `peak` per second, each not before it comes. */
export function idealDrainSeconds(dueMs: readonly (readonly [ms: number, cpes: number])[], peak: number): number {
  if (peak <= 0) return 0;
  let over = 0;
  for (const [ms, cpes] of dueMs.toSorted(([a], [b]) => a - b)) over = Math.max(over, ms / 1_000) + cpes / peak;
  return over;
}

function classReport(name: ClassName, seconds: readonly Second[]): ClassReport[] {
  const total = sum(seconds, name);
  if (total.first + total.retries === 0) return [];
  return [{ name, ...countsOf(total), session: percentilesOf(total.session), whole: percentilesOf(total.whole) }];
}

/** @param loaded the seconds of the phase in which memory shall not grow; none when nobody asks. */
function memoryOf(
  seconds: readonly Second[],
  loaded: readonly Second[],
  usage: ReadonlyMap<number, Usage>,
): Report['memory'] {
  const used = usedIn(seconds, usage).map(([, one]) => one);
  const [start, end] = [used[0], used.at(-1)];
  if (start === undefined || end === undefined || start.anonymousBytes === 0) return null;
  return {
    startBytes: start.anonymousBytes,
    maxBytes: Math.max(...used.map(({ anonymousBytes }) => anonymousBytes)),
    endBytes: end.anonymousBytes,
    rssMaxBytes: Math.max(...used.map(({ rssBytes }) => rssBytes)),
    growth: growthOf(usedIn(loaded, usage).map(([, one]) => one.anonymousBytes)),
  };
}

/**
 * From the mean of the second quarter to the mean of the last: within the first the heap grows to what the load takes, and a single second
 * is anywhere between two collections of garbage. Null for less than four seconds.
 */
function growthOf(bytes: readonly number[]): number | null {
  const quarter = Math.floor(bytes.length / 4);
  if (quarter === 0) return null;
  const mean = (some: readonly number[]): number => some.reduce((a, b) => a + b, 0) / some.length;
  return mean(bytes.slice(-quarter)) / mean(bytes.slice(quarter, 2 * quarter)) - 1;
}

/** Usage by second, each second once, in order. */
function usedIn(seconds: readonly Second[], usage: ReadonlyMap<number, Usage>): [second: number, usage: Usage][] {
  const numbers = [...new Set(seconds.map(({ second }) => second))].sort((a, b) => a - b);
  return numbers.flatMap((second) => {
    const used = usage.get(second);
    return used === undefined ? [] : [[second, used] satisfies [number, Usage]];
  });
}

/** How much of a resource was used, as a share of all there is of it. */
export function shareOf(name: ResourceName, usage: Usage): number {
  switch (name) {
    case 'session thread':
      return usage.sessionThread;
    case 'main thread':
      return usage.mainThread;
    case 'generator':
      return Math.max(0, ...usage.generators);
    case 'machine':
      return usage.machine;
    case 'disk wait':
      return usage.diskWait ?? 0;
  }
}

function resourcesOf(
  seconds: readonly Second[],
  usage: ReadonlyMap<number, Usage>,
): Pick<Report, 'resources' | 'saturatedFirst'> {
  const used = usedIn(seconds, usage);
  const resources = RESOURCES.map((name): ResourceReport => {
    const shares = used.map(([, one]) => shareOf(name, one));
    const isSaturated = (i: number): boolean => (shares[i] ?? 0) >= SATURATED[name];
    const at = shares.findIndex((_, i) => isSaturated(i) && isSaturated(i + 1));
    return {
      name,
      mean: shares.length === 0 ? 0 : shares.reduce((a, b) => a + b, 0) / shares.length,
      max: Math.max(0, ...shares),
      saturatedAt: used[at]?.[0] ?? null,
    };
  });
  const saturated = resources.filter(({ saturatedAt }) => saturatedAt !== null);
  // Of those within a second of each other the one that was used most: a machine is full when its threads are.
  const first = Math.min(...saturated.map(({ saturatedAt }) => saturatedAt!));
  const early = saturated.filter(({ saturatedAt }) => saturatedAt! <= first + 1);
  const saturatedFirst = early.sort((a, b) => b.mean - a.mean)[0]?.name ?? null;
  return { resources, saturatedFirst };
}

function failuresOf(seconds: readonly Second[]): Record<string, number> {
  const failures: Record<string, number> = {};
  for (const second of seconds) {
    for (const [why, count] of Object.entries(second.failures)) failures[why] = (failures[why] ?? 0) + count;
  }
  return failures;
}

function verdictsOf(contract: Contract, report: Report): Verdict[] {
  const loaded = report.phases.filter(({ name }) => contract.phases.includes(name));
  const worst = Math.min(...loaded.map(({ goodputOfPeak }) => goodputOfPeak));
  // A phase in which none was done is as bad as can be.
  const p95s = loaded.map(({ operator }) => operator.p95Ms);
  const p95 = p95s.includes(null) || p95s.length === 0 ? null : Math.max(...p95s.map((ms) => ms ?? 0));
  const drain = report.drains.find(({ phase }) => phase === contract.drainPhase);
  const { memory } = report;
  const growth = memory?.growth ?? null;
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const verdict = (what: string, wanted: string, got: string, met: boolean): Verdict => ({ what, wanted, got, met });
  return [
    verdict('goodput of peak', `≥ ${percent(contract.goodputOfPeak)}`, percent(worst), worst >= contract.goodputOfPeak),
    verdict(
      'operator p95',
      `< ${contract.operatorP95Ms} ms`,
      p95 === null ? 'none was done' : `${p95.toFixed(0)} ms`,
      p95 !== null && p95 < contract.operatorP95Ms,
    ),
    verdict(
      'memory growth',
      `≤ ${percent(contract.memoryGrowth)}`,
      growth === null ? 'unknown' : percent(growth),
      growth !== null && growth <= contract.memoryGrowth,
    ),
    verdict(
      'drain',
      `≤ ${contract.drainTimesIdeal} × ideal`,
      drain?.timesIdeal == null ? 'not drained' : `${drain.timesIdeal.toFixed(1)} × ideal`,
      drain !== undefined && (drain.backlog === 0 || (drain.timesIdeal ?? Infinity) <= contract.drainTimesIdeal),
    ),
  ];
}

/** What a reader must know before believing the numbers. */
function notesOf(report: Report, seconds: readonly Second[], usage: ReadonlyMap<number, Usage>): string[] {
  const notes: string[] = [];
  const starved = seconds.reduce((total, one) => total + one.starved, 0);
  const short = report.phases.filter(
    ({ wantedPerSecond, offeredPerSecond }) => wantedPerSecond !== null && offeredPerSecond < 0.9 * wantedPerSecond,
  );
  for (const { name, wantedPerSecond, offeredPerSecond } of short) {
    notes.push(`${name}: ${Math.round(offeredPerSecond)} of ${Math.round(wantedPerSecond!)} per second were offered.`);
  }
  if (starved > 0) notes.push(`${starved} times no CPE was idle to begin a session: use more of them (--cpes).`);
  const full = seconds.filter((one) => one.full > 0).length;
  if (full > 0) notes.push(`In ${full} s as many connections were open as may be, and CPEs had to wait for one.`);
  const late = seconds.filter(({ lateMs }) => lateMs > LATE_MS).length;
  if (late > 0) notes.push(`In ${late} s a generator was more than ${LATE_MS} ms late: it measures itself there.`);
  const used = usedIn(seconds, usage);
  const others = used.reduce((total, [, one]) => total + one.others, 0) / Math.max(1, used.length);
  if (others > OTHERS_MAX)
    notes.push(`Something else used ${others.toFixed(1)} cores meanwhile: a quiet machine shows more.`);
  const { lost, leftWanting } = report.total;
  if (leftWanting > 0) notes.push(`${leftWanting} CPEs still wanted a session when the run ended.`);
  if (lost !== 0) notes.push(`${lost} attempts have no outcome: a mistake of the generator.`);
  return notes;
}
