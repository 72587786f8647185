// What ages out, on a real PostgreSQL and as the user that Starling itself has there.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { ADMIN, CPE, inform, result, type TestControl, testControl } from '../control.test-helper.ts';
import { evidenceService } from './export.ts';
import type { ExportFilter } from './export-format.ts';
import { signHead } from './heads.ts';
import { type NewEvidence, record } from './record.ts';
import { retentionPass } from './retention.ts';
import { verifyFile } from './verify-file.ts';

const DAY_MS = 86_400_000;

async function aged() {
  const control = await testControl();
  await control.send(inform());
  const one = async (): Promise<string> => {
    const { action } = await control.actions.create(CPE, { kind: 'reboot' }, { principal: ADMIN });
    await control.handOver.pass();
    await control.send(result(control.bus.work().find(({ actionId }) => actionId === action.id)!));
    return action.id;
  };
  const out = async (filter: ExportFilter = {}) => {
    const service = evidenceService(control.context);
    let text = '';
    for await (const part of service.export(filter)) text += part;
    const dir = mkdtempSync(join(tmpdir(), 'starling-aged-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    writeFileSync(join(dir, 'file'), text);
    return { text, verified: await verifyFile(join(dir, 'file'), service.key().fingerprint) };
  };
  return { ...control, one, out };
}
const pass = ({ context }: Pick<TestControl, 'context'>, evidenceDays: number, eventDays = 0) =>
  retentionPass(context, { evidenceDays, eventDays });

test('what is older than it is kept loses its body alone; the chain verifies and says how many did', async () => {
  const control = await aged();
  const { context, clock, actions, one, out } = control;
  const { sql } = context;
  const old = await one();
  await signHead(context);
  const before = await sql`select seq, action_id, at, kind, prev_hash, digest, hash from evidence order by seq`;
  const whole = (await out()).verified;
  clock.advance(10 * DAY_MS);
  const young = await one();
  await signHead(context);
  expect(await pass(control, 11)).toMatchObject({ text: '0 bodies of evidence and 0 events dropped' });
  expect(await pass(control, 0)).toMatchObject({ text: '0 bodies of evidence and 0 events dropped' });
  expect(await pass(control, 9)).toMatchObject({
    more: false,
    text: `${before.length} bodies of evidence and 0 events dropped`,
  });
  const after = await sql`
    select seq, action_id, at, kind, prev_hash, digest, hash from evidence where seq <= ${before.length} order by seq`;
  expect([...after]).toEqual([...before]);

  const [run] = await sql`select action_id, body from evidence where kind = 'aged-out'`;
  expect(run).toMatchObject({ action_id: '', body: { from: 1, to: before.length, count: before.length } });
  // Again finds nothing, and records nothing.
  await pass(control, 9);
  expect((await sql`select from evidence where kind = 'aged-out'`).count).toBe(1);

  const shown = await actions.get(old);
  expect(shown.evidence.length).toBeGreaterThan(3);
  for (const { agedOut, body } of shown.evidence) expect([agedOut, body]).toEqual([true, {}]);
  for (const { agedOut } of (await actions.get(young)).evidence) expect(agedOut).toBe(false);

  const { text, verified } = await out();
  expect(whole).toMatchObject({ aged: 0 });
  expect(verified).toMatchObject({ aged: before.length, skipped: 0, firstSeq: 1, heads: 3 });
  expect(text).not.toContain(old);
  const ofYoung = (await out({ actionId: young })).verified;
  expect(ofYoung).toMatchObject({ aged: 0, records: shown.evidence.length });
  expect((await out({ actionId: old })).verified).toMatchObject({ aged: shown.evidence.length, records: 0 });
});

test('what no signed head vouches for keeps its body, however old', async () => {
  const control = await aged();
  await control.one();
  control.clock.advance(100 * DAY_MS);
  expect(await pass(control, 1)).toMatchObject({ text: expect.stringMatching(/^0 bodies/) });
  const [head] = await control.context.sql<{ seq: string }[]>`select max(seq) as seq from evidence`;
  await signHead(control.context);
  await control.one();
  expect(await pass(control, 1)).toMatchObject({ text: expect.stringMatching(new RegExp(`^${head!.seq} bodies`)) });
});

test('in batches, each with its own record; killed between two of them it goes on where it was', async () => {
  const control = await aged();
  const { context, clock } = control;
  const { sql } = context;
  const count = LIMITS.retentionBatch * 2 + 100;
  const evidence = Array.from(
    { length: count },
    (_, i): NewEvidence => ({ actionId: `A${i}`, at: clock.now(), kind: 'rpc', body: { i } }),
  );
  await sql.begin((tx) => record(tx, [], evidence));
  await signHead(context);
  clock.advance(2 * DAY_MS);
  let left = 2;
  const begin = (work: never) => (left-- > 0 ? sql.begin(work) : Promise.reject(new Error('killed')));
  const killed = new Proxy(sql, { get: (of, name) => (name === 'begin' ? begin : Reflect.get(of, name)) });
  await expect(pass({ context: { ...context, sql: killed } }, 1)).rejects.toThrow('killed');
  expect((await sql`select from evidence where aged_out`).count).toBe(LIMITS.retentionBatch * 2);
  await pass(control, 1);
  const runs = await sql<{ body: { from: number; to: number; count: number } }[]>`
    select body from evidence where kind = 'aged-out' order by seq`;
  const total = runs.reduce((sum, { body }) => sum + body.count, 0);
  expect(runs.map(({ body }) => body.from - 1)).toEqual([0, ...runs.slice(0, -1).map(({ body }) => body.to)]);
  expect((await sql`select from evidence where aged_out`).count).toBe(total);
  expect((await control.out()).verified).toMatchObject({ aged: total });
});

test.each([
  ['the body', 'update evidence set body = \'{"forged": true}\' where seq = 2'],
  ['the body, and says it aged', 'update evidence set body = \'{"forged": true}\', aged_out = true where seq = 2'],
  ['the body to nothing, and does not say so', "update evidence set body = '{}' where seq = 2"],
  ['that it aged, and keeps the body', 'update evidence set aged_out = true where seq = 2'],
  ['the hash with it', "update evidence set body = '{}', aged_out = true, hash = 'x' where seq = 2"],
  ['the time with it', "update evidence set body = '{}', aged_out = true, at = now() where seq = 2"],
  ['the action with it', "update evidence set body = '{}', aged_out = true, action_id = 'x' where seq = 2"],
  ['the kind with it', "update evidence set body = '{}', aged_out = true, kind = 'x' where seq = 2"],
  ['the digest with it', "update evidence set body = '{}', aged_out = true, digest = null where seq = 2"],
  ['one that aged, back', 'update evidence set aged_out = false where seq = 1'],
  ['one that aged, again', "update evidence set body = '{}', aged_out = true where seq = 1"],
  [
    'one that is not signed for',
    "update evidence set body = '{}', aged_out = true where seq = (select max(seq) from evidence)",
  ],
  ['a row away', 'delete from evidence where seq = 2'],
  ['all rows away', 'truncate evidence cascade'],
])('the database refuses whoever changes %s', async (_, statement) => {
  const control = await aged();
  const { sql } = control.context;
  await control.one();
  await signHead(control.context);
  await control.one();
  await sql`update evidence set body = '{}', aged_out = true where seq = 1`;
  await expect(sql.unsafe(statement)).rejects.toThrow('evidence is append-only');
});

test('old timeline events go, in batches; young ones and evidence stay', async () => {
  const control = await aged();
  const { context, clock, one } = control;
  await one();
  const [old] = await context.sql<{ count: number }[]>`select count(*)::int as count from event`;
  clock.advance(401 * DAY_MS);
  await one();
  const [all] = await context.sql<{ count: number }[]>`select count(*)::int as count from event`;
  expect(await pass(control, 0, 400)).toEqual({
    more: false,
    text: `0 bodies of evidence and ${old!.count} events dropped`,
  });
  const [left] = await context.sql<{ count: number }[]>`select count(*)::int as count from event`;
  expect(left!.count).toBe(all!.count - old!.count);
  expect(await pass(control, 0, 400)).toMatchObject({ text: '0 bodies of evidence and 0 events dropped' });
});
