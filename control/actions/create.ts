// Makes actions: reads what planning needs, plans, and writes. One for a caller, or many for a policy inside another transaction.

import { Refused } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { findFile } from '../operations/files.ts';
import { sealedParameter } from '../registry/parameters.ts';
import type { FileView, Principal } from '../services.ts';
import type { Sql } from '../store/postgres.ts';
import { insertActions, type Owner, type PlannedAction } from './insert.ts';
import { type KnownParameter, type PlanDevice, type PlanRefusal, pathsOfInterest, plan } from './plan.ts';
import type { ActionRequest } from './request.ts';

/** Higher runs first on the edge. */
export const PRIORITY = { waiting: 90, operator: 50, policy: 30, bulk: 10 } as const;

export interface Wanted {
  device: PlanDevice;
  request: ActionRequest;
  owner: Owner;
  priority: number;
  idempotencyKey: string | null;
}

/**
 * Plans one action for a caller and makes it ready. Returns its id and whether it was made now, or before under the same key.
 * Throws Refused 404 for an unknown device and 422 with what to change for a request that cannot be planned.
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
  const [row] = await sql<
    { id: string; root: string; profile: string }[]
  >`select id, root, profile from device where id = ${deviceId}`;
  if (!row)
    throw new Refused(
      404,
      'unknown-device',
      `There is no device ${deviceId}. GET /devices lists those that are known.`,
    );
  const owner: Owner = {
    kind: principal.role === 'agent' ? 'agent' : 'person',
    name: principal.name,
    role: principal.role,
    tokenId: principal.tokenId,
    reason: request.reason ?? null,
    reference: request.reference ?? null,
  };
  const device = { id: row.id, root: row.root, profileId: row.profile };
  const priority = request.wake === true ? PRIORITY.waiting : PRIORITY.operator;
  const action = await planOne(sql, context, { device, request, owner, priority, idempotencyKey });
  if ('code' in action) throw new Refused(422, action.code, action.message);

  const { seq, created } = await sql.begin(async (tx) => {
    const inserted = await insertActions(tx, context, [action]);
    return { seq: await record(tx, inserted.events, inserted.evidence), created: inserted.ids.has(action.id) };
  });
  if (!created) return { id: (await findByKey(sql, principal.tokenId, idempotencyKey!))!, created: false };
  live.committed(seq);
  return { id: action.id, created: true };
}

async function findByKey(sql: Sql, tokenId: string, key: string): Promise<string | undefined> {
  const [row] = await sql<
    { id: string }[]
  >`select id from action where owner_token = ${tokenId} and idempotency_key = ${key}`;
  return row?.id;
}

/** Reads what is known of one device and plans. */
async function planOne(sql: Sql, context: ControlContext, wanted: Wanted): Promise<PlannedAction | PlanRefusal> {
  const { device, request } = wanted;
  const known = await readKnown(sql, [device.id], pathsOfInterest(request, device, context.book));
  const file = request.kind === 'download' && request.file !== undefined ? await findFile(sql, request.file) : null;
  return planKnown(context, wanted, known.get(device.id) ?? new Map(), file);
}

/** Plans from what was read. The result is written by insertActions. */
export function planKnown(
  context: ControlContext,
  wanted: Wanted,
  known: ReadonlyMap<string, KnownParameter>,
  file: FileView | null,
): PlannedAction | PlanRefusal {
  const { box, book, clock } = context;
  const { device, request, owner, priority, idempotencyKey } = wanted;
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
    known,
    book,
    file,
    commandKey: id,
    nowMs,
    digest: (text) => box.digest(text),
    unseal: (path, sealed) => box.open(sealed, sealedParameter(device.id, path)),
  });
  if (planned.type === 'refused') return planned;
  const wake = request.wake === true;
  return {
    id,
    deviceId: device.id,
    kind: request.kind,
    owner,
    planned,
    priority,
    wake,
    createdAt: nowMs,
    expiresAt,
    idempotencyKey,
  };
}

/** What is stored of these paths, by device. */
export async function readKnown(
  sql: Sql,
  deviceIds: string[],
  paths: string[],
): Promise<Map<string, Map<string, KnownParameter>>> {
  const byDevice = new Map<string, Map<string, KnownParameter>>();
  if (paths.length === 0) return byDevice;
  const rows = await sql<ParameterRow[]>`
    select device_id, path, value, sealed, type, writable, read_at from device_parameter
    where device_id = any(${deviceIds}) and path = any(${paths})`;
  for (const { device_id, path, value, sealed, type, writable, read_at } of rows) {
    const known = byDevice.get(device_id) ?? new Map<string, KnownParameter>();
    known.set(path, { value, sealed, type, writable, readAt: read_at === null ? null : read_at.getTime() });
    byDevice.set(device_id, known);
  }
  return byDevice;
}

interface ParameterRow {
  device_id: string;
  path: string;
  value: string | null;
  sealed: string | null;
  type: string;
  writable: boolean | null;
  read_at: Date | null;
}
