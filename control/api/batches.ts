// Routes of batches: one action over many devices, planned for all of them, approved once, and let go at a pace.

import { createRoute, z } from '@hono/zod-openapi';
import { batchRequest } from '../batches/request.ts';
import { permissionFor } from '../permissions.ts';
import type { BatchService, IdempotencyService } from '../services.ts';
import { demand, may } from './auth.ts';
import { jsonBody } from './body.ts';
import { idempotencyHeader, once } from './idempotency.ts';
import { type Api, about, BODY_FAILURES, body, CONFLICT, FAILURES, idParams, json, NOT_FOUND, page } from './routes.ts';
import { batchDetail, batchProof, batchRefusal, batchView, pageOf } from './views.ts';

const newBatch = z.object(batchRequest.shape).strict().openapi('BatchRequest');
const text = `An action is planned for every device of the selection; nothing happens before the batch is submitted with its root, and
approved where the matrix asks. Then its actions are let go at its pace. It pauses by itself when too many did not end well.`;

/** Registers the routes of batches on `api`. */
export function batchRoutes(api: Api, batches: BatchService, idempotency: IdempotencyService): void {
  const change = { ...FAILURES, ...NOT_FOUND, ...CONFLICT, ...BODY_FAILURES };
  const now = json(batchDetail, 'The batch as it is now.');

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/batches',
      ...about('Batches', 'Do something to many devices', 'batch', text),
      middleware: [may('batch'), jsonBody, once(idempotency)],
      request: { headers: idempotencyHeader, body: body(newBatch) },
      responses: { 202: json(batchDetail, 'It is being planned.'), ...FAILURES, ...CONFLICT, ...BODY_FAILURES },
    }),
    async (c) => {
      const request = c.req.valid('json');
      demand(c.get('principal'), permissionFor(request.action.kind));
      return c.json(await batches.create(request, c.get('principal')), 202);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/batches',
      ...about('Batches', 'List batches', 'read'),
      middleware: [may('read')],
      request: { query: z.strictObject(page) },
      responses: { 200: json(pageOf(batchView, 'BatchPage'), 'One page, newest first.'), ...FAILURES },
    }),
    async (c) => c.json(await batches.list(c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/batches/{id}',
      ...about('Batches', 'Read one batch', 'read', 'With counts that reconcile. Its actions: GET /actions?batchId=.'),
      middleware: [may('read')],
      request: { params: idParams },
      responses: { 200: now, ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await batches.get(c.req.valid('param').id), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/batches/{id}/refusals',
      ...about('Batches', 'Devices that could not be planned', 'read', 'With the reason, in the order of their ids.'),
      middleware: [may('read')],
      request: { params: idParams, query: z.strictObject(page) },
      responses: { 200: json(pageOf(batchRefusal, 'BatchRefusalPage'), 'One page.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await batches.refusals(c.req.valid('param').id, c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/batches/{id}/proof/{actionId}',
      ...about(
        'Batches',
        'Prove that a plan was among those approved',
        'read',
        'Hashes that lead from the plan to the root.',
      ),
      middleware: [may('read')],
      request: { params: idParams.extend({ actionId: z.string() }) },
      responses: { 200: json(batchProof, 'The proof.'), ...FAILURES, ...NOT_FOUND, ...CONFLICT },
    }),
    async (c) => {
      const { id, actionId } = c.req.valid('param');
      return c.json(await batches.proof(id, actionId), 200);
    },
  );

  const root = z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the root of the batch')
    .openapi({ description: 'The root of the plans that were looked at.' });
  for (const [step, permission, title] of [
    ['submit', 'batch', 'Submit a batch'],
    ['approve', 'approve', 'Approve a batch'],
  ] as const) {
    api.openapi(
      createRoute({
        method: 'post',
        path: `/api/v1/batches/{id}/${step}`,
        ...about('Batches', title, permission, 'For the plans of this root alone.'),
        middleware: [may(permission), jsonBody, once(idempotency)],
        request: { params: idParams, headers: idempotencyHeader, body: body(z.strictObject({ root })) },
        responses: { 200: now, ...change },
      }),
      async (c) => {
        const { id } = c.req.valid('param');
        return c.json(await batches[step](id, c.req.valid('json').root, c.get('principal')), 200);
      },
    );
  }

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/batches/{id}/reject',
      ...about('Batches', 'Reject a batch', 'approve'),
      middleware: [may('approve'), jsonBody, once(idempotency)],
      request: {
        params: idParams,
        headers: idempotencyHeader,
        body: body(z.strictObject({ why: z.string().min(1).max(1_000) })),
      },
      responses: { 200: now, ...change },
    }),
    async (c) => {
      const { why } = c.req.valid('json');
      return c.json(await batches.reject(c.req.valid('param').id, why, c.get('principal')), 200);
    },
  );

  for (const [step, title] of [
    ['pause', 'Let nothing more of a batch go'],
    ['resume', 'Let a paused batch go on'],
    ['cancel', 'End a batch: what was let go before goes on'],
  ] as const) {
    api.openapi(
      createRoute({
        method: 'post',
        path: `/api/v1/batches/{id}/${step}`,
        ...about('Batches', title, 'batch'),
        middleware: [may('batch'), jsonBody, once(idempotency)],
        request: { params: idParams, headers: idempotencyHeader, body: body(z.strictObject({})) },
        responses: { 200: now, ...change },
      }),
      async (c) => c.json(await batches[step](c.req.valid('param').id, c.get('principal')), 200),
    );
  }
}
