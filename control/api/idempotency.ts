// Idempotency-Key on every POST: the same key with the same request gives the first answer again and does nothing twice. Keys belong to
// one token. Where the answer cannot simply be kept (an action goes on changing, a file is too large to compare) the route does its
// own part with claimKey.

import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { LIMITS } from '../../base/limits.ts';
import { canonicalJson } from '../evidence/chain.ts';
import type { IdempotencyService } from '../services.ts';
import type { ApiEnv } from './auth.ts';
import { ApiError } from './errors.ts';

/** The header as every POST describes it. */
export const idempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'use 1 to 200 printable ASCII characters without blanks')
    .max(LIMITS.idempotencyKeyCharsMax)
    .optional()
    .openapi({
      description: 'Any text that is unique to this request, kept for 24 h: repeating it does nothing twice.',
    }),
});

export type Claimed =
  | { type: 'none' }
  | { type: 'new'; key: string }
  | { type: 'replay'; status: number; body: unknown };

/**
 * Claims the request's Idempotency-Key, if it has one. After `new` the caller ends with `finish` or `release`.
 * @param content what the request asks for, besides method and path.
 * @throws ApiError 422 when the key belongs to another request, 409 while the first one is still under way.
 */
export async function claimKey(c: Context<ApiEnv>, service: IdempotencyService, content: unknown): Promise<Claimed> {
  const key = c.req.header('idempotency-key');
  if (key === undefined) return { type: 'none' };
  const fingerprint = createHash('sha256')
    .update(canonicalJson([c.req.method, c.req.path, content]))
    .digest('hex');
  const claim = await service.claim(c.get('principal').tokenId, key, fingerprint);
  switch (claim.type) {
    case 'new':
      return { type: 'new', key };
    case 'replay':
      return claim;
    case 'conflict':
      throw keyConflict();
    case 'busy':
      throw new ApiError(
        409,
        'idempotency-busy',
        'The first request with this Idempotency-Key is still under way. Repeat it in a moment.',
        {
          headers: { 'Retry-After': '1' },
        },
      );
  }
}

/** The refusal of a key that was used for another request. */
export function keyConflict(): ApiError {
  return new ApiError(422, 'idempotency-conflict', 'This Idempotency-Key was used for another request. Use a new key.');
}

/** Middleware for POST routes whose first answer can be given again as it was. */
export function once(service: IdempotencyService): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const claim = await claimKey(c, service, c.get('body'));
    if (claim.type === 'none') return next();
    if (claim.type === 'replay') return c.json(claim.body, claim.status as ContentfulStatusCode);
    const { tokenId } = c.get('principal');
    await next();
    // What failed has done nothing, so the key is free for a corrected or later request.
    if (c.res.ok) await service.finish(tokenId, claim.key, c.res.status, await c.res.clone().json());
    else await service.release(tokenId, claim.key);
  };
}
