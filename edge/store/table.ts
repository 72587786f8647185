// A sub-database of records by key, with this thread's own uncommitted writes laid over it: what a thread has put it reads back at once, so
// that two changes of one record in the same millisecond build on each other. What another thread put is seen once it is committed.
// Records are handed in and out as they are: nobody changes one after putting it.

import type { Database, DatabaseOptions } from 'lmdb';
import type { Environment } from './environment.ts';

export class Table<V> {
  readonly #environment: Environment;
  readonly #database: Database<V, string>;
  /** Writes not yet committed; undefined: removed. */
  readonly #pending = new Map<string, { value: V | undefined }>();

  constructor(environment: Environment, name: string, options: DatabaseOptions) {
    this.#environment = environment;
    this.#database = environment.database<V>(name, options);
  }

  get(key: string): V | undefined {
    if (this.#pending.size > 0) {
      const pending = this.#pending.get(key);
      if (pending !== undefined) return pending.value;
    }
    return this.#database.get(key);
  }

  /** The bytes of a record without a copy, valid until the next read; undefined when there is none. */
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
    const settled = (): void => {
      if (this.#pending.get(key) === entry) this.#pending.delete(key);
    };
    const outcome = this.#environment.committed(written).then(settled, (error: unknown) => {
      settled();
      throw error;
    });
    outcome.catch(() => {});
    return outcome;
  }
}
