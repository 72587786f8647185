// Routes of actions: everything that is done to a device starts and is followed here. Planning, approval and execution are the
// business of ActionService; this file waits, answers, and keeps Idempotency-Key true while an action goes on.

import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { LIMITS } from '../../base/limits.ts';
import { ACTION_KINDS, type ActionKind } from '../../bus/messages.ts';
import { type ActionRequest, actionRequest } from '../actions/request.ts';
import { permissionFor } from '../permissions.ts';
import {
  ACTION_STATES,
  type ActionDetail,
  type ActionService,
  type IdempotencyService,
  isEnded,
  type Principal,
} from '../services.ts';
import { type ApiEnv, demand, may } from './auth.ts';
import { jsonBody } from './body.ts';
import { claimKey, idempotencyHeader, once } from './idempotency.ts';
import type { OpenRequests } from './open-requests.ts';
import {
  type Api,
  about,
  BODY_FAILURES,
  body,
  CONFLICT,
  deviceParams,
  FAILURES,
  idParams,
  json,
  NOT_FOUND,
  page,
  queryText,
  TOO_MANY,
} from './routes.ts';
import { actionDetail, actionView, pageOf, queueEntry } from './views.ts';

const planText = `The body is checked by its \`kind\`; fields it does not have are refused by name. The action is planned, and handed to the
edge of the device when the approval matrix asks nobody; otherwise it is \`awaiting-approval\`, and \`needs\` says who is asked.

With \`"preview": true\` it is planned only: look at \`plan\`, then submit it with \`plan.hash\`. Values that are old are read from the device
first, when it can be woken; \`plan.diff\` says of each how old it is.

With \`?wait=SECONDS\` the answer comes when the action has ended, or when the time is over. 201: made by this request and ended.
200: made by an earlier request with the same Idempotency-Key, and ended. 202: not ended yet; read it again under \`Location\`.
How it ended is in \`state\` and \`outcome\`, never in the HTTP status.`;

/** The same schema again under a name for openapi.json: request.ts may be loaded before Hono's extension of zod, and cannot carry one. */
const actionBody = z.discriminatedUnion('kind', actionRequest.options).openapi('ActionRequest');

const detail = (text: string) => json(actionDetail, text);

/** Of every list of actions. */
const filters = {
  deviceId: queryText.optional(),
  kind: z.enum(ACTION_KINDS).optional(),
  state: z.enum(ACTION_STATES).optional(),
};

export interface ActionRouteNeeds {
  actions: ActionService;
  idempotency: IdempotencyService;
  /** Places for calls that wait. */
  waits: OpenRequests;
}

/** Registers the routes of actions on `api`. */
export function actionRoutes(api: Api, { actions, idempotency, waits }: ActionRouteNeeds): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/devices/{id}/actions',
      ...about(
        'Actions',
        'Do something to a device',
        ['act-read', 'act', 'propose', 'rpc'],
        `${planText}\n\nKind \`rpc\` takes role engineer or admin; what agents ask beyond reading, a person approves.`,
      ),
      middleware: [may('act-read', 'act', 'propose', 'rpc'), jsonBody],
      request: {
        params: deviceParams,
        headers: idempotencyHeader,
        query: z.strictObject({
          wait: z.coerce
            .number()
            .min(0)
            .max(LIMITS.waitSecondsMax)
            .optional()
            .openapi({ type: 'number', description: `Seconds to wait for the end, at most ${LIMITS.waitSecondsMax}.` }),
        }),
        body: body(actionBody),
      },
      responses: {
        200: detail('An earlier request made it; it has ended.'),
        201: detail('Made, and ended.'),
        202: detail('It has not ended yet.'),
        ...FAILURES,
        ...NOT_FOUND,
        ...CONFLICT,
        ...BODY_FAILURES,
        ...TOO_MANY,
      },
    }),
    async (c) => {
      const request = c.req.valid('json');
      demandKind(c.get('principal'), request.kind);
      const waitMs = (c.req.valid('query').wait ?? 0) * 1_000;
      // The place to wait is taken first: a call that is refused one must not leave an action behind.
      const place = waitMs > 0 ? waits.enter(c.req.raw.signal) : null;
      try {
        const made = await makeOnce(c, { actions, idempotency }, c.req.valid('param').id, request);
        let { action } = made;
        if (place !== null && !isEnded(action.state))
          action = await actions.waitForEnd(action.id, waitMs, place.signal);
        c.header('Location', `/api/v1/actions/${action.id}`);
        if (!isEnded(action.state)) return c.json(action, 202);
        return c.json(action, made.created ? 201 : 200);
      } finally {
        place?.leave();
      }
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/actions',
      ...about('Actions', 'List actions', 'read', 'All filters must hold at once.'),
      middleware: [may('read')],
      request: {
        query: z.strictObject({
          ...filters,
          reference: queryText.optional().openapi({ description: 'Ticket or order, exactly.' }),
          batchId: queryText.optional(),
          ...page,
        }),
      },
      responses: { 200: json(pageOf(actionView, 'ActionPage'), 'One page, newest first.'), ...FAILURES },
    }),
    async (c) => c.json(await actions.list(c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/actions/{id}',
      ...about('Actions', 'Read one action', 'read', 'With its plan, approvals, result, recovery and evidence.'),
      middleware: [may('read')],
      request: { params: idParams },
      responses: { 200: detail('The action.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await actions.get(c.req.valid('param').id), 200),
  );

  const change = { ...FAILURES, ...NOT_FOUND, ...CONFLICT, ...BODY_FAILURES };
  const nothing = body(z.strictObject({}));

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/actions/{id}/cancel',
      ...about(
        'Actions',
        'Take back an action that has not ended',
        'act',
        'What already runs on the CPE ends there. 409 when it has ended.',
      ),
      middleware: [may('act'), jsonBody, once(idempotency)],
      request: { params: idParams, headers: idempotencyHeader, body: nothing },
      responses: { 200: detail('The action as it is now.'), ...change },
    }),
    async (c) => c.json(await actions.cancel(c.req.valid('param').id, c.get('principal')), 200),
  );

  const planHash = z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the plan.hash of the action')
    .openapi({ description: 'The hash of the plan that was looked at.' });
  const ofPlan = body(z.strictObject({ planHash }));
  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/actions/{id}/submit',
      ...about(
        'Actions',
        'Submit a preview',
        ['act-read', 'act', 'propose', 'rpc'],
        'It becomes ready, or waits for approval. 409 when it is no preview, its plan is another one, or the device has changed since.',
      ),
      middleware: [may('act-read', 'act', 'propose', 'rpc'), jsonBody, once(idempotency)],
      request: { params: idParams, headers: idempotencyHeader, body: ofPlan },
      responses: { 200: detail('The action as it is now.'), ...change },
    }),
    async (c) => {
      const { id } = c.req.valid('param');
      demandKind(c.get('principal'), (await actions.get(id)).kind);
      return c.json(await actions.submit(id, c.req.valid('json').planHash, c.get('principal')), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/actions/{id}/approve',
      ...about(
        'Actions',
        'Approve an action',
        'approve',
        'For the plan of this hash alone. 409 unless it waits for approval; 403 for the wrong person. A device that has changed since it was planned ends the action.',
      ),
      middleware: [may('approve'), jsonBody, once(idempotency)],
      request: { params: idParams, headers: idempotencyHeader, body: ofPlan },
      responses: { 200: detail('The action as it is now.'), ...change },
    }),
    async (c) => {
      const { planHash: hash } = c.req.valid('json');
      return c.json(await actions.approve(c.req.valid('param').id, hash, c.get('principal')), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/actions/{id}/reject',
      ...about('Actions', 'Reject an action', 'approve', '409 unless it waits for approval.'),
      middleware: [may('approve'), jsonBody, once(idempotency)],
      request: {
        params: idParams,
        headers: idempotencyHeader,
        body: body(z.strictObject({ why: z.string().min(1).max(1_000) })),
      },
      responses: { 200: detail('The action as it is now.'), ...change },
    }),
    async (c) => {
      const { why } = c.req.valid('json');
      return c.json(await actions.reject(c.req.valid('param').id, why, c.get('principal')), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/actions/{id}/recover',
      ...about(
        'Actions',
        'Take an action back',
        'act',
        'Runs the inverse of what it did, as an action of its own, which is answered. 409 with the reason when there is none.',
      ),
      middleware: [may('act'), jsonBody, once(idempotency)],
      request: { params: idParams, headers: idempotencyHeader, body: nothing },
      responses: { 200: detail('The action that takes it back.'), ...change },
    }),
    async (c) => c.json(await actions.recover(c.req.valid('param').id, c.get('principal')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/queue',
      ...about(
        'Actions',
        'What somebody has to look at',
        'read',
        'Actions that ended partial, unsupported, refused, failed or stuck, or of which nobody knows, until a person closes them.',
      ),
      middleware: [may('read')],
      request: {
        query: z.strictObject({
          ...filters,
          ...page,
        }),
      },
      responses: { 200: json(pageOf(queueEntry, 'QueuePage'), 'One page, newest first.'), ...FAILURES },
    }),
    async (c) => c.json(await actions.queue(c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/actions/{id}/close',
      ...about('Actions', 'Take an action out of the queue', 'act', '409 when nobody has to look at it.'),
      middleware: [may('act'), jsonBody, once(idempotency)],
      request: {
        params: idParams,
        headers: idempotencyHeader,
        body: body(z.strictObject({ note: z.string().trim().min(1).max(1_000) })),
      },
      responses: { 200: detail('The action as it is now.'), ...change },
    }),
    async (c) => {
      const { note } = c.req.valid('json');
      return c.json(await actions.close(c.req.valid('param').id, note, c.get('principal')), 200);
    },
  );
}

/** What an agent proposes beyond reading, a person approves: so says the matrix. */
function demandKind(principal: Principal, kind: ActionKind): void {
  const permission = permissionFor(kind);
  if (permission === 'act') demand(principal, 'act', 'propose');
  else demand(principal, permission);
}

/**
 * Makes the action, or finds the one an earlier request with the same key made. The key is finished before anybody waits: a caller whose
 * connection broke while waiting repeats the request and finds its action.
 */
async function makeOnce(
  c: Context<ApiEnv>,
  { actions, idempotency }: Pick<ActionRouteNeeds, 'actions' | 'idempotency'>,
  deviceId: string,
  request: ActionRequest,
): Promise<{ created: boolean; action: ActionDetail }> {
  const principal = c.get('principal');
  const claim = await claimKey(c, idempotency, request);
  if (claim.type === 'none') return actions.create(deviceId, request, { principal });
  if (claim.type === 'replay') {
    const { id } = claim.body as { id: string };
    return { created: false, action: await actions.get(id) };
  }
  try {
    const made = await actions.create(deviceId, request, { principal, idempotencyKey: claim.key });
    await idempotency.finish(principal.tokenId, claim.key, 201, { id: made.action.id });
    return made;
  } catch (error) {
    await idempotency.release(principal.tokenId, claim.key);
    throw error;
  }
}
