// The API described for programs: GET /api/v1/openapi.json, OpenAPI 3.1, printed from the routes themselves.

import { createRoute, z } from '@hono/zod-openapi';
import type { JSONValue } from 'hono/utils/types';
import { may } from './auth.ts';
import { type Api, about, FAILURES, json } from './routes.ts';

const DOCUMENT = {
  openapi: '3.1.0',
  info: {
    title: 'Starling',
    version: '1',
    description:
      'A TR-069 ACS: devices, and the actions that are done to them. Times are RFC 3339 in UTC. Lists come in keyset pages. Every POST honours Idempotency-Key. Failures are `{ error: { code, message, details? } }`.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
};

/** Registers GET /openapi.json on `api`. The document is made once, at the first request: routes do not change while running. */
export function openapiRoutes(api: Api): void {
  api.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of POST /api/v1/tokens, or the first one.',
  });
  let document: Record<string, JSONValue> | null = null;
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/openapi.json',
      ...about('Operations', 'Read this description', 'read'),
      middleware: [may('read')],
      responses: { 200: json(z.record(z.string(), z.unknown()), 'OpenAPI 3.1.'), ...FAILURES },
    }),
    (c) => {
      document ??= JSON.parse(JSON.stringify(api.getOpenAPI31Document(DOCUMENT))) as Record<string, JSONValue>;
      return c.json(document, 200);
    },
  );
}
