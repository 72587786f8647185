import { expect, test } from 'vitest';
import { shadowBench } from './shadow.bench.ts';

test('bench: every row of the shadow bench does its work', async () => {
  const { table, work } = await shadowBench({ devices: 50, tree: 100, timeMs: 10 });
  expect(table).toHaveLength(Object.keys(work).length);
  for (const [row, done] of Object.entries(work)) expect(done, row).toBeGreaterThan(0);
  expect(JSON.stringify(table)).not.toContain('Error');
});
