// Writes planned actions with their plan, approval, recovery and first evidence, all in the caller's transaction. Approval is automatic
// for every risk class so far: the row says so, bound to the hash of the plan.

import type { ActionKind } from '../../bus/messages.ts';
import type { ControlContext } from '../context.ts';
import type { NewEvent, NewEvidence } from '../evidence/record.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import type { Planned } from './plan.ts';
import { transition } from './states.ts';

export interface Owner {
  kind: 'person' | 'policy' | 'campaign' | 'agent';
  name: string;
  role: string;
  tokenId: string | null;
  reason: string | null;
  reference: string | null;
}

export interface PlannedAction {
  id: string;
  deviceId: string;
  kind: ActionKind;
  owner: Owner;
  planned: Planned;
  priority: number;
  wake: boolean;
  createdAt: number;
  expiresAt: number;
  idempotencyKey: string | null;
}

export interface Inserted {
  /** Ids that were written; an id is missing when its idempotency key was used before. */
  ids: Set<string>;
  events: NewEvent[];
  evidence: NewEvidence[];
}

/** Binds a sealed text to its action and purpose. */
export const sealContext = (actionId: string, what: 'args' | 'recovery'): string => `action:${actionId}:${what}`;

/** Inserts actions. The caller appends the returned events and evidence at the end of its transaction. */
export async function insertActions(
  tx: Sql,
  { box, metrics }: ControlContext,
  actions: PlannedAction[],
): Promise<Inserted> {
  const events: NewEvent[] = [];
  const evidence: NewEvidence[] = [];
  if (actions.length === 0) return { ids: new Set(), events, evidence };
  const rows = actions.map((action) => {
    const { id, planned, owner } = action;
    return {
      id,
      kind: action.kind,
      state: transition(id, 'planned', 'ready'),
      why: 'Ready: waits for the device.',
      owner_kind: owner.kind,
      owner_name: owner.name,
      owner_role: owner.role,
      owner_token: owner.tokenId,
      reason: owner.reason,
      reference: owner.reference,
      device_id: action.deviceId,
      request: planned.request,
      sealed_args: box.seal(JSON.stringify(planned.args), sealContext(id, 'args')),
      priority: action.priority,
      command_key: id,
      wake: action.wake,
      idempotency_key: action.idempotencyKey,
      created_at: new Date(action.createdAt),
      expires_at: new Date(action.expiresAt),
    };
  });
  const written = await tx<{ id: string }[]>`
    insert into action (id, kind, state, why, owner_kind, owner_name, owner_role, owner_token, reason, reference, device_id, request,
      sealed_args, priority, command_key, wake, idempotency_key, created_at, expires_at)
    select id, kind, state, why, owner_kind, owner_name, owner_role, owner_token, reason, reference, device_id, request,
      sealed_args, priority, command_key, wake, idempotency_key, created_at, expires_at
    from jsonb_populate_recordset(null::action, ${jsonText(rows)}::text::jsonb)
    on conflict (owner_token, idempotency_key) do nothing
    returning id`;
  const ids = new Set(written.map((row) => row.id));
  const made = actions.filter(({ id }) => ids.has(id));
  const details = made.map(({ id, planned, createdAt, owner }) => ({
    action_id: id,
    at: new Date(createdAt),
    hash: planned.view.hash,
    plan: planned.view,
    possible: planned.view.recovery.possible,
    text: planned.view.recovery.text,
    sealed_plan:
      planned.inverse === null ? null : box.seal(JSON.stringify(planned.inverse), sealContext(id, 'recovery')),
    why: `Risk ${planned.view.risk}: approved automatically for ${owner.kind} ${owner.name}.`,
  }));
  await tx`
    with detail as (
      select * from jsonb_to_recordset(${jsonText(details)}::text::jsonb) as d(
        action_id text, at timestamptz, hash text, plan jsonb, possible boolean, text text, sealed_plan text, why text)),
    plans as (insert into action_plan (action_id, hash, plan, created_at) select action_id, hash, plan, at from detail),
    approvals as (
      insert into action_approval (action_id, decision, by_name, plan_hash, why, at)
      select action_id, 'auto', 'policy', hash, why, at from detail)
    insert into action_recovery (action_id, possible, text, sealed_plan) select action_id, possible, text, sealed_plan from detail`;

  for (const { id, deviceId, kind, owner, planned, createdAt: at } of made) {
    const { tokenId, ...person } = owner;
    const { hash, ...plan } = planned.view;
    evidence.push({
      actionId: id,
      at,
      kind: 'planned',
      body: { kind, deviceId, owner: { ...person, tokenId }, request: planned.request, hash, plan },
    });
    evidence.push({
      actionId: id,
      at,
      kind: 'approved',
      body: { decision: 'auto', by: 'policy', planHash: hash, risk: plan.risk },
    });
    const summary = `Planned for ${owner.name}: ${kind}. Expected: ${plan.expected}`;
    events.push({
      deviceId,
      actionId: id,
      at,
      kind: 'action.ready',
      summary,
      body: { kind, risk: plan.risk, reference: owner.reference },
    });
    metrics.actionsCreated.inc({ kind, owner: owner.kind });
  }
  return { ids, events, evidence };
}
