import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { startApi } from './server.ts';
import { DEVICE_ID, errorOf, memoryServices } from './services.test-helper.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function setUp() {
  const memory = memoryServices();
  const needs = { services: memory.services, log: silentLog, registry: new Registry(), host: '127.0.0.1', port: 0 };
  const server = await startApi(needs);
  open.push(server);
  const authorization = 'Bearer stl_admin';
  const act = (query: string, signal?: AbortSignal) =>
    fetch(`${server.url}/api/v1/devices/${DEVICE_ID}/actions${query}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: '{"kind":"reboot"}',
      signal,
    });
  return { ...memory, needs, server, authorization, act };
}

/** Waits for what a test looks for, looking again after every turn of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test('a taken port is told with what to do about it', async () => {
  const { server, needs } = await setUp();
  await expect(startApi({ ...needs, registry: new Registry(), port: server.port })).rejects.toMatchObject({
    tag: 'config',
    message: expect.stringContaining('STARLING_HTTP_PORT'),
  });
});

test('a caller that goes away releases its wait', async () => {
  const { act, log, somebodyWaits } = await setUp();
  const gone = new AbortController();
  const call = act('?wait=60', gone.signal);
  await somebodyWaits();
  gone.abort();
  await expect(call).rejects.toThrow();
  await until(() => log.waitsEnded === 1);
});

test('stopping answers open waits with the action as it is, and closes', async () => {
  const { act, server, somebodyWaits } = await setUp();
  const call = act('?wait=60');
  await somebodyWaits();
  open.length = 0;
  const closed = server.close();
  expect((await call).status).toBe(202);
  await closed;
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
});

test('stopping does not wait for connections that never sent a request', async () => {
  const { server } = await setUp();
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  // The server knows the connection once it has answered a later one.
  await fetch(`${server.url}/healthz`);
  open.length = 0;
  const closed = once(socket, 'close');
  await server.close();
  await closed;
}, 3_000);

test('a body without length is counted as it comes and cut at the limit', async () => {
  const { server, authorization } = await setUp();
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const call = request(`${server.url}/api/v1/devices/${DEVICE_ID}/actions`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    });
    let answered = false;
    call.on('response', (answer) => {
      answered = true;
      answer.resume();
      resolve(answer.statusCode);
    });
    // The server may close while we still write; only without an answer is that a failure.
    call.on('error', (error) => {
      if (!answered) reject(error);
    });
    for (let i = 0; i < 20; i++) call.write(`"${'x'.repeat(64 * 1024)}`);
    call.end();
  });
  expect(status).toBe(413);
});

test('a file is streamed: the store reads the first bytes before the last are sent', async () => {
  const { server, services, authorization } = await setUp();
  let firstRead = () => {};
  const first = new Promise<void>((resolve) => {
    firstRead = resolve;
  });
  const add = services.files.add;
  services.files.add = (source, meta, principal) => {
    const watched = async function* () {
      for await (const chunk of source) {
        firstRead();
        yield chunk;
      }
    };
    return add(watched(), meta, principal);
  };
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(new Uint8Array(1024));
      await first;
      controller.enqueue(new Uint8Array(1024));
      controller.close();
    },
  });
  const answer = await fetch(`${server.url}/api/v1/files?name=a.bin&fileType=X%20TEST`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/octet-stream' },
    body,
    duplex: 'half',
  } as RequestInit);
  expect(answer.status).toBe(201);
  expect(await answer.json()).toMatchObject({ name: 'a.bin', bytes: 2048 });
});

test.each([
  ['a form', 'multipart/form-data; boundary=x', 'name=a.bin&fileType=X%20TEST', 415],
  ['a path for a name', 'application/octet-stream', 'name=..%2Fa.bin&fileType=X%20TEST', 400],
  ['no file type', 'application/octet-stream', 'name=a.bin', 400],
])('a file as %s is refused: %s ?%s is %i', async (_, type, query, status) => {
  const { server, authorization } = await setUp();
  const answer = await fetch(`${server.url}/api/v1/files?${query}`, {
    method: 'POST',
    headers: { authorization, 'content-type': type },
    body: 'x',
  });
  expect(answer.status).toBe(status);
  expect((await errorOf(answer)).message).toMatch(/\S/);
});

test.each([
  ['bytes that are not HTTP', 'hello\r\n\r\n'],
  ['a header that never ends', `GET / HTTP/1.1\r\nhost: x\r\na: ${'b'.repeat(100_000)}\r\n\r\n`],
  ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
  ['a host that is none', 'GET /healthz HTTP/1.1\r\nhost: a b\r\n\r\n'],
  ['a target that is none', 'GET http://[/healthz HTTP/1.1\r\nhost: x\r\n\r\n'],
])('%s is answered 4xx, and the server stays', async (_, bytes) => {
  const { server } = await setUp();
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\r\n')) {
        socket.destroy();
        resolve(text);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});
