// Reads what is stored of one parameter of one device, for story.ts: its row, what Informs told of it, what actions were to do to it.
// Who last changed a value is kept nowhere: timeline and actions have it (ARCHITECTURE, "Explanations are derived").

import { LIMITS } from '../../base/limits.ts';
import { REDACTED } from '../../base/secret-box.ts';
import type { ActionKind, Outcome } from '../../bus/messages.ts';
import { sealContext } from '../actions/insert.ts';
import type { ControlContext } from '../context.ts';
import { sealedParameter } from '../registry/parameters.ts';
import type { ActionState, ActionView } from '../services.ts';
import { iso, jsonText, type Sql } from '../store/postgres.ts';
import type { Doing, ParameterStory, Told } from './story.ts';
import type { Approval } from './words.ts';

export interface StoredParameter {
  path: string;
  value: string | null;
  sealed: string | null;
  type: string;
  writable: boolean | null;
  read_at: Date | null;
}

/** What is stored of these paths of a device, by path. */
export async function readStored(sql: Sql, deviceId: string, paths: string[]): Promise<Map<string, StoredParameter>> {
  const rows = await sql<StoredParameter[]>`
    select path, value, sealed, type, writable, read_at from device_parameter
    where device_id = ${deviceId} and path = any(${paths})`;
  return new Map(rows.map((row) => [row.path, row]));
}

/** Stored paths around one: below the objects above it, the closest that have any. For "did you mean". */
export async function readNear(sql: Sql, deviceId: string, path: string): Promise<string[]> {
  const rows = await sql<{ path: string }[]>`
    (select path from device_parameter where device_id = ${deviceId} and path >= ${path} order by path limit ${LIMITS.explainNearMax})
    union all
    (select path from device_parameter where device_id = ${deviceId} and path < ${path} order by path desc limit ${LIMITS.explainNearMax})`;
  return rows.map((row) => row.path);
}

export interface Wanted {
  deviceId: string;
  path: string;
  type: string;
  secret: boolean;
  stored: StoredParameter | undefined;
  /** The device itself keeps it, so that no file of settings changes it. */
  readOnly: boolean;
  /** Firmware changes it. */
  isVersion: boolean;
  /** When the device last came with 0 BOOTSTRAP, milliseconds. */
  bootstrapAt: number | null;
}

/** Everything that bears on the parameter, in no order. */
export async function readStory(context: ControlContext, wanted: Wanted): Promise<ParameterStory> {
  const { sql } = context;
  const { type, secret, stored } = wanted;
  const [told, doings] = await Promise.all([readTold(sql, wanted), readDoings(context, wanted)]);
  const value = stored?.sealed != null ? REDACTED : (stored?.value ?? null);
  const now = stored === undefined ? null : { value, readAt: stored.read_at?.getTime() ?? null };
  return { type, secret, now, told, doings };
}

async function readTold(sql: Sql, { deviceId, path, bootstrapAt }: Wanted): Promise<Told[]> {
  const rows = await sql<{ at: Date; reset: boolean; codes: string[] | null; value: string | null }[]>`
    select at, kind = 'bootstrap' as reset,
      (select array_agg(e->>'EventCode') from jsonb_array_elements(body->'events') e) as codes,
      (select c->>'value' from jsonb_array_elements(body->'changed') c where c->>'name' = ${path} limit 1) as value
    from (select seq, at, kind, body from event where device_id = ${deviceId} order by seq desc limit ${LIMITS.explainEventsMax}) e
    where kind = 'bootstrap' or (kind = 'inform' and body->'changed' @> ${jsonText([{ name: path }])}::text::jsonb)
    order by seq desc limit ${LIMITS.explainTellingsMax}`;
  const told = rows
    .map(({ at, reset, codes, value }) => ({ at: at.getTime(), reset, codes: codes ?? [], value }))
    .reverse();
  // It may lie further back than the entries that were looked at, or than those that are kept.
  const isKept = bootstrapAt === null || told.some(({ at, reset }) => reset && at >= bootstrapAt);
  return isKept ? told : [{ at: bootstrapAt, reset: true, codes: ['0 BOOTSTRAP'], value: null }, ...told];
}

interface DoingRow {
  id: string;
  kind: ActionKind;
  state: ActionState;
  outcome: Outcome | null;
  why: string;
  owner_kind: ActionView['owner']['kind'];
  owner_name: string;
  owner_role: string;
  reason: string | null;
  reference: string | null;
  sealed_args: string | null;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  method: string;
  object: string | null;
  made: string | null;
  file_type: string | null;
  writes: boolean;
  wanted: string | null;
  planned_from: string | null;
  before: string | null;
  after: string | null;
  item: { status: string; faultCode?: number; text?: string } | null;
  fault: number | null;
  /** Of what ended cancelled or expired: whether anything was sent. */
  begun: boolean | null;
}

async function readDoings(context: ControlContext, wanted: Wanted): Promise<Doing[]> {
  const { sql } = context;
  const { deviceId, path, readOnly, isVersion } = wanted;
  const { explainActionsMax, explainReadsMax } = LIMITS;
  // Of plans and results, which may be large, only what names the path leaves the database.
  const rows = await sql<DoingRow[]>`
    with newest as (
      (select * from action where device_id = ${deviceId} and kind in ('set', 'add', 'delete', 'factory-reset', 'download', 'rpc', 'diagnose')
       order by id desc limit ${explainActionsMax})
      union all
      (select * from action where device_id = ${deviceId} and kind = 'get' order by id desc limit ${explainReadsMax})),
    outlined as (
      select a.*, p.plan, s.result, p.plan->'rpcs'->0->>'method' as method, p.plan->'rpcs'->0->'args'->>'ObjectName' as object,
        coalesce(s.result->'data'->>'object',
          (p.plan->'rpcs'->0->'args'->>'ObjectName') || (s.result->'data'->>'InstanceNumber') || '.') as made,
        p.plan->'rpcs'->0->'args'->>'FileType' as file_type
      from newest a join action_plan p on p.action_id = a.id
      left join action_result s on s.action_id = a.id and s.generation = a.generation),
    named as (
      select *, case when method = 'AddObject' and starts_with(${path}, made)
        then object || '{i}.' || substr(${path}, length(made) + 1) else ${path} end as planned_name
      from outlined)
    select id, kind, state, outcome, why, owner_kind, owner_name, owner_role, reason, reference, created_at, started_at, ended_at,
      method, object, made, file_type, wanted is not null as writes, wanted->>'Value' as wanted, planned_from,
      case when ${wanted.secret} then sealed_args end as sealed_args,
      (select b->>'Value' from jsonb_array_elements(result->'before') b where b->>'Name' = ${path} limit 1) as before,
      (select b->>'Value' from jsonb_array_elements(result->'after') b where b->>'Name' = ${path} limit 1) as after,
      (select i from jsonb_array_elements(result->'items') i where i->>'name' = ${path} limit 1) as item,
      (result->'fault'->>'FaultCode')::int as fault, jsonb_array_length(result->'rpcs') > 0 as begun
    from named,
      lateral (select jsonb_path_query_first(plan, '$.rpcs[*] ? (@.method == "SetParameterValues").args.ParameterList[*] ? (@.Name == $name)',
          jsonb_build_object('name', planned_name)) as wanted,
        (select d->>'from' from jsonb_array_elements(plan->'diff') d where d->>'name' = planned_name limit 1) as planned_from) as of_plan
    where wanted is not null
      or (method = 'AddObject' and starts_with(${path}, made)) or (method = 'DeleteObject' and starts_with(${path}, object))
      or method = 'FactoryReset'
      or (method = 'Download' and ((file_type like '1 %' and ${isVersion}) or (file_type like '3 %' and not ${readOnly})))
      or (kind = 'get' and result->'after' @> ${jsonText([{ Name: path }])}::text::jsonb)
    order by id`;
  const approvals = await readApprovals(sql, rows.map(({ id }) => id)); // biome-ignore format: one call
  return rows.map((row) => doingOf(context, wanted, row, approvals.get(row.id) ?? []));
}

async function readApprovals(sql: Sql, ids: string[]): Promise<Map<string, Approval[]>> {
  const byAction = new Map<string, Approval[]>();
  if (ids.length === 0) return byAction;
  const rows = await sql<
    { action_id: string; decision: Approval['decision']; by_name: string; at: Date; why: string }[]
  >`
    select action_id, decision, by_name, at, why from action_approval where action_id = any(${ids}) order by seq`;
  for (const { action_id, decision, by_name, at, why } of rows) {
    byAction.set(action_id, [...(byAction.get(action_id) ?? []), { decision, by: by_name, at: iso(at), why }]);
  }
  return byAction;
}

function doingOf(context: ControlContext, wanted: Wanted, row: DoingRow, approvals: Approval[]): Doing {
  const { id, kind, state, outcome, why, reason, reference, fault, begun } = row;
  const neverBegan = begun === false && (outcome === 'cancelled' || outcome === 'expired');
  return {
    ...{ id, kind, state, outcome, why, approvals, fault, wanted: row.wanted, after: row.after, item: row.item },
    what: whatOf(row),
    object: row.method === 'AddObject' ? row.made : row.object,
    owner: { kind: row.owner_kind, name: row.owner_name, role: row.owner_role, reason, reference },
    createdAt: row.created_at.getTime(),
    startedAt: neverBegan ? null : (row.started_at?.getTime() ?? null),
    endedAt: row.ended_at?.getTime() ?? null,
    before: row.before ?? row.planned_from,
    held: wanted.secret ? isHeld(context, wanted, row) : null,
  };
}

function whatOf({ kind, method, writes, file_type }: DoingRow): Doing['what'] {
  if (kind === 'get') return 'looked';
  if (method === 'AddObject') return 'made';
  if (method === 'DeleteObject') return 'deleted';
  if (writes) return 'wrote';
  if (method === 'FactoryReset') return 'reset';
  return file_type?.startsWith('1 ') ? 'firmware' : 'file';
}

/** Compares, in this process alone, the secret that an action wrote with the one the device shows. */
function isHeld(
  { box }: ControlContext,
  { deviceId, path, stored }: Wanted,
  { id, kind, made, sealed_args }: DoingRow,
): boolean | null {
  if (stored?.sealed == null || !sealed_args || (kind !== 'set' && kind !== 'add')) return null;
  const args = JSON.parse(box.open(sealed_args, sealContext(id, 'args'))) as {
    values?: { name: string; value: string }[];
  };
  const written = args.values?.find(({ name }) => (kind === 'add' ? `${made}${name}` : name) === path);
  return written === undefined ? null : box.open(stored.sealed, sealedParameter(deviceId, path)) === written.value;
}
