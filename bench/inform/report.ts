// From samples to a table and a verdict. Pure.

import type { Sample } from './rounds.ts';
import type { InformRow } from './rows.ts';

export interface RowReport {
  row: string;
  /** Medians over the rounds. */
  cpuUs: number;
  sessionsPerSecond: number;
  informP50Us: number;
  informP99Us: number;
  emptyP50Us: number;
  emptyP99Us: number;
  sessions: number;
  errors: number;
  why: string[];
  /** Greatest anonymous memory of the server after a round, and what its store uses per device; bytes. */
  anonymousBytes: number;
  storeBytesPerDevice: number;
  /** Sessions that the edge counted as quiet; −1 where nobody counts. */
  quiet: number;
  /** Median of the ratios of the rounds, and the least and greatest of them. */
  base: string;
  ratio: number;
  ratioMin: number;
  ratioMax: number;
  goal: number | null;
  guard: number | null;
  /** Who was busy to 90 % of a core: what the rate and the latencies were bound by. */
  bound: 'server' | 'generator' | 'both' | 'neither';
}

const BUSY = 0.9;

/** The turns of a row in one round as one sample. */
export function together(turns: readonly Sample[]): Sample {
  const total = (value: (turn: Sample) => number): number => sum(turns.map(value));
  const sessions = total((turn) => turn.sessions);
  const seconds = total((turn) => turn.seconds);
  const spentUs = total((turn) => turn.spentUs);
  const share = (load: (turn: Sample) => number): number => total((turn) => load(turn) * turn.seconds) / seconds;
  return {
    ...{ seconds, spentUs, sessions, cpuUs: spentUs / sessions, sessionsPerSecond: sessions / seconds },
    errors: total((turn) => turn.errors),
    why: turns.flatMap((turn) => turn.why),
    informUs: turns.flatMap((turn) => turn.informUs),
    emptyUs: turns.flatMap((turn) => turn.emptyUs),
    serverLoad: share((turn) => turn.serverLoad),
    generatorLoad: share((turn) => turn.generatorLoad),
    othersLoad: share((turn) => turn.othersLoad),
    anonymousBytes: Math.max(...turns.map((turn) => turn.anonymousBytes)),
    storeBytesPerDevice: turns[0]!.storeBytesPerDevice,
    quiet: turns.some((turn) => turn.quiet < 0) ? -1 : total((turn) => turn.quiet),
  };
}

/**
 * Leaves out the rounds in which other programs were busiest: they slow what works through much memory most.
 * @param count rounds to keep.
 * @returns the samples of those, in their order, and the cores others used in them (median); NaN of none.
 */
export function calmest(
  samples: ReadonlyMap<string, readonly Sample[]>,
  count: number,
): { samples: Map<string, Sample[]>; othersLoad: number } {
  const rows = [...samples.values()];
  const loads = (rows[0] ?? []).map((_, round) => sum(rows.map((of) => of[round]!.othersLoad)) / rows.length);
  const kept = loads
    .map((_, round) => round)
    .toSorted((a, b) => loads[a]! - loads[b]!)
    .slice(0, count)
    .toSorted((a, b) => a - b);
  const counted = [...samples].map(([name, all]): [string, Sample[]] => [name, kept.map((round) => all[round]!)]);
  return { samples: new Map(counted), othersLoad: median(kept.map((round) => loads[round]!)) };
}

/** One report a row. `samples` holds as many samples of each row, of the same rounds. */
export function reportRows(rows: readonly InformRow[], samples: ReadonlyMap<string, readonly Sample[]>): RowReport[] {
  return rows.map(({ name, base, goal, guard }) => {
    const own = samples.get(name) ?? [];
    const beside = samples.get(base) ?? [];
    const ratios = own.map((sample, round) => sample.cpuUs / (beside[round]?.cpuUs ?? Number.NaN));
    const of = (value: (sample: Sample) => number): number => median(own.map(value));
    const server = of((sample) => sample.serverLoad) >= BUSY;
    const generator = of((sample) => sample.generatorLoad) >= BUSY;
    return {
      row: name,
      cpuUs: of((sample) => sample.cpuUs),
      sessionsPerSecond: of((sample) => sample.sessionsPerSecond),
      informP50Us: of((sample) => quantile(sample.informUs, 0.5)),
      informP99Us: of((sample) => quantile(sample.informUs, 0.99)),
      emptyP50Us: of((sample) => quantile(sample.emptyUs, 0.5)),
      emptyP99Us: of((sample) => quantile(sample.emptyUs, 0.99)),
      sessions: sum(own.map((sample) => sample.sessions)),
      errors: sum(own.map((sample) => sample.errors)),
      why: own.flatMap((sample) => sample.why).slice(0, 3),
      anonymousBytes: Math.max(...own.map((sample) => sample.anonymousBytes)),
      storeBytesPerDevice: of((sample) => sample.storeBytesPerDevice),
      quiet: own.some((sample) => sample.quiet < 0) ? -1 : sum(own.map((sample) => sample.quiet)),
      base,
      ratio: median(ratios),
      ratioMin: Math.min(...ratios),
      ratioMax: Math.max(...ratios),
      goal: goal ?? null,
      guard: guard ?? null,
      bound: server && generator ? 'both' : server ? 'server' : generator ? 'generator' : 'neither',
    };
  });
}

/** What is wrong with a run, one sentence each: a guard that was passed, sessions that failed. Empty: nothing. */
export function complaints(reports: readonly RowReport[]): string[] {
  const wrong: string[] = [];
  for (const { row, base, ratio, guard, errors, why } of reports) {
    if (guard !== null && !(ratio <= guard)) {
      wrong.push(`${row}: ${ratio.toFixed(2)} × ${base}, and the guard is ${guard} ×`);
    }
    if (errors > 0) wrong.push(`${row}: ${errors} sessions failed, e.g. ${why[0]}`);
  }
  return wrong;
}

/** Rows for console.table. */
export function tableOf(reports: readonly RowReport[]): object[] {
  return reports.map((r) => ({
    row: r.row,
    'CPU µs/session': round1(r.cpuUs),
    'sessions/s': Math.round(r.sessionsPerSecond),
    ratio: Number(r.ratio.toFixed(2)),
    spread: `${r.ratioMin.toFixed(2)}–${r.ratioMax.toFixed(2)}`,
    of: r.base,
    goal: r.goal === null ? '' : `≤ ${r.goal}${r.ratio <= r.goal ? '' : '  NOT MET'}`,
    'Inform p50/p99 µs': `${Math.round(r.informP50Us)}/${Math.round(r.informP99Us)}`,
    'empty p50/p99 µs': `${Math.round(r.emptyP50Us)}/${Math.round(r.emptyP99Us)}`,
    sessions: r.sessions,
    quiet: r.quiet < 0 ? '' : r.quiet,
    errors: r.errors,
    'RSS anon MB': Math.round(r.anonymousBytes / 1e6),
    'store B/device': r.storeBytesPerDevice === 0 ? '' : Math.round(r.storeBytesPerDevice),
    'bound by': r.bound,
  }));
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The smallest number that `share` of them do not exceed; NaN of none. */
export function quantile(numbers: readonly number[], share: number): number {
  if (numbers.length === 0) return Number.NaN;
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function round1(value: number): number {
  return Number(value.toFixed(1));
}
