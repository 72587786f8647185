import { expect, test } from 'vitest';
import { ADMIN, testControl } from '../control.test-helper.ts';
import type { PersonView } from '../services.ts';
import { personService } from './people.ts';
import { tokenService } from './tokens.ts';

async function setUp() {
  const { context, clock } = await testControl();
  const { sql } = context;
  const people = personService(context);
  const make = (name: string, role: PersonView['role'] = 'noc') => people.create({ name, role }, ADMIN);
  return {
    ...{ context, clock, people, make },
    tokens: tokenService(context),
    evidence: () =>
      sql<{ kind: string; body: Record<string, unknown> }[]>`select kind, body from evidence order by seq`,
    events: () => sql<{ kind: string; summary: string; body: Record<string, unknown> }[]>`
      select kind, summary, body from event order by seq`,
  };
}
const BY = { by: 'Ada', role: 'admin', person: 'ada', tokenId: 'token-1' };

test('a person is made, found, and told of in evidence with the address, in events without', async () => {
  const { people, clock, evidence, events } = await setUp();
  const person = await people.create({ name: 'Operator A', role: 'noc', email: 'operator@example.net' }, ADMIN);
  expect(person).toEqual({
    ...{
      id: person.id,
      name: 'Operator A',
      role: 'noc',
      email: 'operator@example.net',
      createdBy: 'Ada',
      disabledAt: null,
    },
    createdAt: new Date(clock.now()).toISOString(),
  });
  expect(await people.get(person.id)).toEqual(person);
  expect(await people.list({})).toEqual({ items: [person], next: null });
  await expect(people.get('nobody')).rejects.toMatchObject({ status: 404, code: 'unknown-person' });
  expect(await evidence()).toEqual([
    {
      kind: 'person',
      body: {
        what: 'created',
        person: { id: person.id, name: 'Operator A' },
        before: null,
        after: { name: 'Operator A', role: 'noc', email: 'operator@example.net', disabled: false },
        by: BY,
      },
    },
  ]);
  const [event] = await events();
  expect(event).toMatchObject({ kind: 'person.created', summary: 'Person Operator A created by Ada: role noc' });
  expect(event!.body).toEqual({
    ...{ personId: person.id, name: 'Operator A', role: 'noc', disabled: false, by: 'Ada', byPerson: 'ada' },
  });
});

test.each([
  ['another case', 'Åsa Öberg', 'åSA öBERG'],
  ['letters put together otherwise', 'Åsa', 'A\u030asa'],
  ['letters of another width', 'Ada', 'Ａｄａ'],
  ['another blank', 'Ada L', 'Ada\u00a0 L'],
])('two people cannot have one name in %s, at once neither', async (_, one, other) => {
  const { people, make } = await setUp();
  const first = await make(one);
  await expect(make(other)).rejects.toMatchObject({ status: 409, code: 'name-taken' });
  const second = await make('Somebody else');
  await expect(people.change(second.id, { name: other }, ADMIN)).rejects.toMatchObject({ code: 'name-taken' });
  expect((await people.change(first.id, { name: other }, ADMIN)).name).toBe(other);
  const made = await Promise.allSettled([make('Racer'), make('RACER'), make('racer')]);
  expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('people come in keyset pages in the order of their names, each once', async () => {
  const { people, make } = await setUp();
  for (const name of ['delta', 'Alpha', 'charlie', 'Echo', 'bravo']) await make(name);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await people.list(cursor === undefined ? { limit: 2 } : { limit: 2, cursor });
    seen.push(...page.items.map(({ name }) => name));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  expect(seen).toEqual(['Alpha', 'bravo', 'charlie', 'delta', 'Echo']);
  await expect(people.list({ cursor: '%%' })).rejects.toMatchObject({ code: 'bad-cursor' });
});

test('a change is one record of before and after; a change to what is already so is none', async () => {
  const { people, make, clock, evidence, events } = await setUp();
  const { id } = await make('Operator A');
  clock.advance(1_000);
  const change = { name: 'Operator B', role: 'engineer', email: 'g@example.net', disabled: true } as const;
  const changed = await people.change(id, change, ADMIN);
  expect(changed).toMatchObject({
    name: 'Operator B',
    role: 'engineer',
    disabledAt: new Date(clock.now()).toISOString(),
  });
  clock.advance(1_000);
  expect(await people.change(id, change, ADMIN)).toEqual(changed);
  const before = { name: 'Operator A', role: 'noc', email: null, disabled: false };
  expect((await evidence()).slice(1)).toEqual([
    {
      kind: 'person',
      body: { what: 'changed', person: { id, name: 'Operator B' }, before, after: { ...before, ...change }, by: BY },
    },
  ]);
  expect((await events()).slice(1)).toMatchObject([
    {
      kind: 'person.changed',
      summary:
        'Person Operator A changed by Ada: is Operator B now, role engineer in place of noc, another e-mail address, disabled',
    },
  ]);
  expect(await people.change(id, { email: null, disabled: false }, ADMIN)).toMatchObject({
    ...{ email: null, disabledAt: null, name: 'Operator B' },
  });
  await expect(people.change('nobody', { role: 'noc' }, ADMIN)).rejects.toMatchObject({ code: 'unknown-person' });
});

test('a new role, name, or end holds for the tokens of the person from the next request on', async () => {
  const { people, tokens, make } = await setUp();
  const { id } = await make('Operator A');
  const { token, view } = await tokens.create({ name: 'laptop', personId: id }, ADMIN);
  const shown = { tokenId: view.id, person: id, scope: null };
  expect(await tokens.authenticate(token)).toEqual({
    type: 'ok',
    principal: { ...shown, name: 'Operator A', role: 'noc' },
  });
  await people.change(id, { role: 'support', name: 'Operator B' }, ADMIN);
  expect(await tokens.authenticate(token)).toEqual({
    type: 'ok',
    principal: { ...shown, name: 'Operator B', role: 'support' },
  });
  expect(await tokens.get(view.id)).toMatchObject({ role: 'support', person: { id, name: 'Operator B' } });
  await people.change(id, { disabled: true }, ADMIN);
  expect(await tokens.authenticate(token)).toEqual({ type: 'disabled' });
  await people.change(id, { disabled: false }, ADMIN);
  expect(await tokens.authenticate(token)).toMatchObject({ type: 'ok' });
});

test.each([
  ['disabled', { disabled: true }],
  ['given another role', { role: 'noc' }],
] as const)('the last enabled admin cannot be %s', async (_, change) => {
  const { people, make, evidence } = await setUp();
  const last = await make('Last', 'admin');
  const gone = await make('Gone', 'admin');
  await people.change(gone.id, { disabled: true }, ADMIN);
  const records = (await evidence()).length;
  await expect(people.change(last.id, change, ADMIN)).rejects.toMatchObject({ status: 409, code: 'last-admin' });
  expect(await people.get(last.id)).toEqual(last);
  expect(await evidence()).toHaveLength(records);
  expect(await people.change(last.id, { name: 'Still the last' }, ADMIN)).toMatchObject({ role: 'admin' });
  await people.change(gone.id, { disabled: false }, ADMIN);
  await people.change(last.id, change, ADMIN);
});

test('of admins who are all taken away at once one is left, whatever the order', async () => {
  const { context, people } = await setUp();
  for (let round = 0; round < 20; round++) {
    const admins = await Promise.all(
      ['one', 'two', 'three', 'four'].map((name) => people.create({ name: `${name} ${round}`, role: 'admin' }, ADMIN)),
    );
    const ended = await Promise.allSettled(
      admins.map(({ id }, i) => people.change(id, i % 2 === round % 2 ? { disabled: true } : { role: 'noc' }, ADMIN)),
    );
    const refused = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []));
    expect(refused).toEqual(['last-admin']);
    const left = await context.sql`select id from person where role = 'admin' and disabled_at is null`;
    expect(left).toHaveLength(1);
    // Out of the way of the next round.
    await context.sql`update person set role = 'noc'`;
  }
});
