import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { type HttpHandler, openHttp } from './http.ts';

/** Longer than uWebSockets.js leaves an idle connection open. */
const ANSWER_MS = 14_000;

test('large bodies that were paused are answered, however long the answer takes', { timeout: 30_000 }, async () => {
  const handler: HttpHandler = {
    head: () => ({ type: 'read' }),
    post: (_, body) =>
      new Promise((resolve) => setTimeout(() => resolve({ status: '200 OK', body: String(body.length) }), ANSWER_MS)),
    hasRoom: () => true,
    bodyArriving: () => {},
    bodyFailed: () => {},
    connection: () => {},
    failed: () => ({ status: '500 Internal Server Error', body: '' }),
  };
  const server = await openHttp('127.0.0.1', 0, { credentials: false, frontHeader: '' }, handler);
  const body = Buffer.alloc(1_000_000, 'x');
  const post = (): Promise<string> =>
    new Promise((resolve) => {
      let answer = '';
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.write(`POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
      });
      socket.on('data', (chunk) => {
        answer += chunk;
        socket.end();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
    });
  try {
    const statuses = await Promise.all(Array.from({ length: 40 }, post));
    expect(statuses).toEqual(statuses.map(() => 'HTTP/1.1 200 OK'));
    expect(server.bodiesHeldBytes()).toBe(0);
  } finally {
    server.close();
  }
});
