// Secrets in a document of either side, whatever state it is in: recordings are made of documents that no reader takes. So it looks for tags
// and not for structure, and where the end of a secret cannot be found, all that follows counts as part of it.

import { isAscii, isUtf8 } from 'node:buffer';
import { isSecretLeaf } from '../../profiles/resolve.ts';
import type { Masks } from './masks.ts';

/** A body as it stands in a recording: text, or bytes that are none in base64. */
export type RecordedBody = { text: string } | { base64: string };

const OPENING = /<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)(?:\s[^<>]*)?>/g;
const CDATA = /<!\[CDATA\[([\s\S]*?)\]\]>/g;
const WHOLE_CDATA = /^<!\[CDATA\[((?:(?!\]\]>)[\s\S])*)\]\]>$/;
const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi;
const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/**
 * The body without secrets. Of UTF-16 and of bytes that are no UTF-8 it comes as base64, masked as well.
 * @param masks has met the secrets of what belongs to the document.
 */
export function maskBody(body: Uint8Array | string, masks: Masks): RecordedBody {
  if (typeof body === 'string') return { text: maskDocument(body, masks) };
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isAscii(buffer) || (isUtf8(buffer) && !buffer.includes(0)))
    return { text: maskDocument(buffer.toString(), masks) };
  const wide = wideOrder(buffer);
  if (wide === null) return base64(Buffer.from(maskDocument(buffer.toString('latin1'), masks), 'latin1'));
  const even = Buffer.from(buffer.subarray(0, buffer.length & ~1));
  const text = (wide === 'little' ? even : even.swap16()).toString('utf16le');
  const masked = Buffer.from(maskDocument(text, masks), 'utf16le');
  return base64(wide === 'little' ? masked : masked.swap16());
}

/** The bytes of a body as recorded. */
export function bodyBytes(body: RecordedBody): Buffer {
  return 'text' in body ? Buffer.from(body.text) : Buffer.from(body.base64, 'base64');
}

const base64 = (bytes: Buffer): RecordedBody => ({ base64: bytes.toString('base64') });

/** UTF-16 of a document has a byte order mark, or a NUL within its first two bytes. */
function wideOrder([first, second]: Buffer): 'little' | 'big' | null {
  if ((first === 0xff && second === 0xfe) || second === 0) return 'little';
  return (first === 0xfe && second === 0xff) || first === 0 ? 'big' : null;
}

function maskDocument(text: string, masks: Masks): string {
  let masked = '';
  let from = 0;
  let name = '';
  OPENING.lastIndex = 0;
  for (let tag = OPENING.exec(text); tag !== null; tag = OPENING.exec(text)) {
    const local = tag[1]!;
    if (tag[0].endsWith('/>')) continue;
    const begin = OPENING.lastIndex;
    if (/^name$/i.test(local)) name = meaning(text.slice(begin, endOf(text, local, begin))).trim();
    const isSecret = (/^value$/i.test(local) && masks.isSecretPath(name)) || isSecretLeaf(local);
    if (!isSecret) continue;
    const end = endOf(text, local, begin);
    masked += text.slice(from, begin) + maskContent(text.slice(begin, end), masks);
    from = end;
    OPENING.lastIndex = end;
  }
  masked += text.slice(from);
  // Not in the markup: a secret may be a word of it.
  return masked.replace(/(?<=^|>)[^<]+/g, (part) => masks.text(part, meaning));
}

/** Where the element ends that began before `begin`; the end of the text when nobody says. */
function endOf(text: string, local: string, begin: number): number {
  const closing = new RegExp(`</(?:[\\w.-]+:)?${local.replaceAll('.', '\\.')}\\s*>`, 'g');
  closing.lastIndex = begin;
  return closing.exec(text)?.index ?? text.length;
}

/** White space around it and the CDATA it may stand in stay: a reader has its ways with both. */
function maskContent(content: string, masks: Masks): string {
  const [, before = '', core = '', after = ''] = /^(\s*)([\s\S]*?)(\s*)$/.exec(content) ?? [];
  const inside = WHOLE_CDATA.exec(core)?.[1];
  const mask = inside === undefined ? masks.of(meaning(core)) : `<![CDATA[${masks.of(inside)}]]>`;
  return before + mask + after;
}

/** The text that character data stands for. */
function meaning(xml: string): string {
  let text = '';
  let from = 0;
  for (const section of xml.matchAll(CDATA)) {
    text += resolved(xml.slice(from, section.index)) + section[1];
    from = section.index + section[0].length;
  }
  return text + resolved(xml.slice(from));
}

function resolved(xml: string): string {
  return xml.replace(ENTITY, (entity, decimal?: string, hex?: string, named?: string) => {
    if (named !== undefined) return NAMED[named.toLowerCase()]!;
    const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
    return code > 0x10ffff ? entity : String.fromCodePoint(code);
  });
}
