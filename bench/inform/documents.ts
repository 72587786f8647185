// Both sides of `inlineBytesMax` (base/limits.ts): GetParameterValuesResponses of sizes around it dealt with by the session thread, and by
// the pool thread, one edge for each. A document on the session thread keeps its other CPEs waiting; one in the pool costs a hand-over.
// So there are quiet sessions at a steady rate beside the documents, whose waiting is seen, and CPU is told apart by thread.
//
// Documents of each size come with the same bytes per second: a size is neither favoured nor punished by how often it comes.

import { setPriority } from 'node:os';
import { Child } from './child.ts';
import { BIG_VALUES, bigAnswer } from './cpe.ts';
import { threadsOf } from './cpu.ts';
import type { Load, LoadResult } from './load.ts';
import { median, quantile } from './report.ts';
import { type Generator, type Server, startServer } from './rounds.ts';

/** One size in one round, in milliseconds. */
interface Sample {
  /** CPU for one session with one document: of the session thread, of the server. */
  sessionThreadMs: number;
  serverMs: number;
  /** From the POST of the document to its answer, median. */
  answerMs: number;
  /** Of the quiet POSTs beside the documents, and of those of the same edge without. */
  quietP99Ms: number;
  quietLongestMs: number;
  aloneP99Ms: number;
}

/** Times are medians over the rounds. */
export interface DocumentsReport extends Sample {
  bytes: number;
  by: 'session thread' | 'pool';
  documents: number;
  /** As the edge counted them. */
  countedInPool: number;
  errors: number;
  why: string[];
}

export interface DocumentsOptions {
  rounds: number;
  seconds: number;
  /** Of the documents, about. */
  sizes: readonly number[];
  bytesPerSecond: number;
  quietPerSecond: number;
  progress: (what: string) => void;
}

/** Above the Informs of this bench, below every document. */
const LOW = 4 * 1_024;
const HIGH = 64 * 1_024 * 1_024;

/** Runs the rounds: in each every size, by the session thread and by the pool, after quiet sessions alone. */
export async function measureDocuments(options: DocumentsOptions): Promise<DocumentsReport[]> {
  const { rounds, seconds, bytesPerSecond, quietPerSecond, progress } = options;
  const sizes = options.sizes.map((bytes) => {
    const values = Math.round((bytes * BIG_VALUES) / bytesOf(BIG_VALUES));
    return { values, bytes: bytesOf(values), count: Math.max(1, Math.round((bytesPerSecond * seconds) / bytes)) };
  });
  const quietDevices = Math.ceil(quietPerSecond * seconds);
  // Each is read once: what is read again changes nothing, and costs less.
  const readers = sizes.reduce((sum, { count }) => sum + count, 0) * (rounds + 1);
  const common = { kind: 'edge', devices: quietDevices + readers } as const;
  const sides = await Promise.all(
    (['session thread', 'pool'] as const).map(async (by) => {
      const { server, target } = await startServer({ ...common, inlineBytesMax: by === 'pool' ? LOW : HIGH });
      return { by, server, target, next: quietDevices, sessionThread: 0 };
    }),
  );
  const quietOnes: Generator = new Child('inform/generator', []);
  const bigOnes: Generator = new Child('inform/generator', []);
  setPriority(bigOnes.pid, 15);
  const done = new Map<
    string,
    Pick<DocumentsReport, 'documents' | 'countedInPool' | 'errors' | 'why'> & { samples: Sample[] }
  >();
  try {
    for (let round = -1; round < rounds; round++) {
      for (const side of sides) {
        const { by, target } = side;
        const to = { host: target.host, port: target.port, tls: false, auth: 'none', keepAlive: false } as const;
        const ask = async (generator: Generator, load: Load): Promise<LoadResult> =>
          (await generator.ask({ type: 'run', load }, 'ran')).result;
        const quiet: Load = {
          ...to,
          ...{ traffic: 'quiet', devices: quietDevices, seed: round + 1, step: 1, atOnce: 1 },
          ...{ seconds, ratePerSecond: quietPerSecond },
        };
        progress(`${round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`}: documents by the ${by}`);
        const before = new Spent(target.pids[0]!);
        const alone = await ask(quietOnes, quiet);
        const ofQuiet = before.until();
        // Nobody else is busy while there is nothing but quiet sessions.
        if (round < 0) side.sessionThread = ofQuiet.busiest();
        for (const { values, bytes, count } of sizes) {
          const first = side.next;
          side.next += count;
          await target.work(
            Array.from({ length: count }, (_, i) => first + i),
            'get',
          );
          const pooled = await inPool(side.server);
          const from = new Spent(target.pids[0]!);
          const documents = ask(bigOnes, {
            ...to,
            ...{ traffic: 'big', first, devices: count, seed: 0, step: 1, atOnce: 1, values },
            ...{ seconds, sessions: count, ratePerSecond: count / seconds },
          });
          const beside = await ask(quietOnes, quiet);
          const read = await documents;
          const spent = from.until();
          const key = `${bytes} ${by}`;
          const all = done.get(key) ?? { samples: [], documents: 0, countedInPool: 0, errors: 0, why: [] };
          done.set(key, all);
          all.errors += beside.errors + read.errors;
          all.why.push(...beside.why, ...read.why);
          if (round < 0) continue;
          all.documents += read.rpcs;
          all.countedInPool += (await inPool(side.server)) - pooled;
          const share = beside.sessions / alone.sessions;
          const ms = (of: (spent: CpuSpent) => number): number => (of(spent) - of(ofQuiet) * share) / read.rpcs / 1_000;
          const posts = [...beside.informUs, ...beside.emptyUs];
          all.samples.push({
            sessionThreadMs: ms((one) => one.of(side.sessionThread)),
            serverMs: ms((one) => one.total),
            answerMs: quantile(read.emptyUs, 0.5) / 1_000,
            quietP99Ms: quantile(posts, 0.99) / 1_000,
            quietLongestMs: quantile(posts, 1) / 1_000,
            aloneP99Ms: quantile([...alone.informUs, ...alone.emptyUs], 0.99) / 1_000,
          });
        }
      }
    }
  } finally {
    for (const { server } of sides) await server.close();
    await quietOnes.close();
    await bigOnes.close();
  }
  return sizes.flatMap(({ bytes }) =>
    sides.map(({ by }): DocumentsReport => {
      const { samples, documents, countedInPool, errors, why } = done.get(`${bytes} ${by}`)!;
      const of = (value: (sample: Sample) => number): number => median(samples.map(value));
      return {
        ...{ bytes, by },
        sessionThreadMs: of((sample) => sample.sessionThreadMs),
        serverMs: of((sample) => sample.serverMs),
        answerMs: of((sample) => sample.answerMs),
        quietP99Ms: of((sample) => sample.quietP99Ms),
        quietLongestMs: of((sample) => sample.quietLongestMs),
        aloneP99Ms: of((sample) => sample.aloneP99Ms),
        ...{ documents, countedInPool, errors, why: why.slice(0, 3) },
      };
    }),
  );
}

/** Rows for console.table. */
export function documentsTable(reports: readonly DocumentsReport[]): object[] {
  return reports.map((r) => ({
    'document kB': Number((r.bytes / 1_024).toFixed(0)),
    'dealt with by': r.by,
    'session thread CPU ms': Number(r.sessionThreadMs.toFixed(2)),
    'server CPU ms': Number(r.serverMs.toFixed(2)),
    'answered after ms': Number(r.answerMs.toFixed(1)),
    'quiet p99 ms': Number(r.quietP99Ms.toFixed(1)),
    'longest ms': Number(r.quietLongestMs.toFixed(1)),
    'p99 alone ms': Number(r.aloneP99Ms.toFixed(1)),
    documents: r.documents,
    errors: r.errors,
  }));
}

/** CPU of each thread between two looks, in microseconds. */
interface CpuSpent {
  total: number;
  of(tid: number): number;
  busiest(): number;
}

class Spent {
  readonly #pid: number;
  readonly #before: ReadonlyMap<number, number>;

  constructor(pid: number) {
    this.#pid = pid;
    this.#before = new Map(threadsOf(pid).map(({ tid, us }) => [tid, us]));
  }

  until(): CpuSpent {
    const threads = threadsOf(this.#pid).map(({ tid, us }) => ({ tid, us: us - (this.#before.get(tid) ?? 0) }));
    return {
      total: threads.reduce((sum, { us }) => sum + us, 0),
      of: (tid) => threads.find((thread) => thread.tid === tid)?.us ?? 0,
      busiest: () => threads.reduce((most, thread) => (thread.us > most.us ? thread : most)).tid,
    };
  }
}

async function inPool(server: Server): Promise<number> {
  const { counters } = await server.ask({ type: 'stats' }, 'stats');
  return counters['starling_parse_path_total{path="pool"}'] ?? 0;
}

function bytesOf(values: number): number {
  return bigAnswer('>a2</cwmp:ID>', values).reduce((sum, { length }) => sum + length, 0);
}
