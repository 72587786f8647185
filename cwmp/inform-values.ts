// Reads the values of an Inform that is printed like one that was read: all markup from RetryCount on is, byte for byte, that of the other,
// and so are names and types; only plain texts of values differ. What the reader said of the other holds for this one then, but for the
// texts that differ. A CPE prints its Informs in a loop from one list of parameters, so nearly all of its Informs are such.
//
// A plain text has nothing that a reader would touch: printable ASCII without markup and references, and no blank at either end.

import { latin1 } from '../base/bytes.ts';
import { LIMITS } from '../base/limits.ts';
import { InformLayouts } from './inform-layouts.ts';
import type { EnvelopeInfo, Inform } from './message.ts';
import { rootOf } from './paths.ts';

const AMPERSAND = 38;
const BLANK = 32;
const BANG = 33;
const COLON = 58;
const GREATER_THAN = 62;
const LESS_THAN = 60;
const QUESTION = 63;
const SLASH = 47;

const VALUE = 'Value';

/** One way to go on after RetryCount. */
export interface InformValues {
  /** Of the Inform that was read, without its parameters: all but its texts holds for the others. */
  inform: Inform;
  envelope: EnvelopeInfo;
  names: string[];
  types: string[];
  /** The root object of the names. */
  root: string;
  /** The bytes before the first value, between the values, and behind the last one. */
  markup: DataView[];
}

/** Where the values of a document begin and end. */
export class ValuePlaces {
  readonly starts = new Int32Array(LIMITS.shadowHotEntriesMax);
  readonly ends = new Int32Array(LIMITS.shadowHotEntriesMax);

  /** @returns false when the document is printed otherwise from `from` on; the places mean nothing then. */
  find({ markup }: InformValues, body: Uint8Array, view: DataView, from: number): boolean {
    const count = markup.length - 1;
    let at = from;
    for (let i = 0; i < count; i++) {
      const before = markup[i]!;
      if (!InformLayouts.isAt(before, view, at)) return false;
      at += before.byteLength;
      const end = plainEnd(body, at);
      if (end < 0) return false;
      this.starts[i] = at;
      this.ends[i] = end;
      at = end;
    }
    const last = markup[count]!;
    return InformLayouts.isAt(last, view, at) && at + last.byteLength === body.length;
  }

  /** The text of value `i`, which is ASCII. */
  text(i: number, body: Uint8Array): string {
    return latin1(body, this.starts[i]!, this.ends[i]!);
  }
}

/**
 * Finds the values of an Inform that was read.
 * @param body the document, @param from where the text of RetryCount ends.
 * @param inform what the reader found in it without any tolerance, and @param envelope.
 * @returns null when some value is not plain, a name comes twice or none tells the root, or the values are more than a shadow compares.
 */
export function learnValues(
  body: Uint8Array,
  from: number,
  inform: Inform,
  envelope: EnvelopeInfo,
): InformValues | null {
  const list = inform.ParameterList;
  const names = list.map(({ Name }) => Name);
  const root = names.map(rootOf).find((one) => one !== '');
  if (root === undefined || list.length > LIMITS.shadowHotEntriesMax || new Set(names).size < list.length) return null;
  const copy = (start: number, end: number): DataView =>
    new DataView(Uint8Array.from(body.subarray(start, end)).buffer);
  const markup: DataView[] = [];
  let end = from;
  for (const { Value } of list) {
    const start = nextValue(body, end);
    const next = start < 0 ? -1 : plainEnd(body, start);
    // Another element of that name than the reader took: then this one's text is another one, or the count is.
    if (next < 0 || latin1(body, start, next) !== Value) return null;
    markup.push(copy(end, start));
    end = next;
  }
  if (nextValue(body, end) >= 0) return null;
  markup.push(copy(end, body.length));
  const types = list.map(({ Type }) => Type);
  // A copy: texts of a message keep the whole document alive.
  const kept = JSON.stringify({ inform: { ...inform, ParameterList: [] }, envelope, names, types, root });
  return { ...(JSON.parse(kept) as Omit<InformValues, 'markup'>), markup };
}

/** Where the text of the next element `Value` begins, whatever its prefix; −1 when there is none, or something hides what is markup. */
function nextValue(body: Uint8Array, from: number): number {
  const { length } = body;
  for (let at = from; ; ) {
    while (at < length && body[at] !== LESS_THAN) at++;
    const tagAt = ++at;
    if (tagAt >= length || body[tagAt] === BANG || body[tagAt] === QUESTION) return -1;
    let nameAt = tagAt;
    for (; at < length && body[at]! > BLANK && body[at] !== GREATER_THAN; at++) if (body[at] === COLON) nameAt = at + 1;
    const name = latin1(body, nameAt, at);
    while (at < length && body[at] !== GREATER_THAN) at++;
    if (name === VALUE && body[tagAt] !== SLASH && body[at - 1] !== SLASH) return at + 1;
  }
}

/** Where the plain text that begins at `start` ends, an end tag behind it; −1 when it is not plain. An empty one is. */
function plainEnd(body: Uint8Array, start: number): number {
  const { length } = body;
  let at = start;
  for (; at < length; at++) {
    const code = body[at]!;
    if (code < BLANK || code >= 127 || code === LESS_THAN || code === GREATER_THAN || code === AMPERSAND) break;
  }
  if (body[at] !== LESS_THAN || body[at + 1] !== SLASH) return -1;
  return at === start || (body[start]! > BLANK && body[at - 1]! > BLANK) ? at : -1;
}
