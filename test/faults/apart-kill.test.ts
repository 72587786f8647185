// Edge and control apart, each part killed alone at random moments under load: the edge, its leaf, the hub, control, PostgreSQL. What was
// acknowledged is stored once in the end, and what must not be done twice was not. STARLING_TEST_ROUNDS sets the rounds for each part.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { Apart, FULL, PARTS, pause } from './apart.test-helper.ts';

const ROUNDS = Number(process.env['STARLING_TEST_ROUNDS'] ?? (FULL ? 30 : 3));
/** Under load before a kill, and without the part after it. */
const LOAD_MS_MAX = 1_200;
const AWAY_MS_MAX = 600;

describe.skipIf(NATS_SERVER === null)('edge and control apart', () => {
  let apart: Apart;
  beforeAll(async () => {
    apart = await Apart.start(`kills of each part, ${ROUNDS} rounds each`);
  });
  afterAll(() => apart?.stop());

  test.each(PARTS)(
    'faults: the %s is killed under load: nothing is lost, nothing is done twice',
    {
      timeout: 120_000 + ROUNDS * 20_000,
    },
    async (part) => {
      const { load, starling, random } = apart;
      load.go();
      let awayMs = 0;
      for (let round = 1; round <= ROUNDS; round++) {
        load.operate(starling);
        await pause(random() * LOAD_MS_MAX);
        const startedAt = performance.now();
        await apart.kill(part);
        await pause(random() * AWAY_MS_MAX);
        await apart.restart(part);
        awayMs += performance.now() - startedAt;
        await load.stopOperating();
      }
      await apart.healed({ killed: part, kills: ROUNDS, 'away on average, ms': Math.round(awayMs / ROUNDS) });
      expect(await apart.metric('control', 'starling_control_facts_parked_total')).toBe(0);
    },
  );
});
