// Routes of API tokens. A token is shown in the answer that made it and never again, not even to a repeated request.

import { createRoute, z } from '@hono/zod-openapi';
import { ROLES } from '../permissions.ts';
import type { IdempotencyService, TokenService } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import { claimKey, idempotencyHeader } from './idempotency.ts';
import { type Api, about, BODY_FAILURES, body, CONFLICT, FAILURES, idParams, json, NOT_FOUND, time } from './routes.ts';
import { tokenView } from './views.ts';

const newToken = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .openapi({ description: 'Who or what will use it: the owner its actions are recorded under.' }),
  role: z.enum(ROLES),
  expiresAt: time.optional(),
});
const made = z
  .object({
    token: z
      .string()
      .nullable()
      .openapi({ description: 'The token, only in the first answer; null when the request is repeated.' }),
    view: tokenView,
  })
  .openapi('NewToken');
const tokenList = z.object({ items: z.array(tokenView) }).openapi('TokenList');

/** Registers the routes of tokens on `api`. */
export function tokenRoutes(api: Api, tokens: TokenService, idempotency: IdempotencyService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/tokens',
      ...about('Tokens', 'List tokens', 'tokens', 'Without the tokens themselves, revoked ones included.'),
      middleware: [may('tokens')],
      responses: { 200: json(tokenList, 'All tokens.'), ...FAILURES },
    }),
    async (c) => c.json({ items: await tokens.list() }, 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/tokens',
      ...about('Tokens', 'Make a token', 'tokens'),
      middleware: [may('tokens'), jsonBody],
      request: { headers: idempotencyHeader, body: body(newToken) },
      responses: {
        200: json(made, 'An earlier request with the same Idempotency-Key made it.'),
        201: json(made, 'Made. Keep the token: it is not shown again.'),
        ...FAILURES,
        ...CONFLICT,
        ...BODY_FAILURES,
      },
    }),
    async (c) => {
      const principal = c.get('principal');
      const claim = await claimKey(c, idempotency, c.req.valid('json'));
      if (claim.type === 'replay') return c.json(made.parse(claim.body), 200);
      try {
        const created = await tokens.create(c.req.valid('json'), principal.name);
        // The stored answer lacks the token: what is kept of a token is its hash.
        if (claim.type === 'new') {
          await idempotency.finish(principal.tokenId, claim.key, 200, { token: null, view: created.view });
        }
        return c.json(created, 201);
      } catch (error) {
        if (claim.type === 'new') await idempotency.release(principal.tokenId, claim.key);
        throw error;
      }
    },
  );

  api.openapi(
    createRoute({
      method: 'delete',
      path: '/api/v1/tokens/{id}',
      ...about(
        'Tokens',
        'Revoke a token',
        'tokens',
        'It is refused from the next request on. Its row stays, for the record.',
      ),
      middleware: [may('tokens')],
      request: { params: idParams },
      responses: { 200: json(tokenView, 'The token as it is now.'), ...FAILURES, ...NOT_FOUND, ...CONFLICT },
    }),
    async (c) => c.json(await tokens.revoke(c.req.valid('param').id, c.get('principal').name), 200),
  );
}
