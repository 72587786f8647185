// kill -9 of control or edge at every step of an action: it ends once, and what must not be done twice was not, or it is listed as unknown with
// what is known. Which steps there are is asked of an action that nobody disturbs. STARLING_TEST_FAULTS=1 kills both parts at every step of
// every kind; a usual run kills one of the two at each step of two kinds.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../control/store/postgres.ts';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { killTree } from '../starling.test-helper.ts';
import { giveFile, KINDS, type Kind, SteppedAction } from './action-steps.test-helper.ts';
import { Apart, FULL } from './apart.test-helper.ts';

const VICTIMS = ['control', 'edge'] as const;
type Victim = (typeof VICTIMS)[number];
/** Kinds with a recovery that a CPE can be asked for. */
const RECOVERABLE: readonly Kind[] = ['set', 'add'];
/** A usual run takes what must not be done twice: one that is read back, and one whose end is an event. */
const TRIED: readonly Kind[] = FULL ? KINDS : ['add', 'reboot'];
/** Steps that are alike for all kinds: a usual run has each with one kind. */
const ALIKE = ['created', 'approved', 'claimed', 'at edge', 'session over', 'result stored', 'recovery begun'];

const table: Record<string, string>[] = [];

describe.skipIf(NATS_SERVER === null)('an action, killed at every step', () => {
  let apart: Apart;
  let sql: Database;
  let file = '';
  let count = 0;
  beforeAll(async () => {
    apart = await Apart.start('kills at every step of an action', { cpes: 1 });
    sql = await apart.database.open();
    file = await giveFile(apart);
    const rules = [{ name: 'all', need: 'one', approvers: ['admin'], holdsHours: 4 }];
    const { status } = await apart.starling.api('PUT', '/approval-matrix', { rules });
    expect(status).toBe(200);
  });
  afterAll(async () => {
    console.table(table);
    await sql?.end({ timeout: 1 });
    await apart?.stop();
  });

  /** One action, and what came of it. */
  async function once(kind: Kind, at: string | null, victim: Victim): Promise<SteppedAction> {
    const kill = (): void => killTree(apart.starling[victim].process.pid ?? 0);
    const restart = async (): Promise<void> => {
      await apart.kill(victim);
      await apart.restart(victim);
    };
    const action = new SteppedAction(apart, sql, `STEP${++count}`, kind, at, kill);
    const name = `${kind}, ${victim} killed at ${at}`;
    try {
      await action.begin(file);
      await action.goOn(restart);
      const { state, isKnown, why } = await action.ended();
      const recovered = RECOVERABLE.includes(kind) && (at === null || at === 'recovery begun');
      const after = recovered ? await action.recover(restart) : '';
      if (at !== null) table.push({ kind, killed: victim, step: at, state, 'is known': String(isKnown), after, why });
      expect(action.isKilled || at === null, `${name}: the step came`).toBe(true);
      const { results, ends, executed } = await action.counts();
      // One end with one result, and done once; or somebody is told that it is not known.
      expect({ ends, results }, name).toEqual({ ends: 1, results: 1 });
      expect(executed, `${name}: executions`).toBeLessThanOrEqual(1);
      // A CPE whose file server is gone with its edge says so: it ended, and what it came to is known.
      const isFetchedInVain = kind === 'download' && victim === 'edge' && state === 'failed' && why.includes('9015');
      if (isKnown && !isFetchedInVain)
        expect([state, executed, recovered || action.isDone], `${name}: ${why}`).toEqual(['done', 1, true]);
      if (recovered) expect(after, name).toBe('recovered');
      return action;
    } finally {
      await action.cpe.stop();
    }
  }

  test.each(TRIED)(
    'faults: %s ends once, or is known to be unknown, at whatever step a part is killed',
    {
      timeout: FULL ? 900_000 : 240_000,
    },
    async (kind) => {
      const { steps } = await once(kind, null, 'edge');
      console.log(`${kind}: ${steps.join(', ')}`);
      const chosen = steps.flatMap((at, i) => {
        if (FULL) return VICTIMS.map((victim) => ({ at, victim }));
        const place = ALIKE.indexOf(at);
        const isHere =
          place < 0 || (at === 'recovery begun' ? kind === 'add' : place % TRIED.length === TRIED.indexOf(kind));
        return isHere ? [{ at, victim: VICTIMS[(i + TRIED.indexOf(kind)) % 2]! }] : [];
      });
      for (const { at, victim } of chosen) await once(kind, at, victim);
    },
  );
});
