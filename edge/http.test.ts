import { Agent, request } from 'node:http';
import { expect, test } from 'vitest';
import { type HttpHandler, type HttpReply, openHttp } from './http.ts';

/** Beyond the time after which the library takes a connection for idle. */
const SLOW_MS = 15_000;

test('an answer that takes longer than an idle connection lives arrives, with no body before it and with one that was paused', {
  timeout: SLOW_MS * 2,
}, async () => {
  const later = new Promise<HttpReply>((resolve) => setTimeout(resolve, SLOW_MS, { status: '200 OK', body: 'late' }));
  const handler: HttpHandler = {
    head: () => ({ type: 'read' }),
    post: () => later,
    bodyArriving: () => {},
    bodyFailed: () => {},
    connection: () => {},
    failed: () => ({ status: '500 Internal Server Error', body: '' }),
  };
  const server = await openHttp('127.0.0.1', 0, { credentials: false, frontHeader: '' }, handler);
  const agent = new Agent();
  const post = (body: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = request({ port: server.port, method: 'POST', agent }, (response) => {
        response.setEncoding('utf8').on('data', resolve);
      });
      sent.once('error', reject);
      sent.end(body);
    });
  expect(await Promise.all([post(''), post('x'.repeat(5_000_000))])).toEqual(['late', 'late']);
  agent.destroy();
  server.close();
});
