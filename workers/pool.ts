// The pool for work that would keep a session thread's other CPEs waiting; the one door to piscina. No thread exists until the first task
// comes. What a task is, its entry file knows.

import { Piscina } from 'piscina';
import { type EntryName, entryUrl } from '../base/entries.ts';
import { LIMITS } from '../base/limits.ts';

export interface PoolBounds {
  /** Tasks with bytes that may run or wait, and their bytes. Tasks without bytes are the owner's own, and always taken. */
  tasks: number;
  bytes: number;
  /** Tasks that run at once: each holds what it made of its bytes while it waits for the disk. */
  atOnce: number;
}

export class TaskPool<Task extends object, Result> {
  readonly #entry: EntryName;
  readonly #workerData: unknown;
  readonly #bounds: PoolBounds;
  #pool: Piscina<Task, Result> | null = null;
  #tasks = 0;
  #bytes = 0;

  /** @param workerData what the thread of the pool is born with; it is cloned. */
  constructor(entry: EntryName, workerData: unknown, bounds: PoolBounds) {
    this.#entry = entry;
    this.#workerData = workerData;
    this.#bounds = bounds;
  }

  /** True once a task has come. */
  get isStarted(): boolean {
    return this.#pool !== null;
  }

  /** Tasks with bytes that run or wait, and their bytes. */
  get load(): { tasks: number; bytes: number } {
    return { tasks: this.#tasks, bytes: this.#bytes };
  }

  /**
   * Runs a task in the pool's one thread, after those before it. `moved` is moved, not copied: it is empty here afterwards, so it must own
   * its memory.
   * @returns null when the queue is full.
   */
  run(task: Task, moved: ArrayBuffer | null): Promise<Result> | null {
    const bytes = moved?.byteLength ?? 0;
    const isFull = this.#tasks >= this.#bounds.tasks || this.#bytes + bytes > this.#bounds.bytes;
    if (moved !== null && isFull) return null;
    this.#pool ??= new Piscina<Task, Result>({
      filename: entryUrl(this.#entry).href,
      workerData: this.#workerData,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: this.#bounds.atOnce,
      resourceLimits: { maxYoungGenerationSizeMb: LIMITS.poolThreadYoungMb },
      // A thread that sleeps between tasks runs no timers, and its writes would wait for the next task.
      atomics: 'disabled',
      maxQueue: Number.POSITIVE_INFINITY,
    });
    const counted = moved === null ? 0 : 1;
    this.#tasks += counted;
    this.#bytes += bytes;
    const done = (): void => {
      this.#tasks -= counted;
      this.#bytes -= bytes;
    };
    const result = this.#pool.run(task, moved === null ? {} : { transferList: [moved] });
    result.then(done, done);
    return result;
  }

  /** Ends the thread when it has done what it was given. */
  async close(): Promise<void> {
    await this.#pool?.close();
    this.#pool = null;
  }
}
