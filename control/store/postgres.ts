// The one door to PostgreSQL: opens the pool, and turns what JavaScript holds into text that PostgreSQL takes. No query lives here.

import postgres from 'postgres';
import { ConfigError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';

/** A pool, or one transaction of it: what queries take as their first argument. */
export type Sql = postgres.Sql | postgres.TransactionSql;
export type Database = postgres.Sql;

/** Oldest server whose SQL we use, as server_version_num. */
const VERSION_MIN = 150_000;

/**
 * Opens a pool of `connectionsMax` connections and checks that the server answers. It reconnects by itself when the server restarts.
 * Throws ConfigError when nobody answers, the login fails or the server is too old.
 */
export async function openDatabase(url: string, options: { connectionsMax?: number } = {}): Promise<Database> {
  let sql: Database;
  try {
    sql = postgres(url, {
      max: options.connectionsMax ?? LIMITS.databaseConnectionsMax,
      connect_timeout: 10,
      onnotice: () => {},
      connection: { application_name: 'starling', TimeZone: 'UTC' },
    });
  } catch (cause) {
    const hint = 'STARLING_DATABASE_URL must look like postgres://user:password@host:port/database.';
    throw new ConfigError('database-url', hint, { cause });
  }
  try {
    const [row] = await sql`select current_setting('server_version_num')::int as version`;
    if (row!['version'] < VERSION_MIN) {
      const found = Math.floor(row!['version'] / 10_000);
      throw new ConfigError('database-version', `PostgreSQL 15 or newer is needed; this server is ${found}.`);
    }
  } catch (cause) {
    await sql.end({ timeout: 1 });
    if (cause instanceof ConfigError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('database', `The database does not answer: ${why}. Check STARLING_DATABASE_URL.`, { cause });
  }
  return sql;
}

// The driver's own codes, those of the socket, and SQLSTATE classes 08 (connection) and 57P (shut down, crashed, starting).
const AWAY = /^(CONNECTION_|CONNECT_TIMEOUT$|ECONN|ENOENT$|EPIPE$|ETIMEDOUT$|08|57P0)/;

/** True for errors that say the server cannot be reached just now, and nothing about the statement. */
export function isDatabaseAway(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && AWAY.test(code);
}

// Escapes that JSON allows and jsonb does not: NUL, and halves of surrogate pairs. CPEs do send such strings.
const SUSPECT = /\\u0000|\\ud[89a-f][0-9a-f]{2}/i;

/**
 * JSON text for a jsonb parameter, written in SQL as `${jsonText(rows)}::text::jsonb` (the detour by text keeps the driver from encoding
 * twice). What PostgreSQL cannot hold becomes U+FFFD.
 */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  return SUSPECT.test(text)
    ? JSON.stringify(value, (_, part) => (typeof part === 'string' ? cleanText(part) : part))
    : text;
}

/** A string as PostgreSQL can hold it, for text parameters. */
export function cleanText(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '\uFFFD');
}

/** ISO text of a timestamp column. */
export const iso = (at: Date): string => at.toISOString();
/** The same for a column that may be null. */
export const isoOrNull = (at: Date | null): string | null => (at === null ? null : at.toISOString());
