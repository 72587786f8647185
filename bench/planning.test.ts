import { expect, test, vi } from 'vitest';
import { planningBench } from './planning.bench.ts';

test('bench: every row of planning does its work', async () => {
  vi.stubEnv('STARLING_BENCH_SIZE', 'small');
  const groups = await planningBench();
  vi.unstubAllEnvs();
  expect(groups.map((group) => group.map(({ work, calls }) => work / calls))).toEqual([[100, 100, 1, 1, 3], [20]]);
});
