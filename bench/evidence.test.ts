import { expect, test } from 'vitest';
import { evidenceBench } from './evidence.bench.ts';

test('bench: every record that is appended is exported, and verifies', { timeout: 60_000 }, async () => {
  const { rows, verified } = await evidenceBench(1_200, 1);
  expect(rows.map(({ records }) => records)).toEqual([1_200, 1_200, 1_200]);
  expect(verified).toMatchObject({ records: 1_200, skipped: 0, firstSeq: 1, lastSeq: 1_200 });
});
