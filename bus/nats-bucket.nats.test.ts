import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { BusError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { freePort, NATS_SERVER, startNats, type TestNats } from '../test/nats.test-helper.ts';
import { type NatsTransport, openNats } from './nats.ts';
import { claimsOf } from './subjects.ts';

const WITHIN = { timeout: 20_000, interval: 20 };
const opened: NatsTransport[] = [];

async function open(url: string, name: string, domain: string | null = null): Promise<NatsTransport> {
  const no = { credentials: null, nkey: null, ca: null, certificate: null, key: null };
  const transport = await openNats({ url, ...no, domain, replicas: null, name }, silentLog, new Registry());
  opened.push(transport);
  return transport;
}

describe.skipIf(NATS_SERVER === null)('a bucket of a real nats-server', () => {
  let server: TestNats;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(async () => {
    await Promise.all(opened.map((transport) => transport.close()));
    await server.stop();
  });

  test('of two that write over the same revision one comes through', async () => {
    const one = (await open(server.url, 'e1')).bucket(claimsOf('pop'));
    const two = (await open(server.url, 'e2')).bucket(claimsOf('pop'));
    expect(await one.get('action.a')).toBeNull();
    const made = await Promise.all([one.put('action.a', 'one', 0), two.put('action.a', 'two', 0)]);
    expect(made.filter((revision) => revision === null)).toHaveLength(1);
    const entry = await two.get('action.a');
    expect(entry).toEqual({ value: made[0] === null ? 'two' : 'one', revision: made.find((one) => one !== null) });
    const revision = entry?.revision ?? 0;
    const later = await Promise.all([1, 2, 3, 4].map((i) => (i % 2 ? one : two).put('action.a', `v${i}`, revision)));
    expect(later.filter((one) => one !== null)).toHaveLength(1);
    expect(await one.put('action.a', 'late', revision)).toBeNull();
  });

  test('what was written is there after the server was killed, and nobody waits for one that is away', async () => {
    const bucket = (await open(server.url, 'e3')).bucket(claimsOf('kill'));
    const revision = await bucket.put('action.k', 'kept', 0);
    await server.kill();
    const startedAt = performance.now();
    await vi.waitFor(async () => {
      const failure = await bucket.get('action.k').catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(BusError);
    }, WITHIN);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await server.restart();
    await vi.waitFor(async () => expect(await bucket.get('action.k')).toEqual({ value: 'kept', revision }), WITHIN);
  });

  test('behind a leaf it is in the domain of the leaf: the hub may be away', async () => {
    const leafPort = await freePort();
    const hub = await startNats({
      config: `server_name: hub\njetstream { store_dir: "DIR/store", domain: hub }\nleafnodes { listen: "127.0.0.1:${leafPort}" }\n`,
    });
    const leaf = await startNats({
      config: `server_name: leaf\njetstream { store_dir: "DIR/store", domain: pop1 }\nleafnodes { remotes [ { url: "nats://127.0.0.1:${leafPort}" } ] }\n`,
    });
    try {
      const bucket = (await open(leaf.url, 'e4', 'hub')).bucket(claimsOf('pop1'));
      const revision = await bucket.put('action.l', 'before', 0);
      expect(revision).not.toBeNull();
      await hub.kill();
      expect(await bucket.put('action.l', 'cut', revision ?? 0)).not.toBeNull();
      expect((await bucket.get('action.l'))?.value).toBe('cut');
    } finally {
      await leaf.stop();
      await hub.stop();
    }
  });
});
