// A glance at an Inform: who sends it, under which ID, and a fingerprint of everything else that matters, without reading it. Two Informs
// with the same fingerprint say the same but for their ID, CurrentTime and RetryCount; so an Inform whose like was read once, and taught
// nothing then, need not be read again. The fingerprint comes in three parts, so that news can be told from what is as before: who it is
// and how he speaks (also where from), the events, and the parameters on top of the first.
//
// A CPE prints its Informs alike but for a few texts: layouts (inform-layouts.ts) are what lies between those. A document of a known
// layout is compared with it; any other is scanned for the few elements in front of its ParameterList, and gives its layout when they
// come in the usual order, with plain characters in them. What is unusual (CDATA, comments, another order) is no plain Inform.
//
// The glance need not be right about what it finds in a strange document: a fingerprint is only remembered when the reader found the same
// identity and the same ID in the same bytes, and whatever is not cut out is in the fingerprint. That has 128 bits and 64 of the events:
// four lanes of multiply and rotate, one of them passed on at each step. It is no defence against a CPE that wants two of its own Informs
// to look alike; it could as well send the first one twice.
//
// Of an Inform that is printed as one that was read, but for values, `values` tells where these are (inform-values.ts).

import { latin1 } from '../base/bytes.ts';
import { cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { InformLayouts, type Layout } from './inform-layouts.ts';
import { type InformValues, learnValues, ValuePlaces } from './inform-values.ts';
import type { EnvelopeInfo, Inform } from './message.ts';

const LESS_THAN = 60;
const GREATER_THAN = 62;
const SLASH = 47;
const COLON = 58;
const BANG = 33;
const AMPERSAND = 38;
const BLANK = 32;

const NOTHING = new DataView(new ArrayBuffer(0));

const P1 = 0x9e3779b1 | 0;
const P2 = 0x85ebca77 | 0;

const NAMES = {
  ID: codesOf('ID'),
  OUI: codesOf('OUI'),
  ProductClass: codesOf('ProductClass'),
  SerialNumber: codesOf('SerialNumber'),
  CurrentTime: codesOf('CurrentTime'),
  RetryCount: codesOf('RetryCount'),
  ParameterList: codesOf('ParameterList'),
} as const;

function codesOf(name: string): Uint8Array {
  return Uint8Array.from(name, (letter) => letter.charCodeAt(0));
}

/** One per thread: `at` fills it, and what it holds is of the last document until then. */
export class InformGlance {
  /** Identity of the CPE as `cpeIdOf` writes it. */
  cpeId = '';
  /** Text of cwmp:ID, plain characters. */
  id = '';
  /** False: the document is no plain Inform, and nothing is known of it. */
  isPlain = false;
  /** Fingerprint of everything but the events, four times 32 bits. */
  a = 0;
  b = 0;
  c = 0;
  d = 0;
  /** The same without the parameters: who informs, from where, printed how. */
  whoA = 0;
  whoB = 0;
  whoC = 0;
  whoD = 0;
  /** Fingerprint of the events, twice 32 bits. */
  e = 0;
  f = 0;
  /** Where `values` found them. */
  readonly places = new ValuePlaces();
  readonly #seed: number;
  #layouts = new InformLayouts();
  #learnedBytes = 0;
  #layout: Layout | null = null;
  #isFinished = false;
  // Of the document in hand: its bytes twice, and where the texts that are cut out begin and end.
  #body: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #idAt = 0;
  #idEnd = 0;
  #serialAt = 0;
  #serialEnd = 0;
  #timeAt = 0;
  #timeEnd = 0;
  #retryAt = 0;
  #retryEnd = 0;
  /** Of the text last looked at. */
  #textAt = 0;
  #end = 0;

  /** @param seed goes into every fingerprint: another one makes all of them worthless. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /**
   * Looks at one body.
   * @param context 32 bits of what else must be the same: where the request came from, its Content-Type.
   * @returns false when it is no plain periodic Inform. Of another plain Inform all is known but the fingerprint of its parameters.
   */
  at(body: Uint8Array, context: number): boolean {
    const { length } = body;
    this.isPlain = false;
    this.cpeId = '';
    if (length < LIMITS.glanceBytesMin || length > LIMITS.glanceBytesMax) return false;
    const view = new DataView(body.buffer, body.byteOffset, length);
    this.#body = body;
    this.#view = view;
    const layout = this.#known(view) ?? this.#learn();
    this.#layout = layout;
    if (layout === null) return false;
    this.a = layout.a ^ context;
    this.b = layout.b;
    this.c = layout.c;
    this.d = layout.d;
    this.e = layout.e;
    this.f = layout.f;
    this.#mix(this.#serialAt, this.#serialEnd);
    this.whoA = this.a;
    this.whoB = this.b;
    this.whoC = this.c;
    this.whoD = this.d;
    this.id = latin1(body, this.#idAt, this.#idEnd);
    this.cpeId = this.#identity(layout.cpeIdPrefix);
    this.isPlain = true;
    this.#isFinished = false;
    if (layout.isPeriodic) this.finish();
    return layout.isPeriodic;
  }

  /** Takes the parameters of a plain Inform into its fingerprint, which `at` does for a periodic one. */
  finish(): void {
    if (!this.#isFinished) this.#mix(this.#retryEnd, this.#body.length);
    this.#isFinished = true;
  }

  /** Of a plain Inform: one that is printed like it was read. */
  get hasValues(): boolean {
    return this.#layout!.values.length > 0;
  }

  /** How a plain Inform like this one was read, with the places of its values in `places`; null when none was. */
  values(): InformValues | null {
    const { values } = this.#layout!;
    for (let i = 0; i < values.length; i++) {
      if (this.places.find(values[i]!, this.#body, this.#view, this.#retryEnd)) return values[i]!;
    }
    return null;
  }

  /** What the reader found in the plain Inform in hand, forgiving nothing, is what the next one of its kind says but for its texts. */
  learn(inform: Inform, envelope: EnvelopeInfo): void {
    const layout = this.#layout!;
    const bytes = this.#body.length - this.#retryEnd;
    if (layout.head === NOTHING || bytes > LIMITS.glanceValuesBytesMax || this.values() !== null) return;
    const learned = learnValues(this.#body, this.#retryEnd, inform, envelope);
    if (learned === null) return;
    this.#learnedBytes += bytes;
    if (this.#learnedBytes > LIMITS.glanceLearnedBytesMax) {
      this.#learnedBytes = 0;
      this.#layouts = new InformLayouts();
      return;
    }
    layout.values = [learned, ...layout.values.slice(0, LIMITS.glanceValuesMax - 1)];
  }

  /** Of a plain Inform. */
  get serialNumber(): string {
    return latin1(this.#body, this.#serialAt, this.#serialEnd);
  }

  get currentTime(): string {
    return latin1(this.#body, this.#timeAt, this.#timeEnd);
  }

  get retryCount(): string {
    return latin1(this.#body, this.#retryAt, this.#retryEnd);
  }

  /** The layout this document follows, with the places of its texts; null when it is a new one. */
  #known(view: DataView): Layout | null {
    const layouts = this.#layouts.like(view);
    for (let i = 0; i < layouts.length; i++) {
      const layout = layouts[i]!;
      const { head, identity, events, clock } = layout;
      if (!InformLayouts.isAt(head, view, 0)) continue;
      this.#idAt = head.byteLength;
      if (!this.#isText(this.#idAt, 1)) return null;
      this.#idEnd = this.#end;
      if (!InformLayouts.isAt(identity, view, this.#idEnd)) continue;
      this.#serialAt = this.#idEnd + identity.byteLength;
      if (!this.#isText(this.#serialAt, 1)) return null;
      this.#serialEnd = this.#end;
      if (!InformLayouts.isAt(events, view, this.#serialEnd)) continue;
      this.#timeAt = this.#serialEnd + events.byteLength;
      if (!this.#isText(this.#timeAt, 1)) return null;
      this.#timeEnd = this.#end;
      if (!InformLayouts.isAt(clock, view, this.#timeEnd)) continue;
      this.#retryAt = this.#timeEnd + clock.byteLength;
      if (!this.#isText(this.#retryAt, 1)) return null;
      this.#retryEnd = this.#end;
      return layout;
    }
    return null;
  }

  /** Finds the texts of a document by name, and keeps its layout; null when it is no plain Inform. */
  #learn(): Layout | null {
    const body = this.#body;
    const { length } = body;
    this.#idEnd = 0;
    this.#serialEnd = 0;
    this.#timeEnd = 0;
    this.#retryEnd = 0;
    let ouiAt = 0;
    let ouiEnd = 0;
    let classAt = 0;
    let classEnd = 0;
    for (let pos = 0; pos < length; ) {
      while (pos < length && body[pos] !== LESS_THAN) pos++;
      let nameAt = ++pos;
      if (pos >= length) break;
      if (body[pos] === SLASH) continue;
      // Comments, CDATA and DOCTYPE hide what is markup.
      if (body[pos] === BANG) return null;
      let end = pos;
      for (; end < length && body[end]! > 32 && body[end] !== GREATER_THAN; end++)
        if (body[end] === COLON) nameAt = end + 1;
      pos = end;
      if (this.#isName(NAMES.ID, nameAt, end)) {
        if (this.#idEnd > 0 || !this.#isTextOf(end, 1)) return null;
        this.#idAt = this.#textAt;
        this.#idEnd = this.#end;
      } else if (this.#isName(NAMES.OUI, nameAt, end)) {
        if (this.#idEnd === 0 || ouiEnd > 0 || !this.#isTextOf(end, 1)) return null;
        ouiAt = this.#textAt;
        ouiEnd = this.#end;
      } else if (this.#isName(NAMES.ProductClass, nameAt, end)) {
        if (ouiEnd === 0 || classEnd > 0 || !this.#isTextOf(end, 0, BLANK)) return null;
        classAt = this.#textAt;
        classEnd = this.#end;
      } else if (this.#isName(NAMES.SerialNumber, nameAt, end)) {
        if (classEnd === 0 || this.#serialEnd > 0 || !this.#isTextOf(end, 1)) return null;
        this.#serialAt = this.#textAt;
        this.#serialEnd = this.#end;
      } else if (this.#isName(NAMES.CurrentTime, nameAt, end)) {
        if (this.#serialEnd === 0 || this.#timeEnd > 0 || !this.#isTextOf(end, 1)) return null;
        this.#timeAt = this.#textAt;
        this.#timeEnd = this.#end;
      } else if (this.#isName(NAMES.RetryCount, nameAt, end)) {
        if (this.#timeEnd === 0 || !this.#isTextOf(end, 1)) return null;
        this.#retryAt = this.#textAt;
        this.#retryEnd = this.#end;
        break;
      } else if (this.#isName(NAMES.ParameterList, nameAt, end)) return null;
    }
    if (this.#retryEnd === 0) return null;
    this.#begin();
    this.#mix(this.#serialEnd, this.#timeAt);
    const e = this.a ^ this.c;
    const f = this.b ^ this.d;
    this.#begin();
    this.#mix(0, this.#idAt);
    this.#mix(this.#idEnd, this.#serialAt);
    this.#mix(this.#timeEnd, this.#retryAt);
    const OUI = latin1(body, ouiAt, ouiEnd);
    const ProductClass = latin1(body, classAt, classEnd);
    const { a, b, c, d } = this;
    // A fleet of more kinds than are remembered is scanned: copying each would cost more than it saves.
    const isKept = this.#layouts.hasRoom(this.#view);
    const copy = (from: number, to: number): DataView =>
      isKept ? new DataView(Uint8Array.from(body.subarray(from, to)).buffer) : NOTHING;
    const layout: Layout = {
      head: copy(0, this.#idAt),
      identity: copy(this.#idEnd, this.#serialAt),
      events: copy(this.#serialEnd, this.#timeAt),
      clock: copy(this.#timeEnd, this.#retryAt),
      isPeriodic: isPeriodic(latin1(body, this.#serialEnd, this.#timeAt)),
      cpeIdPrefix: cpeIdOf({ Manufacturer: '', OUI, ProductClass, SerialNumber: 'S' }).slice(0, -1),
      ...{ a, b, c, d, e, f },
      values: [],
    };
    if (isKept) this.#layouts.keep(layout, this.#view);
    return layout;
  }

  #isName(name: Uint8Array, at: number, end: number): boolean {
    if (end - at !== name.length) return false;
    for (let i = 0; i < name.length; i++) if (this.#body[at + i] !== name[i]) return false;
    return true;
  }

  /** True when the element whose name ends at `end` has a plain text, from #textAt to #end. */
  #isTextOf(end: number, least: number, lowest = BLANK + 1): boolean {
    const body = this.#body;
    let at = end;
    while (at < body.length && body[at] !== GREATER_THAN && body[at] !== LESS_THAN) at++;
    // An element that closes itself has none.
    if (body[at] !== GREATER_THAN || body[at - 1] === SLASH) return false;
    this.#textAt = at + 1;
    return this.#isText(at + 1, least, lowest);
  }

  /** True when at least `least` plain characters, none below `lowest`, begin at `at` and an end tag follows; #end is where. */
  #isText(at: number, least: number, lowest = BLANK + 1): boolean {
    const body = this.#body;
    const max = Math.min(body.length - 1, at + LIMITS.glanceTextBytesMax);
    let end = at;
    // From '!' to '~', without '&', '<' and '>'.
    for (; end < max; end++) {
      const code = body[end]!;
      if (code < lowest || code >= 127 || code === LESS_THAN || code === GREATER_THAN || code === AMPERSAND) break;
    }
    this.#end = end;
    return body[end] === LESS_THAN && body[end + 1] === SLASH && end - at >= least;
  }

  #identity(prefix: string): string {
    const body = this.#body;
    const serial = latin1(body, this.#serialAt, this.#serialEnd);
    for (let i = this.#serialAt; i < this.#serialEnd; i++) {
      const code = body[i]!;
      const plain = (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
      if (!plain)
        return prefix + cpeIdOf({ Manufacturer: '', OUI: 'O', ProductClass: '', SerialNumber: serial }).slice(2);
    }
    return prefix + serial;
  }

  #begin(): void {
    this.a = this.#seed;
    this.b = P1;
    this.c = P2;
    this.d = 0;
  }

  /** Takes the bytes from `from` up to `to` into the fingerprint, and how many they were. */
  #mix(from: number, to: number): void {
    const view = this.#view;
    let { a, b, c, d } = this;
    let at = from;
    for (; at + 16 <= to; at += 16) {
      const w = a + d + Math.imul(view.getInt32(at, true), P2);
      const x = b + Math.imul(view.getInt32(at + 4, true), P2);
      const y = c + Math.imul(view.getInt32(at + 8, true), P2);
      const z = d + Math.imul(view.getInt32(at + 12, true), P2);
      a = Math.imul((x << 13) | (x >>> 19), P1);
      b = Math.imul((y << 13) | (y >>> 19), P1);
      c = Math.imul((z << 13) | (z >>> 19), P1);
      d = Math.imul((w << 13) | (w >>> 19), P1);
    }
    for (; at < to; at++) {
      const w = a + Math.imul(view.getUint8(at) + 1, P2);
      a = b;
      b = c;
      c = d ^ w;
      d = Math.imul((w << 11) | (w >>> 21), P1);
    }
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    this.d = (d ^ (to - from)) | 0;
  }
}

/** Looks for what makes an Inform another one; what it wrongly takes for periodic, the reader does not. */
function isPeriodic(events: string): boolean {
  const first = events.indexOf('EventCode>');
  const code = events.slice(first + 10, events.indexOf('</', first));
  return (
    first >= 0 && code === '2 PERIODIC' && events.lastIndexOf('EventCode') === events.indexOf('EventCode', first + 1)
  );
}
