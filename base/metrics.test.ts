import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { LIMITS } from './limits.ts';
import { Tally } from './metrics.ts';

test('a tally counts by label, and shows it when scraped', async () => {
  const registry = new Registry();
  const tally = new Tally(registry, 'faults_total', 'Faults.', 'code');
  tally.inc('9005');
  tally.inc('9005', 2);
  expect(tally.get('9005')).toBe(3);
  expect(await registry.metrics()).toContain('faults_total{code="9005"} 3');
});

test('values that somebody invents one after another fill neither memory nor a scrape, and none is left uncounted', async () => {
  const registry = new Registry();
  const tally = new Tally(registry, 'faults_total', 'Faults.', 'code');
  const invented = 3 * LIMITS.metricLabelValuesMax;
  for (let code = 0; code < invented; code++) tally.inc(String(code));
  tally.inc('0');
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('faults_total{'));
  expect(lines.length).toBe(LIMITS.metricLabelValuesMax + 1);
  expect(tally.get('0')).toBe(2);
  expect(lines.map((line) => Number(line.split(' ')[1])).reduce((sum, count) => sum + count, 0)).toBe(invented + 1);
});
