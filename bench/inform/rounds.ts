// Runs rows in alternating rounds: every round runs each row some times for a moment, one row after the other, so that a busy neighbour
// slows all of them alike, and a row is compared with its base within the round.

import { Child } from './child.ts';
import { cpuUs, machineCpuUs, memoryOf } from './cpu.ts';
import type { FromGenerator, ToGenerator } from './generator.ts';
import type { Load, LoadResult } from './load.ts';
import { together } from './report.ts';
import type { InformRow } from './rows.ts';
import type { FromServer, ServerOptions, ToServer } from './server.ts';

/** One row in one round, or in a turn of it. */
export interface Sample {
  seconds: number;
  /** CPU of the server, all its threads, and of that per session; in microseconds. */
  spentUs: number;
  cpuUs: number;
  sessionsPerSecond: number;
  sessions: number;
  errors: number;
  why: string[];
  informUs: number[];
  emptyUs: number[];
  /** Share of one core that server and generator used: near 1, that one was what bound the rate. */
  serverLoad: number;
  generatorLoad: number;
  /** Cores that were busy with anything else. */
  othersLoad: number;
  /** Memory of the server that is neither file nor shared, after the round, in bytes. */
  anonymousBytes: number;
  /** What its store uses, per device; 0 for what has none. */
  storeBytesPerDevice: number;
  /** Sessions the edge itself counted as quiet; −1 for what is no edge. */
  quiet: number;
}

export interface RoundsOptions {
  rounds: number;
  seconds: number;
  atOnce: number;
  /** Told what is being done, for whoever waits. */
  progress: (what: string) => void;
}

/** A server that loads are sent to. */
export interface Target {
  host: string;
  port: number;
  pids: number[];
  devices: number;
  storeBytesPerDevice: number;
  quietSessions(): Promise<number>;
  /** Gives these devices something to do: a value to set, or a large object to read. */
  work(devices: number[], what: 'set' | 'get'): Promise<void>;
}

export type Generator = Child<ToGenerator, FromGenerator>;
export type Server = Child<ToServer, FromServer>;

/** A server compiles what it runs often: that was up to a third of what a value change cost in its first two seconds. */
const WARM_SECONDS = 2;
const WARM_TRIES = 5;
/** What a row gets of its time in a round before the next row has its turn: neighbours come and go within a second. */
const TURN_SECONDS = 0.125;
/** Sessions of a round whose ACS has an action for each: they are handed over before the clock runs. */
const ACTIONS = 1_500;

/** A row and the server its load is sent to. */
export interface Measured {
  row: Pick<InformRow, 'name' | 'load'>;
  target: Target;
}

/** Starts the servers of `rows`, measures them, closes them. Returns the samples of each row, a sample a round. */
export async function measureRows(rows: readonly InformRow[], options: RoundsOptions): Promise<Map<string, Sample[]>> {
  const servers = new Map<string, { server: Server; target: Target }>();
  try {
    // At once: filling a store with a million devices takes a minute.
    const wanted = new Map(rows.map(({ server }) => [JSON.stringify(server), server]));
    options.progress(`starting ${[...wanted.values()].map(describe).join(', ')}`);
    await Promise.all([...wanted].map(async ([key, server]) => servers.set(key, await startServer(server))));
    const all = rows.map((row) => ({ row, target: servers.get(JSON.stringify(row.server))!.target }));
    return await measureRounds(all, options);
  } finally {
    for (const { server } of servers.values()) await server.close();
  }
}

/** Warms each row up and runs the rounds. Returns the samples of each row, a sample a round. */
export async function measureRounds(
  all: readonly Measured[],
  { rounds, seconds, atOnce, progress }: RoundsOptions,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(all.map(({ row }) => [row.name, []]));
  const generator: Generator = new Child('inform/generator', []);
  try {
    for (const one of all) {
      progress(`warming up: ${one.row.name}`);
      const warm = { seconds: Math.max(seconds, Math.min(4 * seconds, WARM_SECONDS)), atOnce };
      // An edge that starts cold under load turns CPEs away for some seconds.
      let errors = 1;
      for (let tries = 0; tries < WARM_TRIES && errors > 0; tries++) {
        ({ errors } = await measureOnce(generator, one, warm, 0));
      }
    }
    const turns = Math.max(1, Math.round(seconds / TURN_SECONDS));
    for (let round = 0; round < rounds; round++) {
      const parts = new Map<string, Sample[]>(all.map(({ row }) => [row.name, []]));
      for (let turn = 0; turn < turns; turn++) {
        for (const one of all) {
          // Those end after a number of sessions, which are too few to be parted.
          if (one.row.load.traffic === 'action' && turn > 0) continue;
          progress(`round ${round + 1} of ${rounds}: ${one.row.name}`);
          const sample = await measureOnce(
            generator,
            one,
            { seconds: seconds / turns, atOnce },
            round * turns + turn + 1,
          );
          parts.get(one.row.name)!.push(sample);
        }
      }
      for (const [name, of] of parts) samples.get(name)!.push(together(of));
    }
    return samples;
  } finally {
    await generator.close();
  }
}

function describe({ kind, devices = 0, parameters = 12, auth = 'none', tls = false }: ServerOptions): string {
  if (kind === 'floor') return `the floor${tls ? ' with TLS' : ''}`;
  return `an edge with ${devices} devices of ${parameters} parameters, auth ${auth}${tls ? ', TLS' : ''}`;
}

/** Forks a server and waits until it listens. */
export async function startServer(options: ServerOptions): Promise<{ server: Server; target: Target }> {
  const server: Server = new Child('inform/server', [JSON.stringify(options)]);
  const { port, storeBytes } = await server.heard('listening');
  const target: Target = {
    host: '127.0.0.1',
    port,
    pids: [server.pid],
    devices: options.devices ?? 10_000,
    storeBytesPerDevice: storeBytes / (options.devices ?? 1),
    async quietSessions() {
      if (options.kind === 'floor') return -1;
      return (await server.ask({ type: 'stats' }, 'stats')).counters['starling_sessions_quiet_total'] ?? 0;
    },
    async work(devices, what) {
      await server.ask({ type: 'work', devices, what }, 'worked');
    },
  };
  return { server, target };
}

/**
 * One row once.
 * @param time of one run, 0 when the row is warmed up: each takes another part of the fleet.
 */
async function measureOnce(
  generator: Generator,
  { row, target }: Measured,
  { seconds, atOnce }: Pick<RoundsOptions, 'seconds' | 'atOnce'>,
  time: number,
): Promise<Sample> {
  const { host, port, devices, pids } = target;
  const load: Load = {
    ...{ host, port, tls: false, auth: 'none', traffic: 'quiet', keepAlive: false, devices, atOnce, seconds },
    // With an action for each, never a device twice.
    ...{ seed: time * 104_729 },
    ...row.load,
  };
  if (load.traffic === 'action') {
    load.sessions = Math.min(ACTIONS, Math.floor(devices / 4));
    const first = load.seed;
    const chosen = Array.from({ length: load.sessions }, (_, i) => (first + i * 7_919) % devices);
    await target.work(chosen, 'set');
  }
  const quietBefore = await target.quietSessions();
  const generatorBefore = cpuUs([generator.pid]);
  const before = cpuUs(pids);
  const machineBefore = machineCpuUs();
  const result: LoadResult = (await generator.ask({ type: 'run', load }, 'ran')).result;
  const spent = cpuUs(pids) - before;
  const machine = machineCpuUs() - machineBefore;
  const generated = cpuUs([generator.pid]) - generatorBefore;
  const quietAfter = await target.quietSessions();
  return {
    seconds: result.seconds,
    spentUs: spent,
    cpuUs: spent / result.sessions,
    sessionsPerSecond: result.sessions / result.seconds,
    sessions: result.sessions,
    errors: result.errors,
    why: result.why,
    informUs: result.informUs,
    emptyUs: result.emptyUs,
    serverLoad: spent / 1e6 / result.seconds,
    generatorLoad: generated / 1e6 / result.seconds,
    othersLoad: (machine - spent - generated) / 1e6 / result.seconds,
    anonymousBytes: pids.reduce((sum, pid) => sum + memoryOf(pid).anonymousBytes, 0),
    storeBytesPerDevice: target.storeBytesPerDevice,
    quiet: quietBefore < 0 ? -1 : quietAfter - quietBefore,
  };
}
