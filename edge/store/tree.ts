// The names of one device spread over pages, as a value: changed in memory, pages decoded when they are first touched, and in the end told
// as the pages to write. No store in here.
//
// A data model changes under our feet (FIELD 17, 18, 28): a name may be listed as a leaf and turn out to be an object, or turn from one
// into the other with a firmware. The last word counts: a name below `A.B` makes `A.B` no leaf; a value of `A.B` means nothing is below it.

import type { Entry } from './codec.ts';

/** Fewer names than this are set one by one. */
const MERGED_MIN = 16;

/** What is told of a name; what is left out stays as it was. */
export interface Told {
  name: string;
  value?: string;
  type?: string;
  writable?: boolean;
}

interface Page {
  /** null: not stored yet. */
  id: number | null;
  first: string;
  /** Sorted by name; null until touched. */
  entries: Entry[] | null;
  dirty: boolean;
}

export interface Settled {
  pages: [id: number, first: string][];
  removed: number[];
  written: [id: number, entries: Entry[]][];
}

export class Tree {
  readonly #pages: Page[];
  readonly #load: (id: number) => Entry[];
  readonly #pageEntries: number;
  readonly #stored: number[];
  /** Objects whose leaf form was looked for already: one look per parent, not one per parameter. */
  readonly #objects = new Set<string>();

  constructor(directory: readonly [id: number, first: string][], load: (id: number) => Entry[], pageEntries: number) {
    this.#pages = directory.map(([id, first]) => ({ id, first, entries: null, dirty: false }));
    this.#stored = directory.map(([id]) => id);
    this.#load = load;
    this.#pageEntries = pageEntries;
  }

  get(name: string): Entry | undefined {
    const page = this.#pages[this.#pageOf(name)];
    if (page === undefined) return undefined;
    const entries = this.#entries(page);
    const entry = entries[lowerBound(entries, name)];
    return entry?.name === name ? entry : undefined;
  }

  /**
   * The same as `set` for each in turn. Thousands of names are put in order once and go through the pages side by side with what these
   * hold: a search for each would compare long names, alike in most of their length, a dozen times.
   */
  setAll(list: readonly Told[]): void {
    const objects = list.length < MERGED_MIN ? null : objectsAmong(list);
    if (objects === null) {
      for (const told of list) this.set(told.name, told);
      return;
    }
    if (list.some(({ name }) => this.#objects.has(name))) this.#objects.clear();
    for (const object of objects) this.#isObject(object);
    const sorted = [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (this.#pages.length === 0) this.#pages.push({ id: null, first: sorted[0]!.name, entries: [], dirty: true });
    /** Leaves that something may lie below. */
    const doubtful: string[] = [];
    for (let at = 0, place = 0; at < sorted.length; place++) {
      const next = this.#pages[place + 1]?.first;
      const from = at;
      while (at < sorted.length && (next === undefined || sorted[at]!.name < next)) at++;
      if (at === from) continue;
      const page = this.#pages[place] as Page;
      merge(page, this.#entries(page), sorted.slice(from, at), next, doubtful);
    }
    for (const name of doubtful) this.#dropBelow(name);
  }

  /** Adds a name, or changes what is told of it. */
  set(name: string, told: Omit<Told, 'name'>): void {
    for (let dot = name.lastIndexOf('.', name.length - 2); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
      const object = name.slice(0, dot);
      if (!this.#isObject(object)) break;
    }
    // It was taken for an object so far: what comes below it next must look again.
    if (this.#objects.has(name)) this.#objects.clear();
    if (this.#pages.length === 0) this.#pages.push({ id: null, first: name, entries: [], dirty: true });
    const page = this.#pages[this.#pageOf(name)] as Page;
    const entries = this.#entries(page);
    const place = lowerBound(entries, name);
    if (entries[place]?.name === name) retell(page, entries, place, told);
    else {
      entries.splice(place, 0, entryOf(name, told));
      page.dirty = true;
    }
    // Also when it is the value of before: the object itself (`A.B.`) may have been listed since.
    if (told.value !== undefined) this.#dropBelow(name);
  }

  /** Below `path` (a prefix) only these names stay. */
  keepOnly(path: string, names: ReadonlySet<string>): void {
    const start = Math.max(0, this.#pageOf(path));
    for (let i = start; i < this.#pages.length; i++) {
      const page = this.#pages[i] as Page;
      // The page it starts in may hold names that sort before its first one of old.
      if (i > start && !page.first.startsWith(path)) break;
      const entries = this.#entries(page);
      const left = entries.filter(({ name }) => !name.startsWith(path) || names.has(name));
      if (left.length === entries.length) continue;
      page.entries = left;
      page.dirty = true;
    }
  }

  /** What is to be stored: pages that grew too large are split, empty ones go. */
  settle(): Settled {
    const settled: Settled = { pages: [], removed: [], written: [] };
    let free = this.#stored.reduce((most, id) => Math.max(most, id + 1), 0);
    for (const page of this.#pages) {
      if (!page.dirty || page.entries === null) {
        if (page.id !== null) settled.pages.push([page.id, page.first]);
        continue;
      }
      if (page.entries.length === 0) {
        if (page.id !== null) settled.removed.push(page.id);
        continue;
      }
      // Half as much again is let be, so that a page which just fits is not split by the next name.
      const size = page.entries.length > this.#pageEntries * 1.5 ? this.#pageEntries : page.entries.length;
      for (let at = 0; at < page.entries.length; at += size) {
        const entries = page.entries.slice(at, at + size);
        const id = at === 0 && page.id !== null ? page.id : free++;
        settled.pages.push([id, entries[0]?.name ?? '']);
        settled.written.push([id, entries]);
      }
    }
    return settled;
  }

  /** Something lies below it, so it is no leaf. False when that was known. */
  #isObject(object: string): boolean {
    if (this.#objects.has(object)) return false;
    this.#objects.add(object);
    this.#remove(object);
    return true;
  }

  /** It is a leaf, so nothing lies below it. */
  #dropBelow(name: string): void {
    if (this.#hasBelow(`${name}.`)) this.keepOnly(`${name}.`, new Set());
  }

  #remove(name: string): void {
    const page = this.#pages[this.#pageOf(name)];
    if (page === undefined) return;
    const entries = this.#entries(page);
    const place = lowerBound(entries, name);
    if (entries[place]?.name !== name) return;
    entries.splice(place, 1);
    page.dirty = true;
  }

  #hasBelow(prefix: string): boolean {
    const place = this.#pageOf(prefix);
    const entries = this.#entries(this.#pages[place] as Page);
    const next = entries[lowerBound(entries, prefix)]?.name ?? this.#pages[place + 1]?.first;
    return next?.startsWith(prefix) ?? false;
  }

  /** Index of the page a name lies in, or would; -1 while there is none. */
  #pageOf(name: string): number {
    let low = 0;
    let high = this.#pages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#pages[middle] as Page).first <= name) low = middle + 1;
      else high = middle;
    }
    return low > 0 ? low - 1 : this.#pages.length > 0 ? 0 : -1;
  }

  #entries(page: Page): Entry[] {
    page.entries ??= page.id === null ? [] : this.#load(page.id);
    return page.entries;
  }
}

/**
 * The objects that the names of a list lie in, without their dots; null when it depends on the order of the list what is known in the end:
 * a name stands in it twice, or as a leaf and as an object.
 */
function objectsAmong(list: readonly Told[]): Set<string> | null {
  const objects = new Set<string>();
  const names = new Set<string>();
  const listed: string[] = [];
  let parent = '';
  for (const { name } of list) {
    names.add(name);
    if (name.endsWith('.')) listed.push(name.slice(0, -1));
    const end = Math.max(0, name.lastIndexOf('.', name.length - 2));
    // Neighbours mostly have one parent.
    if (end === parent.length && name.startsWith(parent)) continue;
    parent = name.slice(0, end);
    for (let object = parent; object !== '' && !objects.has(object); ) {
      objects.add(object);
      object = object.slice(0, Math.max(0, object.lastIndexOf('.')));
    }
  }
  if (names.size < list.length) return null;
  for (const object of objects) if (names.has(object)) return null;
  for (const object of listed) if (names.has(object)) return null;
  return objects;
}

/**
 * Brings `list`, which is sorted and belongs in this page, into it.
 * @param next first name of the page behind it.
 * @param doubtful gets the leaves behind which a name follows that begins alike.
 */
function merge(
  page: Page,
  entries: Entry[],
  list: readonly Told[],
  next: string | undefined,
  doubtful: string[],
): void {
  /** All so far; null while no name is new. */
  let merged: Entry[] | null = null;
  let at = 0;
  for (const told of list) {
    const { name } = told;
    for (; at < entries.length && entries[at]!.name < name; at++) merged?.push(entries[at]!);
    if (entries[at]?.name === name) {
      const entry = retell(page, entries, at++, told);
      merged?.push(entry);
    } else {
      merged ??= entries.slice(0, at);
      merged.push(entryOf(name, told));
      page.dirty = true;
    }
    const following = entries[at]?.name ?? next;
    if (told.value !== undefined && following?.startsWith(name)) doubtful.push(name);
  }
  if (merged === null) return;
  for (; at < entries.length; at++) merged.push(entries[at]!);
  page.entries = merged;
}

function entryOf(name: string, { value = null, type = '', writable = null }: Partial<Entry>): Entry {
  return { name, value, type, writable };
}

/** Changes what is told of the entry at `place`, and returns it. A page in which nothing changes stays clean. */
function retell(page: Page, entries: Entry[], place: number, told: Omit<Told, 'name'>): Entry {
  const before = entries[place]!;
  const { value = before.value, type = before.type, writable = before.writable } = told;
  if (value === before.value && type === before.type && writable === before.writable) return before;
  const after = { name: before.name, value, type, writable };
  entries[place] = after;
  page.dirty = true;
  return after;
}

function lowerBound(entries: readonly Entry[], name: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle] as Entry).name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
