// Opens the port of the API and closes it gracefully. What is answered there is app.ts.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
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
  const quiet = quietConnections(server);
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
      for (const socket of quiet) socket.destroy();
      const late = setTimeout(() => server.closeAllConnections(), LIMITS.apiDrainMs);
      await closed;
      clearTimeout(late);
    },
  };
}

/**
 * The connections without a request under way, kept up to date; once the server no longer listens, a connection that becomes quiet is
 * closed. Node's closeIdleConnections passes over connections that never sent a request, and browsers open such ones ahead.
 */
function quietConnections(server: Server): Set<Socket> {
  const quiet = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    quiet.add(socket);
    socket.on('close', () => quiet.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    quiet.delete(socket);
    response.on('close', () => {
      if (!server.listening) socket.destroySoon();
      else if (!socket.destroyed) quiet.add(socket);
    });
  });
  return quiet;
}
