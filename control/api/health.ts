// What operations look at: /healthz and /metrics. Neither takes a token, neither shows anything of a subscriber.

import { createRoute } from '@hono/zod-openapi';
import type { Registry } from 'prom-client';
import type { HealthService } from '../services.ts';
import { type Api, json } from './routes.ts';
import { healthView } from './views.ts';

/** Registers /healthz and /metrics on `api`. `metrics` is the registry of the process. */
export function healthRoutes(
  api: Api,
  health: HealthService,
  metrics: Pick<Registry, 'contentType' | 'metrics'>,
): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/healthz',
      tags: ['Operations'],
      summary: 'Is this Starling well?',
      responses: { 200: json(healthView, 'All checks pass.'), 503: json(healthView, 'At least one check fails.') },
    }),
    async (c) => {
      const view = await health.check();
      return c.json(view, view.ok ? 200 : 503);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/metrics',
      tags: ['Operations'],
      summary: 'Metrics for Prometheus',
      responses: { 200: { description: 'Prometheus text format.' } },
    }),
    async (c) => c.body(await metrics.metrics(), 200, { 'Content-Type': metrics.contentType }),
  );
}
