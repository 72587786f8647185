// Opens the port of the API and closes it gracefully. What is answered there is app.ts.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { ConfigError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { type ApiNeeds, createApi } from './app.ts';

export interface ApiServer {
  port: number;
  url: string;
  /** Stops listening, ends streams and waits with an answer, lets the rest finish for up to LIMITS.apiDrainMs. */
  close(): Promise<void>;
}

/**
 * Starts the API on `host`:`port` (0: any free port).
 * @throws ConfigError when the port cannot be had.
 */
export async function startApi(needs: ApiNeeds & { host: string; port: number }): Promise<ApiServer> {
  const { api, drain } = createApi(needs);
  const server = createAdaptorServer({
    fetch: api.fetch,
    serverOptions: { headersTimeout: LIMITS.apiHeadersMs, requestTimeout: LIMITS.apiRequestMs },
  }) as Server;
  server.listen(needs.port, needs.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const message = `The API cannot listen on ${needs.host}:${needs.port} (${code}). Stop what uses it, or set STARLING_HTTP_PORT or STARLING_HTTP_HOST.`;
    throw new ConfigError('http-port', message, { cause: error });
  }
  const { port } = server.address() as AddressInfo;
  const host = needs.host.includes(':') ? `[${needs.host}]` : needs.host;
  return {
    port,
    url: `http://${host}:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      drain();
      server.closeIdleConnections();
      const late = setTimeout(() => server.closeAllConnections(), LIMITS.apiDrainMs);
      await closed;
      clearTimeout(late);
    },
  };
}
