// The tag scanner below the first reader: one forward pass over the text of a document, no tree, no string per tag. It checks what
// keeps a document in step (names, nesting, attributes, end tags) and the bounds; it does not check for doubled attributes, and it knows
// nothing of SOAP. After a refusal every call answers END, so that the loops above need no error path of their own.
//
// It looks at `codes`, one byte per character, for a load from a typed array costs a third of charCodeAt on a string of unknown kind.
// Strings it returns are slices, which keep the whole document alive: copy those that outlive the request.

import { LIMITS } from '../base/limits.ts';
import { cleanCdata, cleanText } from './lenient.ts';
import type { RefusalReason } from './message.ts';
import { ToleranceSet } from './tolerances.ts';

export const END = 0;
export const OPEN = 1;
export const CLOSE = 2;
export type Token = typeof END | typeof OPEN | typeof CLOSE;

/** Characters of a name: 1 anywhere, 2 not in front, 0 nowhere. All above 0x7F pass: no CPE spells an element so. */
const NAME = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
  if ((c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c >= 128) NAME[c] = 1;
  else if ((c >= 48 && c <= 57) || c === 45 || c === 46) NAME[c] = 2;
}

const NO_CODES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_CODES.buffer);

/** Where one attribute lies: raw name, local name, end of name, value, end of value. */
const FIELDS = 5;

/** One scanner reads one document at a time: start, tags until END or the root's CLOSE, finish, release. */
export class Scanner {
  doc = '';
  codes: Uint8Array = NO_CODES;
  /** The same, for comparing four at a time. */
  view: DataView = NO_VIEW;
  /** Where reading goes on, and where the document ends. */
  pos = 0;
  end = 0;
  /** Why the document is refused; null as long as it is not. */
  refusal: RefusalReason | null = null;
  readonly tolerances = new ToleranceSet();
  /** Open elements, the one just opened included. */
  depth = 0;
  /** Of the tag that was opened last: the raw name starts at rawStart, its local name at localStart. */
  rawStart = 0;
  localStart = 0;
  nameEnd = 0;
  /** Attributes of the tag that was opened last. */
  attributeCount = 0;

  /** The text passed last holds a reference or a control character. */
  isSpecial = false;
  /** Where the last text() lay; −1 when it was not plain characters between two tags. */
  textStart = -1;
  textEnd = -1;

  #closePending = false;
  readonly #attributes = new Int32Array(FIELDS * LIMITS.xmlAttributesMax);
  readonly #stack = new Int32Array(2 * LIMITS.xmlDepthMax);

  /**
   * Begins a document at `pos`. The tolerances stay: decoding may have noticed some.
   * @param codes as decode() returned them with `doc`: its characters below 0x80, anything above for the others.
   */
  start(doc: string, codes: Uint8Array, pos: number): void {
    this.doc = doc;
    this.codes = codes;
    this.view = new DataView(codes.buffer, codes.byteOffset, codes.byteLength);
    this.pos = pos;
    this.end = doc.length;
    this.depth = 0;
    this.refusal = null;
    this.attributeCount = 0;
    this.#closePending = false;
  }

  /** Goes on behind the root's tag, whose name is at `nameStart`, as if it had been opened. */
  enter(nameStart: number, nameLength: number, pos: number): void {
    this.#stack[0] = nameStart;
    this.#stack[1] = nameLength;
    this.depth = 1;
    this.pos = pos;
  }

  /** After OPEN: false when the element was closed in its own tag. */
  isOpen(): boolean {
    return !this.#closePending && this.refusal === null;
  }

  /** Lets go of the document. */
  release(): void {
    this.doc = '';
    this.codes = NO_CODES;
    this.view = NO_VIEW;
    this.pos = 0;
    this.end = 0;
    this.tolerances.clear();
  }

  /** Ends the document for `reason`; the first reason stays. */
  refuse(reason: RefusalReason): typeof END {
    this.refusal ??= reason;
    this.pos = this.end;
    this.#closePending = false;
    return END;
  }

  /** The root's tag, behind comments and instructions; other text in front of it is tolerated (FIELD 6). */
  root(): Token {
    const { doc, codes, end } = this;
    let at = this.pos;
    if (!doc.includes('<', at)) return this.refuse('not-soap');
    while (at < end) {
      if (codes[at]! !== 60) {
        if (codes[at++]! > 32) this.tolerances.add('junk-before-root');
        continue;
      }
      if (!doc.startsWith('<!', at) && !doc.startsWith('<?', at)) return this.#open(at);
      at = this.#passDeclaration(at);
      if (at < 0) return END;
    }
    return this.refuse('truncated');
  }

  /** The next tag; text between tags is passed over. */
  next(): Token {
    if (this.#closePending) {
      this.#closePending = false;
      this.depth--;
      return CLOSE;
    }
    const codes = this.codes;
    const end = this.end;
    let at = this.pos;
    for (;;) {
      while (at < end && codes[at]! !== 60) at++;
      if (at + 1 >= end) return this.refuse('truncated');
      const c = codes[at + 1]!;
      if (c === 47) return this.#close(at);
      if (c !== 33 && c !== 63) return this.#open(at);
      at = this.#passDeclaration(at);
      if (at < 0) return END;
    }
  }

  /** After OPEN: passes over the element and everything in it. */
  skip(): void {
    const target = this.depth - 1;
    while (this.depth > target) if (this.next() === END) return;
  }

  /** After OPEN: true when the element has this local name. */
  is(name: string): boolean {
    const { length } = name;
    const start = this.localStart;
    if (this.nameEnd - start !== length) return false;
    const codes = this.codes;
    for (let i = 0; i < length; i++) if (codes[start + i]! !== name.charCodeAt(i)) return false;
    return true;
  }

  /** After OPEN: the local name. */
  localName(): string {
    return this.doc.slice(this.localStart, this.nameEnd);
  }

  /**
   * After OPEN: the text of the element, references decoded, without that of elements within; stands behind its end tag.
   * @param inner is called after OPEN of each element within and must read it to its end; without it they are skipped.
   */
  text(inner?: () => void): string {
    if (this.#closePending) {
      this.#closePending = false;
      this.depth--;
      this.textStart = -1;
      return '';
    }
    const { codes, end } = this;
    const start = this.pos;
    const at = this.passText(start);
    this.textStart = -1;
    if (at - start > LIMITS.valueCharsMax) this.refuse('too-large');
    else if (at + 1 >= end) this.refuse('truncated');
    else if (codes[at + 1]! === 47) {
      this.textStart = start;
      this.textEnd = at;
      this.#close(at);
      const { doc } = this;
      return this.isSpecial ? cleanText(doc.slice(start, at), this.tolerances) : doc.slice(start, at);
    } else return this.#mixedText(start, at, inner);
    return '';
  }

  /** Index of the next `<`, or the end of the document; isSpecial then says whether the text up to there needs cleaning. */
  passText(start: number): number {
    const { codes, view, end } = this;
    let at = start;
    // Four characters at a time, as long as none of them is `<`, `&` or a control: most texts are letters only. Each line is the
    // textbook test for a zero byte, or one below 0x20, in a word; it may stop too early, which the loop below mends, never too late.
    for (; at + 4 <= end; at += 4) {
      const word = view.getInt32(at);
      const less = word ^ 0x3c3c3c3c;
      const and = word ^ 0x26262626;
      const found = ((less - 0x01010101) & ~less) | ((and - 0x01010101) & ~and) | ((word - 0x20202020) & ~word);
      if ((found & 0x80808080) !== 0) break;
    }
    let special = false;
    for (; at < end; at++) {
      const c = codes[at]!;
      if (c === 60) break;
      if (c < 32 || c === 38) special = true;
    }
    this.isSpecial = special;
    return at;
  }

  /** Text with CDATA, comments or elements in it. */
  #mixedText(start: number, firstTag: number, inner?: () => void): string {
    const { doc } = this;
    const codes = this.codes;
    let out = '';
    let from = start;
    let at = firstTag;
    for (;;) {
      if (at > from) out += cleanText(doc.slice(from, at), this.tolerances);
      if (out.length > LIMITS.valueCharsMax) break;
      const c = at + 1 < this.end ? codes[at + 1]! : 0;
      if (c === 47) {
        this.#close(at);
        return out;
      }
      if (c === 33 && doc.startsWith('<![CDATA[', at)) {
        const close = doc.indexOf(']]>', at + 9);
        if (close >= 0) out += cleanCdata(doc.slice(at + 9, close), this.tolerances);
        from = close < 0 ? -1 : close + 3;
      } else if (c === 33 || c === 63) {
        from = this.#passDeclaration(at);
      } else if (this.#open(at) === OPEN) {
        if (inner !== undefined) inner();
        else {
          this.tolerances.add('markup-in-text');
          this.skip();
        }
        from = this.pos;
      } else from = -1;
      at = from < 0 ? -1 : doc.indexOf('<', from);
      if (at < 0) break;
    }
    this.refuse(at < 0 ? 'truncated' : 'too-large');
    return '';
  }

  /** After the root's end tag: nothing but white space, comments and instructions may follow; other text is tolerated. */
  finish(): void {
    const codes = this.codes;
    let at = this.pos;
    while (this.refusal === null && at < this.end) {
      const c = codes[at]!;
      if (c === 60) {
        const next = at + 1 < this.end ? codes[at + 1]! : 0;
        if (next === 33 || next === 63) at = this.#passDeclaration(at);
        else this.refuse('not-well-formed');
      } else {
        if (c > 32 || c < 9) this.tolerances.add('trailing-junk');
        at++;
      }
    }
  }

  #open(at: number): Token {
    const codes = this.codes;
    const end = this.end;
    if (at + 1 >= end) return this.refuse('truncated');
    let c = codes[at + 1]!;
    if (NAME[c] !== 1) return this.refuse('not-well-formed');
    let local = at + 1;
    let p = at + 2;
    for (; p < end; p++) {
      c = codes[p]!;
      if (NAME[c] === 0) {
        // One colon, with a name on both sides, makes a prefix.
        if (c !== 58 || local !== at + 1) break;
        local = p + 1;
      }
    }
    if (p >= end) return this.refuse('truncated');
    if (local === p) return this.refuse('not-well-formed');
    if (p - at > LIMITS.xmlNameCharsMax) return this.refuse('too-large');
    const { depth } = this;
    if (depth === LIMITS.xmlDepthMax) return this.refuse('too-deep');
    this.#stack[depth * 2] = at + 1;
    this.#stack[depth * 2 + 1] = p - at - 1;
    this.depth = depth + 1;
    this.rawStart = at + 1;
    this.localStart = local;
    this.nameEnd = p;
    this.attributeCount = 0;
    if (c === 62) {
      this.pos = p + 1;
      return OPEN;
    }
    if (c <= 32) p = this.#readAttributes(p);
    if (p < 0) return END;
    if (codes[p]! === 47) {
      this.#closePending = true;
      p++;
    }
    if (p >= end) return this.refuse('truncated');
    if (codes[p]! !== 62) return this.refuse('not-well-formed');
    this.pos = p + 1;
    return OPEN;
  }

  #close(at: number): Token {
    const { depth } = this;
    const codes = this.codes;
    if (depth === 0) return this.refuse('not-well-formed');
    const start = this.#stack[depth * 2 - 2]!;
    const length = this.#stack[depth * 2 - 1]!;
    const name = at + 2;
    let p = name + length;
    if (p >= this.end) return this.refuse('truncated');
    for (let i = 0; i < length; i++) {
      if (codes[name + i]! !== codes[start + i]!) return this.refuse('not-well-formed');
    }
    while (p < this.end && codes[p]! <= 32) p++;
    if (p >= this.end) return this.refuse('truncated');
    if (codes[p]! !== 62) return this.refuse('not-well-formed');
    this.pos = p + 1;
    this.depth = depth - 1;
    return CLOSE;
  }

  /** From the blank behind the name to `>` or `/`; −1 when refused. */
  #readAttributes(from: number): number {
    const codes = this.codes;
    const end = this.end;
    let p = from;
    for (;;) {
      const gap = p;
      while (p < end && codes[p]! <= 32) p++;
      if (p >= end) break;
      let c = codes[p]!;
      if (c === 62 || c === 47) return p;
      const raw = p;
      let local = p;
      if (p === gap || NAME[c] !== 1) return this.#malformed();
      for (p++; p < end; p++) {
        c = codes[p]!;
        if (NAME[c] === 0) {
          if (c !== 58 || local !== raw) break;
          local = p + 1;
        }
      }
      const nameEnd = p;
      if (nameEnd - raw > LIMITS.xmlNameCharsMax) return this.#refused('too-large');
      while (p < end && codes[p]! <= 32) p++;
      if (p >= end) break;
      if (local === nameEnd || codes[p]! !== 61) return this.#malformed();
      p++;
      while (p < end && codes[p]! <= 32) p++;
      if (p >= end) break;
      const quote = codes[p]!;
      if (quote !== 34 && quote !== 39) return this.#malformed();
      const value = ++p;
      for (; p < end; p++) {
        c = codes[p]!;
        if (c === quote) break;
        if (c === 60) return this.#malformed();
      }
      if (p >= end) break;
      if (this.attributeCount === LIMITS.xmlAttributesMax) return this.#refused('too-many');
      const slot = this.attributeCount++ * FIELDS;
      const attributes = this.#attributes;
      attributes[slot] = raw;
      attributes[slot + 1] = local;
      attributes[slot + 2] = nameEnd;
      attributes[slot + 3] = value;
      attributes[slot + 4] = p;
      p++;
    }
    return this.#refused('truncated');
  }

  /** After OPEN: the raw value of the first attribute with this local name that declares no namespace; null when there is none. */
  attribute(local: string): string | null {
    const { doc } = this;
    const attributes = this.#attributes;
    for (let slot = 0; slot < this.attributeCount * FIELDS; slot += FIELDS) {
      const start = attributes[slot + 1]!;
      if (attributes[slot + 2]! - start !== local.length || !doc.startsWith(local, start)) continue;
      if (start !== attributes[slot]! && doc.startsWith('xmlns:', attributes[slot])) continue;
      return doc.slice(attributes[slot + 3], attributes[slot + 4]);
    }
    return null;
  }

  /**
   * After OPEN: writes the namespace declarations of this tag into `into`, from `from` on, one every `stride` numbers: prefix start,
   * prefix end, value start, value end. An empty prefix is the default namespace.
   * @returns how many numbers that took.
   */
  declarations(into: Int32Array, from: number, stride: number): number {
    const { doc } = this;
    const attributes = this.#attributes;
    let at = from;
    for (let slot = 0; slot < this.attributeCount * FIELDS; slot += FIELDS) {
      const raw = attributes[slot]!;
      if (!doc.startsWith('xmlns', raw)) continue;
      const local = attributes[slot + 1]!;
      const end = attributes[slot + 2]!;
      const isDefault = end - raw === 5;
      if (!isDefault && local - raw !== 6) continue;
      into[at] = isDefault ? end : local;
      into[at + 1] = end;
      into[at + 2] = attributes[slot + 3]!;
      into[at + 3] = attributes[slot + 4]!;
      at += stride;
    }
    return at - from;
  }

  /** Passes over a comment, CDATA section or processing instruction; −1 when refused. Nothing else starts with `<!` in CWMP. */
  #passDeclaration(at: number): number {
    const { doc } = this;
    let close: string;
    let from = at + 4;
    if (doc.startsWith('<?', at)) {
      close = '?>';
      from = at + 2;
    } else if (doc.startsWith('<!--', at)) close = '-->';
    else if (this.depth > 0 && doc.startsWith('<![CDATA[', at)) {
      close = ']]>';
      from = at + 9;
    } else if (/^<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)/i.test(doc.slice(at, at + 10)))
      return this.#refused('doctype');
    else return this.#refused(this.end - at < 9 ? 'truncated' : 'not-well-formed');
    const found = doc.indexOf(close, from);
    return found < 0 ? this.#refused('truncated') : found + close.length;
  }

  #malformed(): -1 {
    return this.#refused('not-well-formed');
  }

  #refused(reason: RefusalReason): -1 {
    this.refuse(reason);
    return -1;
  }
}
