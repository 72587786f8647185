import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { answerChallenge, type ConnectionRequestOptions, requestConnection } from './connection-request.ts';
import type { AllowedTarget } from './connection-request-guard.ts';
import { DIGEST_ALGORITHMS, type DigestAlgorithm, digestResponse } from './digest.ts';
import { encodeBasic, param, parseAuthHeader } from './http-auth-header.ts';

/** One request as the CPE saw it. `connection` counts connections from 1. */
interface Seen {
  line: string;
  authorization: string | null;
  host: string;
  connection: number;
}

/** What the CPE writes, byte for byte; `close` ends the connection after it, 'hang' says nothing. */
type Behaviour = (seen: Seen, count: number) => { write: string; close?: boolean } | 'hang' | 'reset';

const GOOD = { username: 'acs', password: 'secret' };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n';
const BUSY = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';

const demand = (challenge: string, more = 'Content-Length: 0\r\n', body = ''): string =>
  `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ${challenge}\r\n${more}\r\n${body}`;

let server: Server | null = null;
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
  server = null;
});

/** A CPE's HTTP server, raw: it reads one request after the other and does as told. */
async function cpe(behaviour: Behaviour, host = '127.0.0.1'): Promise<{ target: AllowedTarget; seen: Seen[] }> {
  const seen: Seen[] = [];
  let connections = 0;
  const opened = createServer((socket) => {
    const connection = ++connections;
    sockets.add(socket);
    socket.on('error', () => {});
    let buffered = '';
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1');
      for (let end = buffered.indexOf('\r\n\r\n'); end >= 0; end = buffered.indexOf('\r\n\r\n')) {
        const lines = buffered.slice(0, end).split('\r\n');
        buffered = buffered.slice(end + 4);
        const header = (name: string): string | null =>
          lines
            .find((line) => line.toLowerCase().startsWith(`${name}:`))
            ?.slice(name.length + 1)
            .trim() ?? null;
        const request = {
          line: lines[0] ?? '',
          authorization: header('authorization'),
          host: header('host') ?? '',
          connection,
        };
        seen.push(request);
        const answer = behaviour(request, seen.length);
        if (answer === 'hang') return;
        if (answer === 'reset') return socket.resetAndDestroy();
        socket.write(answer.write, 'latin1');
        if (answer.close) socket.end();
      }
    });
  });
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, host, resolve));
  const { port } = opened.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return { target: { tls: false, address: host, port, host: shown, serverName: '', path: '/cr?id=1' }, seen };
}

const ask = (target: AllowedTarget, credentials = [GOOD], options: Partial<ConnectionRequestOptions> = {}) =>
  requestConnection(target, credentials, { allowBasic: true, timeoutMs: 5_000, ...options });

/** True when an Authorization header answers the challenge for GOOD, computed here from what was sent. */
function isRight(authorization: string | null, nonce: string, algorithm: DigestAlgorithm = 'MD5'): boolean {
  const part = parseAuthHeader(authorization ?? '')[0];
  if (part === undefined || part.scheme !== 'digest') return false;
  const get = (name: string): string => param(part, name) ?? '';
  const expected = digestResponse({
    algorithm, username: GOOD.username, realm: 'cpe, "1"', password: GOOD.password, method: 'GET', uri: '/cr?id=1',
    nonce, nc: get('nc'), cnonce: get('cnonce'), qop: param(part, 'qop'),
  }); // biome-ignore format: one line per group
  return (
    get('response') === expected &&
    get('nonce') === nonce &&
    get('uri') === '/cr?id=1' &&
    get('username') === GOOD.username
  );
}

const REALM = String.raw`realm="cpe, \"1\""`;

test.each([
  ['200', OK, 'accepted'],
  ['204 (FIELD 39)', NO_CONTENT, 'accepted'],
  ['503 (FIELD 39)', BUSY, 'busy'],
  [
    'a redirect, not followed (R4)',
    'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
    'unreachable',
  ],
  ['404', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', 'unreachable'],
  ['HTTP/1.0 without a length', 'HTTP/1.0 200 OK\r\n\r\nhello', 'accepted'],
  ['line feeds alone', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'accepted'],
  ['something that is not HTTP', 'SSH-2.0-dropbear\r\n\r\n', 'unreachable'],
])('connection request: the CPE answers %s', async (_name, write, outcome) => {
  const { target, seen } = await cpe(() => ({ write, close: true }));
  expect(await ask(target)).toMatchObject({ outcome });
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatchObject({ line: 'GET /cr?id=1 HTTP/1.1', authorization: null, host: target.host });
});

test.each(DIGEST_ALGORITHMS)(
  'connection request: digest %s, first without credentials, then with (R1, FIELD 53)',
  async (algorithm) => {
    const { target, seen } = await cpe(({ authorization }) => ({
      write: isRight(authorization, 'n1', algorithm)
        ? OK
        : demand(`Digest ${REALM}, qop="auth", algorithm=${algorithm}, nonce="n1", opaque="o"`),
    }));
    expect(await ask(target)).toEqual({ outcome: 'accepted', why: 'HTTP 200' });
    expect(seen.map((request) => [request.authorization !== null, request.connection])).toEqual([
      [false, 1],
      [true, 1],
    ]);
    expect(seen[1]?.authorization).toContain(`algorithm=${algorithm}`);
    expect(seen[1]?.authorization).toContain('opaque="o"');
  },
);

test.each([
  ['no qop', `Digest ${REALM}, nonce="n1"`],
  ['qop="auth,auth-int" (FIELD 41)', `Digest ${REALM}, nonce="n1", qop="auth,auth-int"`],
  ['qop unquoted, the other order', `Digest ${REALM}, nonce="n1", qop=auth-int,auth`],
  ['trailing commas (FIELD 41)', `Digest ${REALM}, nonce="n1", qop="auth",,`],
  ['an empty opaque', `Digest ${REALM}, nonce="n1", opaque=""`],
  ['Basic offered first', `Basic realm="b", Digest ${REALM}, nonce="n1"`],
  [
    'an algorithm we do not have offered first',
    `Digest ${REALM}, nonce="x", algorithm=SHA-512-256, Digest ${REALM}, nonce="n1"`,
  ],
  ['folded lines', `Digest ${REALM},\r\n nonce="n1",\r\n\tqop="auth"`],
])('connection request: challenge with %s', async (_name, challenge) => {
  const { target, seen } = await cpe(({ authorization }) => ({
    write: isRight(authorization, 'n1') ? NO_CONTENT : demand(challenge),
  }));
  expect(await ask(target)).toMatchObject({ outcome: 'accepted' });
  expect(seen[1]?.authorization?.includes('opaque')).toBe(challenge.includes('opaque'));
  expect(seen[1]?.authorization?.includes('algorithm')).toBe(false);
});

test.each([
  [
    'closes after the 401 and says so',
    demand(`Digest ${REALM}, nonce="n1"`, 'Connection: close\r\nContent-Length: 0\r\n'),
    true,
  ],
  ['closes after the 401 without a word', demand(`Digest ${REALM}, nonce="n1"`), true],
  ['sends neither length nor end of the body', demand(`Digest ${REALM}, nonce="n1"`, ''), false],
  ['cuts the body short', demand(`Digest ${REALM}, nonce="n1"`, 'Content-Length: 100\r\n', 'half'), true],
  [
    'sends a huge body',
    demand(`Digest ${REALM}, nonce="n1"`, 'Content-Length: 9999999\r\n', 'x'.repeat(200_000)),
    false,
  ],
])(
  'connection request: the CPE %s; the second round takes a new connection (FIELD 38)',
  async (_name, write, close) => {
    const { target, seen } = await cpe(({ authorization }) =>
      isRight(authorization, 'n1') ? { write: OK } : { write, close },
    );
    expect(await ask(target)).toMatchObject({ outcome: 'accepted' });
    // The second request may already have been on its way when the connection closed.
    expect(seen.at(-1)).toMatchObject({ connection: 2, authorization: expect.stringContaining('Digest') });
  },
);

test('connection request: a kept connection that breaks as the second round is sent is replaced once', async () => {
  const { target, seen } = await cpe(({ authorization, connection }) => {
    if (authorization === null) return { write: demand(`Digest ${REALM}, nonce="n1"`) };
    return connection === 1 ? 'reset' : { write: OK };
  });
  expect(await ask(target)).toMatchObject({ outcome: 'accepted' });
  expect(seen.map((request) => request.connection)).toEqual([1, 1, 2]);
});

test('connection request: several credentials are tried in order, each on the newest nonce (FIELD 40)', async () => {
  const { target, seen } = await cpe(({ authorization }, count) => ({
    write: isRight(authorization, `n${count - 1}`) ? OK : demand(`Digest ${REALM}, nonce="n${count}"`),
  }));
  const wrong = { username: 'acs', password: 'old' };
  expect(await ask(target, [wrong, { username: 'other', password: 'x' }, GOOD])).toMatchObject({ outcome: 'accepted' });
  expect(seen).toHaveLength(4);
});

test('connection request: a stale nonce gives the same credentials one more round', async () => {
  const { target, seen } = await cpe(({ authorization }, count) => ({
    write: isRight(authorization, 'n2')
      ? OK
      : demand(`Digest ${REALM}, nonce="n${count}"${count === 2 ? ', stale=TRUE' : ''}`),
  }));
  expect(await ask(target, [GOOD])).toMatchObject({ outcome: 'accepted' });
  expect(seen).toHaveLength(3);
});

test('connection request: a CPE that calls every nonce stale is not asked for ever', async () => {
  const { target, seen } = await cpe(() => ({ write: demand(`Digest ${REALM}, nonce="n", stale=true`) }));
  expect(await ask(target, [GOOD, GOOD])).toMatchObject({ outcome: 'unauthorized' });
  expect(seen).toHaveLength(5);
});

test('connection request: wrong credentials, none, and a 401 without a challenge are unauthorized (R2)', async () => {
  const { target } = await cpe(() => ({ write: demand(`Digest ${REALM}, nonce="n"`) }));
  expect(await ask(target)).toEqual({ outcome: 'unauthorized', why: 'wrong user name or password' });
  expect(await ask(target, [])).toMatchObject({
    outcome: 'unauthorized',
    why: expect.stringContaining('none are known'),
  });
  server?.close();
  const silent = await cpe(() => ({ write: 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n' }));
  expect(await ask(silent.target)).toEqual({ outcome: 'unauthorized', why: 'no usable challenge: none at all' });
});

test('connection request: Basic is answered only where it is allowed', async () => {
  const { target, seen } = await cpe(({ authorization }) => ({
    write: authorization === `Basic ${encodeBasic('acs', 'secret')}` ? OK : demand('Basic realm="cpe"'),
  }));
  expect(await ask(target, [GOOD], { allowBasic: false })).toEqual({
    outcome: 'unauthorized',
    why: 'no usable challenge: basic',
  });
  expect(seen).toHaveLength(1);
  expect(await ask(target)).toMatchObject({ outcome: 'accepted' });
});

test('connection request: a CPE that never answers is given up after the whole time, not after each round', async () => {
  const { target, seen } = await cpe(({ authorization }) =>
    authorization === null ? { write: demand(`Digest ${REALM}, nonce="n"`) } : 'hang',
  );
  const started = performance.now();
  expect(await ask(target, [GOOD], { timeoutMs: 300 })).toEqual({
    outcome: 'unreachable',
    why: 'no answer within 300 ms',
  });
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(seen).toHaveLength(2);
});

test('connection request: closing the waker ends a request under way', async () => {
  const abort = new AbortController();
  const { target } = await cpe(() => {
    abort.abort();
    return 'hang';
  });
  expect(await ask(target, [GOOD], { signal: abort.signal })).toMatchObject({ outcome: 'unreachable' });
});

test('connection request: headers without end are cut off at the limit', async () => {
  const { target } = await cpe(() => ({ write: `HTTP/1.1 200 OK\r\n${'X-Filler: y\r\n'.repeat(20_000)}` }));
  expect(await ask(target)).toMatchObject({
    outcome: 'unreachable',
    why: expect.stringContaining('HPE_HEADER_OVERFLOW'),
  });
});

test('connection request: a port nobody listens at, and a connection reset, are unreachable', async () => {
  const { target } = await cpe(() => 'reset');
  expect(await ask(target)).toEqual({ outcome: 'unreachable', why: 'the connection was closed without an answer' });
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  expect(await ask({ ...target, port })).toMatchObject({
    outcome: 'unreachable',
    why: expect.stringContaining('refused'),
  });
});

test('connection request: an IPv6 literal (FIELD 49)', async () => {
  const { target, seen } = await cpe(() => ({ write: OK }), '::1').catch(() => ({ target: null, seen: [] as Seen[] }));
  if (target === null) {
    console.log('skipped: this machine has no IPv6 loopback');
    return;
  }
  expect(await ask(target)).toMatchObject({ outcome: 'accepted' });
  expect(seen[0]?.host).toBe(`[::1]:${target.port}`);
});

test('connection request: https with a self-signed certificate, both rounds (FIELD 49)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-tls-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    const subject = ['-subj', '/CN=cpe', '-days', '1', '-nodes'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-keyout', keyFile, '-out', certFile, ...subject], {
      stdio: 'ignore',
    });
  } catch {
    rmSync(folder, { recursive: true, force: true });
    console.log('skipped: no openssl on this machine');
    return;
  }
  const secure = createHttps({ key: readFileSync(keyFile), cert: readFileSync(certFile) }, (request, response) => {
    const right = isRight(request.headers.authorization ?? null, 'n1');
    response.writeHead(right ? 200 : 401, right ? {} : { 'WWW-Authenticate': `Digest ${REALM}, nonce="n1"` }).end();
  });
  server = secure;
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  const { port } = secure.address() as AddressInfo;
  const target = { tls: true, address: '127.0.0.1', port, host: `127.0.0.1:${port}`, serverName: '', path: '/cr?id=1' };
  expect(await ask(target)).toMatchObject({ outcome: 'accepted' });
  rmSync(folder, { recursive: true, force: true });
});

test('answerChallenge: the RFC 2617 example, as sent', () => {
  const challenges = parseAuthHeader(
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
  );
  const header = answerChallenge(
    challenges,
    { username: 'Mufasa', password: 'Circle Of Life' },
    '/dir/index.html',
    false,
    '0a4f113b',
  );
  expect(header).toBe(
    'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", ' +
      'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41", qop=auth, nc=00000001, cnonce="0a4f113b"',
  );
});
