// A sub-database of records by key, with this thread's own uncommitted writes laid over it: what a thread has put it reads back at once, so
// that two changes of one record in the same millisecond build on each other. What another thread put is seen once it is committed.
// Records are handed in and out as they are: nobody changes one after putting it.

import type { Database } from 'lmdb';
import type { Environment } from './environment.ts';

export class Table<V> {
  readonly #environment: Environment;
  readonly #database: Database<V, string>;
  /** Writes not yet committed; undefined: removed. */
  readonly #pending = new Map<string, { value: V | undefined }>();
  // Of the transaction last written to: its promise, what was written, and when that is no longer laid over.
  #written: Promise<boolean> | null = null;
  #batch: (string | { value: V | undefined })[] = [];
  #settled: Promise<void> = Promise.resolve();

  constructor(environment: Environment, database: Database<V, string>) {
    this.#environment = environment;
    this.#database = database;
  }

  get(key: string): V | undefined {
    if (this.#pending.size > 0) {
      const pending = this.#pending.get(key);
      if (pending !== undefined) return pending.value;
    }
    return this.#database.get(key);
  }

  /**
   * The bytes of a record without a copy, valid until the next read; undefined when there is none. They lie in lmdb-js's own buffer: `length`
   * is right, and `subarray` of a Buffer goes by it; byteLength, and whoever copies by that, is not.
   */
  bytes(key: string): Uint8Array | undefined {
    if (this.#pending.size > 0) {
      const pending = this.#pending.get(key);
      if (pending !== undefined) return pending.value as Uint8Array | undefined;
    }
    return this.#database.getBinaryFast(key) as Uint8Array | undefined;
  }

  /** Resolves when every thread reads it. */
  put(key: string, value: V): Promise<void> {
    return this.#follow(key, value, this.#database.put(key, value));
  }

  remove(key: string): Promise<void> {
    return this.#follow(key, undefined, this.#database.remove(key));
  }

  /** Committed entries. */
  size(): number {
    return (this.#database.getStats() as { entryCount: number }).entryCount;
  }

  /** Committed keys from `start` up to but without `end`. */
  keys(start: string, end: string): string[] {
    return [...this.#database.getKeys({ start, end })];
  }

  /** At most `limit` committed entries after `key` ('' for the first ones). */
  after(key: string, limit: number): { key: string; value: V }[] {
    const range = key === '' ? { limit } : { start: key, exclusiveStart: true, limit };
    return [...this.#database.getRange(range)];
  }

  /** Inside a transaction: the newest value, and writes that belong to it. */
  get direct(): Database<V, string> {
    return this.#database;
  }

  #follow(key: string, value: V | undefined, written: Promise<boolean>): Promise<void> {
    const entry = { value };
    this.#pending.set(key, entry);
    if (written !== this.#written) this.#begin(written);
    this.#batch.push(key);
    this.#batch.push(entry);
    return this.#settled;
  }

  /** Writes of one transaction share lmdb-js's promise of it, and so one promise of ours. */
  #begin(written: Promise<boolean>): void {
    const batch: (string | { value: V | undefined })[] = [];
    const settle = (): void => {
      for (let i = 0; i < batch.length; i += 2) {
        const key = batch[i] as string;
        if (this.#pending.get(key) === batch[i + 1]) this.#pending.delete(key);
      }
    };
    this.#written = written;
    this.#batch = batch;
    this.#settled = this.#environment.committed(written).then(settle, (error: unknown) => {
      settle();
      throw error;
    });
    this.#settled.catch(() => {});
  }
}
