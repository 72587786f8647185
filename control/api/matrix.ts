// Routes of the approval matrix: what decides who must look at a change before it happens.

import { createRoute, z } from '@hono/zod-openapi';
import { approvalMatrix } from '../policy/approval-matrix.ts';
import type { ApprovalMatrixService, IdempotencyService } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import { idempotencyHeader, once } from './idempotency.ts';
import { type Api, about, BODY_FAILURES, body, CONFLICT, FAILURES, json } from './routes.ts';

/** The same schema again under a name for openapi.json, which approval-matrix.ts cannot carry: it may be loaded before Hono's zod. */
const matrix = z.object({ rules: approvalMatrix.shape.rules }).strict().openapi('ApprovalMatrix');

/** Registers the routes of the approval matrix on `api`. */
export function matrixRoutes(api: Api, service: ApprovalMatrixService, idempotency: IdempotencyService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/approval-matrix',
      ...about('Approvals', 'Read the approval matrix', 'read', 'The first rule whose conditions hold decides.'),
      middleware: [may('read')],
      responses: { 200: json(matrix, 'The matrix that holds now.'), ...FAILURES },
    }),
    async (c) => c.json(await service.get(), 200),
  );

  api.openapi(
    createRoute({
      method: 'put',
      path: '/api/v1/approval-matrix',
      ...about(
        'Approvals',
        'Replace the approval matrix',
        'settings',
        'For what is decided from now on. The last rule has no conditions. The change is evidence.',
      ),
      middleware: [may('settings'), jsonBody, once(idempotency)],
      request: { headers: idempotencyHeader, body: body(matrix) },
      responses: { 200: json(matrix, 'The matrix that holds now.'), ...FAILURES, ...CONFLICT, ...BODY_FAILURES },
    }),
    async (c) => c.json(await service.put(c.req.valid('json'), c.get('principal')), 200),
  );
}
