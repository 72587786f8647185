// Arguments and results into XML by the rows of rpc-table.ts: schema order, correct counts, everything escaped. Elements here are
// unqualified (CWMP E2); the envelope around them is soap-writer.ts.

import { Refused } from '../base/errors.ts';
import type { EnvelopeStyle } from './envelope-style.ts';
import type { ParameterValue } from './message.ts';
import type { FieldType } from './rpc-table.ts';
import { formatBoolean, formatDateTime, formatValue, parseBoolean, parseInteger, UNKNOWN_TIME } from './values.ts';
import { escapeText } from './xml-text.ts';

function badArgument(name: string, expected: string): Refused {
  return new Refused(422, 'bad-argument', `The argument ${name} must be ${expected}.`);
}

/**
 * Writes the fields of a method or struct in the order of the table. A missing field is left out when the XSD lets it, otherwise it
 * goes out empty, 0, false, as an empty list or as the Unknown Time: CPEs expect every element of a message to be there.
 * @throws Refused `unknown-argument` for a field the table does not have, `bad-argument` for one of another kind, `xml-character`.
 */
export function writeFields(
  style: EnvelopeStyle,
  encPrefix: string,
  fields: Record<string, FieldType>,
  values: Record<string, unknown>,
): string {
  for (const name in values) {
    if (Object.hasOwn(fields, name) || values[name] === undefined) continue;
    const known = Object.keys(fields).join(', ') || 'none';
    throw new Refused(422, 'unknown-argument', `There is no argument ${name}; the arguments here are: ${known}.`);
  }
  let xml = '';
  for (const name in fields) xml += writeField(style, encPrefix, name, fields[name]!, values[name]);
  return xml;
}

function writeField(style: EnvelopeStyle, encPrefix: string, name: string, type: FieldType, value: unknown): string {
  if (value === undefined && type.optional === true) return '';
  switch (type.kind) {
    case 'struct':
      return writeStruct(style, encPrefix, name, type, value ?? {});
    case 'list': {
      const items = value ?? [];
      if (!Array.isArray(items)) throw badArgument(name, 'a list');
      const arrayType = type.arrayType.replace('soap-enc:', `${encPrefix}:`);
      let xml = `<${name} ${encPrefix}:arrayType="${arrayType}[${items.length}]">`;
      for (const item of items) xml += writeField(style, encPrefix, type.itemName, type.item, item ?? '');
      return `${xml}</${name}>`;
    }
    case 'repeated': {
      const items = value ?? [];
      if (!Array.isArray(items)) throw badArgument(name, 'a list');
      let xml = '';
      for (const item of items) xml += writeField(style, encPrefix, name, type.item, item);
      return xml;
    }
    case 'parameterValues': {
      const items = value ?? [];
      if (!Array.isArray(items)) throw badArgument(name, 'a list of Name, Value and Type');
      return writeParameterValues(style, encPrefix, name, items);
    }
    default:
      return `<${name}>${scalar(style, name, type.kind, value)}</${name}>`;
  }
}

function writeStruct(
  style: EnvelopeStyle,
  encPrefix: string,
  name: string,
  struct: FieldType & { kind: 'struct' },
  value: unknown,
): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badArgument(name, 'an object');
  const values = value as Record<string, unknown>;
  if (struct.variants === undefined) {
    return `<${name}>${writeFields(style, encPrefix, struct.fields, values)}</${name}>`;
  }
  // The XSD's type is abstract: xsi:type says which one it is (A.4.1.10).
  const { type, ...rest } = values;
  const known = Object.keys(struct.variants);
  if (typeof type !== 'string' || !known.includes(type)) {
    throw badArgument(name, `an object whose type is one of ${known.join(', ')}`);
  }
  const fields = writeFields(style, encPrefix, struct.variants[type]!, rest);
  return `<${name} xsi:type="cwmp:${type}">${fields}</${name}>`;
}

/** The one list whose values carry their own types (CWMP E4); without one they go out as strings. */
function writeParameterValues(
  style: EnvelopeStyle,
  encPrefix: string,
  name: string,
  items: Partial<ParameterValue>[],
): string {
  let xml = `<${name} ${encPrefix}:arrayType="cwmp:ParameterValueStruct[${items.length}]">`;
  for (const item of items) {
    if (typeof item?.Name !== 'string') throw badArgument(name, 'a list of Name, Value and Type');
    const type = item.Type === undefined || item.Type === '' ? 'xsd:string' : item.Type;
    const value = escapeText(formatValue(style, type, String(item.Value ?? '')));
    xml += `<ParameterValueStruct><Name>${escapeText(item.Name)}</Name>`;
    xml += `<Value xsi:type="${escapeText(type)}">${value}</Value></ParameterValueStruct>`;
  }
  return `${xml}</${name}>`;
}

type ScalarKind = 'string' | 'int' | 'unsignedInt' | 'boolean' | 'dateTime' | 'base64';

function scalar(style: EnvelopeStyle, name: string, kind: ScalarKind, value: unknown): string {
  if (typeof value === 'object' && value !== null) throw badArgument(name, `a ${kind}`);
  const text = value === undefined || value === null ? '' : String(value);
  switch (kind) {
    case 'int':
    case 'unsignedInt': {
      const number = text === '' ? 0n : parseInteger(text);
      if (number === null || (kind === 'unsignedInt' && number < 0n)) throw badArgument(name, `of type ${kind}`);
      return String(number);
    }
    case 'boolean': {
      const flag = text === '' ? false : parseBoolean(text);
      if (flag === null) throw badArgument(name, 'true or false');
      return formatBoolean(style, flag);
    }
    case 'dateTime':
      return escapeText(formatDateTime(style, text === '' ? UNKNOWN_TIME : text));
    default:
      return escapeText(text);
  }
}

const ELEMENT_NAME = /^[A-Za-z_][\w.-]*$/;

/** True for what may stand as an element name in a message of ours. */
export function isElementName(name: string): boolean {
  return ELEMENT_NAME.test(name);
}

/**
 * Arguments of a vendor's method, for which there is no table: objects become nested elements, lists repeated ones, all else text.
 * @throws Refused `bad-argument` for a name that cannot be an element, `xml-character`.
 */
export function writeFreeFields(style: EnvelopeStyle, values: Record<string, unknown>): string {
  let xml = '';
  for (const [name, value] of Object.entries(values)) {
    if (!isElementName(name)) throw badArgument(name, 'named like an XML element');
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === 'object' && item !== null) {
        xml += `<${name}>${writeFreeFields(style, item as Record<string, unknown>)}</${name}>`;
      } else {
        const text = typeof item === 'boolean' ? formatBoolean(style, item) : String(item ?? '');
        xml += `<${name}>${escapeText(text)}</${name}>`;
      }
    }
  }
  return xml;
}
