// One private cluster per test file, and a fresh migrated database per call: what tests of control stand on.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { silentLog } from '../base/log.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../control/store/embedded-postgres.ts';
import { migrate } from '../control/store/migrate.ts';
import { type Database, openDatabase } from '../control/store/postgres.ts';

let cluster: Promise<EmbeddedPostgres> | null = null;
const dir = mkdtempSync(join(tmpdir(), 'starling-pg-'));
const opened: Database[] = [];
let count = 0;

afterAll(async () => {
  for (const database of opened) await database.end({ timeout: 1 });
  if (cluster) await (await cluster).stop();
  rmSync(dir, { recursive: true, force: true });
});

/** The URL of a new, empty database in the cluster of this test file. */
export async function freshDatabaseUrl(): Promise<string> {
  cluster ??= startEmbeddedPostgres(dir, silentLog);
  const { url } = await cluster;
  const name = `test_${++count}`;
  const admin = await openDatabase(url, { connectionsMax: 1 });
  await admin.unsafe(`create database ${name}`);
  await admin.end({ timeout: 1 });
  return `${url.slice(0, url.lastIndexOf('/'))}/${name}`;
}

/** A new database with the schema of this program, and the pool to it; closed after the file. */
export async function freshDatabase(): Promise<{ url: string; sql: Database }> {
  const url = await freshDatabaseUrl();
  const sql = await openDatabase(url, { connectionsMax: 4 });
  opened.push(sql);
  await migrate(sql);
  return { url, sql };
}
