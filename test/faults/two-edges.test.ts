// Two edges in one POP, behind the shipped leaf and hub, with control and its PostgreSQL, each a process: CPEs whose sessions go now to one
// edge and now to the other, one CPE that is in sessions with both at once, and edges that are killed while they hold claims. The CPEs
// count what they received: whatever must not be repeated, at most once; and every action ends.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cpeIdOf } from '../../base/ids.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { PATHS } from '../integration/actions.test-helper.ts';
import { freePort, NATS_SERVER, SHIPPED, startPop, type TestPop } from '../nats.test-helper.ts';
import { type Rotary, startRotary } from '../rotary.test-helper.ts';
import { apiOf, startRole, TEST_ENV, type TestRole } from '../starling.test-helper.ts';

const isFull = process.env['STARLING_TEST_FAULTS'] === '1';
const ACTIONS = isFull ? 200 : 80;
const CPES = 8;
const WITHIN = { timeout: 60_000, interval: 100 };
const MODEL = 'tr181';
const FIRMWARE = '1 Firmware Upgrade Image';
const ONCE = ['Reboot', 'AddObject', 'DeleteObject', 'Download'];

interface Done {
  id: string;
  kind: string;
  state: string;
  why: string;
  result: { data: Record<string, unknown> } | null;
}

describe.skipIf(NATS_SERVER === null)('two edges in one POP', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-two-'));
  let nats: TestPop;
  let control: TestRole;
  let api: ReturnType<typeof apiOf>;
  const edges: TestRole[] = [];
  const ports: number[] = [];
  const cpes: SimulatedCpe[] = [];
  const rotaries: Rotary[] = [];

  const folder = (name: string): string => {
    mkdirSync(join(dataDir, name), { recursive: true });
    return join(dataDir, name);
  };
  const startEdge = async (index: number): Promise<void> => {
    edges[index] = await startRole('edge', {
      ...TEST_ENV,
      STARLING_POP_SHARED: 'true',
      STARLING_DATA_DIR: folder(`edge-${index + 1}`),
      STARLING_CWMP_PORT: String(ports[index]),
      STARLING_NATS_URL: nats.edgeUrlOf(`edge-${index + 1}`),
      STARLING_NATS_DOMAIN: SHIPPED.domain,
      STARLING_POP: SHIPPED.pop,
      STARLING_EDGE_ID: `edge-${index + 1}`,
    });
  };
  beforeAll(async () => {
    nats = await startPop({ edges: ['edge-1', 'edge-2'] });
    control = await startRole('control', {
      ...TEST_ENV,
      STARLING_POP_SHARED: 'true',
      STARLING_DATA_DIR: folder('control'),
      STARLING_NATS_URL: nats.controlUrl,
    });
    api = apiOf(control.url('API'));
    ports.push(await freePort(), await freePort());
    await startEdge(0);
    await startEdge(1);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(cpes.map((cpe) => cpe.stop()));
    await Promise.all(rotaries.map((rotary) => rotary.close()));
    await Promise.all(edges.map((edge) => edge.kill()));
    await control?.kill();
    await nats?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }, 60_000);

  const boot = async (acsUrl: string, serialNumber: string): Promise<SimulatedCpe> => {
    const cpe = new SimulatedCpe({
      ...{ acsUrl, serialNumber, model: MODEL, downMs: 50, periodicInformSeconds: 10, acsTimeoutMs: 30_000 },
      connectionRequestsPerMinute: 1_000,
    });
    cpes.push(cpe);
    await cpe.start();
    return cpe;
  };
  /** Known to control, with nothing open: the policy's own credentials are set. */
  const settle = (id: string): Promise<void> =>
    vi.waitFor(async () => {
      const { status, body } = await api.api('GET', `/devices/${id}`);
      expect(status).toBe(200);
      expect(body.openActions).toBe(0);
    }, WITHIN);
  const act = async (id: string, body: Record<string, unknown>, waitSeconds = 120): Promise<Done> => {
    const made = await api.api('POST', `/devices/${id}/actions?wait=${waitSeconds}`, { wake: true, ...body });
    expect([201, 202], JSON.stringify(made.body)).toContain(made.status);
    return made.body as Done;
  };
  const ended = (id: string): Promise<Done> =>
    vi.waitFor(
      async () => {
        const { body } = await api.api('GET', `/actions/${id}`);
        expect(body.endedAt, JSON.stringify({ kind: body.kind, state: body.state, why: body.why })).not.toBeNull();
        return body as Done;
      },
      { timeout: 240_000, interval: 500 },
    );
  const firmware = async (): Promise<string> => {
    const response = await fetch(
      `${api.httpUrl}/api/v1/files?${new URLSearchParams({ name: 'image.bin', fileType: FIRMWARE })}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
        body: `version=9.9.${Math.floor(Math.random() * 1e6)}\n`,
      },
    );
    return ((await response.json()) as { id: string }).id;
  };
  /** What arrived more than once though it must not, over all CPEs that stand for one device. */
  const twice = (twins: SimulatedCpe[], actions: Done[]): string[] =>
    actions.flatMap(({ id, kind }) =>
      ONCE.flatMap((method) => {
        const count = twins.reduce((sum, cpe) => sum + cpe.received.count(method, id), 0);
        return count > 1 ? [`${method} of ${kind} ${id} arrived ${count} times`] : [];
      }),
    );
  const tally = (actions: Done[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const { kind, state } of actions) counts[`${kind} ${state}`] = (counts[`${kind} ${state}`] ?? 0) + 1;
    return counts;
  };
  const metric = async (index: number, name: string): Promise<number> => {
    const text = await (await fetch(`${edges[index]!.url('edge')}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  };

  /** One device does one thing after the other; what could not be waited for is looked at in the end. */
  const live = async (id: string, count: number, file: string): Promise<Done[]> => {
    const done: Done[] = [];
    let instance: string | null = null;
    for (let i = 0; i < count; i++) {
      const order = [
        { kind: 'reboot' },
        { kind: 'add', name: PATHS[MODEL].mappings, values: PATHS[MODEL].mapping },
        { kind: 'set', values: { [PATHS[MODEL].ssid]: `name-${i}` } },
        instance === null ? { kind: 'get', names: [PATHS[MODEL].ssid] } : { kind: 'delete', name: instance },
        { kind: 'download', fileType: FIRMWARE, file },
      ][i % 5]!;
      if (order.kind === 'delete') instance = null;
      const made = await act(id, order);
      const { object } = (made.result?.data ?? {}) as { object?: string };
      if (made.kind === 'add' && object !== undefined) instance = object;
      done.push(made);
    }
    return Promise.all(done.map((one) => ended(one.id)));
  };

  test('a device that another edge of the POP knows has its first session here without a reset, and gets its work in it', async () => {
    const first = await boot(`http://127.0.0.1:${ports[0]}/`, 'MOVES');
    const id = cpeIdOf(first.device);
    await settle(id);
    await first.stop();
    const order = act(id, { kind: 'set', values: { [PATHS[MODEL].ssid]: 'moved' } }, 60);
    const there = await boot(`http://127.0.0.1:${ports[1]}/`, 'MOVES');
    expect((await order).state).toBe('done');
    expect(there.tree.value(PATHS[MODEL].ssid)).toBe('moved');
    await vi.waitFor(async () => expect((await api.api('GET', `/devices/${id}`)).body.edgeId).toBe('edge-2'), WITHIN);
    await there.stop();
  }, 120_000);

  test('sessions that go now here and now there: every action is done, once, a reboot by the edge its boot is told to', async () => {
    const rotary = await startRotary(() => ports);
    rotaries.push(rotary);
    const cpe = await boot(rotary.url, 'TURNS');
    const id = cpeIdOf(cpe.device);
    await settle(id);
    const actions = await live(id, 15, await firmware());
    console.log('in turns:', tally(actions), 'sessions by edge:', rotary.counts);
    expect(actions.filter(({ state }) => state !== 'done').map(({ kind, why }) => `${kind}: ${why}`)).toEqual([]);
    expect(twice([cpe], actions)).toEqual([]);
    expect(Math.min(...rotary.counts)).toBeGreaterThan(3);
    await cpe.stop();
    // Nothing is left behind on the edge through which it did not end.
    await vi.waitFor(async () => {
      expect((await metric(0, 'starling_claims_held')) + (await metric(1, 'starling_claims_held'))).toBe(0);
    }, WITHIN);
  }, 240_000);

  test('a CPE that is in sessions with both edges at once is asked for nothing twice', async () => {
    const twins = [
      await boot(`http://127.0.0.1:${ports[0]}/`, 'TWINS'),
      await boot(`http://127.0.0.1:${ports[1]}/`, 'TWINS'),
    ];
    const id = cpeIdOf(twins[0]!.device);
    await settle(id);
    const orders: Promise<Done>[] = [];
    for (let i = 0; i < 12; i++) {
      const kind =
        i % 3 === 0 ? { kind: 'add', name: PATHS[MODEL].mappings, values: PATHS[MODEL].mapping } : { kind: 'reboot' };
      orders.push(act(id, { ...kind, wake: false }, 1));
      await orders.at(-1);
      // Both inform in the same moment.
      await Promise.all(twins.map((twin) => twin.inform('6 CONNECTION REQUEST').catch(() => {})));
    }
    const actions = await Promise.all((await Promise.all(orders)).map((one) => ended(one.id)));
    console.log('both at once:', tally(actions));
    expect(twice(twins, actions)).toEqual([]);
    await Promise.all(twins.map((twin) => twin.stop()));
  }, 300_000);

  test(`edges are killed while they hold claims: of ${ACTIONS} actions none is done twice, and all end`, async () => {
    const file = await firmware();
    const living = await Promise.all(
      Array.from({ length: CPES }, async (_, i) => {
        const rotary = await startRotary(() => ports, i);
        rotaries.push(rotary);
        const cpe = await boot(rotary.url, `KILL${i}`);
        const id = cpeIdOf(cpe.device);
        await settle(id);
        return { cpe, id };
      }),
    );
    let kills = 0;
    let holding = 0;
    let isOver = false;
    const killing = (async () => {
      while (!isOver && kills < (isFull ? 10 : 3)) {
        const index = kills % 2;
        // While it holds something.
        await vi
          .waitFor(
            async () => {
              if (!isOver) expect(await metric(index, 'starling_claims_held')).toBeGreaterThan(0);
            },
            { timeout: 30_000, interval: 5 },
          )
          .then(
            () => holding++,
            () => {},
          );
        await edges[index]!.kill();
        kills++;
        // The other one does what it can meanwhile; a lease lasts 30 s.
        await new Promise((resolve) => setTimeout(resolve, kills % 3 === 1 ? 35_000 : 1_000));
        await startEdge(index);
        await new Promise((resolve) => setTimeout(resolve, 2_000));
      }
    })();
    const actions = (await Promise.all(living.map(({ id }) => live(id, ACTIONS / CPES, file)))).flat();
    isOver = true;
    await killing;
    console.log(`${kills} kills, ${holding} while claims were held:`, tally(actions));
    console.log(
      actions.filter(({ state }) => state !== 'done').map(({ kind, state, why }) => `${kind} ${state}: ${why}`),
    );
    expect(living.flatMap(({ cpe }) => twice([cpe], actions))).toEqual([]);
    expect(actions).toHaveLength(ACTIONS);
    expect(kills).toBeGreaterThan(0);
  }, 1_200_000);
});
