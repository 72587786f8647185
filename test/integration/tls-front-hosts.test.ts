// The TLS front before two Starlings, each a process of its own: a reload of the front, an edge that drains, one that is killed, and both gone.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { Authority } from '../certificates.test-helper.ts';
import { requestOf, responseOf, WireCpe } from '../conformance/wire.test-helper.ts';
import { type Front, haproxyMissing, startFront } from '../haproxy.test-helper.ts';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';

const missing = haproxyMissing();
if (missing !== null) console.log(`skipped: the TLS front of several hosts, because ${missing}`);
const here = missing === null ? test : test.skip;

const METHODS = '<MethodList enc:arrayType="xsd:string[1]"><string>Inform</string></MethodList>';
const dir = mkdtempSync(join(tmpdir(), 'starling-front-hosts-'));
let hosts: [TestStarling, TestStarling];
let front: Front;
let ca = '';
const opened: WireCpe[] = [];
const simulated: SimulatedCpe[] = [];

const startHost = (name: string, env: Record<string, string> = {}, dataDir?: string): Promise<TestStarling> =>
  startStarling(
    {
      ...{ STARLING_EDGE_ID: name, STARLING_ADDRESS_HEADER: 'x-cpe-address', STARLING_DRAIN_SECONDS: '10' },
      // First contact plans nothing of its own.
      STARLING_MANAGE_CONNECTION_REQUEST: 'false',
      ...env,
    },
    dataDir,
  );
const portOf = ({ cwmpUrl }: TestStarling): string => new URL(cwmpUrl).port;

beforeAll(async () => {
  if (missing !== null) return;
  const authority = new Authority(dir, 'Provider');
  const server = authority.sign('/CN=localhost', {}, ['-addext', 'subjectAltName=DNS:localhost']);
  ca = readFileSync(authority.certFile, 'utf8');
  writeFileSync(join(dir, 'front.pem'), server.cert + server.key);
  hosts = await Promise.all([startHost('one'), startHost('two')]);
  front = await startFront({
    FRONT_CERTIFICATE: join(dir, 'front.pem'),
    FRONT_EDGE_1: `127.0.0.1:${portOf(hosts[0])}`,
    FRONT_EDGE_2: `127.0.0.1:${portOf(hosts[1])}`,
  });
});
afterEach(async () => {
  for (const cpe of opened.splice(0)) cpe.close();
  await Promise.all(simulated.splice(0).map((cpe) => cpe.stop()));
});
afterAll(async () => {
  await front?.close();
  for (const host of hosts ?? []) {
    await host.kill();
    host.clean();
  }
  rmSync(dir, { recursive: true, force: true });
});

let last = 1;
/** Each has an address of its own, by which it finds its edge. */
function newCpe(localAddress = `127.0.4.${last++}`): WireCpe {
  const cpe = new WireCpe(front.port, { localAddress, tls: { ca, servername: 'localhost' } });
  opened.push(cpe);
  return cpe;
}

/** CPEs that hold a session each second. */
async function startFleet(prefix: string, count: number): Promise<SimulatedCpe[]> {
  const cpes = Array.from(
    { length: count },
    (_, i) =>
      new SimulatedCpe({
        ...{ acsUrl: `https://localhost:${front.port}/`, tls: { ca }, connectionRequests: 'none' },
        ...{ serialNumber: `${prefix}${i}`, periodicInformSeconds: 1 },
      }),
  );
  simulated.push(...cpes);
  for (const cpe of cpes) await cpe.start();
  return cpes;
}

const sessionsOf = (cpes: SimulatedCpe[]) => cpes.flatMap(({ sessions }) => sessions);
const failedOf = (cpes: SimulatedCpe[]): string[] =>
  sessionsOf(cpes).flatMap(({ outcome, why }) => (outcome === 'failed' ? [why] : []));

here('front: a reload loses no session, and refuses nobody', { timeout: 60_000 }, async () => {
  const cpes = await startFleet('RELOAD', 12);
  await expect.poll(() => cpes.every(({ sessions }) => sessions.length > 0), { timeout: 20_000 }).toBe(true);
  const waiting = newCpe();
  responseOf(await waiting.inform(), 'Inform');
  for (let reload = 1; reload <= 3; reload++) {
    const before = sessionsOf(cpes).length;
    await front.reload();
    await expect.poll(() => sessionsOf(cpes).length, { timeout: 20_000 }).toBeGreaterThan(before + cpes.length);
  }
  expect(failedOf(cpes)).toEqual([]);
  // One that was silent in mid-session says its next POST on the connection it has; the process behind it is the first one.
  expect(waiting.wire.isOpen).toBe(true);
  const end = await waiting.empty();
  expect([end.status, end.header('Connection')]).toEqual([204, 'close']);
  console.log(`front: 3 reloads under ${sessionsOf(cpes).length} sessions, none failed`);
});

here(
  'front: an edge that drains ends its sessions, and the other takes the new ones',
  { timeout: 60_000 },
  async () => {
    const cpe = newCpe();
    responseOf(await cpe.inform(), 'Inform');
    const mine = cpe.cookie.startsWith('sid=e1~') ? 0 : 1;
    // Its session goes on, for there is work.
    const path = `/devices/${cpe.cpeId}`;
    await expect.poll(async () => (await hosts[mine].api('GET', path)).status, { timeout: 10_000 }).toBe(200);
    const rpc = { kind: 'rpc', method: 'GetRPCMethods', arguments: {} };
    await hosts[mine].api('POST', `${path}/actions`, rpc);
    // Until the work is on the edge its sessions end at once.
    let reply = await cpe.empty();
    while (reply.status === 204) {
      responseOf(await cpe.inform(), 'Inform');
      reply = await cpe.empty();
    }
    const request = requestOf(reply, 'GetRPCMethods');
    const stopped = hosts[mine].stop();
    await expect.poll(() => hosts[mine].log().includes('draining'), { timeout: 5_000 }).toBe(true);
    const others = Array.from({ length: 10 }, () => newCpe());
    for (const other of others) {
      responseOf(await other.inform(), 'Inform');
      expect((await other.reconnect().empty()).status).toBe(204);
      expect(other.cookie).toContain(mine === 0 ? 'sid=e2~' : 'sid=e1~');
    }
    const end = await cpe.answer(request, METHODS);
    expect([end.status, end.body]).toEqual([204, '']);
    expect(await stopped).toBe(0);
    hosts[mine] = await startHost(
      mine === 0 ? 'one' : 'two',
      { STARLING_CWMP_PORT: portOf(hosts[mine]) },
      hosts[mine].dataDir,
    );
  },
);

here(
  'front: an edge is killed: its CPEs are served by the other, and go home when it is back',
  { timeout: 90_000 },
  async () => {
    await isUp();
    const cpes = await startFleet('KILL', 12);
    await expect.poll(() => cpes.every(({ sessions }) => sessions.length > 1), { timeout: 30_000 }).toBe(true);
    const at = newCpe('127.0.0.1');
    responseOf(await at.inform(), 'Inform');
    const dead = at.cookie.startsWith('sid=e1~') ? 0 : 1;
    await hosts[dead].kill();
    const before = cpes.map(({ sessions }) => sessions.length);
    const since = Date.now();
    // All of them come from one address, so all were there. One whose session was cut repeats it by its retry policy, 5 to 10 s later.
    await expect
      .poll(
        () => cpes.every(({ sessions }, i) => sessions.slice(before[i]).some(({ outcome }) => outcome === 'ended')),
        {
          timeout: 30_000,
        },
      )
      .toBe(true);
    const seconds = ((Date.now() - since) / 1_000).toFixed(1);
    const failed = failedOf(cpes);
    expect(failed.length).toBeLessThanOrEqual(cpes.length);
    console.log(
      `front: an edge was killed; after ${seconds} s all ${cpes.length} CPEs had a session on the other one, ${failed.length} were cut`,
    );
    // A new one, and one that still has the cookie of the dead edge.
    const late = newCpe('127.0.0.1');
    late.cookie = at.cookie;
    responseOf(await late.inform(), 'Inform');
    expect(late.cookie).toContain(dead === 0 ? 'sid=e2~' : 'sid=e1~');

    hosts[dead] = await startHost(
      dead === 0 ? 'one' : 'two',
      { STARLING_CWMP_PORT: portOf(hosts[dead]) },
      hosts[dead].dataDir,
    );
    await isUp();
    const home = newCpe('127.0.0.1');
    responseOf(await home.inform(), 'Inform');
    expect(home.cookie.slice(0, 7)).toBe(at.cookie.slice(0, 7));
  },
);

here(
  'front: no edge at all: 503, each CPE told another time to come again, until there is one',
  { timeout: 60_000 },
  async () => {
    for (const host of hosts) await host.kill();
    const times = new Set<string>();
    for (let i = 0; i < 10; i++) {
      const reply = await newCpe().inform();
      expect([reply.status, reply.body]).toEqual([503, 'No edge answers.\n']);
      const after = Number(reply.header('Retry-After'));
      expect(after).toBeGreaterThanOrEqual(20);
      expect(after).toBeLessThanOrEqual(60);
      times.add(String(after));
    }
    expect(times.size).toBeGreaterThan(3);
    // Held for down, not only found so.
    await expect.poll(() => serversIn('DOWN'), { timeout: 30_000, interval: 200 }).toBe(2);
    hosts[0] = await startHost('one', { STARLING_CWMP_PORT: portOf(hosts[0]) }, hosts[0].dataDir);
    await expect.poll(() => serversIn('UP'), { timeout: 30_000, interval: 200 }).toBe(1);
    responseOf(await newCpe().inform(), 'Inform');
  },
);

/** Both edges answer the front's checks. */
async function isUp(): Promise<void> {
  await expect.poll(() => serversIn('UP'), { timeout: 30_000, interval: 200 }).toBe(2);
}

/** Edges that the front holds for `state`. */
async function serversIn(state: 'UP' | 'DOWN'): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${front.metricsPort}/metrics`)).text();
  const row = new RegExp(`haproxy_server_status\\{proxy="edges",server="edge[12]",state="${state}"\\} 1$`, 'gm');
  return [...text.matchAll(row)].length;
}
