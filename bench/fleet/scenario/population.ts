// The CPEs of one generator as flat arrays: what each is doing, what it wants to tell, how often it failed. Knows neither sockets nor time;
// the engine moves CPEs from state to state.
//
//   idle ─wants─▶ (waiting ⇄ open) ─served─▶ idle

import type { Held } from './rpc-answers.ts';
import { CLASS_NAMES, type ClassName } from './scenarios.ts';

const IDLE = 0;
const WAITING = 1;
const OPEN = 2;

export class Population {
  readonly count: number;
  /** CPE number of id 0, and the distance to the next: generators share the fleet by turns. */
  readonly #first: number;
  readonly #step: number;
  readonly #state: Uint8Array;
  readonly #class: Uint8Array;
  readonly #failures: Uint8Array;
  readonly #address: Uint16Array;
  readonly #build: Uint16Array;
  /** When it began to want what it wants, and in which phase. */
  readonly #since: Float64Array;
  readonly #phase: Uint8Array;
  readonly #held = new Map<number, Held>();
  /** Idle CPEs in the order they became idle, as a ring; an entry whose CPE is no longer idle is passed over. */
  readonly #ring: Int32Array;
  readonly #inRing: Uint8Array;
  #head = 0;
  #length = 0;
  #wanting = 0;
  #wantingByPhase: number[] = [];

  /** @param reserved the last ids, which `takeIdle` never gives away. */
  constructor(count: number, reserved: number, first: number, step: number) {
    this.count = count;
    this.#first = first;
    this.#step = step;
    this.#state = new Uint8Array(count);
    this.#class = new Uint8Array(count);
    this.#failures = new Uint8Array(count);
    this.#address = new Uint16Array(count);
    this.#build = new Uint16Array(count);
    this.#since = new Float64Array(count);
    this.#phase = new Uint8Array(count);
    this.#ring = new Int32Array(count);
    this.#inRing = new Uint8Array(count);
    for (let id = 0; id < count - reserved; id++) this.#toRing(id);
    // Those never stand in the ring, whatever becomes of them.
    for (let id = count - reserved; id < count; id++) this.#inRing[id] = 1;
  }

  /** CPEs that want a session and have not got it. */
  get wanting(): number {
    return this.#wanting;
  }

  /** Those among them that began to want it before `phase`. */
  wantingBefore(phase: number): number {
    let sum = 0;
    for (let i = 0; i < phase; i++) sum += this.#wantingByPhase[i] ?? 0;
    return sum;
  }

  numberOf(id: number): number {
    return this.#first + id * this.#step;
  }

  idOf(number: number): number {
    return (number - this.#first) / this.#step;
  }

  isIdle(id: number): boolean {
    return this.#state[id] === IDLE;
  }

  isWaiting(id: number): boolean {
    return this.#state[id] === WAITING;
  }

  isOpen(id: number): boolean {
    return this.#state[id] === OPEN;
  }

  /** The CPE that has been idle for longest; −1 when there is none. It stays idle until it wants something. */
  takeIdle(): number {
    while (this.#length > 0) {
      const id = this.#ring[this.#head]!;
      this.#head = (this.#head + 1) % this.count;
      this.#length--;
      this.#inRing[id] = 0;
      if (this.#state[id] === IDLE) return id;
    }
    return -1;
  }

  /** An idle CPE has something to tell from now on. */
  wants(id: number, name: ClassName, phase: number, nowMs: number): void {
    this.#state[id] = WAITING;
    this.#class[id] = CLASS_NAMES.indexOf(name);
    this.#failures[id] = 0;
    this.#since[id] = nowMs;
    this.#phase[id] = phase;
    this.#wanting++;
    this.#wantingByPhase[phase] = (this.#wantingByPhase[phase] ?? 0) + 1;
  }

  /** Has another thing to tell in the session it is waiting to begin: one session carries both. */
  wantsInstead(id: number, name: ClassName): void {
    this.#class[id] = CLASS_NAMES.indexOf(name);
  }

  opened(id: number): void {
    this.#state[id] = OPEN;
  }

  /** Its session was refused or failed; returns how often in a row. */
  failed(id: number): number {
    this.#state[id] = WAITING;
    if (this.#failures[id]! < 255) this.#failures[id]!++;
    return this.#failures[id]!;
  }

  /** It got what it wanted, or will not get it any more. */
  done(id: number): void {
    this.#state[id] = IDLE;
    this.#failures[id] = 0;
    this.#wanting--;
    this.#wantingByPhase[this.#phase[id]!]!--;
    if (this.#inRing[id] === 0) this.#toRing(id);
  }

  classOf(id: number): ClassName {
    return CLASS_NAMES[this.#class[id]!]!;
  }

  failuresOf(id: number): number {
    return this.#failures[id]!;
  }

  sinceOf(id: number): number {
    return this.#since[id]!;
  }

  addressOf(id: number): number {
    return this.#address[id]!;
  }

  buildOf(id: number): number {
    return this.#build[id]!;
  }

  move(id: number): void {
    this.#address[id]!++;
  }

  upgrade(id: number): void {
    this.#build[id]!++;
  }

  /** Values it was given; made when first asked for. */
  heldOf(id: number): Held {
    let held = this.#held.get(id);
    if (held === undefined) {
      held = new Map();
      this.#held.set(id, held);
    }
    return held;
  }

  #toRing(id: number): void {
    this.#ring[(this.#head + this.#length) % this.count] = id;
    this.#length++;
    this.#inRing[id] = 1;
  }
}
