// Reads a list whose entries are two texts: Name and Value, or Name and Writable. CPEs print such lists in a loop, so the markup of one
// entry is, byte for byte, that of the one before: it is compared instead of parsed. Any difference sends that entry through the
// scanner, so the result never depends on this; it only makes long lists three times as fast.

import { LIMITS } from '../base/limits.ts';
import { cleanText } from './lenient.ts';
import { OPEN, type Scanner } from './scanner.ts';

/** Kinds of markup between the two texts that are remembered: they differ by xsi:type, of which most trees use four. */
const VARIANTS = 4;

export class Entries {
  /** Texts of the entry just read; null when it has no such element. */
  first: string | null = null;
  second: string | null = null;
  /** Raw xsi:type of the second element. */
  type: string | null = null;

  /** The text passed last holds a reference or a control character. */
  #special = false;
  readonly #s: Scanner;
  readonly #view: DataView;
  readonly #firstName: string;
  readonly #secondName: string;

  // Where markup that was parsed once lies in the document: from the end of an entry to the first text of the next, from text to text
  // (in variants), from the second text to the end of the entry. Lengths are 0 until there is one.
  #headStart = 0;
  #headLength = 0;
  #tailStart = 0;
  #tailLength = 0;
  #variantCount = 0;
  readonly #variantStarts = [0, 0, 0, 0];
  readonly #variantLengths = [0, 0, 0, 0];
  readonly #variantTypes: (string | null)[] = [null, null, null, null];

  /** After OPEN of the list. */
  constructor(scanner: Scanner, firstName: string, secondName: string) {
    this.#s = scanner;
    const { buffer, byteOffset, byteLength } = scanner.codes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.#firstName = firstName;
    this.#secondName = secondName;
  }

  /** Reads the next entry; false behind the end of the list, and when the document is refused. */
  next(): boolean {
    return this.#repeat() || this.#parse();
  }

  /** An entry in the markup of earlier ones; false, with nothing read, when it is not. */
  #repeat(): boolean {
    const s = this.#s;
    const { pos } = s;
    const view = this.#view;
    if (this.#headLength === 0 || !same(view, this.#headStart, pos, this.#headLength)) return false;
    const firstStart = pos + this.#headLength;
    const firstEnd = this.#passText(firstStart);
    const firstSpecial = this.#special;
    let secondStart = -1;
    let type: string | null = null;
    for (let i = 0; i < this.#variantCount && secondStart < 0; i++) {
      const length = this.#variantLengths[i]!;
      if (!same(view, this.#variantStarts[i]!, firstEnd, length)) continue;
      secondStart = firstEnd + length;
      type = this.#variantTypes[i]!;
    }
    if (secondStart < 0) return false;
    const secondEnd = this.#passText(secondStart);
    if (!same(view, this.#tailStart, secondEnd, this.#tailLength)) return false;
    if (firstEnd - firstStart > LIMITS.valueCharsMax || secondEnd - secondStart > LIMITS.valueCharsMax) return false;
    const first = s.doc.slice(firstStart, firstEnd);
    const second = s.doc.slice(secondStart, secondEnd);
    this.first = firstSpecial ? cleanText(first, s.tolerances) : first;
    this.second = this.#special ? cleanText(second, s.tolerances) : second;
    this.type = type;
    s.pos = secondEnd + this.#tailLength;
    return true;
  }

  /** Index of the next `<`, or the end of the document; notes whether the text up to there needs cleaning. */
  #passText(start: number): number {
    const { codes } = this.#s;
    const { length } = codes;
    let special = false;
    let at = start;
    for (; at < length; at++) {
      const c = codes[at]!;
      if (c > 60) continue; // Most characters are letters.
      if (c === 60) break;
      if (c < 32 || c === 38) special = true;
    }
    this.#special = special;
    return at;
  }

  /** An entry in any markup; what it looks like is remembered when both texts are plain and in order. */
  #parse(): boolean {
    const s = this.#s;
    const start = s.pos;
    this.first = null;
    this.second = null;
    this.type = null;
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
    if (firstStart >= 0 && secondStart > firstEnd && s.refusal === null) {
      this.#headStart = start;
      this.#headLength = firstStart - start;
      this.#tailStart = secondEnd;
      this.#tailLength = s.pos - secondEnd;
      const i = this.#variantCount < VARIANTS ? this.#variantCount++ : 0;
      this.#variantStarts[i] = firstEnd;
      this.#variantLengths[i] = secondStart - firstEnd;
      this.#variantTypes[i] = this.type;
    }
    return s.refusal === null;
  }
}

/** True when `length` characters at `a`, which lie in the document, come again at `b`. Four at a time: it is the inmost loop. */
function same(view: DataView, a: number, b: number, length: number): boolean {
  if (b + length > view.byteLength) return false;
  let i = 0;
  for (; i + 4 <= length; i += 4) if (view.getInt32(a + i) !== view.getInt32(b + i)) return false;
  for (; i < length; i++) if (view.getInt8(a + i) !== view.getInt8(b + i)) return false;
  return true;
}
