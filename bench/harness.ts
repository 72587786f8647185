// How benches measure and report: rows that take turns, rounds, medians, a count of the work done. tinybench takes the samples; each
// sample is a batch of calls, so that neither the timer nor one collection of garbage decides about a call of a few microseconds.

import { Bench } from 'tinybench';

/** What is small where a bench only shows that it runs (`npm test`), what is large where it measures. */
export function size<T>(small: T, large: T): T {
  return process.env['STARLING_BENCH_SIZE'] === 'small' ? small : large;
}

export interface Row {
  name: string;
  /** Does the work once and returns how much that was: what a faster run that does less work is noticed by. */
  run: () => number;
}

/** Work that waits, for the disk say: every call is a sample of its own. */
export interface WaitingRow {
  name: string;
  runAndWait: () => Promise<number>;
}

export interface Measured {
  name: string;
  /** Microseconds per call: median over rounds of the median over batches, and the worst round's 99th percentile. */
  medianUs: number;
  p99Us: number;
  callsPerSecond: number;
  /** Sum of what `run` returned, and the number of calls it took. */
  work: number;
  calls: number;
}

/** Calls in one sample: enough for about this many microseconds. */
const SAMPLE_US = 200;

/**
 * Measures rows side by side: every round runs all of them, so that a busy neighbour slows all of them alike.
 * @param options.timeMs for one row in one round.
 * @throws what a row throws.
 */
export async function measure(
  rows: (Row | WaitingRow)[],
  options: { rounds: number; timeMs: number },
): Promise<Measured[]> {
  const states = rows.map((row) => ({
    row,
    batch: 'run' in row ? batchOf(row) : 1,
    medians: [] as number[],
    p99s: [] as number[],
    work: 0,
    calls: 0,
  }));
  for (let round = 0; round < options.rounds; round++) {
    const bench = new Bench({ time: options.timeMs, warmupTime: options.timeMs / 4, iterations: 3, throws: true });
    for (const state of states) {
      const { row, batch } = state;
      if ('runAndWait' in row) {
        bench.add(row.name, async () => {
          state.work += await row.runAndWait();
          state.calls++;
        });
        continue;
      }
      bench.add(row.name, () => {
        for (let i = 0; i < batch; i++) state.work += row.run();
        state.calls += batch;
      });
    }
    await bench.run();
    for (const [i, task] of bench.tasks.entries()) {
      const { result } = task;
      if (result.state !== 'completed') throw new Error(`${task.name} was not measured: ${result.state}`);
      const state = states[i]!;
      state.medians.push((result.latency.p50 * 1_000) / state.batch);
      state.p99s.push((result.latency.p99 * 1_000) / state.batch);
    }
  }
  return states.map(({ row, medians, p99s, work, calls }) => {
    const medianUs = medianOf(medians);
    return { name: row.name, medianUs, p99Us: Math.max(...p99s), callsPerSecond: 1_000_000 / medianUs, work, calls };
  });
}

function batchOf(row: Row): number {
  row.run();
  const start = performance.now();
  row.run();
  const us = (performance.now() - start) * 1_000;
  return Math.max(1, Math.min(1_000, Math.round(SAMPLE_US / Math.max(us, 0.2))));
}

export function medianOf(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** Values below which these shares of `numbers` lie, the largest for 1, to a tenth. */
export function percentilesOf(numbers: number[], shares: number[]): number[] {
  const sorted = numbers.toSorted((a, b) => a - b);
  return shares.map((share) => {
    const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
    return Number((sorted[at] ?? 0).toFixed(1));
  });
}

/** Prints what was measured, each row with its time in multiples of the first row of its group. */
export function printTable(groups: Measured[][]): void {
  const rows = groups.flatMap((group) =>
    group.map(({ name, medianUs, p99Us, callsPerSecond, work, calls }) => ({
      row: name,
      'median µs': digits(medianUs),
      'p99 µs': digits(p99Us),
      'calls/s': Math.round(callsPerSecond),
      '× first': digits(medianUs / group[0]!.medianUs),
      'work/call': Math.round(work / calls),
      calls,
    })),
  );
  console.table(rows);
}

function digits(value: number): number {
  return Number(value.toPrecision(3));
}
