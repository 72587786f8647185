// Verifies an export line by line, without database or network. It stops at the first thing that is wrong and names it: what comes behind a
// broken link proves nothing. A line with a record is not parsed, only cut: what is hashed is its text as it lies there.

import type { KeyObject } from 'node:crypto';
import { linkHash, recordDigest } from './chain.ts';
import {
  EXPORT_FORMAT,
  EXPORT_VERSION,
  type ExportEnd,
  type ExportHeader,
  endLine,
  endText,
  HASH_BEGIN,
  headLine,
  LINE_END,
  RECORD_BEGIN,
} from './export-format.ts';
import { type ChainHead, fingerprintOf, isSigned, verifyingKey } from './signing.ts';

export interface Verified {
  records: number;
  skipped: number;
  /** Records that were asked for and whose content was dropped by age. */
  aged: number;
  /** Signatures that hold, the last one among them. */
  heads: number;
  firstSeq: number;
  lastSeq: number;
  /** When the last head was signed. */
  signedAt: string;
  /** Of the key that signed; whose it is, the file cannot prove. */
  fingerprint: string;
}

/** What is wrong first. `seq` is the record it was found at, null when it is none. */
export interface Broken {
  line: number;
  seq: number | null;
  why: string;
}

const HASH_CHARS = 64;
const BEGIN = Buffer.from(RECORD_BEGIN);
const TAIL_BYTES = HASH_BEGIN.length + HASH_CHARS + LINE_END.length;
const PLACE = /^\{"seq":(\d{1,16}),("aged":true,)?"digest":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/;
/** The end of a record's text. */
const SEQ = Buffer.from(',"seq":');
const ZERO = 0x30;

export class ExportVerifier {
  #line = 0;
  #header: ExportHeader | null = null;
  #headerDigest = '';
  #key: KeyObject | null = null;
  #seq = 0;
  #hash = '';
  #records = 0;
  #skipped = 0;
  #aged = 0;
  #heads = 0;
  #signedAt = '';
  #isOver = false;
  readonly #fingerprint: string | null;

  /** @param fingerprint of the key it must be signed with; null takes the one in the file. */
  constructor(fingerprint: string | null = null) {
    this.#fingerprint = fingerprint;
  }

  /** The next line, without its end. @returns what is wrong with it, or null. */
  take(line: Buffer): Broken | null {
    this.#line++;
    if (this.#isOver) return this.#broken('there is more behind the end of the export', null);
    if (this.#header === null) return this.#takeHeader(line.toString());
    if (line.subarray(0, BEGIN.length).equals(BEGIN)) return this.#takeRecord(line);
    const text = line.toString();
    const place = PLACE.exec(text);
    if (place !== null) {
      if (place[2] === undefined) this.#skipped++;
      else this.#aged++;
      return this.#link(Number(place[1]), place[3]!, place[4]!, 'its digest or its hash was changed');
    }
    return this.#takeHead(text);
  }

  /** All lines were taken. */
  end(): Verified | Broken {
    this.#line++;
    if (this.#header === null) return this.#broken('the file is empty', null);
    if (!this.#isOver) return this.#broken('the file ends before its export does: the rest is cut off', this.#seq + 1);
    return {
      ...{ records: this.#records, skipped: this.#skipped, aged: this.#aged, heads: this.#heads },
      ...{ firstSeq: this.#header.after.seq + 1, lastSeq: this.#seq, signedAt: this.#signedAt },
      fingerprint: fingerprintOf(this.#header.key),
    };
  }

  #takeHeader(text: string): Broken | null {
    const header = parsed(text) as Partial<ExportHeader> | null;
    if (header?.format !== EXPORT_FORMAT) return this.#broken('this is no export of evidence', null);
    if (header.version !== EXPORT_VERSION) {
      return this.#broken(
        `this export is of version ${header.version}, and version ${EXPORT_VERSION} is known here`,
        null,
      );
    }
    const { key, after } = header;
    this.#key = typeof key === 'string' ? verifyingKey(key) : null;
    if (this.#key === null || !Number.isSafeInteger(after?.seq) || typeof after?.hash !== 'string') {
      return this.#broken('the first line was changed', null);
    }
    const fingerprint = fingerprintOf(key!);
    if (this.#fingerprint !== null && this.#fingerprint !== fingerprint) {
      return this.#broken(`it is signed with key ${fingerprint}, and not with ${this.#fingerprint}`, null);
    }
    this.#header = header as ExportHeader;
    this.#headerDigest = recordDigest(text);
    this.#seq = after.seq;
    this.#hash = after.hash;
    return null;
  }

  #takeRecord(line: Buffer): Broken | null {
    const end = line.length - TAIL_BYTES;
    const text = line.subarray(BEGIN.length, Math.max(BEGIN.length, end));
    const tail = line.toString('latin1', Math.max(0, end));
    if (!tail.startsWith(HASH_BEGIN) || !tail.endsWith(LINE_END))
      return this.#broken('the line was changed', this.#seq + 1);
    const seq = seqOf(text);
    if (seq === null) return this.#broken('its text was changed', this.#seq + 1);
    this.#records++;
    const hash = tail.slice(HASH_BEGIN.length, -LINE_END.length);
    return this.#link(seq, recordDigest(text), hash, 'its text or its hash was changed');
  }

  /** The next record of the chain, by its digest. */
  #link(seq: number, digest: string, hash: string, why: string): Broken | null {
    const expected = this.#seq + 1;
    if (seq > expected) return this.#broken(`it is missing: record ${seq} comes next`, expected);
    if (seq < expected) return this.#broken(`it comes behind record ${this.#seq}: inserted, or in another order`, seq);
    if (linkHash(this.#hash, digest) !== hash) return this.#broken(why, seq);
    this.#seq = seq;
    this.#hash = hash;
    return null;
  }

  #takeHead(text: string): Broken | null {
    const line = parsed(text) as { head?: ChainHead; signature?: string; end?: ExportEnd } | null;
    const { head, signature, end } = line ?? {};
    // As it was written, to the letter: JSON has many texts for one value.
    const isLine =
      typeof signature === 'string' &&
      text === (end === undefined ? headLine(headOf(head), signature) : endLine(endOf(end), headOf(head), signature));
    if (!isLine) return this.#broken('the line is none of an export: it was changed or inserted', this.#seq + 1);
    const { seq, hash, at } = headOf(head);
    if (seq !== this.#seq || hash !== this.#hash) {
      const why = `the signed head is of record ${seq} with another hash: the chain was made anew, or cut`;
      return this.#broken(why, this.#seq);
    }
    const isTrue = Buffer.from(signature, 'base64').toString('base64') === signature;
    if (!isTrue || !isSigned(head!, end === undefined ? '' : endText(endOf(end)), signature, this.#key!)) {
      return this.#broken('the signature of the head does not hold', this.#seq);
    }
    this.#heads++;
    this.#signedAt = at;
    if (end === undefined) return null;
    const { records, skipped, aged } = endOf(end);
    if (records !== this.#records || skipped !== this.#skipped || aged !== this.#aged) {
      return this.#broken('the counts of the last line are others', null);
    }
    if (end.header !== this.#headerDigest) return this.#broken('the first line was changed', null);
    this.#isOver = true;
    return null;
  }

  #broken(why: string, seq: number | null): Broken {
    return { line: this.#line, seq, why };
  }
}

/** The number at the end of a record's text, `…,"seq":17}`; null when there is none. */
function seqOf(text: Buffer): number | null {
  let at = text.length - 2;
  let seq = 0;
  for (let unit = 1; at > 0 && unit < 1e16; unit *= 10, at--) {
    const digit = text[at]! - ZERO;
    if (digit < 0 || digit > 9) break;
    seq += digit * unit;
  }
  const begin = at + 1 - SEQ.length;
  return at < text.length - 2 && begin > 0 && text.subarray(begin, at + 1).equals(SEQ) ? seq : null;
}

/** The members that are written, in their order; undefined where there are none. */
const headOf = (head: Partial<ChainHead> | undefined): ChainHead =>
  ({ seq: head?.seq, hash: head?.hash, at: head?.at }) as ChainHead;
const endOf = (end: Partial<ExportEnd>): ExportEnd =>
  ({ records: end.records, skipped: end.skipped, aged: end.aged ?? 0, header: end.header }) as ExportEnd;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
