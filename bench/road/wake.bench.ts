// How long somebody waits who wants something of a CPE now: from POST /api/v1/devices/{id}/actions with `wake` to the first RPC that the CPE
// receives, over a leaf and a hub, both sides idle before. The CPEs are simulated ones on the same machine, and answer connection requests at once.

import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpeIdOf } from '../../base/ids.ts';
import { startOverNats } from '../../test/nats-starling.test-helper.ts';
import type { TestStarling } from '../../test/starling.test-helper.ts';
import { SimulatedCpe } from '../fleet/cpe.ts';
import { percentilesOf, size } from '../harness.ts';

/** A CPE takes no more than ten connection requests at short intervals. */
const ACTIONS_OF_CPE = 8;
const WAIT_MS = 30_000;
const SSID = 'Device.WiFi.SSID.1.SSID';

export interface Wakes {
  /** Of each action, in the order they were made. */
  ms: number[];
  /** Actions that ended `done`. */
  done: number;
}

/**
 * Makes `actions` one after the other, each when the session of the one before is over, on CPEs whose serial numbers begin with `serial`.
 * @throws Error when one takes half a minute.
 */
export async function wakeBench(starling: TestStarling, actions: number, serial = 'WAKE'): Promise<Wakes> {
  const wakes: Wakes = { ms: [], done: 0 };
  for (let made = 0; made < actions; ) {
    const cpe = new SimulatedCpe({ acsUrl: starling.cwmpUrl, serialNumber: `${serial}${made}`, model: 'tr181' });
    try {
      await cpe.start();
      const path = `/devices/${cpeIdOf(cpe.device)}`;
      // Its first sessions, with what control has for every new device.
      await until(async () => {
        const { status, body } = await starling.api('GET', path);
        return status === 200 && body.openActions === 0;
      });
      for (let i = 0; i < ACTIONS_OF_CPE && made < actions; i++, made++) {
        const received = cpe.received.list.length;
        const sessions = cpe.sessions.length;
        const startedAt = performance.now();
        const order = starling.api('POST', `${path}/actions?wait=20`, { kind: 'get', names: [SSID], wake: true });
        await until(() => cpe.received.list.length > received);
        wakes.ms.push(performance.now() - startedAt);
        if ((await order).body.outcome === 'done') wakes.done++;
        await until(() => cpe.sessions.length > sessions);
      }
    } finally {
      await cpe.stop();
    }
  }
  return wakes;
}

/** Looks each millisecond. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`nothing came for ${WAIT_MS} ms`);
    await setTimeout(1);
  }
}

/** Runs the bench at its size and prints it. */
export async function printWakeBench(): Promise<void> {
  const starling = await startOverNats();
  try {
    const rows = [];
    for (let round = 1; round <= size(1, 5); round++) {
      const { ms, done } = await wakeBench(starling, size(8, 80), `WAKE${round}X`);
      const [p50, p95, longest] = percentilesOf(ms, [0.5, 0.95, 1]);
      rows.push({ round, actions: ms.length, done, 'p50 ms': p50, 'p95 ms': p95, 'longest ms': longest });
    }
    console.table(rows);
  } finally {
    await starling.stop();
    starling.clean();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printWakeBench();
