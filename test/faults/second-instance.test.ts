// Two Starlings must not share what only one can have: a data folder, a port. The second one says in one sentence what is wrong and leaves the
// first one alone; a killed one leaves nothing that keeps the next from starting.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';
import { clusterPid } from './books.ts';
import { HandCpe } from './hand-cpe.ts';

const launcher = resolve(import.meta.dirname, '../../bin/starling.mjs');
const otherDir = mkdtempSync(join(tmpdir(), 'starling-other-'));
let first: TestStarling;

beforeAll(async () => {
  first = await startStarling();
});
afterAll(async () => {
  await first.kill();
  first.clean();
  rmSync(otherDir, { recursive: true, force: true });
});

/** Runs a Starling that is expected to refuse; resolves with its exit code and all it said on standard error. */
function refused(env: Record<string, string>): Promise<{ code: number | null; said: string; tookMs: number }> {
  const startedAt = performance.now();
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STARLING_')));
  const child = spawn(process.execPath, [launcher, 'up'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...clean, STARLING_CWMP_PORT: '0', STARLING_HTTP_PORT: '0', STARLING_LOG_LEVEL: 'error', ...env },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  return new Promise((done) =>
    child.once('close', (code) => done({ code, said, tookMs: performance.now() - startedAt })),
  );
}

async function firstIsUnharmed(): Promise<void> {
  const cpe = new HandCpe('WITNESS');
  expect((await cpe.inform(first.cwmpUrl, ['2 PERIODIC'])).status).toBe(200);
  expect((await first.api('GET', '/devices')).status).toBe(200);
  expect((await fetch(`${first.httpUrl}/healthz`)).status).toBe(200);
}

test('a second Starling on the same data folder is refused by naming the process that has it', async () => {
  const { code, said, tookMs } = await refused({ STARLING_DATA_DIR: first.dataDir });
  expect(code).toBe(1);
  expect(said).toBe(
    `starling: The data folder ${first.dataDir} is in use by process ${first.process.pid}. Stop it, or set STARLING_DATA_DIR to another folder.\n`,
  );
  expect(tookMs).toBeLessThan(10_000);
  await firstIsUnharmed();
});

test.each([
  ['CWMP', 'STARLING_CWMP_PORT', () => new URL(first.cwmpUrl).port],
  ['API', 'STARLING_HTTP_PORT', () => new URL(first.httpUrl).port],
])(
  'a second Starling on the same %s port is refused clearly, and leaves nothing running',
  { timeout: 60_000 },
  async (_, option, port) => {
    const { code, said } = await refused({ STARLING_DATA_DIR: otherDir, [option]: port() });
    expect(code).toBe(1);
    expect(said.trim().split('\n')).toHaveLength(1);
    expect(said).toContain(`127.0.0.1:${port()}`);
    expect(said).toContain(option);
    // Its own PostgreSQL has ended, or was never begun.
    expect(clusterPid(otherDir)).toBeNull();
    await firstIsUnharmed();
  },
);

test('after kill -9 the same folder is taken without more ado, PostgreSQL killed or not', {
  timeout: 90_000,
}, async () => {
  await first.kill();
  expect(existsSync(join(first.dataDir, 'starling.pid'))).toBe(true);
  first = await startStarling({}, first.dataDir);
  await firstIsUnharmed();

  // Only the main process: its PostgreSQL lives on and is taken over.
  const postgres = clusterPid(first.dataDir);
  const ended = new Promise((done) => first.process.once('exit', done));
  first.process.kill('SIGKILL');
  await ended;
  first = await startStarling({}, first.dataDir);
  expect(clusterPid(first.dataDir)).toBe(postgres);
  await firstIsUnharmed();
  expect(await first.stop()).toBe(0);
  expect(clusterPid(first.dataDir)).toBeNull();
  first = await startStarling({}, first.dataDir);
  await firstIsUnharmed();
});
