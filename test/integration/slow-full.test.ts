// The slowest whole answer that must arrive: 3 MB of GetParameterNames at 4 kB/s, twelve and a half minutes. Runs when STARLING_TEST_FULL=1
// (`npm run test:full`); its small counterpart in slow.test.ts always runs.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { namesResponse } from '../../bench/reference-inform.ts';
import { requestOf, WireCpe } from '../conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import { writeAt } from './slow.test-helper.ts';

const FULL = process.env['STARLING_TEST_FULL'] === '1';
const BYTES = 3_000_000;
const BYTES_PER_SECOND = 4_000;
if (!FULL) console.log('skipped: the 3 MB answer at 4 kB/s takes 750 s; npm run test:full runs it');

let edge: TestEdge;
beforeAll(async () => {
  if (FULL) edge = await startTestEdge();
});
afterAll(async () => {
  if (FULL) await edge.close();
});

test.skipIf(!FULL)(
  'slow: a 3 MB GetParameterNames answer at 4 kB/s arrives whole',
  { timeout: LIMITS.bodyMsMax },
  async () => {
    const perName = namesResponse(1_001).length - namesResponse(1_000).length;
    const count = Math.ceil(BYTES / perName);
    const body = namesResponse(count);
    expect(body.length).toBeGreaterThan(BYTES);
    const cpe = new WireCpe(edge.port);
    const actionId = await edge.act(
      cpe.cpeId,
      'rpc',
      { method: 'GetParameterNames', arguments: { ParameterPath: 'Device.', NextLevel: false } },
      { expiresAt: Date.now() + 3_600_000 },
    );
    const asked = requestOf(await cpe.begin(), 'GetParameterNames');
    const answer = Buffer.from(body.toString().replace('>a3<', `>${asked.envelope.id}<`));
    const startedAt = performance.now();
    await writeAt(cpe, answer, BYTES_PER_SECOND);
    expect((await cpe.read()).status).toBe(204);
    expect(performance.now() - startedAt).toBeGreaterThan((BYTES / BYTES_PER_SECOND) * 900);
    const result = await edge.result(actionId, 60_000);
    expect(result.outcome).toBe('done');
    expect((result.data as { ParameterList: unknown[] }).ParameterList).toHaveLength(count);
    cpe.close();
  },
);
