// Routes of stored secrets: reading one, which is recorded first, and rotating the key they are sealed under.

import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import type { IdempotencyService, SecretService } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import { idempotencyHeader, once } from './idempotency.ts';
import { type Api, about, BODY_FAILURES, body, CONFLICT, deviceParams, FAILURES, json, NOT_FOUND } from './routes.ts';
import { rotationView, secretView } from './views.ts';

const question = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(LIMITS.parameterNameCharsMax)
    .openapi({ description: 'A path, or a canonical name.', example: 'wifi.2g.password' }),
  reason: z
    .string()
    .trim()
    .min(1)
    .max(LIMITS.reasonCharsMax)
    .openapi({ description: 'Why it is read, for the record.' }),
});
const newKey = z.strictObject({
  key: z
    .string()
    .regex(/^[0-9a-f]{12}$/)
    .openapi({ description: 'Fingerprint of a key that the file of every control has.' }),
});

/** Registers the routes of secrets on `api`. */
export function secretRoutes(api: Api, secrets: SecretService, idempotency: IdempotencyService): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/devices/{id}/secrets/read',
      ...about(
        'Secrets',
        'Read a secret of a device',
        'secrets',
        `The last known value of one parameter that is shown as \`••••\` elsewhere. Who reads it, which one and why is in the evidence and on
the timeline before it is answered, and so is a refusal. Support reads keys of Wi-Fi alone, NOC also PPP. No Idempotency-Key: the answer is
kept nowhere, and each reading counts.`,
      ),
      middleware: [may('secrets'), jsonBody],
      request: { params: deviceParams, body: body(question) },
      responses: {
        200: json(secretView, 'The secret.'),
        ...FAILURES,
        ...NOT_FOUND,
        ...CONFLICT,
        ...BODY_FAILURES,
      },
    }),
    async (c) => {
      const { id } = c.req.valid('param');
      return c.json(await secrets.read(id, c.req.valid('json'), c.get('principal')), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/secrets/rotation',
      ...about('Secrets', 'How far the rotation of keys is', 'settings'),
      middleware: [may('settings')],
      responses: { 200: json(rotationView, 'Which key seals, who has which, and the newest rotation.'), ...FAILURES },
    }),
    async (c) => c.json(await secrets.rotation(), 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/secrets/rotation',
      ...about(
        'Secrets',
        'Rotate the key that seals',
        'settings',
        'From now on this key seals, and what lies under older ones is sealed anew in the background. `starling secrets rotate` makes the key and asks for this.',
      ),
      middleware: [may('settings'), jsonBody, once(idempotency)],
      request: { headers: idempotencyHeader, body: body(newKey) },
      responses: { 202: json(rotationView, 'It has begun.'), ...FAILURES, ...CONFLICT, ...BODY_FAILURES },
    }),
    async (c) => c.json(await secrets.rotate(c.req.valid('json').key, c.get('principal')), 202),
  );
}
