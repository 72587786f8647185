// How many facts control takes into PostgreSQL in a second: Ingest.handle as the bus calls it, batch after batch, on a private cluster with the
// durability PostgreSQL ships with. Questions: what does each kind of fact cost, what a mix as a fleet tells it, and how much more comes of
// four edges at once than of one? Not asked: the bus (its bench is its own), the edge, and the first filling with devices, which is left out.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Counter, Registry } from 'prom-client';
import { systemClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { silentLog } from '../base/log.ts';
import { SecretBox } from '../base/secret-box.ts';
import { factMessageId, MESSAGE_VERSION } from '../bus/messages.ts';
import { factsOf } from '../bus/subjects.ts';
import type { BusMessage } from '../bus/transport.ts';
import type { ControlContext } from '../control/context.ts';
import { Ingest } from '../control/ingest/ingest.ts';
import { LiveEvents } from '../control/live-events.ts';
import { controlMetrics } from '../control/metrics.ts';
import { ProfileBook } from '../control/registry/profile-book.ts';
import { startEmbeddedPostgres } from '../control/store/embedded-postgres.ts';
import { newMember } from '../control/store/leases.ts';
import { migrate } from '../control/store/migrate.ts';
import { openDatabase } from '../control/store/postgres.ts';
import { loadProfiles } from '../profiles/load.ts';
import { FACT_ROWS, inform, type Make, RECORD_FACTS } from './facts.ts';
import { size } from './harness.ts';

export interface IngestBenchSize {
  devices: number;
  /** Facts of one row, in batches as the relay makes them. */
  facts: number;
  rounds: number;
}

export interface IngestRow {
  row: string;
  edges: number;
  facts: number;
  'facts/s': number;
  'batch p50 ms': number;
  'batch p99 ms': number;
}

const POP = 'bench';

/** What control counted over all rows: that the work was done, and done once. */
export interface Taken {
  facts: number;
  duplicates: number;
  parked: number;
}

/** Runs every row for one edge and for four. */
export async function ingestBench(options: IngestBenchSize): Promise<{ rows: IngestRow[]; taken: Taken }> {
  const dir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const cluster = await startEmbeddedPostgres(dir, silentLog);
  const sql = await openDatabase(cluster.url);
  try {
    await migrate(sql);
    const live = new LiveEvents(sql, silentLog);
    const metrics = controlMetrics(new Registry(), async () => new Map());
    const context: ControlContext = {
      member: newMember(),
      sql,
      box: new SecretBox(new Uint8Array(32)),
      book: new ProfileBook(loadProfiles()),
      clock: systemClock,
      log: silentLog,
      live,
      metrics,
    };
    const ingest = new Ingest(context, {
      manageConnectionRequest: false,
      handOver: async () => {},
      greet: () => {},
      taken: () => {},
      tellMarks: () => {},
      sharesFiles: true,
      sharesWork: false,
      leases: null,
    });
    const edges = Array.from({ length: 4 }, (_, i) => new BenchEdge(`edge${i}`, i, options.devices));
    for (const edge of edges)
      for (const batch of edge.batches(inform, options.devices / 4)) await ingest.handle(edge.subject, batch);
    const rows: IngestRow[] = [];
    for (const [row, make] of FACT_ROWS) {
      for (const count of [1, 4]) {
        const times: number[] = [];
        let best = 0;
        let facts = 0;
        for (let round = 0; round < options.rounds; round++) {
          const work = edges
            .slice(0, count)
            .map((edge) => ({ edge, batches: edge.batches(make, options.facts / count) }));
          const startedAt = performance.now();
          await Promise.all(
            work.map(async ({ edge, batches }) => {
              for (const batch of batches) {
                const began = performance.now();
                await ingest.handle(edge.subject, batch);
                times.push(performance.now() - began);
              }
            }),
          );
          best = Math.max(best, options.facts / ((performance.now() - startedAt) / 1_000));
          facts += options.facts;
        }
        times.sort((a, b) => a - b);
        const at = (part: number): number => Number((times[Math.floor(times.length * part)] ?? 0).toFixed(1));
        rows.push({
          row,
          edges: count,
          facts,
          'facts/s': Math.round(best),
          'batch p50 ms': at(0.5),
          'batch p99 ms': at(0.99),
        });
      }
    }
    const sum = async (counter: Counter<string>): Promise<number> =>
      (await counter.get()).values.reduce((total, { value: count }) => total + count, 0);
    const taken = {
      facts: await sum(metrics.facts),
      duplicates: await sum(metrics.duplicates),
      parked: await sum(metrics.parked),
    };
    return { rows, taken };
  } finally {
    await sql.end();
    await cluster.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The outbox of one edge: facts of its own quarter of the devices, numbered as threads number them. */
class BenchEdge {
  readonly subject: string;
  readonly #edgeId: string;
  readonly #first: number;
  readonly #devices: number;
  #sequence = 0;
  #turn = 0;
  #messages = 0;

  constructor(edgeId: string, quarter: number, devices: number) {
    this.#edgeId = edgeId;
    this.subject = factsOf(POP, edgeId);
    this.#devices = devices / 4;
    this.#first = quarter * this.#devices;
  }

  /** Made before the clock runs. */
  batches(make: Make, facts: number): BusMessage[][] {
    const batches: BusMessage[][] = [];
    for (let left = facts; left > 0; left -= LIMITS.relayBatchFacts) {
      const batch: BusMessage[] = [];
      for (let n = Math.min(left, LIMITS.relayBatchFacts); n > 0; n -= RECORD_FACTS)
        batch.push(this.#message(make, Math.min(n, RECORD_FACTS)));
      batches.push(batch);
    }
    return batches;
  }

  #message(make: Make, count: number): BusMessage {
    const lane = ++this.#messages % 2;
    const facts = Array.from({ length: count }, () => {
      const turn = ++this.#turn;
      const place = { edgeId: this.#edgeId, pop: POP, lane, sequence: ++this.#sequence };
      return { v: MESSAGE_VERSION, ...place, at: Date.now(), ...make(this.#first + (turn % this.#devices), turn) };
    });
    return { id: factMessageId(facts[0]!), payload: JSON.stringify(facts) };
  }
}

/** Runs the bench at its size and prints it. */
export async function printIngestBench(): Promise<void> {
  const { rows, taken } = await ingestBench({
    devices: size(400, 20_000),
    facts: size(400, 20_000),
    rounds: size(1, 3),
  });
  console.table(rows);
  console.log(taken);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printIngestBench();
