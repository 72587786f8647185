// Brings a database to the schema of this program: numbered .sql files, each applied once, in order, in a transaction of its own.
// There is no way back down: an older program refuses a newer schema instead of guessing.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../../base/errors.ts';
import type { Database } from './postgres.ts';

const FOLDER = fileURLToPath(new URL('./migrations/', import.meta.url));
/** Any fixed number: two control processes that start at once must choose the same. */
const LOCK = 7_547_001;

export interface Migration {
  name: string;
  sql: string;
}

/** The shipped migrations in order. Throws ConfigError when a file is out of the numbering. */
export function readMigrations(folder: string = FOLDER): Migration[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'));
  files.sort();
  files.forEach((file, index) => {
    if (Number.parseInt(file, 10) !== index + 1)
      throw new ConfigError('migration-order', `Migration ${file} should be number ${index + 1}.`);
  });
  return files.map((file) => ({ name: file, sql: readFileSync(`${folder}/${file}`, 'utf8') }));
}

/**
 * Applies what is missing; safe when several processes start at once. Returns the names it applied.
 * Throws ConfigError when an applied file has changed since, or when the database is newer than this program.
 */
export async function migrate(database: Database, migrations: Migration[] = readMigrations()): Promise<string[]> {
  const connection = await database.reserve();
  try {
    await connection`select pg_advisory_lock(${LOCK})`;
    await connection`create table if not exists migration (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
    const applied = await connection<
      { name: string; checksum: string }[]
    >`select name, checksum from migration order by name`;
    check(applied, migrations);
    const done: string[] = [];
    for (const { name, sql } of migrations.slice(applied.length)) {
      await connection.unsafe('begin');
      try {
        await connection.unsafe(sql);
        await connection`insert into migration (name, checksum) values (${name}, ${checksumOf(sql)})`;
        await connection.unsafe('commit');
      } catch (cause) {
        await connection.unsafe('rollback');
        throw new ConfigError(
          'migration-failed',
          `Migration ${name} failed and was undone: ${(cause as Error).message}`,
          { cause },
        );
      }
      done.push(name);
    }
    return done;
  } finally {
    await connection`select pg_advisory_unlock(${LOCK})`.catch(() => {}); // The lock goes with the connection anyway.
    connection.release();
  }
}

function check(applied: { name: string; checksum: string }[], migrations: Migration[]): void {
  applied.forEach(({ name, checksum }, index) => {
    const ours = migrations[index];
    if (!ours || ours.name !== name) {
      const message = `The database has migration ${name}, this program does not: it is older than the database. Start the newer version.`;
      throw new ConfigError('database-newer', message);
    }
    if (checksumOf(ours.sql) !== checksum) {
      const message = `Migration ${name} is not the file that was applied to this database. Restore the file; changes belong in a new migration.`;
      throw new ConfigError('migration-changed', message);
    }
  });
}

const checksumOf = (sql: string): string => createHash('sha256').update(sql).digest('hex');
