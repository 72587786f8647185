// Remembers how CPEs print their Informs: the bytes between the few texts that differ from one periodic Inform to the next of the same
// kind of CPE. A fleet has some dozens of stacks and, of each, some models and events.

import { LIMITS } from '../base/limits.ts';
import type { InformValues } from './inform-values.ts';

/** What lies around the texts of an Inform, in order, and what the glance makes of it. */
export interface Layout {
  /** Up to the text of cwmp:ID. */
  head: DataView;
  /** From there to the serial number: Manufacturer, OUI and ProductClass are in it. */
  identity: DataView;
  /** From there to CurrentTime: the events are in it. */
  events: DataView;
  /** From there to RetryCount. */
  clock: DataView;
  /** Its one event is `2 PERIODIC`: the only Informs worth remembering. */
  isPeriodic: boolean;
  /** The beginning of the cpeIds of such CPEs. */
  cpeIdPrefix: string;
  /** Fingerprint of all but the events, and that of the events. */
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
  f: number;
  /** What may follow RetryCount, as far as it was read; the last one read first. */
  values: InformValues[];
}

/** Where bytes are sampled to choose the slot: in the Envelope tags of most stacks, where prefixes and namespaces differ. */
const SAMPLES = [48, 60, 100, 132, 176, 220];
const NONE: Layout[] = [];
/** Of so many documents that find no room one takes the place of another: a fleet that changes is learned all the same. */
const REPLACED_EVERY = 64;

/** The layouts one thread remembers. */
export class InformLayouts {
  #refused = 0;
  readonly #slots: Layout[][] = Array.from({ length: LIMITS.prologuesMax }, () => NONE);

  /**
   * True when the bytes of `part`, which are of a text, stand at `at`. Eight at a time, as the one number of that size which is compared
   * without an object: numbers are equal whose bytes are, but for zeros and what is none, and a text of markup has no bytes for those.
   */
  static isAt(part: DataView, view: DataView, at: number): boolean {
    const { byteLength } = part;
    if (at + byteLength > view.byteLength) return false;
    let i = 0;
    for (; i + 8 <= byteLength; i += 8) if (view.getFloat64(at + i) !== part.getFloat64(i)) return false;
    for (; i < byteLength; i++) if (view.getInt8(at + i) !== part.getInt8(i)) return false;
    return true;
  }

  /** Layouts a document may follow; it has glanceBytesMin bytes at least. */
  like(view: DataView): readonly Layout[] {
    return this.#slots[slotOf(view)]!;
  }

  /** True when a layout of this document would be kept: always while its slot has room, then now and then. */
  hasRoom(view: DataView): boolean {
    return this.#slots[slotOf(view)]!.length < LIMITS.glanceLayoutsMax || ++this.#refused % REPLACED_EVERY === 0;
  }

  /** Keeps the layout of the document `view`: in front of others of its slot, of which the last makes room. */
  keep(layout: Layout, view: DataView): void {
    const slot = slotOf(view);
    this.#slots[slot] = [layout, ...this.#slots[slot]!.slice(0, LIMITS.glanceLayoutsMax - 1)];
  }
}

function slotOf(view: DataView): number {
  let hash = 0;
  for (let i = 0; i < SAMPLES.length; i++) hash = Math.imul(hash ^ view.getInt32(SAMPLES[i]!), 0x9e3779b1);
  return (hash >>> 8) % LIMITS.prologuesMax;
}
