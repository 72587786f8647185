import { expect, test } from 'vitest';
import { ingestBench } from './ingest.bench.ts';

test('bench: every row of the ingest bench takes all its facts', { timeout: 60_000 }, async () => {
  const { rows, taken } = await ingestBench({ devices: 400, facts: 400, rounds: 1 });
  expect(rows).toHaveLength(10);
  // With the first filling; none of them counted as a duplicate, and none parked.
  expect(taken).toEqual({ facts: 400 + 10 * 400, duplicates: 0, parked: 0 });
});
