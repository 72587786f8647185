// Fills an empty database as years of work leave one: devices, and their actions with what belongs to them. Set-based SQL, keys and indexes
// taken away before and made again as they were. Left out: trees of devices, settings, recordings; evidence is there to be listed, its
// hashes chain nothing. Fifteen of sixteen actions that ended well have no plan, approval, result, event or evidence: lists read none of them.

import type { ActionKind } from '../../bus/messages.ts';
import type { Database, Sql } from '../../control/store/postgres.ts';

export interface SeedSize {
  devices: number;
  actions: number;
}

/** Actions are made in a hundred parts, each a statement; a big batch is a part. */
const PARTS = 100;
/** Devices that have been worked on all the time. */
export const BUSY_DEVICES = 20;

/** Per 10,000 actions. */
const KINDS: Readonly<Record<ActionKind, number>> = {
  ...{ get: 3_100, set: 2_890, refresh: 2_200, diagnose: 800, reboot: 500, download: 300, upload: 60, add: 50 },
  ...{ delete: 40, 'factory-reset': 40, 'schedule-inform': 15, rpc: 5 },
};
/** Per 10,000 actions that have ended; the others are done. */
const ENDS = {
  ...{ partial: 90, unsupported: 50, refused: 60, failed: 120, stuck: 2, recovering: 1, recovered: 20 },
  ...{ cancelled: 60, expired: 60 },
} as const;
/** Per 10,000 of the newest hundredth: what is still open. */
const OPEN = { planned: 30, 'awaiting-approval': 40, ready: 500, running: 100, verifying: 20 } as const;
/** Of a batch that a person has stopped. */
const STOPPED = { planned: 3_000, ready: 400, running: 100, failed: 150, partial: 100 } as const;

type Shape = 'old' | 'newest' | 'stopped' | 'asked';
/** Parts that are one batch, and what became of it. */
const BIG_BATCHES: ReadonlyMap<number, Shape> = new Map([
  ...([12, 30, 47, 65, 83] as const).map((part) => [part, 'old'] as const),
  ...([[96, 'stopped'], [98, 'asked']] as const),
]); // biome-ignore format: one line a kind
/** Parts of which a tenth are small batches, ten of them. */
const SMALL_BATCHES: ReadonlySet<number> = new Set([20, 40, 60, 80]);

const SEEDED = ['action', 'action_plan', 'action_approval', 'action_result', 'action_recovery', 'event', 'evidence'];

/** Fills the tables; those of actions must be empty. `progress` is told what is done next. */
export async function seed(sql: Database, size: SeedSize, progress: (what: string) => void): Promise<void> {
  const [device] = await sql`select from device limit 1`;
  // Else an earlier run was stopped behind them.
  if (!device) await seedDevices(sql, size.devices, progress);
  // One transaction that empties the tables first: of what it writes no WAL is needed where nobody replicates.
  await sql.begin(async (tx) => {
    await tx`set local maintenance_work_mem = '512MB'`;
    await tx`set local work_mem = '512MB'`;
    await tx`select setseed(0.5)`;
    const rest = SEEDED.filter((table) => table !== 'evidence').join(', ');
    await tx.unsafe(`truncate ${rest}, batch cascade`);
    const restore = await takeIndexesAway(tx);
    await makeHelpers(tx);
    const part = Math.ceil(size.actions / PARTS);
    const nowMs = Date.now();
    for (let i = 0; i < PARTS; i++) {
      progress(`actions, part ${i + 1} of ${PARTS}`);
      const to = Math.min(size.actions, (i + 1) * part);
      await seedActions(tx, { ...size, part: i, from: i * part, to, nowMs });
    }
    for (const statement of restore) {
      progress(statement);
      await tx.unsafe(statement);
    }
    await tx`drop function bench_id`;
  });
  // As autovacuum leaves it.
  for (const table of ['device', 'device_seen', 'batch', ...SEEDED]) {
    progress(`vacuum ${table}`);
    await sql.unsafe(`vacuum (analyze) ${table}`);
  }
}

async function seedDevices(pool: Database, devices: number, progress: (what: string) => void): Promise<void> {
  progress('devices');
  await pool.begin(async (sql) => {
    // Four firmwares to a model, of which the oldest is rare; a fifth has tags, few the tag 'lab'.
    await sql.unsafe(`
    insert into edge (edge_id, pop, version, threads, started_at, last_fact_at)
    select 'edge' || e, 'pop' || e / 4, '1.0.0', 8, now() - interval '9 days', now() from generate_series(0, 19) as e`);
    await sql.unsafe(`
    insert into device (id, manufacturer, oui, product_class, serial_number, root, model_name, software_version, profile, version, address,
      edge_id, pop, tags, registered_at, first_seen_at, last_boot_at, last_bootstrap_at)
    select m.oui || '-' || m.class || '-' || lpad(upper(to_hex(n)), 10, '0'), m.maker, m.oui, m.class, lpad(upper(to_hex(n)), 10, '0'),
      m.root, m.class, 'V' || n % 6 || 'R' || case when n % 5000 < 3 then 1 else 2 + n % 3 end, 'tr098', '1.2',
      '10.' || n / 65536 % 256 || '.' || n / 256 % 256 || '.' || n % 256, 'edge' || n % 20, 'pop' || n % 20 / 4,
      case when n % 20000 = 7 then '{lab}' when n % 5 = 0 then array['region-' || n % 8, 'fibre'] else '{}' end::text[],
      now() - interval '700 days', now() - interval '700 days', now() - n % 90 * interval '1 day', now() - interval '700 days'
    from generate_series(0, ${devices - 1}) as n
    join (values (0, 'Harbour', '00259E', 'HG8245', 'InternetGatewayDevice.'), (1, 'Harbour', '00259E', 'HG8546', 'InternetGatewayDevice.'),
      (2, 'Meridian', 'A4B1C1', 'MX20', 'Device.'), (3, 'Meridian', 'A4B1C1', 'MX30', 'Device.'), (4, 'Northway', 'D0E0F0', 'N7', 'Device.'),
      (5, 'Lantern', '30B5C2', 'L1', 'InternetGatewayDevice.')) as m(k, maker, oui, class, root) on m.k = n % 6`);
    // One in twenty is silent for more than a day.
    await sql.unsafe(`
    insert into device_seen (device_id, last_seen_at, last_inform_at)
    select id, at, at from (select id, now() - case when random() < 0.05 then random() * interval '60 days' else random() * interval '1 day' end as at
      from device) as d`);
  });
}

/** Drops keys, foreign keys and indexes of the seeded tables. Returns what makes them again, in order. */
async function takeIndexesAway(tx: Sql): Promise<string[]> {
  const constraints = await tx<{ relation: string; name: string; type: string; definition: string }[]>`
    select conrelid::regclass::text as relation, conname as name, contype as type, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype in ('f', 'p', 'u')
      and (conrelid = any(${SEEDED}::text[]::regclass[]) or confrelid = any(${SEEDED}::text[]::regclass[]))
    order by contype = 'f' desc, conrelid::regclass::text, conname`;
  for (const { relation, name } of constraints) await tx.unsafe(`alter table ${relation} drop constraint ${name}`);
  const indexes = await tx<{ name: string; definition: string }[]>`
    select indexname as name, indexdef as definition from pg_indexes where tablename = any(${SEEDED}) order by tablename, indexname`;
  for (const { name } of indexes) await tx.unsafe(`drop index ${name}`);
  const again = ({ relation, name, definition }: (typeof constraints)[number]): string =>
    `alter table ${relation} add constraint ${name} ${definition}`;
  return [
    ...constraints.filter(({ type }) => type !== 'f').map(again),
    ...indexes.map(({ definition }) => definition),
    ...constraints.filter(({ type }) => type === 'f').map(again),
  ];
}

async function makeHelpers(tx: Sql): Promise<void> {
  // 26 characters that rise with time, as newId makes them: in hexadecimal, which PostgreSQL writes by itself.
  await tx.unsafe(`
    create function bench_id(ms bigint, n bigint) returns text language sql immutable return
      lpad(upper(to_hex(ms)), 12, '0') || upper(substr(md5(n::text), 1, 14))`);
}

interface Part extends SeedSize {
  part: number;
  from: number;
  to: number;
  /** When the history ends. */
  nowMs: number;
}

async function seedActions(tx: Sql, { part, from, to, nowMs, actions, devices }: Part): Promise<void> {
  const shape = BIG_BATCHES.get(part) ?? (part === PARTS - 1 ? 'newest' : 'old');
  const isBatch = BIG_BATCHES.has(part);
  const small = SMALL_BATCHES.has(part) ? Math.ceil((to - from) / 100) : 0;
  const batchState = { old: 'done', newest: 'done', stopped: 'paused', asked: 'awaiting-approval' }[shape];
  // Four hundred days up to now; n is the place in time.
  const stepMs = Math.max(1, Math.floor((400 * 86_400_000) / actions));
  const firstMs = nowMs - actions * stepMs;
  const ms = (n: string): string => `(${firstMs} + ${stepMs} * (${n})::bigint)`;
  const firstOfSmall = `${from} + (n - ${from}) / ${small} * ${small}`;
  const batch = isBatch
    ? `bench_id(${ms(String(from))}, ${from})`
    : small > 0
      ? `case when n < ${from + 10 * small} then bench_id(${ms(firstOfSmall)}, ${firstOfSmall}) end`
      : 'null';
  // In a batch each device has one action, in an order of its own.
  const device = isBatch
    ? `n * 7919 % ${devices}`
    : `case when random() < 0.005 then floor(random() * ${BUSY_DEVICES}) else floor(random() * ${devices}) end`;
  const ends =
    shape === 'old'
      ? ENDS
      : shape === 'newest'
        ? { ...ENDS, ...OPEN }
        : shape === 'stopped'
          ? STOPPED
          : { planned: 10_000 };
  const state = sharesSql(ends, 'done');
  const kind = isBatch ? "'set'" : sharesSql(KINDS, 'get');
  await tx.unsafe(`
    with made as (insert into action (id, kind, state, outcome, why, owner_kind, owner_name, owner_role, owner_token, owner_person, reason, reference,
      device_id, customer, request, sealed_args, priority, command_key, wake, idempotency_key, created_at, expires_at, asked_until, sent_at,
      sent_to, started_at, ended_at, approval, unknown, closed_at, closed_by, close_note, batch_id)
    select id, kind, state, case when ended then case when state in ('recovering', 'recovered', 'stuck') then 'done'
        when state in ('cancelled', 'expired') then null else state end end,
      case when ended then 'Verified: the device shows the values that were asked for.' else 'Waits for the device.' end,
      owner, owner || ' ' || n % 40, case owner when 'person' then 'support' else 'engineer' end, 'token-' || n % 200,
      case owner when 'person' then 'person-' || n % 40 end, case when r < 0.3 then 'The customer has called.' end,
      coalesce('CHG-' || batch_id, case when r < 0.3 then 'INC-' || n / 3 end), device_id, null,
      jsonb_build_object('kind', kind, 'parameters', jsonb_build_array(jsonb_build_object('name', 'WiFi.2G.SSID', 'value', 'Harbour ' || n))),
      repeat(md5(n::text), 7), case owner when 'person' then 50 else 10 end, id, r < 0.2, case when r < 0.3 then 'key-' || n end, at,
      at + interval '7 days' + case when ended then interval '0' else interval '30 days' end, at + interval '37 days',
      case when ended or state in ('ready', 'running', 'verifying') then at + interval '1 second' end, 'edge' || n % 20,
      case when ended or state in ('running', 'verifying') then at + interval '2 minutes' end, case when ended then at + interval '3 minutes' end,
      '{"need": "auto", "rule": "low-risk", "why": "Low risk", "approvers": [], "holdsMs": 86400000}', state = 'expired' and r < 0.05,
      -- People keep up: of the last two weeks a third is left, of what is older next to nothing.
      case when bad and not (r < 0.0005 or (at > now() - interval '14 days' and r < 0.35)) then at + interval '1 day' end,
      case when bad then 'person 7' end, case when bad then 'Done again, and it took.' end, batch_id
    from (select *, state not in ('planned', 'awaiting-approval', 'ready', 'running', 'verifying') as ended,
        state in ('partial', 'unsupported', 'refused', 'failed', 'stuck', 'expired') as bad, bench_id(ms, n) as id
      from (select n, random()::real as r, ${ms('n')} as ms, to_timestamp(${ms('n')} / 1000.0::float8) as at, ${state} as state, ${kind} as kind, ${batch} as batch_id,
          case when random() < 0.45 then 'person' when random() < 0.8 then 'policy' when random() < 0.6 then 'campaign' else 'agent' end as owner,
          (array['00259E-HG8245-', '00259E-HG8546-', 'A4B1C1-MX20-', 'A4B1C1-MX30-', 'D0E0F0-N7-', '30B5C2-L1-'])[d % 6 + 1]
            || lpad(upper(to_hex(d)), 10, '0') as device_id
        from (select n, (${device})::bigint as d from generate_series(${from}::bigint, ${to - 1}) as n offset 0) as chosen offset 0) as drawn) as a returning *),
    looked_at as (select * from made where ${LOOKED_AT}),
    ${Object.entries(DETAILS)
      .map(([table, rows]) => `${table} as (${rows})`)
      .join(', ')},
    evidences as (
      insert into evidence (seq, action_id, at, kind, body, prev_hash, hash, digest)
      select ${from} + row_number() over (), id, created_at, 'planned', request, md5(id), md5(id), md5(id) from looked_at)
    insert into batch (id, kind, state, why, owner_kind, owner_name, owner_role, reason, reference, selection, request, sealed_request,
      pace, selected, risk, root, approval, created_at, expires_at, asked_until, started_at, ended_at)
    select batch_id, min(kind), '${batchState}', '', 'person', 'person 1', 'engineer', null, min(reference), '{"filter": {}}',
      '{"kind": "set"}', '', '{"perMinute": 6000, "least": 20, "pauseAtPercent": 5}', count(*), 'low', md5(batch_id) || md5(batch_id),
      '{"need": "one", "rule": "many", "why": "Many devices", "approvers": ["engineer"], "holdsMs": 86400000}', min(created_at),
      now() + interval '30 days', now() + interval '30 days', min(created_at), ${batchState === 'done' ? 'max(ended_at)' : 'null'}
    from made where batch_id is not null group by batch_id`);
}

/** An expression that draws a name by its share of 10,000; `other` has the rest. */
function sharesSql(shares: Readonly<Record<string, number>>, other: string): string {
  let sum = 0;
  const bounds: number[] = [];
  for (const share of Object.values(shares)) {
    sum += share;
    bounds.push(sum);
  }
  const names = [...Object.keys(shares), other].map((name) => `"${name}"`).join(', ');
  return `('{${names}}'::text[])[width_bucket((random() * 10000)::int, '{${bounds.join(', ')}}'::int[]) + 1]`;
}

/** Actions that somebody will look at: what did not end well or is open, and one in sixteen of the others. */
const LOOKED_AT = "(state <> 'done' or get_byte(decode(substr(id, 13, 2), 'hex'), 0) % 16 = 0)";
/** What belongs to them. */
const DETAILS = {
  plans: `
    insert into action_plan (action_id, hash, plan, created_at)
    select id, md5(id) || md5(device_id), jsonb_build_object('hash', md5(id) || md5(device_id), 'rpcs', jsonb_build_array(jsonb_build_object(
        'method', 'SetParameterValues', 'args', jsonb_build_object('ParameterList', jsonb_build_array(jsonb_build_object('Name',
        'Device.WiFi.SSID.1.SSID', 'Value', 'Harbour', 'Type', 'xsd:string'))))), 'diff', jsonb_build_array(jsonb_build_object('name',
        'Device.WiFi.SSID.1.SSID', 'canonical', 'WiFi.2G.SSID', 'from', 'Lantern', 'to', 'Harbour', 'readAt', created_at, 'ageSeconds', 60)),
        'words', 'Sets the name of the 2.4 GHz network to Harbour.', 'impact', jsonb_build_object('reboot', false, 'serviceCut', false,
        'customers', 1, 'text', 'Stations of this network connect again.'), 'risk', 'low', 'expected', 'The device shows the new name.',
        'recovery', jsonb_build_object('possible', true, 'text', 'Sets the name that was there before.'), 'createdAt', created_at), created_at
    from looked_at`,
  recoveries: `
    insert into action_recovery (action_id, possible, text, sealed_plan)
    select id, kind = 'set', 'Sets the name that was there before.', repeat(md5(id), 4) from looked_at`,
  approvals: `
    insert into action_approval (action_id, decision, by_name, plan_hash, why, at)
    select id, 'auto', 'policy', md5(id) || md5(device_id), 'Low risk: approved automatically for ' || owner_name || '.', created_at
    from looked_at where state not in ('planned', 'awaiting-approval')`,
  results: `
    insert into action_result (action_id, generation, result, at)
    select id, 1, jsonb_build_object('actionId', id, 'generation', 1, 'outcome', outcome, 'why', why, 'before', '[]'::jsonb, 'after', '[]'::jsonb,
      'items', jsonb_build_array(case when outcome = 'done' then jsonb_build_object('name', 'WiFi.2G.SSID', 'status', 'done') else
        jsonb_build_object('name', 'WiFi.2G.SSID', 'status', outcome, 'faultCode', 9007, 'text', 'Invalid parameter value') end),
      'data', '{}'::jsonb, 'rpcs', '[]'::jsonb), ended_at
    from looked_at where outcome is not null`,
  events: `
    insert into event (device_id, action_id, at, kind, summary, body)
    select device_id, id, created_at, 'action.' || state, 'Planned for ' || owner_name || ': ' || kind, jsonb_build_object('kind', kind, 'risk', 'low')
    from looked_at`,
} as const;
