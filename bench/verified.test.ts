import { expect, test } from 'vitest';
import { startStarling } from '../test/starling.test-helper.ts';
import { VERIFIED_ENV, verifiedBench } from './verified.bench.ts';

test('bench: every click beside the load is verified, and the load is served', { timeout: 120_000 }, async () => {
  process.env['STARLING_BENCH_SIZE'] = 'small';
  const starling = await startStarling(VERIFIED_ENV);
  try {
    const { served, ms, done } = await verifiedBench(starling, 4);
    expect([ms.length, done]).toEqual([4, 4]);
    expect(served).toBeGreaterThan(0);
  } finally {
    await starling.stop();
    starling.clean();
  }
});
