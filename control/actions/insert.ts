// Writes planned actions with their plan, approval, recovery and first evidence, all in the caller's transaction.

import { LIMITS } from '../../base/limits.ts';
import type { ActionKind } from '../../bus/messages.ts';
import type { ControlContext } from '../context.ts';
import type { NewEvent, NewEvidence } from '../evidence/record.ts';
import type { ApprovalDecision } from '../policy/approval-matrix.ts';
import type { ActionState } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import type { Planned } from './plan.ts';
import { transition } from './states.ts';

export interface Owner {
  kind: 'person' | 'policy' | 'campaign' | 'agent';
  name: string;
  role: string;
  tokenId: string | null;
  /** Id of the person; null for programs and policies. */
  person: string | null;
  reason: string | null;
  reference: string | null;
}

export interface PlannedAction {
  id: string;
  deviceId: string;
  kind: ActionKind;
  owner: Owner;
  planned: Planned;
  /** What the matrix says of it; never 'denied'. */
  approval: ApprovalDecision;
  /** Nothing is decided before somebody submits it. */
  preview: boolean;
  priority: number;
  wake: boolean;
  createdAt: number;
  expiresAt: number;
  idempotencyKey: string | null;
  /** The action that this one takes back. */
  recovers: string | null;
  /** The batch that it is part of, which decides for it. */
  batchId: string | null;
}

export interface Inserted {
  /** Ids that were written; an id is missing when its idempotency key was used before. */
  ids: Set<string>;
  events: NewEvent[];
  evidence: NewEvidence[];
}

/** Binds a sealed text to its action and purpose. */
export const sealContext = (actionId: string, what: 'args' | 'recovery' | 'basis'): string =>
  `action:${actionId}:${what}`;

/** What an action becomes when somebody has looked at its plan, or nobody needs to. */
export function firstStep(
  approval: ApprovalDecision,
  at: number,
  askedUntil: number,
): {
  state: ActionState;
  why: string;
  expiresAt: number;
} {
  if (approval.need === 'auto') return { state: 'ready', why: 'Ready: waits for the device.', expiresAt: askedUntil };
  const who = approval.need === 'one' ? 'somebody' : 'a second person';
  return {
    state: 'awaiting-approval',
    why: `Waits for ${who} to approve it: ${approval.approvers.join(' or ')}.`,
    expiresAt: Math.min(askedUntil, at + LIMITS.approvalWaitMs),
  };
}

/** Inserts actions. The caller appends the returned events and evidence at the end of its transaction. */
export async function insertActions(
  tx: Sql,
  { box, metrics }: ControlContext,
  actions: PlannedAction[],
): Promise<Inserted> {
  const events: NewEvent[] = [];
  const evidence: NewEvidence[] = [];
  if (actions.length === 0) return { ids: new Set(), events, evidence };
  const steps = new Map(
    actions.map(({ id, preview, batchId, approval, createdAt, expiresAt }) => [
      id,
      batchId !== null
        ? { state: 'planned' as const, why: `Part of batch ${batchId}.`, expiresAt }
        : preview
          ? {
              state: 'planned' as const,
              why: 'A preview: nothing happens before it is submitted.',
              expiresAt: Math.min(expiresAt, createdAt + LIMITS.previewLifeMs),
            }
          : firstStep(approval, createdAt, expiresAt),
    ]),
  );
  const rows = actions.map((action) => {
    const { id, planned, owner } = action;
    const step = steps.get(id)!;
    return {
      id,
      kind: action.kind,
      state: step.state === 'planned' ? step.state : transition(id, 'planned', step.state),
      why: step.why,
      owner_kind: owner.kind,
      owner_name: owner.name,
      owner_role: owner.role,
      owner_token: owner.tokenId,
      owner_person: owner.person,
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
      expires_at: new Date(step.expiresAt),
      asked_until: new Date(action.expiresAt),
      approval: action.approval,
      recovers: action.recovers,
      batch_id: action.batchId,
    };
  });
  const written = await tx<{ id: string }[]>`
    insert into action (id, kind, state, why, owner_kind, owner_name, owner_role, owner_token, owner_person, reason, reference, device_id,
      request, sealed_args, priority, command_key, wake, idempotency_key, created_at, expires_at, asked_until, approval, recovers,
      batch_id)
    select id, kind, state, why, owner_kind, owner_name, owner_role, owner_token, owner_person, reason, reference, device_id,
      request, sealed_args, priority, command_key, wake, idempotency_key, created_at, expires_at, asked_until, approval, recovers,
      batch_id
    from jsonb_populate_recordset(null::action, ${jsonText(rows)}::text::jsonb)
    on conflict (owner_token, idempotency_key) do nothing
    returning id`;
  const ids = new Set(written.map((row) => row.id));
  const made = actions.filter(({ id }) => ids.has(id));
  const details = made.map(({ id, planned, createdAt }) => ({
    action_id: id,
    at: new Date(createdAt),
    hash: planned.view.hash,
    plan: planned.view,
    possible: planned.view.recovery.possible,
    text: planned.view.recovery.text,
    sealed_basis: planned.basis.length === 0 ? null : box.seal(JSON.stringify(planned.basis), sealContext(id, 'basis')),
    sealed_plan:
      planned.inverse === null ? null : box.seal(JSON.stringify(planned.inverse), sealContext(id, 'recovery')),
  }));
  await tx`
    with detail as (
      select * from jsonb_to_recordset(${jsonText(details)}::text::jsonb) as d(
        action_id text, at timestamptz, hash text, plan jsonb, possible boolean, text text, sealed_basis text, sealed_plan text)),
    plans as (
      insert into action_plan (action_id, hash, plan, created_at, sealed_basis)
      select action_id, hash, plan, at, sealed_basis from detail)
    insert into action_recovery (action_id, possible, text, sealed_plan) select action_id, possible, text, sealed_plan from detail`;
  await insertApprovals(
    tx,
    made
      .filter(({ id, approval }) => steps.get(id)!.state !== 'planned' && approval.need === 'auto')
      .map((action) => automatic(action.id, action.planned.view.hash, action.approval, action.owner, action.createdAt)),
  );

  for (const { id, deviceId, kind, owner, planned, createdAt: at, approval, recovers, batchId } of made) {
    const { hash, ...plan } = planned.view;
    const partOf = { ...(recovers === null ? {} : { recovers }), ...(batchId === null ? {} : { batchId }) };
    evidence.push({
      actionId: id,
      at,
      kind: 'planned',
      body: { kind, deviceId, owner, request: planned.request, hash, plan, ...partOf },
    });
    const { state } = steps.get(id)!;
    if (state !== 'planned') evidence.push(decided(id, at, hash, plan.risk, approval));
    const summary = `Planned for ${owner.name}: ${kind}. Expected: ${plan.expected}`;
    events.push({
      deviceId,
      actionId: id,
      at,
      kind: `action.${state}`,
      summary,
      body: { kind, risk: plan.risk, reference: owner.reference },
    });
    metrics.actionsCreated.inc({ kind, owner: owner.kind });
  }
  return { ids, events, evidence };
}

/** Evidence of what the matrix said of a plan. */
export function decided(
  actionId: string,
  at: number,
  planHash: string,
  risk: string,
  { need, rule, approvers, why }: ApprovalDecision,
): NewEvidence {
  if (need === 'auto')
    return { actionId, at, kind: 'approved', body: { decision: 'auto', by: 'policy', planHash, risk, rule } };
  return { actionId, at, kind: 'approval-asked', body: { need, approvers, planHash, risk, rule, why } };
}

export interface ApprovalRow {
  action_id: string;
  decision: 'auto' | 'approved' | 'rejected';
  by_name: string;
  by_person: string | null;
  by_role: string | null;
  plan_hash: string;
  why: string;
  at: Date;
  expires_at: Date | null;
}

/** The approval of a plan that nobody needs to look at. */
export function automatic(
  actionId: string,
  planHash: string,
  { why }: ApprovalDecision,
  owner: Pick<Owner, 'kind' | 'name'>,
  at: number,
): ApprovalRow {
  const nobody = { by_name: 'policy', by_person: null, by_role: null, expires_at: null };
  const text = `${why}: approved automatically for ${owner.kind} ${owner.name}.`;
  return { action_id: actionId, decision: 'auto', ...nobody, plan_hash: planHash, why: text, at: new Date(at) };
}

export async function insertApprovals(tx: Sql, rows: ApprovalRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into action_approval (action_id, decision, by_name, by_person, by_role, plan_hash, why, at, expires_at)
    select action_id, decision, by_name, by_person, by_role, plan_hash, why, at, expires_at
    from jsonb_to_recordset(${jsonText(rows)}::text::jsonb) as r(action_id text, decision text, by_name text, by_person text,
      by_role text, plan_hash text, why text, at timestamptz, expires_at timestamptz)`;
}
