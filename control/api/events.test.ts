import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { silentLog } from '../../base/log.ts';
import { createApi } from './app.ts';
import { startApi } from './server.ts';
import { DEVICE_ID, errorOf, memoryServices } from './services.test-helper.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function setUp(heartbeatMs = 60_000) {
  const memory = memoryServices();
  const needs = { services: memory.services, log: silentLog, registry: new Registry(), host: '127.0.0.1', port: 0 };
  const server = await startApi({ ...needs, heartbeatMs });
  open.push(() => server.close());
  const get = (query = '', lastEventId?: string, method = 'GET') => {
    const headers: Record<string, string> = { authorization: 'Bearer stl_noc' };
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId;
    return fetch(`${server.url}/api/v1/events${query}`, { method, headers });
  };
  /** Opens a stream and reads it frame by frame. */
  const follow = async (query = '', lastEventId?: string) => {
    const reader = (await get(query, lastEventId)).body!.pipeThrough(new TextDecoderStream()).getReader();
    open.push(() => reader.cancel());
    let text = '';
    /** The next frame as it stands on the wire; null when the stream has ended. */
    const frame = async (): Promise<string | null> => {
      for (;;) {
        const end = text.indexOf('\n\n');
        if (end >= 0) {
          const found = text.slice(0, end);
          text = text.slice(end + 2);
          return found;
        }
        const { value, done } = await reader.read();
        if (done) return null;
        text += value;
      }
    };
    expect(await frame()).toBe('retry: 2000');
    const ids = async (count: number) => {
      const found: string[] = [];
      for (let i = 0; i < count; i++) found.push(/^id: (\d+)$/m.exec((await frame())!)![1]!);
      return found;
    };
    return { frame, ids, cancel: () => reader.cancel() };
  };
  return { ...memory, server, get, follow };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test('an event arrives with its id, kind and entry', async () => {
  const { follow, emit, listeners } = await setUp();
  const stream = await follow();
  await until(() => listeners.size === 1);
  const entry = emit('inform');
  expect(await stream.frame()).toBe(`id: 1\nevent: inform\ndata: ${JSON.stringify(entry)}`);
});

test('a stream without Last-Event-ID starts now', async () => {
  const { follow, emit, listeners } = await setUp();
  emit('inform');
  const stream = await follow();
  await until(() => listeners.size === 1);
  emit('inform');
  expect(await stream.ids(1)).toEqual(['2']);
});

test('a stream with Last-Event-ID goes on behind it, past the stored ones, without gap or repetition', async () => {
  const { follow, emit, listeners } = await setUp();
  for (let i = 0; i < LIMITS.pageRowsMax + 10; i++) emit('inform');
  const stream = await follow('', '5');
  await until(() => listeners.size === 1);
  for (let i = 0; i < 10; i++) emit('inform');
  const expected = Array.from({ length: LIMITS.pageRowsMax + 15 }, (_, i) => String(i + 6));
  expect(await stream.ids(expected.length)).toEqual(expected);
});

test('events committed while the store is read arrive once', async () => {
  const { follow, emit, services } = await setUp();
  emit('inform');
  const since = services.events.since;
  services.events.since = async (...args) => {
    emit('inform'); // In the live queue and in this page.
    const page = await since(...args);
    emit('inform'); // In the live queue, but not in this page.
    return page;
  };
  const stream = await follow('', '0');
  expect(await stream.ids(3)).toEqual(['1', '2', '3']);
  emit('inform');
  expect(await stream.ids(1)).toEqual(['4']);
});

test('a reader too slow for the queue gets everything all the same, from the store', async () => {
  const { follow, emit, listeners, log } = await setUp();
  const stream = await follow();
  await until(() => listeners.size === 1);
  // All in one turn of the event loop: nothing can be read in between.
  const count = LIMITS.eventQueueMax * 3;
  for (let i = 0; i < count; i++) emit('inform');
  expect(await stream.ids(count)).toEqual(Array.from({ length: count }, (_, i) => String(i + 1)));
  expect(log.sinceCalls).toBeGreaterThan(1);
});

test('filters hold for stored and live events alike', async () => {
  const { follow, emit, listeners } = await setUp();
  emit('action.done');
  emit('inform');
  emit('action.done', 'other');
  const stream = await follow(`?kind=action.&deviceId=${DEVICE_ID}`, '0');
  expect(await stream.ids(1)).toEqual(['1']);
  await until(() => listeners.size === 1);
  emit('inform');
  emit('action.failed');
  expect(await stream.ids(1)).toEqual(['5']);
});

test('a quiet stream says something now and then', async () => {
  const { follow } = await setUp(5);
  const stream = await follow();
  expect(await stream.frame()).toBe(': heartbeat');
  expect(await stream.frame()).toBe(': heartbeat');
});

test('a caller that goes away is forgotten', async () => {
  const { follow, listeners } = await setUp();
  const stream = await follow();
  await until(() => listeners.size === 1);
  await stream.cancel();
  await until(() => listeners.size === 0);
});

test('a reader that closes the stream ends it, even when its connection says nothing', async () => {
  const memory = memoryServices();
  const { api } = createApi({ services: memory.services, log: silentLog, registry: new Registry() });
  const answer = await api.request('/api/v1/events', { headers: { authorization: 'Bearer stl_noc' } });
  const reader = answer.body!.getReader();
  await reader.read();
  await until(() => memory.listeners.size === 1);
  await reader.cancel();
  expect(memory.listeners.size).toBe(0);
});

test('stopping ends the streams', async () => {
  const { follow, listeners, server } = await setUp();
  const stream = await follow();
  await until(() => listeners.size === 1);
  open.shift();
  await server.close();
  expect(await stream.frame()).toBeNull();
});

test('a store that fails ends the stream, so that the caller comes again', async () => {
  const { follow, services, listeners } = await setUp();
  services.events.since = () => Promise.reject(new Error('connection lost'));
  const stream = await follow('', '0');
  expect(await stream.frame()).toBeNull();
  expect(listeners.size).toBe(0);
});

test('one stream too many is 429 with Retry-After; a place given back is free again', async () => {
  const { follow, get, listeners } = await setUp();
  const streams = [];
  for (let i = 0; i < LIMITS.eventStreamsMax; i++) streams.push(await follow());
  const refused = await get();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
  expect((await errorOf(refused)).code).toBe('too-many-open');
  await streams[0]!.cancel();
  await until(() => listeners.size === LIMITS.eventStreamsMax - 1);
  await follow();
});

test('HEAD tells the type and takes no place', async () => {
  const { get, listeners } = await setUp();
  const answer = await get('', undefined, 'HEAD');
  expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(listeners.size).toBe(0);
});

test.each(['x', '-1', '1e3', '9'.repeat(19)])('the Last-Event-ID %s is refused', async (id) => {
  const { get } = await setUp();
  expect((await get('', id)).status).toBe(400);
});
