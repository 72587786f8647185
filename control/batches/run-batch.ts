// Runs batches: lets go of as many actions as the pace allows, pauses when too many did not end well, and ends when all have. A step is one
// transaction with the batch locked, so several controls take turns and nothing is counted twice.

import { LIMITS } from '../../base/limits.ts';
import { driftOf, endDrifted } from '../actions/approve.ts';
import { end, type OpenRow } from '../actions/end-here.ts';
import { insertApprovals } from '../actions/insert.ts';
import { transition } from '../actions/states.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import type { Sql } from '../store/postgres.ts';
import { BAD_ENDS, type BatchRow, batchEvent, batchEvidence } from './batch-row.ts';

/** One step of every batch that runs, or has run out of time. Returns how many actions were let go. */
export async function runBatches(context: ControlContext): Promise<number> {
  const { sql } = context;
  const ids = await sql<{ id: string }[]>`
    select id from batch where ended_at is null and state <> 'planning'
      and (state not in ('planned', 'awaiting-approval') or expires_at <= ${new Date(context.clock.now())})
    order by id`;
  let released = 0;
  for (const { id } of ids) released += await step(context, id);
  return released;
}

async function step(context: ControlContext, id: string): Promise<number> {
  const { sql, live, clock, log } = context;
  const at = clock.now();
  const { seq, released } = await sql.begin(async (tx) => {
    const nothing = { seq: null, released: 0 };
    const [batch] = await tx<BatchRow[]>`
      select * from batch where id = ${id} and ended_at is null for no key update skip locked`;
    if (!batch) return nothing;
    if (batch.state === 'planned' || batch.state === 'awaiting-approval') {
      return { seq: await expire(tx, batch, at), released: 0 };
    }
    if (batch.state === 'cancelled' || batch.state === 'expired') {
      return { seq: await letGoNoMore(tx, context, batch, at), released: 0 };
    }
    const counts = await countsOf(tx, id);
    const open = Object.entries(counts).reduce((sum, [state, count]) => sum + (isOpen(state) ? count : 0), 0);
    if (open === 0) return { seq: await finish(tx, batch, counts, at), released: 0 };
    if (batch.state !== 'running') return nothing;
    const why = whyPause(batch, counts);
    if (why !== null) {
      log.error({ batchId: id, why }, 'a batch pauses: too many of its actions did not end well');
      await tx`update batch set state = 'paused', why = ${why} where id = ${id}`;
      const told = await record(
        tx,
        [batchEvent(batch, at, 'paused', why, { counts })],
        [batchEvidence(id, at, 'paused', { why, counts })],
      );
      return { seq: told, released: 0 };
    }
    return await release(tx, context, batch, open - (counts['planned'] ?? 0), at);
  });
  live.committed(seq);
  return released;
}

/** Actions of a batch by state. */
export async function countsOf(sql: Sql, id: string): Promise<Record<string, number>> {
  const rows = await sql<{ state: string; count: number }[]>`
    select state, count(*)::int as count from action where batch_id = ${id} group by state order by state`;
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

const isOpen = (state: string): boolean =>
  ['planned', 'awaiting-approval', 'ready', 'running', 'verifying'].includes(state);

function whyPause({ pace, forgiven }: BatchRow, counts: Record<string, number>): string | null {
  const ended = Object.entries(counts).reduce((sum, [state, count]) => sum + (isOpen(state) ? 0 : count), 0) - forgiven;
  const bad = BAD_ENDS.reduce((sum, state) => sum + (counts[state] ?? 0), 0) - forgiven;
  if (ended < pace.least || bad * 100 <= pace.pauseAtPercent * ended) return null;
  return `Paused: ${bad} of ${ended} did not end well, more than ${pace.pauseAtPercent} %. Look at the queue, then resume or cancel it.`;
}

async function release(
  tx: Sql,
  context: ControlContext,
  batch: BatchRow,
  underWay: number,
  at: number,
): Promise<{ seq: string | null; released: number }> {
  const { id, pace } = batch;
  const everyMs = 60_000 / pace.perMinute;
  // What was not let go for a while is not made up for: at most some seconds' worth at once.
  const from = Math.max((batch.released_to ?? new Date(at)).getTime(), at - LIMITS.batchBurstMs);
  const allowed = Math.floor((at - from) / everyMs) + (batch.released_to === null ? 1 : 0);
  const count = Math.min(allowed, pace.atOnce - underWay, LIMITS.batchReleaseMax);
  if (count <= 0) return { seq: null, released: 0 };
  // By the random end of their ids: devices of one kind stand together, and the first ones that are done shall tell of all.
  const rows = await tx<(OpenRow & { hash: string; sealed_basis: string | null; risk: string })[]>`
    select a.id, a.device_id, a.kind, a.state, a.generation, a.claimed_at, a.cancel_asked_at, a.recovers, p.hash, p.sealed_basis,
      p.plan->>'risk' as risk
    from action a join action_plan p on p.action_id = a.id
    where a.batch_id = ${id} and a.ended_at is null and a.state = 'planned'
    order by right(a.id, 16) limit ${count} for no key update of a`;
  const events: NewEvent[] = [];
  const evidence: NewEvidence[] = [];
  const going: (typeof rows)[number][] = [];
  for (const row of rows) {
    const names = await driftOf(tx, context, row);
    if (names.length === 0) {
      transition(row.id, row.state, 'ready');
      going.push(row);
      continue;
    }
    const drifted = await endDrifted(tx, context, row, names, at);
    events.push(...drifted.end.events);
    evidence.push(...drifted.evidence);
  }
  const [approver] = await tx<
    { decision: 'auto' | 'approved'; by_name: string; by_person: string | null; by_role: string | null }[]
  >`
    select decision, by_name, by_person, by_role from batch_approval where batch_id = ${id} order by seq desc limit 1`;
  const why = `Ready: let go by batch ${id}.`;
  await tx`update action set state = 'ready', why = ${why} where id = any(${going.map((row) => row.id)})`;
  const said = `Part of batch ${id}, approved as a whole under the root ${batch.root}.`;
  await insertApprovals(
    tx,
    going.map(({ id: action_id, hash }) => ({
      ...approver!,
      action_id,
      plan_hash: hash,
      why: said,
      at: new Date(at),
      expires_at: null,
    })),
  );
  for (const { id: actionId, device_id, kind, hash, risk } of going) {
    const body = {
      decision: approver!.decision,
      by: approver!.by_name,
      planHash: hash,
      risk,
      batchId: id,
      root: batch.root,
    };
    evidence.push({ actionId, at, kind: 'approved', body });
    events.push({ deviceId: device_id, actionId, at, kind: 'action.ready', summary: why, body: { kind, batchId: id } });
  }
  const releasedTo = batch.released_to === null ? at : from + rows.length * everyMs;
  await tx`update batch set released_to = ${new Date(releasedTo)} where id = ${id}`;
  return { seq: await record(tx, events, evidence), released: going.length };
}

async function finish(tx: Sql, batch: BatchRow, counts: Record<string, number>, at: number): Promise<string | null> {
  const { id } = batch;
  const body = reconciled(batch, counts);
  const text = Object.entries(counts).map(([state, count]) => `${count} ${state}`).join(', '); // biome-ignore format: one sentence
  const why = `All ${body.actions} actions have ended: ${text}.`;
  await tx`update batch set state = 'done', why = ${why}, ended_at = ${new Date(at)} where id = ${id}`;
  return await record(tx, [batchEvent(batch, at, 'done', why, body)], [batchEvidence(id, at, 'done', body)]);
}

async function expire(tx: Sql, batch: BatchRow, at: number): Promise<string | null> {
  const waited = batch.state === 'planned' ? 'nobody submitted it' : 'nobody approved it';
  const why = `Expired: ${waited} in time.`;
  await tx`update batch set state = 'expired', why = ${why} where id = ${batch.id}`;
  return await record(
    tx,
    [batchEvent(batch, at, 'expired', why, {})],
    [batchEvidence(batch.id, at, 'expired', { why })],
  );
}

/** Ends actions that were never let go, of a batch that is over; it has ended when there are none. */
async function letGoNoMore(tx: Sql, context: ControlContext, batch: BatchRow, at: number): Promise<string | null> {
  const { id } = batch;
  const rows = await tx<OpenRow[]>`
    select id, device_id, kind, state, generation, claimed_at, cancel_asked_at, recovers from action
    where batch_id = ${id} and ended_at is null and state = 'planned' order by right(id, 16) limit ${LIMITS.expiryBatchMax} for no key update`;
  if (rows.length > 0) {
    const state = batch.state === 'cancelled' ? 'cancelled' : 'expired';
    const ended = await end(tx, context, rows, { state, why: `Its batch was ${state} before it was let go.` }, at, {
      batchId: id,
    });
    return await record(tx, ended.events, ended.evidence);
  }
  const counts = await countsOf(tx, id);
  if (Object.keys(counts).some(isOpen)) return null;
  await tx`update batch set ended_at = ${new Date(at)} where id = ${id}`;
  return await record(tx, [], [batchEvidence(id, at, 'ended', reconciled(batch, counts))]);
}

/** The counts of a batch, and whether every device that was selected is among them. */
export function reconciled(
  { selected, excluded, unplannable }: Pick<BatchRow, 'selected' | 'excluded' | 'unplannable'>,
  counts: Record<string, number>,
): {
  selected: number;
  excluded: number;
  unplannable: number;
  actions: number;
  counts: Record<string, number>;
  reconciles: boolean;
} {
  const actions = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return {
    selected,
    excluded,
    unplannable,
    actions,
    counts,
    reconciles: selected === excluded + unplannable + actions,
  };
}
