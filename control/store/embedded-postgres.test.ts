import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { openDatabase } from './postgres.ts';

const dir = mkdtempSync(join(tmpdir(), 'starling-cluster-'));
const pidFile = join(dir, 'postgres', 'postmaster.pid');
const started: EmbeddedPostgres[] = [];

async function start(onExit?: (why: string) => void): Promise<EmbeddedPostgres> {
  const cluster = await startEmbeddedPostgres(dir, silentLog, onExit);
  started.push(cluster);
  return cluster;
}
const gone = async (pid: number): Promise<void> => {
  await expect.poll(() => existsSync(`/proc/${pid}/cwd`), { timeout: 10_000 }).toBe(false);
};

beforeAll(async () => {
  const cluster = await start();
  const sql = await openDatabase(cluster.url);
  await sql`create table kept (n int)`;
  await sql`insert into kept values (1)`;
  await sql.end();
});
afterAll(async () => {
  for (const cluster of started) await cluster.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function kept(url: string): Promise<number> {
  const sql = await openDatabase(url);
  const [row] = await sql`select count(*)::int as count from kept`;
  await sql.end();
  return row!['count'];
}

test('the password file is for its owner alone and the server is not open without it', async () => {
  const cluster = started.at(-1)!;
  expect(statSync(join(dir, 'postgres.password')).mode & 0o077).toBe(0);
  await expect(openDatabase(cluster.url.replace(/:[^:@]+@/, ':wrong@'))).rejects.toThrow(
    /password authentication failed/,
  );
});

test('a cluster that a killed parent left running is taken over and can be stopped', async () => {
  const first = started.at(-1)!;
  const second = await start();
  expect(second).toMatchObject({ adopted: true, pid: first.pid, port: first.port });
  expect(await kept(second.url)).toBe(1);
  await second.stop();
  expect(existsSync(pidFile)).toBe(false);
});

test('a pid file whose number another process has now does not stand in the way', async () => {
  const other = spawn('sleep', ['60']);
  writeFileSync(pidFile, `${other.pid}\n${join(dir, 'postgres')}\n1700000000\n5432\n\n127.0.0.1\n  1 2\nready   \n`);
  const cluster = await start();
  expect(cluster.adopted).toBe(false);
  expect(await kept(cluster.url)).toBe(1);
  expect(other.exitCode).toBe(null); // And we did not end that process.
  other.kill();
});

test('after kill -9 of the server the next start recovers what was committed', async () => {
  let exit = '';
  const cluster = await start((why) => {
    exit = why;
  });
  await cluster.stop();
  expect(exit).toBe('');
  const again = await start((why) => {
    exit = why;
  });
  const sql = await openDatabase(again.url);
  await sql`insert into kept values (2)`;
  process.kill(again.pid, 'SIGKILL');
  await gone(again.pid);
  await sql.end({ timeout: 1 });
  await expect.poll(() => exit).toMatch(/SIGKILL/);
  expect(existsSync(pidFile)).toBe(true);
  expect(await kept((await start()).url)).toBe(2);
});

test('a start that was killed during initdb leaves nothing in the way', async () => {
  const broken = mkdtempSync(join(tmpdir(), 'starling-broken-'));
  writeFileSync(join(broken, 'postgres.new'), 'half a cluster');
  const cluster = await startEmbeddedPostgres(broken, silentLog);
  await cluster.stop();
  expect(readFileSync(join(broken, 'postgres', 'PG_VERSION'), 'utf8').trim()).toBe('18');
  rmSync(broken, { recursive: true, force: true });
});

test('a wrong address of a database says which setting to check', async () => {
  await expect(openDatabase('postgres://a:b@127.0.0.1:1/x')).rejects.toThrow(/STARLING_DATABASE_URL/);
});
