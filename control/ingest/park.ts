// Puts facts aside that this program cannot read or store, and what came in place of facts. They are sealed whole: nobody knows what is in them.

import type { ControlContext } from '../context.ts';
import { cleanText, jsonText, type Sql } from '../store/postgres.ts';

export interface Parked {
  subject: string;
  /** The same however often it comes. */
  id: string;
  /** As it came. */
  raw: unknown;
  why: string;
}

/** Binds a parked message to its place. */
export const sealedMessage = (subject: string, id: string): string => `parked:${subject}:${id}`;

/** Stores them, each once. Returns how many were new. */
export async function park(tx: Sql, { box, log }: ControlContext, entries: Parked[]): Promise<number> {
  if (entries.length === 0) return 0;
  const rows = entries.map(({ subject, id: given, raw, why }) => {
    const id = cleanText(given);
    return {
      subject,
      id,
      why: why.slice(0, 1_000),
      sealed: box.seal(JSON.stringify(raw) ?? 'undefined', sealedMessage(subject, id)),
    };
  });
  const written = await tx`
    insert into parked_message (subject, message_id, why, sealed)
    select subject, id, why, sealed
    from jsonb_to_recordset(${jsonText(rows)}::text::jsonb) as x(subject text, id text, why text, sealed text)
    on conflict (subject, message_id) do nothing`;
  if (written.count > 0)
    log.warn({ count: written.count, why: rows[0]!.why, subject: rows[0]!.subject }, 'messages parked');
  return written.count;
}
