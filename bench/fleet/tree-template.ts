// The data model of a kind of CPE as a table in text, and its reading into a TreeTemplate that all CPEs of the kind share. One header line
// per object (`Path.`, ` +` when it is writable), one line per parameter below it; `{i}` blocks say what a new instance looks like.
//
//   WiFi.SSID. +                      a table in which AddObject works
//   WiFi.SSID.{i}. +                  its instances, which DeleteObject removes
//     SSID w string<=32 new network   name, r or w, type with its rule, value (may hold {placeholders} of the CPE)
//   WiFi.SSID.1. +                    an instance that exists from the start: everything of {i},
//     SSID = {ssid}                   with some values of its own

export type ValueType = 'string' | 'int' | 'unsignedInt' | 'long' | 'unsignedLong' | 'boolean' | 'dateTime' | 'base64';

/** What a value must satisfy besides its type. */
export type ValueRule =
  | { kind: 'length'; max: number }
  | { kind: 'range'; min: number; max: number }
  | { kind: 'one-of'; values: string[] };

export interface ParameterDef {
  type: ValueType;
  writable: boolean;
  /** Reads as '' (TR-106 hidden values: passwords). */
  secret: boolean;
  /** Active notification is refused with 9009 (counters). */
  noActive: boolean;
  /** Active notification cannot be switched off (CWMP N2). */
  forcedActive: boolean;
  rule: ValueRule | null;
  value: string;
}

export interface TreeTemplate {
  root: string;
  /** By full path, in document order: a parameter, or an object with whether Add/DeleteObject works on it. */
  entries: Map<string, ParameterDef | { object: true; writable: boolean }>;
  /** By path with every instance number as {i}: what AddObject creates, by path below the instance. */
  instances: Map<string, { path: string; entry: ParameterDef | { object: true; writable: boolean } }[]>;
}

const PARAMETER =
  /^(\S+) ([rw]) (string|int|unsignedInt|long|unsignedLong|boolean|dateTime|base64|secret)(!|\*)?(\S*)(?: (.*))?$/;

/** Reads a table as drawn above; throws on a line it does not understand, for that is a mistake of ours. */
export function readTemplate(root: string, table: string): TreeTemplate {
  const entries: TreeTemplate['entries'] = new Map([[root, { object: true, writable: false }]]);
  const instances: TreeTemplate['instances'] = new Map();
  let header = '';
  for (const raw of table.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const object = /^(\S*\.)( \+)?$/.exec(line);
    if (object !== null) {
      header = object[1] === '.' ? '' : object[1]!;
      const writable = object[2] !== undefined;
      if (header.includes('{i}')) addToInstances(instances, root + header, { object: true, writable });
      else addObject(entries, instances, root, header, writable);
      continue;
    }
    const override = /^(\S+) = ?(.*)$/.exec(line);
    if (override !== null) {
      const known = entries.get(root + header + override[1]);
      if (known === undefined || 'object' in known) throw new Error(`tree: ${line}: ${header} has no such parameter`);
      entries.set(root + header + override[1], { ...known, value: override[2]! });
      continue;
    }
    const match = PARAMETER.exec(line);
    if (match === null) throw new Error(`tree: cannot read the line: ${line}`);
    const [, name, access, type, flag, rule, value] = match;
    const def: ParameterDef = {
      type: type === 'secret' ? 'string' : (type as ValueType),
      writable: access === 'w',
      secret: type === 'secret',
      noActive: flag === '!',
      forcedActive: flag === '*',
      rule: readRule(rule!, type!),
      value: value ?? '',
    };
    if (header.includes('{i}')) addToInstances(instances, root + header + name, def);
    else entries.set(root + header + name, def);
  }
  return { root, entries, instances };
}

function readRule(text: string, type: string): ValueRule | null {
  const length = /^<=(\d+)$/.exec(text);
  if (length !== null) return { kind: 'length', max: Number(length[1]) };
  const range = /^\[(-?\d+):(-?\d+)\]$/.exec(text);
  if (range !== null) return { kind: 'range', min: Number(range[1]), max: Number(range[2]) };
  const oneOf = /^\((.*)\)$/.exec(text);
  if (oneOf !== null) return { kind: 'one-of', values: oneOf[1]!.split('|') };
  if (text !== '') throw new Error(`tree: cannot read the rule ${text}`);
  // The data models bound strings that have no length of their own by context; 256 is the common one.
  return type === 'string' || type === 'secret' ? { kind: 'length', max: 256 } : null;
}

/** Objects on the way that have no header of their own come into being with the first that needs them. */
function addObject(
  entries: TreeTemplate['entries'],
  instances: TreeTemplate['instances'],
  root: string,
  header: string,
  writable: boolean,
): void {
  const parts = header.split('.').slice(0, -1);
  for (let i = 1; i < parts.length; i++) {
    const parent = `${root}${parts.slice(0, i).join('.')}.`;
    if (!entries.has(parent)) entries.set(parent, { object: true, writable: false });
  }
  entries.set(root + header, { object: true, writable });
  for (const { path, entry } of instances.get(genericPath(root + header)) ?? [])
    entries.set(root + header + path, entry);
}

function addToInstances(
  instances: TreeTemplate['instances'],
  path: string,
  entry: ParameterDef | { object: true; writable: boolean },
): void {
  const cut = path.lastIndexOf('{i}.') + 4;
  const key = path.slice(0, cut);
  const rest = path.slice(cut);
  const known = instances.get(key);
  if (known === undefined) instances.set(key, rest === '' ? [] : [{ path: rest, entry }]);
  else if (rest !== '') known.push({ path: rest, entry });
}

/** The path with every instance number as {i}. */
export function genericPath(path: string): string {
  return path.replace(/\.\d+(?=\.)/g, '.{i}');
}

/** A template with rows of synthetic parameters until it has about `count` parameters; the given one when it already has. */
export function enlarge(template: TreeTemplate, count: number): TreeTemplate {
  let parameters = 0;
  for (const entry of template.entries.values()) if (!('object' in entry)) parameters++;
  if (parameters >= count) return template;
  const entries = new Map(template.entries);
  const base = `${template.root}X_STARLING_Synthetic.`;
  entries.set(base, { object: true, writable: false });
  entries.set(`${base}Row.`, { object: true, writable: false });
  const def: ParameterDef = {
    type: 'string',
    writable: true,
    secret: false,
    noActive: false,
    forcedActive: false,
    rule: { kind: 'length', max: 256 },
    value: '',
  };
  for (let row = 1; parameters < count; row++) {
    entries.set(`${base}Row.${row}.`, { object: true, writable: false });
    for (let column = 1; column <= 10 && parameters < count; column++, parameters++) {
      const counter = column > 5;
      const type: ValueType = counter ? 'unsignedInt' : 'string';
      const value = counter ? String(row * 1_000 + column) : `row ${row} column ${column}`;
      entries.set(`${base}Row.${row}.Column${column}`, { ...def, type, rule: counter ? null : def.rule, value });
    }
  }
  return { root: template.root, entries, instances: template.instances };
}
