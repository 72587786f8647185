// Ends actions that end in control and not on the device: taken back before they were handed over, or past their deadline.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import { type ActionState, isEnded, type Principal } from '../services.ts';
import type { Sql } from '../store/postgres.ts';
import { withdrawCopies } from './copies.ts';
import { settleRecoveries } from './recover.ts';
import { transition } from './states.ts';

export interface OpenRow {
  id: string;
  device_id: string;
  kind: string;
  state: ActionState;
  generation: number;
  claimed_at: Date | null;
  cancel_asked_at: Date | null;
  recovers: string | null;
}
/** `unknown`: it may have been done; somebody has to look. */
export type End = { state: 'cancelled' | 'expired' | 'failed'; why: string; unknown?: boolean };

export type Cancelled =
  | { type: 'ended' }
  | { type: 'ask-edge'; deviceId: string; edge: { edgeId: string; pop: string } };

/**
 * Takes an action back. What no edge can have yet ends here; for the rest the edge must be asked, and its result tells how it ended.
 * Throws Refused 404 'unknown-action' and 409 'already-ended'.
 */
export async function cancelAction(
  context: ControlContext,
  id: string,
  principal: Principal,
): Promise<{ askEdge: boolean }> {
  const { sql, live, clock } = context;
  const at = clock.now();
  const { seq, askEdge } = await sql.begin(async (tx) => {
    const [row] = await tx<OpenRow[]>`
      select id, device_id, kind, state, generation, claimed_at, cancel_asked_at, recovers from action where id = ${id} for no key update`;
    if (!row) throw new Refused(404, 'unknown-action', `There is no action ${id}.`);
    if (row.state === 'recovering') {
      const text = `Action ${id} is being taken back: cancel the action that does so (recovery.actionId).`;
      throw new Refused(409, 'already-ended', text);
    }
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
      return { seq: await record(tx, ended.events, ended.evidence), askEdge: false };
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
    return { seq, askEdge: true };
  });
  live.committed(seq);
  return { askEdge };
}

/**
 * One pass over actions past their deadline: what was never handed over expires at once, what an edge has but did not begin expires after
 * a grace in which the edge itself may say so. What runs is its edge's to end; only after long silence it is called failed. What was
 * cancelled, and was perhaps never at the edge, ends after the same grace. Two controls end each action once: rows are locked, and skipped.
 */
export async function expireActions(context: ControlContext): Promise<string> {
  const { sql, live, clock } = context;
  const at = clock.now();
  const grace = new Date(at - LIMITS.actionExpiryGraceMs);
  const silence = new Date(at - LIMITS.actionSilenceMs);
  let count = 0;
  for (;;) {
    const { seq, rows } = await sql.begin(async (tx) => {
      const found = await tx<OpenRow[]>`
        select id, device_id, kind, state, generation, claimed_at, cancel_asked_at, recovers from action
        where ended_at is null and (
          (state in ('planned', 'awaiting-approval', 'ready')
            and (expires_at <= ${grace} or (expires_at <= ${new Date(at)} and claimed_at is null)))
          or (state in ('running', 'verifying') and expires_at <= ${silence})
          or (state = 'ready' and sent_at is null and cancel_sent_at <= ${grace}))
        order by id limit ${LIMITS.expiryBatchMax} for no key update skip locked`;
      const silent = found.filter(({ state }) => state === 'running' || state === 'verifying');
      const asked = found.filter((row) => row.cancel_asked_at !== null && !silent.includes(row));
      const waiting = found.filter((row) => row.cancel_asked_at === null && !silent.includes(row));
      const first = await end(
        tx,
        context,
        asked,
        { state: 'cancelled', why: 'Cancelled; the edge did not report on it.' },
        at,
        {},
      );
      const over = async (state: string, why: string): Promise<Awaited<ReturnType<typeof end>>> =>
        await end(tx, context, waiting.filter((row) => row.state === state), { state: 'expired', why }, at, {}); // biome-ignore format: one call
      const second = await over('ready', 'Expired: the device did not connect in time.');
      const unsubmitted = await over('planned', 'Expired: nobody let it go in time.');
      const undecided = await over('awaiting-approval', 'Expired: nobody approved it in time.');
      const lost = 'It began, and its edge never told how it ended: look at the device before doing it again.';
      const third = await end(tx, context, silent, { state: 'failed', why: lost, unknown: true }, at, {});
      const ends = [first, second, unsubmitted, undecided, third];
      const done = await record(
        tx,
        ends.flatMap(({ events }) => events),
        ends.flatMap(({ evidence }) => evidence),
      );
      return { seq: done, rows: found.length };
    });
    live.committed(seq);
    count += rows;
    if (rows < LIMITS.expiryBatchMax) return `${count} actions past their deadline ended`;
  }
}

/** Ends open actions in control. The caller appends what is returned at the end of its transaction. */
export async function end(
  tx: Sql,
  context: ControlContext,
  rows: OpenRow[],
  { state, why, unknown = false }: End,
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
    context.metrics.actionsEnded.inc({ kind, outcome: state });
  }
  await tx`
    update action set state = ${state}, outcome = ${state}, why = ${why}, unknown = ${unknown}, ended_at = ${new Date(at)}
    where id = any(${rows.map(({ id }) => id)})`;
  await withdrawCopies(
    tx,
    rows.map(({ id }) => ({ id, edgeId: null })),
  );
  const recoveries = rows.map(({ id, recovers }) => ({ id, recovers, outcome: state, why }));
  const settled = await settleRecoveries(tx, context, recoveries, at);
  return { events: [...events, ...settled.events], evidence: [...evidence, ...settled.evidence] };
}
