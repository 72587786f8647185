// The names of one device spread over pages, as a value: changed in memory, pages decoded when they are first touched, and in the end told
// as the pages to write. No store in here.
//
// A data model changes under our feet (FIELD 17, 18, 28): a name may be listed as a leaf and turn out to be an object, or turn from one
// into the other with a firmware. The last word counts: a name below `A.B` makes `A.B` no leaf; a value of `A.B` means nothing is below it.

import type { Entry } from './codec.ts';

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

  /** Adds a name, or changes what is told of it. */
  set(name: string, told: { value?: string; type?: string; writable?: boolean }): void {
    for (let dot = name.lastIndexOf('.', name.length - 2); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
      const object = name.slice(0, dot);
      if (this.#objects.has(object)) break;
      this.#objects.add(object);
      this.#remove(object);
    }
    // It was taken for an object so far: what comes below it next must look again.
    if (this.#objects.has(name)) this.#objects.clear();
    if (this.#pages.length === 0) this.#pages.push({ id: null, first: name, entries: [], dirty: true });
    const page = this.#pages[this.#pageOf(name)] as Page;
    const entries = this.#entries(page);
    const place = lowerBound(entries, name);
    const before = entries[place];
    if (before?.name === name) {
      const after = { ...before, ...told };
      if (after.value !== before.value || after.type !== before.type || after.writable !== before.writable) {
        entries[place] = after;
        page.dirty = true;
      }
    } else {
      entries.splice(place, 0, { name, value: null, type: '', writable: null, ...told });
      page.dirty = true;
    }
    // Also when it is the value of before: the object itself (`A.B.`) may have been listed since.
    if (told.value !== undefined && this.#hasBelow(`${name}.`)) this.keepOnly(`${name}.`, new Set());
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
