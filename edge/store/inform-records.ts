// What a CPE's Informs told, in one record: all that is looked at when an Inform comes, and all that is written when it has news.
//
//   inform       cpeId                a head of HEAD_BYTES and the answer of the mark; the device text; the hot text (codec.ts, hot-texts.ts)
//
// The mark says that an Inform with its fingerprint teaches nothing: it is of the very values that lie behind it, and whatever else changes
// the record, or what the shadow has beside it, takes the mark away. It also says that nothing was open for the CPE, neither work nor the
// record of a session, when Stamps.openMark was the number that is in it: another number now, and the mark is worth nothing. A number of
// an older start says as much while nothing has been opened in this one.

import { int32, latin1, utf8 } from '../../base/bytes.ts';
import type { CpeId } from '../../base/ids.ts';
import type { Environment } from './environment.ts';
import type { Stamps } from './stamps.ts';
import { Table } from './table.ts';

/** Of the head; numbers are little-endian, the fingerprints are edge/quiet-informs.ts's. */
export const RECORD = {
  /** Fingerprints: who, all but the events, the events. */
  who: 0,
  all: 16,
  events: 32,
  /** Of the number: its start, and itself. */
  incarnation: 40,
  openMark: 44,
  deviceBytes: 48,
  answerBytes: 52,
  flags: 53,
  /** How an Inform of the fingerprint is answered; empty without a mark. */
  answer: 54,
} as const;
const HEAD_BYTES = RECORD.answer;
export const FINGERPRINT_BYTES = RECORD.incarnation;
/** The text is ASCII, which is read in half the time. */
const DEVICE_IS_ASCII = 1;
const HOT_IS_ASCII = 2;

const EMPTY = new Uint8Array(0);

/** The records, as one writer sees them. */
export class InformRecords {
  readonly #stamps: Stamps;
  readonly #table: Table<Buffer>;

  constructor(environment: Environment, stamps: Stamps) {
    this.#stamps = stamps;
    this.#table = new Table(environment, environment.database('inform', { encoding: 'binary' }));
  }

  /** The whole record, valid until the next read of anything (see Table.bytes); undefined when there is none. */
  get(cpeId: CpeId): Uint8Array | undefined {
    return this.#table.bytes(cpeId);
  }

  /** True when the mark of a record holds: nothing has been opened for its CPE since. */
  isMarked(record: Uint8Array, cpeId: CpeId): boolean {
    if (record[RECORD.answerBytes] === 0) return false;
    const openMark = this.#stamps.openMark(cpeId);
    if (int32(record, RECORD.incarnation) === (this.#stamps.incarnation | 0)) {
      return int32(record, RECORD.openMark) === openMark;
    }
    return openMark === 0;
  }

  deviceText(cpeId: CpeId): string | undefined {
    const record = this.#table.bytes(cpeId);
    if (record === undefined) return undefined;
    const start = deviceAt(record);
    const end = hotAt(record);
    if (start === end) return undefined;
    return record[RECORD.flags]! & DEVICE_IS_ASCII ? latin1(record, start, end) : utf8(record, start, end);
  }

  hotText(cpeId: CpeId): string | undefined {
    const record = this.#table.bytes(cpeId);
    if (record === undefined) return undefined;
    const start = hotAt(record);
    const end = record.length;
    if (start === end) return undefined;
    return record[RECORD.flags]! & HOT_IS_ASCII ? latin1(record, start, end) : utf8(record, start, end);
  }

  putDeviceText(cpeId: CpeId, text: string): Promise<void> {
    const record = this.#table.bytes(cpeId);
    const device = Buffer.from(text);
    const hot = record === undefined ? EMPTY : record.subarray(hotAt(record), record.length);
    const isAscii = device.length === text.length ? DEVICE_IS_ASCII : 0;
    return this.#put(cpeId, device, hot, isAscii | ((record?.[RECORD.flags] ?? 0) & HOT_IS_ASCII));
  }

  /** '' for none. */
  putHotText(cpeId: CpeId, text: string): Promise<void> {
    const record = this.#table.bytes(cpeId);
    const hot = Buffer.from(text);
    const device = record === undefined ? EMPTY : record.subarray(deviceAt(record), hotAt(record));
    const isAscii = hot.length === text.length ? HOT_IS_ASCII : 0;
    return this.#put(cpeId, device, hot, isAscii | ((record?.[RECORD.flags] ?? 0) & DEVICE_IS_ASCII));
  }

  /** Puts a whole record in place of the one it was made of. */
  put(cpeId: CpeId, record: Buffer): Promise<void> {
    return this.#table.put(cpeId, record);
  }

  /**
   * Marks a record.
   * @param fingerprints FINGERPRINT_BYTES of them.
   * @param openMark Stamps.openMark before it was seen that nothing is open.
   */
  mark(cpeId: CpeId, fingerprints: Uint8Array, answer: string, openMark: number): Promise<void> {
    const record = this.#table.bytes(cpeId);
    const texts = record === undefined ? EMPTY : record.subarray(deviceAt(record), record.length);
    const marked = Buffer.alloc(HEAD_BYTES + answer.length + texts.length);
    marked.set(fingerprints);
    this.number(marked, openMark);
    marked.writeInt32LE(record === undefined ? 0 : int32(record, RECORD.deviceBytes), RECORD.deviceBytes);
    marked[RECORD.answerBytes] = answer.length;
    marked[RECORD.flags] = record?.[RECORD.flags] ?? 0;
    marked.write(answer, RECORD.answer, 'latin1');
    marked.set(texts, HEAD_BYTES + answer.length);
    return this.#table.put(cpeId, marked);
  }

  /** Nothing was open for the CPE of this record when Stamps.openMark was `openMark`. */
  number(record: Buffer, openMark: number): void {
    record.writeInt32LE(this.#stamps.incarnation | 0, RECORD.incarnation);
    record.writeInt32LE(openMark | 0, RECORD.openMark);
  }

  /** Takes the mark away, where there is one. */
  async unmark(cpeId: CpeId): Promise<void> {
    const record = this.#table.bytes(cpeId);
    if (record === undefined || record[RECORD.answerBytes] === 0) return;
    const hot = hotAt(record);
    const texts = [record.subarray(deviceAt(record), hot), record.subarray(hot, record.length)] as const;
    await this.#put(cpeId, ...texts, record[RECORD.flags]!);
  }

  #put(cpeId: CpeId, device: Uint8Array, hot: Uint8Array, flags: number): Promise<void> {
    const record = Buffer.alloc(HEAD_BYTES + device.length + hot.length);
    record.writeInt32LE(device.length, RECORD.deviceBytes);
    record[RECORD.flags] = flags;
    record.set(device, HEAD_BYTES);
    record.set(hot, HEAD_BYTES + device.length);
    return this.#table.put(cpeId, record);
  }
}

function deviceAt(record: Uint8Array): number {
  return HEAD_BYTES + record[RECORD.answerBytes]!;
}

/** Where the hot text of a record begins. */
export function hotAt(record: Uint8Array): number {
  return deviceAt(record) + int32(record, RECORD.deviceBytes);
}
