// What a data model says of one parameter, and its one line of text in the tables of this folder: reading and printing, each the other's
// inverse. Facts only; how a value is checked against them is profiles/value-check.ts, where they come from is distil.ts.
//
//   Channel w unsignedInt range=1..255
//   DNSServers w string as=IPv4Address list=..4 whole=..64
//   Status r string values=Disabled|Enabled|Error
//
// Name, r or w, type, then what there is of the rest. Bounds are `least..most`, either may be missing, several are alternatives.

/** Types of TR-106 §3.2; `xsd:` of them is what goes on the wire. */
const VALUE_TYPES = [
  'string',
  'int',
  'unsignedInt',
  'long',
  'unsignedLong',
  'decimal',
  'boolean',
  'dateTime',
  'base64',
  'hexBinary',
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Data types of TR-106 and TR-181 whose texts we can judge better than by a pattern. */
const TEXT_FORMATS = [
  'IPAddress',
  'IPv4Address',
  'IPv6Address',
  'IPPrefix',
  'IPv4Prefix',
  'IPv6Prefix',
  'MACAddress',
  'UUID',
] as const;
export type TextFormat = (typeof TEXT_FORMATS)[number];

/** Both ends belong to it; null: open. */
export interface Bounds {
  least: number | null;
  most: number | null;
}

export interface ParameterFacts {
  /** Of the items, when it is a list. */
  type: ValueType;
  writable: boolean;
  /** Reads as '' by TR-106 (hidden, secured): passwords and keys. */
  secret: boolean;
  format: TextFormat | null;
  /** A comma-separated list of such values: how many items, and how many characters the whole of it. Null: no list. */
  list: { items: Bounds; whole: Bounds[] } | null;
  /** Of a number: it lies in one of them. */
  ranges: Bounds[];
  /** Characters of a text, octets of base64 and hexBinary: one of them. */
  lengths: Bounds[];
  /** The only values there are, when there are any; vendors add some that begin with X_. */
  values: string[];
  /** Values that the CPE has and nobody writes: `Complete` of a diagnostic. */
  valuesOfCpe: string[];
  /**
   * Where a CPE lists which of the values it supports, and vendors' own beside them: path with {i} for instances that are those of this
   * parameter's own path. Null for values that the model alone says.
   */
  supportedBy: string | null;
  /** Regular expressions for the whole text, one of which fits. */
  patterns: string[];
  /** What a number counts, as the model calls it: `seconds`. */
  units: string | null;
}

const isOf = <T extends string>(words: readonly T[], word: string): word is T =>
  (words as readonly string[]).includes(word);
export const isValueType = (word: string): word is ValueType => isOf(VALUE_TYPES, word);
export const isTextFormat = (word: string): word is TextFormat => isOf(TEXT_FORMATS, word);

export const OPEN: Bounds = { least: null, most: null };

/** What the value is on the wire: a list is one text. */
export const wireType = ({ list, type }: ParameterFacts): string => `xsd:${list === null ? type : 'string'}`;

/** The facts without the name: what stands behind it in a line. */
export function printFacts(facts: ParameterFacts): string {
  const { type, writable, secret, format, list, ranges, lengths, values, valuesOfCpe, supportedBy, patterns, units } =
    facts;
  const words = [writable ? 'w' : 'r', type];
  if (secret) words.push('secret');
  if (format !== null) words.push(`as=${format}`);
  if (list !== null)
    words.push(list.items.least === null && list.items.most === null ? 'list' : `list=${printBounds([list.items])}`);
  if (list !== null && list.whole.length > 0) words.push(`whole=${printBounds(list.whole)}`);
  if (ranges.length > 0) words.push(`range=${printBounds(ranges)}`);
  if (lengths.length > 0) words.push(`length=${printBounds(lengths)}`);
  if (values.length > 0) words.push(`values=${values.map(quoted).join('|')}`);
  if (valuesOfCpe.length > 0) words.push(`cpe=${valuesOfCpe.map(quoted).join('|')}`);
  if (supportedBy !== null) words.push(`of=${supportedBy}`);
  if (patterns.length > 0) words.push(...patterns.map((pattern) => `like=${quoted(pattern)}`));
  if (units !== null) words.push(`units=${quoted(units)}`);
  return words.join(' ');
}

/** @throws Error on text that printFacts does not print: a table was edited by hand, or is newer than the program. */
export function parseFacts(text: string): ParameterFacts {
  const [access, type = '', ...rest] = text.split(' ');
  if ((access !== 'r' && access !== 'w') || !isValueType(type)) throw new Error(`data model: cannot read ${text}`);
  const facts: ParameterFacts = {
    type,
    writable: access === 'w',
    secret: false,
    format: null,
    list: null,
    ranges: [],
    lengths: [],
    values: [],
    valuesOfCpe: [],
    supportedBy: null,
    patterns: [],
    units: null,
  };
  for (const word of rest) {
    const at = word.indexOf('=');
    const key = at === -1 ? word : word.slice(0, at);
    const value = at === -1 ? '' : word.slice(at + 1);
    if (key === 'secret') facts.secret = true;
    else if (at === -1 && key !== 'list') throw new Error(`data model: cannot read ${word} in ${text}`);
    else if (key === 'as' && isTextFormat(value)) facts.format = value;
    else if (key === 'list') facts.list = { items: value === '' ? OPEN : parseBounds(value)[0]!, whole: [] };
    else if (key === 'whole' && facts.list !== null) facts.list.whole = parseBounds(value);
    else if (key === 'range') facts.ranges = parseBounds(value);
    else if (key === 'length') facts.lengths = parseBounds(value);
    else if (key === 'values') facts.values = value.split('|').map(unquoted);
    else if (key === 'cpe') facts.valuesOfCpe = value.split('|').map(unquoted);
    else if (key === 'of') facts.supportedBy = value;
    else if (key === 'like') facts.patterns.push(unquoted(value));
    else if (key === 'units') facts.units = unquoted(value);
    else throw new Error(`data model: cannot read ${word} in ${text}`);
  }
  return facts;
}

const printBounds = (bounds: Bounds[]): string =>
  bounds
    .map(({ least, most }) => (least === most && least !== null ? `${least}` : `${least ?? ''}..${most ?? ''}`))
    .join(',');

function parseBounds(text: string): Bounds[] {
  return text.split(',').map((part) => {
    const [least = '', most = least] = part.split('..');
    const end = (digits: string): number | null => (digits === '' ? null : Number(digits));
    return { least: end(least), most: end(most) };
  });
}

/** Texts may hold what words and values are told apart by. */
const quoted = (text: string): string =>
  text.replace(/[%| \n]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
const unquoted = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
