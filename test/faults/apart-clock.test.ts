// A wall clock that is stepped by an hour under load, forwards and backwards, at the edge and at control, with and without a restart behind
// it. The clock is stepped inside the processes (step-clock.ts), so that everything else on the machine keeps its own.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REPOSITORY } from '../corpus.ts';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { Apart, FULL, pause } from './apart.test-helper.ts';

const HOUR_MS = 3_600_000;
const ROUNDS = FULL ? 10 : 1;
/** Under load after each step. */
const LOAD_MS = 1_200;
/** From the machine's time on: forwards, back, backwards, back. */
const STEPS = [HOUR_MS, 0, -HOUR_MS, 0];

describe.skipIf(NATS_SERVER === null)('clocks', () => {
  let apart: Apart;
  beforeAll(async () => {
    const stepClock = pathToFileURL(join(REPOSITORY, 'dist/test/faults/step-clock.js')).href;
    apart = await Apart.start('clock stepped by an hour', { env: { NODE_OPTIONS: `--import ${stepClock}` } });
  });
  afterAll(() => apart?.stop());

  const step = (role: 'edge' | 'control', ms: number): void => {
    const file = join(apart.starling.dataDir, role, 'clock-step');
    writeFileSync(`${file}.new`, String(ms));
    renameSync(`${file}.new`, file);
  };

  test.each(['edge', 'control'] as const)(
    'faults: the clock of the %s is stepped by an hour under load: nothing is lost, nothing is done twice',
    { timeout: 120_000 + ROUNDS * 60_000 },
    async (role) => {
      const { load, starling } = apart;
      load.go();
      const steps: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        for (const ms of STEPS) {
          load.operate(starling);
          await pause(LOAD_MS);
          step(role, ms);
          steps.push(ms);
          await pause(LOAD_MS);
          // Every other step is one behind which the process starts.
          if (steps.length % 2 === 0) {
            await apart.kill(role);
            await apart.restart(role);
          }
          await load.stopOperating();
        }
      }
      await apart.healed({
        'clock of': role,
        'steps of an hour': steps.length,
        'restarts behind them': steps.length / 2,
      });
      expect(steps.at(-1)).toBe(0);
    },
  );
});
