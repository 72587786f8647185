// Makes actions: reads what planning needs, plans, asks the approval matrix, and writes. One for a caller, or many for a policy inside another
// transaction.

import { Refused } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { isPermitted } from '../permissions.ts';
import { type ApprovalDecision, type ApprovalMatrix, decideApproval } from '../policy/approval-matrix.ts';
import { readMatrix } from '../policy/matrix-store.ts';
import { sealedParameter } from '../registry/parameters.ts';
import type { FileView, Principal } from '../services.ts';
import type { Sql } from '../store/postgres.ts';
import { insertActions, type Owner, type PlannedAction } from './insert.ts';
import { fileOf, firmwareBefore, readKnown } from './knowledge.ts';
import {
  type KnownParameter,
  objectsOfInterest,
  type PlanDevice,
  type PlanRefusal,
  pathsOfInterest,
  plan,
} from './plan.ts';
import type { ActionRequest } from './request.ts';

/** Higher runs first on the edge. */
export const PRIORITY = { waiting: 90, operator: 50, policy: 30, bulk: 10 } as const;

export interface Wanted {
  device: PlanDevice;
  request: ActionRequest;
  owner: Owner;
  priority: number;
  idempotencyKey: string | null;
  /** The action that this one takes back: what was approved with it, so it asks nobody. */
  recovers?: string | null;
  /** The batch that it is part of, which asks for all of them. */
  batchId?: string | null;
}
/** What is known of the device of a Wanted. */
export interface Knowledge {
  known: ReadonlyMap<string, KnownParameter>;
  file: FileView | null;
  firmwareBefore: FileView | null;
}
export type Refusal = PlanRefusal | { type: 'refused'; code: 'denied'; message: string };

/** Who is accountable for what a caller asks. */
export function ownerOf(principal: Principal, { reason, reference }: ActionRequest): Owner {
  const { role, name, tokenId, person } = principal;
  // Whoever may only propose is treated like an agent: a person approves.
  const proposes = isPermitted(principal, 'propose') && !isPermitted(principal, 'act');
  return {
    kind: proposes ? 'agent' : 'person',
    name,
    role,
    tokenId,
    person,
    reason: reason ?? null,
    reference: reference ?? null,
  };
}

/** Throws Refused 404 'unknown-device'. */
export async function findDevice(sql: Sql, id: string): Promise<PlanDevice> {
  const [row] = await sql<{ id: string; root: string; profile: string }[]>`
    select id, root, profile from device where id = ${id}`;
  if (row) return { id: row.id, root: row.root, profileId: row.profile };
  throw new Refused(404, 'unknown-device', `There is no device ${id}. GET /devices lists those that are known.`);
}

/**
 * Plans one action for a caller and makes it: ready, waiting for approval, or a preview. Returns its id and whether it was made now, or
 * before under the same key. Throws Refused 404 for an unknown device, 403 'denied' where the matrix forbids it, and 422 with what to change
 * for a request that cannot be planned.
 */
export async function createAction(
  context: ControlContext,
  deviceId: string,
  request: ActionRequest,
  { principal, idempotencyKey = null }: { principal: Principal; idempotencyKey?: string | null },
): Promise<{ id: string; created: boolean }> {
  const { sql, live } = context;
  if (idempotencyKey !== null) {
    const before = await findByKey(sql, principal.tokenId, idempotencyKey);
    if (before) return { id: before, created: false };
  }
  const device = await findDevice(sql, deviceId);
  const priority = request.wake === true ? PRIORITY.waiting : PRIORITY.operator;
  const owner = ownerOf(principal, request);
  const action = await planOne(sql, context, { device, request, owner, priority, idempotencyKey });

  const { seq, created } = await sql.begin(async (tx) => {
    const inserted = await insertActions(tx, context, [action]);
    return { seq: await record(tx, inserted.events, inserted.evidence), created: inserted.ids.has(action.id) };
  });
  if (!created) return { id: (await findByKey(sql, principal.tokenId, idempotencyKey!))!, created: false };
  live.committed(seq);
  return { id: action.id, created: true };
}

async function findByKey(sql: Sql, tokenId: string, key: string): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`
    select id from action where owner_token = ${tokenId} and idempotency_key = ${key}`;
  return row?.id;
}

/** Reads what is known of one device and plans. Throws Refused 403 and 422. */
export async function planOne(sql: Sql, context: ControlContext, wanted: Wanted): Promise<PlannedAction> {
  const { device, request } = wanted;
  const paths = pathsOfInterest(request, device, context.book);
  const [known, file, before, matrix] = await Promise.all([
    readKnown(sql, [device.id], paths, objectsOfInterest(request, device, context.book)),
    fileOf(sql, request),
    firmwareBefore(sql, [device.id], request),
    readMatrix(sql),
  ]);
  const action = planKnown(context, matrix, wanted, {
    known: known.get(device.id) ?? new Map(),
    file,
    firmwareBefore: before.get(device.id) ?? null,
  });
  if ('code' in action) throw new Refused(action.code === 'denied' ? 403 : 422, action.code, action.message);
  return action;
}

/** Plans from what was read. The result is written by insertActions. */
export function planKnown(
  context: ControlContext,
  matrix: ApprovalMatrix,
  wanted: Wanted,
  knowledge: Knowledge,
): PlannedAction | Refusal {
  const { box, book, clock } = context;
  const { device, request, owner, priority, idempotencyKey, recovers = null, batchId = null } = wanted;
  const nowMs = clock.now();
  const expiresAt = request.expiresAt === undefined ? nowMs + LIMITS.actionLifeMs : Date.parse(request.expiresAt);
  if (expiresAt <= nowMs) return { type: 'refused', code: 'bad-action', message: 'expiresAt is in the past.' };
  if (expiresAt > nowMs + LIMITS.actionLifeMsMax) {
    const days = LIMITS.actionLifeMsMax / 86_400_000;
    return { type: 'refused', code: 'bad-action', message: `expiresAt is more than ${days} days away.` };
  }
  const id = newId(nowMs);
  const planned = plan({
    device,
    request,
    ...knowledge,
    book,
    commandKey: id,
    nowMs,
    digest: (text) => box.digest(text),
    unseal: (path, sealed) => box.open(sealed, sealedParameter(device.id, path)),
  });
  if (planned.type === 'refused') return planned;
  const asked = { role: owner.role, owner: owner.kind, kind: request.kind, devices: 1, atMs: nowMs };
  const approval: ApprovalDecision =
    recovers === null
      ? decideApproval(matrix, { ...asked, risk: planned.view.risk })
      : { need: 'auto', rule: 'recovery', approvers: [], holdsMs: 0, why: `Takes back action ${recovers}` };
  if (approval.need === 'denied' && batchId === null) {
    const message = `${approval.why} denies a ${request.kind} of risk ${planned.view.risk} to role ${owner.role}.`;
    return { type: 'refused', code: 'denied', message };
  }
  return {
    id,
    deviceId: device.id,
    kind: request.kind,
    owner,
    planned,
    approval,
    preview: request.preview === true,
    priority,
    wake: request.wake === true,
    createdAt: nowMs,
    expiresAt,
    idempotencyKey,
    recovers,
    batchId,
  };
}
