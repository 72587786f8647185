import { expect, test, vi } from 'vitest';
import { soapReaderBench } from './soap-reader.bench.ts';

test('bench: every row of the reader bench does its work', async () => {
  vi.stubEnv('STARLING_BENCH_SIZE', 'small');
  const groups = await soapReaderBench();
  vi.unstubAllEnvs();
  expect(groups.map((group) => group.map(({ work, calls }) => work / calls))).toEqual([
    [109, 109, 12, 12, 12],
    [133, 133, 20, 20],
    [313, 313, 50, 50],
  ]);
});
