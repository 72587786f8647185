// Two control processes on one PostgreSQL, either killed at random moments under load, and PostgreSQL too: every fact takes effect once, every
// action is made once and ends once. `STARLING_TEST_ROUNDS` sets the rounds; STARLING_TEST_FAULTS=1 makes them thirty.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { InProcessTransport } from '../../bus/in-process.ts';
import { ADMIN } from '../../control/control.test-helper.ts';
import type { Database } from '../../control/store/postgres.ts';
import { randomFrom, seedOfRun } from '../random.ts';
import { BookEdge, ControlProcess } from './beside.test-helper.ts';
import { TestDatabase } from './database.test-helper.ts';

const FULL = process.env['STARLING_TEST_FAULTS'] === '1';
const ROUNDS = Number(process.env['STARLING_TEST_ROUNDS'] ?? (FULL ? 30 : 6));
const EDGES = 4;
/** Under load between two kills. */
const LOAD_MS_MAX = 1_500;
const SETTLE_MS = 90_000;

const dir = mkdtempSync(join(tmpdir(), 'starling-two-'));
const transport = new InProcessTransport();
const keyFile = join(dir, 'shared.key');
let database: TestDatabase;
let edges: BookEdge[] = [];
const controls: ControlProcess[] = [];
const started: ControlProcess[] = [];

async function startControl(slot: number): Promise<void> {
  const dataDir = join(dir, `control${slot}`);
  const settings = { dataDir, databaseUrl: database.url, keyFile, principal: ADMIN };
  controls[slot] = new ControlProcess(settings, transport);
  started.push(controls[slot]);
  await controls[slot].ready;
}

beforeAll(async () => {
  writeFileSync(keyFile, Buffer.alloc(32, 7).toString('base64url'), { mode: 0o600 });
  database = await TestDatabase.start();
});
afterAll(async () => {
  for (const edge of edges) await edge.close();
  await Promise.all(controls.map((control) => control.kill()));
  await transport.close();
  await database.stop();
  rmSync(dir, { recursive: true, force: true });
});

test(`faults: ${ROUNDS} kills of two controls and their PostgreSQL lose nothing and double nothing`, {
  timeout: 120_000 + ROUNDS * 20_000 + SETTLE_MS,
}, async () => {
  const seed = seedOfRun();
  console.log(`beside: STARLING_TEST_SEED=${seed}, ${ROUNDS} rounds, ${EDGES} edges`);
  const random = randomFrom(seed);
  // At once, on an empty database: one of them migrates.
  await Promise.all([startControl(0), startControl(1)]);
  edges = Array.from({ length: EDGES }, (_, i) => new BookEdge(i, transport));
  await expect.poll(() => edges.every(({ waiting }) => waiting === 0), { timeout: 20_000 }).toBe(true);

  // The operators: each asks for an action at any control until one has said yes, under the key of that action.
  const wanted: string[] = [];
  let operating = true;
  const operate = async (edge: BookEdge): Promise<void> => {
    for (let n = 0; operating; n++) {
      const reference = `${edge.cpeId}-${n}`;
      wanted.push(reference);
      for (let made = false; !made; ) {
        const control = controls[Math.floor(random() * 2)]!;
        made = await control.create(edge.cpeId, { kind: 'reboot', reference }, reference).then(
          () => true,
          () => false,
        );
        if (!made) await pause(50);
      }
      await pause(20 + random() * 80);
    }
  };
  const tell = async (edge: BookEdge): Promise<void> => {
    while (operating) {
      if (edge.waiting < 2_000) for (let n = 0; n < 5; n++) edge.session();
      await pause(10 + random() * 20);
    }
  };
  const load = [...edges.map(operate), ...edges.map(tell)];

  const takeovers = [await takeover('SIGKILL'), await takeover('SIGSTOP')];
  console.log(`one has all edges ${takeovers.join(' and ')} ms after the other was killed, and stood still`);

  const counts = { controls: 0, databases: 0 };
  for (let round = 1; round <= ROUNDS; round++) {
    await pause(random() * LOAD_MS_MAX);
    if (round % 3 === 0) {
      counts.databases += 1;
      await database.kill();
      await pause(random() * 500);
      await database.restart();
      continue;
    }
    expect(started.filter(({ fell }) => fell)).toEqual([]);
    counts.controls += 1;
    const slot = Math.floor(random() * 2);
    await controls[slot]!.kill();
    await pause(random() * 1_000);
    await startControl(slot);
  }
  operating = false;
  await Promise.all(load);

  await expect.poll(() => edges.every(({ waiting }) => waiting === 0), { timeout: SETTLE_MS }).toBe(true);
  const sql = await database.open();
  try {
    const open = async (): Promise<number> =>
      (await sql`select count(*)::int as count from action where ended_at is null`)[0]!['count'];
    await expect.poll(open, { timeout: SETTLE_MS }).toBe(0);
    const books = await audit(sql);
    console.log(`${ROUNDS} kills: ${counts.controls} of a control, ${counts.databases} of PostgreSQL`);
    console.table(books.counts);
    expect(books.sessions).toEqual(edges.flatMap(({ told }) => told).sort());
    expect(books.references).toEqual(wanted.sort());
    expect(books.counts).toMatchObject({ late: 0, endsPerActionMax: 1, results: wanted.length });
    expect(started.filter(({ fell }) => fell)).toEqual([]);
    // Handed over again under one generation is allowed; every action ran, and its edge told one result of it.
    expect(edges.flatMap(({ executed }) => [...executed.keys()])).toHaveLength(wanted.length);
    const areWell = () => Promise.all(controls.map(async (control) => (await control.health()).ok));
    await expect.poll(areWell, { timeout: 20_000 }).toEqual([true, true]);
  } finally {
    await sql.end();
  }
  expect(await Promise.all(controls.map((control) => control.stop()))).toEqual([0, 0]);
});

/**
 * One of the two is killed, or stands still for longer than its leases last with work in its hands. Returns how long it took the other to
 * have all edges.
 */
async function takeover(signal: 'SIGKILL' | 'SIGSTOP'): Promise<number> {
  await expect.poll(() => held(0), { timeout: 20_000 }).toBe(EDGES / 2);
  const startedAt = performance.now();
  if (signal === 'SIGKILL') await controls[0]!.kill();
  else controls[0]!.signal(signal);
  await expect.poll(() => held(1), { timeout: LIMITS.leaseMs + 5_000, interval: 20 }).toBe(EDGES);
  const tookMs = Math.round(performance.now() - startedAt);
  if (signal === 'SIGKILL') await startControl(0);
  else controls[0]!.signal('SIGCONT');
  return tookMs;
}

/** Edges whose facts this control takes, as it says itself. */
async function held(slot: number): Promise<number> {
  const { checks } = await controls[slot]!.health();
  return Number(/^holds (\d+)/.exec(checks.find(({ name }) => name === 'leases')?.text ?? '')?.[1] ?? 0);
}

async function audit(sql: Database) {
  const sessions = await sql<{ id: string }[]>`select body->>'sessionId' as id from event where kind = 'session'`;
  const references = await sql<{ reference: string }[]>`select reference from action`;
  const [counts] = await sql<{ late: number; results: number; max: number; handovers: number }[]>`
    select (select count(*)::int from evidence where kind = 'late-result') as late,
      (select count(*)::int from evidence where kind = 'result') as results,
      (select count(*)::int from evidence where kind = 'sent') as handovers,
      (select max(n)::int from (select count(*) as n from evidence where kind in ('result', 'ended') group by action_id) t) as max`;
  const { late, results, handovers, max } = counts!;
  return {
    sessions: sessions.map(({ id }) => id).sort(),
    references: references.map(({ reference }) => reference).sort(),
    counts: { facts: sessions.length, actions: references.length, results, late, handovers, endsPerActionMax: max },
  };
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
