// Which edges have a copy of an action. A CPE may come to any edge of its POP, so all of them get its work; which one runs it they agree on
// among themselves (edge/claims). Whatever is sent here may be sent twice: an edge that has it takes it for the same.

import { LIMITS } from '../../base/limits.ts';
import { jsonText, type Sql } from '../store/postgres.ts';

/** Notes copies of these actions, sent or about to be, for the other edges of their POP that are alive. */
export async function copyToPop(tx: Sql, ids: string[], nowMs: number): Promise<void> {
  if (ids.length === 0) return;
  await tx`
    insert into action_copy (action_id, edge_id)
    select a.id, e.edge_id from action a join device d on d.id = a.device_id join edge e on e.pop = d.pop and e.edge_id <> d.edge_id
    where a.id = any(${ids}) and e.last_fact_at > ${aliveSince(nowMs)}
    on conflict do nothing`;
}

/** The same for open actions of devices that came to another edge. */
export async function copyToTheirEdge(tx: Sql, deviceIds: string[]): Promise<void> {
  if (deviceIds.length === 0) return;
  await tx`
    insert into action_copy (action_id, edge_id)
    select a.id, d.edge_id from action a join device d on d.id = a.device_id join edge e on e.edge_id = a.sent_to
    where d.id = any(${deviceIds}) and a.ended_at is null and a.sent_at is not null and e.pop = d.pop and e.edge_id <> d.edge_id
    on conflict do nothing`;
}

/** And for an edge that came up, which may have lost its store: everything open in its POP, but what was sent to it alone. */
export async function copyToEdge(tx: Sql, edgeId: string): Promise<void> {
  await tx`
    insert into action_copy (action_id, edge_id)
    select a.id, e.edge_id from edge e, action a join device d on d.id = a.device_id
    where e.edge_id = ${edgeId} and d.pop = e.pop and a.ended_at is null and a.sent_at is not null
      and (a.sent_to <> e.edge_id or exists (select from action_copy c where c.action_id = a.id))
    on conflict (action_id, edge_id) do update set sent_at = null where not action_copy.withdrawn`;
}

/** The actions have ended, each through this edge (null: in control): all others that have them are told. */
export async function withdrawCopies(tx: Sql, ended: { id: string; edgeId: string | null }[]): Promise<void> {
  if (ended.length === 0) return;
  await tx`
    with ended as (select id, "edgeId" as edge_id from jsonb_to_recordset(${jsonText(ended)}::text::jsonb) as t(id text, "edgeId" text)),
    others as (
      select a.id, a.sent_to as edge_id from ended t join action a on a.id = t.id
        where a.sent_to is not null and exists (select from action_copy c where c.action_id = a.id)
      union select c.action_id, c.edge_id from ended t join action_copy c on c.action_id = t.id),
    told as (
      delete from action_copy c using ended t where c.action_id = t.id and c.edge_id = t.edge_id)
    insert into action_copy (action_id, edge_id, withdrawn)
    select o.id, o.edge_id, true from others o join ended t on t.id = o.id where o.edge_id is distinct from t.edge_id
    on conflict (action_id, edge_id) do update set withdrawn = true, sent_at = null`;
}

/** Edges heard from since then are alive: what is sent to others would lie on the hub until its deadline. */
export const aliveSince = (nowMs: number): Date => new Date(nowMs - LIMITS.edgeAliveMs);
