// What a generator costs: sessions per second of one process against a server that answers fixed bytes, attempts per second against one that
// refuses all with 503 and closes. Says when it, and not the server, would be what a scenario measures.

import { fileURLToPath } from 'node:url';
import { size } from '../../harness.ts';
import { cpuUs } from '../../inform/cpu.ts';
import { Forked } from './processes.ts';
import type { FromGenerator, FromServer, Plan, ToGenerator, ToServer } from './protocol.ts';
import { TR069_RETRY } from './retry-policy.ts';
import type { Phase } from './scenarios.ts';
import type { Served } from './server.ts';
import { type ClassCounts, noCounts } from './tally.ts';

export interface GeneratorRow {
  row: string;
  'attempts/s': number;
  /** CPU of the generator and of the server, user and system. */
  'generator µs/attempt': number;
  'server µs/attempt': number;
  served: number;
  shed: number;
  failed: number;
}

const OPEN = 64;

async function row(
  name: string,
  served: Served,
  seconds: number,
  cpes: number,
  execArgv: string[],
): Promise<GeneratorRow> {
  const server = new Forked<ToServer, FromServer>('server', [served]);
  const { port } = await server.heard('listening');
  const generator = new Forked<ToGenerator, FromGenerator>('generator', [], execArgv);
  const plan: Plan = {
    ...{
      generator: 0,
      generators: 1,
      cpes,
      operatorCpes: 0,
      host: '127.0.0.1',
      port,
      target: { host: 'acs', path: '/' },
    },
    ...{
      retry: TR069_RETRY,
      patience: { connectMs: 5_000, answerMs: 5_000 },
      seed: 1,
      startedAt: Date.now(),
      handsOver: false,
    },
  };
  await generator.ask({ type: 'plan', plan }, 'ready');
  const counts = noCounts();
  let isCounting = false;
  generator.listen((message) => {
    if (message.type !== 'second' || !isCounting) return;
    for (const of of Object.values(message.second.classes)) {
      for (const key of Object.keys(counts) as (keyof ClassCounts)[]) counts[key] += of[key];
    }
  });
  const play = async (index: number, forSeconds: number): Promise<void> => {
    const phase: Phase = {
      name: 'closed',
      seconds: forSeconds,
      streams: [{ arrivals: { pattern: 'closed', open: OPEN }, mix: { periodic: 1 } }],
    };
    generator.send({ type: 'phase', index, phase, capacity: 0, operatorPerSecond: 0, retrySoon: false });
    await Promise.race([
      new Promise((resolve) => setTimeout(resolve, forSeconds * 1_000)),
      generator.gone,
      server.gone,
    ]);
  };
  await play(0, seconds / 3);
  const before = { generator: cpuUs([generator.pid]), server: cpuUs([server.pid]), at: performance.now() };
  isCounting = true;
  await play(1, seconds);
  const [spent, served_] = [cpuUs([generator.pid]) - before.generator, cpuUs([server.pid]) - before.server];
  const took = (performance.now() - before.at) / 1_000;
  await generator.close({ type: 'close' });
  await server.close({ type: 'close' });
  const over = counts.served + counts.shed + counts.failed;
  return {
    row: name,
    'attempts/s': Math.round(over / took),
    'generator µs/attempt': Number((spent / over).toFixed(1)),
    'server µs/attempt': Number((served_ / over).toFixed(1)),
    ...{ served: counts.served, shed: counts.shed, failed: counts.failed },
  };
}

/** Runs both rows. @param execArgv of the generator: `--cpu-prof` shows where its time goes. */
export async function generatorBench(execArgv: string[] = []): Promise<GeneratorRow[]> {
  const seconds = size(0.3, 3);
  return [
    await row('whole sessions, fixed answers', 'floor', seconds, size(200, 20_000), execArgv),
    // Nobody comes twice within this time: each attempt takes a CPE.
    await row('attempts, each 503 and closed', 'refuser', seconds, size(2_000, 80_000), execArgv),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await generatorBench(process.argv.slice(2)));
