// Two edges of one POP, a bucket and a CPE, all in memory and in virtual time: keepers, planner and tasks are the real ones, and every wait of
// theirs is a choice of the test: which comes first, what gets lost, who dies. A process that died never goes on.

import { Registry } from 'prom-client';
import type { Clock } from '../../base/clock.ts';
import { BusError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import { ManualTimers } from '../../base/timers.ts';
import type { ActionResult, AnyFactBody, Work } from '../../bus/messages.ts';
import type { Bucket } from '../../bus/transport.ts';
import { cpeMethod } from '../../cwmp/rpc-table.ts';
import { applyAnswer, applyEvents, beginSession, interrupt, newWorkRecord, overdue, planNext } from '../planner.ts';
import type { EdgeTransaction, WorkRecord } from '../store/store.ts';
import { FakeCpe } from '../tasks/fake-cpe.test-helper.ts';
import { informEvent, testProfile } from '../tasks/operation.test-helper.ts';
import type { CpeEvent, TaskContext } from '../tasks/task.ts';
import { isOurs } from './claim.ts';
import { ClaimKeeper, type KeeperOptions } from './keeper.ts';

export const CPE = 'AABBCC-Box-1';
const SESSION_MS = 60_000;

/** mulberry32: a schedule is its seed. */
export function chooser(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** One start of an edge. */
class Process {
  readonly edge: string;
  isAlive = true;
  /** It stands still, as a machine that swaps or a stopped process does: nothing of it goes on, its timers neither. */
  isFrozen = false;
  /** Its CPE does not POST. */
  isSlow = false;

  constructor(edge: string) {
    this.edge = edge;
  }
}

interface Waiting {
  process: Process;
  /** For the CPE's next POST. */
  forPost: boolean;
  go(): void;
}

export class World {
  readonly timers = new ManualTimers();
  readonly choose: (below: number) => number;
  readonly entries = new Map<string, { value: string; revision: number }>();
  #revision = 0;
  readonly waiting: Waiting[] = [];
  readonly cpe: Box;
  readonly edges: SimulatedEdge[];
  /** Results as control got them, in order. */
  readonly results: { actionId: string; edge: string; result: ActionResult }[] = [];
  /** How often something gets lost between an edge and the bucket, or the CPE, in 100. */
  lossPercent = 0;
  /** The edge that goes on while the other one waits, by name; null when either may. */
  favoured: string | null = null;

  constructor(seed: number, isTwofold: boolean) {
    this.choose = chooser(seed);
    this.cpe = new Box(isTwofold);
    // A clock that runs fast and an hour ahead beside one that runs slow.
    this.edges = [
      new SimulatedEdge('A', this, { rate: 1.002, aheadMs: 3_600_000 }),
      new SimulatedEdge('B', this, { rate: 0.998, aheadMs: 0 }),
    ];
  }

  get nowMs(): number {
    return this.timers.clock.now();
  }

  isLost(): boolean {
    return this.choose(100) < this.lossPercent;
  }

  /** Waits until the test lets it go on; for ever, when its process dies. */
  pause(process: Process, forPost = false): Promise<void> {
    return new Promise((go) => this.waiting.push({ process, forPost, go }));
  }

  /** Lets one of those that wait go on. False when nobody waits. */
  async step(): Promise<boolean> {
    await settled();
    const all = this.waiting.filter(
      ({ process, forPost }) => process.isAlive && !process.isFrozen && !(forPost && process.isSlow),
    );
    const favoured = all.filter(({ process }) => process.edge === this.favoured);
    const able = favoured.length > 0 ? favoured : all;
    if (able.length === 0) return false;
    const chosen = able[this.choose(able.length)]!;
    this.waiting.splice(this.waiting.indexOf(chosen), 1);
    chosen.go();
    await settled();
    return true;
  }

  async drain(): Promise<void> {
    while (await this.step());
  }

  /** Time goes on as it does: signs are given and seen. */
  async live(ms: number): Promise<void> {
    for (let lived = 0; lived < ms; lived += 4_500) {
      await this.advance(4_500);
      await this.drain();
    }
  }

  async advance(ms: number): Promise<void> {
    this.timers.advance(ms);
    await settled();
  }

  write(key: string, value: string, revision: number): number | null {
    if ((this.entries.get(key)?.revision ?? 0) !== revision) return null;
    this.entries.set(key, { value, revision: ++this.#revision });
    return this.#revision;
  }
}

/** All that can happen without anybody's choice has happened. */
const settled = (): Promise<void> => new Promise((done) => setImmediate(done));

/** The CPE: what it was asked, by action, and what it will tell in its next session. */
class Box {
  readonly fake = new FakeCpe({ 'Device.A': '1', 'Device.T.1.Name': 'x', 'Device.T.2.Name': 'y' }, ['Device.T.']);
  /** It is in sessions with both edges at once, as no CPE should be. */
  readonly isTwofold: boolean;
  /** Requests that must not be repeated, by action and method, as they arrived. */
  readonly executed = new Map<string, number>();
  events: CpeEvent[] = [];
  requests: CpeEvent[] = [];
  /** The session it is in, as far as it knows. */
  session: object | null = null;

  constructor(isTwofold: boolean) {
    this.isTwofold = isTwofold;
  }

  take(work: Work, method: string, args: Record<string, unknown>): ReturnType<FakeCpe['answer']> {
    if (cpeMethod(method)?.idempotent !== true) {
      const key = `${work.actionId} ${work.kind} ${method}`;
      this.executed.set(key, (this.executed.get(key) ?? 0) + 1);
    }
    if (method === 'Reboot') this.events.push(informEvent('1 BOOT'), informEvent('M Reboot', work.commandKey));
    if (method === 'Download') {
      this.events.push(informEvent('M Download', work.commandKey));
      const told = { CommandKey: work.commandKey, FaultStruct: { FaultCode: 0, FaultString: '' } };
      this.requests.push({ type: 'request', method: 'TransferComplete', args: told });
    }
    return this.fake.answer({ method, args });
  }
}

interface OpenSession {
  claimToken: string;
  lastAt: number;
}

export class SimulatedEdge {
  readonly name: string;
  readonly #world: World;
  readonly #skew: { rate: number; aheadMs: number };
  readonly works = new Map<string, WorkRecord>();
  readonly ended = new Map<string, number>();
  session: OpenSession | null = null;
  isCut = false;
  /** A claim was kept, and the thread that asked for it was told. */
  hasKept = false;
  #process: Process;
  #incarnation = 0;
  #count = 0;
  keeper!: ClaimKeeper;

  constructor(name: string, world: World, skew: { rate: number; aheadMs: number }) {
    this.name = name;
    this.#process = new Process(name);
    this.#world = world;
    this.#skew = skew;
  }

  get isAlive(): boolean {
    return this.#process.isAlive;
  }

  /** Begins, again perhaps, on the same store. */
  start(): void {
    const process = new Process(this.name);
    this.#process = process;
    this.#incarnation++;
    const { timers } = this.#world;
    this.keeper = new ClaimKeeper({
      bucket: this.#bucket(process),
      store: this.#store(process) as KeeperOptions['store'],
      me: { edgeId: this.name, incarnation: this.#incarnation },
      clock: { now: () => this.#wallMs() } satisfies Clock,
      timers: {
        after: (ms, run) =>
          timers.after(ms / this.#skew.rate, () => {
            if (process.isFrozen) this.#world.waiting.push({ process, forPost: false, go: run });
            else if (process.isAlive) run();
          }),
      },
      now: () => this.#steadyMs(),
      log: silentLog,
      registry: new Registry(),
    });
    void this.keeper.start();
  }

  /** kill -9: what it was about to do never happens, and its store stays. */
  kill(): void {
    this.#process.isAlive = false;
  }

  freeze(): void {
    this.#process.isFrozen = true;
  }

  thaw(): void {
    this.#process.isFrozen = false;
  }

  slowDown(): void {
    this.#process.isSlow = true;
  }

  /** It does something when it is asked to. */
  get isAwake(): boolean {
    return this.#process.isAlive && !this.#process.isFrozen;
  }

  handOver(work: Work): void {
    if ((this.ended.get(work.actionId) ?? 0) >= work.generation || this.works.has(work.actionId)) return;
    this.works.set(work.actionId, newWorkRecord(work));
  }

  /** A session of the CPE with this edge, from Inform to end or until it breaks. */
  async runSession(): Promise<void> {
    const process = this.#process;
    const { keeper } = this;
    const world = this.#world;
    const { cpe } = world;
    const me: OpenSession = { claimToken: `${this.name}${++this.#count}`, lastAt: world.nowMs };
    if (!cpe.isTwofold || cpe.session === null) cpe.session = me;
    const isIn = (): boolean => cpe.isTwofold || cpe.session === me;
    const token = me.claimToken;
    if (this.works.size > 0) await keeper.take(CPE, token);
    await world.pause(process);
    this.session = me;
    if (!isIn()) return;
    for (const changed of beginSession(this.#ours(token), cpe.events, this.context)) this.#put(changed);
    cpe.events = [];
    for (const request of cpe.requests.splice(0)) {
      for (const changed of applyEvents(this.#ours(token), [request], this.context)) this.#put(changed);
    }
    const where = { cpeId: CPE, sessionId: token };
    for (let posts = 0; posts < 60; posts++) {
      await world.pause(process, true);
      // The CPE left without a word, or informed here anew: its session is found silent later.
      if (this.session !== me || !isIn()) return;
      me.lastAt = world.nowMs;
      if ([...this.works.values()].some(({ claim }) => claim?.token !== token)) await keeper.take(CPE, token);
      const records = this.#ours(token).map((record) => interrupt(record, this.context));
      const plan = planNext(records, where, this.context);
      for (const changed of plan.records) this.#put(changed);
      for (const { record } of plan.ended) this.works.delete(record.work.actionId);
      await world.pause(process);
      for (const { record, result } of plan.ended) this.#end(record, result);
      const { send } = plan;
      if (send === null) break;
      if (!send.repeatable) {
        const untilMs = await keeper.keep(CPE, token, send.actionId);
        this.hasKept = true;
        // The way back to its thread; it may stand still here for long.
        await world.pause(process);
        if (!(this.#steadyMs() < untilMs)) {
          const unsent = records.find(({ work }) => work.actionId === send.actionId);
          const sent = this.works.get(send.actionId);
          if (unsent !== undefined && sent?.inFlight && isOurs(sent, token)) this.#put(unsent);
          break;
        }
      }
      if (!isIn() || this.session !== me || world.isLost()) return;
      const running = this.works.get(send.actionId);
      if (running === undefined) return;
      const answer = cpe.take(running.work, send.request.method, send.request.args);
      if (world.isLost()) return;
      await world.pause(process);
      const now = this.works.get(send.actionId);
      if (this.session !== me || now === undefined || !now.inFlight) return;
      this.#put(applyAnswer(now, answer, where, this.context).record);
    }
    if (this.session === me) this.session = null;
    if (cpe.session === me) cpe.session = null;
    keeper.release(CPE, token);
  }

  /** What the relay's timer does: silent sessions are ended, and work that is due. */
  async upkeep(): Promise<void> {
    const process = this.#process;
    const { session, keeper } = this;
    const world = this.#world;
    if (session !== null && session.lastAt + SESSION_MS < world.nowMs) {
      this.session = null;
      for (const record of this.#ours(session.claimToken)) this.#put(interrupt(record, this.context));
      keeper.release(CPE, session.claimToken);
    }
    for (const { work } of [...this.works.values()]) {
      const due = this.works.get(work.actionId);
      if (due === undefined || (due.work.expiresAt > this.#wallMs() && !isWaitOver(due, this.#wallMs()))) continue;
      const token = `${this.name} upkeep ${++this.#count}`;
      await keeper.take(CPE, token, work.actionId);
      await world.pause(process);
      const record = this.works.get(work.actionId);
      if (record !== undefined && isOurs(record, token) && this.session === null) {
        const next = overdue(interrupt(record, this.context), this.context);
        if (next.type === 'ended') {
          this.works.delete(work.actionId);
          this.#end(record, next.result);
        } else if (next.type === 'waiting') this.#put(next.record);
      }
      keeper.release(CPE, token);
    }
  }

  get context(): TaskContext {
    return {
      nowMs: this.#wallMs(),
      profile: testProfile(),
      root: 'Device.',
      version: '1.4',
      known: () => null,
      downloadUrl: () => 'http://acs/file',
      uploadUrl: () => 'http://acs/upload',
      files: { has: () => true, uploaded: () => null },
    };
  }

  #ours(token: string): WorkRecord[] {
    return [...this.works.values()].filter((record) => isOurs(record, token));
  }

  /** As EdgeStore.putWork: what was replaced or has ended does not come back. */
  #put(record: WorkRecord): void {
    const { actionId, generation } = record.work;
    if (this.works.get(actionId)?.work.generation === generation) this.works.set(actionId, structuredClone(record));
  }

  #end(record: WorkRecord, result: ActionResult): void {
    const { actionId, generation } = record.work;
    this.ended.set(actionId, generation);
    this.#world.results.push({ actionId, edge: this.name, result });
    this.keeper.over(CPE, actionId, generation, { outcome: result.outcome, why: result.why });
  }

  #wallMs(): number {
    return this.#world.nowMs + this.#skew.aheadMs;
  }

  #steadyMs(): number {
    return this.#world.nowMs * this.#skew.rate;
  }

  #bucket(process: Process): Bucket {
    const world = this.#world;
    const cross = async (): Promise<void> => {
      await world.pause(process);
      if (this.isCut || world.isLost()) throw new BusError('not-taken', 'lost');
    };
    return {
      get: async (key) => {
        await cross();
        const entry = world.entries.get(key);
        await cross();
        return entry ?? null;
      },
      put: async (key, value, revision) => {
        await cross();
        const written = world.write(key, value, revision);
        await cross();
        return written;
      },
    };
  }

  #store(process: Process): Partial<KeeperOptions['store']> {
    const { works, ended } = this;
    return {
      workOf: () => [...works.values()].map((record) => structuredClone(record)),
      getSession: () => this.session as never,
      transact: async (change) => {
        await this.#world.pause(process);
        const facts: AnyFactBody[] = [];
        const transaction: Partial<EdgeTransaction> = {
          getWork: (_, actionId) => structuredClone(works.get(actionId)),
          putWork: (record) => void works.set(record.work.actionId, structuredClone(record)),
          removeWork: (_, actionId) => {
            ended.set(actionId, works.get(actionId)?.work.generation ?? 0);
            works.delete(actionId);
          },
          appendFacts: (bodies) => void facts.push(...bodies),
        };
        const value = change(transaction as EdgeTransaction);
        for (const { type, body } of facts) {
          if (type === 'result') this.#world.results.push({ ...body, edge: this.name });
        }
        return value;
      },
    };
  }
}

const isWaitOver = ({ phase, untilMs }: WorkRecord, nowMs: number): boolean => phase === 'waiting' && untilMs <= nowMs;
