// The API as one Hono app: middlewares, then the routes of every resource. It opens no port (server.ts does) and knows control only
// through Services.

import type { Registry } from 'prom-client';
import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import { apiAuth, apiSeconds } from '../metrics.ts';
import type { Services } from '../services.ts';
import { actionRoutes } from './actions.ts';
import { bearer } from './auth.ts';
import { batchRoutes } from './batches.ts';
import { connectorRoutes } from './connectors.ts';
import { deviceRoutes } from './devices.ts';
import { ApiError, errorResponse } from './errors.ts';
import { eventRoutes } from './events.ts';
import { evidenceRoutes } from './evidence.ts';
import { explainRoutes } from './explain.ts';
import { fileRoutes } from './files.ts';
import { healthRoutes } from './health.ts';
import { indexRoute } from './index-page.ts';
import { matrixRoutes } from './matrix.ts';
import { OpenRequests } from './open-requests.ts';
import { openapiRoutes } from './openapi.ts';
import { personRoutes } from './people.ts';
import { recordingRoutes } from './recordings.ts';
import { type Api, newApi } from './routes.ts';
import { secretRoutes } from './secrets.ts';
import { tokenRoutes } from './tokens.ts';
import { wakeRoutes } from './wake.ts';

export interface ApiNeeds {
  services: Services;
  log: Log;
  /** The registry of the process: what /metrics shows, and where the API's own metrics go. */
  registry: Registry;
  /** What /metrics shows when that is more than the registry: edges of the same process have metrics in threads of their own. */
  scrape?: Pick<Registry, 'contentType' | 'metrics'>;
  /** Time between two signs of life on a quiet event stream. */
  heartbeatMs?: number;
}

export interface ApiApp {
  api: Api;
  /** Ends event streams and waits, with an answer each, and refuses new ones. */
  drain(): void;
}

/** Assembles the API. */
export function createApi(needs: ApiNeeds): ApiApp {
  const { services, log, registry, scrape = registry, heartbeatMs = LIMITS.eventHeartbeatMs } = needs;
  const api = newApi();
  const waits = new OpenRequests('calls that wait for an action', LIMITS.apiWaitsMax);
  const streams = new OpenRequests('event streams', LIMITS.eventStreamsMax);
  const seconds = apiSeconds(registry);

  api.onError(async (error, c) => {
    const principal = c.get('principal');
    // Set once somebody is known; what a stranger tried is counted where he was turned away.
    if (principal !== undefined && isRefusedChange(error, c.req.method)) {
      const { status, code, message } = error;
      await services.refusals.record(principal, { method: c.req.method, path: c.req.path, status, code, message });
    }
    return errorResponse(error, c, log);
  });
  api.notFound((c) => errorResponse(wrongWay(api, c.req.method, c.req.path), c, log));

  api.use(async (c, next) => {
    const stop = seconds.startTimer();
    // What the API shows changes and is nobody else's: no cache keeps it, no browser guesses at its type.
    c.header('Cache-Control', 'no-store');
    c.header('X-Content-Type-Options', 'nosniff');
    await next();
    stop({ status: String(c.res.status) });
  });
  api.use('/api/v1/*', bearer(services.tokens, apiAuth(registry)));

  deviceRoutes(api, services.devices);
  wakeRoutes(api, services.devices, services.idempotency);
  actionRoutes(api, { actions: services.actions, idempotency: services.idempotency, waits });
  batchRoutes(api, services.batches, services.idempotency);
  connectorRoutes(api, services.connectors);
  matrixRoutes(api, services.matrix, services.idempotency);
  evidenceRoutes(api, services.evidence);
  explainRoutes(api, services.explain);
  eventRoutes(api, { events: services.events, streams, heartbeatMs, log });
  fileRoutes(api, services.files, services.idempotency);
  recordingRoutes(api, services.recordings, services.idempotency);
  secretRoutes(api, services.secrets, services.idempotency);
  tokenRoutes(api, services.tokens, services.idempotency);
  personRoutes(api, services);
  healthRoutes(api, services.health, scrape);
  openapiRoutes(api);
  indexRoute(api);

  return {
    api,
    drain() {
      waits.drain();
      streams.drain();
    },
  };
}

/** What somebody wanted to change and may not, or not so; that a thing is not there, or that we are busy, is no refusal. */
function isRefusedChange(error: unknown, method: string): error is Refused {
  return method !== 'GET' && error instanceof Refused && [403, 409, 422].includes(error.status);
}

/** 405 with the methods that exist when only the method is wrong, else 404. */
function wrongWay(api: Api, method: string, path: string): ApiError {
  const allowed = new Set<string>();
  for (const route of api.routes) {
    if (route.method === 'ALL') continue;
    const pattern = route.path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[a-zA-Z]+/g, '[^/]+');
    if (new RegExp(`^${pattern}$`).test(path)) allowed.add(route.method);
  }
  if (allowed.size === 0) return new ApiError(404, 'not-found', `Nothing is at ${path}. GET / lists what there is.`);
  if (allowed.has('GET')) allowed.add('HEAD');
  const methods = [...allowed].join(', ');
  const message = `${path} does not take ${method}. Use ${methods}.`;
  return new ApiError(405, 'method-not-allowed', message, { headers: { Allow: methods } });
}
