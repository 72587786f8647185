import { expect, test, vi } from 'vitest';
import { sessionBench } from './session.bench.ts';

test('bench: every row of the session bench does its work', async () => {
  vi.stubEnv('STARLING_BENCH_SIZE', 'small');
  const { pure, sockets } = await sessionBench();
  vi.unstubAllEnvs();
  expect(pure.map(({ work, calls }) => work / calls)).toEqual([1, 1, 3]);
  expect(sockets.map(({ sessions, quiet }) => [sessions, quiet])).toEqual([
    [20, 0],
    [20, 20],
  ]);
  for (const row of sockets) expect(row['CPU µs/session'], row.row).toBeGreaterThan(0);
});
