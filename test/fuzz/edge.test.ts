import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fuzzEdge } from './edge.ts';

const linux = existsSync('/proc/self/status');
if (!linux) console.log('skipped: resident memory is read from /proc, which this machine does not have');

test.skipIf(!linux)(
  'fuzz: a thousand requests of a fixed seed at a live edge all get an answer',
  { timeout: 120_000 },
  async () => {
    const report = await fuzzEdge({ seconds: 90, seed: 20_250_304, runsMax: 1_000 }, () => {});
    expect(report.findings).toEqual([]);
    expect(report.runs).toBe(1_000);
    expect(Object.keys(report.statuses)).toEqual(expect.arrayContaining(['200', '204', '400', '405', '415']));
  },
);
