import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { type HttpFront, type HttpHandler, openHttp } from './http.ts';

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
  const server = await openHttp('127.0.0.1', 0, { credentials: false, front: null }, handler);
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

const told = 'X-Certificate: 00005E-Box-1\r\nX-Address: 2001:db8::7\r\n';
test.each<[string, string, boolean, Omit<HttpFront, 'isTrusted'> | null, unknown]>([
  [
    'a front',
    told,
    true,
    { certificateHeader: 'x-certificate', addressHeader: 'x-address' },
    ['00005E-Box-1', '2001:db8::7'],
  ],
  [
    'a front, one header asked for',
    told,
    true,
    { certificateHeader: '', addressHeader: 'x-address' },
    ['', '2001:db8::7'],
  ],
  [
    'a front that says nothing',
    '',
    true,
    { certificateHeader: 'x-certificate', addressHeader: 'x-address' },
    ['', '127.0.0.1'],
  ],
  [
    'a front that tells a name for the address',
    'X-Address: cpe7\r\n',
    true,
    { certificateHeader: '', addressHeader: 'x-address' },
    ['', '127.0.0.1'],
  ],
  ['anybody else', told, false, { certificateHeader: 'x-certificate', addressHeader: 'x-address' }, ['', '127.0.0.1']],
  ['an edge without fronts', told, true, null, ['', '127.0.0.1']],
])('who says what counts: %s', async (_, headers, trusted, names, expected) => {
  // biome-ignore format: a table
  const peers: string[] = [];
  const isTrusted = (peer: Uint8Array): boolean => {
    peers.push(peer.join('.'));
    return trusted;
  };
  const handler: HttpHandler = {
    head: () => ({ type: 'read' }),
    post: ({ certificate, address }) => ({ status: '200 OK', body: JSON.stringify([certificate, address]) }),
    hasRoom: () => true,
    bodyArriving: () => {},
    bodyFailed: () => {},
    connection: () => {},
    failed: () => ({ status: '500 Internal Server Error', body: '' }),
  };
  const front = names === null ? null : { ...names, isTrusted };
  const server = await openHttp('127.0.0.1', 0, { credentials: false, front }, handler);
  try {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(`POST / HTTP/1.1\r\nHost: acs\r\n${headers}Content-Length: 1\r\n\r\nx`);
    const [chunk] = await once(socket, 'data');
    socket.destroy();
    expect(JSON.parse(String(chunk).split('\r\n\r\n')[1] ?? '')).toEqual(expected);
    expect(peers).toEqual(front === null ? [] : ['127.0.0.1']);
  } finally {
    server.close();
  }
});
