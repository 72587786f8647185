// CPEs on slow lines, and senders that are no CPE at all. Real time, because what is tested are the time-outs of uWebSockets.js and our own
// over them; all cases run at once, so the file takes as long as its longest. The 3 MB answer is in slow-full.test.ts.

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { namesResponse } from '../../bench/reference-inform.ts';
import { requestOf, Wire, WireCpe } from '../conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import { openSession } from './bad-input.test-helper.ts';
import { trickle, writeAt } from './slow.test-helper.ts';

/** uWebSockets.js closes what idles for 10 s, and looks every 4 s. */
const IDLE_MS = 14_500;
const HEAD = 'POST / HTTP/1.1\r\nHost: acs\r\n';

let edge: TestEdge;
beforeAll(async () => {
  edge = await startTestEdge();
});
afterAll(() => edge.close());

/** An answer of about 96 kB to a GetParameterNames, and the action that asked. */
async function asked(cpe: WireCpe): Promise<{ actionId: string; count: number; answer: Buffer }> {
  const args = { method: 'GetParameterNames', arguments: { ParameterPath: 'Device.', NextLevel: false } };
  const actionId = await edge.act(cpe.cpeId, 'rpc', args);
  const request = requestOf(await cpe.begin(), 'GetParameterNames');
  const count = Math.ceil(96_000 / (namesResponse(101).length - namesResponse(100).length));
  const text = namesResponse(count).toString().replace('>a3<', `>${request.envelope.id}<`);
  return { actionId, count, answer: Buffer.from(text) };
}

async function expectWhole(actionId: string, count: number): Promise<void> {
  const result = await edge.result(actionId, 20_000);
  expect(result.outcome).toBe('done');
  expect((result.data as { ParameterList: unknown[] }).ParameterList).toHaveLength(count);
}

test.concurrent('slow: a 96 kB answer at 4 kB/s arrives whole', { timeout: 90_000 }, async () => {
  const cpe = new WireCpe(edge.port);
  const { actionId, count, answer } = await asked(cpe);
  const startedAt = performance.now();
  await writeAt(cpe, answer, 4_000);
  expect((await cpe.read()).status).toBe(204);
  // Longer than the library by itself allows, or nothing was tested.
  expect(performance.now() - startedAt).toBeGreaterThan(20_000);
  await expectWhole(actionId, count);
  cpe.close();
});

test.concurrent('slow: an answer that begins late and outlasts the session timeout arrives whole', {
  timeout: 120_000,
}, async () => {
  const cpe = new WireCpe(edge.port);
  const { actionId, count, answer } = await asked(cpe);
  const askedAt = performance.now();
  await pause(44_000);
  cpe.reconnect();
  await writeAt(cpe, answer, 4_000);
  expect((await cpe.read()).status).toBe(204);
  expect(performance.now() - askedAt).toBeGreaterThan(LIMITS.sessionTimeoutMs + 2_000);
  await expectWhole(actionId, count);
  cpe.close();
});

test.concurrent('slow: a CPE that is silent for 25 s in mid-session goes on', { timeout: 90_000 }, async () => {
  const { cpe, finish } = await openSession(edge);
  await pause(25_000);
  // The library closes idle connections; `finish` takes the same one where it is still open, else a new one, as a CPE does (CWMP H12).
  await finish();
  cpe.close();
});

test.concurrent('slow: a CPE that is silent for 8 s goes on over the same connection', {
  timeout: 90_000,
}, async () => {
  const { cpe, finish } = await openSession(edge);
  const { wire } = cpe;
  await pause(8_000);
  await finish();
  expect(cpe.wire).toBe(wire);
});

test.concurrent('slow: 12 kB of headers at 4 kB/s are read', { timeout: 90_000 }, async () => {
  const wire = new WireCpe(edge.port);
  await trickle(wire, Buffer.from(`${HEAD}X-Long: ${'x'.repeat(12_000)}\r\nContent-Length: 0\r\n\r\n`), 4_000);
  expect((await wire.read()).status).toBe(204);
  wire.close();
});

test.concurrent('slow: headers at 50 B/s are shed with their connection', { timeout: 90_000 }, async () => {
  const opened = await edge.metric('starling_connections_opened_total');
  const cpe = new WireCpe(edge.port);
  const startedAt = performance.now();
  cpe.wire.write(`${HEAD}X-Long: `);
  const sent = await trickle(cpe, Buffer.alloc(12_000, 'x'), 50);
  await cpe.wire.closed();
  expect(performance.now() - startedAt).toBeLessThan(IDLE_MS);
  expect(sent).toBeGreaterThan(300);
  expect(sent).toBeLessThan(1_000);
  expect(await edge.metric('starling_connections_opened_total')).toBeGreaterThan(opened);
});

test.concurrent.each([
  ['at 50 B/s', `${HEAD}Content-Length: 10000\r\n\r\n`],
  ['at 50 B/s in one large chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\nfffff\r\n`],
])(
  'slow: a body %s is 408 after the grace, its connection closed, while others are served',
  {
    timeout: 90_000,
  },
  async (_, head) => {
    const tooSlow = await edge.metric('starling_bodies_failed_total', 'too-slow');
    const cpe = new WireCpe(edge.port);
    const startedAt = performance.now();
    cpe.wire.write(head);
    const dripping = trickle(cpe, Buffer.alloc(10_000, 'x'), 50);
    await pause(LIMITS.bodyGraceMs / 2);
    await (await openSession(edge)).finish();
    expect((await cpe.read()).status).toBe(408);
    await cpe.wire.closed();
    expect(performance.now() - startedAt).toBeLessThan(LIMITS.bodyGraceMs + 8_000);
    await dripping;
    expect(await edge.metric('starling_bodies_failed_total', 'too-slow')).toBeGreaterThan(tooSlow);
  },
);

test.concurrent.each<[string, string]>([
  ['a body that is shorter than its Content-Length', `${HEAD}Content-Length: 4000\r\n\r\n<a/>`],
  ['headers without the body they announce', `${HEAD}Content-Length: 4000\r\n\r\n`],
  ['chunks that never end', `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n`],
  [
    'a chunk with an extension, which the library does not read',
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n4;a=b\r\n<a/>\r\n0\r\n\r\n`,
  ],
])('slow: %s is 408 after the grace, and counted', { timeout: 90_000 }, async (_, bytes) => {
  const tooSlow = await edge.metric('starling_bodies_failed_total', 'too-slow');
  const own = await openSession(edge);
  const wire = new Wire(edge.port);
  wire.write(bytes.replace(HEAD, `${HEAD}Cookie: ${own.cpe.cookie}\r\n`));
  expect((await wire.read()).status).toBe(408);
  await wire.closed();
  expect(await edge.metric('starling_bodies_failed_total', 'too-slow')).toBeGreaterThan(tooSlow);
  await own.finish();
});

// What uWebSockets.js takes for a request that is still to come is closed unanswered: no code of ours runs, so there is nobody to answer.
test.concurrent.each<[string, string]>([
  ['nothing at all', ''],
  ['a request line alone', 'POST / HTTP/1.1\r\nHost:'],
  ['a line that is no request', 'hello\r\n\r\n'],
  ['an empty line before the request', `\r\n${HEAD}Content-Length: 0\r\n\r\n`],
  ['a folded header', `${HEAD}X-Long: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
  ['a blank before the colon of a header', `${HEAD}Content-Length : 0\r\n\r\n`],
  ['a NUL in a header', `${HEAD}X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n`],
])('slow: %s is no request, and its connection closes after the idle time', { timeout: 90_000 }, async (_, bytes) => {
  const opened = await edge.metric('starling_connections_opened_total');
  const wire = new Wire(edge.port);
  const startedAt = performance.now();
  wire.write(bytes);
  await wire.closed();
  expect(performance.now() - startedAt).toBeLessThan(IDLE_MS);
  expect(await edge.metric('starling_connections_opened_total')).toBeGreaterThan(opened);
});
