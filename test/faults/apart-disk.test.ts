// Room that ends under load, at the edge and at the hub, and a disk of the hub that is lost. A full edge takes nothing new from CPEs and from
// control; of a full hub the facts wait on their edge. On a disk that others have filled a hub (nats-server 2.9.10) says yes to what it cannot
// write: what control has not taken is published again, and decisions are handed over again (docs/operating/nats.md).

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { FACTS_STREAM } from '../../bus/nats-streams.ts';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { Apart, FULL, newFolder, pause, removeFolder } from './apart.test-helper.ts';
import { SmallDisk } from './small-disk.test-helper.ts';

const MIB = 1024 * 1024;
const ROUNDS = FULL ? 10 : 1;
/** Under load with a full disk. */
const FULL_MS = 2_500;
/** Room for the store to take writes again, and for what the load leaves in it. */
const EDGE_DISK_BYTES = LIMITS.storeReserveBytes * 2 + 128 * MIB;
/** Of the stream of facts: less than any batch has; and when there is room again. What it held in that moment may be gone. */
const HUB_BYTES = 64;
const HUB_ROOM_BYTES = 64 * MIB;
const TIMEOUT = { timeout: 120_000 + ROUNDS * 60_000 };

/** Of the hub: its streams need little. */
const HUB_DISK_BYTES = 64 * MIB;

const edgeData = newFolder('apart');
const edgeDisk = new SmallDisk(join(edgeData, 'edge'), EDGE_DISK_BYTES);
const hubData = newFolder('apart-hub');
const hubDisk = new SmallDisk(join(hubData, 'disk'), HUB_DISK_BYTES);
const cannot = NATS_SERVER === null || edgeDisk.why !== null;

let apart: Apart | null = null;
afterEach(async () => {
  await apart?.stop();
  apart = null;
});
afterAll(() => {
  for (const disk of [edgeDisk, hubDisk]) disk.unmount();
  for (const folder of [edgeData, hubData]) removeFolder(folder);
});

/** The fault, once in each round at some moment while CPEs and operators are busy. */
async function underLoad({ load, starling, random }: Apart, fault: () => Promise<void>): Promise<void> {
  load.go();
  for (let round = 0; round < ROUNDS; round++) {
    load.operate(starling);
    await pause(random() * 1_000);
    await fault();
    await load.stopOperating();
  }
}

test.skipIf(cannot)(
  'faults: the disk of the edge fills up under load: nothing acknowledged is lost',
  TIMEOUT,
  async () => {
    apart = await Apart.start('full disk of the edge', { dataDir: edgeData, stopped: () => edgeDisk.unmount() });
    const here = apart;
    const { load } = here;
    const refusing = () => here.metric('edge', 'starling_store_refusing');
    const refused = () => here.metric('edge', 'starling_requests_refused_total', 'disk-full');
    await underLoad(here, async () => {
      // Below the reserve, as by another program on this disk.
      edgeDisk.fill(EDGE_DISK_BYTES - LIMITS.storeReserveBytes);
      await expect.poll(refusing, { timeout: 10_000, interval: 50 }).toBe(1);
      const before = load.confirmed().informs;
      await pause(FULL_MS);
      // Those that were being answered when it was noticed.
      expect(load.confirmed().informs - before).toBeLessThan(load.cpes.length);
      edgeDisk.clear();
      await expect.poll(refusing, { timeout: 10_000, interval: 50 }).toBe(0);
    });
    expect(await refused()).toBeGreaterThan(0);
    await here.healed({ 'full disk of': 'the edge', times: ROUNDS, 'POSTs refused': await refused() });
  },
);

test.skipIf(NATS_SERVER === null)(
  'faults: the hub is full while control is away: facts wait on their edge, none is lost',
  TIMEOUT,
  async () => {
    apart = await Apart.start('full hub');
    const here = apart;
    // Operators may set it: checked only to be there.
    const bound = (bytes: number) => here.atHub((jsm) => jsm.streams.update(FACTS_STREAM, { max_bytes: bytes }));
    const refusedSoFar = () => here.metric('edge', 'starling_relay_failures_total');
    let waited = 0;
    let refused = 0;
    await underLoad(here, async () => {
      await bound(HUB_BYTES);
      // Control still takes what is there, so that the edge has more to publish.
      await expect.poll(refusedSoFar, { timeout: 30_000, interval: 50 }).toBeGreaterThan(refused);
      await here.kill('control');
      await expect.poll(() => here.outboxDepth(), { timeout: 60_000, interval: 50 }).toBeGreaterThan(500);
      refused = await refusedSoFar();
      waited = Math.max(waited, await here.outboxDepth());
      await bound(HUB_ROOM_BYTES);
      await here.restart('control');
    });
    await here.healed({
      full: 'the stream of facts',
      times: ROUNDS,
      'most facts waiting': waited,
      'batches refused': refused,
    });
  },
);

test.skipIf(cannot)(
  'faults: something else fills the disk of the hub under load, which is then started again with room: nothing is lost',
  TIMEOUT,
  async () => {
    apart = await Apart.start('filled disk of the hub', {
      hubStore: join(hubData, 'disk'),
      stopped: () => hubDisk.unmount(),
    });
    const here = apart;
    await underLoad(here, async () => {
      hubDisk.fill(HUB_DISK_BYTES);
      await pause(FULL_MS);
      await here.kill('hub');
      hubDisk.clear();
      await here.restart('hub');
      await pause(here.random() * 1_000);
    });
    await here.healed({ 'filled disk of': 'the hub', times: ROUNDS });
  },
);

test.skipIf(NATS_SERVER === null)(
  'faults: the hub loses its disk with what it had stored: all of it comes again, and once',
  TIMEOUT,
  async () => {
    const hubStore = join(hubData, 'lost');
    mkdirSync(hubStore);
    apart = await Apart.start('lost disk of the hub', { hubStore });
    const here = apart;
    await underLoad(here, async () => {
      // Nobody takes what lies there.
      await here.kill('control');
      await pause(500 + here.random() * 1_000);
      await here.kill('hub');
      expect(readdirSync(hubStore)).not.toEqual([]);
      rmSync(hubStore, { recursive: true });
      mkdirSync(hubStore);
      await here.restart('hub');
      await here.restart('control');
    });
    await here.healed({ lost: 'the disk of the hub', times: ROUNDS });
  },
);
