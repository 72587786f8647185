// What was delivered comes again, and out of order: every message of either direction may be stored at the hub once more, any time later,
// as by a publisher that never learned that it got through. That a new one comes before an older one is excluded (see bus/nats.ts), and not played.

import { headers, type Msg } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALL_COMMANDS, ALL_EVENTS, subjectMatches } from '../../bus/subjects.ts';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { pick } from '../random.ts';
import { Apart, FULL, pause } from './apart.test-helper.ts';

const MESSAGES = FULL ? 6_000 : 600;
/** A header of what is ours. */
const AGAIN = 'test-again';

describe.skipIf(NATS_SERVER === null)('delivered again', () => {
  let apart: Apart;
  beforeAll(async () => {
    apart = await Apart.start('duplicates, out of order');
  });
  afterAll(() => apart?.stop());

  test(`faults: ${MESSAGES} messages come again later, in any order, also after restarts: nothing takes effect twice`, {
    timeout: 420_000,
  }, async () => {
    const { load, starling, random } = apart;
    const counts = { facts: 0, decisions: 0 };
    const originals: Msg[] = [];
    await apart.atHub(async (_, nats) => {
      const marked = headers();
      marked.set(AGAIN, '1');
      for (const pattern of [ALL_EVENTS, ALL_COMMANDS]) {
        nats.subscribe(pattern, {
          callback: (_, message) => {
            if (!message.headers?.has(AGAIN)) originals.push(message);
          },
        });
      }
      await nats.flush();
      load.go();
      load.operate(starling);
      await expect.poll(() => originals.length, { timeout: 20_000 }).toBeGreaterThan(50);
      for (let sent = 0; sent < MESSAGES; sent++) {
        const { subject, data } = pick(random, originals);
        counts[subjectMatches(ALL_EVENTS, subject) ? 'facts' : 'decisions']++;
        nats.publish(subject, data, { headers: marked });
        if (sent === Math.floor(MESSAGES / 3)) {
          await apart.kill('edge');
          await apart.restart('edge');
        }
        if (sent === Math.floor(MESSAGES / 2)) {
          await apart.kill('control');
          await apart.restart('control');
          await load.stopOperating();
          load.operate(starling);
        }
        await pause(random() * 20);
      }
      await nats.flush();
      await load.stopOperating();
    });
    await apart.healed({
      'messages of both directions': originals.length,
      'batches of facts again': counts.facts,
      'batches of decisions again': counts.decisions,
    });
    expect(Math.min(counts.facts, counts.decisions)).toBeGreaterThan(MESSAGES / 20);
    expect(await apart.metric('control', 'starling_control_facts_parked_total')).toBe(0);
  });
});
