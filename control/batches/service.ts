// BatchService: what the API calls.

import { Refused } from '../../base/errors.ts';
import type { ControlContext } from '../context.ts';
import type { Reconciler } from '../reconciler.ts';
import { keyOf, pageOf, rowsOf } from '../registry/cursor.ts';
import type { BatchDetail, BatchService, BatchView } from '../services.ts';
import { iso, isoOrNull, type Sql } from '../store/postgres.ts';
import type { BatchRow } from './batch-row.ts';
import {
  approveBatch,
  cancelBatch,
  createBatch,
  pauseBatch,
  rejectBatch,
  resumeBatch,
  submitBatch,
} from './decide-batch.ts';
import { leafOf, proofOf } from './merkle.ts';
import { countsOf, reconciled } from './run-batch.ts';

/** BatchService over the context; `batches` is told when there is something to plan or to let go. */
export function batchService(context: ControlContext, batches: Reconciler): BatchService {
  const { sql } = context;
  const after = async (id: string, change: Promise<unknown>): Promise<BatchDetail> => {
    await change;
    batches.signal();
    return await readBatch(sql, id);
  };
  return {
    async create(request, principal) {
      const id = await createBatch(context, request, principal);
      return await after(id, Promise.resolve());
    },
    async list(query) {
      const limit = rowsOf(query.limit);
      const before = keyOf(query.cursor, /^[0-9A-Z]{26}$/);
      const rows = await sql<BatchRow[]>`
        select * from batch where ${before === null ? sql`true` : sql`id < ${before}`} order by id desc limit ${limit + 1}`;
      return pageOf(rows, limit, view, (row) => row.id);
    },
    get: (id) => readBatch(sql, id),
    async refusals(id, query) {
      await find(sql, id);
      const limit = rowsOf(query.limit);
      const last = keyOf(query.cursor);
      const rows = await sql<{ device_id: string; code: string; message: string }[]>`
        select device_id, code, message from batch_refusal
        where batch_id = ${id} and ${last === null ? sql`true` : sql`device_id > ${last}`} order by device_id limit ${limit + 1}`;
      const one = ({ device_id, code, message }: (typeof rows)[number]) => ({ deviceId: device_id, code, message });
      return pageOf(rows, limit, one, (row) => row.device_id);
    },
    async proof(id, actionId) {
      const { root } = await find(sql, id);
      if (root === null) throw new Refused(409, 'not-planned', `Batch ${id} is still being planned.`);
      const rows = await sql<{ id: string; device_id: string; hash: string }[]>`
        select a.id, a.device_id, p.hash from action a join action_plan p on p.action_id = a.id
        where a.batch_id = ${id} order by a.device_id`;
      const index = rows.findIndex((row) => row.id === actionId);
      if (index < 0) throw new Refused(404, 'unknown-action', `Action ${actionId} is not part of batch ${id}.`);
      const leaves = rows.map(({ device_id, hash }) => leafOf(device_id, hash));
      const { device_id: deviceId, hash: planHash } = rows[index]!;
      return { root, deviceId, planHash, leaf: leaves[index]!, steps: proofOf(leaves, index) };
    },
    submit: (id, root, principal) => after(id, submitBatch(context, id, root, principal)),
    approve: (id, root, principal) => after(id, approveBatch(context, id, root, principal)),
    reject: (id, why, principal) => after(id, rejectBatch(context, id, why, principal)),
    pause: (id, principal) => after(id, pauseBatch(context, id, principal)),
    resume: (id, principal) => after(id, resumeBatch(context, id, principal)),
    cancel: (id, principal) => after(id, cancelBatch(context, id, principal)),
  };
}

/** Throws Refused 404 'unknown-batch'. */
async function find(sql: Sql, id: string): Promise<BatchRow> {
  const [row] = await sql<BatchRow[]>`select * from batch where id = ${id}`;
  if (row) return row;
  throw new Refused(404, 'unknown-batch', `There is no batch ${id}. GET /batches lists them.`);
}

async function readBatch(sql: Sql, id: string): Promise<BatchDetail> {
  const row = await find(sql, id);
  const [counts, approvals, evidence, refusals] = await Promise.all([
    countsOf(sql, id),
    sql<
      {
        decision: 'auto' | 'approved' | 'rejected';
        by_name: string;
        by_role: string | null;
        root: string;
        why: string;
        at: Date;
      }[]
    >`
      select decision, by_name, by_role, root, why, at from batch_approval where batch_id = ${id} order by seq`,
    sql<{ seq: string; at: Date; kind: string; body: Record<string, unknown>; agedOut: boolean }[]>`
      select seq, at, kind, body, aged_out as "agedOut" from evidence where action_id = ${id} order by seq`,
    sql<{ code: string; count: number }[]>`
      select code, count(*)::int as count from batch_refusal where batch_id = ${id} group by code order by code`,
  ]);
  return {
    ...view(row),
    counts: reconciled(row, counts),
    refusals: Object.fromEntries(refusals.map(({ code, count }) => [code, count])),
    needs:
      row.state === 'awaiting-approval' && row.approval !== null
        ? { need: row.approval.need, approvers: [...row.approval.approvers], why: row.approval.why }
        : null,
    approvals: approvals.map(({ by_name, by_role, at, ...rest }) => ({
      ...rest,
      by: by_name,
      role: by_role,
      at: iso(at),
    })),
    evidence: evidence.map((entry) => ({ ...entry, at: iso(entry.at) })),
  };
}

function view(row: BatchRow): BatchView {
  const { id, kind, state, why, selection, request, pace, risk, root } = row;
  return {
    id,
    kind,
    state,
    why,
    owner: {
      kind: row.owner_kind,
      name: row.owner_name,
      role: row.owner_role,
      reason: row.reason,
      reference: row.reference,
    },
    selection,
    request,
    pace,
    risk,
    root,
    devices: row.selected - row.excluded - row.unplannable,
    createdAt: iso(row.created_at),
    expiresAt: iso(row.expires_at),
    startedAt: isoOrNull(row.started_at),
    endedAt: isoOrNull(row.ended_at),
  };
}
