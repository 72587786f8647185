// When two readers agree about a document. The first may decline what is not well-formed and the second read it; the second may find
// not well-formed what the first does not look at (doubled attributes, names XML forbids) and has smaller bounds. Nothing else may differ.

import { isDeepStrictEqual } from 'node:util';
import type { ReadResult } from '../cwmp/message.ts';

/** Null when the readers agree, else what they disagree about. */
export function disagreement(fast: ReadResult, second: ReadResult): string | null {
  if (fast.type === 'ok' && second.type === 'ok') {
    return isDeepStrictEqual(fast, second) ? null : `fast ${JSON.stringify(fast)}\nsecond ${JSON.stringify(second)}`;
  }
  if (fast.type === 'ok' && second.type === 'refused') {
    return ['not-well-formed', 'too-large', 'too-many'].includes(second.reason)
      ? null
      : `only second refuses: ${second.reason}`;
  }
  if (fast.type === 'refused' && second.type === 'ok') {
    return fast.reason === 'not-well-formed' ? null : `only fast refuses: ${fast.reason}`;
  }
  return null;
}
