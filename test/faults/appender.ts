// Something that appends to an outbox as session threads do, for outbox.test.ts: as worker threads of one process, or as a process of its
// own that is killed. Runs from dist/, like every thread.

import { writeSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { openEdgeStore } from '../../edge/store/lmdb-store.ts';
import { Stamps } from '../../edge/store/stamps.ts';

export interface AppenderData {
  dir: string;
  lane: number;
  stampMemory: SharedArrayBuffer;
  /** Int32: whose turn in the chain it is. Fact n of the chain is appended by thread n mod threads, after fact n − 1 was durable. */
  turnMemory: SharedArrayBuffer;
  threads: number;
  /** Facts of the chain over all threads, and facts beside the chain that each thread appends per turn. */
  chain: number;
  noise: number;
}

const sleep = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const fact = (cpeId: string, at: number) => ({ type: 'seen' as const, body: { devices: [{ cpeId, at }] } });

async function asThread({ dir, lane, stampMemory, turnMemory, threads, chain, noise }: AppenderData): Promise<void> {
  const store = openEdgeStore({
    dir,
    edgeId: 'e1',
    pop: 'pop',
    lane,
    stamps: new Stamps(stampMemory),
    key: new Uint8Array(32),
  });
  const turn = new Int32Array(turnMemory);
  const all: Promise<void>[] = [];
  for (let link = lane - 1, mine = 0; link < chain; link += threads) {
    while (Atomics.load(turn, 0) < link) {
      for (let i = 0; i < noise && mine < (chain / threads) * noise; i++) {
        all.push(store.appendFacts([fact(`noise-${lane}`, mine++)], 1).durable);
      }
      await sleep();
    }
    await store.appendFacts([fact('chain', link)], 1).durable;
    Atomics.store(turn, 0, link + 1);
  }
  await Promise.all(all);
  await store.close();
  parentPort?.postMessage('done');
}

/** Appends in two lanes until it is killed; writes the id of each fact to stdout as soon as it is durable. */
async function asProcess(dir: string, round: string): Promise<void> {
  const stamps = Stamps.forNewStart(dir);
  const lanes = [1, 2].map((lane) =>
    openEdgeStore({ dir, edgeId: 'e1', pop: 'pop', lane, stamps, key: new Uint8Array(32) }),
  );
  await Promise.all(
    lanes.map(async (store, lane) => {
      for (let count = 0; ; count++) {
        const ids = [0, 1, 2].map((part) => `${round}.${lane}.${count}.${part}`);
        const { durable } = store.appendFacts(
          ids.map((id) => fact(id, count)),
          1,
        );
        await durable;
        writeSync(1, `${ids.join('\n')}\n`);
      }
    }),
  );
}

if (isMainThread) await asProcess(process.argv[2] ?? '', process.argv[3] ?? '');
else await asThread(workerData as AppenderData);
