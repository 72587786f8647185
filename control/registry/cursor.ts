// Cursors of keyset pages: opaque text for callers, the last key for us. A forged one is the caller's mistake, not a failure.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Page } from '../services.ts';

/** Rows of a page: as many as the caller asked for, within bounds. */
export const rowsOf = (limit: number | undefined): number =>
  Math.min(Math.max(1, limit ?? LIMITS.pageRows), LIMITS.pageRowsMax);

/** The key a cursor stands for; null for the first page. Throws Refused 400 for what we did not make. */
export function keyOf(cursor: string | undefined, form: RegExp = /^[^\0]+$/): string | null {
  if (cursor === undefined) return null;
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (Buffer.from(key).toString('base64url') !== cursor || !form.test(key)) {
    throw new Refused(400, 'bad-cursor', 'This cursor was not made here. Start again without cursor.');
  }
  return key;
}

/** A page out of `limit + 1` rows: the one too many only tells that there is a next page. */
export function pageOf<R, T>(rows: R[], limit: number, view: (row: R) => T, key: (row: R) => string): Page<T> {
  const kept = rows.slice(0, limit);
  const next = rows.length > limit ? Buffer.from(key(kept.at(-1)!)).toString('base64url') : null;
  return { items: kept.map(view), next };
}
