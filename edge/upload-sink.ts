// Takes an upload from a source that cannot wait (socket callbacks) to a disk that must be waited for: a short queue between them, and a
// signal to pause the source when it fills. Limits, hash and durability are those of PendingFile.

import { LIMITS } from '../base/limits.ts';
import { type FileDetails, type FileMeta, isDiskFull, type PendingFile } from './files.ts';

export interface UploadFailure {
  /** HTTP status of the answer. */
  status: 413 | 500 | 507;
  /** For the CPE and its owner. */
  text: string;
  /** For the log, when it is our own mistake. */
  cause?: unknown;
}

export type UploadResult =
  | { type: 'stored'; meta: FileMeta }
  | { type: 'failed'; failure: UploadFailure }
  | { type: 'aborted' };

const TOO_LARGE: UploadFailure = { status: 413, text: `The file is larger than ${LIMITS.fileBytesMax} bytes.` };
const DISK_FULL: UploadFailure = { status: 507, text: 'There is no room for this file. Try again later.' };

export class UploadSink {
  readonly #file: Promise<PendingFile>;
  readonly #onChange: () => void;
  #queue: Uint8Array[] = [];
  #heldBytes = 0;
  #phase: 'open' | 'aborted' = 'open';
  #failure: UploadFailure | null = null;
  /** The end of all writes queued so far. */
  #written: Promise<void> = Promise.resolve();
  #writing = false;

  /**
   * @param file being opened; chunks may come before it is. @param onChange called when the source may go on, and when it may stop for
   * good because of a failure.
   */
  constructor(file: Promise<PendingFile>, onChange: () => void) {
    this.#file = file;
    this.#onChange = onChange;
    // Met again, and handled, by the first write or by finish.
    file.catch(() => {});
  }

  /** Takes a chunk, which must not change afterwards. After a failure or abort chunks are dropped. */
  push(chunk: Uint8Array): void {
    if (this.#phase === 'aborted' || this.#failure !== null || chunk.byteLength === 0) return;
    this.#queue.push(chunk);
    this.#heldBytes += chunk.byteLength;
    if (!this.#writing) this.#written = this.#write();
  }

  /** True while the source should pause. */
  get full(): boolean {
    return this.#heldBytes > LIMITS.uploadHeldBytesMax;
  }

  get failure(): UploadFailure | null {
    return this.#failure;
  }

  /** The last chunk was pushed: waits for the disk and makes the file visible. */
  async finish(details: FileDetails): Promise<UploadResult> {
    await this.#written;
    if (this.#phase === 'aborted') return { type: 'aborted' };
    try {
      const file = await this.#file;
      if (this.#failure === null) return { type: 'stored', meta: await file.commit(details) };
    } catch (error) {
      this.#failure = isDiskFull(error) ? DISK_FULL : ourMistake(error);
    }
    await this.#discard();
    return { type: 'failed', failure: this.#failure };
  }

  /** The source is gone: removes what came. */
  async abort(): Promise<void> {
    this.#phase = 'aborted';
    this.#queue = [];
    await this.#written;
    await this.#discard();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      const file = await this.#file;
      for (let chunk = this.#queue.shift(); chunk !== undefined; chunk = this.#queue.shift()) {
        const outcome = await file.write(chunk);
        const wasFull = this.full;
        this.#heldBytes -= chunk.byteLength;
        if (outcome !== 'ok') this.#fail(outcome === 'too-large' ? TOO_LARGE : DISK_FULL);
        else if (wasFull && !this.full) this.#onChange();
      }
    } catch (error) {
      this.#fail(isDiskFull(error) ? DISK_FULL : ourMistake(error));
    } finally {
      this.#writing = false;
    }
  }

  #fail(failure: UploadFailure): void {
    this.#failure = failure;
    this.#queue = [];
    this.#heldBytes = 0;
    this.#onChange();
  }

  async #discard(): Promise<void> {
    const file = await this.#file.catch(() => null);
    await file?.discard();
  }
}

function ourMistake(cause: unknown): UploadFailure {
  return { status: 500, text: 'The file could not be stored. Try again later.', cause };
}
