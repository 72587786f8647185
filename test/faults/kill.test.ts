// Nothing lost: the whole process tree, PostgreSQL included, is killed at random moments under load, time and again on the same data folder.
// What a CPE was told is delivered must be stored in the end, once; what must not be done twice must not have been.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../nats.test-helper.ts';
import { randomFrom, seedOfRun } from '../random.ts';
import { killTree, startStarling, type TestStarling } from '../starling.test-helper.ts';
import { audit, openActions, openClusterOf } from './books.ts';
import { Load } from './load.ts';
import { expectOpenOnesNeverArrived, outboxDepthAt, settle } from './settle.ts';

const ROUNDS = Number(process.env['STARLING_TEST_ROUNDS'] ?? 50);
const CPES = 9;
/** Under load after it was ready; most kills come here. */
const LOAD_MS_MAX = 900;
/** One kill in so many comes while Starling starts. */
const IN_START = 5;
const START_MS_MAX = 1_500;
const SETTLE_MS = 90_000;

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
    const { httpUrl } = starling;
    await settle(async () => ({ outbox: await outboxDepthAt(httpUrl) }), sql, load);
    const first = await audit(sql, load);
    const open = await openActions(sql);
    await sql.end();
    console.log(`${ROUNDS} kills; ready after ${Math.round(average(startedMs))} ms on average; stored and compared:`);
    console.table({ ...first.counts, open: open.length, differences: first.differences.length });
    expect(first.differences).toEqual([]);
    expectOpenOnesNeverArrived(open, load);

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

const average = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
