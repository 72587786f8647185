// What happened, written down: timeline events and evidence records, both numbered in the order of commits. Nothing is ever changed here.
// The chain as values is in chain.ts, signing of its heads in heads.ts, its export in export.ts.

import { createHash } from 'node:crypto';
import { LIMITS } from '../../base/limits.ts';
import { arrayText, jsonText, type Sql, together } from '../store/postgres.ts';
import { GENESIS, linkHash, recordDigest, recordText } from './chain.ts';

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
  /** Id of the action, or of the batch, that it is about; '' for what is about none: the body then names device or person. */
  actionId: string;
  at: number;
  kind: EvidenceKind;
  /** Redacted by the caller. */
  body: Record<string, unknown>;
}
/** What was done or decided. Of an action, in the order it happens in; the rest is about installation, people and secrets. */
export type EvidenceKind =
  | 'planned'
  | 'submitted'
  | 'approval-asked'
  | 'approved'
  | 'rejected'
  | 'refused'
  | 'drifted'
  | 'sent'
  | 'running'
  | 'rpc'
  | 'result'
  | 'late-result'
  | 'cancel-asked'
  | 'sent-anew'
  | 'ended'
  | 'recovery-begun'
  | 'recovery-ended'
  | 'closed'
  | 'batch'
  | 'person'
  | 'token'
  | 'setting'
  | 'recording'
  | 'secret-read'
  | 'secrets-rotated'
  | 'aged-out';

/** Any fixed number; held from the first append of a transaction to its commit. */
const APPEND_LOCK = 7_547_002;
/** Where the highest number of each commit is told to all control processes (LISTEN). */
export const EVENT_CHANNEL = 'starling_event';

/**
 * Appends events and evidence as the last statements of a transaction: from here to the commit no other transaction appends, so that
 * numbers rise in the order of commits, a stream can be resumed after any of them, and each record's hash covers the one before.
 * @returns the highest event number written, null when there was none.
 */
export async function record(tx: Sql, events: NewEvent[], evidence: NewEvidence[]): Promise<string | null> {
  if (events.length === 0 && evidence.length === 0) return null;
  // Sent here and now (the driver would wait until somebody asks for the answer), and PostgreSQL does one after the other: whatever is sent
  // behind it is done under the lock.
  const locked = tx`select pg_advisory_xact_lock(${APPEND_LOCK})`.execute();
  const [, , seq] = await together([
    locked,
    evidence.length === 0 ? null : appendEvidence(tx, evidence),
    events.length === 0 ? null : appendEvents(tx, events),
  ]);
  return seq;
}

async function appendEvents(tx: Sql, events: NewEvent[]): Promise<string> {
  const column = (of: (event: NewEvent) => string | null | Date): string => arrayText(events.map(of));
  const [last] = await tx<{ seq: string }[]>`
    with written as (
      insert into event (device_id, action_id, at, kind, summary, body)
      select device_id, action_id, at, kind, summary, body::jsonb
      from unnest(${column(({ deviceId }) => deviceId)}::text::text[], ${column(({ actionId }) => actionId)}::text::text[],
        ${column(({ at }) => new Date(at))}::text::timestamptz[], ${column(({ kind }) => kind)}::text::text[],
        ${column(({ summary }) => summary)}::text::text[], ${column(({ body }) => jsonText(body))}::text::text[])
        with ordinality as e(device_id, action_id, at, kind, summary, body, place)
      order by place
      returning seq)
    select max(seq) as seq, pg_notify(${EVENT_CHANNEL}, max(seq)::text) from written`;
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
    const digest = recordDigest(recordText(clean));
    const hash = linkHash(prevHash, digest);
    const row = { ...clean, prevHash, digest, hash };
    prevHash = hash;
    return row;
  });
  await tx`
    insert into evidence (seq, action_id, at, kind, body, prev_hash, digest, hash)
    select e.seq, e."actionId", e.at, e.kind, e.body, e."prevHash", e.digest, e.hash
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as e(seq bigint, "actionId" text, at timestamptz, kind text, body jsonb, "prevHash" text, digest text, hash text)`;
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
