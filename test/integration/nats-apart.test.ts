// What only edge and control apart can show: the first contact that waits for control beyond the hub, files that go from disk to disk, parts
// that are killed under way, an edge that starts while the centre is away, and how fast a wake is.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cpeIdOf } from '../../base/ids.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { percentilesOf } from '../../bench/harness.ts';
import { wakeBench } from '../../bench/road/wake.bench.ts';
import { freePort, NATS_SERVER } from '../nats.test-helper.ts';
import { startOverNats, type TestDistributed } from '../nats-starling.test-helper.ts';
import { startRole, TEST_ENV } from '../starling.test-helper.ts';
import { ActionStage, type Device, PATHS } from './actions.test-helper.ts';

const WITHIN = { timeout: 60_000, interval: 50 };
const MODEL = 'tr181';
const FIRMWARE = '1 Firmware Upgrade Image';

test.each(['edge', 'control'] as const)(
  'starling %s without a URL of NATS says what to set, and leaves',
  async (role) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'starling-'));
    try {
      await expect(startRole(role, { ...TEST_ENV, STARLING_DATA_DIR: dataDir })).rejects.toThrow(
        /needs STARLING_NATS_URL/,
      );
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

describe.skipIf(NATS_SERVER === null)('edge and control apart', () => {
  let starling: TestDistributed;
  let stage: ActionStage;
  beforeAll(async () => {
    // An edge that is started anew is where its CPEs know it.
    starling = await startOverNats({ STARLING_CWMP_PORT: String(await freePort()) });
    stage = new ActionStage(starling);
  });
  afterAll(() => stage.close());

  const give = async (bytes: Buffer): Promise<{ id: string; sha256: string }> => {
    const response = await fetch(
      `${starling.httpUrl}/api/v1/files?${new URLSearchParams({ name: 'image.bin', fileType: FIRMWARE })}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${starling.token}`, 'content-type': 'application/octet-stream' },
        body: new Uint8Array(bytes),
      },
    );
    expect(response.status).toBe(201);
    return (await response.json()) as { id: string; sha256: string };
  };
  const filesOf = (role: 'edge' | 'control'): string => join(starling.dataDir, role, 'files');

  test('a new CPE gets what control has for it in its first session', async () => {
    // Control answers a first contact with credentials for connection requests: a set, in the session that is held for it.
    for (let i = 0; i < 3; i++) {
      const cpe = new SimulatedCpe({ acsUrl: starling.cwmpUrl, serialNumber: `FIRST${i}`, model: MODEL });
      try {
        await cpe.start();
        await vi.waitFor(() => expect(cpe.received.executed('SetParameterValues')).toBe(1), WITHIN);
        expect(cpe.received.list.find(({ method }) => method === 'SetParameterValues')?.session).toBe(1);
      } finally {
        await cpe.stop();
      }
    }
  });

  test('from the order to the first RPC: every wake over leaf and hub brings its CPE, and its action is done', async () => {
    const { ms, done } = await wakeBench(starling, 24);
    expect(done).toBe(24);
    // What an idle machine reaches is for bench/road/wake.bench.ts to say. On a busy one nobody must have waited for a timer.
    expect(percentilesOf(ms, [0.5])[0]).toBeLessThan(1_000);
  }, 120_000);

  test('a file of several chunks goes from control over its edge to the CPE, and an upload the other way', async () => {
    const device = await stage.device(MODEL);
    const image = Buffer.concat([Buffer.from('version=7.1.0\n'), randomBytes(5_000_000)]);
    const file = await give(image);
    const down = await stage.act(device, { kind: 'download', fileType: FIRMWARE, file: file.id }, 60);
    expect(down.state).toBe('done');
    expect(device.cpe.transfers.done[0]).toMatchObject({ bytes: image.length, sha256: file.sha256, faultCode: 0 });
    expect(JSON.parse(readFileSync(join(filesOf('edge'), `${file.id}.json`), 'utf8'))).toMatchObject({
      sha256: file.sha256,
    });

    const up = await stage.act(device, { kind: 'upload', fileType: '2 Vendor Log File' }, 60);
    expect(up.state).toBe('done');
    const meta = join(filesOf('control'), `${up.id}.json`);
    await vi.waitFor(() => expect(existsSync(meta)).toBe(true), WITHIN);
    expect(JSON.parse(readFileSync(meta, 'utf8'))).toMatchObject({ sha256: up.result?.data['sha256'], source: 'cpe' });
    expect(
      [...readdirSync(filesOf('edge')), ...readdirSync(filesOf('control'))].filter((name) => name.endsWith('.fetch')),
    ).toEqual([]);
  }, 180_000);

  test('a download waits for its file while control is away, and its CPE is woken when it has come', async () => {
    const device = await stage.device(MODEL);
    const file = await give(Buffer.concat([Buffer.from('version=8.2.0\n'), randomBytes(3_000_000)]));
    const order = stage.act(device, { kind: 'download', fileType: FIRMWARE, file: file.id }, 1).catch(() => {});
    await vi.waitFor(() => expect(readdirSync(filesOf('edge')).join()).toContain(file.id), WITHIN);
    await starling.control.kill();
    await order;
    await starling.startControl();
    await vi.waitFor(() => expect(device.cpe.transfers.done[0]).toMatchObject({ sha256: file.sha256 }), WITHIN);
  }, 180_000);

  test('edge, leaf, hub and control are killed in turn under work: every action ends once, and is done once', async () => {
    const devices: Device[] = [];
    for (let i = 0; i < 4; i++) devices.push(await stage.device(MODEL));
    const kills: Record<string, () => Promise<void>> = {
      hub: async () => {
        await starling.nats.hub.kill();
        await starling.nats.hub.restart();
      },
      leaf: async () => {
        await starling.nats.leaf.kill();
        await starling.nats.leaf.restart();
      },
      control: async () => {
        await starling.control.kill();
        await starling.startControl();
      },
      edge: async () => {
        await starling.edge.kill();
        await starling.startEdge();
      },
    };
    const made: { id: string; device: Device; commandKey: string }[] = [];
    const rounds = process.env['STARLING_TEST_FULL'] === '1' ? 10 : 2;
    for (let round = 0; round < rounds; round++) {
      for (const kill of Object.values(kills)) {
        let killed: Promise<void> | null = null;
        for (const [i, device] of devices.entries()) {
          const body = { kind: 'add', name: PATHS[MODEL].mappings, values: PATHS[MODEL].mapping, wake: true };
          const { body: answer } = await stage.api('POST', `/devices/${device.id}/actions`, body);
          made.push({ id: answer.id, device, commandKey: answer.commandKey });
          if (i === devices.length >> 1) killed = kill();
          if (killed !== null) await killed;
        }
      }
    }
    for (const { id, device, commandKey } of made) {
      await vi.waitFor(
        async () => expect((await stage.api('GET', `/actions/${id}`)).body.outcome).not.toBeNull(),
        WITHIN,
      );
      const { body } = await stage.api('GET', `/actions/${id}`);
      expect(body.outcome, JSON.stringify(body.result)).toBe('done');
      expect(body.evidence.filter(({ kind }: { kind: string }) => kind === 'result')).toHaveLength(1);
      expect(device.cpe.received.count('AddObject', commandKey)).toBe(1);
    }
    const metrics = await (await fetch(`${starling.httpUrl}/metrics`)).text();
    expect(metrics).not.toMatch(/^starling_control_facts_parked_total.* [1-9]/m);
    console.log(
      `${made.length} actions over ${rounds} rounds of kills of hub, leaf, control and edge: each ended once, each AddObject once`,
    );
  }, 600_000);

  test('an edge starts and serves while leaf and centre are away, says so, and hands over when they come', async () => {
    await starling.edge.stop();
    await starling.nats.leaf.kill();
    await starling.startEdge();
    const health = async () => {
      const response = await fetch(`${starling.edge.url('edge')}/healthz`);
      return { status: response.status, text: await response.text() };
    };
    expect((await health()).status).toBe(503);
    const cpe = new SimulatedCpe({ acsUrl: starling.cwmpUrl, serialNumber: 'AWAY', model: MODEL });
    await cpe.start();
    await vi.waitFor(() => expect(cpe.acknowledged.informs.length).toBeGreaterThan(0), WITHIN);
    await starling.nats.leaf.restart();
    const id = cpeIdOf(cpe.device);
    await vi.waitFor(async () => expect((await stage.api('GET', `/devices/${id}`)).status).toBe(200), WITHIN);
    await vi.waitFor(async () => expect(await health()).toMatchObject({ status: 200 }), WITHIN);
    const metrics = await (await fetch(`${starling.edge.url('edge')}/metrics`)).text();
    for (const name of [
      'starling_nats_connected 1',
      'starling_outbox_facts',
      'starling_build_info',
      'starling_requests_total',
    ])
      expect(metrics).toContain(name);
    await cpe.stop();
  }, 120_000);
});
