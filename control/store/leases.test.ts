import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { silentLog } from '../../base/log.ts';
import { freshDatabase } from '../../test/postgres.test-helper.ts';
import { isNewestFence, Leases, memberName, newMember, shareOut } from './leases.ts';
import { type Database, openDatabase } from './postgres.ts';

/** A control process as its leases see it: a connection of its own, and a clock moved by hand. */
interface Member {
  leases: Leases;
  sql: Database;
  advance(ms: number): void;
  held(): string[];
}
const NAMES = ['a', 'b', 'c', 'd'];
const opened: Database[] = [];
afterAll(() => Promise.all(opened.map((sql) => sql.end({ timeout: 1 }))));

async function member(url: string): Promise<Member> {
  const id = newMember();
  const sql = await openDatabase(url, { connectionsMax: 1, name: memberName(id) });
  opened.push(sql);
  let now = 0;
  const leases = new Leases({ member: id, sql, log: silentLog, onWant: () => {}, elapsed: () => now });
  return {
    leases,
    sql,
    advance: (ms) => {
      now += ms;
    },
    held: () => NAMES.filter((name) => leases.holds(name)),
  };
}
async function pair(): Promise<{ sql: Database; one: Member; two: Member }> {
  const { url, sql } = await freshDatabase();
  return { sql, one: await member(url), two: await member(url) };
}
const want = (members: Member[], names = NAMES): void => {
  for (const { leases } of members) for (const name of names) leases.want(name);
};
/** As when the process was killed: nothing is said any more, and the connection is gone. */
const kill = ({ sql }: Member): Promise<void> => sql.end({ timeout: 0 });

test('a lease is held after the pass that took it, by one process, and no longer than it is renewed', async () => {
  const { one, two } = await pair();
  want([one, two], ['a']);
  expect(one.held()).toEqual([]);
  await one.leases.pass();
  await two.leases.pass();
  expect([one.held(), two.held()]).toEqual([['a'], []]);
  one.advance(LIMITS.leaseMs - LIMITS.leaseSlackMs - 1);
  expect(one.leases.holds('a')).toBe(true);
  one.advance(1);
  expect(one.leases.holds('a')).toBe(false); // Without asking anybody: it could not have renewed.
  await one.leases.pass();
  expect(one.held()).toEqual(['a']);
});

test('a process that comes gets its share of what is held, and keeps it', async () => {
  const { one, two } = await pair();
  want([one]);
  await one.leases.pass();
  expect(one.held()).toEqual(NAMES);
  await two.leases.pass(); // It wants nothing: nobody makes room for it.
  await one.leases.pass();
  expect(one.held()).toEqual(NAMES);
  want([two]);
  for (let pass = 0; pass < 3; pass++) for (const { leases } of [two, one]) await leases.pass();
  expect([one.held().length, two.held().length]).toEqual([2, 2]);
  expect([...one.held(), ...two.held()].sort()).toEqual(NAMES);
  const before = one.held();
  for (const { leases } of [two, one]) await leases.pass();
  expect(one.held()).toEqual(before);
});

test('what a killed process held goes to the next pass of another; its fence is old then', async () => {
  const { sql, one, two } = await pair();
  want([one, two]);
  await one.leases.pass();
  const fence = one.leases.fenceOf('a')!;
  await two.leases.pass();
  await kill(one);
  await expect
    .poll(async () => {
      await two.leases.pass();
      return two.held();
    })
    .toEqual(NAMES);
  expect(one.leases.fenceOf('a')).toEqual(fence); // It does not know, and need not.
  expect(await sql.begin((tx) => isNewestFence(tx, fence))).toBe(false);
  expect(await sql.begin((tx) => isNewestFence(tx, two.leases.fenceOf('a')!))).toBe(true);
});

test('a process whose connection stands, but of which nothing is heard, loses what it held when its time is over', async () => {
  const { sql, one, two } = await pair();
  want([one, two], ['a']);
  await one.leases.pass();
  await two.leases.pass();
  expect(two.held()).toEqual([]);
  await sql`update control_member set until = now() where wants > 0 and id = (select holder from lease where name = 'a')`;
  await two.leases.pass();
  expect(two.held()).toEqual(['a']);
  // It wakes up, finds its connections ended, and sees.
  await expect.poll(() => one.leases.pass().catch(() => 'away')).toMatch(/holds 0 of 1/);
  expect(one.held()).toEqual([]);
});

test('what stands still in the midst of a transaction is ended with its process', async () => {
  const { url, sql } = await freshDatabase();
  const [one, two] = [await member(url), await member(url)];
  want([one, two], ['a']);
  await one.leases.pass();
  const fence = one.leases.fenceOf('a')!;
  const [row] = await sql<{ holder: number }[]>`select holder from lease where name = 'a'`;
  const work = await openDatabase(url, { connectionsMax: 1, name: memberName(row!.holder) });
  opened.push(work);
  const standing = await work.reserve();
  await standing.unsafe('begin');
  expect(await isNewestFence(standing, fence)).toBe(true);
  await sql`update control_member set until = now() where id = ${row!.holder}`;
  await expect
    .poll(async () => {
      await two.leases.pass();
      return two.held();
    })
    .toEqual(['a']);
  await expect(standing`select 1`).rejects.toThrow();
});

test('closing lets go at once; a name nobody asks for any more is let go after a while', async () => {
  const { one, two } = await pair();
  want([one, two]);
  await one.leases.pass();
  await one.leases.close();
  expect(one.held()).toEqual([]);
  await two.leases.pass();
  expect(two.held()).toEqual(NAMES);
  two.advance(LIMITS.leaseWantMs + 1);
  want([two], ['b']);
  await two.leases.pass();
  expect(two.held()).toEqual(['b']);
});

test('a lease under which a transaction is open does not change hands before its end', async () => {
  const { sql, one, two } = await pair();
  want([one, two], ['a']);
  await one.leases.pass();
  const fence = one.leases.fenceOf('a')!;
  await sql.begin(async (tx) => {
    expect(await isNewestFence(tx, fence)).toBe(true);
    await kill(one);
    await two.leases.pass(); // Does not wait for it either.
    expect(two.held()).toEqual([]);
  });
  await expect
    .poll(async () => {
      await two.leases.pass();
      return two.held();
    })
    .toEqual(['a']);
});

test('a member whose connection was cut goes on with a new one', async () => {
  const { sql, one, two } = await pair();
  want([one, two], ['a']);
  await one.leases.pass();
  await sql`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 7547003::oid`;
  await expect.poll(() => one.leases.pass().catch(() => 'away')).toMatch(/holds 1 of 1/);
  await two.leases.pass();
  expect([one.held(), two.held()]).toEqual([['a'], []]);
});

test('sharing out: over any members and holders nothing is taken from the living, all gets a holder, and it comes to rest', () => {
  const name = fc.constantFrom(...'abcdefghij');
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      fc.uniqueArray(name, { minLength: 1 }),
      fc.array(fc.record({ name, holder: fc.option(fc.integer({ min: 1, max: 12 })) })),
      (ids, wanted, given) => {
        const live = new Map(ids.map((id) => [id, wanted.length]));
        const holders = new Map(given.map(({ name: held, holder }) => [held, holder]));
        const rows = () => [...holders].map(([held, holder]) => ({ name: held, holder, fence: '1' }));
        let changes = 1;
        for (let round = 0; changes > 0; round++) {
          expect(round).toBeLessThan(6);
          changes = 0;
          for (const id of ids) {
            const { take, release } = shareOut(id, live, wanted, rows());
            for (const each of take) expect(live.has(holders.get(each) ?? 0)).toBe(false);
            for (const each of release) expect(holders.get(each)).toBe(id);
            for (const each of take) holders.set(each, id);
            for (const each of release) holders.set(each, null);
            changes += take.length + release.length;
          }
        }
        const counts = ids.map((id) => wanted.filter((each) => holders.get(each) === id).length);
        expect(counts.reduce((sum, count) => sum + count)).toBe(wanted.length);
        expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(wanted.length / ids.length));
      },
    ),
  );
});
