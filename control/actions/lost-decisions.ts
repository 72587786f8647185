// Decisions that the hub said it had stored and then lost, with its disk or on one that others filled: what of them may still be wanted is
// handed over again. Nobody knows which were lost, and what an edge has it takes for the same.

import { decisionsFor } from '../../bus/subjects.ts';
import type { BusTransport } from '../../bus/transport.ts';
import type { ControlContext } from '../context.ts';
import type { Sql } from '../store/postgres.ts';

/** Any edge's: they lie in one stream. */
const DECISIONS = decisionsFor('any', 'any');

/** Remembers how far the hub has said that it stored decisions: with what was sent, before that counts as sent. */
export async function rememberStored(sql: Sql, transport: BusTransport): Promise<void> {
  const given = transport.given(DECISIONS);
  if (given === 0) return;
  await sql`
    insert into decisions_stored as known (sequence) values (${given})
    on conflict (only_row) do update set sequence = greatest(known.sequence, excluded.sequence)`;
}

/**
 * One look. Resolves with what it found; rejects with BusError when the hub does not answer. Of two controls that look one finds it, or both
 * do: what is sent twice counts once.
 */
export async function sendLostAgain(
  { sql, log }: ControlContext,
  transport: BusTransport,
): Promise<{ lost: boolean; text: string }> {
  // Before the hub is asked: what is given a number meanwhile is there, and must not look as if it were lost.
  const [row] = await sql<{ sequence: string }[]>`select sequence from decisions_stored`;
  const known = Number(row?.sequence ?? 0);
  const last = await transport.lastStored(DECISIONS);
  if (last === null) return { lost: false, text: 'decisions are not stored on the way' };
  if (last.lowest >= known) return { lost: false, text: `${last.now} decisions were stored, none lost` };
  await sql.begin(async (tx) => {
    await markUnsent(tx);
    // What is stored next is numbered from there.
    await tx`update decisions_stored set sequence = ${last.now}`;
  });
  log.warn(
    { known, ...last },
    'the hub has lost decisions that it had stored; what waits for devices is handed over again',
  );
  return {
    lost: true,
    text: `the hub lost decisions from ${last.lowest + 1} to ${known}; all that wait are handed over again`,
  };
}

async function markUnsent(tx: Sql): Promise<void> {
  // What somebody wants back is not handed over again: its cancellation is.
  await tx`
    update action set sent_at = null, claimed_at = 'epoch'
    where state = 'ready' and sent_at is not null and ended_at is null and cancel_asked_at is null and moving_at is null`;
  await tx`update action set cancel_sent_at = null where cancel_sent_at is not null and ended_at is null`;
  await tx`update action_copy set sent_at = null where not withdrawn`;
  await tx`update edge set greeted_at = null`;
}
