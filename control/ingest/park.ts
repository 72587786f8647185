// Puts messages aside that this program cannot read or store. They are sealed whole: nobody knows what is in them.

import type { BusMessage } from '../../bus/transport.ts';
import type { ControlContext } from '../context.ts';
import { cleanText, jsonText, type Sql } from '../store/postgres.ts';

export interface Parked {
  subject: string;
  message: BusMessage;
  why: string;
}

/** Binds a parked message to its place. */
const sealedMessage = (subject: string, id: string): string => `parked:${subject}:${id}`;

/** Stores them, each once. Returns how many were new. */
export async function park(tx: Sql, { box, log }: ControlContext, messages: Parked[]): Promise<number> {
  if (messages.length === 0) return 0;
  const rows = messages.map(({ subject, message, why }) => {
    const id = cleanText(String(message.id));
    return {
      subject,
      id,
      why: why.slice(0, 1_000),
      sealed: box.seal(JSON.stringify(message.payload) ?? 'undefined', sealedMessage(subject, id)),
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
