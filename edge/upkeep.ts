// What must happen although no CPE comes: sessions that went silent are ended, work whose deadline or wait is over is ended or its CPE woken,
// and the disk is looked at. One round at a time; each bounded. What becomes of work is the planner's to say.

import type { Clock } from '../base/clock.ts';
import { newId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { ActionResult } from '../bus/messages.ts';
import { versionNamed } from '../cwmp/versions.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import { isOurs } from './claims/claim.ts';
import type { Claims } from './claims/claims.ts';
import type { WorkFiles } from './file-fetcher.ts';
import type { Waker } from './http-waker.ts';
import { interrupt, overdue } from './planner.ts';
import {
  type EdgeTransaction,
  isExpired,
  type RelayStore,
  type SessionRecord,
  type WorkRecord,
} from './store/store.ts';
import type { TaskContext } from './tasks/task.ts';

export interface UpkeepOptions {
  store: RelayStore;
  waker: Waker;
  profiles: ProfileChooser;
  /** Null where no claims are needed. */
  claims: Claims | null;
  log: Log;
  clock: Clock;
  files: WorkFiles;
}

interface Wake {
  cpeId: string;
  why: string;
}

/** What came of work that was due. */
interface Settled {
  wakes: Wake[];
  ended: { record: WorkRecord; result: ActionResult }[];
}

export class Upkeep {
  readonly #o: UpkeepOptions;

  constructor(options: UpkeepOptions) {
    this.#o = options;
  }

  /** One round. Rejects with StoreError when the store cannot be written; the next round tries again. */
  async round(): Promise<void> {
    const { store } = this.#o;
    await store.checkDisk();
    const refusing = store.refusing();
    if (refusing === 'disk-full' || refusing === 'broken') return;
    await this.#endSilentSessions();
    await this.#settleDueWork();
  }

  /** A session without a POST for its timeout has failed (CWMP S9): what it had in flight is of unknown outcome. */
  async #endSilentSessions(): Promise<void> {
    const { store, clock, waker } = this.#o;
    const nowMs = clock.now();
    const silent = store.expiredSessions(nowMs, LIMITS.relayDueMax);
    if (silent.length === 0) return;
    const wakes = await store.transact((transaction) => {
      const broken: Wake[] = [];
      for (const { cpeId, record } of silent) {
        // The CPE may have POSTed since we looked.
        const current = transaction.getSession(cpeId);
        if (current === undefined || current.sessionId !== record.sessionId || !isExpired(current, nowMs)) continue;
        if (this.#endSession(transaction, cpeId, current, nowMs)) {
          broken.push({ cpeId, why: 'its session broke off with work under way' });
        }
      }
      return broken;
    });
    // Free for the session in which the CPE comes back, here or elsewhere.
    for (const { cpeId, record } of silent) this.#o.claims?.release(cpeId, record.claimToken);
    for (const { cpeId, why } of wakes) waker.wake(cpeId, why);
  }

  /** True when it had work in flight. */
  #endSession(transaction: EdgeTransaction, cpeId: string, session: SessionRecord, nowMs: number): boolean {
    transaction.removeSession(cpeId);
    if (session.session.phase === 'ended') return false;
    const { sessionId, startedAt, rpcs, actionId } = session;
    const body = {
      cpeId,
      sessionId,
      why: 'timeout',
      ok: false,
      startedAt,
      endedAt: session.lastAt + session.timeoutMs,
      rpcs,
    };
    transaction.appendFacts([{ type: 'session', body }], nowMs);
    const record = actionId === null ? undefined : transaction.getWork(cpeId, actionId);
    if (record === undefined || !record.inFlight) return false;
    return this.#guarded(record, false, () => {
      transaction.putWork(interrupt(record, this.#context(cpeId, nowMs)));
      return true;
    });
  }

  async #settleDueWork(): Promise<void> {
    const { store, clock, waker, claims } = this.#o;
    const due = store.dueWork(clock.now(), LIMITS.relayDueMax);
    if (due.length === 0) return;
    const token = claims === null ? '' : newId();
    // Another edge may have it, or know how it ended.
    if (claims !== null) {
      await Promise.all(due.map(({ work: { cpeId, actionId } }) => claims.take(cpeId, token, actionId)));
    }
    const nowMs = clock.now();
    const settled = await store.transact((transaction) => {
      const done: Settled = { wakes: [], ended: [] };
      for (const record of due) done.wakes.push(...this.#settle(transaction, record, token, nowMs, done.ended));
      return done;
    });
    for (const { record, result } of settled.ended) {
      const { cpeId, actionId, generation } = record.work;
      claims?.over(cpeId, actionId, generation, { outcome: result.outcome, why: result.why });
    }
    for (const { work } of due) claims?.release(work.cpeId, token);
    for (const { cpeId, why } of settled.wakes) waker.wake(cpeId, why);
  }

  /** @param ended gets what ended. Returns the CPE when only a session helps. */
  #settle(
    transaction: EdgeTransaction,
    { work: { cpeId, actionId } }: WorkRecord,
    token: string,
    nowMs: number,
    ended: Settled['ended'],
  ): Wake[] {
    const record = transaction.getWork(cpeId, actionId);
    if (record === undefined || !isOurs(record, token)) return [];
    // A session that is open looks after its own work.
    const session = transaction.getSession(cpeId);
    if (session !== undefined && !isExpired(session, nowMs)) return [];
    return this.#guarded<Wake[]>(record, [], () => {
      const context = this.#context(cpeId, nowMs);
      // Without a session nothing can be in flight: one was lost with it.
      const settled = interrupt(record, context);
      const next = overdue(settled, context);
      switch (next.type) {
        case 'ended':
          transaction.removeWork(cpeId, actionId);
          transaction.appendFacts(next.facts, nowMs);
          ended.push({ record, result: next.result });
          return [];
        case 'waiting':
          transaction.putWork(next.record);
          return [];
        case 'needs-session':
          if (settled !== record) transaction.putWork(settled);
          return [{ cpeId, why: `its ${record.work.kind} is due` }];
      }
    });
  }

  /** One record whose task fails must not keep the others of the round, for ever, from being looked at. */
  #guarded<T>(record: WorkRecord, otherwise: T, run: () => T): T {
    try {
      return run();
    } catch (error) {
      const { cpeId, actionId, kind } = record.work;
      this.#o.log.error(
        { err: error, cpeId, actionId, kind },
        'a task failed between sessions; its work stays as it is',
      );
      return otherwise;
    }
  }

  /** What a task may know between sessions. Nothing is sent from here, so nobody follows these URLs. */
  #context(cpeId: string, nowMs: number): TaskContext {
    const { store, profiles } = this.#o;
    const cpe = store.getDevice(cpeId)?.cpe;
    return {
      nowMs,
      profile: profiles.byId(cpe?.profile ?? ''),
      root: cpe?.root ?? '',
      version: versionNamed(cpe?.version ?? ''),
      known: (path) => store.knownParameter(cpeId, path),
      downloadUrl: () => '',
      uploadUrl: () => '',
      files: this.#o.files,
    };
  }
}
