// Brings the files that work on this edge needs from control, when they do not share a disk: each once, some at a time, and again when it
// did not come. It decides nothing: work waits for its file by itself (tasks/transfer.ts) and asks for it as long as it waits.

import type { Registry } from 'prom-client';
import { type Clock, systemElapsed } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { Tally } from '../base/metrics.ts';
import { settledWithin } from '../base/timers.ts';
import { fetchFile } from '../bus/file-chunks.ts';
import { filesFor } from '../bus/subjects.ts';
import type { BusQuestions } from '../bus/transport.ts';
import type { FileStore } from './files.ts';
import type { TaskFiles, UploadedFile } from './tasks/task.ts';

/** Files of work, as the relay sees them; `has` fetches what is not on this disk. */
export interface WorkFiles extends TaskFiles {
  /** Resolves when it is here, or the time that a hand-over may wait for it is over. */
  hold(fileId: string): Promise<void>;
}

/** Of an edge that shares its disk with control. */
export function filesOnDisk(store: Pick<FileStore, 'uploaded'>): WorkFiles {
  return { has: () => true, hold: async () => {}, uploaded: (actionId) => store.uploaded(actionId) };
}

export interface FileFetcherOptions {
  questions: BusQuestions;
  store: FileStore;
  pop: string;
  edgeId: string;
  log: Log;
  registry: Registry;
  /** For the age of copies. */
  clock: Clock;
  /** For pauses; systemElapsed by default. */
  elapsed?: () => number;
}

/** Copies go this long after they were fetched; what is needed after that is fetched anew. */
const COPY_LIFE_MS = 30 * 24 * 3_600_000;
const COPIES_LOOK_MS = 3_600_000;

export class FileFetcher implements WorkFiles {
  readonly #o: FileFetcherOptions;
  readonly #elapsed: () => number;
  readonly #subject: string;
  readonly #fetches: Tally;
  /** By file: those under way and those that wait for their turn. */
  readonly #wanted = new Map<string, Promise<void>>();
  /** Files that did not come: how long the last pause was, and when it ends. */
  readonly #failed = new Map<string, { pauseMs: number; untilMs: number }>();
  readonly #turns: (() => void)[] = [];
  readonly #copies: NodeJS.Timeout;
  #underWay = 0;
  #closed = false;

  constructor(options: FileFetcherOptions) {
    this.#o = options;
    this.#elapsed = options.elapsed ?? systemElapsed;
    this.#subject = filesFor(options.pop, options.edgeId);
    this.#fetches = new Tally(
      options.registry,
      'starling_files_fetched_total',
      'Files asked of control, by how it ended.',
      'outcome',
    );
    this.#copies = setInterval(() => void this.#removeCopies(), COPIES_LOOK_MS);
    this.#copies.unref();
  }

  has(fileId: string): boolean {
    if (this.#o.store.has(fileId)) return true;
    void this.#want(fileId);
    return false;
  }

  uploaded(actionId: string): UploadedFile | null {
    return this.#o.store.uploaded(actionId);
  }

  async hold(fileId: string): Promise<void> {
    if (!this.has(fileId)) await settledWithin(LIMITS.fileFetchHoldMs, this.#want(fileId));
  }

  /** What is under way is not waited for: what came of it is on the disk, and the next start goes on there. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#copies);
    for (const go of this.#turns.splice(0)) go();
  }

  #want(fileId: string): Promise<void> {
    const known = this.#wanted.get(fileId);
    if (known !== undefined) return known;
    const failed = this.#failed.get(fileId);
    const isTooEarly = failed !== undefined && failed.untilMs > this.#elapsed();
    if (this.#closed || isTooEarly || this.#wanted.size >= LIMITS.fileFetchesWaitingMax) return Promise.resolve();
    const fetched = this.#fetch(fileId).finally(() => this.#wanted.delete(fileId));
    this.#wanted.set(fileId, fetched);
    return fetched;
  }

  async #fetch(fileId: string): Promise<void> {
    const { questions, store, log } = this.#o;
    if (this.#underWay >= LIMITS.fileFetchesMax) await new Promise<void>((go) => this.#turns.push(go));
    if (this.#closed) return;
    this.#underWay++;
    try {
      await fetchFile(questions, this.#subject, fileId, store);
      this.#fetches.inc('fetched');
      this.#failed.delete(fileId);
      log.info({ fileId }, 'a file was fetched');
    } catch (error) {
      this.#fetches.inc('failed');
      this.#pause(fileId);
      log.warn({ err: error, fileId }, 'a file did not come; it is asked for again while work waits for it');
    } finally {
      this.#underWay--;
      this.#turns.shift()?.();
    }
  }

  #pause(fileId: string): void {
    const pauseMs = Math.min(
      (this.#failed.get(fileId)?.pauseMs ?? LIMITS.fileFetchBackoffMsMin / 2) * 2,
      LIMITS.fileFetchBackoffMsMax,
    );
    // Only the latest ones are remembered: the others are asked for a little early.
    if (this.#failed.size >= LIMITS.fileFetchesWaitingMax) this.#failed.delete(this.#failed.keys().next().value!);
    this.#failed.set(fileId, { pauseMs, untilMs: this.#elapsed() + pauseMs });
  }

  async #removeCopies(): Promise<void> {
    const { store, log, clock } = this.#o;
    try {
      const removed = await store.removeCopies(clock.now() - COPY_LIFE_MS);
      if (removed > 0) log.info({ removed }, 'old copies of files were removed');
    } catch (error) {
      log.warn({ err: error }, 'old copies of files could not be removed');
    }
  }
}
