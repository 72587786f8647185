import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { freshDatabaseUrl } from '../../test/postgres.test-helper.ts';
import { migrate, readMigrations } from './migrate.ts';
import { type Database, openDatabase } from './postgres.ts';

const opened: Database[] = [];
async function fresh(): Promise<Database> {
  const sql = await openDatabase(await freshDatabaseUrl(), { connectionsMax: 4 });
  opened.push(sql);
  return sql;
}
afterAll(() => Promise.all(opened.map((sql) => sql.end({ timeout: 1 }))));

const one = { name: '0001-a.sql', sql: 'create table a (n int); insert into a values (1)' };
const two = { name: '0002-b.sql', sql: 'create table b (n int)' };

test('the shipped migrations apply to an empty database, and a second pass changes nothing', async () => {
  const sql = await fresh();
  expect(await migrate(sql)).toEqual(readMigrations().map((migration) => migration.name));
  expect(await migrate(sql)).toEqual([]);
});

test('of several processes that start at once one applies each migration', async () => {
  const sql = await fresh();
  const applied = await Promise.all([migrate(sql, [one, two]), migrate(sql, [one, two]), migrate(sql, [one, two])]);
  expect(applied.flat().sort()).toEqual([one.name, two.name]);
  expect(await sql`select n from a`).toHaveLength(1);
});

test('a lock that another process holds is waited for, and it is said whose it is', async () => {
  const sql = await fresh();
  const other = await sql.reserve();
  await other`select pg_advisory_lock(7547001)`;
  const [holder] = await other`select pg_backend_pid() as pid`;
  const waits: string[] = [];
  const migrating = migrate(sql, [one], (who) => waits.push(who));
  await expect.poll(() => waits).not.toEqual([]);
  expect(waits[0]).toContain(`PostgreSQL process ${holder!['pid']} of 127.0.0.1`);
  await other`select pg_advisory_unlock(7547001)`;
  other.release();
  expect(await migrating).toEqual([one.name]);
});

test('a changed file is refused by name', async () => {
  const sql = await fresh();
  await migrate(sql, [one]);
  await expect(migrate(sql, [{ ...one, sql: 'create table other (n int)' }])).rejects.toThrow(
    /0001-a.sql is not the file/,
  );
});

test('a database newer than the program is refused', async () => {
  const sql = await fresh();
  await migrate(sql, [one, two]);
  await expect(migrate(sql, [one])).rejects.toThrow(/older than the database/);
});

test('a migration that fails half way leaves nothing behind', async () => {
  const sql = await fresh();
  const broken = { name: '0002-b.sql', sql: 'create table b (n int); select no_such_column from b' };
  await expect(migrate(sql, [one, broken])).rejects.toThrow(/0002-b.sql failed and was undone/);
  expect(await sql`select to_regclass('b') as b`).toEqual([{ b: null }]);
  expect(await migrate(sql, [one, two])).toEqual([two.name]);
});

test('files out of the numbering are refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-migrations-'));
  writeFileSync(join(folder, '0002-late.sql'), 'select 1');
  expect(() => readMigrations(folder)).toThrow(/0002-late.sql should be number 1/);
});
