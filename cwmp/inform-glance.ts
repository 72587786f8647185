// A glance at an Inform: who sends it, under which ID, and a fingerprint of everything else that matters, without reading it. Two Informs
// with the same fingerprint say the same but for their ID, CurrentTime and RetryCount; so an Inform whose like was read once, and taught
// nothing then, need not be read again.
//
// The glance finds its few elements by name in front of the ParameterList and gives up on anything unusual there (CDATA, comments, text
// that is more than plain characters). It need not be right about what it finds in a strange document: a fingerprint is only remembered
// when the reader found the same identity and the same ID in the same bytes, and whatever is not cut out is in the fingerprint.
//
// The fingerprint has 128 bits: four lanes of multiply and rotate, one of them passed on at each step. It is no defence against a CPE that
// wants two of its own Informs to look alike; it could as well send the first one twice.

import { cpeIdOf } from '../base/ids.ts';

const LESS_THAN = 60;
const GREATER_THAN = 62;
const SLASH = 47;
const COLON = 58;

const P1 = 0x9e3779b1 | 0;
const P2 = 0x85ebca77 | 0;

/** Longest text that is cut out, and the least and greatest sizes worth a glance: a long ParameterList is read as ever. */
const CUT_MAX = 64;
const BYTES_MIN = 400;
const BYTES_MAX = 64 * 1024;

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
  /** The fingerprint, four times 32 bits. */
  a = 0;
  b = 0;
  c = 0;
  d = 0;
  readonly #seed: number;
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #textFrom = 0;
  #textTo = 0;
  /** OUI and ProductClass as they lie in a document → the beginning of its cpeId: nearly all CPEs of a fleet share them. */
  readonly #kinds = new Map<string, string>();

  /** @param seed goes into every fingerprint: another one makes all of them worthless. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /**
   * Looks at one body.
   * @param context 32 bits of what else must be the same: where the request came from, its Content-Type.
   * @returns false when it is no plain Inform: then nothing is known of it.
   */
  at(body: Uint8Array, context: number): boolean {
    const { length } = body;
    if (length < BYTES_MIN || length > BYTES_MAX) return false;
    this.#bytes = Buffer.from(body.buffer, body.byteOffset, length);
    this.#view = new DataView(body.buffer, body.byteOffset, length);
    this.a = this.#seed ^ context;
    this.b = P1 ^ length;
    this.c = P2;
    this.d = context;
    let hashed = 0;
    let found = 0;
    let ouiAt = 0;
    let ouiEnd = 0;
    let classAt = 0;
    let classEnd = 0;
    let serialAt = 0;
    let serialEnd = 0;
    for (let pos = 0; pos < length; ) {
      // ── The next tag ──
      while (pos < length && body[pos] !== LESS_THAN) pos++;
      let nameAt = ++pos;
      const first = body[pos]!;
      if (first === SLASH) continue;
      // Comments, CDATA and DOCTYPE hide what is markup.
      if (first === 33) return false;
      let end = pos;
      let code = first;
      while (code !== GREATER_THAN && code !== 32 && code > 13 && end < length) {
        if (code === COLON) nameAt = end + 1;
        code = body[++end]!;
      }
      const nameLength = end - nameAt;
      pos = end;
      // ── Those that matter, told apart by length and first letter ──
      const letter = body[nameAt];
      if (nameLength === 2 && letter === 73 && this.#is(NAMES.ID, nameAt)) {
        if (!this.#text(body, end) || found > 0) return false;
        this.id = this.#bytes.toString('latin1', this.#textFrom, this.#textTo);
        found = 1;
        this.#mix(hashed, this.#textFrom);
        hashed = this.#textTo;
      } else if (nameLength === 3 && letter === 79 && this.#is(NAMES.OUI, nameAt)) {
        if (!this.#text(body, end) || ouiEnd > 0) return false;
        ouiAt = this.#textFrom;
        ouiEnd = this.#textTo;
      } else if (nameLength === 12 && letter === 80 && this.#is(NAMES.ProductClass, nameAt)) {
        if (!this.#text(body, end, 0) || ouiEnd === 0 || classEnd > 0) return false;
        classAt = this.#textFrom;
        classEnd = this.#textTo;
      } else if (nameLength === 12 && letter === 83 && this.#is(NAMES.SerialNumber, nameAt)) {
        if (!this.#text(body, end) || serialEnd > 0) return false;
        serialAt = this.#textFrom;
        serialEnd = this.#textTo;
      } else if (
        (nameLength === 11 && letter === 67 && this.#is(NAMES.CurrentTime, nameAt)) ||
        (nameLength === 10 && letter === 82 && this.#is(NAMES.RetryCount, nameAt))
      ) {
        if (!this.#text(body, end)) return false;
        found += 2;
        this.#mix(hashed, this.#textFrom);
        hashed = this.#textTo;
      } else if (nameLength === 13 && letter === 80 && this.#is(NAMES.ParameterList, nameAt)) break;
    }
    // ID, CurrentTime and RetryCount once each, and who it is.
    if (found !== 5 || serialEnd === 0 || ouiEnd === 0 || classEnd === 0) return false;
    this.#mix(hashed, length);
    this.cpeId = this.#identity(ouiAt, ouiEnd, classAt, classEnd, serialAt, serialEnd);
    return true;
  }

  #is(name: Uint8Array, at: number): boolean {
    const bytes = this.#bytes;
    for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
    return true;
  }

  /** The text of the element whose name ends at `end`: `least` to CUT_MAX plain characters, up to its end tag. */
  #text(body: Uint8Array, end: number, least = 1): boolean {
    let at = end;
    while (body[at] !== GREATER_THAN) if (++at >= body.length || body[at] === LESS_THAN) return false;
    this.#textFrom = ++at;
    const max = at + CUT_MAX;
    let code = body[at]!;
    // Letters, digits and signs from '!' to '~', without '&', '<' and '>'.
    while (code > 32 && code < 127 && code !== LESS_THAN && code !== GREATER_THAN && code !== 38 && at < max) {
      code = body[++at]!;
    }
    this.#textTo = at;
    return code === LESS_THAN && body[at + 1] === SLASH && at >= this.#textFrom + least;
  }

  #identity(
    ouiAt: number,
    ouiEnd: number,
    classAt: number,
    classEnd: number,
    serialAt: number,
    serialEnd: number,
  ): string {
    const bytes = this.#bytes;
    const kind = bytes.toString('latin1', ouiAt, classEnd);
    let prefix = this.#kinds.get(kind);
    if (prefix === undefined) {
      const OUI = bytes.toString('latin1', ouiAt, ouiEnd);
      const ProductClass = bytes.toString('latin1', classAt, classEnd);
      prefix = cpeIdOf({ Manufacturer: '', OUI, ProductClass, SerialNumber: 'S' }).slice(0, -1);
      if (this.#kinds.size >= KINDS_MAX) this.#kinds.clear();
      this.#kinds.set(kind, prefix);
    }
    const serial = bytes.toString('latin1', serialAt, serialEnd);
    for (let i = serialAt; i < serialEnd; i++) {
      if (!isAlphanumeric(bytes[i]!)) {
        return prefix + cpeIdOf({ Manufacturer: '', OUI: 'O', ProductClass: '', SerialNumber: serial }).slice(2);
      }
    }
    return prefix + serial;
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
      const passed = a + Math.imul(view.getUint8(at) + 1, P2);
      a = b;
      b = c;
      c = d ^ passed;
      d = Math.imul((passed << 11) | (passed >>> 21), P1);
    }
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    this.d = (d ^ (to - from)) | 0;
  }
}

/** Kinds of CPE (OUI and ProductClass, and the markup between) remembered by one thread. */
const KINDS_MAX = 1_000;

function isAlphanumeric(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}
