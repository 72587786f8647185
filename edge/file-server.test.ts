import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { FileServer, type ReceivedUpload } from './file-server.ts';
import { FileUrls } from './file-urls.ts';
import { type FileStore, openFileStore } from './files.ts';
import { type HttpServer, openHttp } from './http.ts';

const HOUR = 3_600_000;
const CPE = '00D09E-Box-1';
const content = randomBytes(3_000_000);

let folder = '';
let store: FileStore;
let server: HttpServer;
let urls: FileUrls;
let files: FileServer;
let fileId = '';
let counted: string[] = [];
let uploads: ReceivedUpload[] = [];
let persist: () => Promise<void> = async () => {};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'starling-file-server-'));
  store = openFileStore(folder);
  ({ fileId } = await store.put(chunk(content), { name: 'f.bin', fileType: '1 Firmware Upgrade Image' }));
  [counted, uploads, persist] = [[], [], async () => {}];
  server = await openHttp(
    '127.0.0.1',
    0,
    { credentials: false, front: null },
    {
      head: (exchange) => {
        files.take(exchange);
        return { type: 'taken' };
      },
      post: () => ({ status: '500 Internal Server Error', body: 'post is not for files' }),
      hasRoom: () => true,
      bodyArriving: () => {},
      bodyFailed: () => {},
      connection: () => {},
      failed: (_exchange, error) => ({ status: '500 Internal Server Error', body: String(error) }),
    },
  );
  urls = new FileUrls({ key: Buffer.alloc(32, 1), baseUrl: `http://127.0.0.1:${server.port}` });
  files = new FileServer({
    store,
    urls,
    clock: systemClock,
    log: silentLog,
    counted: (kind, outcome) => counted.push(`${kind} ${outcome}`),
    uploaded: async (upload) => {
      await persist();
      uploads.push(upload);
    },
  });
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function* chunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const downloadUrl = (id = fileId): string => urls.download(id, Date.now() + HOUR, 'f.bin');
const uploadUrl = (actionId = 'A1'): string => urls.upload(CPE, actionId, Date.now() + HOUR);
const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

test('download: the whole file, with its length, twice on one connection', async () => {
  for (let i = 0; i < 2; i++) {
    const response = await fetch(downloadUrl());
    expect([response.status, response.headers.get('content-length')]).toEqual([200, String(content.length)]);
    expect((await bytesOf(response)).equals(content)).toBe(true);
  }
  await until(() => files.transfers === 0);
  expect(counted).toEqual(['download sent', 'download sent']);
});

test('download: broken off and resumed with Range and If-Range gives the same bytes (T2)', async () => {
  const half = 1_234_567;
  const first = await fetch(downloadUrl(), { headers: { Range: `bytes=0-${half - 1}` } });
  expect(first.status).toBe(206);
  const etag = first.headers.get('etag') ?? '';
  const rest = await fetch(downloadUrl(), { headers: { Range: `bytes=${half}-`, 'If-Range': etag } });
  expect(rest.headers.get('content-range')).toBe(`bytes ${half}-${content.length - 1}/${content.length}`);
  expect(Buffer.concat([await bytesOf(first), await bytesOf(rest)]).equals(content)).toBe(true);
  const beyond = await fetch(downloadUrl(), { headers: { Range: `bytes=${content.length}-` } });
  expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${content.length}`]);
});

test('download: HEAD tells the length and sends nothing; the connection goes on', async () => {
  const head = await fetch(downloadUrl(), { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), head.headers.get('accept-ranges')]).toEqual([
    200,
    String(content.length),
    'bytes',
  ]);
  expect(await bytesOf(head)).toHaveLength(0);
  expect((await fetch(downloadUrl(), { headers: { Range: 'bytes=-1' } })).status).toBe(206);
});

test('download: an empty file', async () => {
  const { fileId: empty } = await store.put(chunk(new Uint8Array(0)), { name: 'e', fileType: '' });
  const response = await fetch(downloadUrl(empty), { headers: { Range: 'bytes=0-' } });
  expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '0', '']);
});

test('download: many at once, each whole', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, async () => bytesOf(await fetch(downloadUrl()))));
  expect(all.every((bytes) => bytes.equals(content))).toBe(true);
});

test('download: a CPE that reads in fits and starts gets every byte in its place', async () => {
  const { pathname } = new URL(downloadUrl());
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\n\r\n`);
  let received = Buffer.alloc(0);
  let pauses = 0;
  await new Promise<void>((resolve) => {
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      const at = received.indexOf('\r\n\r\n');
      if (at > 0 && received.length - at - 4 >= content.length) return resolve();
      // Every now and then it does something else, long enough for the server's socket to fill.
      if (received.length > pauses * 400_000) {
        pauses++;
        socket.pause();
        setTimeout(() => socket.resume(), 20);
      }
    });
  });
  socket.destroy();
  expect(received.subarray(received.indexOf('\r\n\r\n') + 4).equals(content)).toBe(true);
  expect(pauses).toBeGreaterThan(5);
});

test('download: a CPE that goes away in the middle ends its transfer', async () => {
  // Larger than all socket buffers together, so that the server must wait for a reader who does not read.
  const { fileId: large } = await store.put(chunk(Buffer.alloc(40_000_000)), { name: 'l', fileType: '' });
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`GET ${new URL(downloadUrl(large)).pathname} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  expect(files.transfers).toBe(1);
  socket.destroy();
  await until(() => files.transfers === 0);
  expect(counted).toEqual(['download aborted']);
});

test.each([
  ['a forged signature', () => downloadUrl().replace(/\/[^/]+\/f\.bin$/, `/${'A'.repeat(22)}`), 'GET', 403],
  ['an expired URL', () => urls.download(fileId, Date.now() - 2_000), 'GET', 403],
  ['a file that is gone', () => downloadUrl('gone'), 'GET', 404],
  ['no file URL at all', () => `http://127.0.0.1:${server.port}/files/../etc/passwd`, 'GET', 404],
  ['PUT to a download URL', () => downloadUrl(), 'PUT', 405],
  ['GET of an upload URL', () => uploadUrl(), 'GET', 405],
  ['PUT with a forged signature', () => `${uploadUrl()}x`, 'PUT', 403],
])('%s is refused in plain words', async (_name, url, method, status) => {
  const response = await fetch(url(), { method, ...(method === 'PUT' ? { body: 'x'.repeat(100_000) } : {}) });
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toContain('text/plain');
  expect(await response.text()).toMatch(/^[A-Z].+\.\n$/);
  if (status === 405) expect(response.headers.get('allow')).toBeTruthy();
});

test.each(['PUT', 'POST'])('upload: %s stores the file, tells it, and then answers (T3)', async (method) => {
  let release = (): void => {};
  let persisting = false;
  persist = () => {
    persisting = true;
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  let status = 0;
  const sent = fetch(uploadUrl(), { method, body: content }).then((response) => {
    status = response.status;
  });
  await until(() => persisting);
  expect(status).toBe(0); // The CPE is told nothing before the upload is known to be safe.
  release();
  await sent;
  expect(status).toBe(201);
  const meta = await store.meta('A1');
  expect(uploads).toEqual([{ cpeId: CPE, actionId: 'A1', fileId: 'A1', bytes: content.length, sha256: meta?.sha256 }]);
  const data = meta === null ? null : await store.openData(meta);
  expect((await data?.readFile())?.equals(content)).toBe(true);
  await data?.close();
});

/** Sends an upload by hand, with whatever headers, and gives back the status. */
function put(
  headers: Record<string, string>,
  write: (send: (bytes: Buffer | string) => void) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(uploadUrl(), { method: 'PUT', headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    const send = (bytes: Buffer | string): void => void request.write(bytes);
    const body = (): void => {
      write(send);
      request.end();
    };
    if (headers['Expect']) request.on('continue', body);
    else body();
  });
}

test('upload: chunked, and with Expect: 100-continue (T3)', async () => {
  expect(await put({ 'Transfer-Encoding': 'chunked' }, (send) => ['a', 'bc', 'def'].forEach(send))).toBe(201);
  expect((await store.meta('A1'))?.bytes).toBe(6);
  const continued = { Expect: '100-continue', 'Content-Length': '4' };
  expect(await put(continued, (send) => send('wxyz'))).toBe(201);
  expect((await store.meta('A1'))?.bytes).toBe(4);
});

test('upload: an empty file', async () => {
  expect((await fetch(uploadUrl(), { method: 'PUT' })).status).toBe(201);
  expect(uploads).toMatchObject([{ bytes: 0 }]);
});

test('upload: a part is refused, a whole that calls itself a range is taken', async () => {
  const range = (value: string) => put({ 'Content-Range': value, 'Content-Length': '4' }, (send) => send('wxyz'));
  expect(await range('bytes 100-103/200')).toBe(400);
  expect(await range('bytes 0-3/8')).toBe(400);
  expect(await range('bytes 0-3/4')).toBe(201);
  expect(uploads).toHaveLength(1);
});

test('upload: larger than a file may be is refused before it is sent', async () => {
  const status = await new Promise<string>((resolve) => {
    const socket: Socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`PUT ${new URL(uploadUrl()).pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000000\r\n\r\n`);
    socket.write(Buffer.alloc(2 * 1024 * 1024));
    socket.once('data', (data) => resolve(data.toString().slice(0, 12)));
  });
  expect(status).toBe('HTTP/1.1 413');
});

test('upload: a CPE that goes away in the middle leaves nothing', async () => {
  const before = readdirSync(folder);
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`PUT ${new URL(uploadUrl()).pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`);
  socket.write(Buffer.alloc(50_000));
  await until(() => readdirSync(folder).length > before.length);
  socket.destroy();
  await until(() => files.transfers === 0);
  expect([counted, readdirSync(folder), uploads]).toEqual([['upload aborted'], before, []]);
});

test('upload: a full disk is 507', async () => {
  const create = store.create.bind(store);
  const { open } = await import('node:fs/promises');
  const full = await open('/dev/full', 'w').catch(() => null);
  if (full === null) return console.log('skipped: this system has no /dev/full');
  store.create = (id) => create(id, async () => full);
  const response = await fetch(uploadUrl(), { method: 'PUT', body: 'x' });
  expect([response.status, await response.text()]).toEqual([507, 'There is no room for this file. Try again later.\n']);
  expect(uploads).toEqual([]);
});

test('upload: many at once, each its own file', async () => {
  const bodies = Array.from({ length: 10 }, (_, i) => randomBytes(200_000 + i));
  const all = await Promise.all(bodies.map((body, i) => fetch(uploadUrl(`A${i}`), { method: 'PUT', body })));
  expect(all.every((response) => response.status === 201)).toBe(true);
  for (const [i, body] of bodies.entries()) expect((await store.meta(`A${i}`))?.bytes).toBe(body.length);
});

test('a CPE that is silent for 14 s in the middle of a transfer goes on where it was, in both directions', async () => {
  // The time-out of uWebSockets.js is compiled in, about 12 s: there is no clock to hand in, this test must wait for it.
  const { fileId: large } = await store.put(chunk(Buffer.alloc(40_000_000)), { name: 'l', fileType: '' });
  const down = connect(server.port, '127.0.0.1');
  let received = 0;
  down.write(`GET ${new URL(downloadUrl(large)).pathname} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await new Promise((resolve) => down.once('data', resolve));
  down.pause();
  const up = connect(server.port, '127.0.0.1');
  let answer = '';
  up.write(`PUT ${new URL(uploadUrl()).pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n`);
  up.write(Buffer.alloc(10_000));
  await new Promise((resolve) => setTimeout(resolve, 14_000));
  down.on('data', (data) => {
    received += data.length;
  });
  down.resume();
  up.on('data', (data) => {
    answer += data.toString();
  });
  up.write(Buffer.alloc(10_000));
  await until(() => files.transfers === 0);
  expect([counted.sort(), answer.slice(0, 12)]).toEqual([['download sent', 'upload stored'], 'HTTP/1.1 201']);
  await until(() => received > 39_000_000);
  down.destroy();
  up.destroy();
});
