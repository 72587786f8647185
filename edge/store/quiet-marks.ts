// Quiet marks: of a CPE whose last Inform taught nothing, a fingerprint of that Inform and how it was answered. A mark says as much as it
// holds: by being there it says that the CPE has no work, no session that is not quiet, and no news. So whoever writes any of these
// takes the mark away in the same transaction, and one is only set where there is none of them, which the transaction that sets it
// looks at itself. An Inform that equals its mark needs no other read.
//
//   quiet        cpeId                bytes that edge/quiet-informs.ts knows the meaning of

import type { Database } from 'lmdb';
import type { Environment } from './environment.ts';
import { Table } from './table.ts';

export class QuietMarks {
  readonly #environment: Environment;
  readonly #marks: Table<Buffer>;
  /** CPE whose mark was removed last in this microtask; null: none was. */
  #lastRemoved: string | null = null;
  readonly #forget = (): void => {
    this.#lastRemoved = null;
  };
  readonly #blockers: readonly Database<unknown, string>[];

  /** @param blockers databases by cpeId; an entry in one of them is news. */
  constructor(environment: Environment, blockers: readonly Database<unknown, string>[]) {
    this.#environment = environment;
    this.#marks = new Table(environment, 'quiet', { encoding: 'binary' });
    this.#blockers = blockers;
  }

  /** The mark, valid until the next read of anything; undefined when there is none. */
  get(cpeId: string): Uint8Array | undefined {
    this.#environment.refresh();
    return this.#marks.bytes(cpeId);
  }

  /** Sets a mark unless there is news. Nobody waits for it, and until it is committed it is not seen. */
  set(cpeId: string, mark: Buffer): void {
    // What is written after this in the same microtask has a mark to take away again.
    if (cpeId === this.#lastRemoved) this.#lastRemoved = null;
    const { direct } = this.#marks;
    const put = (): unknown => direct.put(cpeId, mark);
    const guarded = this.#blockers.reduceRight(
      (write, blocker) => () => blocker.ifNoExists(cpeId, write as () => void),
      put,
    );
    this.#environment.committed(guarded() as Promise<boolean>);
  }

  /** In the transaction of what is written with it. */
  remove(cpeId: string): void {
    // Several writes of one device usually come together, and the turn of the loop they come in is one transaction.
    if (cpeId === this.#lastRemoved) return;
    if (this.#lastRemoved === null) queueMicrotask(this.#forget);
    this.#lastRemoved = cpeId;
    void this.#marks.remove(cpeId);
  }

  /** The same inside a transaction, or in the callback of a conditional write. */
  removeInside(cpeId: string): void {
    void this.#marks.direct.remove(cpeId);
  }
}
