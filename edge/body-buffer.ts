// One body as it arrives, in one piece of memory that grows with what came: a megabyte in thirty pieces is copied little more than once.
// What was only announced is never taken, but it says where to stop growing. Memory that was outgrown is garbage that makes V8 mark the
// whole heap after some 20 MB of it, so it grows in few and large steps.

import { LIMITS } from '../base/limits.ts';

/** From the second piece on, memory grows to this many times what has arrived; the first lies in as much as it needs, for it may wait. */
const GROWTH = 8;

export class BodyBuffer {
  /** −1 when nothing was announced, or nothing that can be true. */
  readonly #announced: number;
  #memory: Buffer | null = null;
  #length = 0;

  /** @param announced Content-Length; −1 when absent. */
  constructor(announced: number) {
    this.#announced = Number.isSafeInteger(announced) ? announced : -1;
  }

  /** What it counts for against LIMITS.bodyBytesHeldMax. */
  get cost(): number {
    return this.#memory === null ? 0 : this.#memory.length + LIMITS.bodyCostBytes;
  }

  /** What it will count for once `more` bytes are added. */
  costWith(more: number): number {
    return this.#sizeFor(this.#length + more) + LIMITS.bodyCostBytes;
  }

  /** Copies a piece to the end. */
  add(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    const size = this.#sizeFor(length);
    let memory = this.#memory;
    if (memory === null || memory.length < size) {
      // Its own, never a part of Node's pool: it may be given to another thread.
      memory = Buffer.allocUnsafeSlow(size);
      this.#memory?.copy(memory, 0, 0, this.#length);
      this.#memory = memory;
    }
    memory.set(piece, this.#length);
    this.#length = length;
  }

  /** All that arrived, in memory of its own. */
  whole(): Buffer {
    return this.#memory === null ? Buffer.alloc(0) : this.#memory.subarray(0, this.#length);
  }

  #sizeFor(length: number): number {
    if (this.#memory === null) return length;
    if (length <= this.#memory.length) return this.#memory.length;
    const size = length * GROWTH;
    return this.#announced >= length ? Math.min(size, this.#announced) : size;
  }
}
