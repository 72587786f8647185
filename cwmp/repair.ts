// Makes a document that xmldom takes out of one that CPEs send, without deciding what anything means: one pass that rewrites markup,
// refuses what is dangerous (document types, depth, numbers) and repairs, once, what has only one reading (CWMP E16): stray `<`,
// unquoted attributes, blanks in end tags, prefixes nobody declared. Every `&` is escaped, so that references reach the rules of
// lenient.ts as the CPE wrote them.

import { LIMITS } from '../base/limits.ts';
import type { RefusalReason } from './message.ts';
import type { ToleranceSet } from './tolerances.ts';

/** What a prefix without a declaration is bound to, so that xmldom takes it and the reader sees it. */
export const UNDECLARED = 'urn:starling:undeclared';

export type Repaired = { type: 'text'; text: string } | { type: 'empty' } | { type: 'refused'; reason: RefusalReason };

const NAME_START = /[A-Za-z_\u0080-\uffff]/;
const DOCUMENT_TYPE = /^<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)/i;
/** One attribute: name, then a value in double quotes, single quotes or none. */
const ATTRIBUTE = /( *)([^ =/"'<>]+)(?: *= *(?:"([^"]*)"|'([^']*)'|([^ "'<>=]+)))?/y;
/** Empty comments stand where comments and instructions stood: they keep texts apart as those did. */
const GAP = '<!---->';

/**
 * @param text of a document, decoded.
 * @param tolerances gets junk-before-root, space-before-declaration, trailing-junk and repaired-markup.
 */
export function repair(text: string, tolerances: ToleranceSet): Repaired {
  const first = text.search(/[^\x00-\x20]/);
  if (first < 0) return { type: 'empty' };
  if (!text.includes('<', first)) return { type: 'refused', reason: 'not-soap' };
  if (first > 0 && text.startsWith('<?xml', first)) tolerances.add('space-before-declaration');
  return new Repair(text, tolerances).run(first);
}

class Repair {
  readonly #text: string;
  readonly #tolerances: ToleranceSet;
  readonly #out: string[] = [];
  readonly #prefixes = new Set<string>();
  readonly #rootPrefixes = new Set<string>();
  /** Index in `out` behind the name of the root, where declarations are put in. */
  #rootSlot = -1;
  #depth = 0;
  #tags = 0;

  constructor(text: string, tolerances: ToleranceSet) {
    this.#text = text;
    this.#tolerances = tolerances;
  }

  run(start: number): Repaired {
    const text = this.#text;
    for (let at = start; at < text.length; ) {
      const next = this.#step(at);
      if (typeof next === 'string') return { type: 'refused', reason: next };
      at = next;
    }
    if (this.#depth > 0 || this.#rootSlot < 0) return { type: 'refused', reason: 'truncated' };
    const missing = [...this.#prefixes].filter((prefix) => !this.#rootPrefixes.has(prefix));
    this.#out[this.#rootSlot] = missing.map((prefix) => ` xmlns:${prefix}="${UNDECLARED}"`).join('');
    return { type: 'text', text: this.#out.join('') };
  }

  /** Rewrites one piece; returns where the next starts, or why there is none. */
  #step(at: number): number | RefusalReason {
    const text = this.#text;
    if (text.charCodeAt(at) !== 60) return this.#characters(at);
    if (text.startsWith('<!--', at)) return this.#pass(at + 4, '-->', GAP);
    if (text.startsWith('<?', at)) return this.#pass(at + 2, '?>', GAP);
    if (text.startsWith('<![CDATA[', at) && this.#depth > 0) return this.#pass(at + 9, ']]>', null, at);
    if (text.startsWith('<!', at)) {
      if (DOCUMENT_TYPE.test(text.slice(at, at + 10))) return 'doctype';
      return text.length - at < 9 ? 'truncated' : 'not-well-formed';
    }
    if (text.startsWith('</', at)) return this.#endTag(at);
    if (at + 1 >= text.length) return 'truncated';
    if (NAME_START.test(text[at + 1]!)) return this.#startTag(at);
    if (this.#depth === 0) return 'not-well-formed';
    this.#tolerances.add('repaired-markup');
    this.#out.push('&lt;');
    return at + 1;
  }

  #characters(at: number): number {
    const found = this.#text.indexOf('<', at);
    const end = found < 0 ? this.#text.length : found;
    const raw = this.#text.slice(at, end);
    if (this.#depth > 0) this.#out.push(raw.replaceAll('&', '&amp;'));
    else if (this.#rootSlot < 0) {
      if (/[^\x00-\x20]/.test(raw)) this.#tolerances.add('junk-before-root');
    }
    // Behind the root, NUL bytes are what a C string ends with.
    else if (/[^\x09-\x20]/.test(raw)) this.#tolerances.add('trailing-junk');
    return end;
  }

  /** A piece up to `close`, kept as it is from `keepFrom` on or replaced. */
  #pass(from: number, close: string, replacement: string | null, keepFrom = 0): number | RefusalReason {
    const found = this.#text.indexOf(close, from);
    if (found < 0) return 'truncated';
    const end = found + close.length;
    if (this.#depth > 0) this.#out.push(replacement ?? this.#text.slice(keepFrom, end));
    return end;
  }

  #endTag(at: number): number | RefusalReason {
    const end = this.#text.indexOf('>', at);
    if (end < 0) return 'truncated';
    if (this.#depth === 0) return 'not-well-formed';
    this.#depth--;
    const raw = blanksForControls(this.#text.slice(at + 2, end)).trimEnd();
    const name = raw.trimStart();
    if (name !== raw) this.#tolerances.add('repaired-markup');
    this.#out.push(`</${name}>`);
    return end + 1;
  }

  #startTag(at: number): number | RefusalReason {
    const end = endOfTag(this.#text, at + 1);
    if (end < 0) return end === -1 ? 'truncated' : 'not-well-formed';
    if (this.#depth === 0 && this.#rootSlot >= 0) return 'not-well-formed';
    if (++this.#tags > LIMITS.secondReaderTagsMax) return 'too-many';
    if (this.#depth >= LIMITS.xmlDepthMax) return 'too-deep';
    const closed = this.#text.charCodeAt(end - 1) === 47;
    const inside = blanksForControls(this.#text.slice(at + 1, closed ? end - 1 : end));
    const name = /^[^ /]+/.exec(inside)![0];
    if (name.length > LIMITS.xmlNameCharsMax) return 'too-large';
    this.#usePrefixOf(name);
    this.#out.push(`<${name}`);
    const isRoot = this.#rootSlot < 0;
    if (isRoot) this.#rootSlot = this.#out.push('') - 1;
    const refusal = this.#attributes(inside, name.length, isRoot);
    if (refusal !== null) return refusal;
    this.#out.push(closed ? '/>' : '>');
    if (!closed) this.#depth++;
    return end + 1;
  }

  #attributes(inside: string, from: number, isRoot: boolean): RefusalReason | null {
    let count = 0;
    ATTRIBUTE.lastIndex = from;
    for (;;) {
      const { lastIndex } = ATTRIBUTE;
      const match = ATTRIBUTE.exec(inside);
      if (match === null) return /^ *$/.test(inside.slice(lastIndex)) ? null : 'not-well-formed';
      const [, gap, name, double, single, bare] = match;
      const value = double ?? single;
      if (value === undefined || gap === '') this.#tolerances.add('repaired-markup');
      if (++count > LIMITS.xmlAttributesMax) return 'too-many';
      if (name!.length > LIMITS.xmlNameCharsMax) return 'too-large';
      if (isRoot && name!.startsWith('xmlns:')) this.#rootPrefixes.add(name!.slice(6));
      this.#usePrefixOf(name!);
      const text = (value ?? bare ?? '').replaceAll('&', '&amp;').replaceAll('"', '&quot;');
      this.#out.push(` ${name}="${text}"`);
    }
  }

  #usePrefixOf(name: string): void {
    const colon = name.indexOf(':');
    if (colon <= 0) return;
    const prefix = name.slice(0, colon);
    if (prefix !== 'xmlns' && prefix !== 'xml') this.#prefixes.add(prefix);
  }
}

function blanksForControls(markup: string): string {
  return markup.replace(/[\x00-\x1f]/g, ' ');
}

/** Index of the `>` that ends a tag, quotes minded; −1 when the text ends before, −2 when another tag starts before. */
function endOfTag(text: string, from: number): number {
  let quote = 0;
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    // Of an unclosed quote nobody knows how much it swallowed: not repaired.
    if (c === 60) return -2;
    if (quote !== 0) {
      if (c === quote) quote = 0;
    } else if (c === 62) return i;
    else if (c === 34 || c === 39) quote = c;
  }
  return -1;
}
