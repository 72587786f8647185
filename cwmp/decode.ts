// From the bytes of a body to its text. Who names the charset, in this order: a byte order mark, the Content-Type, the XML declaration,
// else UTF-8 (RFC 7303 §3.2, FIELD 7). What is not the UTF-8 it claims to be is read by the declaration's charset if that is another
// one, else as ISO-8859-1, which reads anything: an SSID with a wrong letter is better than a CPE nobody can manage.

import { isAscii, isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';
import { LIMITS } from '../base/limits.ts';
import type { ToleranceSet } from './tolerances.ts';

const UTF8 = 'utf-8';
const LATIN1 = 'iso-8859-1';

/** Labels that need no table of iconv-lite. ASCII is a subset of UTF-8; a CPE that says ASCII and sends more means one of these two. */
const NATIVE: Record<string, string> = {
  'utf-8': UTF8,
  utf8: UTF8,
  'us-ascii': UTF8,
  ascii: UTF8,
  'iso-8859-1': LATIN1,
  'iso8859-1': LATIN1,
  latin1: LATIN1,
  'utf-16': 'utf-16',
  'utf-16le': 'utf-16le',
  'utf-16be': 'utf-16be',
};

/** Transfer encodings that iconv-lite offers beside its charsets, and UTF-7, which hides markup from whoever looks at the bytes. */
const NO_CHARSET = /^(base64|hex|binary|internal|_.*|utf-?7.*|unicode-?1-?1-?utf-?7)$/;

/** Content-Type values seen → charset label or null. A fleet sends a handful of them; the bound is against one that invents more. */
const labels = new Map<string, string | null>();

export interface Decoded {
  text: string;
  /** One byte per character of `text`: the character itself below 0x80, some byte of 0x80 or more for all others. */
  codes: Uint8Array;
}

/**
 * Decodes a body.
 * @param bytes of the body, inflated.
 * @param contentType value of the header as sent, or null.
 * @param tolerances gets invalid-utf8, unknown-charset, wrong-charset.
 * @returns the text without byte order mark; null when the charset is unknown and the bytes are not UTF-8 either.
 */
export function decode(bytes: Uint8Array, contentType: string | null, tolerances: ToleranceSet): Decoded | null {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [first, second] = buffer;
  // The byte order mark, and an XML document in UTF-16 without one (XML 1.0 appendix F).
  if (first === 0xff && second === 0xfe) return utf16(buffer.subarray(2), true);
  if (first === 0xfe && second === 0xff) return utf16(buffer.subarray(2), false);
  if (first === 0x3c && second === 0) return utf16(buffer, true);
  if (first === 0 && second === 0x3c) return utf16(buffer, false);
  const marked = first === 0xef && second === 0xbb && buffer[2] === 0xbf;
  const body = marked ? buffer.subarray(3) : buffer;
  const label = marked ? UTF8 : (labelOf(contentType) ?? declaredLabel(body) ?? UTF8);

  const charset = Object.hasOwn(NATIVE, label) ? NATIVE[label]! : label;
  if (charset === LATIN1) return { text: body.toString('latin1'), codes: body };
  if (charset === UTF8) return utf8(body, tolerances);
  if (charset === 'utf-16' || charset === 'utf-16le' || charset === 'utf-16be') {
    // The label lies: UTF-16 of an XML document has a NUL in its first two bytes.
    if (first !== 0 && second !== 0) {
      tolerances.add('wrong-charset');
      return utf8(body, tolerances);
    }
    return utf16(body, charset === 'utf-16le');
  }
  if (isKnown(charset)) return withCodes(iconv.decode(body, charset));
  if (!isUtf8(body)) return null;
  tolerances.add('unknown-charset');
  return withCodes(body.toString('utf8'));
}

function utf8(body: Buffer, tolerances: ToleranceSet): Decoded {
  // One byte per character, and half the time: most messages are plain ASCII.
  if (isAscii(body)) return { text: body.toString('latin1'), codes: body };
  if (isUtf8(body)) return withCodes(body.toString('utf8'));
  tolerances.add('invalid-utf8');
  const declared = declaredLabel(body);
  if (declared !== null && !Object.hasOwn(NATIVE, declared) && isKnown(declared))
    return withCodes(iconv.decode(body, declared));
  return { text: body.toString('latin1'), codes: body };
}

/** An odd last byte is dropped; halves of surrogate pairs become U+FFFD, since no store downstream takes them. */
function utf16(body: Buffer, littleEndian: boolean): Decoded {
  const even = body.subarray(0, body.length & ~1);
  const text = (littleEndian ? even : Buffer.from(even).swap16()).toString('utf16le');
  return withCodes(Buffer.from(text, 'utf8').toString('utf8'));
}

/** The codes of a text whose bytes do not line up with its characters. */
function withCodes(text: string): Decoded {
  const { length } = text;
  const codes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) {
    const c = text.charCodeAt(i);
    codes[i] = Math.min(c, 0x80);
  }
  return { text, codes };
}

function isKnown(label: string): boolean {
  return !NO_CHARSET.test(label) && iconv.encodingExists(label);
}

/** The charset parameter of a Content-Type, lower-cased, quoted either way or not at all. */
function labelOf(contentType: string | null): string | null {
  if (contentType === null) return null;
  const known = labels.get(contentType);
  if (known !== undefined) return known;
  const match = /charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(contentType);
  const label = match === null ? null : match[1]!.toLowerCase();
  if (labels.size >= LIMITS.charsetLabelsMax) labels.clear();
  labels.set(contentType, label);
  return label;
}

/** The encoding named by the XML declaration, which may span lines and be quoted either way (FIELD 4); null when there is none. */
function declaredLabel(body: Buffer): string | null {
  const head = body.toString('latin1', 0, Math.min(body.length, LIMITS.xmlDeclarationCharsMax));
  const start = head.indexOf('<?xml');
  if (start < 0) return null;
  const end = head.indexOf('?>', start);
  const declaration = end < 0 ? head.slice(start) : head.slice(start, end);
  const match = /encoding\s*=\s*["']\s*([\w.:-]+)/i.exec(declaration);
  return match === null ? null : match[1]!.toLowerCase();
}
