// What an Inform is about, from its bytes alone: its events, and who sends it. For deciding whether it is read at all, so it allocates next
// to nothing, looks no further than it must, and need not be right about documents that are not plain: those are read.

import type { DeviceIdStruct } from '../base/ids.ts';

export interface InformEvents {
  /** Event codes as written; empty when there is none to be seen. */
  events: string[];
  /** null when it is not plain to see. */
  device: DeviceIdStruct | null;
  /** It tells of a session that was tried before (RetryCount, A.3.3.1). */
  isRetry: boolean;
}

/** An Inform tells its device and events within this many bytes, whatever its parameters; most of them within fewer. */
const LOOKED_AT = 8 * 1024;
const LOOKED_AT_FIRST = 2 * 1024;
const EVENTS_MAX = 16;
const TEXT_MAX = 128;
const LESS_THAN = 60;
const SLASH = 47;
const COLON = 58;
/** What needs no decoding, of characters or of references. */
const PLAIN = /^[ -%'-~]+$/;

/** The events of an Inform; null for a body that is none, or does not show that it is one. */
export function glanceAtEvents(body: Uint8Array): InformEvents | null {
  // One string to search in: each search of a Buffer costs as much as turning this much of it into a string.
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const text = bytes.toString('latin1', 0, Math.min(body.length, LOOKED_AT_FIRST));
  // It stands behind the device and the events.
  if (body.length <= LOOKED_AT_FIRST || text.includes('RetryCount>')) return glanceAt(text);
  return glanceAt(bytes.toString('latin1', 0, Math.min(body.length, LOOKED_AT)));
}

function glanceAt(text: string): InformEvents | null {
  const start = text.indexOf('Inform>');
  const before = text.charCodeAt(start - 1);
  if (start < 1 || (before !== LESS_THAN && before !== COLON)) return null;
  const events: string[] = [];
  for (let at = start; events.length < EVENTS_MAX; ) {
    at = text.indexOf('EventCode', at);
    if (at < 0) break;
    if (!isEndTag(text, at)) {
      const code = textBehind(text, at + 'EventCode'.length);
      if (code !== null) events.push(code);
    }
    at += 'EventCode'.length;
  }
  const OUI = elementText(text, 'OUI', start);
  const SerialNumber = elementText(text, 'SerialNumber', start);
  const ProductClass = elementText(text, 'ProductClass', start) ?? '';
  const device = OUI === null || SerialNumber === null ? null : { Manufacturer: '', OUI, ProductClass, SerialNumber };
  const retryCount = elementText(text, 'RetryCount', start);
  return { events, device, isRetry: retryCount !== null && retryCount !== '0' };
}

function elementText(text: string, name: string, from: number): string | null {
  const at = text.indexOf(name, from);
  return at < 0 ? null : textBehind(text, at + name.length);
}

/** Text of the element whose name ends at `at`; null when it has none, or one that is not plain. */
function textBehind(text: string, at: number): string | null {
  const open = text.indexOf('>', at);
  const close = text.indexOf('<', open);
  if (open < 0 || close < 0 || close - open > TEXT_MAX || text.charCodeAt(open - 1) === SLASH) return null;
  const inside = text.slice(open + 1, close).trim();
  return PLAIN.test(inside) ? inside : null;
}

/** True when the name at `at` is that of an end tag, with a prefix or without. */
function isEndTag(text: string, at: number): boolean {
  return text.charCodeAt(text.lastIndexOf('<', at) + 1) === SLASH;
}
