import { expect, test } from 'vitest';
import { Histogram } from './histogram.ts';

test('a percentile is at most 4.4 % above the value it stands for', () => {
  const histogram = new Histogram();
  for (let ms = 1; ms <= 1_000; ms++) histogram.add(ms);
  for (const [share, exact] of [
    [0.5, 500],
    [0.95, 950],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    const got = histogram.percentile(share)!;
    expect(got).toBeGreaterThanOrEqual(exact);
    expect(got).toBeLessThanOrEqual(exact * 1.045);
  }
});

test('what was taken adds up again elsewhere', () => {
  const [one, other, sum] = [new Histogram(), new Histogram(), new Histogram()];
  for (const ms of [1, 1, 3]) one.add(ms);
  for (const ms of [100, 1e9, 0]) other.add(ms);
  sum.merge(one.take());
  sum.merge(other.take());
  expect([one.count, other.count, sum.count]).toEqual([0, 0, 6]);
  expect(sum.percentile(0.01)).toBe(0.05);
  expect(sum.percentile(1)).toBeGreaterThan(1_000_000);
  expect(one.percentile(0.5)).toBeNull();
});
