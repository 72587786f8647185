// Parameter values under their xsd types: reading, comparing, spelling on the wire (CWMP 1.18). A value stays the text the CPE sent;
// nothing here throws, text that does not fit its type is reported as such and compared as text (FIELD 10, 11).

import type { EnvelopeStyle } from './envelope-style.ts';

/** What a CPE writes for a time it does not know (TR-106 §3.2). */
export const UNKNOWN_TIME = '0001-01-01T00:00:00Z';

/** Local name of a type: 'xsd:string' → 'string'. Old models write `base64` for base64Binary (Y1). */
export function localType(type: string): string {
  const colon = type.indexOf(':');
  const local = colon === -1 ? type : type.slice(colon + 1);
  return local === 'base64' ? 'base64Binary' : local;
}

/** '1', 'TRUE', ' true ' → true; '0', 'False' → false; anything else null (Y2). */
export function parseBoolean(text: string): boolean | null {
  const word = text.trim().toLowerCase();
  if (word === '1' || word === 'true') return true;
  if (word === '0' || word === 'false') return false;
  return null;
}

const INTEGER = /^[+-]?\d+$/;

/** A whole number of any size; null when the text is none. */
export function parseInteger(text: string): bigint | null {
  const digits = text.trim();
  return INTEGER.test(digits) ? BigInt(digits) : null;
}

// Zone is optional and the fraction of any length: CPEs send local time without zone and microseconds (CWMP I6).
const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:?\d{2})?$/;

/**
 * Milliseconds since 1970 of a dateTime. Without a zone it is read as UTC.
 * @returns null when the text is no time; Unknown Time is far in the past, ask isUnknownTime first.
 */
export function parseDateTime(text: string): number | null {
  const match = DATE_TIME.exec(text.trim());
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  const milliseconds = `${fraction}000`.slice(0, 3);
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}${offset}`);
  return Number.isNaN(time) ? null : time;
}

/** True for every spelling of "not known": empty, year 0000, and year 1, which also holds times relative to the start (Y3). */
export function isUnknownTime(text: string): boolean {
  const time = text.trim();
  return time === '' || time.startsWith('0000-') || time.startsWith('0001-') || time.startsWith('-');
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?$/;

/** A decimal number without what does not count: '+01.50' → '1.5'; null when the text is none. */
function plainDecimal(text: string): string | null {
  const [, sign, whole = '', fraction = ''] = DECIMAL.exec(text.trim()) ?? [];
  if (whole === '' && fraction === '') return null;
  let end = fraction.length;
  while (end > 0 && fraction[end - 1] === '0') end--;
  const digits = (whole.replace(/^0+/, '') || '0') + (end === 0 ? '' : `.${fraction.slice(0, end)}`);
  return sign === '-' && digits !== '0' ? `-${digits}` : digits;
}

const SIGNED: Readonly<Record<string, bigint>> = { int: 2n ** 31n, long: 2n ** 63n };
const UNSIGNED: Readonly<Record<string, bigint>> = { unsignedInt: 2n ** 32n, unsignedLong: 2n ** 64n };

export type Canonical = { type: 'ok'; value: string } | { type: 'bad'; why: string };

const ok = (value: string): Canonical => ({ type: 'ok', value });
const bad = (why: string): Canonical => ({ type: 'bad', why });

/**
 * One spelling for all that mean the same: booleans as words, numbers in plain decimals, times as instants in UTC, bytes without
 * blanks. Strings and unknown types stay as they are.
 * @param type with or without its prefix.
 */
export function canonicalValue(type: string, text: string): Canonical {
  const local = localType(type);
  switch (local) {
    case 'boolean': {
      const value = parseBoolean(text);
      return value === null ? bad('is neither true, false, 1 nor 0') : ok(String(value));
    }
    case 'int':
    case 'long': {
      const value = parseInteger(text);
      if (value === null) return bad('is no whole number');
      const limit = SIGNED[local]!;
      return value < -limit || value >= limit ? bad(`does not fit into ${local}`) : ok(String(value));
    }
    case 'unsignedInt':
    case 'unsignedLong': {
      const value = parseInteger(text);
      if (value === null) return bad('is no whole number');
      return value < 0n || value >= UNSIGNED[local]! ? bad(`does not fit into ${local}`) : ok(String(value));
    }
    case 'decimal': {
      const value = plainDecimal(text);
      return value === null ? bad('is no decimal number') : ok(value);
    }
    case 'dateTime': {
      if (isUnknownTime(text)) return ok(UNKNOWN_TIME);
      const time = parseDateTime(text);
      return time === null ? bad('is no time like 2025-01-31T12:00:00Z') : ok(new Date(time).toISOString());
    }
    case 'hexBinary': {
      const digits = text.trim().toUpperCase();
      return /^(?:[0-9A-F]{2})*$/.test(digits) ? ok(digits) : bad('is no hexadecimal text');
    }
    case 'base64Binary': {
      const letters = text.replace(/\s+/g, '');
      return /^[A-Za-z0-9+/]*={0,2}$/.test(letters) ? ok(letters) : bad('is no base64 text');
    }
    default:
      return ok(text);
  }
}

/** True when two values mean the same under a type: '1' and 'true', '07' and '7', but strings only letter by letter. */
export function sameValue(type: string, a: string, b: string): boolean {
  if (a === b) return true;
  const left = canonicalValue(type, a);
  const right = canonicalValue(type, b);
  return left.type === 'ok' && right.type === 'ok' && left.value === right.value;
}

/** A boolean as this kind of CPE reads it (CWMP E6, FIELD 54). */
export function formatBoolean(style: EnvelopeStyle, value: boolean): string {
  if (style.booleans === 'words') return value ? 'true' : 'false';
  return value ? '1' : '0';
}

/**
 * A dateTime as this kind of CPE reads it (FIELD 25): with milliseconds or without, the rest as given. Text that is no time stays.
 */
export function formatDateTime(style: EnvelopeStyle, text: string): string {
  const time = text.trim();
  const match = DATE_TIME.exec(time);
  if (match === null) return text;
  const zone = match[8] ?? '';
  const fraction = style.dateTimeMilliseconds ? `.${`${match[7] ?? ''}000`.slice(0, 3)}` : '';
  return time.slice(0, 19) + fraction + zone;
}

/** The text of a value on the wire. Values that do not fit their type go out as given: the CPE is the judge of them. */
export function formatValue(style: EnvelopeStyle, type: string, text: string): string {
  const local = localType(type);
  if (local === 'boolean') {
    const value = parseBoolean(text);
    return value === null ? text : formatBoolean(style, value);
  }
  if (local === 'dateTime') return formatDateTime(style, text);
  return text;
}
