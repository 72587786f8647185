// Actions as callers see them: lists by keyset, and one with everything that belongs to it.

import { Refused } from '../../base/errors.ts';
import type { ActionKind, ActionResult, Outcome } from '../../bus/messages.ts';
import type { ApprovalDecision } from '../policy/approval-matrix.ts';
import { pageOf, rowsOf } from '../registry/cursor.ts';
import type { ActionDetail, ActionQuery, ActionState, ActionView, Page, PlanView } from '../services.ts';
import { iso, isoOrNull, type Sql } from '../store/postgres.ts';
import type { ApprovalRow } from './insert.ts';
import { actionIds } from './lists.ts';

export interface ActionRow {
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
  device_id: string;
  external_id: string | null;
  customer: string | null;
  site: string | null;
  request: Record<string, unknown>;
  generation: number;
  priority: number;
  command_key: string;
  wake: boolean;
  created_at: Date;
  expires_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  recovers: string | null;
  batch_id: string | null;
  unknown: boolean;
  closed_at: Date | null;
  closed_by: string | null;
  close_note: string | null;
  approval: ApprovalDecision | null;
}

/** One page, newest first. Throws Refused 400 for a forged cursor. */
export async function listActions(sql: Sql, query: ActionQuery): Promise<Page<ActionView>> {
  const limit = rowsOf(query.limit);
  const rows = await sql<ActionRow[]>`
    with page as (${actionIds(sql, query, limit + 1)})
    select a.* from page p join action a on a.id = p.id order by a.id desc`;
  return pageOf(rows, limit, actionView, (row) => row.id);
}

/** Throws Refused 404 'unknown-action'. */
export async function readAction(sql: Sql, id: string): Promise<ActionDetail> {
  const [row] = await sql<
    (ActionRow & {
      plan: PlanView;
      possible: boolean;
      recovery_text: string;
      recovery_state: ActionDetail['recovery']['state'];
      recovered_by: string | null;
      result: ActionResult | null;
    })[]
  >`
    select a.*, p.plan, r.possible, r.text as recovery_text, r.state as recovery_state, s.result,
      (select max(b.id) from action b where b.recovers = a.id) as recovered_by
    from action a join action_plan p on p.action_id = a.id join action_recovery r on r.action_id = a.id
    left join action_result s on s.action_id = a.id and s.generation = a.generation
    where a.id = ${id}`;
  if (!row) throw new Refused(404, 'unknown-action', `There is no action ${id}. GET /actions lists them.`);
  const [approvals, evidence] = await Promise.all([
    sql<ApprovalRow[]>`select * from action_approval where action_id = ${id} order by seq`,
    sql<{ seq: string; at: Date; kind: string; body: Record<string, unknown>; agedOut: boolean }[]>`
      select seq, at, kind, body, aged_out as "agedOut" from evidence where action_id = ${id} order by seq`,
  ]);
  return {
    ...actionView(row),
    plan: row.plan,
    needs:
      row.state === 'awaiting-approval' && row.approval !== null
        ? { need: row.approval.need, approvers: [...row.approval.approvers], why: row.approval.why }
        : null,
    approvals: approvals.map(({ decision, by_name, by_role, plan_hash, why, at, expires_at }) => ({
      decision,
      by: by_name,
      role: by_role,
      planHash: plan_hash,
      at: iso(at),
      until: isoOrNull(expires_at),
      why,
    })),
    result: row.result,
    recovery: {
      possible: row.possible,
      text: row.recovery_text,
      state: row.recovery_state,
      actionId: row.recovered_by,
    },
    evidence: evidence.map((entry) => ({ ...entry, at: iso(entry.at) })),
  };
}

/** One action as callers see it. */
export function actionView(row: ActionRow): ActionView {
  const { id, kind, state, outcome, why, request, generation, priority, wake, customer, site } = row;
  return {
    id,
    kind,
    state,
    outcome,
    why,
    owner: {
      kind: row.owner_kind,
      name: row.owner_name,
      role: row.owner_role,
      reason: row.reason,
      reference: row.reference,
    },
    object: { connector: 'cwmp', ref: row.device_id, externalId: row.external_id, customer, site },
    request,
    generation,
    priority,
    commandKey: row.command_key,
    wake,
    createdAt: iso(row.created_at),
    expiresAt: iso(row.expires_at),
    startedAt: isoOrNull(row.started_at),
    endedAt: isoOrNull(row.ended_at),
    recovers: row.recovers,
    batchId: row.batch_id,
    closed:
      row.closed_at === null ? null : { at: iso(row.closed_at), by: row.closed_by ?? '', note: row.close_note ?? '' },
  };
}
