// What people decide about a batch: make it, submit it, approve or reject it, let it pause, go on, or end. Like an action's, every decision about
// its plans names what was looked at: the root over all of them.

import { Refused } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import { ownerOf } from '../actions/create.ts';
import { firstStep } from '../actions/insert.ts';
import { redactedRequest } from '../actions/plan.ts';
import type { ActionRequest } from '../actions/request.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import { decideApproval } from '../policy/approval-matrix.ts';
import { demandApprover, demandOther } from '../policy/approvers.ts';
import { readMatrix } from '../policy/matrix-store.ts';
import type { BatchState, Principal } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import { BAD_ENDS, type BatchRow, batchEvent, batchEvidence } from './batch-row.ts';
import { sealedRequest } from './plan-batch.ts';
import type { BatchRequest } from './request.ts';
import { countsOf } from './run-batch.ts';

type Decided = { events: NewEvent[]; evidence: NewEvidence[] };

/** Makes a batch, which is planned from now on. Returns its id. Throws Refused 422 for a deadline that cannot be. */
export async function createBatch(
  { sql, box, book, live, clock }: ControlContext,
  { selection, action, pace }: BatchRequest,
  principal: Principal,
): Promise<string> {
  const at = clock.now();
  const until = action.expiresAt === undefined ? at + LIMITS.batchLifeMs : Date.parse(action.expiresAt);
  if (until <= at || until > at + LIMITS.actionLifeMsMax) {
    const days = LIMITS.actionLifeMsMax / 86_400_000;
    throw new Refused(422, 'bad-action', `expiresAt must be a time to come, and within ${days} days.`);
  }
  const id = newId(at);
  const owner = ownerOf(principal, action);
  const { preview: _preview, ...asked } = action;
  const request = { ...asked, expiresAt: new Date(until).toISOString() } as ActionRequest;
  const shown = redactedRequest(request, book);
  const row = {
    id,
    kind: action.kind,
    state: 'planning' satisfies BatchState,
    why: 'An action is planned for each device.',
    owner_kind: owner.kind,
    owner_name: owner.name,
    owner_role: owner.role,
    owner_token: owner.tokenId,
    owner_person: owner.person,
    reason: owner.reason,
    reference: owner.reference,
    selection,
    request: shown,
    sealed_request: box.seal(JSON.stringify(request), sealedRequest(id)),
    pace,
    created_at: new Date(at),
    expires_at: new Date(until),
    asked_until: new Date(until),
  };
  const seq = await sql.begin(async (tx) => {
    await tx`
      insert into batch (id, kind, state, why, owner_kind, owner_name, owner_role, owner_token, owner_person, reason, reference, selection,
        request, sealed_request, pace, created_at, expires_at, asked_until)
      select id, kind, state, why, owner_kind, owner_name, owner_role, owner_token, owner_person, reason, reference, selection,
        request, sealed_request, pace, created_at, expires_at, asked_until
      from jsonb_populate_record(null::batch, ${jsonText(row)}::text::jsonb)`;
    const summary = `${principal.name} begins a batch: ${action.kind}.`;
    const body = { owner, selection, request: shown, pace };
    return await record(tx, [batchEvent(row, at, 'planning', summary, {})], [batchEvidence(id, at, 'made', body)]);
  });
  live.committed(seq);
  return id;
}

/** Lets a planned batch go, or asks for its approval. Throws Refused 404, 409 'not-planned' and 'stale-plan', 403 'denied'. */
export function submitBatch(context: ControlContext, id: string, root: string, principal: Principal): Promise<void> {
  return decide(context, id, async (tx, batch, at) => {
    if (batch.state !== 'planned') throw notNow(batch, 'cannot be submitted', 'not-planned');
    demandRoot(batch, root);
    const devices = batch.selected - batch.excluded - batch.unplannable;
    const asked = {
      risk: batch.risk!,
      role: batch.owner_role,
      owner: batch.owner_kind,
      kind: batch.kind,
      devices,
      atMs: at,
    };
    const approval = decideApproval(await readMatrix(tx), asked);
    if (approval.need === 'denied') throw new Refused(403, 'denied', `${approval.why} denies it.`);
    const until = batch.asked_until.getTime();
    const auto = approval.need === 'auto';
    const state: BatchState = auto ? 'running' : 'awaiting-approval';
    const { expiresAt, why: waits } = firstStep(approval, at, until);
    const why = auto ? 'Running: actions are let go as its pace allows.' : waits;
    await tx`
      update batch set state = ${state}, why = ${why}, approval = ${jsonText(approval)}::text::jsonb, expires_at = ${new Date(expiresAt)},
        started_at = ${auto ? new Date(at) : null}
      where id = ${id}`;
    if (auto)
      await insertApproval(
        tx,
        batch,
        { decision: 'auto', by_name: 'policy', by_person: null, by_role: null, why: approval.why },
        at,
      );
    const { need, rule, approvers } = approval;
    const body = { ...byOf(principal), root, devices, risk: batch.risk, need, rule, approvers };
    return told(batch, at, 'submitted', `Submitted by ${principal.name}. ${why}`, body);
  });
}

/** Throws Refused 404, 409 'not-awaiting-approval' and 'stale-plan', 403 'not-an-approver', 'needs-person' and 'own-action'. */
export function approveBatch(context: ControlContext, id: string, root: string, principal: Principal): Promise<void> {
  return decide(context, id, async (tx, batch, at) => {
    const approval = demandWaiting(batch);
    demandApprover(approval, principal);
    demandOther(approval, { person: batch.owner_person, tokenId: batch.owner_token }, principal);
    demandRoot(batch, root);
    const until = new Date(Math.min(batch.asked_until.getTime(), at + approval.holdsMs));
    const why = `Approved by ${principal.name}: actions are let go as its pace allows.`;
    await tx`update batch set state = 'running', why = ${why}, started_at = ${new Date(at)}, expires_at = ${until} where id = ${id}`;
    const { name, person, role } = principal;
    await insertApproval(
      tx,
      batch,
      { decision: 'approved', by_name: name, by_person: person, by_role: role, why: approval.why },
      at,
    );
    return told(batch, at, 'approved', why, { ...byOf(principal), root, rule: approval.rule, until });
  });
}

/** Ends a batch that waits for approval. Throws Refused 404, 409 'not-awaiting-approval', 403 'not-an-approver'. */
export function rejectBatch(context: ControlContext, id: string, text: string, principal: Principal): Promise<void> {
  return decide(context, id, async (tx, batch, at) => {
    demandApprover(demandWaiting(batch), principal);
    const why = `Rejected by ${principal.name}: ${text}`;
    await tx`update batch set state = 'cancelled', why = ${why} where id = ${id}`;
    const { name, person, role } = principal;
    await insertApproval(
      tx,
      batch,
      { decision: 'rejected', by_name: name, by_person: person, by_role: role, why: text },
      at,
    );
    return told(batch, at, 'rejected', why, { ...byOf(principal), why: text });
  });
}

/** Lets nothing more go, until it is resumed. Throws Refused 404, 409 'not-running'. */
export function pauseBatch(context: ControlContext, id: string, principal: Principal): Promise<void> {
  return decide(context, id, async (tx, batch, at) => {
    if (batch.state !== 'running') throw notNow(batch, 'cannot be paused', 'not-running');
    const why = `Paused by ${principal.name}.`;
    await tx`update batch set state = 'paused', why = ${why} where id = ${id}`;
    return told(batch, at, 'paused', why, byOf(principal));
  });
}

/** Lets it go on; what ended badly before counts no more. Throws Refused 404, 409 'not-paused'. */
export function resumeBatch(context: ControlContext, id: string, principal: Principal): Promise<void> {
  return decide(context, id, async (tx, batch, at) => {
    if (batch.state !== 'paused') throw notNow(batch, 'cannot be resumed', 'not-paused');
    const counts = await countsOf(tx, id);
    const bad = BAD_ENDS.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
    const why = `Resumed by ${principal.name}: actions are let go as its pace allows.`;
    await tx`update batch set state = 'running', why = ${why}, forgiven = ${bad} where id = ${id}`;
    return told(batch, at, 'resumed', why, { ...byOf(principal), forgiven: bad });
  });
}

/** Lets nothing more go, for good; what is under way goes on. Throws Refused 404, 409 'already-ended'. */
export function cancelBatch(context: ControlContext, id: string, principal: Principal): Promise<void> {
  return decide(context, id, async (tx, batch, at) => {
    if (['done', 'cancelled', 'expired'].includes(batch.state))
      throw notNow(batch, 'has ended already', 'already-ended');
    const why = `Cancelled by ${principal.name}: what was let go before goes on.`;
    await tx`update batch set state = 'cancelled', why = ${why} where id = ${id}`;
    return told(batch, at, 'cancelled', why, byOf(principal));
  });
}

async function decide(
  { sql, live, clock }: ControlContext,
  id: string,
  run: (tx: Sql, batch: BatchRow, at: number) => Promise<Decided>,
): Promise<void> {
  const seq = await sql.begin(async (tx) => {
    const [batch] = await tx<BatchRow[]>`select * from batch where id = ${id} for no key update`;
    if (!batch) throw new Refused(404, 'unknown-batch', `There is no batch ${id}. GET /batches lists them.`);
    const { events, evidence } = await run(tx, batch, clock.now());
    return await record(tx, events, evidence);
  });
  live.committed(seq);
}

function told(batch: BatchRow, at: number, step: string, summary: string, body: Record<string, unknown>): Decided {
  return { events: [batchEvent(batch, at, step, summary, body)], evidence: [batchEvidence(batch.id, at, step, body)] };
}

async function insertApproval(
  tx: Sql,
  { id, root }: BatchRow,
  {
    decision,
    by_name,
    by_person,
    by_role,
    why,
  }: { decision: string; by_name: string; by_person: string | null; by_role: string | null; why: string },
  at: number,
): Promise<void> {
  await tx`
    insert into batch_approval (batch_id, decision, by_name, by_person, by_role, root, why, at)
    values (${id}, ${decision}, ${by_name}, ${by_person}, ${by_role}, ${root}, ${why}, ${new Date(at)})`;
}

const byOf = ({ name, role, person }: Principal): Record<string, unknown> => ({ by: name, role, person });

function demandRoot({ id, root }: BatchRow, seen: string): void {
  if (root === seen) return;
  throw new Refused(
    409,
    'stale-plan',
    `Batch ${id} has other plans than those that were looked at: its root is ${root}.`,
  );
}

function demandWaiting(batch: BatchRow): NonNullable<BatchRow['approval']> {
  if (batch.state !== 'awaiting-approval' || batch.approval === null)
    throw notNow(batch, 'does not wait for approval', 'not-awaiting-approval');
  return batch.approval;
}

function notNow({ id, state }: BatchRow, what: string, code: string): Refused {
  return new Refused(409, code, `Batch ${id} ${what}: it is ${state}.`);
}
