// Ends actions that end in control and not on the device: taken back before they were handed over, or past their deadline.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import { type ActionState, isEnded, type Principal } from '../services.ts';
import type { Sql } from '../store/postgres.ts';
import { transition } from './states.ts';

interface OpenRow {
  id: string;
  device_id: string;
  kind: string;
  state: ActionState;
  generation: number;
  claimed_at: Date | null;
  cancel_asked_at: Date | null;
}
type End = { state: 'cancelled' | 'expired'; why: string };

/** Expired actions in one pass. */
const BATCH = 500;

export type Cancelled =
  | { type: 'ended' }
  | { type: 'ask-edge'; deviceId: string; edge: { edgeId: string; pop: string } };

/**
 * Takes an action back. What no edge can have yet ends here; for the rest the edge must be asked, and its result tells how it ended.
 * Throws Refused 404 'unknown-action' and 409 'already-ended'.
 */
export async function cancelAction(context: ControlContext, id: string, principal: Principal): Promise<Cancelled> {
  const { sql, live, clock } = context;
  const at = clock.now();
  const { seq, cancelled } = await sql.begin(async (tx) => {
    const [row] = await tx<(OpenRow & { edge_id: string | null; pop: string | null })[]>`
      select a.id, a.device_id, a.kind, a.state, a.generation, a.claimed_at, a.cancel_asked_at,
        coalesce(a.sent_to, d.edge_id) as edge_id, d.pop
      from action a join device d on d.id = a.device_id where a.id = ${id} for no key update of a`;
    if (!row) throw new Refused(404, 'unknown-action', `There is no action ${id}.`);
    if (isEnded(row.state))
      throw new Refused(409, 'already-ended', `Action ${id} has ended already: it is ${row.state}.`);
    const by = { by: principal.name, role: principal.role };
    if (row.claimed_at === null) {
      const ended = await end(
        tx,
        context,
        [row],
        { state: 'cancelled', why: `Cancelled by ${principal.name} before it was sent.` },
        at,
        by,
      );
      return { seq: await record(tx, ended.events, ended.evidence), cancelled: { type: 'ended' } as Cancelled };
    }
    const why = `${principal.name} asks to cancel; the edge says what became of it.`;
    await tx`update action set cancel_asked_at = coalesce(cancel_asked_at, ${new Date(at)}), why = ${why} where id = ${id}`;
    const event: NewEvent = {
      deviceId: row.device_id,
      actionId: id,
      at,
      kind: 'action.cancel-asked',
      summary: why,
      body: by,
    };
    const seq = await record(tx, [event], [{ actionId: id, at, kind: 'cancel-asked', body: by }]);
    const edge = { edgeId: row.edge_id!, pop: row.pop! };
    return { seq, cancelled: { type: 'ask-edge', deviceId: row.device_id, edge } as Cancelled };
  });
  live.committed(seq);
  return cancelled;
}

/**
 * One pass over actions past their deadline: what was never handed over expires at once, what an edge has but did not begin expires after
 * a grace in which the edge itself may say so. What runs is not touched: its edge tells how it ended.
 */
export async function expireActions(context: ControlContext): Promise<string> {
  const { sql, live, clock } = context;
  const at = clock.now();
  const grace = new Date(at - LIMITS.actionExpiryGraceMs);
  let count = 0;
  for (;;) {
    const { seq, rows } = await sql.begin(async (tx) => {
      const found = await tx<OpenRow[]>`
        select id, device_id, kind, state, generation, claimed_at, cancel_asked_at from action
        where ended_at is null and state in ('planned', 'awaiting-approval', 'ready')
          and (expires_at <= ${grace} or (expires_at <= ${new Date(at)} and claimed_at is null))
        order by id limit ${BATCH} for no key update skip locked`;
      const asked = found.filter((row) => row.cancel_asked_at !== null);
      const others = found.filter((row) => row.cancel_asked_at === null);
      const first = await end(
        tx,
        context,
        asked,
        { state: 'cancelled', why: 'Cancelled; the edge did not report on it.' },
        at,
        {},
      );
      const why = 'Expired: the device did not connect in time.';
      const second = await end(tx, context, others, { state: 'expired', why }, at, {});
      const done = await record(tx, [...first.events, ...second.events], [...first.evidence, ...second.evidence]);
      return { seq: done, rows: found.length };
    });
    live.committed(seq);
    count += rows;
    if (rows < BATCH) return `${count} actions past their deadline ended`;
  }
}

async function end(
  tx: Sql,
  { metrics }: ControlContext,
  rows: OpenRow[],
  { state, why }: End,
  at: number,
  by: Record<string, unknown>,
): Promise<{ events: NewEvent[]; evidence: NewEvidence[] }> {
  const events: NewEvent[] = [];
  const evidence: NewEvidence[] = [];
  if (rows.length === 0) return { events, evidence };
  for (const { id, device_id, kind, state: from, generation } of rows) {
    transition(id, from, state);
    evidence.push({ actionId: id, at, kind: 'ended', body: { outcome: state, why, generation, ...by } });
    events.push({
      deviceId: device_id,
      actionId: id,
      at,
      kind: `action.${state}`,
      summary: why,
      body: { kind, ...by },
    });
    metrics.actionsEnded.inc({ kind, outcome: state });
  }
  await tx`
    update action set state = ${state}, outcome = ${state}, why = ${why}, ended_at = ${new Date(at)}
    where id = any(${rows.map(({ id }) => id)})`;
  return { events, evidence };
}
