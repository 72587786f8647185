import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { AnyFactBody, FactBody } from '../bus/messages.ts';
import type { HttpWaker } from './http-waker.ts';
import type { DeviceRecord } from './store/store.ts';
import { type OpenWaker, openWaker } from './waker.ts';

const config = {
  connectionRequestNetworks: [],
  connectionRequestUsername: 'everyone',
  connectionRequestPassword: 'shared',
  connectionRequestBasic: true,
  popShared: false,
};

let cpe: Server;
let port = 0;
let seen: (string | undefined)[] = [];
let waker: HttpWaker | null = null;
beforeEach(async () => {
  seen = [];
  cpe = createServer((request, response) => {
    seen.push(request.headers.authorization);
    const known = request.headers.authorization === `Basic ${Buffer.from('everyone:shared').toString('base64')}`;
    response.writeHead(known ? 200 : 401, known ? {} : { 'WWW-Authenticate': 'Basic realm="cpe"' }).end();
  });
  await new Promise<void>((resolve) => cpe.listen(0, '127.0.0.1', resolve));
  ({ port } = cpe.address() as AddressInfo);
});
afterEach(() => {
  waker?.close();
  cpe.close();
});

/** Wakes one device, `device` as the store has it, and gives back the fact that came of it. */
async function wake(
  device: Partial<Pick<DeviceRecord, 'connectionRequestUrl'>> & { address: string },
  registry = new Registry(),
): Promise<FactBody<'wake'>> {
  return new Promise((resolve) => {
    const record = {
      cpe: { address: device.address },
      connectionRequestUrl: device.connectionRequestUrl,
      settings: { cpe: null, connectionRequest: [{ username: 'own', password: 'old' }] },
    };
    const store = {
      getDevice: () => record as unknown as DeviceRecord,
      getSettings: () => undefined,
      getSession: () => undefined,
      workOf: () => [],
      appendFacts: (facts: AnyFactBody[]) => {
        for (const fact of facts) if (fact.type === 'wake') resolve(fact.body);
        return { last: 1, durable: Promise.resolve() };
      },
    } satisfies OpenWaker['store'];
    waker = openWaker({ store, contactMark: () => 0, nudge() {}, config, log: silentLog, registry });
    waker.wake('00D09E-1', 'set');
  });
}

test('a wake asks at the URL of the last Inform, with the own credentials first and the common ones then, and becomes a fact', async () => {
  const registry = new Registry();
  const fact = await wake({ address: '127.0.0.1', connectionRequestUrl: `http://127.0.0.1:${port}/cr` }, registry);
  expect(fact).toMatchObject({ cpeId: '00D09E-1', outcome: 'accepted', method: 'http', why: 'set: HTTP 200' });
  expect(seen.map((header) => header && Buffer.from(header.slice(6), 'base64').toString())).toEqual([
    undefined,
    'own:old',
    'everyone:shared',
  ]);
  expect(await registry.metrics()).toContain('starling_wakes_total{outcome="accepted"} 1');
});

test('a URL that points elsewhere than the CPE is refused without a packet (R4)', async () => {
  const fact = await wake({ address: '192.0.2.7', connectionRequestUrl: `http://127.0.0.1:${port}/cr` });
  expect(fact).toMatchObject({ outcome: 'refused', why: expect.stringContaining('192.0.2.7') });
  expect(seen).toEqual([]);
});

test('a CPE that told no URL is told of (R5)', async () => {
  expect(await wake({ address: '127.0.0.1', connectionRequestUrl: '' })).toMatchObject({ outcome: 'no-url' });
});

test('a configured network that is none stops the start', () => {
  const bad = { ...config, connectionRequestNetworks: ['lan'] };
  const parts = {
    store: {} as OpenWaker['store'],
    contactMark: () => 0,
    nudge() {},
    config: bad,
    log: silentLog,
    registry: new Registry(),
  };
  expect(() => openWaker(parts)).toThrow(ConfigError);
});
