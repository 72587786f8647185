// Remembers how documents begin. A CPE sends the same XML declaration and the same Envelope tag with every message, a third of the work
// of reading a short one: when a document begins with the bytes of an earlier one, all positions are those of the earlier one. Nothing
// is decided here that reading did not decide once.

import { LIMITS } from '../base/limits.ts';
import type { Namespaces } from './namespaces.ts';
import type { Scanner } from './scanner.ts';

interface Prologue {
  /** Everything up to and with the `>` of the Envelope tag. */
  bytes: DataView;
  nameStart: number;
  nameLength: number;
  declared: Int32Array;
}

/** Where bytes are sampled to choose the slot: in the Envelope tags of most stacks, where prefixes and namespaces differ. */
const SAMPLES = [48, 60, 100, 132, 176, 220];
const SAMPLED_BYTES = 224;

/** The beginnings one thread remembers. */
export class Prologues {
  readonly #slots: (Prologue | null)[] = Array.from({ length: LIMITS.prologuesMax }, () => null);

  /** Before the first tag: when this beginning is known, puts the scanner behind the Envelope tag. False when it is not. */
  recall(s: Scanner, namespaces: Namespaces): boolean {
    const { view } = s;
    const prologue = view.byteLength < SAMPLED_BYTES ? null : this.#slots[slotOf(view)]!;
    if (prologue === null) return false;
    const { bytes } = prologue;
    const length = bytes.byteLength;
    if (view.byteLength < length) return false;
    let i = 0;
    for (; i + 4 <= length; i += 4) if (view.getInt32(i) !== bytes.getInt32(i)) return false;
    for (; i < length; i++) if (view.getInt8(i) !== bytes.getInt8(i)) return false;
    s.enter(prologue.nameStart, prologue.nameLength, length);
    namespaces.restore(prologue.declared);
    return true;
  }

  /** Behind the Envelope tag of a document that needed no tolerance so far. */
  keep(s: Scanner, namespaces: Namespaces): void {
    const { view, pos, codes } = s;
    if (view.byteLength < SAMPLED_BYTES || pos > LIMITS.prologueBytesMax || !s.isOpen()) return;
    const copy = Uint8Array.from(codes.subarray(0, pos));
    // Above 0x7F `codes` does not tell characters apart.
    if (copy.some((code) => code >= 0x80)) return;
    this.#slots[slotOf(view)] = {
      bytes: new DataView(copy.buffer),
      nameStart: s.rawStart,
      nameLength: s.nameEnd - s.rawStart,
      declared: namespaces.save(),
    };
  }
}

function slotOf(view: DataView): number {
  let hash = 0;
  for (const at of SAMPLES) hash = Math.imul(hash ^ view.getInt32(at), 0x9e3779b1);
  return (hash >>> 8) % LIMITS.prologuesMax;
}
