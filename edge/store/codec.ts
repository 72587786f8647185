// The compact texts of a device and its shadow, and nothing about where they lie.
//
// A device text is what an Inform told besides its parameters, each field and a NUL, and behind them the learned root. It is compared with
// the next Inform as it lies.
// A hot text is a ParameterList as an Inform sent it: Name NUL Type NUL Value NUL, in the order of the CPE.
// A page text is a run of names in sorted order, each without what it shares with the name before it:
// char(1 + shared length) rest NUL char(type) char(flags) [type NUL] value NUL. Trees repeat themselves: this is a third of the plain text.
//
// NUL cannot stand in XML 1.0, so it separates; should one arrive all the same it is stored as U+FFFD.

import type { CpeFacts } from '../../bus/messages.ts';
import type { ParameterValue } from '../../cwmp/message.ts';

/** What a page knows of a name. An object (its name ends in a dot) has no value. */
export interface Entry {
  name: string;
  value: string | null;
  type: string;
  writable: boolean | null;
}

const NUL = '\0';
/** Positions are part of the format: append only. */
const TYPES = [
  '',
  'xsd:string',
  'xsd:boolean',
  'xsd:unsignedInt',
  'xsd:int',
  'xsd:dateTime',
  'xsd:base64',
  'xsd:unsignedLong',
  'xsd:long',
  'xsd:hexBinary',
];
const TYPE_CODES = new Map(TYPES.map((type, index) => [type, index]));
/** Codes start here, so that a text stays readable in a dump. */
const BASE = 0x30;
const OTHER_TYPE = BASE + 0x4f;
/** Shared lengths are one UTF-16 unit that must not fall among the surrogates. */
const SHARED_MAX = 0xd000;

/** The text as it is stored: it has no NUL, which separates. */
export function cleanText(text: string): string {
  return text.includes(NUL) ? text.replaceAll(NUL, '\uFFFD') : text;
}

/** The hot text of a list. */
export function encodeHot(list: readonly ParameterValue[]): string {
  let text = '';
  for (const { Name, Type, Value } of list)
    text += cleanText(Name) + NUL + cleanText(Type) + NUL + cleanText(Value) + NUL;
  return text;
}

export function decodeHot(text: string): ParameterValue[] {
  const list: ParameterValue[] = [];
  for (let at = 0; at < text.length; ) {
    const nameEnd = text.indexOf(NUL, at);
    const typeEnd = text.indexOf(NUL, nameEnd + 1);
    const valueEnd = text.indexOf(NUL, typeEnd + 1);
    list.push({
      Name: text.slice(at, nameEnd),
      Value: text.slice(typeEnd + 1, valueEnd),
      Type: text.slice(nameEnd + 1, typeEnd),
    });
    at = valueEnd + 1;
  }
  return list;
}

/** What a device text holds. */
export interface DeviceText {
  cpe: CpeFacts;
  softwareVersion: string;
  connectionRequestUrl: string;
}

/** The device text without a learned root; it begins that of the same device with one. */
export function encodeDevice({ cpe, softwareVersion, connectionRequestUrl }: DeviceText): string {
  const { Manufacturer, OUI, ProductClass, SerialNumber } = cpe.device;
  const text =
    `${Manufacturer}\0${OUI}\0${ProductClass}\0${SerialNumber}\0${cpe.root}\0${cpe.namespace}\0${cpe.version}\0${cpe.address}\0` +
    `${cpe.profile}\0${softwareVersion}\0${connectionRequestUrl}\0`;
  if (countOf(text) === DEVICE_FIELDS) return text;
  const fields = [Manufacturer, OUI, ProductClass, SerialNumber, cpe.root, cpe.namespace, cpe.version, cpe.address];
  return [...fields, cpe.profile, softwareVersion, connectionRequestUrl]
    .map((field) => cleanText(field) + NUL)
    .join('');
}

const DEVICE_FIELDS = 11;

function countOf(text: string): number {
  let count = 0;
  for (let at = text.indexOf(NUL); at >= 0; at = text.indexOf(NUL, at + 1)) count++;
  return count;
}

export function decodeDevice(text: string): DeviceText & { learnedRoot: string } {
  const fields = text.split(NUL);
  const field = (i: number): string => fields[i] ?? '';
  const device = { Manufacturer: field(0), OUI: field(1), ProductClass: field(2), SerialNumber: field(3) };
  const cpe = { device, root: field(4), namespace: field(5), version: field(6), address: field(7), profile: field(8) };
  return { cpe, softwareVersion: field(9), connectionRequestUrl: field(10), learnedRoot: field(11) };
}

function flagsOf(entry: Entry): number {
  const writable = entry.writable === null ? 0 : entry.writable ? 2 : 1;
  return BASE + writable + (entry.value === null ? 4 : 0);
}

/** The page text of `entries`, which are sorted by name. */
export function encodePage(entries: readonly Entry[]): string {
  let text = '';
  let before = '';
  for (const entry of entries) {
    const name = cleanText(entry.name);
    let shared = 0;
    const most = Math.min(before.length, name.length, SHARED_MAX);
    while (shared < most && before.charCodeAt(shared) === name.charCodeAt(shared)) shared++;
    const code = TYPE_CODES.get(entry.type);
    const type = code === undefined ? OTHER_TYPE : BASE + code;
    text += String.fromCharCode(1 + shared) + name.slice(shared) + NUL + String.fromCharCode(type, flagsOf(entry));
    if (code === undefined) text += cleanText(entry.type) + NUL;
    text += cleanText(entry.value ?? '') + NUL;
    before = name;
  }
  return text;
}

export function decodePage(text: string): Entry[] {
  const entries: Entry[] = [];
  let before = '';
  for (let at = 0; at < text.length; ) {
    const shared = text.charCodeAt(at) - 1;
    const nameEnd = text.indexOf(NUL, at + 1);
    const name = before.slice(0, shared) + text.slice(at + 1, nameEnd);
    const typeCode = text.charCodeAt(nameEnd + 1);
    const flags = text.charCodeAt(nameEnd + 2) - BASE;
    at = nameEnd + 3;
    let type = TYPES[typeCode - BASE] ?? '';
    if (typeCode === OTHER_TYPE) {
      const typeEnd = text.indexOf(NUL, at);
      type = text.slice(at, typeEnd);
      at = typeEnd + 1;
    }
    const valueEnd = text.indexOf(NUL, at);
    const writable = flags & 3;
    entries.push({
      name,
      value: flags & 4 ? null : text.slice(at, valueEnd),
      type,
      writable: writable === 0 ? null : writable === 2,
    });
    before = name;
    at = valueEnd + 1;
  }
  return entries;
}
