// What a quiet device costs on the line between leaf and hub for each of its Informs, in small and large POPs, and what the line costs when
// nothing is to be told at all. Bytes are counted on the line itself: batches, their answers from the stream, what control asks and
// acknowledges does not cross it. The interval is simulated: a batch is sent when the one before it is through.

import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { size } from '../harness.ts';
import type { Contacts } from './edge.ts';
import { between, CountingLine, type LineCount, totalOf } from './line.ts';
import { Road } from './road.ts';

export interface WanBenchSize {
  fleets: Contacts[];
  /** How long nothing is told. */
  idleMs: number;
}

export interface WanRow {
  contacts: Contacts;
  batches: number;
  count: LineCount;
}

export interface Wan {
  rows: WanRow[];
  /** What opening the line took, and a while without anything to tell. */
  opened: LineCount;
  idle: LineCount;
  taken: { facts: number; repeated: number; parked: number };
}

export async function wanBench({ fleets, idleMs }: WanBenchSize): Promise<Wan> {
  let line: CountingLine | null = null;
  const road = await Road.open({
    edges: 1,
    facts: 'read',
    line: async (hubPort) => {
      line = await CountingLine.open(hubPort);
      return line.port;
    },
  });
  const counted = line! as CountingLine;
  try {
    // A hello alone: the relay runs, and takes decisions.
    await road.fill({ row: 'session', facts: 0, devices: 1, recordFacts: 1 });
    await road.drain();
    const opened = counted.count();
    const measured = async (what: () => Promise<unknown>): Promise<LineCount> => {
      const before = counted.count();
      await what();
      return between(before, counted.count());
    };
    const idle = await measured(() => setTimeout(idleMs));
    const rows: WanRow[] = [];
    for (const contacts of fleets) {
      let batches = 0;
      const count = await measured(async () => {
        batches = await road.tell(contacts);
      });
      rows.push({ contacts, batches, count });
    }
    return { rows, opened, idle, taken: await road.taken() };
  } finally {
    await road.close();
    counted.close();
  }
}

const FLEETS: Contacts[] = [
  ...[1_000, 10_000, 100_000].flatMap((devices) => [
    { devices, intervalSeconds: 300, threads: 1, intervals: 1 },
    { devices, intervalSeconds: 900, threads: 1, intervals: 1 },
  ]),
  { devices: 1_000, intervalSeconds: 900, threads: 2, intervals: 1 },
  { devices: 10_000, intervalSeconds: 900, threads: 4, intervals: 1 },
];

/** Runs the bench at its size and prints it. */
export async function printWanBench(): Promise<void> {
  const idleMs = size(1_000, 180_000);
  const { rows, opened, idle, taken } = await wanBench({ fleets: size(FLEETS.slice(0, 1), FLEETS), idleMs });
  const per = (bytes: number, devices: number): number => Number((bytes / devices).toFixed(1));
  console.table(
    rows.map(({ contacts: { devices, intervalSeconds, threads, intervals }, batches, count }) => {
      const informs = devices * intervals;
      return {
        ...{ devices, 'interval s': intervalSeconds, threads, 'in a batch': per(informs, batches) },
        'up B/Inform': per(count.upBytes, informs),
        'down B/Inform': per(count.downBytes, informs),
        'B/Inform': per(count.upBytes + count.downBytes, informs),
        'with TCP/IP': per(totalOf(count), informs),
      };
    }),
  );
  const day = 86_400_000 / idleMs;
  const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(2);
  console.log(
    `without anything to tell, a day of one edge: ${megabytes(idle.upBytes * day)} MB up, ${megabytes(idle.downBytes * day)} MB down, ` +
      `${megabytes(totalOf(idle) * day)} MB with TCP/IP; opening the line: ${totalOf(opened)} B`,
  );
  console.log(taken);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printWanBench();
