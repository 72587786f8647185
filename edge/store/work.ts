// Open actions of devices, written by two hands at once: the relay hands over, replaces, cancels and expires; a session thread runs. Every
// write of a thread is therefore conditional on the generation it knows, and the relay decides inside transactions.
//
//   work      cpeId/actionId           the record; its LMDB version is the generation
//   index     cpeId → actionIds        so that "has it work?" is one look-up on the quiet path
//   due       [time, cpeId, actionId]  when to look again. An entry may be old: it counts only if its record says so too
//   ended     cpeId/actionId           generation of work that is over, kept until its deadline: control hands over again what it was
//                                      interrupted in handing over, and an action must not run a second time for that

import type { Database } from 'lmdb';
import { LIMITS } from '../../base/limits.ts';
import type { Environment } from './environment.ts';
import { openWorkIndex, type Stamps } from './stamps.ts';
import type { WorkRecord } from './store.ts';

type DueKey = [timeMs: number, cpeId: string, actionId: string];

const NONE: WorkRecord[] = [];

/** The next time something is to be done about a record without the CPE's doing. */
function dueAt(record: WorkRecord): number {
  return record.phase === 'waiting' ? Math.min(record.untilMs, record.work.expiresAt) : record.work.expiresAt;
}

const keyOf = (cpeId: string, actionId: string): string => `${cpeId}/${actionId}`;

export class WorkTable {
  readonly #environment: Environment;
  readonly #records: Database<WorkRecord, string>;
  readonly #index: Database<string, string>;
  readonly #stamps: Stamps;
  readonly #due: Database<1, DueKey>;
  readonly #ended: Database<[generation: number, untilMs: number], string>;
  /** This thread's writes that are not committed yet, by device and action; null: removed. */
  readonly #pending = new Map<string, Map<string, WorkRecord | null>>();

  constructor(environment: Environment, stamps: Stamps) {
    this.#environment = environment;
    this.#stamps = stamps;
    this.#records = environment.sealed<WorkRecord>('work', { useVersions: true });
    this.#index = openWorkIndex(environment);
    this.#due = environment.database<1, DueKey>('due', {});
    this.#ended = environment.database<[number, number]>('ended', {});
  }

  has(cpeId: string): boolean {
    this.#environment.refresh();
    if (this.#pending.size > 0 && this.#pending.has(cpeId)) return this.of(cpeId).length > 0;
    return this.#index.doesExist(cpeId);
  }

  /** Highest priority first, then oldest. */
  of(cpeId: string): WorkRecord[] {
    this.#environment.refresh();
    const pending = this.#pending.get(cpeId);
    if (pending === undefined && !this.#index.doesExist(cpeId)) return NONE;
    const records: WorkRecord[] = [];
    // '0' follows '/'.
    for (const { value } of this.#records.getRange({ start: `${cpeId}/`, end: `${cpeId}0` })) {
      if (!pending?.has(value.work.actionId)) records.push(value);
    }
    if (pending !== undefined) for (const record of pending.values()) if (record !== null) records.push(record);
    return records.sort(
      (a, b) =>
        b.work.priority - a.work.priority ||
        a.work.createdAt - b.work.createdAt ||
        (a.work.actionId < b.work.actionId ? -1 : 1),
    );
  }

  /** See EdgeStore.putWork. */
  put(record: WorkRecord): Promise<boolean> {
    const { cpeId, actionId, generation } = record.work;
    const before = this.#known(cpeId, actionId);
    const begun = record.state !== undefined;
    if (begun ? before?.work.generation !== generation : before !== undefined && before.work.generation > generation) {
      return Promise.resolve(false);
    }
    const key = keyOf(cpeId, actionId);
    const write = (): void => this.#write(record, before);
    const written =
      before === undefined
        ? this.#records.ifNoExists(key, write)
        : this.#records.ifVersion(key, before.work.generation, write);
    return this.#follow(cpeId, actionId, record, written);
  }

  async remove(cpeId: string, actionId: string): Promise<void> {
    const before = this.#known(cpeId, actionId);
    if (before === undefined) return;
    const erase = (): void => this.#erase(before);
    await this.#follow(
      cpeId,
      actionId,
      null,
      this.#records.ifVersion(keyOf(cpeId, actionId), before.work.generation, erase),
    );
  }

  /**
   * Records that have expired or whose wait is over, the longest due first. Each is handed out again only after storeDueAgainMs, so that
   * a CPE which does not come does not hide the others.
   */
  due(nowMs: number, limit: number): WorkRecord[] {
    this.#environment.refresh();
    const due: WorkRecord[] = [];
    const entries = [...this.#due.getKeys({ end: [nowMs + 1, '', ''], limit })];
    for (const key of entries) {
      this.#environment.committed(this.#due.remove(key));
      const record = this.#records.get(keyOf(key[1], key[2]));
      // After its deadline nobody hands it over again.
      if (record === undefined) this.#forgetEnded(keyOf(key[1], key[2]), nowMs);
      // The record moved on and has an entry of its own, or it is gone.
      if (record === undefined || dueAt(record) > nowMs) continue;
      this.#environment.committed(this.#due.put([nowMs + LIMITS.storeDueAgainMs, key[1], key[2]], 1));
      due.push(record);
    }
    return due;
  }

  // ── Inside a transaction: the newest of everything, no conditions ───────────────────────────────────────────────────────

  getInside(cpeId: string, actionId: string): WorkRecord | undefined {
    return this.#records.get(keyOf(cpeId, actionId));
  }

  /** Generation of this action that has ended here; 0 when none has, or its deadline is past. */
  endedInside(cpeId: string, actionId: string): number {
    return this.#ended.get(keyOf(cpeId, actionId))?.[0] ?? 0;
  }

  putInside(record: WorkRecord): void {
    this.#write(record, this.getInside(record.work.cpeId, record.work.actionId));
  }

  removeInside(cpeId: string, actionId: string): void {
    const before = this.getInside(cpeId, actionId);
    if (before !== undefined) this.#erase(before);
  }

  #known(cpeId: string, actionId: string): WorkRecord | undefined {
    const pending = this.#pending.get(cpeId)?.get(actionId);
    if (pending !== undefined) return pending ?? undefined;
    this.#environment.refresh();
    return this.#records.get(keyOf(cpeId, actionId));
  }

  #write(record: WorkRecord, before: WorkRecord | undefined): void {
    const { cpeId, actionId, generation } = record.work;
    this.#records.put(keyOf(cpeId, actionId), record, generation);
    // Nobody has read it yet, so whoever reads this number before may still find nothing.
    this.#stamps.opened(cpeId);
    if (before === undefined) this.#index.put(cpeId, actionId);
    const due = dueAt(record);
    if (before !== undefined) {
      if (dueAt(before) === due) return;
      this.#due.remove([dueAt(before), cpeId, actionId]);
    }
    this.#due.put([due, cpeId, actionId], 1);
  }

  #forgetEnded(key: string, nowMs: number): void {
    const untilMs = this.#ended.get(key)?.[1];
    if (untilMs !== undefined && untilMs <= nowMs) this.#environment.committed(this.#ended.remove(key));
  }

  #erase(record: WorkRecord): void {
    const { cpeId, actionId, generation, expiresAt } = record.work;
    this.#records.remove(keyOf(cpeId, actionId));
    this.#index.remove(cpeId, actionId);
    this.#due.remove([dueAt(record), cpeId, actionId]);
    this.#ended.put(keyOf(cpeId, actionId), [generation, expiresAt]);
    this.#due.put([expiresAt, cpeId, actionId], 1);
  }

  /** Lays a conditional write over what is read, until it is committed or its condition did not hold. */
  #follow(cpeId: string, actionId: string, record: WorkRecord | null, written: Promise<boolean>): Promise<boolean> {
    let pending = this.#pending.get(cpeId);
    if (pending === undefined) {
      pending = new Map();
      this.#pending.set(cpeId, pending);
    }
    const mine = pending;
    mine.set(actionId, record);
    const settled = (): void => {
      if (mine.get(actionId) === record) mine.delete(actionId);
      if (mine.size === 0 && this.#pending.get(cpeId) === mine) this.#pending.delete(cpeId);
    };
    const outcome = this.#environment.committed(written);
    outcome.then(settled, settled);
    return outcome;
  }
}
