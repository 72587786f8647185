// A disk that fills up under the edge: CPEs are told to come later before anything is acknowledged, and it goes on by itself when there is room.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { startTestEdge } from '../edge.test-helper.ts';
import { HandCpe } from './hand-cpe.ts';
import { SmallDisk } from './small-disk.test-helper.ts';

const MIB = 1024 * 1024;
/** Room for the store to take writes again after the ballast is gone, and little more. */
const DISK_BYTES = LIMITS.storeReserveBytes * 2 + 24 * MIB;
const BALLAST_BYTES = LIMITS.storeReserveBytes + 48 * MIB;

const dir = mkdtempSync(join(tmpdir(), 'starling-disk-'));
const disk = new SmallDisk(dir, DISK_BYTES);

afterAll(() => {
  disk.unmount();
  rmSync(dir, { recursive: true, force: true });
});

test.skipIf(disk.why !== null)(
  'a full disk: 503 with Retry-After, nothing acknowledged, and on it goes when there is room',
  { timeout: 60_000 },
  async () => {
    const edge = await startTestEdge({}, dir);
    try {
      const cpe = new HandCpe('FULL');
      await cpe.inform(edge.url, ['0 BOOTSTRAP', '1 BOOT']);
      expect((await cpe.empty(edge.url)).status).toBe(204);
      expect((await cpe.inform(edge.url, ['2 PERIODIC'])).status).toBe(200);

      disk.fill(BALLAST_BYTES);
      await expect.poll(() => edge.metric('starling_store_refusing'), { timeout: 10_000 }).toBe(1);
      const later = await cpe.transferComplete(edge.url, 'in the middle of a session');
      const begun = await new HandCpe('FULL').inform(edge.url, ['M Reboot|while-full'], {
        'InternetGatewayDevice.X': 'while full',
      });
      const quiet = await new HandCpe('FULL').inform(edge.url, ['2 PERIODIC']);
      for (const answer of [later, begun, quiet]) {
        expect(answer.status).toBe(503);
        expect(Number(answer.retryAfter)).toBeGreaterThan(0);
      }
      expect(await edge.metric('starling_requests_refused_total', 'disk-full')).toBe(3);

      disk.clear();
      await expect.poll(() => edge.metric('starling_store_refusing'), { timeout: 10_000 }).toBe(0);
      const told = new HandCpe('FULL');
      expect(
        (await told.inform(edge.url, ['M Reboot|while-full'], { 'InternetGatewayDevice.X': 'while full' })).status,
      ).toBe(200);
      expect((await told.transferComplete(edge.url, 'in the middle of a session')).status).toBe(200);
      expect((await told.empty(edge.url)).status).toBe(204);
      const keys = () => edge.factsOf('inform').flatMap(({ events }) => events.map(({ CommandKey }) => CommandKey));
      await edge.until(() => edge.factsOf('request').length > 0);
      expect(keys().filter((key) => key === 'while-full')).toHaveLength(1);
      expect(edge.factsOf('request').map(({ args }) => args['CommandKey'])).toEqual(['in the middle of a session']);
      const changed = edge
        .factsOf('inform')
        .flatMap(({ changed }) => changed.filter(({ Value }) => Value === 'while full'));
      expect(changed).toHaveLength(1);
    } finally {
      await edge.close();
    }
  },
);
