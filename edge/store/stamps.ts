// The numbers all writers of one edge share, in one SharedArrayBuffer: the next outbox sequence, how full the outbox is, and whether writes
// are refused. No lock: every field is one atomic word.
//
// A stamp orders facts over all threads and all starts: stamp = incarnation × 2^32 + counter. The incarnation is a durable number, raised
// by every start before any thread writes, so a stamp that a killed or power-cut process had handed out is never handed out again, not
// even when the fact it stood for did not reach the disk (control may have seen it: it could be read before it was flushed). Should
// one start use up 2^32 stamps, they run on into the next incarnation and the writer that notices makes that durable with the same commit.

import type { Database } from 'lmdb';
import { assert } from '../../base/assert.ts';
import type { StoreErrorCode } from '../../base/errors.ts';
import { hashText } from '../../base/hash-text.ts';
import type { CpeId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import { Environment, type Stats } from './environment.ts';
import type { Recording, SessionRecord } from './store.ts';

const SPAN = 2 ** 32;
const NEXT = 0;
const INCARNATION = 1;
const DEPTH = 2;
const BYTES = 3;
const WORDS = 4;
/** Behind the words, 32 bits each: why writes are refused, whether the outbox is full, commits of all threads, changes of settings, recordings. */
const REFUSAL = 0;
const OUTBOX_FULL = 1;
const COMMITS = 2;
const SETTINGS = 3;
const RECORDINGS = 4;
const FLAGS = 5;
/** Behind the flags: how often something was opened, by a hash of its CPE. Two CPEs in one slot are both looked after; no harm in that. */
const OPEN_SLOTS = 1 << 20;

const REFUSALS: (StoreErrorCode | null)[] = [null, 'disk-full', 'broken'];
const DISK_FULL = 1;
const BROKEN = 2;

export class Stamps {
  /** Handed to every thread, which makes its own Stamps of it. */
  readonly memory: SharedArrayBuffer;
  /** Of this start; also what tells its session ids and cookies from those of another start. */
  readonly incarnation: number;
  readonly #words: BigInt64Array;
  readonly #flags: Int32Array;
  readonly #opened: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new BigInt64Array(memory, 0, WORDS);
    this.#flags = new Int32Array(memory, WORDS * 8, FLAGS);
    this.#opened = new Int32Array(memory, WORDS * 8 + FLAGS * 4, OPEN_SLOTS);
    this.incarnation = Number(Atomics.load(this.#words, INCARNATION));
  }

  /**
   * Begins a new incarnation of the store in `dir`: called once per start, by the main thread, before any store is opened. On return the
   * incarnation is on the disk. Throws ConfigError when the folder cannot be used.
   */
  static forNewStart(dir: string): Stamps {
    const environment = Environment.acquire(dir);
    const { meta, root } = environment;
    const outbox = openOutbox(environment);
    const incarnation = root.transactionSync(() => {
      // Counting on from the last fact as well keeps a store whole whose meta was restored from somewhere older.
      const [first, count] = [...outbox.getKeys({ reverse: true, limit: 1 })][0] ?? [0, 1];
      const last = first + count - 1;
      const next = Math.max(meta.get('incarnation') ?? 0, Stamps.incarnationOf(last)) + 1;
      meta.put('incarnation', next);
      return next;
    });
    const memory = new SharedArrayBuffer(WORDS * 8 + (FLAGS + OPEN_SLOTS) * 4);
    const words = new BigInt64Array(memory, 0, WORDS);
    words[NEXT] = BigInt(incarnation) * BigInt(SPAN);
    words[INCARNATION] = BigInt(incarnation);
    // Keys and pages, not contents: reading a day's outbox to add its bytes up would take the start minutes.
    const stats = outbox.getStats() as Stats;
    let facts = 0;
    for (const [, count] of outbox.getKeys()) facts += count;
    words[DEPTH] = BigInt(facts);
    words[BYTES] = BigInt((stats.treeLeafPageCount + stats.overflowPages) * stats.pageSize);
    const stamps = new Stamps(memory);
    stamps.outboxGrew(0, 0);
    for (const cpeId of openWorkIndex(environment).getKeys()) stamps.opened(cpeId);
    for (const cpeId of openSessions(environment).getKeys()) stamps.opened(cpeId);
    for (const cpeId of openRecordings(environment).getKeys()) stamps.recordingBegan(cpeId);
    void environment.release();
    return stamps;
  }

  static incarnationOf(stamp: number): number {
    return Math.floor(stamp / SPAN);
  }

  /** Draws `count` stamps in a row; returns the first. */
  draw(count: number): number {
    const first = Number(Atomics.add(this.#words, NEXT, BigInt(count)));
    assert(first + count < Number.MAX_SAFE_INTEGER, 'stamps stay exact numbers');
    return first;
  }

  /** Facts and bytes that came into the outbox or, with negative numbers, left it. */
  outboxGrew(facts: number, bytes: number): void {
    Atomics.add(this.#words, DEPTH, BigInt(facts));
    Atomics.add(this.#words, BYTES, BigInt(bytes));
    // Looked at by every POST, and written by few: a flag, so that the POST loads no 64-bit words.
    Atomics.store(this.#flags, OUTBOX_FULL, this.outboxBytes > LIMITS.outboxBytesMax ? 1 : 0);
  }

  get outboxDepth(): number {
    return Math.max(0, Number(Atomics.load(this.#words, DEPTH)));
  }

  /** About: estimated from pages at start, counted from then on. */
  get outboxBytes(): number {
    return this.outboxDepth === 0 ? 0 : Math.max(0, Number(Atomics.load(this.#words, BYTES)));
  }

  /** Why writes are refused; null when they are not. */
  refusing(): StoreErrorCode | null {
    // Plain loads: asked at every POST, and no other memory hangs on the answer.
    const flags = this.#flags;
    if (flags[REFUSAL] !== 0) return REFUSALS[flags[REFUSAL]!] ?? null;
    return flags[OUTBOX_FULL] === 1 ? 'outbox-full' : null;
  }

  /** Another number whenever some thread's writes have become visible since: what was read before may be old. */
  commits(): number {
    return Atomics.load(this.#flags, COMMITS);
  }

  /**
   * Another number whenever something has been opened for this CPE, work or the record of a session; 0 while nothing was in this start, and
   * nothing was open when it began.
   */
  openMark(cpeId: CpeId): number {
    return Atomics.load(this.#opened, hashText(cpeId) & (OPEN_SLOTS - 1));
  }

  /** Said before what was opened can be read, and again when it can: who reads the number and finds nothing open may trust both. */
  opened(cpeId: CpeId): void {
    Atomics.add(this.#opened, hashText(cpeId) & (OPEN_SLOTS - 1), 1);
  }

  /** Another number whenever settings of some device have changed. */
  settingsRevision(): number {
    return Atomics.load(this.#flags, SETTINGS);
  }

  settingsChanged(): void {
    Atomics.add(this.#flags, SETTINGS, 1);
  }

  /** Recordings that are on, those that wait to be handed over among them. */
  recordings(): number {
    return Atomics.load(this.#flags, RECORDINGS);
  }

  /**
   * Said when the recording can be read. Its CPE counts as one for which something was opened, which takes its mark away: so its Informs are
   * read from now on, and nothing that is asked for an Inform has to ask for recordings as well.
   */
  recordingBegan(cpeId: CpeId): void {
    Atomics.add(this.#flags, RECORDINGS, 1);
    this.opened(cpeId);
  }

  recordingEnded(): void {
    Atomics.sub(this.#flags, RECORDINGS, 1);
  }

  /** This thread's writes are visible to all from now on. */
  committed(): void {
    Atomics.add(this.#flags, COMMITS, 1);
  }

  /** Said by whoever watches the disk. A broken store stays broken. */
  setDiskFull(full: boolean): void {
    Atomics.compareExchange(this.#flags, REFUSAL, full ? 0 : DISK_FULL, full ? DISK_FULL : 0);
  }

  setBroken(): void {
    Atomics.store(this.#flags, REFUSAL, BROKEN);
  }
}

/** Sequence of the first fact of a record, and how many facts it holds. */
export type OutboxKey = [first: number, count: number];

/** CPEs that have work, and the actions they have. */
export function openWorkIndex(environment: Environment): Database<string, string> {
  return environment.database<string>('work-index', { dupSort: true, encoding: 'ordered-binary' });
}

/** CPEs whose session has a record. */
export function openSessions(environment: Environment): Database<SessionRecord, string> {
  return environment.sealed<SessionRecord>('session', {});
}

/** CPEs whose sessions are recorded. */
export function openRecordings(environment: Environment): Database<Recording, string> {
  return environment.sealed<Recording>('recording', {});
}

/** The database of facts: JSON, with commas between those of one record. One that does not open goes out as this text, and is put aside by control. */
export function openOutbox(environment: Environment): Database<string, OutboxKey> {
  return environment.sealed<string, OutboxKey>('outbox', {}, { texts: true, damaged: 'a record that does not open' });
}
