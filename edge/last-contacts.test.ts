import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { silentLog } from '../base/log.ts';
import { ManualTimers } from '../base/timers.ts';
import type { AnyFactBody } from '../bus/messages.ts';
import { LastContacts } from './last-contacts.ts';
import type { NewFact } from './store/store.ts';

/** Last contacts with a time of their own, and the batches that were told: devices of each. */
function open(isFar: boolean): {
  contacts: LastContacts;
  timers: ManualTimers;
  batches: string[][];
  nudges: () => number;
} {
  const timers = new ManualTimers();
  const batches: string[][] = [];
  let nudged = 0;
  const appendFacts = (facts: NewFact[]) => {
    for (const fact of facts as AnyFactBody[]) {
      if (fact.type === 'seen') batches.push(fact.body.devices.map(({ cpeId }) => cpeId));
    }
    return { last: 0, durable: Promise.resolve() };
  };
  const nudge = (): void => {
    nudged++;
  };
  const contacts = new LastContacts({
    store: { appendFacts },
    timers,
    clock: timers.clock,
    log: silentLog,
    isFar,
    nudge,
  });
  return { contacts, timers, batches, nudges: () => nudged };
}

test('last contacts of a second are told together', () => {
  const { contacts, timers, batches, nudges } = open(false);
  contacts.mark('a', 1);
  timers.advance(LIMITS.lastContactsMs - 1);
  contacts.mark('b', 2);
  expect(batches).toEqual([]);
  timers.advance(1);
  expect(batches).toEqual([['a', 'b']]);
  timers.advance(10 * LIMITS.lastContactsFewMs);
  expect(batches).toHaveLength(1);
  expect(nudges()).toBe(1);
  expect(timers.pending).toBe(0);
});

test('far from control few devices wait for others: until they are not few, or a minute is over', () => {
  const { contacts, timers, batches } = open(true);
  contacts.mark('a', 1);
  timers.advance(LIMITS.lastContactsFewMs - 1);
  expect(batches).toEqual([]);
  timers.advance(1);
  expect(batches).toEqual([['a']]);

  const many = Array.from({ length: LIMITS.lastContactsFew }, (_, i) => `b${i}`);
  for (const cpeId of many) contacts.mark(cpeId, 2);
  timers.advance(LIMITS.lastContactsMs);
  expect(batches).toEqual([['a'], many]);
  // Those that come next have the whole time again.
  contacts.mark('c', 3);
  timers.advance(LIMITS.lastContactsFewMs - 1);
  expect(batches).toHaveLength(2);
  timers.advance(1);
  expect(batches[2]).toEqual(['c']);
});

test('a device that somebody wanted to hear of does not wait for others, and takes those along that do', () => {
  const { contacts, timers, batches } = open(true);
  contacts.mark('a', 1);
  timers.advance(3 * LIMITS.lastContactsMs);
  contacts.mark('wanted', 2, true);
  timers.advance(LIMITS.lastContactsMs);
  expect(batches).toEqual([['a', 'wanted']]);
  contacts.mark('b', 3);
  timers.advance(3 * LIMITS.lastContactsMs);
  expect(batches).toHaveLength(1);
});

test('as many as one batch holds are told at once, and a flush tells what there is', () => {
  const { contacts, timers, batches } = open(true);
  for (let i = 0; i <= LIMITS.lastContactsMax; i++) contacts.mark(`a${i}`, i);
  expect(batches.map((batch) => batch.length)).toEqual([LIMITS.lastContactsMax]);
  contacts.flush();
  expect(batches.map((batch) => batch.length)).toEqual([LIMITS.lastContactsMax, 1]);
  contacts.flush();
  expect(batches).toHaveLength(2);
  expect(timers.pending).toBe(0);
});
