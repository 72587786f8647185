import { expect, test, vi } from 'vitest';
import { referenceInform } from './reference-inform.ts';
import { stepsBench } from './steps.bench.ts';

test('bench: every step does its work', async () => {
  vi.stubEnv('STARLING_BENCH_SIZE', 'small');
  const groups = await stepsBench();
  vi.unstubAllEnvs();
  const { length } = referenceInform();
  const work = groups.map((group) => group.map(({ work, calls }) => work / calls));
  const [informResponse, setParameterValues] = work[3]!.slice(2, 4);
  expect(work).toEqual([
    [length, length, length],
    [12, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 32],
    [1, 1, informResponse, setParameterValues, 1, 3],
    [1, 1],
    [1, 1, 1],
  ]);
  expect(informResponse).toBeGreaterThan(400);
  expect(setParameterValues).toBeGreaterThan(informResponse!);
});
