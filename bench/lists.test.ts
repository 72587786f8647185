import { expect, test } from 'vitest';
import { freshDatabase } from '../test/postgres.test-helper.ts';
import { seed } from './lists/seed.ts';
import { listsBench } from './lists.bench.ts';

test('bench: every list of the API answers over a seeded history', { timeout: 120_000 }, async () => {
  const said: string[] = [];
  const progress = (what: string): void => void said.push(what);
  const { rows, devices, actions } = await listsBench({
    devices: 2_000,
    actions: 20_000,
    requests: 2,
    dir: null,
    rows: '',
    progress,
  });
  expect({ devices, actions }).toEqual({ devices: 2_000, actions: 20_000 });
  const items = new Map(rows.map((row) => [row.request, row.items]));
  // What every size holds: a full page of these, and all of the filters that were asked for were answered.
  for (const name of ['actions', 'actions done', 'actions set', 'actions of a batch', 'devices'])
    expect([name, items.get(name)]).toEqual([name, 50]);
  expect(items.get('queue')).toBeGreaterThan(0);
  expect(said.length).toBeGreaterThan(rows.length);
});

test('bench: the seed leaves the schema as the migrations make it', { timeout: 60_000 }, async () => {
  const { sql } = await freshDatabase();
  const schema = () => sql`
    select indexdef as definition from pg_indexes where schemaname = 'public'
    union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
    union all select proname from pg_proc where pronamespace = 'public'::regnamespace
    order by definition`;
  const before = await schema();
  await seed(sql, { devices: 1_000, actions: 5_000 }, () => {});
  expect([...(await schema())]).toEqual([...before]);
  const [batch] = await sql`
    select count(*)::int as actions, count(distinct device_id)::int as devices from action
    where batch_id = (select id from batch order by selected desc, id limit 1)`;
  expect(batch).toEqual({ actions: 50, devices: 50 });
});
