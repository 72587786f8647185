// What an Inform is about, from its bytes alone: its events, and who sends it. For deciding whether it is read at all, so it allocates next
// to nothing, looks no further than it must, and need not be right about documents that are not plain: those are read.

import type { DeviceIdStruct } from '../base/ids.ts';

export interface InformEvents {
  /** Event codes as written; empty when there is none to be seen. */
  events: string[];
  /** null when it is not plain to see. */
  device: DeviceIdStruct | null;
}

/** An Inform tells its device and events within this many bytes, whatever its parameters. */
const LOOKED_AT = 8 * 1024;
const EVENTS_MAX = 16;
const TEXT_MAX = 128;
const LESS_THAN = 60;
const GREATER_THAN = 62;
const SLASH = 47;
const COLON = 58;
/** What needs no decoding, of characters or of references. */
const PLAIN = /^[ -%'-~]+$/;

/** The events of an Inform; null for a body that is none, or does not show that it is one. */
export function glanceAtEvents(body: Uint8Array): InformEvents | null {
  const bytes = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, LOOKED_AT));
  const start = bytes.indexOf('Inform>');
  const before = bytes[start - 1];
  if (start < 1 || (before !== LESS_THAN && before !== COLON)) return null;
  const events: string[] = [];
  for (let at = start; events.length < EVENTS_MAX; ) {
    at = bytes.indexOf('EventCode', at);
    if (at < 0) break;
    if (!isEndTag(bytes, at)) {
      const code = textBehind(bytes, at + 'EventCode'.length);
      if (code !== null) events.push(code);
    }
    at += 'EventCode'.length;
  }
  const OUI = elementText(bytes, 'OUI', start);
  const SerialNumber = elementText(bytes, 'SerialNumber', start);
  const ProductClass = elementText(bytes, 'ProductClass', start) ?? '';
  const device = OUI === null || SerialNumber === null ? null : { Manufacturer: '', OUI, ProductClass, SerialNumber };
  return { events, device };
}

function elementText(bytes: Buffer, name: string, from: number): string | null {
  const at = bytes.indexOf(name, from);
  return at < 0 ? null : textBehind(bytes, at + name.length);
}

/** Text of the element whose name ends at `at`; null when it has none, or one that is not plain. */
function textBehind(bytes: Buffer, at: number): string | null {
  const open = bytes.indexOf(GREATER_THAN, at);
  const close = bytes.indexOf(LESS_THAN, open);
  if (open < 0 || close < 0 || close - open > TEXT_MAX || bytes[open - 1] === SLASH) return null;
  const text = bytes.toString('latin1', open + 1, close).trim();
  return PLAIN.test(text) ? text : null;
}

/** True when the name at `at` is that of an end tag, with a prefix or without. */
function isEndTag(bytes: Buffer, at: number): boolean {
  const tag = bytes.lastIndexOf(LESS_THAN, at);
  return bytes[tag + 1] === SLASH;
}
