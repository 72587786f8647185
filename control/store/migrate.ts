// Brings a database to the schema of this program: numbered .sql files, each applied once, in order, in a transaction of its own.
// There is no way back down: an older program refuses a newer schema instead of guessing.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemElapsed } from '../../base/clock.ts';
import { ConfigError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Database, Sql } from './postgres.ts';

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
 * @param waiting told from time to time who is waited for: however long another process takes, it is not pushed aside.
 * Throws ConfigError when an applied file has changed since, or when the database is newer than this program.
 */
export async function migrate(
  database: Database,
  migrations: Migration[] = readMigrations(),
  waiting: (who: string) => void = () => {},
): Promise<string[]> {
  const connection = await database.reserve();
  try {
    await lock(connection, waiting);
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

/** Takes the lock of the migrations; what holds it is another process that migrates, or one that hangs. */
async function lock(connection: Sql, waiting: (who: string) => void): Promise<void> {
  const startedAt = systemElapsed();
  let saidAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const [row] = await connection<{ ours: boolean }[]>`select pg_try_advisory_lock(${LOCK}) as ours`;
    if (row!.ours) return;
    if (systemElapsed() - saidAt >= LIMITS.waitingSaidEveryMs) {
      saidAt = systemElapsed();
      waiting(`${await holderOf(connection)}, for ${Math.round((saidAt - startedAt) / 1_000)} s`);
    }
    await new Promise((done) => setTimeout(done, LIMITS.migrateRetryMs));
  }
}

/** Who holds the lock, in words; the end of that server process would end the wait. */
async function holderOf(connection: Sql): Promise<string> {
  const [holder] = await connection<{ pid: number; address: string; query: string | null }[]>`
    select l.pid, coalesce(host(a.client_addr), 'this host') as address, left(a.query, 100) as query
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = ${LOCK}::int::oid
      and l.database = (select oid from pg_database where datname = current_database())`;
  if (!holder) return 'nobody any more';
  return `PostgreSQL process ${holder.pid} of ${holder.address}, whose last statement is: ${holder.query ?? 'not known'}`;
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
