// One private cluster per test file, and a fresh migrated database per call, open until the test ends (so not for beforeAll): what tests
// of control stand on.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach } from 'vitest';
import { silentLog } from '../base/log.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../control/store/embedded-postgres.ts';
import { migrate } from '../control/store/migrate.ts';
import { type Database, openDatabase } from '../control/store/postgres.ts';

let cluster: Promise<EmbeddedPostgres> | null = null;
const dir = mkdtempSync(join(tmpdir(), 'starling-pg-'));
const opened: Database[] = [];
let template: Promise<string> | null = null;
let count = 0;

// The cluster has connections for a few tests, not for all of a file.
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.end({ timeout: 1 })));
});
afterAll(async () => {
  if (cluster) await (await cluster).stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Nothing here outlives the file, so nothing waits for the disk. */
async function startCluster(): Promise<EmbeddedPostgres> {
  const started = await startEmbeddedPostgres(dir, silentLog);
  const admin = await openDatabase(started.url, { connectionsMax: 1 });
  await admin.unsafe('alter system set fsync = off');
  await admin.unsafe('select pg_reload_conf()');
  await admin.end({ timeout: 1 });
  return started;
}

async function createDatabase(template: string): Promise<string> {
  cluster ??= startCluster();
  const { url } = await cluster;
  const name = `test_${++count}`;
  const admin = await openDatabase(url, { connectionsMax: 1 });
  await admin.unsafe(`create database ${name} template ${template}`);
  await admin.end({ timeout: 1 });
  return `${url.slice(0, url.lastIndexOf('/'))}/${name}`;
}

async function createTemplate(): Promise<string> {
  const url = await createDatabase('template1');
  const sql = await openDatabase(url, { connectionsMax: 1 });
  await migrate(sql);
  await sql.end({ timeout: 1 });
  return url.slice(url.lastIndexOf('/') + 1);
}

/** The URL of a new, empty database in the cluster of this test file. */
export const freshDatabaseUrl = (): Promise<string> => createDatabase('template1');

/** A new database with the schema of this program, and the pool to it; closed after the test. */
export async function freshDatabase(): Promise<{ url: string; sql: Database }> {
  template ??= createTemplate();
  const url = await createDatabase(await template);
  const sql = await openDatabase(url, { connectionsMax: 4 });
  opened.push(sql);
  return { url, sql };
}
