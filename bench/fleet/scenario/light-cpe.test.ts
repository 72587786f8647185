import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { DEFAULT_STYLE } from '../../../cwmp/envelope-style.ts';
import { writeRequest } from '../../../cwmp/soap-writer.ts';
import { InformRequests } from './cpe-bytes.ts';
import { LightSession, type SessionContext } from './light-cpe.ts';
import type { ClassName } from './scenarios.ts';

const NAMESPACE = 'urn:dslforum-org:cwmp-1-2';
const INFORMED = answer(200, 'an InformResponse', ['Set-Cookie: session=abc; Path=/', 'Set-Cookie: other=1']);
const OVER = 'HTTP/1.1 204 No Content\r\n\r\n';

function answer(status: number, body: string, lines: string[] = []): string {
  return `HTTP/1.1 ${status} Some Words\r\n${lines.map((line) => `${line}\r\n`).join('')}Content-Length: ${body.length}\r\n\r\n${body}`;
}

const rpc = (method: string, args: Record<string, unknown>): string =>
  answer(200, writeRequest(DEFAULT_STYLE, NAMESPACE, '1', method, args));

/** What the ACS does with a request: the bytes of its answer, or something with the socket. */
type Step = string | ((socket: Socket) => void);

let server: Server | null = null;
afterEach(() => void server?.close());

/** An ACS that answers the n-th request, on whatever connection, with the n-th step; and what it was sent. */
async function acs(
  steps: Step[],
  bytewise = false,
): Promise<{ port: number; heard: string[]; connections: () => number }> {
  const heard: string[] = [];
  let connections = 0;
  server = createServer((socket) => {
    connections++;
    let text = '';
    socket.on('error', () => {});
    socket.on('data', async (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0 || text.length < end + 4 + Number(/Content-Length: (\d+)/.exec(text)![1])) return;
      const step = steps[heard.push(text) - 1]!;
      text = '';
      if (typeof step !== 'string') step(socket);
      else if (!bytewise) socket.write(step);
      else {
        for (const byte of step) {
          socket.write(byte);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, heard, connections: () => connections };
}

async function sessions(port: number, count = 1, name: ClassName = 'periodic'): Promise<LightSession[]> {
  const target = { host: 'acs', path: '/' };
  let over = (): void => {};
  const context: SessionContext = {
    ...{
      host: '127.0.0.1',
      port,
      target,
      requests: new InformRequests(target),
      patience: { connectMs: 200, answerMs: 200 },
    },
    now: () => performance.now(),
    over: () => over(),
  };
  const session = new LightSession(context);
  session.who.name = name;
  const watch = setInterval(() => {
    if (performance.now() > session.deadlineAt) session.timedOut();
  }, 10);
  const ended: LightSession[] = [];
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => {
      over = resolve;
      session.begin(i);
    });
    ended.push(Object.assign(Object.create(LightSession.prototype), session));
  }
  clearInterval(watch);
  return ended;
}

test.each([false, true])('Inform, empty POST with the cookies, 204: served (byte by byte: %s)', async (bytewise) => {
  const { port, heard } = await acs([INFORMED, OVER], bytewise);
  const [session] = await sessions(port);
  expect(session).toMatchObject({ outcome: 'served', failure: null, rpcs: 0 });
  expect(heard[0]).toContain('<EventCode>2 PERIODIC</EventCode>');
  expect(heard[1]).toMatch(/\r\nCookie: session=abc; other=1\r\nContent-Length: 0\r\n\r\n$/);
  const { startedAt, connectedAt, informedAt, endedAt } = session!;
  expect([startedAt, connectedAt, informedAt, endedAt].toSorted((a, b) => a - b)).toEqual([
    startedAt,
    connectedAt,
    informedAt,
    endedAt,
  ]);
  expect(informedAt).toBeGreaterThan(0);
});

test('an object is used for one session after the other', async () => {
  const { port, connections } = await acs([INFORMED, OVER, answer(503, ''), INFORMED, OVER]);
  const outcomes = (await sessions(port, 3)).map(({ outcome }) => outcome);
  expect(outcomes).toEqual(['served', 'shed', 'served']);
  expect(connections()).toBe(3);
});

test('requests of the ACS are answered until it has none', async () => {
  const value = { Name: 'Device.X', Value: 'v', Type: 'xsd:string' };
  const { port, heard } = await acs([
    INFORMED,
    rpc('SetParameterValues', { ParameterList: [value], ParameterKey: '' }),
    rpc('GetParameterValues', { ParameterNames: ['Device.X'] }),
    OVER,
  ]);
  const [session] = await sessions(port, 1, 'operator');
  expect(session).toMatchObject({ outcome: 'served', rpcs: 2 });
  expect(heard[2]).toContain('SetParameterValuesResponse');
  expect(heard[3]).toContain('GetParameterValuesResponse');
});

test('a firmware session completes its transfer before it asks', async () => {
  const { port, heard } = await acs([INFORMED, answer(200, 'a TransferCompleteResponse'), OVER]);
  const [session] = await sessions(port, 1, 'firmware');
  expect(session!.outcome).toBe('served');
  expect(heard[1]).toContain('<CommandKey>firmware-wave</CommandKey>');
  expect(heard[2]).toContain('Content-Length: 0');
});

test('a connection closed between two requests is opened anew', async () => {
  const closing = answer(200, 'an InformResponse', ['Set-Cookie: session=abc', 'Connection: close']);
  const { port, heard, connections } = await acs([(socket) => void socket.end(closing), OVER]);
  expect((await sessions(port))[0]!.outcome).toBe('served');
  expect(connections()).toBe(2);
  expect(heard[1]).toContain('Cookie: session=abc\r\n');
});

test.each([
  ['503 is shed', [answer(503, '', ['Retry-After: 42', 'Connection: close'])], 'shed', null, 42],
  [
    '503 of an ACS that writes in small letters',
    ['HTTP/1.1 503 x\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno'],
    'shed',
    null,
    7,
  ],
  ['503 in mid-session', [INFORMED, answer(503, '')], 'failed', 'shed in mid-session', 0],
  ['a connection that is reset', [(socket) => void socket.resetAndDestroy()], 'failed', 'connection reset', 0],
  ['a connection that is closed', [(socket) => void socket.end()], 'failed', 'closed before an answer', 0],
  ['half an answer', [(socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Le')], 'failed', 'half an answer', 0],
  ['half a body', [(socket) => void socket.end(INFORMED.slice(0, -3))], 'failed', 'half an answer', 0],
  ['silence', [() => {}], 'failed', 'no answer in time', 0],
  ['silence after half an answer', [(socket) => void socket.write('HTTP/1.1 2')], 'failed', 'no answer in time', 0],
  ['401', [answer(401, '')], 'failed', 'another answer', 0],
  ['204 to an Inform', [OVER], 'failed', 'another answer', 0],
  ['something that is no HTTP', ['SSH-2.0-OpenSSH\r\n\r\n'], 'failed', 'another answer', 0],
] satisfies [string, Step[], string, string | null, number][])(
  '%s',
  async (_name, steps, outcome, failure, retryAfterSeconds) => {
    const { port } = await acs(steps);
    expect((await sessions(port))[0]).toMatchObject({ outcome, failure, retryAfterSeconds });
  },
);

test('a port nobody listens on', async () => {
  const { port } = await acs([]);
  server!.close();
  await once(server!, 'close');
  expect((await sessions(port))[0]).toMatchObject({ outcome: 'failed', failure: 'connection refused' });
});
