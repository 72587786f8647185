// Facts that are on their way: published, and still in the outbox because control has not said that it took them. What a hub has stored may
// be lost with its disk; what control has taken is in its database. A few batches at a time, so that the queue of a centre that is away or
// slow is the outbox, where the next batch grows meanwhile: a control that is slow gets large ones.

import { LIMITS } from '../base/limits.ts';
import type { LanePlace } from '../bus/messages.ts';
import type { FactRecord } from './store/store.ts';

type Out = Omit<FactRecord, 'text'> & { isTaken: boolean; storedMs: number; batch: { left: number } };

export class FactWindow {
  /** By the first sequence, in the order they were published. */
  readonly #out = new Map<number, Out>();
  /** Per lane how far control has come. */
  readonly #marks = new Map<number, number>();
  #facts = 0;
  #batches = 0;
  #last: LanePlace | null = null;

  /** Records that are out. */
  get size(): number {
    return this.#out.size;
  }

  get facts(): number {
    return this.#facts;
  }

  get isFull(): boolean {
    return this.#batches >= LIMITS.relayWindowBatches;
  }

  /** Time of the oldest; null when nothing is out. */
  get oldestAt(): number | null {
    for (const { at } of this.#out.values()) return at;
    return null;
  }

  /** Where the last record ends that is out: what is published next comes behind it. Null when there is none. */
  get end(): LanePlace | null {
    return this.#last;
  }

  /** True for a record of the outbox that is out. */
  has(first: number): boolean {
    return this.#out.has(first);
  }

  /** One batch. @param storedMs when the hub had it. */
  add(records: readonly FactRecord[], storedMs: number): void {
    const batch = { left: records.length };
    if (batch.left > 0) this.#batches++;
    for (const { text: _, ...record } of records) {
      this.#out.set(record.first, { ...record, isTaken: false, storedMs, batch });
      this.#facts += record.count;
      this.#last = { lane: record.lane, sequence: record.last };
    }
  }

  /** Control says how far it has come. That may be heard before it is known that the hub has what was published last. */
  mark(marks: readonly (readonly [lane: number, sequence: number])[]): void {
    for (const [lane, sequence] of marks) this.#marks.set(lane, Math.max(sequence, this.#marks.get(lane) ?? -1));
  }

  /** Those that control has by now and had not when this was asked before: they are to be removed from the outbox, and then `drop`ped. */
  taken(): Out[] {
    const taken = [...this.#out.values()].filter(
      ({ lane, last, isTaken }) => !isTaken && last <= (this.#marks.get(lane) ?? -1),
    );
    for (const record of taken) record.isTaken = true;
    return taken;
  }

  /** True when there is one that the hub had by then, and control has not. */
  isBehind(storedMs: number): boolean {
    for (const record of this.#out.values()) if (!record.isTaken) return record.storedMs <= storedMs;
    return false;
  }

  /** They are out of the outbox. */
  drop(records: readonly Out[]): void {
    for (const record of records) this.#remove(record);
  }

  /** Could not be removed from the outbox: they count as out until control says again that it has them. */
  keep(records: readonly Out[]): void {
    for (const record of records) record.isTaken = false;
  }

  /** What control has not taken is to be published again. */
  reset(): void {
    for (const record of [...this.#out.values()]) if (!record.isTaken) this.#remove(record);
    this.#last = null;
  }

  #remove(record: Out): void {
    if (this.#out.get(record.first) !== record) return;
    this.#out.delete(record.first);
    this.#facts -= record.count;
    if (--record.batch.left === 0) this.#batches--;
    // What ends there is taken, and with it what was published before.
    if (this.#last?.lane === record.lane && this.#last.sequence === record.last) this.#last = null;
  }
}
