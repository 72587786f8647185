// Whether a value is one that the data model lets a parameter have, and if not, why in words that complete "The value of X …". Pure.

import { isIP, isIPv4, isIPv6 } from 'node:net';
import { canonicalValue } from '../cwmp/values.ts';
import type { Bounds, ParameterFacts, TextFormat, ValueType } from './data-models/facts.ts';

export type ValueCheck = { type: 'ok' } | { type: 'bad'; why: string };

const OK: ValueCheck = { type: 'ok' };
const bad = (why: string): ValueCheck => ({ type: 'bad', why });

/** Values named in one message; the longest enumerations have thirty. */
const NAMED_MAX = 40;
/** Characters of a list item that are quoted. */
const QUOTED_CHARS_MAX = 64;

/** `facts` for a CPE that lists the values it supports itself: its own come first, and those of vendors are among them. */
export function withSupported(facts: ParameterFacts, listed: string): ParameterFacts {
  const own = listed.split(',').map((value) => value.trim());
  return { ...facts, values: [...new Set([...own, ...facts.values])] };
}

/**
 * @param by who gives the value: some values of an enumeration are set by the CPE alone.
 */
export function checkValue(facts: ParameterFacts, text: string, by: 'acs' | 'cpe' = 'acs'): ValueCheck {
  if (facts.list === null) return checkOne(facts, text, by);
  const { items: count, whole } = facts.list;
  // An empty list is an empty text, and blanks around items do not count (TR-106 §3.2).
  const items = text.trim() === '' ? [] : text.split(',').map((item) => item.trim());
  if (!isWithin([count], items.length)) return bad(`must be a list of ${describe([count])} items, separated by commas`);
  if (!isWithin(whole, lengthOf('string', text))) return bad(`must have ${describe(whole)} characters`);
  for (const item of items) {
    const checked = checkOne(facts, item, by);
    if (checked.type === 'bad')
      return bad(`is a list, of which ${item.slice(0, QUOTED_CHARS_MAX) || 'an empty item'} ${checked.why}`);
  }
  return OK;
}

function checkOne(facts: ParameterFacts, text: string, by: 'acs' | 'cpe'): ValueCheck {
  const { type, format, ranges, lengths, values, valuesOfCpe, patterns, units } = facts;
  const canonical = canonicalValue(type, text);
  if (canonical.type === 'bad') return canonical;
  // Vendors add values of their own, named like their parameters (TR-106 §3.3).
  if (
    values.length > 0 &&
    !values.includes(text) &&
    !text.startsWith('X_') &&
    !(by === 'cpe' && valuesOfCpe.includes(text))
  ) {
    const named = values.slice(0, NAMED_MAX).map((value) => value || "'' (empty)");
    return bad(`must be one of ${named.join(', ')}${values.length > NAMED_MAX ? ', …' : ''}`);
  }
  if (format !== null && !isOfFormat(format, text)) return bad(`must be ${FORMATS[format].words}`);
  if (!isWithin(ranges, Number(canonical.value)))
    return bad(`must be ${describe(ranges)}${units === null ? '' : ` (${units})`}`);
  if (!isWithin(lengths, lengthOf(type, canonical.value))) {
    return bad(`must have ${describe(lengths)} ${type === 'base64' || type === 'hexBinary' ? 'octets' : 'characters'}`);
  }
  if (patterns.length > 0 && !patterns.some((pattern) => expression(pattern).test(text))) {
    return bad(`must look like ${patterns.map((pattern) => pattern || "'' (empty)").join(' or ')}`);
  }
  return OK;
}

/** True when it lies in one of the bounds, or when there are none. */
function isWithin(bounds: readonly Bounds[], number: number): boolean {
  if (bounds.length === 0) return true;
  return bounds.some(({ least, most }) => (least === null || number >= least) && (most === null || number <= most));
}

function describe(bounds: readonly Bounds[]): string {
  const words = bounds.map(({ least, most }) => {
    if (least === most) return String(least);
    if (least === null) return `at most ${most}`;
    return most === null ? `at least ${least}` : `between ${least} and ${most}`;
  });
  return words.join(' or ');
}

/** Characters of a text; of bytes the octets they are before they are written as text (TR-106 §3.2). */
function lengthOf(type: ValueType, text: string): number {
  if (type === 'hexBinary') return text.length / 2;
  if (type === 'base64') return Math.floor((text.replace(/=+$/, '').length * 3) / 4);
  return [...text].length;
}

function isPrefix(text: string, isAddress: (text: string) => boolean, bitsMax: number): boolean {
  const [, address, bits] = /^([^/]*)\/(\d{1,3})$/.exec(text) ?? [];
  // The address may be missing: the CPE then chooses it (TR-181 IPPrefix).
  return address !== undefined && (address === '' || isAddress(address)) && Number(bits) <= bitsMax;
}

const FORMATS: Record<TextFormat, { words: string; test(text: string): boolean }> = {
  IPAddress: { words: 'an IPv4 or IPv6 address', test: (text) => isIP(text) !== 0 },
  IPv4Address: { words: 'an IPv4 address', test: isIPv4 },
  IPv6Address: { words: 'an IPv6 address', test: isIPv6 },
  IPPrefix: {
    words: 'an IPv4 or IPv6 prefix like 192.0.2.0/24',
    test: (text) => isPrefix(text, isIPv4, 32) || isPrefix(text, isIPv6, 128),
  },
  IPv4Prefix: { words: 'an IPv4 prefix like 192.0.2.0/24', test: (text) => isPrefix(text, isIPv4, 32) },
  IPv6Prefix: { words: 'an IPv6 prefix like 2001:db8::/32', test: (text) => isPrefix(text, isIPv6, 128) },
  MACAddress: {
    words: 'a MAC address like 00:11:22:AA:BB:CC',
    test: (text) => /^[0-9A-F]{2}(?::[0-9A-F]{2}){5}$/i.test(text),
  },
  UUID: {
    words: 'a UUID of 36 characters',
    test: (text) => /^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/i.test(text),
  },
};

/** Nothing stands for "no address" everywhere but in UUIDs. */
function isOfFormat(format: TextFormat, text: string): boolean {
  return (text === '' && format !== 'UUID') || FORMATS[format].test(text);
}

/** By their text; all of them are of our tables, fewer than a hundred. */
const expressions = new Map<string, RegExp>();

/** XSD patterns mean the whole text. */
function expression(pattern: string): RegExp {
  let compiled = expressions.get(pattern);
  if (compiled === undefined) {
    compiled = new RegExp(`^(?:${pattern})$`);
    expressions.set(pattern, compiled);
  }
  return compiled;
}
