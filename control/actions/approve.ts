// What people decide about a plan: its owner submits a preview, approvers approve or reject. Every decision names the hash of the plan that was
// looked at, and holds for that plan alone: values that are others since then (drift) end the action, and a new preview shows what is.

import { Refused } from '../../base/errors.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import { type ApprovalDecision, decideApproval } from '../policy/approval-matrix.ts';
import { demandApprover, demandOther } from '../policy/approvers.ts';
import { readMatrix } from '../policy/matrix-store.ts';
import { sealedParameter } from '../registry/parameters.ts';
import type { ActionState, PlanView, Principal } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import { end, type OpenRow } from './end-here.ts';
import { automatic, decided, firstStep, insertApprovals, sealContext } from './insert.ts';
import { readKnown } from './knowledge.ts';
import { type BasisValue, drift, valueKnown } from './plan.ts';
import { transition } from './states.ts';

interface Row extends OpenRow {
  owner_kind: 'person' | 'policy' | 'campaign' | 'agent';
  owner_name: string;
  owner_role: string;
  owner_token: string | null;
  owner_person: string | null;
  approval: ApprovalDecision;
  asked_until: Date;
  expires_at: Date;
  batch_id: string | null;
  hash: string;
  plan: PlanView;
  sealed_basis: string | null;
}
/** What a decision came to: done, or a reason for the caller, which is kept all the same. */
type Decided = { events: NewEvent[]; evidence: NewEvidence[]; refusal?: Refused };

/** Submits a preview: it becomes ready, or waits for approval. Throws Refused 404, 409 'not-planned', 'stale-plan' and 'drifted', 403 'denied'. */
export function submitAction(
  context: ControlContext,
  id: string,
  planHash: string,
  principal: Principal,
): Promise<void> {
  return decide(context, id, async (tx, row, at) => {
    if (row.state !== 'planned') throw notNow(row, 'is no preview that can be submitted');
    const stale = await staleness(tx, context, row, planHash, at);
    if (stale !== null) return stale;
    const matrix = await readMatrix(tx);
    const { risk } = row.plan;
    // By the matrix and the time of now: the preview may be an hour old.
    const asked = { risk, role: row.owner_role, owner: row.owner_kind, kind: row.kind, devices: 1, atMs: at };
    const approval = decideApproval(matrix, asked);
    if (approval.need === 'denied') {
      throw new Refused(
        403,
        'denied',
        `${approval.why} denies a ${row.kind} of risk ${risk} to role ${row.owner_role}.`,
      );
    }
    const step = firstStep(approval, at, row.asked_until.getTime());
    transition(id, row.state, step.state);
    await tx`
      update action set state = ${step.state}, why = ${step.why}, expires_at = ${new Date(step.expiresAt)},
        approval = ${jsonText(approval)}::text::jsonb
      where id = ${id}`;
    const owner = { kind: row.owner_kind, name: row.owner_name };
    if (approval.need === 'auto') await insertApprovals(tx, [automatic(id, row.hash, approval, owner, at)]);
    const submitted: NewEvidence = {
      actionId: id,
      at,
      kind: 'submitted',
      body: { ...byOf(principal), planHash: row.hash },
    };
    const summary = `Submitted by ${principal.name}. ${step.why}`;
    return {
      events: [eventOf(row, at, step.state, summary, byOf(principal))],
      evidence: [submitted, decided(id, at, row.hash, risk, approval)],
    };
  });
}

/**
 * Approves the plan of `planHash`. Throws Refused 404, 409 'not-awaiting-approval', 'stale-plan' and 'drifted', 403 'not-an-approver',
 * 'needs-person' and 'own-action'.
 */
export function approveAction(
  context: ControlContext,
  id: string,
  planHash: string,
  principal: Principal,
): Promise<void> {
  return decide(context, id, async (tx, row, at) => {
    demandWaiting(row);
    demandApprover(row.approval, principal);
    demandOther(row.approval, { person: row.owner_person, tokenId: row.owner_token }, principal);
    const stale = await staleness(tx, context, row, planHash, at);
    if (stale !== null) return stale;
    const until = new Date(Math.min(row.asked_until.getTime(), at + row.approval.holdsMs));
    const why = `Approved by ${principal.name}: waits for the device.`;
    transition(id, row.state, 'ready');
    await tx`update action set state = 'ready', why = ${why}, expires_at = ${until} where id = ${id}`;
    const approval = approvalRow(row, 'approved', row.approval.why, principal, at, until);
    await insertApprovals(tx, [approval]);
    const body = { decision: 'approved', ...byOf(principal), planHash: row.hash, rule: row.approval.rule, until };
    return {
      events: [eventOf(row, at, 'ready', why, byOf(principal))],
      evidence: [{ actionId: id, at, kind: 'approved', body }],
    };
  });
}

/** Ends what waits for approval. Throws Refused 404, 409 'not-awaiting-approval', 403 'not-an-approver'. */
export function rejectAction(context: ControlContext, id: string, why: string, principal: Principal): Promise<void> {
  return decide(context, id, async (tx, row, at) => {
    demandWaiting(row);
    demandApprover(row.approval, principal);
    const text = `Rejected by ${principal.name}: ${why}`;
    await insertApprovals(tx, [approvalRow(row, 'rejected', why, principal, at, null)]);
    const ended = await end(tx, context, [row], { state: 'cancelled', why: text }, at, byOf(principal));
    const body = { ...byOf(principal), why, planHash: row.hash };
    return { events: ended.events, evidence: [{ actionId: id, at, kind: 'rejected', body }, ...ended.evidence] };
  });
}

/** One decision in a transaction of its own; what it refuses after having written something is written all the same. */
async function decide(
  context: ControlContext,
  id: string,
  run: (tx: Sql, row: Row, at: number) => Promise<Decided>,
): Promise<void> {
  const { sql, live, clock } = context;
  const { seq, refusal } = await sql.begin(async (tx) => {
    const [row] = await tx<Row[]>`
      select a.id, a.device_id, a.kind, a.state, a.generation, a.claimed_at, a.cancel_asked_at, a.recovers, a.owner_kind, a.owner_name, a.owner_role,
        a.owner_token, a.owner_person, a.approval, a.asked_until, a.expires_at, a.batch_id, p.hash, p.plan, p.sealed_basis
      from action a join action_plan p on p.action_id = a.id where a.id = ${id} for no key update of a`;
    if (!row) throw new Refused(404, 'unknown-action', `There is no action ${id}. GET /actions lists them.`);
    if (row.batch_id !== null) {
      throw new Refused(
        409,
        'part-of-batch',
        `Action ${id} is part of batch ${row.batch_id}, which is decided about as a whole.`,
      );
    }
    const { events, evidence, refusal } = await run(tx, row, clock.now());
    return { seq: await record(tx, events, evidence), refusal };
  });
  live.committed(seq);
  if (refusal !== undefined) throw refusal;
}

/** Ends the action when its plan is not what was looked at, or not what is; null when it holds. Throws 409 'stale-plan' for another hash. */
async function staleness(
  tx: Sql,
  context: ControlContext,
  row: Row,
  planHash: string,
  at: number,
): Promise<Decided | null> {
  const { id, hash } = row;
  if (planHash !== hash) {
    const text = `Action ${id} has another plan than the one that was looked at: its hash is ${hash}. Look at it again.`;
    throw new Refused(409, 'stale-plan', text);
  }
  if (row.expires_at.getTime() <= at) throw notNow(row, 'has waited too long');
  const names = await driftOf(tx, context, row);
  if (names.length === 0) return null;
  const { end: ended, evidence } = await endDrifted(tx, context, row, names, at);
  const refusal = new Refused(409, 'drifted', `${ended.why} Make a new preview.`);
  return { events: ended.events, evidence, refusal };
}

/** Ends an action whose device is not any more as its plan says. */
export async function endDrifted(
  tx: Sql,
  context: ControlContext,
  row: OpenRow,
  names: string[],
  at: number,
): Promise<{ end: { why: string; events: NewEvent[] }; evidence: NewEvidence[] }> {
  const more = names.length > 1 ? ` and ${names.length - 1} more` : '';
  const why = `The device has changed since this was planned: ${names[0]}${more}.`;
  const ended = await end(tx, context, [row], { state: 'cancelled', why }, at, {});
  const drifted: NewEvidence = { actionId: row.id, at, kind: 'drifted', body: { names } };
  return { end: { why, events: ended.events }, evidence: [drifted, ...ended.evidence] };
}

/** Names of values that are others now than the plan counts on. */
export async function driftOf(
  tx: Sql,
  context: ControlContext,
  { id, device_id, sealed_basis }: Pick<Row, 'id' | 'device_id' | 'sealed_basis'>,
): Promise<string[]> {
  if (sealed_basis === null) return [];
  const { box } = context;
  const basis = JSON.parse(box.open(sealed_basis, sealContext(id, 'basis'))) as BasisValue[];
  const byDevice = await readKnown(tx, [device_id], basis.map(({ name }) => name)); // biome-ignore format: one call
  const known = byDevice.get(device_id) ?? new Map();
  const unseal = (path: string, sealed: string): string => box.open(sealed, sealedParameter(device_id, path));
  return drift(basis, (path) => valueKnown({ known, unseal }, path));
}

function demandWaiting(row: Row): void {
  if (row.state !== 'awaiting-approval') throw notNow(row, 'does not wait for approval', 'not-awaiting-approval');
}

function notNow({ id, state }: Row, what: string, code = 'not-planned'): Refused {
  return new Refused(409, code, `Action ${id} ${what}: it is ${state}.`);
}

const byOf = ({ name, role, person }: Principal): Record<string, unknown> => ({ by: name, role, person });

function approvalRow(
  { id, hash }: Row,
  decision: 'approved' | 'rejected',
  why: string,
  { name, role, person }: Principal,
  at: number,
  until: Date | null,
): Parameters<typeof insertApprovals>[1][number] {
  const by = { by_name: name, by_person: person, by_role: role };
  return { action_id: id, decision, ...by, plan_hash: hash, why, at: new Date(at), expires_at: until };
}

function eventOf(
  { id, device_id, kind }: Row,
  at: number,
  state: ActionState,
  summary: string,
  body: Record<string, unknown>,
): NewEvent {
  return { deviceId: device_id, actionId: id, at, kind: `action.${state}`, summary, body: { kind, ...body } };
}
