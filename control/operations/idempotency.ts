// Idempotency keys of the API: the first request with a key is done, the same again gets its answer, another one with it is a conflict.

import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import type { IdempotencyService } from '../services.ts';
import { jsonText } from '../store/postgres.ts';

interface KeyRow {
  fingerprint: string;
  status: number | null;
  body: unknown;
}

/** IdempotencyService over one table: the claim is a single statement, so that of two at once one wins. */
export function idempotencyService({ sql, clock }: ControlContext): IdempotencyService {
  return {
    async claim(tokenId, key, fingerprint) {
      const now = clock.now();
      const forgotten = new Date(now - LIMITS.idempotencyKeyMs);
      // A claim whose request never finished (we were killed) may be taken over.
      const abandoned = new Date(now - LIMITS.idempotencyClaimMs);
      const taken = await sql`
        insert into idempotency_key as k (token_id, key, fingerprint, claimed_at) values (${tokenId}, ${key}, ${fingerprint}, ${new Date(now)})
        on conflict (token_id, key) do update
          set fingerprint = excluded.fingerprint, claimed_at = excluded.claimed_at, status = null, body = null
          where k.claimed_at < ${forgotten}
            or (k.status is null and k.claimed_at < ${abandoned} and k.fingerprint = excluded.fingerprint)`;
      if (taken.count === 1) return { type: 'new' };
      const [row] = await sql<KeyRow[]>`
        select fingerprint, status, body from idempotency_key where token_id = ${tokenId} and key = ${key}`;
      if (!row) return { type: 'busy' }; // Released between the two statements: the caller may try again.
      if (row.fingerprint !== fingerprint) return { type: 'conflict' };
      return row.status === null ? { type: 'busy' } : { type: 'replay', status: row.status, body: row.body };
    },
    async finish(tokenId, key, status, body) {
      await sql`
        update idempotency_key set status = ${status}, body = ${jsonText(body ?? null)}::text::jsonb
        where token_id = ${tokenId} and key = ${key}`;
    },
    async release(tokenId, key) {
      await sql`delete from idempotency_key where token_id = ${tokenId} and key = ${key} and status is null`;
    },
  };
}

/** Forgets keys past their life. Returns what it did, in words. */
export async function forgetKeys({ sql, clock }: ControlContext): Promise<string> {
  const gone =
    await sql`delete from idempotency_key where claimed_at < ${new Date(clock.now() - LIMITS.idempotencyKeyMs)}`;
  return `${gone.count} idempotency keys forgotten`;
}
