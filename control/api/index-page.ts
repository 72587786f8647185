// GET /: plain text for whoever opens the port to see what this is. It lists the routes as registered and needs no token.

import type { Api } from './routes.ts';

/** Registers the index on `api`. */
export function indexRoute(api: Api): void {
  api.get('/', (c) => {
    const lines = api.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== 'route') return [];
      const { method, path, summary } = definition.route;
      return [`${method.toUpperCase().padEnd(7)}${path.padEnd(40)}${summary ?? ''}`];
    });
    const head = 'Starling, a TR-069 ACS. Below /api/v1 send `Authorization: Bearer <token>`.';
    return c.text([head, '', ...lines, ''].join('\n'));
  });
}
