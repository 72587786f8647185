import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

test('fuzz: two thousand runs of a fixed seed find nothing and accept a good part', () => {
  const findings: string[] = [];
  const report = fuzz({ seconds: 60, seed: 20_250_304, runsMax: 2_000 }, (_, finding) => findings.push(finding));
  expect(findings).toEqual([]);
  expect(report.runs).toBe(2_000);
  expect(report.accepted).toBeGreaterThan(400);
});
