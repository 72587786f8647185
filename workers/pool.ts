// The pool for CPU work that would keep a session thread's other CPEs waiting; the one door to piscina. A session thread opens its own; no
// thread exists until the first big document that needs the second reader comes, and it goes again when none has come for a while.

import { Piscina } from 'piscina';
import { entryUrl } from '../base/entries.ts';
import { LIMITS } from '../base/limits.ts';
import type { Read } from '../cwmp/read.ts';
import type { ReadTask } from './read-task.ts';

const IDLE_MS = 30_000;

export class ReadPool {
  #pool: Piscina<ReadTask, Read> | null = null;

  /**
   * Reads a document elsewhere. `bytes` is moved, not copied: it is empty here afterwards, so it must own its memory.
   * @returns null when the queue is full: the CPE is told to come again.
   */
  async read(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<Read | null> {
    this.#pool ??= new Piscina<ReadTask, Read>({
      filename: entryUrl('pool-worker').href,
      minThreads: 0,
      maxThreads: 1,
      maxQueue: LIMITS.poolQueueMax,
      idleTimeout: IDLE_MS,
    });
    if (this.#pool.queueSize >= LIMITS.poolQueueMax) return null;
    return this.#pool.run({ bytes, contentType }, { transferList: [bytes.buffer] });
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
    this.#pool = null;
  }
}
