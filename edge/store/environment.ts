// One LMDB environment of a folder as one thread sees it, and what its writes owe their callers: when they are committed (any thread reads
// them), when they are on the disk, and what becomes of them when the disk refuses. It knows no record.
//
// lmdb-js gathers all writes of one turn of the event loop into one transaction, and the writes of all threads share fsyncs; so "group
// commit" is simply what happens, and writes issued together without an await between them are there together or not at all. The one
// exception: callbacks of transact() run after the other writes of their turn.
//
// lmdb 3.5.6 overruns a buffer of its own while it words the error of a failed page write (mdb_page_flush), so a write that meets a
// full disk may end the process. Hence the writers stop before the disk is full (Stamps.refusing), and a failure that comes all the same
// marks the store as broken for good: nothing is acknowledged any more, and the process must be started again.

import { mkdirSync } from 'node:fs';
import { type Database, type DatabaseOptions, type Key, open, type RootDatabase } from 'lmdb';
import { assert } from '../../base/assert.ts';
import { ConfigError, StoreError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { StoreSeal } from './seal.ts';

/** Layout of the store on disk. A store of another one is refused, never guessed at. */
const FORMAT = 4;
/** The same layout with nothing sealed: becomes FORMAT by being opened. */
const FORMAT_UNSEALED = 3;
const DATABASES_MAX = 16;

/** Of one database; lmdb's typings leave it out. */
export interface Stats {
  pageSize: number;
  entryCount: number;
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

/** As lmdb-js calls it. */
interface Codec<V> {
  encode(value: V): Uint8Array;
  decode(bytes: Buffer): V;
}

const TEXT: Codec<string> = { encode: (text) => Buffer.from(text), decode: (bytes) => bytes.toString() };

/** Of Stamps. */
interface Commits {
  commits(): number;
  committed(): void;
}

const pagesOf = (stats: Stats): number => stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;

/** Environments of this thread by folder: lanes of one thread share one. */
const environments = new Map<string, Environment>();

const ignore = (): void => {};

export class Environment {
  readonly dir: string;
  readonly root: RootDatabase;
  readonly meta: Database<number, string>;
  readonly #databases = new Map<string, Database>();
  /** Called once, when a write failed. */
  readonly onBroken = new Set<() => void>();
  #broken: StoreError | null = null;
  #users = 0;
  #lastWritten: Promise<boolean> | null = null;
  #lastDurable: Promise<void> = Promise.resolve();
  #lastFollowed: Promise<boolean> | null = null;
  #lastOutcome: Promise<boolean> = Promise.resolve(true);
  /** Counts commits over all threads; without it every look is a fresh one. */
  #commits: Commits | null = null;
  #seal: StoreSeal | null = null;
  #seenCommits = -1;

  /**
   * The environment of `dir`, opened (and its folder made, readable by this user alone) when this thread has not done so yet.
   * Throws ConfigError `store-format` when the folder holds a store of another version.
   */
  static acquire(dir: string): Environment {
    let environment = environments.get(dir);
    if (environment === undefined) {
      environment = new Environment(dir);
      environments.set(dir, environment);
    }
    environment.#users++;
    return environment;
  }

  private constructor(dir: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.dir = dir;
    this.root = open({ path: dir, maxDbs: DATABASES_MAX, mapSize: LIMITS.storeMapBytes });
    this.meta = this.database<number>('meta', {});
    const format = this.meta.get('format');
    if (format === undefined || format === FORMAT_UNSEALED) this.meta.putSync('format', FORMAT);
    else if (format !== FORMAT) {
      const text = `${dir} holds an edge store of format ${format}; this Starling reads format ${FORMAT}.`;
      throw new ConfigError(
        'store-format',
        `${text} Drain the edge with the version that wrote it, then move the folder away.`,
      );
    }
  }

  database<V, K extends Key = string>(name: string, options: DatabaseOptions): Database<V, K> {
    let database = this.#databases.get(name);
    if (database === undefined) {
      database = this.root.openDB(name, options) as Database;
      this.#databases.set(name, database);
    }
    return database as Database<V, K>;
  }

  /**
   * What sealed databases are read and written with, from now on.
   * @param key 32 bytes. Throws ConfigError `store-key` when the store was written with another one.
   */
  unlock(key: Uint8Array): StoreSeal {
    const seal = new StoreSeal(key);
    const { fingerprint } = seal;
    const known = this.meta.get('seal');
    if (known === undefined) this.meta.putSync('seal', fingerprint);
    else if (known !== fingerprint) {
      const text = `The edge store in ${this.dir} was sealed beside another installation.secret. Put that file back into the data folder;`;
      throw new ConfigError(
        'store-key',
        `${text} without it, move the store away: what it had not handed over is lost.`,
      );
    }
    this.#seal ??= seal;
    return this.#seal;
  }

  /**
   * A database whose values are sealed on the disk, as texts or as lmdb-js encodes them. Its keys can be read before `unlock`.
   * @param damaged stands for a value that does not open; without it reading one throws.
   */
  sealed<V, K extends Key = string>(
    name: string,
    options: DatabaseOptions,
    { texts = false, damaged }: { texts?: boolean; damaged?: V } = {},
  ): Database<V, K> {
    const inner = (texts ? TEXT : (this.meta as unknown as { encoder: Codec<V> }).encoder) as Codec<V>;
    const seal = (): StoreSeal => {
      assert(this.#seal !== null, 'a store is unlocked before its sealed values are looked at');
      return this.#seal;
    };
    const encoder = {
      // What is told to the centre is read by another thread, once.
      encode: (value: V): Uint8Array => seal().seal(inner.encode(value), !texts),
      decode: (bytes: Buffer): V => {
        try {
          return inner.decode(seal().open(bytes, !texts));
        } catch (error) {
          if (damaged === undefined) throw error;
          return damaged;
        }
      },
      needsStableBuffer: true,
    };
    return this.database<V, K>(name, { ...options, encoder } as DatabaseOptions);
  }

  /** From now on commits are counted in memory that all threads of the process share. */
  shareCommits(commits: Commits): void {
    this.#commits = commits;
  }

  /**
   * From here on reads of this turn see what any thread has committed and told: lmdb-js would otherwise keep a snapshot for about 1 ms.
   * Without a commit since the last look the snapshot is kept, which takes a third of the time of a read with a new one.
   */
  refresh(): void {
    const commits = this.#commits?.commits() ?? -1;
    if (commits >= 0 && commits === this.#seenCommits) return;
    this.#seenCommits = commits;
    (this.root as RootDatabase & { resetReadTxn(): void }).resetReadTxn();
  }

  /**
   * Follows one write of lmdb-js.
   * @returns a promise of its outcome (false: its condition did not hold) that rejects with StoreError. It may be left unwatched: whoever
   * acknowledges something waits for durable() or flushed(), which reject too.
   */
  committed(written: Promise<boolean>): Promise<boolean> {
    // Writes of one transaction come with one promise: it is followed once.
    if (written === this.#lastFollowed) return this.#lastOutcome;
    const outcome = written.then(
      (held) => {
        this.#commits?.committed();
        return held;
      },
      (error: unknown) => {
        throw this.#failed(error);
      },
    );
    outcome.catch(ignore);
    this.#lastFollowed = written;
    this.#lastOutcome = outcome;
    return outcome;
  }

  /** Resolves when `written`, which must be the last thing this thread wrote, is on the disk. One promise for all of one commit. */
  durable(written: Promise<boolean>): Promise<void> {
    if (written === this.#lastWritten) return this.#lastDurable;
    const flushed = this.#flushOfLastWrite();
    this.#lastWritten = written;
    this.#lastDurable = this.#bounded(this.committed(written).then(() => flushed));
    return this.#lastDurable;
  }

  /** Resolves when everything this thread wrote so far is on the disk. */
  flushed(): Promise<void> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    return this.#bounded(this.#flushOfLastWrite());
  }

  /** Runs `change` inside a write transaction of its own; its throw undoes it. Resolves when it is on the disk. */
  async transact<T>(change: () => T): Promise<T> {
    if (this.#broken !== null) throw this.#broken;
    let thrown: { error: unknown } | null = null;
    const done = this.root.childTransaction(() => {
      try {
        return change();
      } catch (error) {
        thrown = { error };
        throw error;
      }
    });
    const flushed = this.#flushOfLastWrite();
    try {
      const value = await this.#bounded(done);
      this.#commits?.committed();
      await this.#bounded(flushed);
      return value;
    } catch (error) {
      if (thrown !== null) throw (thrown as { error: unknown }).error;
      throw this.#failed(error);
    }
  }

  /** Bytes of the file that hold nothing: LMDB never shrinks its file, and fills these before it grows. About. */
  reusableBytes(): number {
    const { free, lastPageNumber, pageSize } = this.root.getStats() as Stats & { free: Stats; lastPageNumber: number };
    let used = pagesOf(free);
    for (const database of [this.root, ...this.#databases.values()]) used += pagesOf(database.getStats() as Stats);
    return Math.max(0, lastPageNumber + 1 - used) * pageSize;
  }

  /** Gives the environment up; the last user closes it, after its writes are on the disk. */
  async release(): Promise<void> {
    assert(this.#users > 0, 'an environment is released as often as it was acquired');
    this.#users--;
    if (this.#users > 0 || environments.get(this.dir) !== this) return;
    // The next user of the same turn (a store right after its Stamps) finds it open.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#users > 0 || environments.get(this.dir) !== this) return;
    environments.delete(this.dir);
    await this.root.close();
  }

  /** lmdb-js never settles `flushed` after a failed commit, hence the bound on every use. */
  #flushOfLastWrite(): Promise<void> {
    const flushed = Promise.resolve(this.root.flushed).then(() => this.#commits?.committed());
    flushed.catch(ignore);
    return flushed;
  }

  #bounded<T>(wait: Promise<T>): Promise<T> {
    const bounded = new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        const text = `The disk of ${this.dir} did not take a write within ${LIMITS.storeFlushMs / 1000} s. Check the disk and its load.`;
        reject(new StoreError('slow', text));
      }, LIMITS.storeFlushMs);
      const settle =
        <A extends unknown[]>(then: (...args: A) => void) =>
        (...args: A): void => {
          clearTimeout(timer);
          then(...args);
        };
      wait.then(settle(resolve), settle(reject));
    });
    bounded.catch(ignore);
    return bounded;
  }

  #failed(error: unknown): StoreError {
    if (error instanceof StoreError) return error;
    // The detail arrives as a promise that would end the process if nobody listened.
    const detail = (error as { commitError?: Promise<unknown> }).commitError;
    detail?.catch(ignore);
    if (this.#broken === null) {
      const text = `The edge store in ${this.dir} could not be written. Free space on its disk, then start Starling again.`;
      this.#broken = new StoreError('broken', text, { cause: error });
      for (const tell of this.onBroken) tell();
    }
    return this.#broken;
  }
}
