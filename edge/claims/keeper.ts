// Holds the claims of this edge in the bucket of its POP: reads, decides (claim.ts), writes over what it read, and puts into the store what
// another edge had come to. Runs on the main thread; what is asked about one CPE is done one after the other. It knows nothing of sessions
// but the tokens they claim under, and runs no work.
//
// What is held is remembered while it is held: a later question of the same session costs no trip. A session's end frees all of it, because the
// CPE's next session, with the event that its work waits for, may come to another edge.

import { randomUUID } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { Clock } from '../../base/clock.ts';
import type { CpeId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import { gauge, Tally } from '../../base/metrics.ts';
import { settledWithin, systemTimers, type Timers } from '../../base/timers.ts';
import type { Bucket } from '../../bus/transport.ts';
import type { EdgeTransaction, RelayStore, WorkRecord } from '../store/store.ts';
import { emptyResult } from '../tasks/task.ts';
import {
  type Claim,
  type Ended,
  ended,
  goOnWith,
  type Holder,
  kept,
  type Progress,
  parked,
  readClaim,
  type Wish,
  wish,
} from './claim.ts';
import type { Claims, Taken } from './claims.ts';
import { OwnLease, Pulses, steadyMs } from './lease.ts';

export interface KeeperOptions {
  bucket: Bucket;
  store: Pick<RelayStore, 'workOf' | 'getSession' | 'transact' | 'flushed'>;
  me: Holder;
  clock: Clock;
  timers?: Timers;
  /** Rises steadily; see lease.ts. */
  now?: () => number;
  log: Log;
  registry: Registry;
}

/** A claim of this edge. */
interface Held {
  cpeId: CpeId;
  token: string;
  claim: Claim;
  revision: number;
  sinceMs: number;
}

/** An action as it was looked at: held already, not to be seen, or what may be done about it and over which revision. */
type Look = { type: 'mine' } | { type: 'away' } | { type: 'seen'; revision: number; wish: Wish };

/** What came of it. `progress` is null where the store knows it already. */
type Outcome =
  | { type: 'taken'; progress: Progress | null; fence: number }
  | { type: 'held' }
  | { type: 'over'; ended: Ended; tell: boolean }
  | { type: 'away' };

/** What this edge owes to a claim, because it could not be written when it was due. */
type Owed = { cpeId: CpeId; end: { generation: number; ended: Ended } | null };

interface Sign {
  incarnation: number;
  /** One for each start of the program: two edges that call themselves the same are told from one that was started anew. */
  start: string;
}

const keyOf = (actionId: string): string => `action.${actionId}`;
const signOf = (edgeId: string): string => `edge.${edgeId}`;

export class ClaimKeeper implements Claims {
  readonly #o: KeeperOptions;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #start = randomUUID();
  readonly #lease = new OwnLease();
  readonly #pulses = new Pulses();
  /** By action. */
  readonly #held = new Map<string, Held>();
  readonly #owed = new Map<string, Owed>();
  /** The last thing that is being done about a CPE: the next one waits for it. */
  readonly #turns = new Map<CpeId, Promise<unknown>>();
  readonly #counts: Tally;
  #signRevision = 0;
  /** Since when the bucket does not answer; null while it does. */
  #awaySince: number | null = null;
  /** Another process gives signs under the name of this edge. */
  #double = false;
  #cancelBeat: (() => void) | null = null;
  #beating: Promise<void> = Promise.resolve();
  /** The round under way; null between two. */
  #chores: Promise<void> | null = null;
  #closing = false;

  constructor(options: KeeperOptions) {
    this.#o = options;
    this.#timers = options.timers ?? systemTimers;
    this.#now = options.now ?? steadyMs;
    const { registry } = options;
    this.#counts = new Tally(registry, 'starling_claims_total', 'Claims on work asked for, by outcome.', 'outcome');
    gauge(registry, 'starling_claims_held', 'Actions this edge holds a claim on.', () => this.#held.size);
    gauge(registry, 'starling_claims_owed', 'Claims that could not be written yet.', () => this.#owed.size);
  }

  /** Gives the first sign, and goes on giving them. Resolves when it is there, or could not be given: work is left alone until it is. */
  async start(): Promise<void> {
    await this.#beat();
    this.#beatLater();
  }

  /** True while this edge holds a claim on it. */
  holds(actionId: string): boolean {
    return this.#held.has(actionId);
  }

  take(cpeId: CpeId, token: string, actionId?: string): Promise<Taken> {
    return this.#inTurn(cpeId, () => this.#take(cpeId, token, actionId), 'away');
  }

  isBegunElsewhere(cpeId: CpeId, actionIds: readonly string[]): Promise<boolean> {
    return this.#inTurn(cpeId, () => this.#isBegunElsewhere(cpeId, actionIds), true);
  }

  keep(cpeId: CpeId, token: string, actionId: string): Promise<number> {
    return this.#inTurn(cpeId, () => this.#keep(cpeId, token, actionId), Number.NEGATIVE_INFINITY);
  }

  over(cpeId: CpeId, actionId: string, generation: number, end: Ended): void {
    void this.#inTurn(cpeId, () => this.#settle(actionId, { cpeId, end: { generation, ended: end } }), undefined);
  }

  release(cpeId: CpeId, token: string): void {
    void this.#inTurn(cpeId, () => this.#release(cpeId, token), undefined);
  }

  /** What is wrong, one sentence each, for the health page. */
  problems(): string[] {
    if (this.#double)
      return [`another edge of this POP calls itself ${this.#o.me.edgeId} too: work of CPEs is left alone`];
    if (this.#awaySince === null) return [];
    const since = new Date(this.#awaySince).toISOString();
    return [`claims on work cannot be had since ${since}, so work of CPEs is left alone: is NATS there?`];
  }

  /** Frees what is held, as far as that goes within a bound. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#cancelBeat?.();
    const freed = (async () => {
      await this.#beating;
      await this.#chores;
      await Promise.all(this.#turns.values());
      await Promise.all([...this.#held].map(([actionId, { cpeId }]) => this.#settle(actionId, { cpeId, end: null })));
    })();
    await settledWithin(LIMITS.claimAnswerMs * 2, freed, this.#timers);
  }

  // ── One CPE ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #take(cpeId: CpeId, token: string, only: string | undefined): Promise<Taken> {
    const { store } = this.#o;
    const records = store.workOf(cpeId).filter(({ work }) => only === undefined || work.actionId === only);
    if (records.length === 0) return 'all';
    const looks = await Promise.all(records.map((record) => this.#look(record)));
    // What another edge has begun may change under the rest: an instance number that is given anew while it deletes.
    const isBegunElsewhere = looks.some((look) => look.type === 'seen' && look.wish.type === 'held' && look.wish.begun);
    const outcomes: Outcome[] = [];
    for (const [i, look] of looks.entries()) {
      const outcome = await this.#settleLook(records[i]!, look, token, isBegunElsewhere);
      this.#counts.inc(outcome.type);
      outcomes.push(outcome);
    }
    await store.transact((transaction) => {
      for (const [i, outcome] of outcomes.entries()) {
        this.#record(transaction, records[i]!, outcome, token, only !== undefined);
      }
    });
    // Cancelled or replaced while we asked: nobody goes on with it here.
    const now = new Map(store.workOf(cpeId).map(({ work }) => [work.actionId, work.generation]));
    for (const { work } of records) {
      const held = this.#held.get(work.actionId);
      if (held !== undefined && now.get(work.actionId) !== held.claim.generation) await this.#free(work.actionId, held);
    }
    if (outcomes.some(({ type }) => type === 'away')) return 'away';
    return outcomes.some(({ type }) => type === 'held') ? 'some' : 'all';
  }

  async #isBegunElsewhere(cpeId: CpeId, actionIds: readonly string[]): Promise<boolean> {
    const here = new Set(this.#o.store.workOf(cpeId).map(({ work }) => work.actionId));
    for (const actionId of actionIds) {
      if (here.has(actionId)) continue;
      if (!this.#isUsable()) return true;
      try {
        const entry = await this.#o.bucket.get(keyOf(actionId));
        const claim = entry === null ? null : readClaim(entry.value);
        if (claim?.begun && claim.ended === null) return true;
      } catch (error) {
        this.#isAway(error);
        return true;
      }
    }
    return false;
  }

  async #look(record: WorkRecord): Promise<Look> {
    const { actionId, generation } = record.work;
    if (this.#held.get(actionId)?.claim.generation === generation) return { type: 'mine' };
    if (!this.#isUsable()) return { type: 'away' };
    try {
      const entry = await this.#o.bucket.get(keyOf(actionId));
      const known = entry === null ? null : readClaim(entry.value);
      if (entry !== null && known === null) {
        this.#o.log.error({ actionId }, 'a claim cannot be read here: a newer edge wrote it; its action is left alone');
        return { type: 'seen', revision: entry.revision, wish: { type: 'held', by: 'unknown', begun: true } };
      }
      const holder = known?.holder ?? null;
      if (holder !== null && holder.edgeId !== this.#o.me.edgeId) await this.#lookAt(holder.edgeId);
      const decided = wish(known, record, this.#o.me, (other) => this.#pulses.isGone(other), this.#o.clock.now());
      return { type: 'seen', revision: entry?.revision ?? 0, wish: decided };
    } catch (error) {
      this.#isAway(error);
      return { type: 'away' };
    }
  }

  async #settleLook(record: WorkRecord, first: Look, token: string, isBegunElsewhere: boolean): Promise<Outcome> {
    const { cpeId, actionId } = record.work;
    let look = first;
    for (let tries = 0; tries < LIMITS.claimTriesMax; tries++) {
      if (look.type === 'away') return look;
      if (look.type === 'mine') {
        const held = this.#held.get(actionId);
        return held === undefined ? { type: 'held' } : { type: 'taken', progress: null, fence: held.claim.fence };
      }
      const { wish: wanted, revision } = look;
      if (wanted.type === 'held') return { type: 'held' };
      if (wanted.type === 'over') return wanted;
      if (isBegunElsewhere) return { type: 'held' };
      const written = await this.#write(actionId, wanted.claim, revision);
      if (written === 'away') {
        // Perhaps it was written after all: then it is freed when somebody answers.
        this.#owed.set(actionId, { cpeId, end: null });
        return { type: 'away' };
      }
      if (written !== null) {
        if (wanted.type === 'give-up') return { type: 'over', ended: wanted.claim.ended, tell: true };
        const { claim, progress } = wanted;
        this.#held.set(actionId, { cpeId, token, claim, revision: written, sinceMs: this.#now() });
        return { type: 'taken', progress, fence: claim.fence };
      }
      look = await this.#look(record);
    }
    return { type: 'held' };
  }

  /** Puts into the store what came of asking for one action. */
  #record(transaction: EdgeTransaction, asked: WorkRecord, outcome: Outcome, token: string, isAlone: boolean): void {
    const { cpeId, actionId, generation } = asked.work;
    const current = transaction.getWork(cpeId, actionId);
    if (current === undefined || current.work.generation !== generation) return;
    switch (outcome.type) {
      case 'taken': {
        const held = this.#held.get(actionId);
        // The lease ran out in between: whoever asks next looks anew.
        if (held === undefined) return;
        // What an open session holds stays with it, when somebody asks for one action alone.
        if (isAlone && held.token !== token) return;
        held.token = token;
        const claim = { token, isHeld: true, fence: outcome.fence };
        // Newer than what was asked with: the store is written by those who run it, and nobody did meanwhile.
        const isOwn = outcome.progress === null || (asked.claim?.fence ?? 0) === outcome.fence - 1;
        transaction.putWork(isOwn ? { ...current, claim } : goOnWith(outcome.progress!, current.work, claim));
        return;
      }
      case 'held':
      case 'away':
        // So that a session does not ask at every POST.
        if (!isAlone) {
          transaction.putWork({ ...current, claim: { token, isHeld: false, fence: current.claim?.fence ?? 0 } });
        }
        return;
      case 'over': {
        transaction.removeWork(cpeId, actionId);
        if (!outcome.tell) return;
        const nowMs = this.#o.clock.now();
        const { outcome: how, why } = outcome.ended;
        const { rpcs, startedAt } = current;
        const result = {
          ...emptyResult(how, why),
          rpcs,
          startedAt: startedAt === 0 ? nowMs : startedAt,
          endedAt: nowMs,
        };
        transaction.appendFacts([{ type: 'result', body: { cpeId, actionId, generation, result } }], nowMs);
        return;
      }
    }
  }

  async #keep(cpeId: CpeId, token: string, actionId: string): Promise<number> {
    const record = this.#o.store.workOf(cpeId).find(({ work }) => work.actionId === actionId);
    const { claim: ours } = record ?? {};
    if (record === undefined || ours?.token !== token || !ours.isHeld) return this.#lost();
    const held = this.#held.get(actionId) ?? (await this.#remember(record, token));
    if (held === null || held.token !== token || held.claim.generation !== record.work.generation) return this.#lost();
    const claim = kept(held.claim, record, this.#o.clock.now());
    const written = await this.#write(actionId, claim, held.revision);
    if (typeof written !== 'number') {
      this.#held.delete(actionId);
      if (written === 'away') this.#owed.set(actionId, { cpeId, end: null });
      return this.#lost();
    }
    held.claim = claim;
    held.revision = written;
    return this.#isUsable() ? this.#lease.untilMs : this.#lost();
  }

  #lost(): number {
    this.#counts.inc('lost');
    return Number.NEGATIVE_INFINITY;
  }

  /** A claim that this edge took before it was started anew, in a session that goes on. */
  async #remember(record: WorkRecord, token: string): Promise<Held | null> {
    const { me, bucket } = this.#o;
    const { cpeId, actionId } = record.work;
    try {
      const entry = await bucket.get(keyOf(actionId));
      const claim = entry === null ? null : readClaim(entry.value);
      if (entry === null || claim?.holder?.edgeId !== me.edgeId || claim.fence !== record.claim?.fence) return null;
      const held = { cpeId, token, claim: { ...claim, holder: me }, revision: entry.revision, sinceMs: this.#now() };
      this.#held.set(actionId, held);
      return held;
    } catch (error) {
      this.#isAway(error);
      return null;
    }
  }

  async #release(cpeId: CpeId, token: string): Promise<void> {
    for (const { work, claim } of this.#o.store.workOf(cpeId)) {
      const held = this.#held.get(work.actionId);
      // Not remembered: of a session that began before this edge was started anew.
      const isOf = held === undefined ? claim?.isHeld === true && claim.token === token : held.token === token;
      if (isOf) await this.#settle(work.actionId, { cpeId, end: null });
    }
  }

  async #free(actionId: string, { cpeId }: Held): Promise<void> {
    await this.#settle(actionId, { cpeId, end: null });
  }

  /** Frees or ends the claim on one action, if it is this edge's; owed when nobody answers. */
  async #settle(actionId: string, owed: Owed): Promise<void> {
    const before = this.#held.get(actionId);
    this.#held.delete(actionId);
    // The end that is owed is not forgotten for a mere release.
    const due = owed.end === null && this.#owed.get(actionId)?.end ? this.#owed.get(actionId)! : owed;
    this.#owed.set(actionId, due);
    if (!this.#isUsable()) return;
    let held: Pick<Held, 'claim' | 'revision'> | 'away' | null = before ?? (await this.#ownClaim(actionId));
    for (let tries = 0; held !== null && tries < LIMITS.claimTriesMax; tries++) {
      if (held === 'away') return;
      const written = await this.#write(actionId, this.#settled(actionId, held.claim, due), held.revision);
      if (written === 'away') return;
      if (written !== null) break;
      held = await this.#ownClaim(actionId);
    }
    this.#owed.delete(actionId);
  }

  #settled(actionId: string, claim: Claim, { cpeId, end }: Owed): Claim {
    const nowMs = this.#o.clock.now();
    if (end !== null) return ended(claim, end.ended, end.generation, nowMs);
    const record = this.#o.store.workOf(cpeId).find(({ work }) => work.actionId === actionId);
    // Ended here without our having heard how; control has its result.
    if (record === undefined) return ended(claim, ENDED_HERE, claim.generation, nowMs);
    const isOfClaim = record.claim?.fence === claim.fence && record.work.generation === claim.generation;
    return parked(claim, isOfClaim ? record : null, nowMs);
  }

  /** The claim as it is, when it is this edge's; null when there is nothing to settle. */
  async #ownClaim(actionId: string): Promise<Pick<Held, 'claim' | 'revision'> | 'away' | null> {
    try {
      const entry = await this.#o.bucket.get(keyOf(actionId));
      const claim = entry === null ? null : readClaim(entry.value);
      if (entry === null || claim?.holder?.edgeId !== this.#o.me.edgeId) return null;
      return { claim, revision: entry.revision };
    } catch (error) {
      this.#isAway(error);
      return 'away';
    }
  }

  /** The new revision, null when another was faster. */
  async #write(actionId: string, claim: Claim, revision: number): Promise<number | null | 'away'> {
    if (!this.#isUsable()) return 'away';
    let text = JSON.stringify(claim);
    if (Buffer.byteLength(text) > LIMITS.claimBytesMax) text = JSON.stringify({ ...claim, progress: null });
    try {
      return await this.#o.bucket.put(keyOf(actionId), text, revision);
    } catch (error) {
      this.#isAway(error);
      return 'away';
    }
  }

  #inTurn<T>(cpeId: CpeId, run: () => Promise<T>, otherwise: T): Promise<T> {
    const before = this.#turns.get(cpeId) ?? Promise.resolve();
    const done = before.then(run).catch((error: unknown) => {
      this.#o.log.error({ err: error, cpeId }, 'a claim could not be dealt with; the work is left alone');
      return otherwise;
    });
    this.#turns.set(cpeId, done);
    void done.finally(() => {
      if (this.#turns.get(cpeId) === done) this.#turns.delete(cpeId);
    });
    return done;
  }

  // ── Signs, and what is owed ───────────────────────────────────────────────────────────────────────────────────────────

  #beatLater(): void {
    if (this.#closing) return;
    this.#cancelBeat = this.#timers.after(LIMITS.claimBeatMs, () => {
      this.#beating = this.#beat().then(() => this.#beatLater());
    });
  }

  /** Gives a sign, looks at those of others, and leaves what is owed to a round beside: signs must not wait for it. */
  async #beat(): Promise<void> {
    // Whoever has the name now is told apart by nobody while both give signs.
    if (this.#double) return;
    try {
      await this.#giveSign();
      for (const edgeId of this.#pulses.edges) await this.#lookAt(edgeId);
    } catch (error) {
      this.#isAway(error);
      return;
    }
    if (this.#double || this.#chores !== null) return;
    this.#chores = this.#doChores().finally(() => {
      this.#chores = null;
    });
  }

  async #doChores(): Promise<void> {
    for (const [actionId, owed] of [...this.#owed].slice(0, LIMITS.relayDueMax)) {
      await this.#inTurn(owed.cpeId, () => this.#settleOwed(actionId), undefined);
    }
    // A thread that ended before it said so, a CPE that gave up before its session had a record.
    for (const [actionId, held] of [...this.#held]) {
      const isOld = this.#now() - held.sinceMs > LIMITS.claimLooseMs;
      if (!isOld || this.#o.store.getSession(held.cpeId)?.claimToken === held.token) continue;
      const free = async (): Promise<void> => {
        if (this.#held.get(actionId) === held) await this.#free(actionId, held);
      };
      await this.#inTurn(held.cpeId, free, undefined);
    }
  }

  async #settleOwed(actionId: string): Promise<void> {
    const owed = this.#owed.get(actionId);
    if (owed === undefined) return;
    // Taken again meanwhile, by a session that is open.
    if (owed.end === null && this.#held.has(actionId)) this.#owed.delete(actionId);
    else await this.#settle(actionId, owed);
  }

  /** Rejects with BusError when it could not be stored. */
  async #giveSign(): Promise<void> {
    const { me, bucket, log } = this.#o;
    const key = signOf(me.edgeId);
    const sign: Sign = { incarnation: me.incarnation, start: this.#start };
    for (let tries = 0; tries < LIMITS.claimTriesMax; tries++) {
      const sentMs = this.#now();
      const written = await bucket.put(key, JSON.stringify(sign), this.#signRevision);
      if (written !== null) {
        this.#signRevision = written;
        // Another edge may have taken what was held meanwhile: whoever asks next looks.
        if (sentMs >= this.#lease.untilMs) this.#held.clear();
        this.#lease.renewed(sentMs);
        if (this.#awaySince !== null)
          log.info({ awayMs: this.#o.clock.now() - this.#awaySince }, 'claims can be had again');
        this.#awaySince = null;
        return;
      }
      const entry = await bucket.get(key);
      const isFirst = this.#signRevision === 0;
      this.#signRevision = entry?.revision ?? 0;
      const other = entry === null ? null : readSign(entry.value);
      if (isFirst || other === null || other.start === this.#start) continue;
      if (!this.#double)
        log.error({ edgeId: me.edgeId }, 'another edge of this POP has the same STARLING_EDGE_ID; give it its own');
      this.#double = true;
      this.#lease.lost();
      return;
    }
  }

  /** Sees whether another edge is there. Rejects with BusError when nobody can tell. */
  async #lookAt(edgeId: string): Promise<void> {
    const askedMs = this.#now();
    const entry = await this.#o.bucket.get(signOf(edgeId));
    const sign = entry === null ? null : readSign(entry.value);
    const seen = entry === null || sign === null ? null : { revision: entry.revision, incarnation: sign.incarnation };
    this.#pulses.saw(edgeId, seen, askedMs, this.#now());
  }

  #isUsable(): boolean {
    return this.#awaySince === null && this.#now() < this.#lease.untilMs;
  }

  #isAway(error: unknown): void {
    if (this.#awaySince !== null) return;
    this.#awaySince = this.#o.clock.now();
    this.#o.log.warn({ err: error }, 'claims on work cannot be had; work of CPEs is left alone until they can');
  }
}

const ENDED_HERE: Ended = {
  outcome: 'failed',
  why: 'It ended under an earlier hand-over, and how was not kept: look at the device before doing it again.',
};

function readSign(text: string): Sign | null {
  try {
    const sign = JSON.parse(text) as Partial<Sign>;
    if (typeof sign.incarnation === 'number' && typeof sign.start === 'string') return sign as Sign;
  } catch {
    // Said by null.
  }
  return null;
}
