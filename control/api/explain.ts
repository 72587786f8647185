// Why things are as they are, in words: of a parameter of a device, and of an action.

import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import type { ExplainService } from '../services.ts';
import { may } from './auth.ts';
import { isStorable } from './body.ts';
import { type Api, about, deviceParams, FAILURES, idParams, json, NOT_FOUND } from './routes.ts';
import { actionExplanation, parameterExplanation } from './views.ts';

/** Registers the routes of explanations on `api`. */
export function explainRoutes(api: Api, explain: ExplainService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/devices/{id}/explain',
      ...about(
        'Devices',
        'Explain a parameter',
        'read',
        `Which action or policy set it, or that the device did; when, who approved, and what it was before. Told from actions and timeline, so
no further back than they go. Secrets are redacted.`,
      ),
      middleware: [may('read')],
      request: {
        params: deviceParams,
        query: z.strictObject({
          name: z
            .string()
            .min(1)
            .max(LIMITS.parameterNameCharsMax)
            .refine(isStorable, 'holds a NUL character')
            .openapi({ description: 'A path, or a canonical name such as `wifi.2g.ssid`.' }),
        }),
      },
      responses: { 200: json(parameterExplanation, 'The explanation.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await explain.parameter(c.req.valid('param').id, c.req.valid('query').name), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/actions/{id}/explain',
      ...about('Actions', 'Explain an action', 'read', 'Once for staff, and once to be read to a customer.'),
      middleware: [may('read')],
      request: { params: idParams },
      responses: { 200: json(actionExplanation, 'The explanation.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await explain.action(c.req.valid('param').id), 200),
  );
}
