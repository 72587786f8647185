// How the edge reads a POST: the fast reader, and the second reader for what is not well-formed. Only that one reason is worth a second
// look: every other refusal is about what the document says, and both readers say the same of it.

import { LIMITS } from '../base/limits.ts';
import type { ReadResult } from './message.ts';
import { readMessage as readFast } from './soap-reader.ts';
import { readMessage as readSecond } from './xmldom-reader.ts';

export const PARSE_PATHS = ['fast', 'second'] as const;
export type ParsePath = (typeof PARSE_PATHS)[number];

export interface Read {
  result: ReadResult;
  /** Which reader the result is from, for metrics: a fleet on the second path is a profile to look at. */
  parsePath: ParsePath;
}

/**
 * Reads one POST of a CPE.
 * @param bytes the body, inflated.
 * @param contentType the header as sent, or null.
 * @returns the message or the refusal, and who read it. Never throws.
 */
export function read(bytes: Uint8Array, contentType: string | null): Read {
  const result = readFast(bytes, contentType);
  if (result.type === 'ok' || result.reason !== 'not-well-formed') return { result, parsePath: 'fast' };
  if (bytes.length > LIMITS.secondReaderBytesMax) return { result, parsePath: 'fast' };
  return { result: readSecond(bytes, contentType), parsePath: 'second' };
}
