// Plays the phases of a scenario with the CPEs of one generator: begins sessions when they are due, repeats those that failed, counts. One
// interval and one wheel of timers for all of them. Time and chance are handed in; sockets are LightSession's.

import { performance } from 'node:perf_hooks';
import { randomFrom } from '../../../test/random.ts';
import { MixChooser, Pace, ratePerSecond } from './arrivals.ts';
import { InformRequests } from './cpe-bytes.ts';
import { LightSession, type SessionContext } from './light-cpe.ts';
import { Population } from './population.ts';
import type { FromGenerator, Plan, ToGenerator } from './protocol.ts';
import { operatorWaitMs, waitMs } from './retry-policy.ts';
import { type ClassName, SAYINGS, type Saying, type Stream } from './scenarios.ts';
import { Tally } from './tally.ts';
import { TimerWheel } from './timer-wheel.ts';

const TICK_MS = 4;
/** Connections at once, of all generators: more are not opened, they wait. The server has a file for each, and often 20,000 at most. */
const OPEN_MAX = 15_000;
/**
 * Connections begun between two looks at the sockets: a server's queue of new ones is short (512 for uWebSockets.js), and what overflows it
 * comes seconds later, when the system tries again.
 */
const BURST_MAX = 64;
const FULL_WAIT_MS = 50;
/**
 * Addresses of loopback that CPEs come from, each always from the same one. One alone has 28,000 ports, and the system takes milliseconds
 * to find a free one when half of them are open or were closed within the last second.
 */
const LOCAL_ADDRESSES = Array.from({ length: 500 }, (_, i) => `127.0.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`);
const NEARBY_MS = 100;

type PhaseOrder = Extract<ToGenerator, { type: 'phase' }>;

/** A stream of the phase in hand. */
interface Playing {
  stream: Stream;
  mix: MixChooser;
  /** Null for streams that begin a session when one ends. */
  pace: Pace | null;
  /** Of streams that take CPEs in their order: how many were taken, and of how many. */
  taken: number;
  total: number;
}

export class Engine {
  readonly #plan: Plan;
  readonly #say: (message: FromGenerator) => void;
  readonly #population: Population;
  readonly #random: () => number;
  readonly #context: SessionContext;
  readonly #tally = new Tally();
  readonly #timers: TimerWheel;
  /** Sessions by CPE while they are open, and those free to be used again. */
  readonly #sessions: (LightSession | null)[];
  readonly #free: LightSession[] = [];
  readonly #isLoopback: boolean;
  readonly #openMax: number;
  #open = 0;
  /** Null before the first phase and once the run is over. */
  #order: PhaseOrder | null = null;
  #lastPhase = -1;
  #playing: Playing[] = [];
  #operator: Pace | null = null;
  #nextOperator = 0;
  #phaseAt = 0;
  #settled = false;
  /** CPEs of an 'everyone' stream that were in a session when it was their turn, and what they have to say. */
  #postponed: [id: number, name: ClassName][] = [];
  #retries = 0;
  /** Another tick comes before the interval's. */
  #catchingUp = false;
  #second = -1;
  #lastTickAt = 0;
  #interval: NodeJS.Timeout | null = null;

  /** @param say sends to the run. */
  constructor(plan: Plan, say: (message: FromGenerator) => void) {
    this.#plan = plan;
    this.#say = say;
    const { cpes, generators, generator, host, port, target, patience } = plan;
    const count = Math.ceil((cpes - generator) / generators);
    this.#population = new Population(count, plan.operatorCpes, generator, generators);
    this.#isLoopback = host.startsWith('127.');
    this.#openMax = Math.floor(OPEN_MAX / generators);
    this.#random = randomFrom(plan.seed + generator);
    this.#sessions = new Array<LightSession | null>(count).fill(null);
    this.#context = {
      ...{ host, port, target, patience, requests: new InformRequests(target) },
      now: () => performance.now(),
      over: (session) => this.#over(session),
    };
    this.#timers = new TimerWheel(count, TICK_MS, performance.now());
  }

  start(): void {
    this.#lastTickAt = performance.now();
    this.#interval = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Begins a phase, which ends the one before. Sessions and waits go on. */
  begin(order: PhaseOrder): void {
    const now = performance.now();
    // "Everyone" is a promise: those the clock left over come now.
    for (const playing of this.#playing) {
      if (playing.stream.arrivals.pattern === 'everyone') while (this.#arrive(playing, now));
    }
    this.#flush();
    const { phase, capacity, operatorPerSecond, index } = order;
    const { generators, operatorCpes } = this.#plan;
    const { count } = this.#population;
    const others = count - operatorCpes;
    this.#order = order;
    this.#phaseAt = now;
    this.#settled = false;
    if (phase.drains === true) this.#say({ type: 'backlog', index, dueMs: this.#backlogDue(now) });
    this.#operator = operatorPerSecond > 0 ? new Pace(operatorPerSecond / generators, false, now) : null;
    this.#playing = phase.streams.map((stream): Playing => {
      const { arrivals } = stream;
      const rate = ratePerSecond(arrivals, capacity, others, generators);
      const countsAttempts = arrivals.pattern === 'capacity' && arrivals.counting === 'attempts';
      const pace = rate === null ? null : new Pace(rate, countsAttempts, now);
      // The operator's CPEs become known to the ACS with all others.
      const total =
        arrivals.pattern === 'everyone' ? others : arrivals.pattern === 'rounds' ? count * arrivals.rounds : 0;
      return { stream, mix: new MixChooser(stream.mix), pace, taken: 0, total };
    });
    this.#refill();
  }

  /** Work for these is in the ACS; they come now. */
  wake(cpes: readonly number[]): void {
    for (const cpe of cpes) {
      const id = this.#population.idOf(cpe);
      if (this.#population.isWaiting(id)) this.#connect(id);
    }
  }

  /** Cuts what is open and tells the last second. */
  close(): void {
    if (this.#interval !== null) clearInterval(this.#interval);
    this.#lastPhase = this.#order?.index ?? -1;
    this.#order = null;
    this.#playing = [];
    for (const session of this.#sessions) session?.cut();
    this.#flush();
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #tick(): void {
    const now = performance.now();
    this.#tally.lateMs = Math.max(this.#tally.lateMs, now - this.#lastTickAt - TICK_MS);
    this.#lastTickAt = now;
    const second = Math.floor((Date.now() - this.#plan.startedAt) / 1_000);
    if (second !== this.#second) {
      this.#flush();
      this.#second = second;
      this.#context.requests.setTime(Date.now());
    }
    this.#timers.advance(now, this.#fire);
    const retries = this.#retries;
    this.#retries = 0;
    let owes = false;
    for (const playing of this.#playing) {
      const { pace } = playing;
      if (pace === null) continue;
      for (let due = pace.due(now, retries, BURST_MAX); due > 0; due--) this.#arrive(playing, now);
      owes ||= pace.owes;
    }
    if (this.#postponed.length > 0) this.#takePostponed(now);
    if (this.#operator !== null) for (let due = this.#operator.due(now, 0); due > 0; due--) this.#summon(now);
    this.#refill();
    this.#settle(now);
    if (owes && !this.#catchingUp) {
      this.#catchingUp = true;
      setImmediate(this.#catchUp);
    }
  }

  readonly #catchUp = (): void => {
    this.#catchingUp = false;
    this.#tick();
  };

  /** A CPE's timer: it comes again, or its session has been silent for too long. */
  readonly #fire = (id: number): void => {
    const session = this.#sessions[id];
    if (session == null) {
      if (this.#population.isWaiting(id)) this.#connect(id);
    } else if (session.deadlineAt > performance.now()) this.#timers.set(id, session.deadlineAt);
    else session.timedOut();
  };

  /** Says once that the phase has done what it ends with. */
  #settle(now: number): void {
    const order = this.#order;
    if (order === null || this.#settled) return;
    const rounds = this.#playing.find(({ stream }) => stream.arrivals.pattern === 'rounds');
    const over =
      rounds !== undefined
        ? rounds.taken >= rounds.total && this.#population.wanting === 0
        : order.phase.drains === true && this.#backlog() === 0;
    if (!over) return;
    this.#settled = true;
    this.#say({ type: 'settled', index: order.index, ms: now - this.#phaseAt });
  }

  /** When those that want a session come next, as they have been told or know by themselves: in how many milliseconds, and how many. */
  #backlogDue(now: number): [ms: number, cpes: number][] {
    const due = new Map<number, number>();
    for (let id = 0; id < this.#population.count; id++) {
      if (this.#population.isIdle(id)) continue;
      const wait = this.#population.isWaiting(id) ? Math.max(0, this.#timers.dueMs(id) - now) : 0;
      const rounded = Math.round(wait / NEARBY_MS) * NEARBY_MS;
      due.set(rounded, (due.get(rounded) ?? 0) + 1);
    }
    return [...due].sort(([a], [b]) => a - b);
  }

  #backlog(): number {
    const order = this.#order;
    return order?.phase.drains === true ? this.#population.wantingBefore(order.index) : 0;
  }

  #flush(): void {
    if (this.#second < 0) return;
    const { wanting } = this.#population;
    this.#say({
      type: 'second',
      second: {
        phase: this.#order?.index ?? this.#lastPhase,
        second: this.#second,
        generator: this.#plan.generator,
        ...this.#tally.take(),
        open: this.#open,
        wanting,
        backlog: this.#backlog(),
      },
    });
  }

  // ── Arrivals ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Keeps the streams that begin a session when one ends as full as they shall be. */
  #refill(): void {
    for (const playing of this.#playing) {
      const { arrivals } = playing.stream;
      if (arrivals.pattern !== 'closed' && arrivals.pattern !== 'rounds') continue;
      const most = Math.ceil(arrivals.open / this.#plan.generators);
      const now = performance.now();
      while (this.#open < most && this.#arrive(playing, now));
    }
  }

  /** A CPE begins to want a session of the stream; false when there is none that could. */
  #arrive(playing: Playing, now: number): boolean {
    const { arrivals } = playing.stream;
    const name = playing.mix.choose(this.#random());
    if (arrivals.pattern === 'everyone' || arrivals.pattern === 'rounds') {
      if (playing.taken >= playing.total) return false;
      const id = playing.taken++ % this.#population.count;
      if (this.#population.isIdle(id)) this.#want(id, name, now);
      else if (this.#population.isWaiting(id)) {
        this.#population.wantsInstead(id, name);
        this.#changed(id, name);
      } else this.#postponed.push([id, name]);
      return true;
    }
    const id = this.#population.takeIdle();
    if (id < 0) {
      this.#tally.starved++;
      return false;
    }
    this.#want(id, name, now);
    return true;
  }

  #takePostponed(now: number): void {
    const still = this.#postponed.filter(([id]) => !this.#population.isIdle(id));
    for (const [id, name] of this.#postponed) if (this.#population.isIdle(id)) this.#want(id, name, now);
    this.#postponed = still;
  }

  /** An operator wants something of the next CPE that is kept for that: work first, then the wake. */
  #summon(now: number): void {
    const { operatorCpes, handsOver } = this.#plan;
    const { count } = this.#population;
    for (let i = 0; i < operatorCpes; i++) {
      const id = count - operatorCpes + (this.#nextOperator++ % operatorCpes);
      if (!this.#population.isIdle(id)) continue;
      if (!handsOver) this.#want(id, 'operator', now);
      else {
        this.#population.wants(id, 'operator', this.#order!.index, now);
        this.#say({ type: 'wanted', cpe: this.#population.numberOf(id) });
      }
      return;
    }
    this.#tally.starved++;
  }

  #want(id: number, name: ClassName, now: number): void {
    this.#population.wants(id, name, this.#order!.index, now);
    this.#changed(id, name);
    this.#connect(id);
  }

  /** What the CPE has to tell came with a change of its values. */
  #changed(id: number, name: ClassName): void {
    const saying: Saying = SAYINGS[name];
    if (saying.newAddress === true) this.#population.move(id);
    if (saying.newFirmware === true) this.#population.upgrade(id);
  }

  // ── Sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #connect(id: number): void {
    const population = this.#population;
    if (this.#open >= this.#openMax) {
      this.#tally.full++;
      this.#timers.set(id, performance.now() + FULL_WAIT_MS);
      return;
    }
    const name = population.classOf(id);
    const failures = population.failuresOf(id);
    const isRetry = failures > 0;
    const session = this.#free.pop() ?? new LightSession(this.#context);
    const { who } = session;
    who.name = name;
    who.n = population.numberOf(id);
    who.localAddress = this.#isLoopback ? LOCAL_ADDRESSES[id % LOCAL_ADDRESSES.length] : undefined;
    who.address = population.addressOf(id);
    who.build = population.buildOf(id);
    // A connection request is not retried by the CPE: each Inform is a first one (CWMP 1.9).
    who.retryCount = name === 'operator' ? 0 : failures;
    who.held = name === 'operator' ? population.heldOf(id) : null;
    this.#sessions[id] = session;
    this.#open++;
    population.opened(id);
    this.#tally.begun(name, isRetry);
    if (isRetry) this.#retries++;
    session.begin(id);
    this.#timers.set(id, session.deadlineAt);
  }

  #over(session: LightSession): void {
    const { id } = session;
    const population = this.#population;
    const name = population.classOf(id);
    this.#sessions[id] = null;
    this.#open--;
    this.#timers.clear(id);
    this.#tally.over(name, session);
    const saying: Saying = SAYINGS[name];
    const wantsWork = name === 'operator' || saying.provisioned === true;
    const executed = !wantsWork || session.rpcs > 0 || !this.#plan.handsOver;
    if (session.outcome === 'served' && executed) {
      this.#tally.done(name, session.endedAt - population.sinceOf(id));
      population.done(id);
    } else this.#again(id, name, session);
    this.#free.push(session);
    // At once, and not at the next tick: a closed loop would run at the pace of the ticks.
    if (this.#order !== null && this.#playing.length > 0) this.#refill();
  }

  #again(id: number, name: ClassName, session: LightSession): void {
    const failures = this.#population.failed(id);
    if (this.#order === null) return; // The run is over: it still wants, and will not get.
    const { retry } = this.#plan;
    const soon = name === 'operator' || this.#order.retrySoon;
    const random = this.#random();
    const { retryAfterSeconds } = session;
    const wait = soon
      ? operatorWaitMs(random)
      : waitMs(retry, this.#population.numberOf(id), failures, retryAfterSeconds, random);
    this.#timers.set(id, performance.now() + wait);
  }
}
