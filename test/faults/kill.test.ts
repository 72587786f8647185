// Nothing lost: the whole process tree, PostgreSQL included, is killed at random moments under load, time and again on the same data folder.
// What a CPE was told is delivered must be stored in the end, once; what must not be done twice must not have been.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Database } from '../../control/store/postgres.ts';
import { randomFrom, seedOfRun } from '../random.ts';
import { killTree, startStarling, type TestStarling } from '../starling.test-helper.ts';
import { audit, openActions, openClusterOf } from './books.ts';
import { Load } from './load.ts';

const ROUNDS = Number(process.env['STARLING_TEST_ROUNDS'] ?? 50);
const CPES = 9;
/** Under load after it was ready; most kills come here. */
const LOAD_MS_MAX = 900;
/** One kill in so many comes while Starling starts. */
const IN_START = 5;
const START_MS_MAX = 1_500;
const SETTLE_MS = 90_000;
/** Open RPCs that must not be repeated end by an event or by time; only these may be open in the end. */
const MAY_WAIT = ['upload', 'reboot'];

test(`faults: ${ROUNDS} kills of everything under load lose nothing and double nothing`, {
  timeout: 60_000 + ROUNDS * 20_000 + SETTLE_MS,
}, async () => {
  const seed = seedOfRun();
  console.log(`kill: STARLING_TEST_SEED=${seed}, ${ROUNDS} rounds, ${CPES} CPEs`);
  const random = randomFrom(seed);
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-kill-'));
  const port = await freePort();
  const env = { STARLING_CWMP_PORT: String(port), STARLING_LOG_LEVEL: 'warn' };
  const load = new Load(`http://127.0.0.1:${port}/`, CPES, random);
  let starling: TestStarling | null = await startStarling(env, dataDir);
  try {
    await load.powerUp();
    load.go();
    const startedMs: number[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const line = [`round ${round}:`];
      if (starling === null && random() < 1 / IN_START) {
        const ms = Math.round(100 + random() * START_MS_MAX);
        const killed = await killInStart(env, dataDir, ms);
        line.push(`killed ${ms} ms after its start${killed === null ? '' : ', when it was ready'}`);
      } else {
        starling ??= await startStarling(env, dataDir);
        startedMs.push(starling.readyMs);
        load.operate(starling);
        const ms = Math.round(random() * LOAD_MS_MAX);
        await pause(ms);
        await starling.kill();
        starling = null;
        await load.stopOperating();
        line.push(`killed after ${ms} ms under load`);
      }
      const { informs, transfers, uploads, actions } = load.confirmed();
      console.log(
        `${line.join(' ')}; confirmed so far: ${informs} Informs, ${transfers} transfers, ${uploads} uploads, ${actions} actions`,
      );
    }

    starling = await startStarling(env, dataDir);
    load.operate(starling);
    await load.stopOperating();
    await load.calm();
    let sql = await openClusterOf(dataDir);
    await settle(starling, sql, load);
    const first = await audit(sql, load);
    const open = await openActions(sql);
    await sql.end();
    console.log(`${ROUNDS} kills; ready after ${Math.round(average(startedMs))} ms on average; stored and compared:`);
    console.table({ ...first.counts, open: open.length, differences: first.differences.length });
    for (const { kind, reference, state, why } of open) console.log(`open: ${kind} ${reference} is ${state}: ${why}`);
    expect(first.differences).toEqual([]);
    for (const { kind, device_id, command_key, state } of open) {
      const one = load.cpes.find(({ id }) => id === device_id);
      const method = kind === 'upload' ? 'Upload' : 'Reboot';
      // Marked as sent, and the kill came before it left: it is not repeated, and nobody can say more until its time is over.
      expect([MAY_WAIT.includes(kind), state, one?.cpe.received.executed(method, command_key)]).toEqual([
        true,
        'running',
        0,
      ]);
    }

    await load.stop();
    expect(await starling.stop()).toBe(0);
    starling = await startStarling(env, dataDir);
    sql = await openClusterOf(dataDir);
    const again = await audit(sql, load);
    await sql.end();
    expect(again).toEqual(first);
  } finally {
    await load.stop();
    await starling?.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

/** Kills a Starling so many milliseconds after it was started. Returns it when it had become ready before. */
async function killInStart(env: Record<string, string>, dataDir: string, ms: number): Promise<TestStarling | null> {
  let pid = 0;
  const starting = startStarling(env, dataDir, (started) => {
    pid = started;
  });
  const started = starting.catch(() => null);
  await pause(ms);
  killTree(pid);
  return started;
}

/** Sessions until nothing waits any more: no undelivered event, no fact in the outbox, no action open that a session could end. */
async function settle(starling: TestStarling, sql: Database, load: Load): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const open = await openActions(sql);
    const ready = open.filter(({ state, kind }) => state !== 'running' || !MAY_WAIT.includes(kind));
    const busy = load.cpes.filter(({ cpe }) => !cpe.isUp || cpe.events.pending.length > 0);
    const waiting = await outboxDepth(starling);
    if (ready.length === 0 && busy.length === 0 && waiting === 0) return;
    if (Date.now() > deadline) {
      const rest = ready.map(({ kind, reference, state, why }) => `${kind} ${reference} ${state} "${why}"`);
      throw new Error(
        `not settled: ${waiting} facts in the outbox; ${busy.map(({ cpe }) => cpe.describe()).join('; ')}; ${rest.join('; ')}`,
      );
    }
    for (const one of load.cpes) {
      // A restart that was asked for in vain is proven or refuted by the next one, and others wait behind it.
      const blocked = open.some(
        ({ device_id, kind, state }) => device_id === one.id && kind === 'reboot' && state === 'running',
      );
      if (blocked && one.cpe.isUp) one.cpe.reboot();
      await load.session(one);
    }
    await pause(50);
  }
}

async function outboxDepth({ httpUrl }: TestStarling): Promise<number> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  return Number(/^starling_outbox_facts (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

const average = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
