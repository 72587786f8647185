// What is known of the effect of an action on one parameter, by its own result alone. Pure.

import type { Doing } from './story.ts';

/**
 * took: seen on the device; already: it was so; accepted: not seen since; reverted: accepted, and read as before since; later: the device is
 * to apply it; not: refused or ignored; unknown: it began, and nobody knows; waiting; never: it ended without having begun.
 */
export type Fate = 'took' | 'already' | 'accepted' | 'reverted' | 'later' | 'not' | 'unknown' | 'waiting' | 'never';

/** What is known of the effect of an action that was to write, make or delete, by its own result. */
export function fateOf({ what, item, outcome, state, startedAt, endedAt, fault }: Doing): Fate {
  if (endedAt === null) return state === 'running' || state === 'verifying' ? 'unknown' : 'waiting';
  if (what === 'wrote' && item !== null) return ITEM_FATES[item.status] ?? 'not';
  switch (outcome) {
    case 'done':
    case 'partial':
      return what === 'wrote' ? 'accepted' : 'took';
    case 'applied':
      return 'accepted';
    case 'failed':
      return fault === null ? 'unknown' : 'not';
    case 'cancelled':
    case 'expired':
      return startedAt === null ? 'never' : 'unknown';
    default:
      return 'not';
  }
}

/** What the parameter is when the action takes effect; null: nobody knows, or it is gone. */
export function wouldBe({ what, item, wanted, after }: Doing): string | null {
  if (what === 'deleted') return null;
  if (what === 'wrote') return wanted;
  const written = item !== null && item.status in ITEM_FATES;
  return written ? wanted : after;
}

/** Status of an item of a set (edge/tasks/judging.ts) → what became of the value. */
const ITEM_FATES: Readonly<Record<string, Fate>> = {
  set: 'took',
  unchanged: 'already',
  unverified: 'accepted',
  pending: 'later',
};
