// Routes of API tokens. A token is shown in the answer that made it and never again, not even to a repeated request.

import { createRoute, z } from '@hono/zod-openapi';
import { PERMISSION_NAMES, ROLES } from '../permissions.ts';
import type { IdempotencyService, TokenService } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import { claimKey, idempotencyHeader } from './idempotency.ts';
import {
  type Api,
  about,
  BODY_FAILURES,
  body,
  CONFLICT,
  FAILURES,
  id,
  idParams,
  json,
  NOT_FOUND,
  page,
  personName,
  time,
} from './routes.ts';
import { pageOf, tokenView } from './views.ts';

const newToken = z.strictObject({
  name: personName.openapi({
    description: "Of a program's: the owner its actions are recorded under. Of a person's: what it is for.",
  }),
  role: z.enum(ROLES).optional().openapi({ description: "Of a program's token; without personId." }),
  personId: id.optional().openapi({ description: 'The person whose token it will be; its role is the person’s.' }),
  scope: z
    .array(z.enum(PERMISSION_NAMES))
    .min(1)
    .max(PERMISSION_NAMES.length)
    .optional()
    .openapi({ description: 'Narrows the token to these permissions. Left out: all that the role may.' }),
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

/** Registers the routes of tokens on `api`. */
export function tokenRoutes(api: Api, tokens: TokenService, idempotency: IdempotencyService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/tokens',
      ...about('Tokens', 'List tokens', 'tokens', 'Without the tokens themselves, revoked ones included.'),
      middleware: [may('tokens')],
      request: {
        query: z.strictObject({
          personId: id.optional().openapi({ description: 'Only the tokens of this person.' }),
          ...page,
        }),
      },
      responses: { 200: json(pageOf(tokenView, 'TokenPage'), 'One page, the oldest first.'), ...FAILURES },
    }),
    async (c) => c.json(await tokens.list(c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/tokens',
      ...about(
        'Tokens',
        'Make a token',
        'tokens',
        'For a person (`personId`) or for a program (`role`). It may do no more than the token it is made with.',
      ),
      middleware: [may('tokens'), jsonBody],
      request: { headers: idempotencyHeader, body: body(newToken) },
      responses: {
        200: json(made, 'An earlier request with the same Idempotency-Key made it.'),
        201: json(made, 'Made. Keep the token: it is not shown again.'),
        ...FAILURES,
        ...NOT_FOUND,
        ...CONFLICT,
        ...BODY_FAILURES,
      },
    }),
    async (c) => {
      const principal = c.get('principal');
      const claim = await claimKey(c, idempotency, c.req.valid('json'));
      if (claim.type === 'replay') return c.json(made.parse(claim.body), 200);
      try {
        const created = await tokens.create(c.req.valid('json'), principal);
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
    async (c) => c.json(await tokens.revoke(c.req.valid('param').id, c.get('principal')), 200),
  );
}
