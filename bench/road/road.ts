// One road, laid for a bench: hub and leaf as shipped, a process of each edge, one of control. Everything is on this machine.

import { setTimeout } from 'node:timers/promises';
import { SHIPPED, startPop, type TestPop } from '../../test/nats.test-helper.ts';
import { descendants } from '../../test/starling.test-helper.ts';
import { Child } from '../inform/child.ts';
import { cpuUs, memoryOf } from '../inform/cpu.ts';
import type { ControlOptions, FromControl, Taken, ToControl } from './control-main.ts';
import type { Contacts } from './edge.ts';
import type { EdgeOptions, FromEdge, ToEdge } from './edge-main.ts';

export interface RoadOptions {
  edges: number;
  facts: ControlOptions['facts'];
  /** See PopOptions. */
  line?: (hubPort: number) => Promise<number>;
}

export interface Backlog {
  row: string;
  /** Of all edges together, and of how many devices in all. */
  facts: number;
  devices: number;
  recordFacts: number;
}

/** Processes of a road; PostgreSQL's are one. */
export const PARTS = ['edges', 'leaf', 'hub', 'control', 'PostgreSQL'] as const;
export type Part = (typeof PARTS)[number];

export interface Drained {
  facts: number;
  seconds: number;
  /** CPU of each part, in microseconds. */
  cpuUs: Record<Part, number>;
}

/** How often control is asked how far it is. */
const LOOK_MS = 5;

export class Road {
  readonly #pop: TestPop;
  readonly #control: Child<ToControl, FromControl>;
  readonly #edges: Child<ToEdge, FromEdge>[];
  /** What control must have had when the present backlog is drained. */
  #expected = 0;

  private constructor(pop: TestPop, control: Child<ToControl, FromControl>, edges: Child<ToEdge, FromEdge>[]) {
    this.#pop = pop;
    this.#control = control;
    this.#edges = edges;
  }

  /** @throws Error when the build or nats-server is missing. */
  static async open({ edges: count, facts, line }: RoadOptions): Promise<Road> {
    const { pop, domain } = SHIPPED;
    const ids = Array.from({ length: count }, (_, i) => `edge-${i + 1}`);
    const nats = await startPop({ edges: ids, line });
    const controlOptions: ControlOptions = { url: nats.controlUrl, facts };
    const control = new Child<ToControl, FromControl>('road/control-main', [JSON.stringify(controlOptions)]);
    await control.heard('ready');
    const edges: Child<ToEdge, FromEdge>[] = [];
    for (const edgeId of ids) {
      const options: EdgeOptions = { url: nats.edgeUrlOf(edgeId), domain, pop, edgeId };
      const edge = new Child<ToEdge, FromEdge>('road/edge-main', [JSON.stringify(options)]);
      await edge.heard('ready');
      edges.push(edge);
    }
    return new Road(nats, control, edges);
  }

  /** Writes a backlog on the edges, each its part. Returns what waits then. */
  async fill({ row, facts, devices, recordFacts }: Backlog): Promise<number> {
    const count = this.#edges.length;
    const part = { facts: facts / count, devices: devices / count, recordFacts };
    const filled = await Promise.all(this.#edges.map((edge) => edge.ask({ type: 'fill', row, ...part }, 'filled')));
    const waiting = filled.reduce((sum, one) => sum + one.facts, 0);
    this.#expected += waiting;
    return waiting;
  }

  /**
   * Drains it: from the start of the relays until control has all of it.
   * @param look gets how many facts of it control has, again and again.
   */
  async drain(look: (facts: number) => void = () => {}): Promise<Drained> {
    const before = this.#cpu();
    const { facts: had } = await this.taken();
    const startedAt = performance.now();
    for (const edge of this.#edges) edge.send({ type: 'drain' });
    const facts = await this.#arrived((count) => look(count - had));
    const seconds = (performance.now() - startedAt) / 1_000;
    const after = this.#cpu();
    const cpu = Object.fromEntries(PARTS.map((part) => [part, after[part] - before[part]])) as Record<Part, number>;
    return { facts: facts - had, seconds, cpuUs: cpu };
  }

  /** Last contacts of quiet devices, from the first edge; resolves when control has them. Returns the batches. */
  async tell(contacts: Contacts): Promise<number> {
    const { batches } = await this.#edges[0]!.ask({ type: 'tell', contacts }, 'told');
    this.#expected += batches;
    await this.#arrived();
    return batches;
  }

  async taken(): Promise<Taken> {
    const { facts, repeated, parked } = await this.#control.ask({ type: 'look' }, 'taken');
    return { facts, repeated, parked };
  }

  /** Memory of each part that is its own, in bytes: files that are mapped, as LMDB's, are the kernel's to take back. */
  memory(): Record<Part, number> {
    return this.#ofParts((pid) => memoryOf(pid).anonymousBytes);
  }

  async close(): Promise<void> {
    await Promise.all(this.#edges.map((edge) => edge.close()));
    await this.#control.close();
    await this.#pop.stop();
  }

  /** Resolves with the facts control has when they are all that were ever to come. */
  async #arrived(look: (facts: number) => void = () => {}): Promise<number> {
    for (;;) {
      const { facts } = await this.taken();
      look(facts);
      if (facts >= this.#expected) return facts;
      await setTimeout(LOOK_MS);
    }
  }

  #cpu(): Record<Part, number> {
    return this.#ofParts((pid) => cpuUs([pid]));
  }

  #ofParts(measure: (pid: number) => number): Record<Part, number> {
    const { hub, leaf } = this.#pop;
    const of: Record<Part, number[]> = {
      edges: this.#edges.map(({ pid }) => pid),
      leaf: [leaf.pid()],
      hub: [hub.pid()],
      control: [this.#control.pid],
      PostgreSQL: descendants(this.#control.pid),
    };
    const sum = (pids: number[]): number => pids.reduce((total, pid) => total + ofLiving(pid, measure), 0);
    return Object.fromEntries(PARTS.map((part) => [part, sum(of[part])])) as Record<Part, number>;
  }
}

/** Workers of PostgreSQL come and go: one that went between the listing and the look counts for nothing. */
function ofLiving(pid: number, measure: (pid: number) => number): number {
  try {
    return measure(pid);
  } catch {
    return 0;
  }
}
