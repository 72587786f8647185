// What somebody has to look at: actions that did not end well, until a person closes them with a note.

import { Refused } from '../../base/errors.ts';
import type { ActionResult } from '../../bus/messages.ts';
import { faultRow } from '../../cwmp/faults.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { pageOf, rowsOf } from '../registry/cursor.ts';
import { ACTION_STATES, isEnded, type Page, type Principal, type QueueEntry, type QueueQuery } from '../services.ts';
import { type Fragment, jsonText, type Sql } from '../store/postgres.ts';
import { inQueue, queueIds } from './lists.ts';
import { type ActionRow, actionView } from './views.ts';

interface QueueRow extends ActionRow {
  fault: ActionResult['fault'] | null;
  items: ActionResult['items'] | null;
  recoverable: boolean;
}

/** One page, newest first. Throws Refused 400 for a forged cursor. */
export async function listQueue({ sql, clock }: ControlContext, query: QueueQuery): Promise<Page<QueueEntry>> {
  const limit = rowsOf(query.limit);
  const rows = await sql<QueueRow[]>`
    with page as (${queueIds(sql, query, limit + 1)})
    select a.*, s.result->'fault' as fault, s.result->'items' as items, r.possible as recoverable
    from page p join action a on a.id = p.id join action_recovery r on r.action_id = a.id
    left join action_result s on s.action_id = a.id and s.generation = a.generation
    order by a.id desc`;
  const now = clock.now();
  return pageOf(rows, limit, (row) => entryOf(row, now), (row) => row.id); // biome-ignore format: one call
}

/** Takes an action out of the queue. Throws Refused 404, 409 'not-in-queue'. */
export async function closeAction(
  { sql, live, clock }: ControlContext,
  id: string,
  note: string,
  principal: Principal,
): Promise<void> {
  const seq = await sql.begin(async (tx) => {
    const [row] = await tx<ActionRow[]>`select * from action where id = ${id} for no key update`;
    if (!row) throw new Refused(404, 'unknown-action', `There is no action ${id}. GET /actions lists them.`);
    if (!needsLook(row)) {
      const why = row.closed_at === null ? `it is ${row.state}` : `${row.closed_by} closed it`;
      throw new Refused(409, 'not-in-queue', `Nobody has to look at action ${id}: ${why}.`);
    }
    const at = clock.now();
    await tx`
      update action set closed_at = ${new Date(at)}, closed_by = ${principal.name}, close_note = ${jsonSafe(note)} where id = ${id}`;
    const body = { by: principal.name, role: principal.role, person: principal.person, note, state: row.state };
    const summary = `Closed by ${principal.name}: ${note}`;
    const event = { deviceId: row.device_id, actionId: id, at, kind: 'action.closed', summary, body };
    return await record(tx, [event], [{ actionId: id, at, kind: 'closed', body }]);
  });
  live.committed(seq);
}

/** How many wait to be looked at, by state. */
export async function countQueue(sql: Sql): Promise<Map<string, number>> {
  return await countsByState(sql, inQueue(sql));
}

/** How many have not come to their end, by state. */
export async function countOpen(sql: Sql): Promise<Map<string, number>> {
  return await countsByState(sql, sql`state = any(${ACTION_STATES.filter((state) => !isEnded(state))})`);
}

async function countsByState(sql: Sql, where: Fragment): Promise<Map<string, number>> {
  const rows = await sql<{ state: string; count: number }[]>`
    select state, count(*)::int as count from action where ${where} group by state`;
  return new Map(rows.map(({ state, count }) => [state, count]));
}

function needsLook({ state, closed_at, unknown }: ActionRow): boolean {
  if (closed_at !== null) return false;
  if (state === 'expired') return unknown;
  return ['partial', 'unsupported', 'refused', 'failed', 'stuck'].includes(state);
}

/** PostgreSQL's text holds no NUL. */
const jsonSafe = (text: string): string => JSON.parse(jsonText(text)) as string;

function entryOf(row: QueueRow, nowMs: number): QueueEntry {
  const faults = new Map<number, string>();
  if (row.fault) faults.set(row.fault.FaultCode, row.fault.FaultString);
  for (const { faultCode } of row.items ?? [])
    if (faultCode !== undefined) faults.set(faultCode, faultRow(faultCode).text);
  const endedAt = (row.ended_at ?? row.created_at).getTime();
  return {
    action: actionView(row),
    faults: [...faults].map(([code, text]) => ({ code, text })),
    isKnown: !row.unknown,
    nextStep: nextStep(row),
    ageSeconds: Math.max(0, Math.round((nowMs - endedAt) / 1_000)),
  };
}

/** What a person does about it, in one sentence. Pure. */
export function nextStep({
  state,
  unknown,
  recoverable,
  items,
}: Pick<QueueRow, 'state' | 'unknown' | 'recoverable' | 'items'>): string {
  const became = (status: string): boolean => items?.some((item) => item.status === status) ?? false;
  const back = recoverable ? ' It can be taken back (recover).' : '';
  if (unknown) {
    return 'Unknown, needs a look: read the device (get or refresh), compare with the plan, then close this or do it again.';
  }
  switch (state) {
    case 'stuck':
      return 'The recovery failed: look at the device now, put it right by hand, or try the recovery again.';
    case 'partial':
      return `Some of it took: see the items, then do the rest again.${back}`;
    case 'unsupported':
      return 'The device does not have this: check name and profile, refresh the device, or close it.';
    case 'refused':
      if (became('drifted'))
        return 'Nothing was changed: the device is not as it was when this was approved. Make a new preview.';
      if (became('differs'))
        return 'The device says yes and keeps what it had: read it again, try another value, or ask the vendor.';
      return 'The device refused it and nothing was changed: correct the value, or ask the vendor about the fault.';
    default:
      return `It failed: read the fault and the transcript, then do it again.${back}`;
  }
}
