// The data model of one CPE: a shared template and, on top, what differs on this CPE. It answers the parameter RPCs (A.3.2.1–A.3.2.7) as
// values or faults; sessions, events and side effects of a write are other files.

import { genericPath, type ParameterDef, type TreeTemplate, type ValueRule, type ValueType } from './tree-template.ts';

export interface TreeValue {
  Name: string;
  Value: string;
  type: ValueType;
}

export type FaultOr<T> = { ok: true; value: T } | { ok: false; code: number; text: string };

type Entry = ParameterDef | { object: true; writable: boolean };

const ok = <T>(value: T): FaultOr<T> => ({ ok: true, value });
const fault = (code: number, text: string) => ({ ok: false as const, code, text });

const INTEGERS: Partial<Record<ValueType, [min: bigint, max: bigint]>> = {
  int: [-2_147_483_648n, 2_147_483_647n],
  unsignedInt: [0n, 4_294_967_295n],
  long: [-(2n ** 63n), 2n ** 63n - 1n],
  unsignedLong: [0n, 2n ** 64n - 1n],
};

export class DataTree {
  readonly root: string;
  readonly #template: TreeTemplate;
  /** Texts of the {placeholders} in template values: what makes this CPE itself. */
  readonly #fill: Record<string, string>;
  /** Values written since the last reset, by path. */
  #values = new Map<string, string>();
  /** Entries that AddObject made. */
  #added = new Map<string, Entry>();
  /** Entries of the template that DeleteObject took away. */
  #gone = new Set<string>();
  #notification = new Map<string, number>();
  #accessList = new Map<string, string[]>();
  /** Next instance number by table; never goes back, not even over a reset (CWMP X3). */
  readonly #nextInstance = new Map<string, number>();

  constructor(template: TreeTemplate, fill: Record<string, string>) {
    this.root = template.root;
    this.#template = template;
    this.#fill = fill;
  }

  #entry(path: string): Entry | undefined {
    return this.#added.get(path) ?? (this.#gone.has(path) ? undefined : this.#template.entries.get(path));
  }

  def(path: string): ParameterDef | undefined {
    const entry = this.#entry(path);
    return entry === undefined || 'object' in entry ? undefined : entry;
  }

  isObject(path: string): boolean {
    const entry = this.#entry(path);
    return entry !== undefined && 'object' in entry;
  }

  /** The value itself, secrets too; undefined when there is no such parameter. */
  value(path: string): string | undefined {
    const def = this.def(path);
    if (def === undefined) return undefined;
    return (
      this.#values.get(path) ?? def.value.replace(/\{([\w-]+)\}/g, (whole, key: string) => this.#fill[key] ?? whole)
    );
  }

  /** The value as an ACS reads it: secrets are ''. */
  read(path: string): TreeValue | undefined {
    const def = this.def(path);
    if (def === undefined) return undefined;
    return { Name: path, Value: def.secret ? '' : this.value(path)!, type: def.type };
  }

  /** Sets a value from the inside, whatever its access; returns whether it changed. Throws for a path that does not exist: our mistake. */
  set(path: string, value: string): boolean {
    if (this.def(path) === undefined) throw new Error(`the CPE has no parameter ${path}`);
    if (this.value(path) === value) return false;
    this.#values.set(path, value);
    return true;
  }

  /** Every path in document order, objects with their dot. */
  *paths(prefix = ''): Generator<string> {
    for (const path of this.#template.entries.keys()) if (path.startsWith(prefix) && !this.#gone.has(path)) yield path;
    for (const path of this.#added.keys()) if (path.startsWith(prefix)) yield path;
  }

  parameterCount(): number {
    let count = 0;
    for (const path of this.paths()) if (!path.endsWith('.')) count++;
    return count;
  }

  /** A.3.2.3 GetParameterNames. */
  names(path: string, nextLevel: boolean): FaultOr<{ Name: string; Writable: boolean }[]> {
    const shown = (name: string) => ({ Name: name, Writable: this.#entry(name)!.writable });
    if (path === '' && nextLevel) return ok([shown(this.root)]);
    const entry = path === '' ? this.#entry(this.root) : this.#entry(path);
    if (entry === undefined) return fault(9005, 'Invalid parameter name');
    if (!('object' in entry)) {
      return nextLevel ? fault(9003, 'NextLevel is 1 and ParameterPath is a full name') : ok([shown(path)]);
    }
    const names: { Name: string; Writable: boolean }[] = [];
    for (const name of this.paths(path)) {
      // With NextLevel the object itself is not listed, only what stands directly below it.
      const dot = name.indexOf('.', path.length);
      const isChild = name !== path && (dot === -1 || dot === name.length - 1);
      if (!nextLevel || isChild) names.push(shown(name));
    }
    return ok(names);
  }

  /** Full names of the parameters that the given names and partial paths mean; 9005 when one means nothing. */
  expand(names: string[]): FaultOr<string[]> {
    const found: string[] = [];
    for (const name of names) {
      if (this.def(name) !== undefined) found.push(name);
      else if (name === '' || this.isObject(name)) {
        for (const path of this.paths(name)) if (!path.endsWith('.')) found.push(path);
      } else return fault(9005, 'Invalid parameter name');
    }
    return ok(found);
  }

  /** Why a value may not be written, as a fault code, or 0 (A.3.2.1). `type` is the local name of xsi:type, '' when the ACS sent none. */
  checkWrite(path: string, value: string, type: string): number {
    const def = this.def(path);
    if (def === undefined) return 9005;
    if (!def.writable) return 9008;
    const same = type === '' || type === def.type || (def.type === 'base64' && type === 'base64Binary');
    if (!same) return 9006;
    return isValue(def.type, value, def.rule) ? 0 : 9007;
  }

  /** The value spelt as this CPE keeps it: booleans as 0/1. */
  normalise(path: string, value: string): string {
    return this.def(path)?.type === 'boolean' ? (/^(1|true)$/i.test(value.trim()) ? '1' : '0') : value;
  }

  notification(path: string): number {
    return this.#notification.get(path) ?? (this.def(path)?.forcedActive ? 2 : 0);
  }

  accessList(path: string): string[] {
    return this.#accessList.get(path) ?? ['Subscriber'];
  }

  /** Why a notification may not be set, as a fault code, or 0 (A.3.2.4). `named` is false when a partial path covers the parameter. */
  checkNotification(path: string, notification: number, named: boolean): number {
    const def = this.def(path);
    if (def === undefined) return 9005;
    const active = notification === 2 || notification >= 5;
    if (named && def.noActive && active) return 9009;
    return named && def.forcedActive && !active ? 9009 : 0;
  }

  setAttributes(path: string, notification: number | null, accessList: string[] | null): void {
    const def = this.def(path);
    const active = notification === 2 || (notification ?? 0) >= 5;
    if (notification !== null && def !== undefined && !(def.forcedActive && !active) && !(def.noActive && active))
      this.#notification.set(path, notification);
    if (accessList !== null) this.#accessList.set(path, accessList);
  }

  /** A.3.2.6 AddObject; the new instance has the defaults of the data model. */
  add(table: string): FaultOr<number> {
    const entry = this.#entry(table);
    const template = this.#template.instances.get(`${genericPath(table)}{i}.`);
    if (entry === undefined || !('object' in entry) || !entry.writable || template === undefined)
      return fault(9005, 'Invalid parameter name');
    const number = this.claimInstance(table);
    this.#added.set(`${table}${number}.`, { object: true, writable: true });
    for (const { path, entry: inner } of template) this.#added.set(`${table}${number}.${path}`, inner);
    this.#count(table);
    return ok(number);
  }

  /** A.3.2.7 DeleteObject. */
  delete(instance: string): FaultOr<null> {
    const entry = this.#entry(instance);
    if (entry === undefined || !('object' in entry) || !entry.writable || !/\.\d+\.$/.test(instance))
      return fault(9005, 'Invalid parameter name');
    const table = instance.replace(/\d+\.$/, '');
    this.claimInstance(table, 0);
    this.remove(instance);
    this.#count(table);
    return ok(null);
  }

  /** Replaces the rows of a result table of a diagnostic; `rows` by parameter name. The rows read as strings of the given types. */
  setRows(table: string, rows: Record<string, { type: ValueType; value: string }>[]): void {
    for (const path of [...this.paths(table)]) if (path !== table) this.remove(path);
    rows.forEach((row, index) => {
      this.#added.set(`${table}${index + 1}.`, { object: true, writable: false });
      for (const [name, { type, value }] of Object.entries(row)) {
        const flags = { writable: false, secret: false, noActive: false, forcedActive: false, rule: null };
        this.#added.set(`${table}${index + 1}.${name}`, { type, value, ...flags });
      }
    });
    this.#count(table);
  }

  /** Takes a path and everything below it away. */
  remove(prefix: string): void {
    for (const path of [...this.paths(prefix)]) {
      if (!this.#added.delete(path)) this.#gone.add(path);
      this.#values.delete(path);
      this.#notification.delete(path);
      this.#accessList.delete(path);
    }
  }

  /** Adds or replaces one entry: how misbehaviours plant what no data model has. */
  plant(path: string, def: Partial<ParameterDef>): void {
    const flags = { writable: false, secret: false, noActive: false, forcedActive: false, rule: null };
    this.#added.set(path, { type: 'string', value: '', ...flags, ...def });
    this.#gone.add(path);
    this.#values.delete(path);
  }

  /** Adds an object that no data model has. */
  plantObject(path: string): void {
    this.#added.set(path, { object: true, writable: false });
  }

  /** Back to what left the factory; instance numbers go on. */
  reset(): void {
    for (const path of this.#added.keys()) if (/\.\d+\.$/.test(path)) this.claimInstance(path.replace(/\d+\.$/, ''), 0);
    this.#values = new Map();
    this.#added = new Map();
    this.#gone = new Set();
    this.forgetAttributes();
  }

  /** A new ACS starts with the default attributes (CWMP N5). */
  forgetAttributes(): void {
    this.#notification = new Map();
    this.#accessList = new Map();
  }

  /** The next unused instance number of a table; `take` 0 only makes sure that the numbers in use now will not come back. */
  claimInstance(table: string, take = 1): number {
    let next = this.#nextInstance.get(table) ?? 1;
    for (const path of this.paths(table)) {
      const number = Number(/^(\d+)\./.exec(path.slice(table.length))?.[1] ?? 0);
      next = Math.max(next, number + 1);
    }
    this.#nextInstance.set(table, next + take);
    return next;
  }

  /** Keeps `…NumberOfEntries` of a table right; TR-098 puts LAN in front of some. */
  #count(table: string): void {
    const [, parent, name] = /^(.*\.)([^.]+)\.$/.exec(table)!;
    let count = 0;
    for (const path of this.paths(table)) if (/^\d+\.$/.test(path.slice(table.length))) count++;
    for (const counter of [`${parent}${name}NumberOfEntries`, `${parent}LAN${name}NumberOfEntries`])
      if (this.def(counter) !== undefined) this.set(counter, String(count));
  }
}

function isValue(type: ValueType, value: string, rule: ValueRule | null): boolean {
  const bounds = INTEGERS[type];
  if (bounds !== undefined) {
    if (!/^\s*[+-]?\d{1,20}\s*$/.test(value)) return false;
    const number = BigInt(value.trim().replace('+', ''));
    if (number < bounds[0] || number > bounds[1]) return false;
    return rule?.kind !== 'range' || (number >= BigInt(rule.min) && number <= BigInt(rule.max));
  }
  if (type === 'boolean') return /^\s*(0|1|true|false)\s*$/.test(value);
  if (type === 'dateTime') return /^\s*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?\s*$/.test(value);
  if (type === 'base64') return /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value);
  if (rule?.kind === 'length') return [...value].length <= rule.max;
  return rule?.kind !== 'one-of' || rule.values.includes(value);
}
