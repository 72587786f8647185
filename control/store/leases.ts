// Leases between control processes on one database: of each name at most one process is the holder, and which one that is follows who is
// alive. A holder renews no lease, only its own sign of life; it is dead when that is old or when its connection to PostgreSQL is gone. Time
// is PostgreSQL's: the clocks of two hosts are never compared. What a lease is for is not here.
//
//   free ─take─▶ held (fence + 1) ─release, or the holder dies─▶ free
//
// `holds` says no before anybody else can say yes, as far as clocks go. A process that stood still between asking and acting can still be
// too late, so work that must not be done by an earlier holder checks its fence in its own transaction.

import { randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import { systemElapsed } from '../../base/clock.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import type { Database, Fragment, Sql } from './postgres.ts';

/** With the member's number the advisory lock that shows its connection alive. */
const MEMBER_LOCK = 7_547_003;
const MEMBER_ID_MAX = 2 ** 31 - 1;

/** The number of one process among those on one database. */
export const newMember = (): number => randomInt(1, MEMBER_ID_MAX);
/** What all connections of this process are to be called: by it they are ended when the process is given up. */
export const memberName = (member: number): string => `starling ${member}`;

/** What a holder proves itself with: the number rises whenever the lease changes hands. */
export interface Fence {
  name: string;
  fence: string;
}
interface LeaseRow {
  name: string;
  holder: number | null;
  fence: string;
}

export interface LeasesOptions {
  member: number;
  /** A pool of one connection, for this alone: a sign of life must not wait behind the work, and the advisory lock lives with it. */
  sql: Database;
  log: Log;
  /** A name is wanted that is not held: a pass soon would be good. */
  onWant(): void;
  /** Milliseconds that pass, whatever the wall clock does. */
  elapsed?: () => number;
}

/** The leases of one process. `pass` is run by a reconciler every leaseRenewMs. */
export class Leases {
  readonly #o: LeasesOptions;
  readonly #elapsed: () => number;
  readonly #id: number;
  /** Name → when it was last asked for. */
  readonly #wanted = new Map<string, number>();
  readonly #held = new Map<string, string>();
  /** Until then (by `elapsed`) nobody may think us dead. */
  #aliveUntil = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: LeasesOptions) {
    this.#o = options;
    this.#id = options.member;
    this.#elapsed = options.elapsed ?? systemElapsed;
  }

  /** Asks for a lease; it is kept up while it is asked for. Names beyond leaseNamesMax are not taken. */
  want(name: string): void {
    const isNew = !this.#wanted.has(name);
    if (isNew && this.#wanted.size >= LIMITS.leaseNamesMax) return;
    this.#wanted.set(name, this.#elapsed());
    if (isNew && !this.#closed) this.#o.onWant();
  }

  /** Whether this process is the holder, for all it can know without asking. */
  holds(name: string): boolean {
    return this.#held.has(name) && this.#elapsed() < this.#aliveUntil;
  }

  /** What the work under this lease is to be done with; null when it is not ours. */
  fenceOf(name: string): Fence | null {
    return this.holds(name) ? { name, fence: this.#held.get(name)! } : null;
  }

  /** Somebody found that this one has gone to another process. */
  lost({ name, fence }: Fence): void {
    if (this.#held.get(name) === fence) this.#held.delete(name);
  }

  /** How many leases are held. */
  get heldCount(): number {
    return this.#elapsed() < this.#aliveUntil ? this.#held.size : 0;
  }

  /** One sign of life, and what follows from who else is alive. Returns what it came to, in words. */
  async pass(): Promise<string> {
    if (this.#closed) return 'closed';
    const asOf = this.#elapsed();
    for (const [name, at] of this.#wanted) if (asOf - at > LIMITS.leaseWantMs) this.#wanted.delete(name);
    const before = new Map(this.#held);
    const { live, rows } = await this.#o.sql.begin(async (tx) => {
      await this.#signOfLife(tx);
      const members = await readLive(tx, this.#id);
      const wanted = [...this.#wanted.keys()];
      const leases = await readLeases(tx, wanted, this.#id);
      const { take, release } = shareOut(this.#id, members, wanted, leases);
      // Not ours from here on, whatever comes of the transaction: a batch in hand must not be begun after somebody else has it.
      for (const name of release) this.#held.delete(name);
      await giveBack(tx, this.#id, release);
      await takeOver(tx, this.#id, take, members);
      return { live: members.size, rows: await readLeases(tx, [], this.#id) };
    });
    // The server's clock was read after `asOf`, so by ours it ends sooner.
    this.#aliveUntil = asOf + LIMITS.leaseMs - LIMITS.leaseSlackMs;
    this.#held.clear();
    for (const { name, fence } of rows) this.#held.set(name, fence);
    this.#say(before);
    return `holds ${this.#held.size} of ${this.#wanted.size} wanted; ${live} control ${live === 1 ? 'process' : 'processes'}`;
  }

  /** Lets go of everything, so that the next one need not wait. The pool stays open: it belongs to the caller. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#held.clear();
    this.#aliveUntil = Number.NEGATIVE_INFINITY;
    const { sql } = this.#o;
    await sql.begin(async (tx) => {
      await tx`update lease set holder = null where holder = ${this.#id}`;
      await tx`delete from control_member where id = ${this.#id}`;
    });
  }

  async #signOfLife(tx: Sql): Promise<void> {
    const [lock] = await tx<{ ours: boolean }[]>`
      select exists (select from pg_locks where locktype = 'advisory' and granted and pid = pg_backend_pid()
        and classid = ${MEMBER_LOCK}::int::oid and objid = ${this.#id}::int::oid) as ours`;
    // Of the session and not of the transaction: it goes when the connection goes. While the server has not given up an old connection of
    // ours, that one has it; then the next pass tries again.
    if (!lock!.ours) await tx`select pg_try_advisory_lock(${MEMBER_LOCK}, ${this.#id})`;
    await tx`
      insert into control_member (id, host, until, wants)
      values (${this.#id}, ${hostname()}, now() + ${LIMITS.leaseMs} * interval '1 millisecond', ${this.#wanted.size})
      on conflict (id) do update set until = excluded.until, wants = excluded.wants`;
  }

  #say(before: ReadonlyMap<string, string>): void {
    const gained = [...this.#held.keys()].filter((name) => !before.has(name));
    const gone = [...before.keys()].filter((name) => !this.#held.has(name));
    if (gained.length > 0 || gone.length > 0) this.#o.log.info({ gained, gone }, 'leases changed hands');
  }
}

/**
 * What one process takes and lets go of, so that those who are alive and want something have about the same. Pure.
 * @param live members by number, with how many names each wants. @param rows the leases of `wanted`, and all that are `me`'s.
 */
export function shareOut(
  me: number,
  live: ReadonlyMap<number, number>,
  wanted: readonly string[],
  rows: readonly LeaseRow[],
): { take: string[]; release: string[] } {
  const sharers = Math.max(1, [...live.values()].filter((wants) => wants > 0).length);
  const share = Math.ceil(wanted.length / sharers);
  const isWanted = new Set(wanted);
  const holders = new Map(rows.map(({ name, holder }) => [name, holder]));
  const mine = rows.filter(({ holder }) => holder === me).map(({ name }) => name);
  const kept = mine.filter((name) => isWanted.has(name));
  const release = [...mine.filter((name) => !isWanted.has(name)), ...kept.slice(share)];
  const free = wanted.filter((name) => {
    const holder = holders.get(name) ?? null;
    return holder === null || !live.has(holder);
  });
  return { take: free.slice(0, Math.max(0, share - kept.length)), release };
}

/** Locks a lease for the rest of the transaction; false when this fence is not the newest any more. */
export async function isNewestFence(tx: Sql, { name, fence }: Fence): Promise<boolean> {
  const rows = await tx`select from lease where name = ${name} and fence = ${fence} and holder is not null for share`;
  return rows.length === 1;
}

/** In SQL: whether the process with this number has a connection for its leases. One that was killed has none at once. */
export function isConnected(sql: Sql, member: Fragment): Fragment {
  return sql`exists (
    select from pg_locks l where l.locktype = 'advisory' and l.granted and l.classid = ${MEMBER_LOCK}::int::oid and l.objid = ${member}::oid
      and l.database = (select oid from pg_database where datname = current_database()))`;
}

/** Members that are alive, with how many names each wants; those that are not are struck off. */
async function readLive(tx: Sql, me: number): Promise<Map<number, number>> {
  const rows = await tx<{ id: number; wants: number; late: boolean; connected: boolean }[]>`
    select id, wants, id <> ${me} and until <= now() as late, id = ${me} or ${isConnected(tx, tx`m.id`)} as connected
    from control_member m`;
  const gone = rows.filter(({ late, connected }) => late || !connected);
  if (gone.length > 0) await tx`delete from control_member where id = any(${gone.map(({ id }) => id)})`;
  await endConnections(
    tx,
    gone.filter(({ late }) => late).map(({ id }) => id),
  );
  return new Map(rows.filter((row) => !gone.includes(row)).map(({ id, wants }) => [id, wants]));
}

/**
 * A process that stands still in the midst of a transaction, or whose host is gone without a word, would keep its rows locked for as long as
 * PostgreSQL takes its connections for good ones. Should it wake up it connects anew.
 */
async function endConnections(tx: Sql, members: number[]): Promise<void> {
  if (members.length === 0) return;
  await tx`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and application_name = any(${members.map(memberName)})`;
}

async function readLeases(tx: Sql, names: string[], holder: number): Promise<LeaseRow[]> {
  return await tx<LeaseRow[]>`
    select name, holder, fence from lease where name = any(${names}) or holder = ${holder} order by name`;
}

/** A lease under which a transaction is still open is left for the next pass: a sign of life waits for nobody's work. */
async function giveBack(tx: Sql, holder: number, names: string[]): Promise<void> {
  if (names.length === 0) return;
  await tx`
    with mine as (select name from lease where name = any(${names}) and holder = ${holder} order by name for update skip locked)
    update lease l set holder = null from mine where l.name = mine.name`;
}

async function takeOver(tx: Sql, holder: number, names: string[], live: ReadonlyMap<number, number>): Promise<void> {
  if (names.length === 0) return;
  await tx`insert into lease (name) select name from unnest(${names}::text[]) as n(name) order by name on conflict do nothing`;
  await tx`
    with free as (
      select name from lease where name = any(${names}) and (holder is null or holder <> all(${[...live.keys()]}::int[]))
      order by name for update skip locked)
    update lease l set holder = ${holder}, fence = l.fence + 1 from free where l.name = free.name`;
}
