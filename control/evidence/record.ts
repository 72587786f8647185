// What happened, written down: timeline events and evidence records, both numbered in the order of commits. Nothing is ever changed here.
// Signing of chain heads and export are not here.

import { createHash } from 'node:crypto';
import { LIMITS } from '../../base/limits.ts';
import { jsonText, type Sql } from '../store/postgres.ts';

export interface NewEvent {
  deviceId: string | null;
  actionId: string | null;
  at: number;
  kind: string;
  summary: string;
  /** Redacted by the caller. */
  body: Record<string, unknown>;
}
export interface NewEvidence {
  actionId: string;
  at: number;
  kind: 'planned' | 'approved' | 'sent' | 'running' | 'rpc' | 'result' | 'late-result' | 'cancel-asked' | 'ended';
  /** Redacted by the caller. */
  body: Record<string, unknown>;
}

/** Any fixed number; held from the first append of a transaction to its commit. */
const APPEND_LOCK = 7_547_002;
export const GENESIS = '0'.repeat(64);

/**
 * Appends events and evidence as the last statements of a transaction: from here to the commit no other transaction appends, so that
 * numbers rise in the order of commits, a stream can be resumed after any of them, and each record's hash covers the one before.
 * @returns the highest event number written, null when there was none.
 */
export async function record(tx: Sql, events: NewEvent[], evidence: NewEvidence[]): Promise<string | null> {
  if (events.length === 0 && evidence.length === 0) return null;
  await tx`select pg_advisory_xact_lock(${APPEND_LOCK})`;
  if (evidence.length > 0) await appendEvidence(tx, evidence);
  if (events.length === 0) return null;
  const rows = events.map((event, order) => ({ ...event, at: new Date(event.at), order }));
  const [last] = await tx<{ seq: string }[]>`
    with written as (
      insert into event (device_id, action_id, at, kind, summary, body)
      select e."deviceId", e."actionId", e.at, e.kind, e.summary, e.body
      from jsonb_to_recordset(${jsonText(rows)}::text::jsonb)
        as e("deviceId" text, "actionId" text, at timestamptz, kind text, summary text, body jsonb, "order" int)
      order by e."order"
      returning seq)
    select max(seq) as seq from written`;
  return last!.seq;
}

async function appendEvidence(tx: Sql, evidence: NewEvidence[]): Promise<void> {
  const [head] = await tx<{ seq: string; hash: string }[]>`select seq, hash from evidence order by seq desc limit 1`;
  let seq = head ? Number(head.seq) : 0;
  let prevHash = head?.hash ?? GENESIS;
  const rows = evidence.map(({ actionId, at, kind, body }) => {
    seq += 1;
    const kept = { seq, actionId, at: new Date(at).toISOString(), kind, body: bounded(body) };
    // Through jsonText, so that what is hashed is what PostgreSQL can hold.
    const clean = JSON.parse(jsonText(kept)) as typeof kept;
    const hash = evidenceHash(prevHash, clean);
    const row = { ...clean, prevHash, hash };
    prevHash = hash;
    return row;
  });
  await tx`
    insert into evidence (seq, action_id, at, kind, body, prev_hash, hash)
    select e.seq, e."actionId", e.at, e.kind, e.body, e."prevHash", e.hash
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as e(seq bigint, "actionId" text, at timestamptz, kind text, body jsonb, "prevHash" text, hash text)`;
}

/** sha256 over the hash before and the canonical JSON of the record. */
export function evidenceHash(
  prevHash: string,
  entry: { seq: number; actionId: string; at: string; kind: string; body: Record<string, unknown> },
): string {
  const { seq, actionId, at, kind, body } = entry;
  return createHash('sha256')
    .update(`${prevHash}\n${canonicalJson({ seq, actionId, at, kind, body })}`)
    .digest('hex');
}

/** JSON with members in order of their names: equal values have equal text, whatever order jsonb gives them back in. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : part,
  );
}

/** A member that is too large is replaced by its size and digest: the device's whole tree does not belong into each record. */
function bounded(body: Record<string, unknown>): Record<string, unknown> {
  if (JSON.stringify(body).length <= LIMITS.evidenceBodyCharsMax) return body;
  const memberMax = LIMITS.evidenceBodyCharsMax / 8;
  return Object.fromEntries(
    Object.entries(body).map(([name, member]) => {
      const text = JSON.stringify(member) ?? 'null';
      if (text.length <= memberMax) return [name, member];
      return [name, { omittedChars: text.length, sha256: createHash('sha256').update(text).digest('hex') }];
    }),
  );
}
