import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { listQueue } from '../control/actions/queue.ts';
import { listActions } from '../control/actions/views.ts';
import type { ControlContext } from '../control/context.ts';
import type { ActionQuery, Page } from '../control/services.ts';
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

test('lists: any filters together page through exactly what a plain query finds', { timeout: 120_000 }, async () => {
  const { sql } = await freshDatabase();
  await seed(sql, { devices: 1_000, actions: 3_000 }, () => {});
  // A queue of some pages.
  await sql`update action set closed_at = null where state in ('partial', 'unsupported', 'refused', 'failed', 'stuck') or unknown`;
  const [stopped] = await sql<
    { id: string; reference: string }[]
  >`select id, reference from batch where state = 'paused'`;
  const [busy] = await sql<
    { id: string }[]
  >`select device_id as id from action group by 1 order by count(*) desc, 1 limit 1`;
  const { id: batchId, reference } = stopped!;
  const some = (name: keyof ActionQuery, ...values: string[]) => [{}, ...values.map((value) => ({ [name]: value }))];
  const filters = some('state', 'failed', 'planned', 'done', 'expired').flatMap((state) =>
    some('kind', 'set', 'rpc').flatMap((kind) =>
      some('deviceId', busy!.id).map((device) => ({ ...state, ...kind, ...device })),
    ),
  ) as ActionQuery[];
  const plain = async (query: ActionQuery, more: string): Promise<string[]> => {
    const { state = null, kind = null, deviceId = null, reference: of = null, batchId: batch = null } = query;
    const rows = await sql<{ id: string }[]>`
      select id from action where (${state}::text is null or state = ${state}) and (${kind}::text is null or kind = ${kind})
        and (${deviceId}::text is null or device_id = ${deviceId}) and (${of}::text is null or reference = ${of})
        and (${batch}::text is null or batch_id = ${batch}) and ${sql.unsafe(more)} order by id desc`;
    return rows.map(({ id }) => id);
  };
  const paged = async (list: (cursor: string | undefined) => Promise<Page<string>>): Promise<string[]> => {
    const ids: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const { items, next } = await list(cursor);
      ids.push(...items);
      cursor = next;
    }
    return ids;
  };
  let found = 0;
  for (const filter of filters) {
    for (const of of [{}, { reference }, { batchId }, { reference, batchId }]) {
      const query = { ...filter, ...of, limit: 200 };
      const ids = await paged(async (cursor) => {
        const page = await listActions(sql, cursor === undefined ? query : { ...query, cursor });
        return { ...page, items: page.items.map(({ id }) => id) };
      });
      expect(ids, JSON.stringify(query)).toEqual(await plain(query, 'true'));
      found += ids.length;
    }
    const context = { sql, clock: systemClock } as ControlContext;
    const waiting = await paged(async (cursor) => {
      const page = await listQueue(context, { ...filter, limit: 7, ...(cursor === undefined ? {} : { cursor }) });
      return { ...page, items: page.items.map(({ action }) => action.id) };
    });
    const inQueue = `closed_at is null and (state in ('partial', 'unsupported', 'refused', 'failed', 'stuck') or (state = 'expired' and unknown))`;
    expect(waiting, JSON.stringify(filter)).toEqual(await plain(filter, inQueue));
    found += waiting.length;
  }
  expect(found).toBeGreaterThan(3_000);
});
