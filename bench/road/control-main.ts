// Control at the end of the road, as a process. It only reads facts, and looks whether their order is whole; or it is control as shipped, with
// a PostgreSQL of its own.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Counter, Registry } from 'prom-client';
import { silentLog } from '../../base/log.ts';
import { type FactMarks, marksText, parseFacts } from '../../bus/messages.ts';
import { openNats } from '../../bus/nats.ts';
import { ALL_FACTS, edgeOfFacts, marksFor } from '../../bus/subjects.ts';
import type { BusMessage, BusTransport } from '../../bus/transport.ts';
import { startControl } from '../../control/main.ts';

export interface ControlOptions {
  url: string;
  /** What becomes of facts. */
  facts: 'read' | 'stored';
}

/** Facts since the start. Repeated ones and those that overtook count apart, as do those that could not be read. */
export interface Taken {
  facts: number;
  repeated: number;
  parked: number;
}

export type ToControl = { type: 'look' } | { type: 'close' };
export type FromControl = { type: 'ready' } | ({ type: 'taken' } & Taken);

interface Taker {
  taken(): Promise<Taken>;
  close(): Promise<void>;
}

function readFacts(transport: BusTransport): Taker {
  const taken: Taken = { facts: 0, repeated: 0, parked: 0 };
  const highest = new Map<string, number>();
  const tell = (subject: string, told: FactMarks): void => {
    const { pop, edgeId } = edgeOfFacts(subject);
    transport.tell(marksFor(pop, edgeId), marksText(told));
  };
  const take = async (subject: string, messages: BusMessage[]): Promise<void> => {
    const marks = new Map<number, number>();
    for (const { payload } of messages) {
      for (const { parsed } of parseFacts(payload)) {
        if (parsed.type !== 'ok') {
          taken.parked++;
          continue;
        }
        const { edgeId, lane, sequence } = parsed.fact;
        const place = `${edgeId} ${lane}`;
        marks.set(lane, sequence);
        if (sequence <= (highest.get(place) ?? 0)) taken.repeated++;
        else {
          highest.set(place, sequence);
          taken.facts++;
        }
      }
    }
    // As control does: the edge keeps them until then.
    tell(subject, { marks: [...marks] });
  };
  const idle = async (subject: string): Promise<void> => {
    const { edgeId } = edgeOfFacts(subject);
    const marks = [...highest].flatMap(([place, sequence]): FactMarks['marks'] => {
      const [edge, lane] = place.split(' ');
      return edge === edgeId ? [[Number(lane), sequence]] : [];
    });
    tell(subject, { marks, idle: true });
  };
  const subscription = transport.subscribe(ALL_FACTS, 'control', take, () => true, idle);
  return { taken: async () => ({ ...taken }), close: () => subscription.close() };
}

async function storeFacts(transport: BusTransport): Promise<Taker> {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const registry = new Registry();
  const control = await startControl({
    ...{ dataDir, databaseUrl: null, manageConnectionRequest: false, transport, log: silentLog, registry },
    fileStore: null,
  });
  const count = async (name: string): Promise<number> => {
    const counter = registry.getSingleMetric(`starling_control_${name}_total`) as Counter;
    return (await counter.get()).values.reduce((sum, { value }) => sum + value, 0);
  };
  return {
    taken: async () => ({
      facts: await count('facts'),
      repeated: await count('facts_duplicate'),
      parked: await count('facts_parked'),
    }),
    async close() {
      await control.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const { url, facts: what } = JSON.parse(process.argv[2] ?? '{}') as ControlOptions;
const noFiles = { credentials: null, nkey: null, ca: null, certificate: null, key: null };
const transport = await openNats(
  { url, domain: null, ...noFiles, replicas: 1, name: 'control' },
  silentLog,
  new Registry(),
);
const taker = what === 'read' ? readFacts(transport) : await storeFacts(transport);
const end = async (): Promise<void> => {
  await taker.close();
  await transport.close();
  process.exit(0);
};
// Also when the bench that started this process is gone.
process.once('disconnect', () => void end());
const say = (message: FromControl): void => void process.send!(message);
process.on('message', async (asked: ToControl) => {
  if (asked.type === 'close') return end();
  say({ type: 'taken', ...(await taker.taken()) });
});
say({ type: 'ready' });
