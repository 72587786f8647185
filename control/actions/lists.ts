// Which actions are on a page of a list, newest first, at any size of the history. PostgreSQL would walk back through all actions for a rare
// kind, and sort a whole batch for its last page; here each value of a filter that was not asked for has a run of its own, in order, out of
// an index that begins with what was asked for, and the newest of all runs are the page.

import { ACTION_KINDS } from '../../bus/messages.ts';
import { keyOf } from '../registry/cursor.ts';
import { ACTION_STATES, type ActionQuery, type ActionState, type QueueQuery } from '../services.ts';
import type { Fragment, Sql } from '../store/postgres.ts';

/** States of what somebody has to look at, as the indexes of the queue have them; of what expired, that of which nobody knows. */
export const QUEUE_STATES = ['partial', 'unsupported', 'refused', 'failed', 'stuck', 'expired'] as const;

/** Condition of the queue: word for word that of its indexes. */
export const inQueue = (sql: Sql): Fragment => sql`closed_at is null
  and (state in ('partial', 'unsupported', 'refused', 'failed', 'stuck') or (state = 'expired' and unknown))`;

/** A statement of `limit` ids that a query of GET /actions asks for. Throws Refused 400 for a forged cursor. */
export function actionIds(sql: Sql, query: ActionQuery, limit: number): Fragment {
  const { reference = null, batchId = null, kind, ...others } = query;
  // A batch is of one kind: of another one nothing is looked for.
  const isOfKind =
    kind === undefined ? sql`true` : sql`exists (select from batch where id = ${batchId} and kind = ${kind})`;
  const where = sql`${reference === null ? sql`true` : sql`reference = ${reference}`}
    and ${batchId === null ? sql`true` : sql`batch_id = ${batchId} and ${isOfKind}`}`;
  // What one reference holds is of one kind, or nearly so.
  const byKind = reference === null && batchId === null;
  const asked = batchId === null ? query : others;
  return pageIds(sql, asked, { where, states: ACTION_STATES, byKind, isWhole: byKind }, limit);
}

/** The same for GET /queue. */
export function queueIds(sql: Sql, query: QueueQuery, limit: number): Fragment {
  return pageIds(sql, query, { where: inQueue(sql), states: QUEUE_STATES, byKind: true, isWhole: true }, limit);
}

interface Source {
  where: Fragment;
  /** That there are in it. */
  states: readonly ActionState[];
  /** Its index has kinds behind states. */
  byKind: boolean;
  /** Has an index by id alone. */
  isWhole: boolean;
}

function pageIds(sql: Sql, query: ActionQuery, { where, states, byKind, isWhole }: Source, limit: number): Fragment {
  const before = keyOf(query.cursor, /^[0-9A-Z]{26}$/);
  const { deviceId = null, state = null, kind = null } = query;
  const run = (more: Fragment): Fragment => sql`
    select id from action
    where ${where} and ${before === null ? sql`true` : sql`id < ${before}`} and ${more}
    order by id desc limit ${limit}`;
  const ofKind = kind === null ? sql`true` : sql`kind = ${kind}`;
  if (deviceId !== null) {
    // All of one device are few enough to look at.
    return run(sql`device_id = ${deviceId} and ${ofKind} and ${state === null ? sql`true` : sql`state = ${state}`}`);
  }
  if (isWhole && state === null && kind === null) return run(sql`true`);
  const every = sql`unnest(${state === null ? states : [state]}::text[]) as s(state)`;
  const runs = byKind
    ? sql`${every} cross join unnest(${kind === null ? ACTION_KINDS : [kind]}::text[]) as k(kind)
        cross join lateral (${run(sql`state = s.state and kind = k.kind`)}) as run`
    : sql`${every} cross join lateral (${run(sql`state = s.state and ${ofKind}`)}) as run`;
  return sql`select run.id from ${runs} order by run.id desc limit ${limit}`;
}
