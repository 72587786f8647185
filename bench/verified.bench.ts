// Click to verified: from POST /api/v1/devices/{id}/actions?wait=… (a `set` with `wake`) to its answer, the value read back, while the edge serves
// half of its capacity. The capacity is what a generator gets out of the same Starling just before, as fast as it can; half of it then comes at an
// even rate. Generator, edge, control, PostgreSQL and the CPEs share the machine.

import { fileURLToPath } from 'node:url';
import { cpeIdOf } from '../base/ids.ts';
import { startStarling, type TestStarling } from '../test/starling.test-helper.ts';
import { SimulatedCpe } from './fleet/cpe.ts';
import { percentilesOf, size } from './harness.ts';
import { Child } from './inform/child.ts';
import type { FromGenerator, ToGenerator } from './inform/generator.ts';
import type { Load, LoadResult } from './inform/load.ts';

/** A CPE takes no more than ten connection requests at short intervals. */
const CLICKS_OF_CPE = 8;
const WAIT_SECONDS = 20;
const SSID = 'Device.WiFi.SSID.1.SSID';

/** The CPEs of the generator answer no RPC, so they must not be given credentials; those that are clicked on let anybody wake them. */
export const VERIFIED_ENV = { STARLING_MANAGE_CONNECTION_REQUEST: 'false' };

export interface Verified {
  /** Sessions a second, at most and while it was clicked. */
  capacity: number;
  served: number;
  /** Of each click, until it was verified. */
  ms: number[];
  /** Clicks that ended `done`, and that the CPE holds. */
  done: number;
}

/** Clicks one after the other beside the load. @throws Error when a CPE cannot be made ready. */
export async function verifiedBench(starling: TestStarling, clicks: number): Promise<Verified> {
  const generator = new Child<ToGenerator, FromGenerator>('inform/generator', []);
  const run = async (load: Partial<Load>): Promise<LoadResult> => {
    const { hostname: host, port } = new URL(starling.cwmpUrl);
    const common = {
      host,
      port: Number(port),
      tls: false,
      auth: 'none',
      traffic: 'quiet',
      devices: 1_000,
      seed: 1,
    } as const;
    const all: Load = { ...common, keepAlive: false, atOnce: 16, seconds: size(1, 8), ...load };
    return (await generator.ask({ type: 'run', load: all }, 'ran')).result;
  };
  try {
    // First contacts, then each once more: what is measured is quiet.
    for (let round = 0; round < 2; round++) await run({ sessions: 1_000, step: 1, seconds: 60 });
    const full = await run({});
    const capacity = full.sessions / full.seconds;
    const verified: Verified = { capacity, served: 0, ms: [], done: 0 };
    const cpes = await readyCpes(starling, Math.ceil(clicks / CLICKS_OF_CPE));
    const clicking = { isOver: false };
    const beside = (async () => {
      let sessions = 0;
      let seconds = 0;
      for (let seed = 2; !clicking.isOver; seed++) {
        const part = await run({ seed, ratePerSecond: Math.round(capacity / 2), atOnce: 2_000, seconds: 1 });
        sessions += part.sessions;
        seconds += part.seconds;
      }
      verified.served = sessions / seconds;
    })();
    for (let i = 0; i < clicks; i++) {
      const cpe = cpes[i % cpes.length]!;
      const value = `Net ${i}`;
      const startedAt = performance.now();
      const path = `/devices/${cpeIdOf(cpe.device)}/actions?wait=${WAIT_SECONDS}`;
      const { body } = await starling.api('POST', path, { kind: 'set', values: { [SSID]: value }, wake: true });
      verified.ms.push(performance.now() - startedAt);
      if (body.outcome === 'done' && cpe.tree.value(SSID) === value) verified.done++;
    }
    clicking.isOver = true;
    await beside;
    await Promise.all(cpes.map((cpe) => cpe.stop()));
    return verified;
  } finally {
    await generator.close();
  }
}

/** CPEs that had their first sessions, with what control has for every new device. */
async function readyCpes(starling: TestStarling, count: number): Promise<SimulatedCpe[]> {
  const cpes: SimulatedCpe[] = [];
  for (let i = 0; i < count; i++) {
    const cpe = new SimulatedCpe({ acsUrl: starling.cwmpUrl, serialNumber: `CLICK${i}`, model: 'tr181' });
    await cpe.start();
    cpes.push(cpe);
  }
  const giveUpAt = performance.now() + 60_000;
  for (const cpe of cpes) {
    for (;;) {
      const { status, body } = await starling.api('GET', `/devices/${cpeIdOf(cpe.device)}`);
      if (status === 200 && body.openActions === 0) break;
      if (performance.now() > giveUpAt) throw new Error(`${cpe.device.SerialNumber} does not become ready`);
      await new Promise((soon) => setTimeout(soon, 50));
    }
  }
  return cpes;
}

/** Runs the bench at its size and prints it. */
export async function printVerifiedBench(): Promise<void> {
  const starling = await startStarling(VERIFIED_ENV);
  try {
    const rows = [];
    for (let round = 1; round <= size(1, 3); round++) {
      const { capacity, served, ms, done } = await verifiedBench(starling, size(8, 80));
      const [p50, p95, longest] = percentilesOf(ms, [0.5, 0.95, 1]);
      const load = { 'capacity, sessions/s': Math.round(capacity), 'served beside': Math.round(served) };
      rows.push({ round, ...load, clicks: ms.length, done, 'p50 ms': p50, 'p95 ms': p95, 'longest ms': longest });
    }
    console.table(rows);
  } finally {
    await starling.stop();
    starling.clean();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printVerifiedBench();
