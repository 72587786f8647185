// How texts, numbers, times, names and types are taken from CPEs that write them otherwise than the schema. Both readers use these
// rules, so that they can only differ in how they find the pieces. It knows no markup except character references.

import { LIMITS } from '../base/limits.ts';
import type { ParameterInfo, ParameterValue } from './message.ts';
import type { ToleranceSet } from './tolerances.ts';
import { parseBoolean, parseDateTime, UNKNOWN_TIME } from './values.ts';

// ── Characters ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f]/g;

/**
 * Character data as XML means it: line ends are LF (XML 1.0 §2.11), references are decoded, control characters are gone (FIELD 5, 43).
 * @param raw between two pieces of markup.
 */
export function cleanText(raw: string, tolerances: ToleranceSet): string {
  const text = cleanCdata(raw, tolerances);
  return text.includes('&') ? decodeReferences(text, tolerances) : text;
}

/** The same for a CDATA section, in which `&` is only a letter. */
export function cleanCdata(raw: string, tolerances: ToleranceSet): string {
  const text = raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw;
  if (text.search(FORBIDDEN) < 0) return text;
  tolerances.add('control-characters');
  return text.replace(FORBIDDEN, '');
}

const NAMED: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** Decodes the five named and the numeric references; everything else stays as the CPE wrote it, whatever it meant (FIELD 5). */
function decodeReferences(text: string, tolerances: ToleranceSet): string {
  return text.replace(/&(?:(#[0-9]+|#x[0-9a-f]+|[a-z_][\w.-]*);)?/gi, (whole, body: string | undefined) => {
    if (body === undefined) {
      tolerances.add('bare-ampersand');
      return whole;
    }
    if (body.charCodeAt(0) !== 35) {
      if (Object.hasOwn(NAMED, body)) return NAMED[body]!;
      tolerances.add('unknown-entity');
      return whole;
    }
    const hex = body.charCodeAt(1) === 120 || body.charCodeAt(1) === 88;
    const code = hex ? Number.parseInt(body.slice(2), 16) : Number.parseInt(body.slice(1), 10);
    if (isXmlCharacter(code)) return String.fromCodePoint(code);
    tolerances.add('bad-reference');
    return whole;
  });
}

/** XML 1.0 §2.2 Char. */
function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 0x9 || code === 0xa || code === 0xd;
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

function isPadded(text: string): boolean {
  return text.length > 0 && (text.charCodeAt(0) <= 32 || text.charCodeAt(text.length - 1) <= 32);
}

/** Text without the white space around it, for everything but parameter values (CWMP E18). */
export function trimmed(text: string, tolerances: ToleranceSet): string {
  if (!isPadded(text)) return text;
  tolerances.add('padded-text');
  return text.trim();
}

// ── Scalars ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A number of at most 15 digits, hence exact; leading zeros are decimal (CWMP I7). Null when it is none. */
export function numberIn(text: string, signed: boolean): number | null {
  const first = text.charCodeAt(0);
  const start = first === 43 || (first === 45 && signed) ? 1 : 0;
  const { length } = text;
  if (length === start || length - start > 15) return null;
  let value = 0;
  for (let i = start; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return null;
    value = value * 10 + digit;
  }
  return first === 45 ? -value : value;
}

/** An unsignedInt or int argument; 0 when the text is none. */
export function numberOf(raw: string, signed: boolean, tolerances: ToleranceSet): number {
  const value = numberIn(trimmed(raw, tolerances), signed);
  if (value !== null) return value;
  tolerances.add('bad-number');
  return 0;
}

/** A boolean argument: 0, 1 or the words in any case (CWMP Y2); false when it is none. */
export function booleanOf(raw: string, tolerances: ToleranceSet): boolean {
  const value = parseBoolean(trimmed(raw, tolerances));
  if (value !== null) return value;
  tolerances.add('bad-boolean');
  return false;
}

/** A dateTime argument; Unknown Time when it is missing, empty or none, such as 0000-00-00T00:00:00 (FIELD 13, CWMP Y3). */
export function timeOf(raw: string | null, tolerances: ToleranceSet): string {
  const text = raw === null ? '' : trimmed(raw, tolerances);
  if (parseDateTime(text) !== null) return text;
  tolerances.add('bad-time');
  return UNKNOWN_TIME;
}

// ── Parameters ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A parameter name: trimmed, and without the line breaks a pretty printer put inside (CWMP E18, X4). Null when the entry cannot be
 * used and is skipped (FIELD 12).
 */
export function nameOf(raw: string | null, tolerances: ToleranceSet): string | null {
  let name = raw === null ? '' : trimmed(raw, tolerances);
  if (name.includes('\n')) {
    tolerances.add('broken-name');
    name = name.replace(/[ \t]*\n\s*/g, '');
  }
  if (name === '') tolerances.add('missing-name');
  else if (name.length > LIMITS.parameterNameCharsMax) tolerances.add('long-name');
  else return name;
  return null;
}

const TYPE_NAMES =
  'string int unsignedInt boolean dateTime base64 base64Binary hexBinary long unsignedLong short unsignedShort byte ' +
  'unsignedByte integer decimal float double date time anyURI token normalizedString anySimpleType';
/** By local name, and by the spelling nearly every CPE uses, which then needs no cutting. */
const TYPES = new Map(
  TYPE_NAMES.split(' ').flatMap((name) => [
    [name, `xsd:${name}`],
    [`xsd:${name}`, `xsd:${name}`],
  ]),
);

/** A type of XML Schema as `xsd:<local name>`, whatever its prefix; null for others. */
export function standardType(raw: string): string | null {
  return TYPES.get(raw) ?? TYPES.get(raw.slice(raw.indexOf(':') + 1)) ?? null;
}

/** xsi:type as `xsd:<local name>`, whatever prefix the CPE bound; null (no attribute) becomes xsd:string (FIELD 9, 10). */
export function typeOf(raw: string | null, tolerances: ToleranceSet): string {
  if (raw === null) {
    tolerances.add('missing-type');
    return 'xsd:string';
  }
  const type = standardType(raw);
  if (type !== null) return type;
  const local = raw.slice(raw.indexOf(':') + 1);
  tolerances.add('odd-type');
  const kept = local.replace(/[\x00-\x20]+/g, ' ').trim();
  return kept === '' || kept.length > LIMITS.typeNameCharsMax ? 'xsd:string' : `xsd:${kept}`;
}

/**
 * One entry of a ParameterList, always with the same shape; null when it has no usable name.
 * A string keeps its blanks, for a Wi-Fi key may have some, unless a line break beside them shows a pretty printer (CWMP E18).
 */
export function parameterOf(
  rawName: string | null,
  rawValue: string | null,
  rawType: string | null,
  tolerances: ToleranceSet,
): ParameterValue | null {
  const Name = nameOf(rawName, tolerances);
  if (Name === null) return null;
  if (rawValue === null) {
    // FIELD 44: one entry without Value costs nothing but itself.
    tolerances.add('missing-value');
    return { Name, Value: '', Type: 'xsd:string' };
  }
  const Type = typeOf(rawType, tolerances);
  return { Name, Value: textOfValue(rawValue, Type, tolerances), Type };
}

/**
 * The same for an entry whose texts need no rule, which are nearly all.
 * @param type that standardType gave.
 */
export function plainParameterOf(
  Name: string,
  Value: string,
  Type: string,
  tolerances: ToleranceSet,
): ParameterValue | null {
  if (Name.length > LIMITS.parameterNameCharsMax) return parameterOf(Name, Value, Type, tolerances);
  if (Type !== 'xsd:string' && !fits(Value, Type)) tolerances.add('bad-value');
  return { Name, Value, Type };
}

/** One entry of a GetParameterNamesResponse; null when it has no usable name. Without Writable it is read-only (FIELD 13). */
export function infoOf(
  rawName: string | null,
  writable: string | null,
  tolerances: ToleranceSet,
): ParameterInfo | null {
  const Name = nameOf(rawName, tolerances);
  if (Name === null) return null;
  if (writable === null) tolerances.add('missing-field');
  return { Name, Writable: writable !== null && booleanOf(writable, tolerances) };
}

function textOfValue(raw: string, type: string, tolerances: ToleranceSet): string {
  if (type === 'xsd:string') return isPadded(raw) ? unprinted(raw, tolerances) : raw;
  let value = raw;
  if (isPadded(raw)) {
    tolerances.add('padded-value');
    value = raw.trim();
  }
  // FIELD 11: what does not fit its type is kept, for there is nothing better to say about it.
  if (!fits(value, type)) tolerances.add('bad-value');
  return value;
}

function unprinted(raw: string, tolerances: ToleranceSet): string {
  const value = raw.trim();
  const start = raw.indexOf(value);
  const around = raw.slice(0, start) + raw.slice(start + value.length);
  if (!around.includes('\n')) return raw;
  tolerances.add('padded-value');
  return value;
}

/** True when a value without blanks around it is one of its type, as far as that is looked at (FIELD 11). */
export function fits(value: string, type: string): boolean {
  switch (type) {
    case 'xsd:boolean':
      return parseBoolean(value) !== null;
    case 'xsd:int':
      return numberIn(value, true) !== null;
    case 'xsd:unsignedInt':
      return numberIn(value, false) !== null;
    case 'xsd:dateTime':
      return parseDateTime(value) !== null;
    default:
      return true;
  }
}
