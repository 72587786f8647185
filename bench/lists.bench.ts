// How long the lists of the API take over a large history: the real control and its API over HTTP, in this process, on a database that
// lists/seed.ts has filled. Question: is any page slower than 50 ms (95th percentile), whatever is asked for and however deep? Client and
// server share a thread, so what is told is too much rather than too little. Not asked: writes beside it, and a disk that nothing is cached of.

import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { silentLog } from '../base/log.ts';
import type { BusTransport } from '../bus/transport.ts';
import { startApi } from '../control/api/server.ts';
import { startControl } from '../control/main.ts';
import { startEmbeddedPostgres } from '../control/store/embedded-postgres.ts';
import { migrate } from '../control/store/migrate.ts';
import { type Database, openDatabase } from '../control/store/postgres.ts';
import { percentilesOf } from './harness.ts';
import { type ListRequests, listRequests } from './lists/requests.ts';
import { type SeedSize, seed } from './lists/seed.ts';

export interface ListsBenchOptions extends SeedSize {
  /** Of each row, one after the other and again eight at once. */
  requests: number;
  /** Where the database is, and stays for the next run; null: it is filled anew and deleted. */
  dir: string | null;
  /** Only rows whose name holds this. */
  rows: string;
  progress: (what: string) => void;
}

export interface ListsRow {
  request: string;
  /** Mean of what pages held; 1 for what is no page. */
  items: number;
  'p50 ms': number;
  'p95 ms': number;
  'p99 ms': number;
  '8 at once: p50 ms': number;
  '8: p95 ms': number;
  '8: p99 ms': number;
}

const AT_ONCE = 8;
const WARM_UP = 10;

/** No edge is there; what is handed over counts as taken. */
const nobody: BusTransport = {
  publishes: 'handled',
  publish: async () => {},
  subscribe: () => ({ close: async () => {} }),
  knock() {},
  given: () => 0,
  lastStored: async () => null,
  tell() {},
  hear: () => ({ close: async () => {} }),
  bucket: () => null,
  close: async () => {},
};

/** Fills the database when it is empty, starts control and API on it, and measures every row. */
export async function listsBench(
  options: ListsBenchOptions,
): Promise<{ rows: ListsRow[]; devices: number; actions: number; bytes: Record<string, number> }> {
  const { progress } = options;
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const cluster = await startEmbeddedPostgres(dir, silentLog);
  try {
    const sql = await openDatabase(cluster.url, { connectionsMax: 2 });
    await migrate(sql);
    const [{ isEmpty }] = (await sql`select not exists (select from action) as "isEmpty"`) as unknown as [
      { isEmpty: boolean },
    ];
    if (isEmpty) await seed(sql, options, progress);
    const registry = new Registry();
    const control = await startControl({
      ...{
        dataDir: dir,
        databaseUrl: cluster.url,
        manageConnectionRequest: false,
        transport: nobody,
        log: silentLog,
        registry,
        fileStore: null,
      },
    });
    const { services } = control;
    const api = await startApi({ services, log: silentLog, registry, host: '127.0.0.1', port: 0 });
    const ada = { tokenId: 'bench', name: 'bench', role: 'admin', person: null, scope: null } as const;
    const { token } = await services.tokens.create({ name: 'bench', role: 'admin' }, ada);
    const client = new Client(api.url, token);
    try {
      const rows: ListsRow[] = [];
      for (const row of await listRequests(sql)) {
        if (!row.name.includes(options.rows)) continue;
        progress(row.name);
        rows.push(await measured(client, row, options.requests));
      }
      return { rows, ...(await sizesOf(sql)) };
    } finally {
      client.close();
      await api.close();
      await control.close();
      await sql.end();
    }
  } finally {
    await cluster.stop();
    if (options.dir === null) rmSync(dir, { recursive: true, force: true });
  }
}

async function measured(client: Client, { name, paths }: ListRequests, requests: number): Promise<ListsRow> {
  let items = 0;
  const one = async (i: number, times: number[] | null): Promise<void> => {
    const startedAt = performance.now();
    const text = await client.get(paths[i % paths.length]!);
    times?.push(performance.now() - startedAt);
    if (times !== null)
      items += text.startsWith('{"items":[') ? (JSON.parse(text) as { items: unknown[] }).items.length : 1;
  };
  for (let i = 0; i < WARM_UP; i++) await one(i, null);
  const alone: number[] = [];
  for (let i = 0; i < requests; i++) await one(i, alone);
  const together: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < requests) await one(next++, together);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const [p50, p95, p99] = percentilesOf(alone, [0.5, 0.95, 0.99]) as [number, number, number];
  const [q50, q95, q99] = percentilesOf(together, [0.5, 0.95, 0.99]) as [number, number, number];
  return {
    ...{ request: name, items: Math.round(items / (2 * requests)), 'p50 ms': p50, 'p95 ms': p95, 'p99 ms': p99 },
    ...{ '8 at once: p50 ms': q50, '8: p95 ms': q95, '8: p99 ms': q99 },
  };
}

/** GETs over kept connections. */
class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(base: string, token: string) {
    this.#base = base;
    this.#headers = { authorization: `Bearer ${token}` };
  }

  /** The body. Throws for what is not 200. */
  get(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = get(`${this.#base}${path}`, { agent: this.#agent, headers: this.#headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(`${path} was answered ${response.statusCode}: ${text}`));
        });
      });
      request.on('error', reject);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** How much there is, and what it takes on the disk: of tables with a megabyte or more, and of each index of action. */
async function sizesOf(sql: Database): Promise<{ devices: number; actions: number; bytes: Record<string, number> }> {
  const rows = await sql<{ name: string; bytes: string }[]>`
    select c.relname as name, pg_relation_size(c.oid) as bytes from pg_class c left join pg_index i on i.indexrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i') and (i.indrelid is null or i.indrelid = 'action'::regclass)
      and pg_relation_size(c.oid) >= 1000000 order by c.relkind desc, 2 desc`;
  const [total] = await sql<{ bytes: string; devices: number; actions: number }[]>`
    select pg_database_size(current_database()) as bytes, (select count(*)::int from device) as devices, (select count(*)::int from action) as actions`;
  const bytes = Object.fromEntries(
    [...rows, { name: 'database', bytes: total!.bytes }].map(({ name, bytes }) => [name, Number(bytes)]),
  );
  return { devices: total!.devices, actions: total!.actions, bytes };
}

const USAGE = `How long the lists of the API take over a large history.

  npm run bench:lists -- [options]

  --devices N    (1000000)
  --actions N    (10000000); the full size takes 20 GB
  --requests N   of each row, one after the other and again eight at once (200)
  --rows TEXT    only rows whose name holds TEXT
  --dir DIR      keeps the database there, and uses the one that is there
  --json         one JSON object instead of the table
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      devices: { type: 'string', default: '1000000' },
      actions: { type: 'string', default: '10000000' },
      requests: { type: 'string', default: '200' },
      rows: { type: 'string', default: '' },
      dir: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const report = await listsBench({
    ...{ devices: Number(values.devices), actions: Number(values.actions), requests: Number(values.requests) },
    ...{ rows: values.rows, dir: values.dir ?? null },
    progress: (what) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what.slice(0, 100)}`);
    },
  });
  if (values.json) console.log(JSON.stringify(report));
  else {
    const { rows, bytes, ...counts } = report;
    console.table(rows);
    console.log(counts);
    console.table(Object.entries(bytes).map(([relation, size]) => ({ relation, MB: Math.round(size / 1e6) })));
  }
}
