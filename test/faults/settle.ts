// The end of a fault test: what was under way comes to its end once everything is there again, and what may be left is looked at.

import { expect } from 'vitest';
import type { Database } from '../../control/store/postgres.ts';
import { type ActionRow, openActions } from './books.ts';
import type { Load } from './load.ts';

const SETTLE_MS = 90_000;
/** Open RPCs that must not be repeated end by an event or by time; only these may be open in the end. */
const MAY_WAIT: Readonly<Record<string, string>> = { upload: 'Upload', reboot: 'Reboot' };

/**
 * Sessions until nothing waits any more: no undelivered event, no fact on its way, no action open that a session could end.
 * @param waiting how much is on its way, by place.
 */
export async function settle(waiting: () => Promise<Record<string, number>>, sql: Database, load: Load): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const open = await openActions(sql);
    const ready = open.filter(({ state, kind }) => state !== 'running' || MAY_WAIT[kind] === undefined);
    const busy = load.cpes.filter(({ cpe }) => !cpe.isUp || cpe.events.pending.length > 0);
    const onTheWay = await waiting();
    const isArrived = Object.values(onTheWay).every((count) => count === 0);
    const isDone = ready.length === 0 && busy.length === 0;
    if (isDone && isArrived) return;
    if (Date.now() > deadline) {
      const rest = ready.map(({ kind, reference, state, why }) => `${kind} ${reference} ${state} "${why}"`);
      throw new Error(
        `not settled: on the way ${JSON.stringify(onTheWay)}; ${busy.map(({ cpe }) => cpe.describe()).join('; ')}; ${rest.join('; ')}`,
      );
    }
    // Sessions tell something new: over a slow line there would never be nothing on the way. CPEs do not wait for each other.
    if (!isDone) {
      await Promise.all(
        load.cpes.map((one) => {
          // A restart that was asked for in vain is proven or refuted by the next one, and others wait behind it.
          const blocked = open.some(
            ({ device_id, kind, state }) => device_id === one.id && kind === 'reboot' && state === 'running',
          );
          if (blocked && one.cpe.isUp) one.cpe.reboot();
          return load.session(one);
        }),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Fails for an action that is open and should not be: marked as sent, and the kill came before it left, is all that may have happened. */
export function expectOpenOnesNeverArrived(open: readonly ActionRow[], load: Load): void {
  for (const { kind, device_id, command_key, state, reference, why } of open) {
    const one = load.cpes.find(({ id }) => id === device_id);
    const told = one?.cpe.acknowledged.transfers.filter(({ CommandKey }) => CommandKey === command_key);
    console.log(`open: ${kind} ${reference} is ${state}: ${why} TransferComplete answered: ${JSON.stringify(told)}`);
    const method = MAY_WAIT[kind] ?? '';
    // It is not repeated, and nobody can say more until its time is over.
    expect([kind in MAY_WAIT, state, one?.cpe.received.executed(method, command_key)]).toEqual([true, 'running', 0]);
  }
}

/** Facts that wait, as the role at `url` shows them. */
export async function outboxDepthAt(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^starling_outbox_facts (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}
