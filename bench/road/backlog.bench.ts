// A day's backlog: an edge whose centre was away drains its outbox into PostgreSQL. Question: does anything grow while it does? Memory is
// that of each process that is its own; rows are taken at parts of the backlog, the first as it begins. Not asked: how fast it could go.

import { fileURLToPath } from 'node:url';
import { RECORD_FACTS } from '../facts.ts';
import { size } from '../harness.ts';
import type { Taken } from './control-main.ts';
import { PARTS, type Part, Road } from './road.ts';

export interface BacklogBenchSize {
  devices: number;
  facts: number;
  /** Rows of the table, beside the first. */
  looks: number;
}

export interface Look {
  /** Facts taken by then, and seconds since the start. */
  facts: number;
  seconds: number;
  memory: Record<Part, number>;
}

/** How often memory is looked at; a row has the most of its part. */
const LOOK_MS = 200;

export async function backlogBench({
  devices,
  facts,
  looks,
}: BacklogBenchSize): Promise<{ table: Look[]; waited: number; taken: Taken }> {
  const road = await Road.open({ edges: 1, facts: 'stored' });
  try {
    await road.fill({ row: 'inform, 2 values changed', facts: devices, devices, recordFacts: RECORD_FACTS });
    await road.drain();
    const waited = await road.fill({ row: 'mix', facts, devices, recordFacts: RECORD_FACTS });
    const table: Look[] = [{ facts: 0, seconds: 0, memory: road.memory() }];
    const startedAt = performance.now();
    let lookedAt = startedAt;
    let most = table[0]!.memory;
    await road.drain((done) => {
      const isDue = done >= (waited * table.length) / looks;
      const now = performance.now();
      if (!isDue && now - lookedAt < LOOK_MS) return;
      lookedAt = now;
      const memory = road.memory();
      most = larger(most, memory);
      if (!isDue) return;
      table.push({ facts: done, seconds: (now - startedAt) / 1_000, memory: most });
      most = memory;
    });
    return { table, waited, taken: await road.taken() };
  } finally {
    await road.close();
  }
}

function larger(a: Record<Part, number>, b: Record<Part, number>): Record<Part, number> {
  return Object.fromEntries(PARTS.map((part) => [part, Math.max(a[part], b[part])])) as Record<Part, number>;
}

/** Runs the bench at its size and prints it. */
export async function printBacklogBench(): Promise<void> {
  const { table, taken } = await backlogBench({
    devices: size(400, 20_000),
    facts: size(2_000, 1_000_000),
    looks: size(4, 10),
  });
  console.table(
    table.map(({ facts, seconds, memory }) => ({
      facts,
      seconds: Math.round(seconds),
      ...Object.fromEntries(PARTS.map((part) => [`${part} MB`, Math.round(memory[part] / 1_000_000)])),
    })),
  );
  console.log(taken);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printBacklogBench();
