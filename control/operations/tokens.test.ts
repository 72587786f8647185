import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { freshDatabaseUrl } from '../../test/postgres.test-helper.ts';
import { ADMIN, testControl } from '../control.test-helper.ts';
import { PERMISSION_NAMES, permissionsOf, ROLES } from '../permissions.ts';
import type { Principal } from '../services.ts';
import { migrate, readMigrations } from '../store/migrate.ts';
import { openDatabase } from '../store/postgres.ts';
import { personService } from './people.ts';
import { tokenService } from './tokens.ts';

async function setUp() {
  const { context, clock, url } = await testControl();
  const { sql } = context;
  const tokens = tokenService(context);
  return {
    ...{ context, clock, sql, tokens, url },
    people: personService(context),
    /** Who shows this token, which must be good. */
    async principalOf(token: string): Promise<Principal> {
      const found = await tokens.authenticate(token);
      if (found.type !== 'ok') throw new Error(`the token is ${found.type}`);
      return found.principal;
    },
    evidence: () =>
      sql<{ body: Record<string, unknown> }[]>`select body from evidence where kind = 'token' order by seq`,
    refusals: () =>
      sql<
        { summary: string; body: object }[]
      >`select summary, body from event where kind = 'token.refused' order by seq`,
  };
}

test('making and revoking a token is evidence, without the token; revoking it again is not', async () => {
  const { tokens, people, evidence, sql } = await setUp();
  const operator = await people.create({ name: 'Operator A', role: 'noc' }, ADMIN);
  const { token, view } = await tokens.create({ name: 'laptop', personId: operator.id, scope: ['act', 'read'] }, ADMIN);
  expect(view).toMatchObject({ role: 'noc', person: { id: operator.id, name: 'Operator A' }, scope: ['read', 'act'] });
  await tokens.revoke(view.id, ADMIN);
  const revoked = await tokens.revoke(view.id, { ...ADMIN, name: 'Too late' });
  expect(revoked.revokedAt).not.toBe(null);
  const said = { id: view.id, name: 'laptop', hint: view.hint, role: 'noc', person: view.person };
  const kept = { ...said, scope: ['read', 'act'], expiresAt: null };
  const by = { by: 'Ada', role: 'admin', person: 'ada', tokenId: 'token-1' };
  expect((await evidence()).map(({ body }) => body)).toEqual([
    { what: 'created', token: kept, by },
    { what: 'revoked', token: kept, by },
  ]);
  const all = JSON.stringify([await evidence(), await sql`select * from event`, await sql`select * from api_token`]);
  expect(all).not.toContain(token.slice(12));
});

test.each([
  ['neither role nor personId', {}, 422, 'bad-owner'],
  ['both', { role: 'noc', personId: 'x' }, 422, 'bad-owner'],
  ['a person that does not exist', { personId: 'x' }, 404, 'unknown-person'],
  ['a scope beyond the role', { role: 'support', scope: ['read', 'approve'] }, 422, 'bad-scope'],
  ['an end that is past', { role: 'noc', expiresAt: '2020-01-01T00:00:00Z' }, 422, 'bad-expiry'],
] as const)('a token with %s is refused', async (_, wanted, status, code) => {
  const { tokens, sql } = await setUp();
  const { scope, ...rest } = { scope: undefined, ...wanted };
  const given = { name: 'x', ...rest, ...(scope === undefined ? {} : { scope: [...scope] }) };
  await expect(tokens.create(given, ADMIN)).rejects.toMatchObject({ status, code });
  expect(await sql`select from api_token`).toHaveLength(0);
});

test('no token is made for somebody who is disabled', async () => {
  const { tokens, people } = await setUp();
  const { id } = await people.create({ name: 'Gone', role: 'noc' }, ADMIN);
  await people.change(id, { disabled: true }, ADMIN);
  await expect(tokens.create({ name: 'x', personId: id }, ADMIN)).rejects.toMatchObject({ code: 'person-disabled' });
});

test('a scope narrows a token, and goes on doing so when the person rises', async () => {
  const { tokens, people, principalOf } = await setUp();
  const { id } = await people.create({ name: 'Operator A', role: 'support' }, ADMIN);
  const { token } = await tokens.create({ name: 'script', personId: id, scope: ['read'] }, ADMIN);
  await people.change(id, { role: 'admin' }, ADMIN);
  const principal = await principalOf(token);
  expect(principal).toMatchObject({ role: 'admin', scope: ['read'] });
  expect(permissionsOf(principal)).toEqual(['read']);
});

test('no token may more than the one it is made with, even when its person becomes an admin', async () => {
  const { tokens, people, principalOf, sql } = await setUp();
  const operator = await people.create({ name: 'Operator A', role: 'noc' }, ADMIN);
  // Wide ones to make with and narrow ones to make, so that many are made.
  const wide = fc.uniqueArray(fc.constantFrom(...PERMISSION_NAMES), { minLength: 6 });
  const narrow = fc.uniqueArray(fc.constantFrom(...PERMISSION_NAMES), { minLength: 1, maxLength: 3 });
  let made = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.option(wide),
      fc.option(narrow),
      fc.option(fc.constantFrom(...ROLES)),
      async (makers, wanted, role) => {
        const maker: Principal = { ...ADMIN, scope: makers };
        await sql`update person set role = 'noc'`;
        const owner = role === null ? { personId: operator.id } : { role };
        const asked = { name: 'x', ...owner, ...(wanted === null ? {} : { scope: wanted }) };
        const created = await tokens.create(asked, maker).catch((error) => {
          expect(['beyond-own-scope', 'bad-scope']).toContain(error.code);
          return null;
        });
        if (created === null) return;
        made++;
        await sql`update person set role = 'admin'`;
        const may = permissionsOf(maker);
        for (const permission of permissionsOf(await principalOf(created.token))) expect(may).toContain(permission);
      },
    ),
    { numRuns: 150, verbose: true },
  );
  expect(made).toBeGreaterThan(10);
});

test('what an unnarrowed admin asks for is made', async () => {
  const { tokens } = await setUp();
  for (const role of ROLES) {
    const scope = permissionsOf({ role, scope: null });
    expect((await tokens.create({ name: 'x', role, scope }, ADMIN)).view.scope).toEqual(scope);
    expect((await tokens.create({ name: 'x', role }, ADMIN)).view.scope).toBe(null);
  }
});

test('tokens come in pages, all of them or those of one person', async () => {
  const { tokens, people, clock } = await setUp();
  const { id } = await people.create({ name: 'Operator A', role: 'noc' }, ADMIN);
  for (let i = 0; i < 5; i++) {
    clock.advance(1);
    await tokens.create({ name: `t${i}`, ...(i % 2 ? { personId: id } : { role: 'noc' as const }) }, ADMIN);
  }
  const first = await tokens.list({ limit: 3 });
  const second = await tokens.list({ limit: 3, cursor: first.next! });
  expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(['t0', 't1', 't2', 't3', 't4']);
  expect(second.next).toBe(null);
  expect((await tokens.list({ personId: id })).items.map(({ name }) => name)).toEqual(['t1', 't3']);
});

test('the use of a token that has ended is told once a minute, by all controls together', async () => {
  const { context, tokens, people, clock, refusals, url } = await setUp();
  const beside = tokenService(context);
  const { id } = await people.create({ name: 'Operator A', role: 'noc' }, ADMIN);
  const expiresAt = new Date(clock.now() + 1_000).toISOString();
  const { token, view } = await tokens.create({ name: 'laptop', personId: id, expiresAt }, ADMIN);
  clock.advance(1_000);
  // All have seen that nobody told yet before the first of them may tell.
  const gate = await openDatabase(url, { connectionsMax: 1 });
  const uses = await gate.begin(async (tx) => {
    await tx`select from api_token for update`;
    const all = [tokens, beside, tokens, beside].map((each) => each.authenticate(token));
    const waiting = async (): Promise<number> => {
      // Within a transaction it would show the same all the time.
      await tx`select pg_stat_clear_snapshot()`;
      const rows = await tx`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return rows.length;
    };
    await expect.poll(waiting).toBe(4);
    return () => Promise.all(all);
  });
  expect(await uses()).toEqual(Array(4).fill({ type: 'expired', at: expiresAt }));
  await gate.end({ timeout: 1 });
  const body = { tokenId: view.id, name: 'laptop', personId: id, why: 'expired' };
  expect(await refusals()).toEqual([
    { summary: 'Token laptop of Operator A was used and refused: it has expired', body },
  ]);
  clock.advance(LIMITS.tokenRefusedEveryMs - 1);
  await tokens.authenticate(token);
  expect(await refusals()).toHaveLength(1);
  await people.change(id, { disabled: true }, ADMIN);
  clock.advance(1);
  expect(await tokens.authenticate(token)).toEqual({ type: 'disabled' });
  await tokens.revoke(view.id, ADMIN);
  clock.advance(LIMITS.tokenRefusedEveryMs);
  expect(await tokens.authenticate(token)).toEqual({ type: 'revoked' });
  expect((await refusals()).slice(1)).toMatchObject([{ body: { why: 'disabled' } }, { body: { why: 'revoked' } }]);
});

test('the first token is of the person admin, and both are evidence', async () => {
  const { tokens, people, principalOf, sql } = await setUp();
  const token = (await tokens.ensureAdmin(null))!;
  const { items } = await people.list({});
  expect(items).toMatchObject([{ name: 'admin', role: 'admin', createdBy: 'first start' }]);
  expect(await principalOf(token)).toMatchObject({ name: 'admin', role: 'admin', person: items[0]!.id, scope: null });
  expect(await sql`select kind, body->'by' as by from evidence order by seq`).toEqual([
    { kind: 'person', by: { by: 'first start' } },
    { kind: 'token', by: { by: 'first start' } },
  ]);
  // However the token was lost, only who holds the machine makes another one.
  await sql`update api_token set revoked_at = now()`;
  expect(await tokens.ensureAdmin(null)).toBe(null);
});

test('a given admin token is of the person admin too; of a program where that person is no admin any more', async () => {
  const { tokens, people, principalOf } = await setUp();
  const [one, two, three] = [
    'the-first-given-token-00',
    'the-second-given-token-0',
    'the-third-given-token-00',
  ] as const;
  expect(await tokens.ensureAdmin(one)).toBe(null);
  const { person } = await principalOf(one);
  expect(await people.get(person!)).toMatchObject({ name: 'admin', role: 'admin', createdBy: 'STARLING_ADMIN_TOKEN' });
  await tokens.ensureAdmin(two);
  expect(await principalOf(two)).toMatchObject({ name: 'admin', person });
  await people.create({ name: 'Operator A', role: 'admin' }, ADMIN);
  await people.change(person!, { disabled: true }, ADMIN);
  await tokens.ensureAdmin(three);
  expect(await principalOf(three)).toMatchObject({ name: 'admin', role: 'admin', person: null });
  expect(await tokens.authenticate(one)).toEqual({ type: 'disabled' });
});

test('an installation from before there were people goes on with its admin token, which makes the first of them', async () => {
  const { context } = await setUp();
  const sql = await openDatabase(await freshDatabaseUrl(), { connectionsMax: 2 });
  try {
    const migrations = readMigrations();
    await migrate(
      sql,
      migrations.filter(({ name }) => name < '0011'),
    );
    const { token: old } = await tokenService(context).create({ name: 'admin', role: 'admin' }, ADMIN);
    const [row] = await context.sql`select id, hash, name, role, hint, created_at, created_by from api_token`;
    await sql`insert into api_token ${sql(row as Record<string, string>)}`;
    await migrate(sql, migrations);
    const upgraded = { ...context, sql };
    const tokens = tokenService(upgraded);
    expect(await tokens.ensureAdmin(null)).toBe(null);
    const found = await tokens.authenticate(old);
    expect(found).toMatchObject({ principal: { name: 'admin', role: 'admin', person: null, scope: null } });
    if (found.type !== 'ok') return;
    const operator = await personService(upgraded).create({ name: 'Operator A', role: 'admin' }, found.principal);
    const { token } = await tokens.create({ name: 'laptop', personId: operator.id }, found.principal);
    expect(await tokens.authenticate(token)).toMatchObject({ principal: { name: 'Operator A', role: 'admin' } });
  } finally {
    await sql.end({ timeout: 1 });
  }
});
