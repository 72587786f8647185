// What an Inform with news waits for the disk: sessions with a value change at a steady rate, and quiet ones at the same rate on the same
// edge, by turns. Both are timed from when they were due, so what is late for either is in both, and what one has beyond the other is the
// commit window, the commit and its flush. The rate keeps neither side busy.

import { Child } from './child.ts';
import type { Load, LoadResult } from './load.ts';
import { median, quantile } from './report.ts';
import { type Generator, startServer } from './rounds.ts';

export interface GroupCommitReport {
  perSecond: number;
  /** Of the POST of the Inform, medians over the rounds, in milliseconds. */
  quietP50Ms: number;
  quietP99Ms: number;
  changeP50Ms: number;
  changeP99Ms: number;
  /** Median of what the rounds had more at the 99th percentile, the least and the greatest. */
  addedMs: number;
  addedMinMs: number;
  addedMaxMs: number;
  goalMs: number;
  /** Sessions done in the rounds, and how many of all the edge counted as quiet. */
  quietSessions: number;
  changeSessions: number;
  countedQuiet: number;
  errors: number;
  why: string[];
}

export interface GroupCommitOptions {
  rounds: number;
  seconds: number;
  perSecond: number;
  progress: (what: string) => void;
}

const GOAL_MS = 15;

/** Runs the rounds, each with quiet sessions and with changes. */
export async function measureGroupCommit(options: GroupCommitOptions): Promise<GroupCommitReport> {
  const { rounds, seconds, perSecond, progress } = options;
  // The two kinds have a fleet each: what one of the changing ones tells is news the next time as well.
  const devices = Math.ceil(perSecond * seconds);
  const { server, target } = await startServer({ kind: 'edge', devices: devices * 2 });
  const generator: Generator = new Child('inform/generator', []);
  const run = async (traffic: 'quiet' | 'change', seed: number): Promise<LoadResult> => {
    const { host, port } = target;
    const load: Load = {
      ...{ host, port, tls: false, auth: 'none', keepAlive: false, traffic, seconds },
      ...{ first: traffic === 'quiet' ? 0 : devices, devices, seed, step: 1, atOnce: 1, ratePerSecond: perSecond },
    };
    return (await generator.ask({ type: 'run', load }, 'ran')).result;
  };
  const done: { quiet: LoadResult; change: LoadResult }[] = [];
  let countedQuiet = 0;
  try {
    for (let round = -1; round < rounds; round++) {
      progress(`${round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`}: quiet sessions and changes by turns`);
      const before = await target.quietSessions();
      const quiet = await run('quiet', round + 1);
      const change = await run('change', round + 1);
      if (round < 0) continue;
      done.push({ quiet, change });
      countedQuiet += (await target.quietSessions()) - before;
    }
  } finally {
    await server.close();
    await generator.close();
  }
  const ms = ({ dueUs }: LoadResult, share: number): number => quantile(dueUs, share) / 1_000;
  const added = done.map(({ quiet, change }) => ms(change, 0.99) - ms(quiet, 0.99));
  const all = done.flatMap(({ quiet, change }) => [quiet, change]);
  return {
    perSecond,
    quietP50Ms: median(done.map(({ quiet }) => ms(quiet, 0.5))),
    quietP99Ms: median(done.map(({ quiet }) => ms(quiet, 0.99))),
    changeP50Ms: median(done.map(({ change }) => ms(change, 0.5))),
    changeP99Ms: median(done.map(({ change }) => ms(change, 0.99))),
    ...{ addedMs: median(added), addedMinMs: Math.min(...added), addedMaxMs: Math.max(...added), goalMs: GOAL_MS },
    quietSessions: done.reduce((sum, { quiet }) => sum + quiet.sessions, 0),
    changeSessions: done.reduce((sum, { change }) => sum + change.sessions, 0),
    countedQuiet,
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
    why: all.flatMap(({ why }) => why).slice(0, 3),
  };
}

/** Its row for console.table. */
export function groupCommitTable(r: GroupCommitReport): object[] {
  const ms = (value: number): string => value.toFixed(1);
  return [
    {
      'sessions/s': r.perSecond,
      'quiet p50/p99 ms': `${ms(r.quietP50Ms)}/${ms(r.quietP99Ms)}`,
      'change p50/p99 ms': `${ms(r.changeP50Ms)}/${ms(r.changeP99Ms)}`,
      'p99 added ms': Number(ms(r.addedMs)),
      spread: `${ms(r.addedMinMs)}–${ms(r.addedMaxMs)}`,
      goal: `≤ ${r.goalMs}${r.addedMs <= r.goalMs ? '' : '  NOT MET'}`,
      quiet: r.quietSessions,
      changes: r.changeSessions,
      'counted quiet': r.countedQuiet,
      errors: r.errors,
    },
  ];
}
