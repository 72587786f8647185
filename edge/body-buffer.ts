// One body as it arrives, in one piece of memory that grows with what came: a megabyte in thirty pieces is copied one and a third times.
// What was only announced is never taken, but it says where to stop growing.

import { LIMITS } from '../base/limits.ts';

/** Memory grows to this many times what has arrived: at 4, all moves together copy a third of the body once more. */
const GROWTH = 4;
/** Of a first piece that is a few bytes long. */
const BYTES_MIN = 256;

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
    const held = this.#memory?.length ?? 0;
    if (length <= held) return held;
    const size = Math.max(length * GROWTH, BYTES_MIN);
    return this.#announced >= length ? Math.min(size, this.#announced) : size;
  }
}
