// What is older than it is kept: evidence loses its bodies, timeline events go. Of a record everything else stays, digest and hash among it, so
// the chain verifies as before; and what was dropped is a record itself, in the transaction that dropped it. Bodies go from the lowest number
// up, without gaps, up to the last signed head: what nobody has vouched for yet is never touched. The database allows no other change
// (migration 0013).
//
// Never dropped are records of `aged-out`, from which the next pass goes on, and those from before digests were kept, whose hash is of the text.

import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import type { Fragment, Sql } from '../store/postgres.ts';
import { record } from './record.ts';

const DAY_MS = 86_400_000;
/** Any fixed number: of two controls that come at once one does it. */
const RETENTION_LOCK = 7_547_013;

export interface Retention {
  /** Days; 0 keeps for ever. */
  evidenceDays: number;
  eventDays: number;
}

/** One pass. @returns whether there is more to do at once, and what was done in words. */
export async function retentionPass(
  context: ControlContext,
  { evidenceDays, eventDays }: Retention,
): Promise<{ more: boolean; text: string }> {
  const evidence = await inBatches(evidenceDays, context, dropBodies);
  const events = await inBatches(eventDays, context, dropEvents);
  const text = `${evidence.dropped} bodies of evidence and ${events.dropped} events dropped`;
  return { more: evidence.more || events.more, text };
}

type Batch = (
  tx: Sql,
  context: ControlContext,
  before: Date,
) => Promise<{ dropped: number; isFull: boolean; event: string | null }>;

async function inBatches(
  days: number,
  context: ControlContext,
  batch: Batch,
): Promise<{ dropped: number; more: boolean }> {
  let dropped = 0;
  if (days === 0) return { dropped, more: false };
  const before = new Date(context.clock.now() - days * DAY_MS);
  for (let i = 0; i < LIMITS.retentionBatches; i++) {
    const done = await context.sql.begin(async (tx) => {
      const [lock] = await tx<{ ours: boolean }[]>`select pg_try_advisory_xact_lock(${RETENTION_LOCK}) as ours`;
      return lock!.ours ? await batch(tx, context, before) : null;
    });
    if (done === null) return { dropped, more: false };
    context.live.committed(done.event);
    dropped += done.dropped;
    if (!done.isFull) return { dropped, more: false };
  }
  return { dropped, more: true };
}

async function dropBodies(tx: Sql, { clock }: ControlContext, before: Date): ReturnType<Batch> {
  const [last] = await tx<{ to: string }[]>`
    select body->>'to' as to from evidence where kind = 'aged-out' order by seq desc limit 1`;
  const next = await tx<{ seq: string; at: Date }[]>`
    select seq, at from evidence
    where seq > ${last?.to ?? 0} and seq <= (select max(seq) from evidence_head) and ${droppable(tx)}
    order by seq limit ${LIMITS.retentionBatch}`;
  // The first that is young enough ends it: times rise with numbers but for what two clocks differ by.
  const young = next.findIndex(({ at }) => at >= before);
  const old = young < 0 ? next : next.slice(0, young);
  const [first, newest] = [old[0]?.seq, old.at(-1)?.seq];
  if (first === undefined || newest === undefined) return { dropped: 0, isFull: false, event: null };
  await tx`
    update evidence set body = '{}', aged_out = true where seq between ${first} and ${newest} and ${droppable(tx)}`;
  const body = { from: Number(first), to: Number(newest), count: old.length, before: before.toISOString() };
  const event = await record(tx, [], [{ actionId: '', at: clock.now(), kind: 'aged-out', body }]);
  return { dropped: old.length, isFull: old.length === LIMITS.retentionBatch, event };
}

const droppable = (tx: Sql): Fragment => tx`kind <> 'aged-out' and digest is not null`;

async function dropEvents(tx: Sql, _: ControlContext, before: Date): ReturnType<Batch> {
  const rows = await tx<{ dropped: boolean }[]>`
    with first as (select seq, at from event order by seq limit ${LIMITS.retentionBatch})
    delete from event e using first f where e.seq = f.seq and f.at < ${before} returning true as dropped`;
  return { dropped: rows.length, isFull: rows.length === LIMITS.retentionBatch, event: null };
}
