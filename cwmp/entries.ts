// Reads a list whose entries are two texts: Name and Value, or Name and Writable. A CPE prints such lists in a loop, the same in every
// message, so the markup of an entry is, byte for byte, that of one before: it is compared instead of parsed. Any difference sends that
// entry through the scanner, so the result never depends on this; it only makes lists three times as fast.

import { LIMITS } from '../base/limits.ts';
import { cleanText, standardType } from './lenient.ts';
import { OPEN, type Scanner } from './scanner.ts';

/** Markup between the two texts differs by xsi:type, of which most trees use four. */
const VARIANTS = 8;
const SLOT = LIMITS.entryMarkupBytesMax;

/** How one kind of CPE prints an entry: what stands in front of the first text, behind the second, and between them. */
class Style {
  readonly #bytes = new Uint8Array((2 + VARIANTS) * SLOT);
  readonly #view = new DataView(this.#bytes.buffer);
  headLength = 0;
  tailLength = 0;
  variantCount = 0;
  #variantNext = 0;
  readonly #variantLengths = new Array<number>(VARIANTS).fill(0);
  /** xsi:type of each variant, as standardType gives it; null for none. */
  readonly variantTypes = new Array<string | null>(VARIANTS).fill(null);

  isHeadAt(view: DataView, at: number): boolean {
    return this.headLength > 0 && this.#isAt(0, this.headLength, view, at);
  }

  isTailAt(view: DataView, at: number): boolean {
    return this.#isAt(SLOT, this.tailLength, view, at);
  }

  /** Length of variant `i` when it stands at `at`, else 0. */
  variantAt(i: number, view: DataView, at: number): number {
    const length = this.#variantLengths[i]!;
    return this.#isAt((2 + i) * SLOT, length, view, at) ? length : 0;
  }

  /** Four at a time: it is the inmost loop of long answers. */
  #isAt(from: number, length: number, view: DataView, at: number): boolean {
    if (at + length > view.byteLength) return false;
    const known = this.#view;
    let i = 0;
    for (; i + 4 <= length; i += 4) if (known.getInt32(from + i) !== view.getInt32(at + i)) return false;
    for (; i < length; i++) if (known.getInt8(from + i) !== view.getInt8(at + i)) return false;
    return true;
  }

  /** Remembers an entry by the places of its parts; a new head or tail replaces all that was known. */
  learn(
    s: Scanner,
    start: number,
    firstStart: number,
    firstEnd: number,
    secondStart: number,
    secondEnd: number,
    type: string | null,
  ): void {
    const { codes, view, pos } = s;
    const head = firstStart - start;
    const between = secondStart - firstEnd;
    const tail = pos - secondEnd;
    if (head > SLOT || between > SLOT || tail > SLOT) return;
    // Above 0x7F `codes` does not tell characters apart, so such markup is never taken for the same.
    if (!isAscii(codes, start, head) || !isAscii(codes, firstEnd, between) || !isAscii(codes, secondEnd, tail)) return;
    const isKnown =
      head === this.headLength &&
      tail === this.tailLength &&
      this.isHeadAt(view, start) &&
      this.isTailAt(view, secondEnd);
    if (!isKnown) {
      this.#bytes.set(codes.subarray(start, firstStart), 0);
      this.#bytes.set(codes.subarray(secondEnd, pos), SLOT);
      this.headLength = head;
      this.tailLength = tail;
      this.variantCount = 0;
      this.#variantNext = 0;
    }
    const i = this.#variantNext;
    this.#bytes.set(codes.subarray(firstEnd, secondStart), (2 + i) * SLOT);
    this.#variantLengths[i] = between;
    this.variantTypes[i] = type;
    this.variantCount = Math.max(this.variantCount, i + 1);
    this.#variantNext = (i + 1) % VARIANTS;
  }
}

/** Reads the entries of one kind of list, one at a time, into its own fields. */
export class Entries {
  /** Texts of the entry just read; null when it has no such element. */
  first: string | null = null;
  second: string | null = null;
  /** Raw xsi:type of the second element. */
  type: string | null = null;
  /** Both texts are there and need no rule: not empty, no reference, no blanks around; `type` is as standardType gives it. */
  isPlain = false;

  readonly #firstName: string;
  readonly #secondName: string;
  /** By a few bytes of how their entries begin; a kind of CPE that meets another in its slot only costs time. */
  readonly #styles: (Style | null)[] = new Array<Style | null>(LIMITS.entryStylesMax).fill(null);
  #style = new Style();

  constructor(firstName: string, secondName: string) {
    this.#firstName = firstName;
    this.#secondName = secondName;
  }

  /** After OPEN of a list. */
  begin(s: Scanner): void {
    const { view, pos } = s;
    if (pos + 16 > view.byteLength) return;
    const hash = Math.imul(
      view.getInt32(pos) ^ Math.imul(view.getInt32(pos + 8), 31) ^ view.getInt32(pos + 12),
      0x9e3779b1,
    );
    const slot = (hash >>> 8) % LIMITS.entryStylesMax;
    let style = this.#styles[slot]!;
    if (style === null) {
      style = new Style();
      this.#styles[slot] = style;
    }
    this.#style = style;
  }

  /** Reads the next entry; false behind the end of the list, and when the document is refused. */
  next(s: Scanner): boolean {
    if (this.#repeat(s) || this.#parse(s)) return true;
    // Nothing of the document stays here.
    this.first = null;
    this.second = null;
    this.type = null;
    return false;
  }

  /** An entry in the markup of an earlier one; false, with nothing read, when it is not. */
  #repeat(s: Scanner): boolean {
    const { codes, doc, pos, view } = s;
    const style = this.#style;
    if (!style.isHeadAt(view, pos)) return false;
    const firstStart = pos + style.headLength;
    const firstEnd = s.passText(firstStart);
    const firstSpecial = s.isSpecial;
    let variant = 0;
    let between = 0;
    for (; variant < style.variantCount; variant++) {
      between = style.variantAt(variant, view, firstEnd);
      if (between > 0) break;
    }
    if (between === 0) return false;
    const secondStart = firstEnd + between;
    const secondEnd = s.passText(secondStart);
    if (!style.isTailAt(view, secondEnd)) return false;
    if (firstEnd - firstStart > LIMITS.valueCharsMax || secondEnd - secondStart > LIMITS.valueCharsMax) return false;
    const first = doc.slice(firstStart, firstEnd);
    const second = doc.slice(secondStart, secondEnd);
    const secondSpecial = s.isSpecial;
    s.pos = secondEnd + style.tailLength;
    this.first = firstSpecial ? cleanText(first, s.tolerances) : first;
    this.second = secondSpecial ? cleanText(second, s.tolerances) : second;
    this.type = style.variantTypes[variant]!;
    this.isPlain =
      !firstSpecial &&
      !secondSpecial &&
      this.type !== null &&
      isTight(codes, firstStart, firstEnd) &&
      isTight(codes, secondStart, secondEnd);
    return true;
  }

  /** An entry in any markup; what it looks like is remembered when both texts are plain characters and in order. */
  #parse(s: Scanner): boolean {
    const start = s.pos;
    this.first = null;
    this.second = null;
    this.type = null;
    this.isPlain = false;
    if (s.next() !== OPEN) return false;
    let firstStart = -1;
    let firstEnd = -1;
    let secondStart = -1;
    let secondEnd = -1;
    while (s.next() === OPEN) {
      if (s.is(this.#firstName)) {
        this.first = s.text();
        firstStart = s.textStart;
        firstEnd = s.textEnd;
      } else if (s.is(this.#secondName)) {
        this.type = s.attribute('type');
        this.second = s.text();
        secondStart = s.textStart;
        secondEnd = s.textEnd;
      } else s.skip();
    }
    if (s.refusal !== null) return false;
    if (firstStart >= 0 && secondStart > firstEnd) {
      const standard = this.type === null ? null : standardType(this.type);
      if (this.type === null || standard !== null) {
        this.#style.learn(s, start, firstStart, firstEnd, secondStart, secondEnd, standard);
      }
    }
    return true;
  }
}

function isTight(codes: Uint8Array, start: number, end: number): boolean {
  return start < end && codes[start]! > 32 && codes[end - 1]! > 32;
}

function isAscii(codes: Uint8Array, start: number, length: number): boolean {
  for (let i = start; i < start + length; i++) if (codes[i]! >= 0x80) return false;
  return true;
}
