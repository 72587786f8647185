import { expect, test } from 'vitest';
import { MixChooser, Pace, ratePerSecond } from './arrivals.ts';

test('a rate is kept over many ticks, whatever their lengths', () => {
  const pace = new Pace(333, false, 0);
  let begun = 0;
  for (let now = 0; now <= 10_000; now += 1 + (now % 13)) begun += pace.due(now, 5);
  expect(begun).toBeGreaterThanOrEqual(3_325);
  expect(begun).toBeLessThanOrEqual(3_330);
});

test('retries use up a rate of attempts, and more retries than the rate leave nothing', () => {
  const pace = new Pace(1_000, true, 0);
  let begun = 0;
  for (let now = 10; now <= 10_000; now += 10) begun += pace.due(now, 4);
  expect(begun).toBe(6_000);
  for (let now = 10_010; now <= 20_000; now += 10) expect(pace.due(now, 20)).toBe(0);
});

test('a generator that was away does not make up for it in one burst', () => {
  const pace = new Pace(1_000, false, 0);
  expect(pace.due(60_000, 0)).toBeLessThanOrEqual(251);
});

test('no more come at once than may, and the others stay due', () => {
  const pace = new Pace(1_000, false, 0);
  expect([pace.due(100, 0, 60), pace.owes]).toEqual([60, true]);
  expect([pace.due(100, 0, 60), pace.owes]).toEqual([40, false]);
});

test.each([
  [{ pattern: 'rate', perSecond: 100 }, 50],
  [{ pattern: 'capacity', times: 4, counting: 'attempts' }, 2_000],
  [{ pattern: 'everyone', withinSeconds: 5 }, 60],
  [{ pattern: 'closed', open: 32 }, null],
] as const)('%j is %s per second of one of two generators', (arrivals, expected) => {
  expect(ratePerSecond(arrivals, 1_000, 300, 2)).toBe(expected);
});

test('classes come in the parts of their mix', () => {
  const chooser = new MixChooser({ periodic: 1, boot: 3, change: 0 });
  const counts: Record<string, number> = {};
  for (let i = 0; i < 1_000; i++) {
    const name = chooser.choose(i / 1_000);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  expect(counts).toEqual({ periodic: 250, boot: 750 });
});
