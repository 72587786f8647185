// /metrics and /healthz of an edge that runs alone: for the NOC's scrapers, on a port of their own that no CPE reaches. Nothing can be
// changed here.

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from '../base/errors.ts';

export interface AdminOptions {
  host: string;
  port: number;
  contentType: string;
  metrics(): Promise<string>;
  /** What is wrong, one sentence each; empty when healthy. */
  problems(): string[];
}

export interface Admin {
  /** http://host:port */
  url: string;
  close(): Promise<void>;
}

/** @throws ConfigError `edge-admin-port` when the port cannot be had. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { host, port, contentType, metrics, problems } = options;
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'GET alone.\n');
    if (path === '/healthz') {
      const wrong = problems();
      const body = {
        ok: wrong.length === 0,
        checks: [{ name: 'edge', ok: wrong.length === 0, text: wrong.join('; ') }],
      };
      return answer(response, wrong.length === 0 ? 200 : 503, `${JSON.stringify(body)}\n`, 'application/json');
    }
    if (path !== '/metrics') return answer(response, 404, 'There are /metrics and /healthz here.\n');
    metrics().then(
      (text) => answer(response, 200, text, contentType),
      () => answer(response, 500, 'The metrics could not be read.\n'),
    );
  });
  await new Promise<void>((listening, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const text = `The port ${port} of /metrics and /healthz cannot be opened (${cause.code}): set STARLING_EDGE_ADMIN_PORT to another.`;
      reject(new ConfigError('edge-admin-port', text, { cause }));
    });
    server.listen(port, host, listening);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function answer(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': contentType }).end(text);
}
