// The route of connectors: per path what is online, queued and failing. CWMP is the only connector so far.

import { createRoute, z } from '@hono/zod-openapi';
import type { ConnectorService } from '../services.ts';
import { may } from './auth.ts';
import { type Api, about, FAILURES, json } from './routes.ts';
import { connectorView } from './views.ts';

const connectorList = z.object({ items: z.array(connectorView) }).openapi('ConnectorList');

/** Registers GET /connectors on `api`. */
export function connectorRoutes(api: Api, connectors: ConnectorService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/connectors',
      ...about('Connectors', 'See the health of every connector', 'read'),
      middleware: [may('read')],
      responses: { 200: json(connectorList, 'All connectors.'), ...FAILURES },
    }),
    async (c) => c.json({ items: await connectors.list() }, 200),
  );
}
