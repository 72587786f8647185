// What an idle Starling costs: the resident memory of `starling up` without its PostgreSQL, ten seconds after it is ready. Read from /proc.

import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { descendants, startStarling } from '../starling.test-helper.ts';
import { residentMiB } from './memory.test-helper.ts';

const RESIDENT_MIB_MAX = 250;
const IDLE_MS = 10_000;

const linux = existsSync('/proc/self/status');
if (!linux) console.log('skipped: resident memory is read from /proc, which this machine does not have');

test.skipIf(!linux)(
  'idle: starling up holds less than 250 MB, PostgreSQL not counted',
  { timeout: 90_000 },
  async () => {
    const starling = await startStarling();
    try {
      await pause(IDLE_MS);
      const { pid } = starling.process;
      // Every process of ours counts; today there is one, and PostgreSQL's are known by their program.
      const ours = [pid!, ...descendants(pid!)].filter((one) => !/postgres|^unshare/.test(programOf(one)));
      const resident = ours.map(residentMiB).reduce((sum, one) => sum + one, 0);
      console.log(`resident after ${IDLE_MS / 1_000} s idle: ${resident} MiB in ${ours.length} process(es)`);
      expect(ours).toContain(pid);
      expect(resident).toBeLessThan(RESIDENT_MIB_MAX);
    } finally {
      await starling.stop();
      starling.clean();
    }
  },
);

function programOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}
