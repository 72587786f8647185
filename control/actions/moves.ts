// What becomes of open actions when their device comes to another POP. The edges of two POPs share no bucket, so no claim says whether an
// action has begun; who says it are the edges that have it. They are asked to give it back, as for a cancellation:
//
//   given back, nothing sent   handed over anew, to the POP where the device is, as the next generation
//   given back, begun          failed: somebody looks at the device first
//   ended                      that is its result
//   no answer for recallWaitMs a kind that may be done twice is handed over anew; any other fails, as it may have begun
//
// An action that is known to run is asked back as well, and left to its edges when they do not answer: its result may come late, from a POP
// that is cut off.

import { LIMITS } from '../../base/limits.ts';
import type { ActionKind, ActionResult } from '../../bus/messages.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvidence, record } from '../evidence/record.ts';
import type { ActionState } from '../services.ts';
import type { Sql } from '../store/postgres.ts';
import { end, type OpenRow } from './end-here.ts';

/** Doing these a second time changes nothing more. */
const REPEATABLE: readonly ActionKind[] = ['get', 'set', 'refresh', 'diagnose'];

/** Has actions of devices asked back that were sent to edges of another POP than the device is in now. */
export async function askBack(tx: Sql, deviceIds: string[], nowMs: number): Promise<void> {
  if (deviceIds.length === 0) return;
  await tx`
    update action a set moving_at = ${new Date(nowMs)}, cancel_sent_at = case when cancel_asked_at is null then null else cancel_sent_at end
    from device d, edge e
    where d.id = any(${deviceIds}) and a.device_id = d.id and e.edge_id = a.sent_to and e.pop <> d.pop
      and a.ended_at is null and a.sent_at is not null and a.moving_at is null`;
}

/** What the end of an action that is asked back means; null: what it says. */
export function givenBack(
  { state, moving_at, cancel_asked_at }: { state: ActionState; moving_at: Date | null; cancel_asked_at: Date | null },
  { outcome, rpcs }: ActionResult,
): 'again' | 'begun' | null {
  if (moving_at === null || cancel_asked_at !== null || outcome !== 'cancelled') return null;
  return state === 'ready' && rpcs.length === 0 ? 'again' : 'begun';
}

export const BEGUN_ELSEWHERE =
  'It had begun in another POP when the device came here: look at the device before doing it again.';
const NOT_KNOWN =
  'The device came to another POP, and the edge that had this does not answer: whether it was done is not known. Look at the device before doing it again.';

/** Hands actions over anew, wherever their device is now. Results of what was sent before count no more. */
export async function sendAnew(tx: Sql, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx`
    update action set generation = generation + 1, claimed_at = null, sent_at = null, sent_to = null, cancel_sent_at = null,
      moving_at = null, why = 'Sent again: the device came to another POP.'
    where id = any(${ids})`;
  await tx`delete from action_copy where action_id = any(${ids})`;
}

/** One pass over actions whose old edges do not answer. Two controls settle each once: rows are locked, and skipped. */
export async function settleMoves(context: ControlContext): Promise<string> {
  const { sql, live, clock } = context;
  const at = clock.now();
  const since = new Date(at - LIMITS.recallWaitMs);
  const { seq, count } = await sql.begin(async (tx) => {
    const rows = await tx<OpenRow[]>`
      select id, device_id, kind, state, generation, claimed_at, cancel_asked_at, recovers from action
      where moving_at <= ${since} and ended_at is null and state = 'ready' and cancel_asked_at is null
      order by id limit ${LIMITS.expiryBatchMax} for no key update skip locked`;
    const again = rows.filter(({ kind }) => (REPEATABLE as readonly string[]).includes(kind));
    await sendAnew(tx, again.map(({ id }) => id)); // biome-ignore format: one call
    const lost = rows.filter((row) => !again.includes(row));
    const ended = await end(tx, context, lost, { state: 'failed', why: NOT_KNOWN, unknown: true }, at, {});
    const evidence = again.map(
      ({ id, generation }): NewEvidence => ({
        actionId: id,
        at,
        kind: 'sent-anew',
        body: { generation: generation + 1 },
      }),
    );
    return { seq: await record(tx, ended.events, [...ended.evidence, ...evidence]), count: rows.length };
  });
  live.committed(seq);
  return `${count} actions of devices that moved settled`;
}
