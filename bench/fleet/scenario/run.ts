// One run of a scenario: starts the server under test and the generators, makes the CPEs known to the ACS, finds its capacity, plays the phases,
// and reads the operating system's books every second. Judges nothing.

import { lookup } from 'node:dns/promises';
import { ConfigError } from '../../../base/errors.ts';
import { cpuUs, memoryOf, threadsOf } from '../../inform/cpu.ts';
import { ratePerSecond } from './arrivals.ts';
import { Collector, type Reading, sum } from './collect.ts';
import type { Patience } from './light-cpe.ts';
import { machineUsage } from './machine-usage.ts';
import { Forked } from './processes.ts';
import type { FromGenerator, FromServer, Plan, ToGenerator, ToServer } from './protocol.ts';
import { goodputPeak, type PlayedPhase, type Samples } from './report.ts';
import type { Phase, Scenario } from './scenarios.ts';
import type { Served } from './server.ts';

export interface RunOptions {
  scenario: Scenario;
  generators: number;
  seed: number;
  /** What is started to be measured; an ACS that runs already is measured instead when `url` is given. */
  served?: Served;
  url?: string;
  /** Its process on this machine, whose CPU and memory are read. */
  pid?: number;
  patience?: Partial<Patience>;
  /** The ACS knows the CPEs, or need not know them: they are not introduced. */
  areKnown?: boolean;
  /** Told every second what goes on. */
  progress?: (text: string) => void;
}

export interface RunResult extends Samples {
  /** Counters of the edge at the end; empty of another ACS. */
  counters: Record<string, number>;
}

/** A CPE's own time-outs are longer; within these a server that is merely slow has answered. */
const PATIENCE: Patience = { connectMs: 10_000, answerMs: 30_000 };
/**
 * Sessions at once while the ACS gets to know the CPEs, and while its capacity is looked for: enough that those which wait for the disk do not
 * leave the processor idle, and so few that nobody is turned away.
 */
const OPEN = { introduction: 64, capacity: 128 } as const;
/** The second Inform teaches nothing and lets the ACS know so: a periodic one is quiet from the third on. */
const ROUNDS = 2;
const PAUSE_SECONDS_MAX = 5;
const INTRODUCTION_SECONDS_MAX = 1_800;
/** CPEs kept for the operator: as many as can be wanted within this time. */
const OPERATOR_SECONDS = 20;

/**
 * Runs a scenario from beginning to end.
 * @throws ConfigError when the URL cannot be used. @throws Error when a process of the run ends unasked.
 */
export async function runScenario(options: RunOptions): Promise<RunResult> {
  const run = new Run(options);
  try {
    return await run.play();
  } finally {
    await run.close();
  }
}

/** CPEs of each generator that come for the operator alone. */
export function operatorCpesOf({ cpes, operatorPerSecond }: Scenario, generators: number): number {
  if (operatorPerSecond === 0) return 0;
  const wanted = Math.ceil((operatorPerSecond * OPERATOR_SECONDS) / generators);
  return Math.min(Math.max(2, wanted), Math.floor(cpes / generators / 4));
}

class Run {
  readonly #o: RunOptions;
  readonly #startedAt = Date.now();
  readonly #collector = new Collector();
  readonly #phases: PlayedPhase[] = [];
  #server: Forked<ToServer, FromServer> | null = null;
  #serverPid: number | null = null;
  #generators: Forked<ToGenerator, FromGenerator>[] = [];
  #sampling: NodeJS.Timeout | null = null;
  #reading: Reading | null = null;
  #playing = '';
  /** Told by generators of the phase in hand. */
  #settled: Extract<FromGenerator, { type: 'settled' }>[] = [];
  #backlog: [ms: number, cpes: number][] = [];
  #onSettled: (() => void) | null = null;

  constructor(options: RunOptions) {
    this.#o = options;
  }

  async play(): Promise<RunResult> {
    const { scenario } = this.#o;
    await this.#start();
    const introduction: Phase = {
      name: 'introduction',
      seconds: INTRODUCTION_SECONDS_MAX,
      streams: [{ arrivals: { pattern: 'rounds', rounds: ROUNDS, open: OPEN.introduction }, mix: { periodic: 1 } }],
    };
    if (this.#o.areKnown !== true) await this.#phase(introduction, 'introduction', 0);
    const { mix, capacitySeconds } = scenario;
    const closed: Phase = {
      name: 'capacity',
      seconds: capacitySeconds,
      streams: [{ arrivals: { pattern: 'closed', open: OPEN.capacity }, mix }],
    };
    await this.#phase(closed, 'capacity', 0);
    // Ends when the sessions of the closed loop are over; then their counts are here, too.
    await this.#phase({ name: 'pause', seconds: PAUSE_SECONDS_MAX, streams: [], drains: true }, 'pause', 0);
    const index = this.#phases.length - 2;
    const measured = this.#collector.seconds().filter(({ phase }) => phase === index);
    const capacity = goodputPeak(measured, this.#phases[index]!.ms);
    for (const phase of scenario.phases) await this.#phase(phase, 'scenario', capacity);
    await this.#closeGenerators();
    if (this.#sampling !== null) clearInterval(this.#sampling);
    const counters = this.#server === null ? {} : (await this.#server.ask({ type: 'stats' }, 'stats')).counters;
    return {
      ...{ scenario: scenario.name, text: scenario.text, cpes: scenario.cpes, contract: scenario.contract ?? null },
      ...{ phases: this.#phases, seconds: this.#collector.seconds(), usage: this.#collector.usage, counters },
    };
  }

  /** Ends what was started; well or badly. */
  async close(): Promise<void> {
    if (this.#sampling !== null) clearInterval(this.#sampling);
    await Promise.all([this.#closeGenerators(), this.#server?.close({ type: 'close' })]);
  }

  // ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #start(): Promise<void> {
    const { url, pid, served = 'edge', scenario, generators, seed, patience } = this.#o;
    let address = { host: '127.0.0.1', port: 0, target: { host: 'acs', path: '/' } };
    let handsOver = false;
    if (url === undefined) {
      this.#server = new Forked<ToServer, FromServer>('server', [served]);
      const listening = await this.#server.heard('listening');
      address.port = listening.port;
      handsOver = listening.handsOver;
      this.#serverPid = this.#server.pid;
      this.#server.listen((message) => {
        if (message.type === 'worked') this.#wake(message.cpes);
      });
    } else {
      address = await addressOf(url);
      this.#serverPid = pid ?? null;
    }
    const operatorCpes = operatorCpesOf(scenario, generators);
    for (let generator = 0; generator < generators; generator++) {
      const forked = new Forked<ToGenerator, FromGenerator>('generator', []);
      this.#generators.push(forked);
      const plan: Plan = {
        ...{ generator, generators, cpes: scenario.cpes, operatorCpes, ...address, retry: scenario.retry },
        ...{ patience: { ...PATIENCE, ...patience }, seed, startedAt: this.#startedAt, handsOver },
      };
      await forked.ask({ type: 'plan', plan }, 'ready');
      forked.listen((message) => this.#heard(message));
    }
    this.#sample();
    // A little after the full second, so that it is over in every process.
    this.#sampling = setInterval(() => this.#sample(), 1_000);
  }

  #heard(message: FromGenerator): void {
    if (message.type === 'second') this.#collector.add(message.second);
    else if (message.type === 'wanted') this.#server?.send({ type: 'work', cpes: [message.cpe] });
    else if (message.type === 'backlog') this.#backlog.push(...message.dueMs);
    else if (message.type === 'settled' && message.index === this.#phases.length) {
      this.#settled.push(message);
      if (this.#settled.length === this.#generators.length) this.#onSettled?.();
    }
  }

  #wake(cpes: readonly number[]): void {
    const { length } = this.#generators;
    for (const cpe of cpes) this.#generators[cpe % length]!.send({ type: 'wake', cpes: [cpe] });
  }

  async #closeGenerators(): Promise<void> {
    const generators = this.#generators;
    await Promise.all(generators.map((generator) => generator.close({ type: 'close' })));
    this.#generators = [];
  }

  // ── Phases ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #phase(phase: Phase, kind: PlayedPhase['kind'], capacity: number): Promise<void> {
    const index = this.#phases.length;
    const operatorPerSecond = kind === 'scenario' ? this.#o.scenario.operatorPerSecond : 0;
    const began = performance.now();
    this.#settled = [];
    this.#backlog = [];
    this.#playing = phase.name;
    const over = this.#overWithin(phase);
    const retrySoon = kind !== 'scenario';
    for (const generator of this.#generators) {
      generator.send({ type: 'phase', index, phase, capacity, operatorPerSecond, retrySoon });
    }
    await Promise.race([
      over,
      ...this.#generators.map(({ gone }) => gone),
      ...(this.#server ? [this.#server.gone] : []),
    ]);
    this.#phases.push({
      name: phase.name,
      kind,
      ms: performance.now() - began,
      wantedPerSecond: this.#wantedPerSecond(phase, capacity),
      drain: phase.drains === true && kind === 'scenario' ? this.#drained() : null,
    });
  }

  /** Resolves when the phase has done what it ends with in every generator, or its time is over. */
  #overWithin(phase: Phase): Promise<void> {
    const endsEarly = phase.drains === true || phase.streams.some(({ arrivals }) => arrivals.pattern === 'rounds');
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, phase.seconds * 1_000);
      this.#onSettled = () => {
        if (!endsEarly) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #drained(): PlayedPhase['drain'] {
    const isOver = this.#settled.length === this.#generators.length;
    return { dueMs: this.#backlog, ms: isOver ? Math.max(...this.#settled.map(({ ms }) => ms)) : null };
  }

  #wantedPerSecond({ streams }: Phase, capacity: number): number | null {
    const rates = streams.map(({ arrivals }) => ratePerSecond(arrivals, capacity, this.#o.scenario.cpes, 1));
    if (rates.length === 0 || rates.includes(null)) return null;
    return rates.reduce<number>((all, rate) => all + rate!, 0);
  }

  // ── The operating system's books ──────────────────────────────────────────────────────────────────────────────────────

  #sample(): void {
    // Of an ACS elsewhere nothing is known; what the generators use counts all the same.
    const pid = this.#serverPid;
    try {
      const reading: Reading = {
        atMs: performance.now(),
        serverPid: pid ?? 0,
        server: pid === null ? [] : threadsOf(pid),
        memory: pid === null ? { rssBytes: 0, anonymousBytes: 0 } : memoryOf(pid),
        generatorUs: this.#generators.map((generator) => cpuUs([generator.pid])),
        machine: machineUsage(),
      };
      const second = Math.round((Date.now() - this.#startedAt) / 1_000) - 1;
      if (this.#reading !== null) this.#collector.used(second, this.#reading, reading);
      this.#reading = reading;
    } catch {
      // A process that has just ended: the run learns of it elsewhere.
    }
    this.#tell();
  }

  #tell(): void {
    const { progress } = this.#o;
    const last = this.#collector.seconds().at(-1);
    if (progress === undefined || last === undefined) return;
    const { first, retries, served, shed, failed } = sum([last]);
    const counts = `offered ${first + retries}/s  served ${served}/s  shed ${shed}/s  failed ${failed}/s`;
    progress(`${this.#playing}  ${last.second} s  ${counts}  open ${last.open}  wanting ${last.wanting}`);
  }
}

/** Where an ACS listens: its address is looked up once, not by every CPE. */
async function addressOf(url: string): Promise<{ host: string; port: number; target: Plan['target'] }> {
  const { protocol, hostname, port, host, pathname, search } = new URL(url);
  if (protocol !== 'http:') throw new ConfigError('acs-url', 'Light CPEs speak plain HTTP: --url http://host:port/');
  const { address } = await lookup(hostname, { family: 4 });
  return { host: address, port: Number(port) || 80, target: { host, path: pathname + search } };
}
