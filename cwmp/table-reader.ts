// Reads arguments and results of any method by its row in the RPC table, over the tag scanner. What is missing gets its neutral value,
// so that objects of one method always have the same shape. Methods without a row (vendors') are read as free structures of texts.

import { LIMITS } from '../base/limits.ts';
import { Entries } from './entries.ts';
import { booleanOf, numberOf, parameterOf, plainParameterOf, timeOf, trimmed } from './lenient.ts';
import type { Args, ParameterValue } from './message.ts';
import type { FieldType } from './rpc-table.ts';
import { OPEN, type Scanner } from './scanner.ts';
import { UNKNOWN_TIME } from './values.ts';

/** Lists of values do not stand inside each other, so one reader serves them all. */
const valueEntries = new Entries('Name', 'Value');

type Fields = Record<string, FieldType>;
type Struct = FieldType & { kind: 'struct' };

/** After OPEN of a method, or of a structure in it: its fields in the order of the table, whatever their order on the wire (CWMP E14). */
export function readFields(s: Scanner, fields: Fields): Args {
  const out = neutralFields(fields);
  const seen: string[] = [];
  readInto(s, fields, out, seen);
  noteMissing(s, fields, seen);
  return out;
}

function readInto(s: Scanner, fields: Fields, out: Args, seen: string[]): void {
  while (s.next() === OPEN) {
    if (readField(s, fields, out, seen)) continue;
    // DUStateChangeComplete exists in three shapes; in one, a structure stands inside the element it is the type of (FIELD 50).
    if (isStruct(s)) readInto(s, fields, out, seen);
    else s.skip();
  }
}

/** Reads the element just opened if it is one of `fields`; false when it is none and nothing was read. */
function readField(s: Scanner, fields: Fields, out: Args, seen: string[]): boolean {
  for (const name in fields) {
    if (!s.is(name)) continue;
    const type = fields[name]!;
    if (type.kind === 'repeated') readRepeated(s, type.item as Struct, out[name] as Args[]);
    else out[name] = readValue(s, type);
    seen.push(name);
    return true;
  }
  return false;
}

function readValue(s: Scanner, type: FieldType): unknown {
  switch (type.kind) {
    case 'string':
    case 'base64':
      return trimmed(s.text(), s.tolerances);
    case 'int':
      return numberOf(s.text(), true, s.tolerances);
    case 'unsignedInt':
      return numberOf(s.text(), false, s.tolerances);
    case 'boolean':
      return booleanOf(s.text(), s.tolerances);
    case 'dateTime':
      return timeOf(s.text(), s.tolerances);
    case 'struct':
      return readFields(s, type.fields);
    case 'parameterValues': {
      const values: ParameterValue[] = [];
      readParameterValues(s, values);
      return values;
    }
    case 'list':
    case 'repeated': {
      const items: unknown[] = [];
      while (s.next() === OPEN) {
        items.push(readValue(s, type.item));
        if (items.length > LIMITS.listEntriesMax) s.refuse('too-many');
      }
      return items;
    }
  }
}

/** One element of a repeated structure: the structure itself, or an array of them (FIELD 50, CWMP §1.8). */
function readRepeated(s: Scanner, item: Struct, out: Args[]): void {
  const direct = neutralFields(item.fields);
  const seen: string[] = [];
  while (s.next() === OPEN) {
    if (readField(s, item.fields, direct, seen)) continue;
    if (isStruct(s)) out.push(readFields(s, item.fields));
    else s.skip();
    if (out.length > LIMITS.listEntriesMax) s.refuse('too-many');
  }
  if (seen.length === 0) return;
  noteMissing(s, item.fields, seen);
  out.push(direct);
  if (out.length > LIMITS.listEntriesMax) s.refuse('too-many');
}

function isStruct(s: Scanner): boolean {
  if (!s.localName().endsWith('Struct')) return false;
  s.tolerances.add('wrapped-struct');
  return true;
}

/** Entries of a ParameterList, whatever they are called; the arrayType's count is not read (CWMP E3). */
export function readParameterValues(s: Scanner, out: ParameterValue[]): void {
  const { tolerances } = s;
  const entries = valueEntries;
  entries.begin(s);
  while (entries.next(s)) {
    const { first, second, type } = entries;
    const parameter = entries.isPlain
      ? plainParameterOf(first!, second!, type!, tolerances)
      : parameterOf(first, second, type, tolerances);
    if (parameter !== null) out.push(parameter);
    if (out.length > LIMITS.listEntriesMax) s.refuse('too-many');
  }
}

/** What a method's fields are before anything was read: empty texts and lists, zeros, false, Unknown Time. */
export function neutralFields(fields: Fields): Args {
  const out: Args = {};
  for (const name in fields) out[name] = neutral(fields[name]!);
  return out;
}

function neutral(type: FieldType): unknown {
  switch (type.kind) {
    case 'string':
    case 'base64':
      return '';
    case 'int':
    case 'unsignedInt':
      return 0;
    case 'boolean':
      return false;
    case 'dateTime':
      return UNKNOWN_TIME;
    case 'struct':
      return neutralFields(type.fields);
    default:
      return [];
  }
}

function noteMissing(s: Scanner, fields: Fields, seen: string[]): void {
  for (const name in fields) {
    const { kind, optional } = fields[name]!;
    if (optional === true || kind === 'repeated' || seen.includes(name)) continue;
    s.tolerances.add(kind === 'dateTime' ? 'bad-time' : 'missing-field');
  }
}

// ── Methods without a row ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * After OPEN of a vendor's response: every element by its local name, a text when it holds no elements, else a structure; one that
 * occurs again becomes a list.
 */
export function readFree(s: Scanner): Args {
  const budget = { entries: LIMITS.listEntriesMax };
  const out: Args = {};
  while (s.next() === OPEN) putFree(s, out, budget);
  return out;
}

function putFree(s: Scanner, out: Args, budget: { entries: number }): void {
  if (--budget.entries < 0) s.refuse('too-many');
  const name = s.localName();
  let inner: Args | null = null;
  const text = s.text(() => {
    inner ??= {};
    putFree(s, inner, budget);
  });
  addFree(out, name, inner ?? trimmed(text, s.tolerances));
}

/** Adds one element to a free structure; the second of a name makes a list of them. */
export function addFree(out: Args, name: string, value: unknown): void {
  // It would set the prototype and not a field.
  if (name === '__proto__') return;
  const before = out[name];
  if (!Object.hasOwn(out, name)) out[name] = value;
  else if (Array.isArray(before)) before.push(value);
  else out[name] = [before, value];
}
