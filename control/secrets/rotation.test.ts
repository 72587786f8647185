// Rotation on a real PostgreSQL. A control that is killed is one that is not asked any more: all it knew is in the database.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keySetOf } from '../../base/key-file.ts';
import { SecretBox, sealedUnder } from '../../base/secret-box.ts';
import { batchRequest } from '../batches/request.ts';
import { batchService } from '../batches/service.ts';
import type { ControlContext } from '../context.ts';
import { ADMIN, CPE, inform, result, type TestControl, testControl, value } from '../control.test-helper.ts';
import { park } from '../ingest/park.ts';
import { Reconciler } from '../reconciler.ts';
import { readCredentials } from '../registry/credentials.ts';
import { newMember } from '../store/leases.ts';
import { beginRotation, rotationPass, rotationView } from './rotation.ts';
import { nameOf, SEALED_COLUMNS } from './sealed-columns.ts';
import { adoptSealingKey, tellKeys } from './sealing-key.ts';

const WIFI_KEY = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.KeyPassphrase';
const [NEW, OLD] = [new Uint8Array(32).fill(8), new Uint8Array(32).fill(3)];
const both = (): SecretBox => new SecretBox(keySetOf(NEW, OLD));
const KEY = both().held[0]!;
const OLD_KEY = both().held[1]!;

/** A control with something sealed in each column, and two keys; without another one beside it. */
async function withSecrets(): Promise<TestControl & { context: ControlContext }> {
  const control = await testControl();
  await control.send(inform({ changed: [value(WIFI_KEY, 'customer-key')] }));
  await control.devices.setCredentials(CPE, { cpe: { username: 'cpe', password: 'cpe-password' } }, ADMIN);
  const request = { kind: 'set', values: { [WIFI_KEY]: 'another-key' } } as const;
  const { action } = await control.actions.create(CPE, request, { principal: ADMIN });
  await control.handOver.pass();
  const work = control.bus.work().find(({ actionId }) => actionId === action.id)!;
  const taken = { before: [value(WIFI_KEY, '••••')], items: [{ name: WIFI_KEY, status: 'set' }] };
  await control.send(result(work, taken));
  const { clock, log } = control.context;
  const job = async (): Promise<string> => 'nothing';
  const batches = batchService(
    control.context,
    new Reconciler({ name: 'batches', periodMs: 3_600_000, job, clock, log }),
  );
  await batches.create(batchRequest.parse({ selection: { all: true }, action: request }), ADMIN);
  await control.context.sql.begin((tx) =>
    park(tx, control.context, [{ subject: 's', id: 'm', raw: { password: 'x' }, why: 'test' }]),
  );
  // As it was before keys had names.
  await control.context.sql`update device_credential set sealed = '1.' || split_part(sealed, '.', 3)`;
  return { ...control, context: { ...control.context, box: both() } };
}

/** Says that a control process lives, and what it has. */
async function lives(context: ControlContext, host: string): Promise<ControlContext> {
  const member = newMember();
  await context.sql`insert into control_member (id, host, until, wants) values (${member}, ${host}, now() + interval '1 hour', 0)`;
  const other = { ...context, member };
  await tellKeys(other);
  return other;
}

async function sealedTexts({ sql }: ControlContext): Promise<Map<string, string[]>> {
  const texts = new Map<string, string[]>();
  for (const of of SEALED_COLUMNS) {
    const rows = await sql<{ text: string }[]>`
      select ${sql(of.column)} as text from ${sql(of.table)} where ${sql(of.column)} is not null`;
    texts.set(
      nameOf(of),
      rows.map(({ text }) => text),
    );
  }
  return texts;
}

async function toItsEnd(context: ControlContext): Promise<void> {
  for (let pass = 0; pass < 20; pass++) {
    await rotationPass(context, 0);
    if ((await rotationView(context)).rotation?.state === 'ended') return;
  }
  throw new Error('the rotation does not end');
}

test('the table of sealed columns names all that there are', async () => {
  const { context } = await testControl();
  const rows = await context.sql<{ name: string }[]>`
    select table_name || '.' || column_name as name from information_schema.columns
    where table_schema = 'public' and column_name like 'sealed%'`;
  expect(SEALED_COLUMNS.map(nameOf)).toEqual(rows.map(({ name }) => name).sort());
});

test('what is sealed in every column is under the new key in the end, and says what it said', async () => {
  const { context, clock } = await withSecrets();
  const { sql } = context;
  for (const [name, texts] of await sealedTexts(context)) expect(texts.length, name).toBeGreaterThan(0);
  await beginRotation(context, KEY, ADMIN);
  clock.advance(1_000);
  await toItsEnd(context);
  for (const text of [...(await sealedTexts(context)).values()].flat())
    expect(text.startsWith(sealedUnder(KEY))).toBe(true);
  // With the new key alone.
  const box = new SecretBox(keySetOf(NEW));
  for (const of of SEALED_COLUMNS) {
    const rows = await sql<{ keys: string[]; text: string }[]>`
      select array[${of.keys.map((key) => sql(key)).reduce((all, key) => sql`${all}, ${key}` as never)}] as keys, ${sql(of.column)} as text
      from ${sql(of.table)} where ${sql(of.column)} is not null`;
    for (const { keys, text } of rows) expect(() => box.open(text, of.contextOf(keys))).not.toThrow();
  }
  const settings = (await readCredentials(sql, { ...context, box }, [CPE])).get(CPE);
  expect(settings?.cpe).toEqual({ username: 'cpe', password: 'cpe-password' });
  const view = await rotationView(context);
  expect(view).toMatchObject({ sealing: KEY, rotation: { key: KEY, state: 'ended', begunBy: 'Ada', walk: 2 } });
  for (const column of view.rotation!.columns) expect(column).toMatchObject({ part: 1, unopened: 0 });
  expect(view.rotation!.columns.every(({ resealed }) => resealed > 0)).toBe(true);
  const evidence = await sql`select action_id, body from evidence where kind = 'secrets-rotated' order by seq`;
  const total = view.rotation!.columns.reduce((sum, { resealed }) => sum + resealed, 0);
  expect(evidence).toMatchObject([
    { action_id: '', body: { step: 'begun', key: KEY, by: 'Ada', role: 'admin', person: 'ada' } },
    { action_id: '', body: { step: 'ended', key: KEY, resealed: total, unopened: 0 } },
  ]);
});

test('stopped after any batch, by whoever goes on, it ends as if nobody had been stopped', async () => {
  const { context } = await withSecrets();
  const { sql } = context;
  // A dozen batches of blocks, four rows in each block.
  const sealed = Array.from({ length: 3_000 }, (_, i) =>
    context.box.seal(`${i} ${'x'.repeat(1_200)}`, `parked:s:${i}`),
  );
  await sql`insert into parked_message (subject, message_id, why, sealed)
    select 's', (n - 1)::text, 'test', t from unnest(${sealed}::text[]) with ordinality as x(t, n)`;
  await beginRotation(context, KEY, ADMIN);
  const all = 3_000 + 1;
  const under: number[] = [];
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), async (batches) => {
      // Of each control that goes on only some transactions are committed; the next one is killed in its midst.
      let left = batches;
      const begin = async (work: (tx: never) => Promise<unknown>): Promise<unknown> => {
        if (left-- <= 0) {
          await sql.begin(async (tx) => {
            await work(tx as never);
            throw new Error('killed');
          });
        }
        return await sql.begin(work as never);
      };
      const killed = new Proxy(sql, { get: (of, name) => (name === 'begin' ? begin : Reflect.get(of, name)) });
      await rotationPass({ ...context, box: both(), sql: killed }, 0).catch((error: Error) => {
        if (error.message !== 'killed') throw error;
      });
      const rows = await sql<{ id: string; sealed: string }[]>`select message_id as id, sealed from parked_message`;
      expect(rows).toHaveLength(all);
      for (const { id, sealed } of rows) expect(() => context.box.open(sealed, `parked:s:${id}`)).not.toThrow();
      under.push(rows.filter(({ sealed }) => sealed.startsWith(sealedUnder(KEY))).length);
    }),
    { numRuns: 6 },
  );
  // Some were stopped with a part of it done.
  expect(under.some((count) => count > 0 && count < all)).toBe(true);
  await toItsEnd({ ...context, box: both() });
  const texts = (await sealedTexts(context)).get('parked_message.sealed')!;
  expect(texts.every((text) => text.startsWith(sealedUnder(KEY)))).toBe(true);
  const { rotation } = await rotationView(context);
  // Each text once: what a killed one had begun was undone whole.
  expect(rotation!.columns.find(({ name }) => name === 'parked_message.sealed')).toMatchObject({ resealed: all });
});

test('two controls at once go on with one rotation, and both take the new key when all have it', async () => {
  const { context } = await withSecrets();
  const one = await lives({ ...context, box: both() }, 'one');
  const two = await lives({ ...context, box: new SecretBox(OLD) }, 'two');
  await expect(beginRotation(one, KEY, ADMIN)).rejects.toMatchObject({
    ...{ status: 409, code: 'key-not-everywhere' },
    message: expect.stringContaining('two'),
  });
  // The file is copied to the other one, which finds it at its next look.
  const box = new SecretBox(keySetOf(OLD), () => keySetOf(NEW, OLD));
  const other = { ...two, box };
  await rotationPass(other, 0);
  await beginRotation(one, KEY, ADMIN);
  expect(await rotationPass(one, 0)).toMatchObject({ text: expect.stringContaining('waits until two') });
  expect(await rotationView(one)).toMatchObject({ rotation: { state: 'waiting-for-controls' } });
  // What it seals until it looks again is under the old key, and is found.
  expect(box.sealing).toBe(OLD_KEY);
  await context.sql.begin((tx) => park(tx, other, [{ subject: 's', id: 'late', raw: 'x', why: 'test' }]));
  for (let i = 0; i < 5; i++) await Promise.all([rotationPass(one, 0), rotationPass(other, 0)]);
  await toItsEnd(one);
  expect(box.sealing).toBe(KEY);
  for (const text of [...(await sealedTexts(context)).values()].flat())
    expect(text.startsWith(sealedUnder(KEY))).toBe(true);
  const [count] = await context.sql`select count(*)::int as ended from evidence where body->>'step' = 'ended'`;
  expect(count!['ended']).toBe(1);
});

test('a control whose file lacks the key that seals says what to copy, and loses nothing', async () => {
  const { context } = await withSecrets();
  await beginRotation(context, KEY, ADMIN);
  await toItsEnd(context);
  const late = { ...context, box: new SecretBox(OLD) };
  await expect(adoptSealingKey(context.sql, late.box)).rejects.toMatchObject({ code: 'missing-key', tag: 'config' });
  await expect(rotationPass(late, 0)).rejects.toThrow(/Copy the key file/);
  const sealed = context.box.seal('x', 'c');
  expect(() => late.box.open(sealed, 'c')).toThrow(/Copy the key file/);
});

test('what opens with no key stays as it is, is counted, and does not hold the rotation up', async () => {
  const { context } = await withSecrets();
  const lost = new SecretBox(new Uint8Array(32).fill(77)).seal('x', 'parked:s:lost');
  await context.sql`insert into parked_message (subject, message_id, why, sealed) values ('s', 'lost', 'test', ${lost})`;
  await beginRotation(context, KEY, ADMIN);
  await toItsEnd(context);
  const { rotation } = await rotationView(context);
  expect(rotation!.columns.find(({ name }) => name === 'parked_message.sealed')).toMatchObject({
    resealed: 1,
    unopened: 1,
  });
  expect((await sealedTexts(context)).get('parked_message.sealed')).toContain(lost);
});

test.each<[string, (context: ControlContext) => Promise<unknown>, string, string]>([
  ['a key that is not in the file', async () => {}, 'aaaaaaaaaaaa', 'unknown-key'],
  ['the key that seals already', async () => {}, OLD_KEY, 'already-sealing'],
  ['while another one is under way', (context) => beginRotation(context, KEY, ADMIN), OLD_KEY, 'rotation-running'],
])('refused: %s', async (_, before, key, code) => {
  const { context } = await testControl();
  const own = { ...context, box: both() };
  await before(own);
  await expect(beginRotation(own, key, ADMIN)).rejects.toMatchObject({ tag: 'refused', code });
});
