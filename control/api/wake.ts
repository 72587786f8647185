// The route that asks a CPE for a session now. The outcome comes later, as a `wake` entry of the timeline and the event stream.

import { createRoute, z } from '@hono/zod-openapi';
import type { DeviceService, IdempotencyService } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import { idempotencyHeader, once } from './idempotency.ts';
import { type Api, about, BODY_FAILURES, body, CONFLICT, deviceParams, FAILURES, json, NOT_FOUND } from './routes.ts';

const requested = z.object({ requested: z.literal(true), edgeId: z.string() }).openapi('WakeRequested');

/** Registers POST /devices/{id}/wake on `api`. */
export function wakeRoutes(api: Api, devices: DeviceService, idempotency: IdempotencyService): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/devices/{id}/wake',
      ...about('Devices', 'Send a connection request', 'act-read', 'The outcome follows as a `wake` event.'),
      middleware: [may('act-read'), jsonBody, once(idempotency)],
      request: { params: deviceParams, headers: idempotencyHeader, body: body(z.strictObject({})) },
      responses: {
        202: json(requested, 'The edge of the device was asked.'),
        ...FAILURES,
        ...NOT_FOUND,
        ...CONFLICT,
        ...BODY_FAILURES,
      },
    }),
    async (c) => c.json(await devices.wake(c.req.valid('param').id, c.get('principal')), 202),
  );
}
