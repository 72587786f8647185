// The shadow: what a device last said its parameters are. One hot text per device is all that an Inform is compared with; everything else
// lies in pages of some 200 names in sorted order under a directory, so that the cost of an Inform does not depend on the tree.
// Of secrets it keeps marks that tell whether a value is another one (seal.ts).
// It is a cache: rebuilt from the CPE or from control, never the only copy, and not locked between threads. Two threads that write one
// device's pages at once (a session that was taken over) may lose one of the writes, no more.
//
//   inform, shapes                    hot-texts.ts
//   directory    cpeId                the pages: [id, first name], in order
//   pages        cpeId/id             sorted entries; of a name in the hot text they only tell whether it is writable

import { LIMITS } from '../../base/limits.ts';
import type { ParameterInfo, ParameterValue } from '../../cwmp/message.ts';
import { decodePage, type Entry, encodePage } from './codec.ts';
import type { Environment } from './environment.ts';
import { HotTexts, type Secrets } from './hot-texts.ts';
import type { InformRecords } from './inform-records.ts';
import type { InformDifference, KnownParameter } from './store.ts';
import { Table } from './table.ts';
import { Tree } from './tree.ts';

/** Pages of a device in order: id and first name. The first page also holds whatever sorts before its first name. */
type Directory = [id: number, first: string][];

/**
 * Pages are large and repeat themselves: LZ4 of lmdb-js leaves a third. What it costs, a task for another thread, would be too much for
 * the small records. It wants a dictionary; this one is part of the format.
 */
const COMPRESSION = { threshold: 512, dictionary: Buffer.alloc(8, 'Device.') };

const NOTHING: ParameterValue[] = [];

export class Shadow {
  readonly #records: InformRecords;
  readonly hot: HotTexts;
  readonly #directories: Table<Directory>;
  readonly #pages: Table<string>;
  readonly #secrets: Secrets;

  constructor(environment: Environment, records: InformRecords, secrets: Secrets) {
    this.#records = records;
    this.#secrets = secrets;
    this.hot = new HotTexts(environment, records, secrets);
    this.#directories = new Table(environment, environment.database('directory', {}));
    this.#pages = new Table(
      environment,
      environment.database('pages', { encoding: 'string', compression: COMPRESSION }),
    );
  }

  /** See EdgeStore. One read and one pass over the list, unless names came, went or changed places. */
  compare(cpeId: string, list: readonly ParameterValue[]): InformDifference {
    return this.hot.compare(cpeId, list) ?? { changed: this.#changedByName(cpeId, list), update: null };
  }

  #changedByName(cpeId: string, list: readonly ParameterValue[]): ParameterValue[] {
    const stored = this.hot.list(cpeId);
    if (stored === undefined) return [...list];
    const known = new Map(stored.map((entry) => [entry.Name, entry]));
    return list.filter((entry) => {
      const before = known.get(entry.Name) ?? this.#inPages(cpeId, entry.Name);
      return before === undefined || before.Value !== this.#kept(cpeId, entry) || before.Type !== entry.Type;
    });
  }

  isEmpty(cpeId: string): boolean {
    return !this.hot.has(cpeId) && this.#directories.get(cpeId) === undefined;
  }

  known(cpeId: string, path: string): KnownParameter | null {
    const directory = this.#directories.get(cpeId);
    const entry = directory === undefined ? undefined : this.#tree(cpeId, directory).get(path);
    const told = this.hot.find(cpeId, path);
    if (told !== undefined) return { value: told.Value, type: told.Type, writable: entry?.writable ?? null };
    return entry === undefined ? null : { value: entry.value, type: entry.type, writable: entry.writable };
  }

  /** See EdgeStore. */
  applyInform(cpeId: string, list: readonly ParameterValue[], { update }: InformDifference): Promise<void> {
    return update === null ? this.#putInform(cpeId, list, this.hot.list(cpeId)) : this.hot.update(cpeId, update);
  }

  async applyValues(cpeId: string, values: readonly ParameterValue[]): Promise<void> {
    if (values.length === 0) return;
    const hot = this.hot.list(cpeId);
    if (hot === undefined) return this.#putInform(cpeId, values, hot);
    const places = new Map(hot.map((entry, place) => [entry.Name, place]));
    const rest = values.filter((value) => {
      const place = places.get(value.Name);
      if (place === undefined) return true;
      hot[place] = value;
      return false;
    });
    const writes = this.#putInPages(cpeId, rest);
    if (rest.length < values.length) writes.push(this.hot.put(cpeId, hot));
    await Promise.all([...writes, this.#records.unmark(cpeId)]);
  }

  /** Puts a list where the next Inform is compared with it; behind it, as far as there is room, what earlier Informs told besides. */
  async #putInform(
    cpeId: string,
    list: readonly ParameterValue[],
    before: ParameterValue[] | undefined,
  ): Promise<void> {
    const past = before === undefined ? NOTHING : without(before, list);
    const room = Math.max(0, LIMITS.shadowHotEntriesMax - list.length);
    const kept = list.slice(0, LIMITS.shadowHotEntriesMax);
    const put = this.hot.put(cpeId, [...kept, ...past.slice(0, room)]);
    await Promise.all([put, ...this.#putInPages(cpeId, [...list.slice(kept.length), ...past.slice(room)])]);
  }

  #putInPages(cpeId: string, values: readonly ParameterValue[]): Promise<void>[] {
    if (values.length === 0) return [];
    const directory = this.#directories.get(cpeId) ?? [];
    const tree = this.#tree(cpeId, directory);
    tree.setAll(values.map((value) => ({ name: value.Name, value: this.#kept(cpeId, value), type: value.Type })));
    return this.#write(cpeId, directory, tree);
  }

  async applyNames(cpeId: string, path: string, complete: boolean, names: readonly ParameterInfo[]): Promise<void> {
    const writes: Promise<void>[] = [];
    const directory = this.#directories.get(cpeId) ?? [];
    const tree = this.#tree(cpeId, directory);
    if (complete) {
      const list = this.hot.list(cpeId);
      const present = new Set(names.map(({ Name }) => Name));
      tree.keepOnly(path, present);
      if (list !== undefined) {
        const left = list.filter(({ Name }) => !Name.startsWith(path) || present.has(Name));
        if (left.length < list.length) writes.push(this.hot.put(cpeId, left));
      }
    }
    tree.setAll(names.map(({ Name, Writable }) => ({ name: Name, writable: Writable })));
    writes.push(...this.#write(cpeId, directory, tree), this.#records.unmark(cpeId));
    await Promise.all(writes);
  }

  async reset(cpeId: string): Promise<void> {
    const writes = [this.hot.remove(cpeId), this.#directories.remove(cpeId)];
    // By range as well as by directory: pages that two threads once disagreed about go too. '0' follows '/'.
    const keys = new Set(this.#pages.keys(`${cpeId}/`, `${cpeId}0`));
    for (const [id] of this.#directories.get(cpeId) ?? []) keys.add(`${cpeId}/${id}`);
    for (const key of keys) writes.push(this.#pages.remove(key));
    await Promise.all(writes);
  }

  /** A value as the shadow keeps it. */
  #kept(cpeId: string, { Name, Value }: ParameterValue): string {
    const { isSecret, seal } = this.#secrets;
    return isSecret(Name) ? seal.mask(cpeId, Name, Value) : Value;
  }

  #inPages(cpeId: string, name: string): ParameterValue | undefined {
    const directory = this.#directories.get(cpeId);
    const entry = directory === undefined ? undefined : this.#tree(cpeId, directory).get(name);
    if (entry === undefined || entry.value === null) return undefined;
    return { Name: name, Value: entry.value, Type: entry.type };
  }

  #tree(cpeId: string, directory: Directory): Tree {
    const load = (id: number): Entry[] => decodePage(this.#pages.get(`${cpeId}/${id}`) ?? '');
    return new Tree(directory, load, LIMITS.shadowPageEntries);
  }

  #write(cpeId: string, before: Directory, tree: Tree): Promise<void>[] {
    const { pages, removed, written } = tree.settle();
    const writes = removed.map((id) => this.#pages.remove(`${cpeId}/${id}`));
    for (const [id, entries] of written) writes.push(this.#pages.put(`${cpeId}/${id}`, encodePage(entries)));
    if (!sameDirectory(before, pages)) writes.push(this.#directories.put(cpeId, pages));
    return writes;
  }
}

function without(list: ParameterValue[], others: readonly ParameterValue[]): ParameterValue[] {
  const names = new Set(others.map(({ Name }) => Name));
  return list.filter(({ Name }) => !names.has(Name));
}

function sameDirectory(a: Directory, b: Directory): boolean {
  return a.length === b.length && a.every(([id, first], i) => b[i]?.[0] === id && b[i]?.[1] === first);
}
