// What a caller may ask of a batch: which devices, which of them not, what is to be done to each, and how fast.

import { z } from 'zod';
import { LIMITS } from '../../base/limits.ts';
import { actionRequest } from '../actions/request.ts';

const text = z.string().trim().min(1).max(200);
const ids = z.array(z.string().min(1).max(LIMITS.keyCharsMax)).min(1).max(LIMITS.batchIdsMax);
/** As GET /devices filters; all that is given must hold. */
const filter = z.strictObject({
  q: text.optional(),
  manufacturer: text.optional(),
  oui: text.optional(),
  productClass: text.optional(),
  softwareVersion: text.optional(),
  profile: text.optional(),
  tag: text.optional(),
  edgeId: text.optional(),
  seenSince: z.iso.datetime({ offset: true }).optional(),
  silentSince: z.iso.datetime({ offset: true }).optional(),
});

export const batchSelection = z
  .strictObject({
    /** These devices, or … */
    ids: ids.optional(),
    /** … all that match. An empty filter would be the whole fleet: say so with `all`. */
    filter: filter.optional(),
    all: z.literal(true).optional(),
    /** Not these, whatever selects them. */
    exclude: z
      .strictObject({ ids: ids.optional(), tags: z.array(text).min(1).max(LIMITS.tagsMax).optional() })
      .optional(),
  })
  .refine(
    ({ ids: given, filter: wanted, all }) =>
      [given !== undefined, wanted !== undefined && Object.keys(wanted).length > 0, all === true].filter(Boolean)
        .length === 1,
    'give ids, a filter that is not empty, or all, and one of them only',
  );
export type BatchSelection = z.infer<typeof batchSelection>;

export const batchPace = z.strictObject({
  /** Actions that may be under way at a time. */
  atOnce: z.int().min(1).max(LIMITS.batchAtOnceMax).default(100),
  /** Actions that are let go in a minute. */
  perMinute: z.int().min(1).max(LIMITS.batchPerMinuteMax).default(600),
  /** It pauses when so many of a hundred that ended did not end well, once `least` have ended. */
  pauseAtPercent: z.number().min(0).max(100).default(5),
  least: z.int().min(1).default(20),
});
export type BatchPace = z.infer<typeof batchPace>;

export const batchRequest = z.strictObject({
  selection: batchSelection,
  action: actionRequest,
  pace: batchPace.prefault({}),
});
export type BatchRequest = z.infer<typeof batchRequest>;
