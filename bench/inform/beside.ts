// What big documents do to the CPEs beside them: quiet sessions at a steady rate, alone and while a hundred CPEs at once answer a
// GetParameterValues with 5,000 parameters, a megabyte each. Compared are the latencies of the quiet ones.

import { setPriority } from 'node:os';
import { Child } from './child.ts';
import { BIG_VALUES } from './cpe.ts';
import type { Load, LoadResult } from './load.ts';
import { median, quantile } from './report.ts';
import { type Generator, startServer } from './rounds.ts';

export interface BesideReport {
  parameters: number;
  inFlight: number;
  quietPerSecond: number;
  /** Medians over the rounds, in milliseconds. */
  aloneP99Ms: number;
  besideP99Ms: number;
  /** Median of the ratios of the rounds, the least and the greatest. */
  ratio: number;
  ratioMin: number;
  ratioMax: number;
  /** Big documents answered, and sessions that failed, of either kind. */
  documents: number;
  errors: number;
  why: string[];
}

/** Times the p99 of quiet POSTs may be of what it is alone. */
const GOAL = 2;

export interface BesideOptions {
  rounds: number;
  seconds: number;
  inFlight: number;
  quietPerSecond: number;
  devices: number;
  progress: (what: string) => void;
}

/** Runs the rounds, each without and with the big documents. */
export async function measureBeside(options: BesideOptions): Promise<BesideReport> {
  const { rounds, seconds, inFlight, quietPerSecond, devices, progress } = options;
  const { server, target } = await startServer({ kind: 'edge', devices: devices * 2 });
  const quietOnes: Generator = new Child('inform/generator', []);
  const bigOnes: Generator = new Child('inform/generator', []);
  // The sender of megabytes must not take the time from the one that measures.
  setPriority(bigOnes.pid, 15);
  const common = { host: target.host, port: target.port, tls: false, auth: 'none', keepAlive: false, seconds } as const;
  const quiet = (seed: number): Load => ({
    ...common,
    ...{ traffic: 'quiet', devices, seed, atOnce: 1, ratePerSecond: quietPerSecond },
  });
  const ask = async (generator: Generator, load: Load): Promise<LoadResult> =>
    (await generator.ask({ type: 'run', load }, 'ran')).result;
  const alone: number[] = [];
  const beside: number[] = [];
  const done = { documents: 0, errors: 0, why: [] as string[] };
  const note = ({ errors, why }: LoadResult): void => {
    done.errors += errors;
    done.why.push(...why);
  };
  try {
    for (let round = -1; round < rounds; round++) {
      progress(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}: quiet alone`);
      const first = await ask(quietOnes, quiet(round + 1));
      progress(`round ${round + 1} of ${rounds}: beside big documents`);
      // Devices of the second half read; each has work for as many sessions as it can have in this time.
      const readers = Array.from({ length: devices }, (_, i) => devices + i);
      await target.work(readers, 'get');
      const big = ask(bigOnes, {
        ...common,
        ...{ traffic: 'big', first: devices, devices, seed: 0, step: 1, atOnce: inFlight, sessions: devices },
      });
      const second = await ask(quietOnes, quiet(round + 1));
      const read = await big;
      for (const result of [first, second, read]) note(result);
      if (round < 0) continue;
      alone.push(quantile([...first.informUs, ...first.emptyUs], 0.99) / 1_000);
      beside.push(quantile([...second.informUs, ...second.emptyUs], 0.99) / 1_000);
      done.documents += read.rpcs;
    }
  } finally {
    await server.close();
    await quietOnes.close();
    await bigOnes.close();
  }
  const ratios = beside.map((ms, round) => ms / alone[round]!);
  return {
    ...{ parameters: BIG_VALUES, inFlight, quietPerSecond },
    ...{ aloneP99Ms: median(alone), besideP99Ms: median(beside) },
    ...{ ratio: median(ratios), ratioMin: Math.min(...ratios), ratioMax: Math.max(...ratios) },
    ...done,
    why: done.why.slice(0, 3),
  };
}

/** Its row for console.table. */
export function besideRow(report: BesideReport): Record<string, unknown> {
  const { parameters, inFlight, quietPerSecond, aloneP99Ms, besideP99Ms, ratio, ratioMin, ratioMax } = report;
  return {
    parameters,
    'in flight': inFlight,
    'quiet/s': quietPerSecond,
    'p99 alone ms': aloneP99Ms.toFixed(1),
    'p99 beside ms': besideP99Ms.toFixed(1),
    ratio: ratio.toFixed(2),
    spread: `${ratioMin.toFixed(2)}–${ratioMax.toFixed(2)}`,
    goal: ratio > GOAL ? `≤ ${GOAL}  NOT MET` : `≤ ${GOAL}`,
    documents: report.documents,
    errors: report.errors,
  };
}
