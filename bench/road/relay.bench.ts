// How many facts a second go over the road: from the outbox of an edge over leaf and hub to control, which reads them, or takes them into
// PostgreSQL. Questions: what does each kind of fact reach, what do small records cost, and where does the CPU go, as all of it is on one
// machine here? Not asked: the sessions that make facts (their bench is its own), and a line between leaf and hub.

import { fileURLToPath } from 'node:url';
import { RECORD_FACTS } from '../facts.ts';
import { medianOf, size } from '../harness.ts';
import type { ControlOptions, Taken } from './control-main.ts';
import { type Drained, PARTS, Road } from './road.ts';

export interface RelayBenchSize {
  devices: number;
  /** Of one round. */
  facts: number;
  rounds: number;
}

interface Wanted {
  row: string;
  recordFacts: number;
}

const ROWS: Record<ControlOptions['facts'], Wanted[]> = {
  read: [
    { row: 'inform, 2 values changed', recordFacts: RECORD_FACTS },
    { row: 'inform, 2 values changed', recordFacts: 1 },
    { row: 'session', recordFacts: RECORD_FACTS },
    { row: 'mix', recordFacts: RECORD_FACTS },
  ],
  stored: [
    { row: 'inform, 2 values changed', recordFacts: RECORD_FACTS },
    { row: 'mix', recordFacts: RECORD_FACTS },
  ],
};

/** One row for each kind of fact; CPU is that of each part per fact, in microseconds. */
export async function relayBench(
  to: ControlOptions['facts'],
  edges: number,
  { devices, facts, rounds }: RelayBenchSize,
): Promise<{ rows: Record<string, string | number>[]; taken: Taken }> {
  const road = await Road.open({ edges, facts: to });
  try {
    // Every device once, so that none is new to a row; the road and its processes are warm then.
    await road.fill({ row: 'inform, 2 values changed', facts: devices, devices, recordFacts: RECORD_FACTS });
    await road.drain();
    const rows: Record<string, string | number>[] = [];
    for (const { row, recordFacts } of ROWS[to]) {
      const drained: Drained[] = [];
      for (let round = 0; round < rounds; round++) {
        await road.fill({ row, facts, devices, recordFacts });
        drained.push(await road.drain());
      }
      const rates = drained.map(({ facts: count, seconds }) => count / seconds);
      const cpu = PARTS.map((part) => [
        `${part} µs`,
        Number(medianOf(drained.map(({ cpuUs, facts: count }) => cpuUs[part] / count)).toPrecision(2)),
      ]);
      rows.push({
        ...{ row, 'in a record': recordFacts, edges, facts: facts * rounds },
        'facts/s': Math.round(medianOf(rates)),
        'slowest, fastest': `${Math.round(Math.min(...rates))}–${Math.round(Math.max(...rates))}`,
        ...Object.fromEntries(cpu),
      });
    }
    return { rows, taken: await road.taken() };
  } finally {
    await road.close();
  }
}

/** Runs the bench at its size and prints it. */
export async function printRelayBench(): Promise<void> {
  const rounds = size(1, 5);
  for (const [to, edges, facts] of [
    ['read', 1, size(1_000, 100_000)],
    ['stored', 1, size(1_000, 40_000)],
    ['stored', 4, size(1_000, 40_000)],
  ] as const) {
    const { rows, taken } = await relayBench(to, edges, { devices: size(400, 20_000), facts, rounds });
    console.log(to === 'read' ? 'Outbox to control, which reads facts' : 'Outbox to PostgreSQL');
    console.table(rows);
    console.log(taken);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printRelayBench();
