// Idempotency keys of the API: the first request with a key is done, the same again gets its answer, another one with it is a conflict.

import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import type { IdempotencyService } from '../services.ts';
import { isConnected } from '../store/leases.ts';
import { jsonText } from '../store/postgres.ts';

interface KeyRow {
  fingerprint: string;
  status: number | null;
  body: unknown;
}

/**
 * IdempotencyService over one table: the claim is a single statement, so that of two at once one wins. A claim says which control has it, and
 * only that one ends it.
 */
export function idempotencyService({ sql, clock, member }: ControlContext): IdempotencyService {
  return {
    async claim(tokenId, key, fingerprint) {
      const now = clock.now();
      const forgotten = new Date(now - LIMITS.idempotencyKeyMs);
      // A claim whose control was killed may be taken over, and any at last: its request never finished.
      const abandoned = new Date(now - LIMITS.idempotencyClaimMs);
      // From further ahead than any two clocks should be apart: one was set back since.
      const ahead = new Date(now + LIMITS.idempotencyClaimMs);
      const taken = await sql`
        insert into idempotency_key as k (token_id, key, fingerprint, claimed_at, member)
        values (${tokenId}, ${key}, ${fingerprint}, ${new Date(now)}, ${member})
        on conflict (token_id, key) do update
          set fingerprint = excluded.fingerprint, claimed_at = excluded.claimed_at, member = excluded.member, status = null, body = null
          where k.claimed_at < ${forgotten}
            or (k.status is null and k.fingerprint = excluded.fingerprint
              and (k.claimed_at < ${abandoned} or k.claimed_at > ${ahead}
                or (k.member <> ${member} and not ${isConnected(sql, sql`k.member`)})))`;
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
        where token_id = ${tokenId} and key = ${key} and member = ${member}`;
    },
    async release(tokenId, key) {
      await sql`delete from idempotency_key where token_id = ${tokenId} and key = ${key} and status is null and member = ${member}`;
    },
  };
}

/** Forgets keys past their life; that two controls do it is all the same. Returns what it did, in words. */
export async function forgetKeys({ sql, clock }: ControlContext): Promise<string> {
  const gone =
    await sql`delete from idempotency_key where claimed_at < ${new Date(clock.now() - LIMITS.idempotencyKeyMs)}`;
  return `${gone.count} idempotency keys forgotten`;
}
