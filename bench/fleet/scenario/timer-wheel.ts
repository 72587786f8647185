// One timer for each of many thousands of CPEs, in one wheel: setting and clearing costs a few stores into flat arrays, and the process
// needs one interval to turn it. Precise to a tick; knows no clock.

/** Slots of the wheel: one turn is so many ticks; what is due later stays in its slot for another turn. */
const SLOTS = 4_096;
const NONE = -1;
/** In place of a slot: taken out to be fired within this very `advance`. */
const FIRING = -2;

export class TimerWheel {
  readonly #tickMs: number;
  readonly #heads = new Int32Array(SLOTS).fill(NONE);
  // By id: the neighbours in its slot, the slot (NONE exactly while no timer is set), the tick it is due at.
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #slot: Int16Array;
  readonly #dueTick: Float64Array;
  /** Every tick up to this one has been turned. */
  #tick: number;
  #firing: number[] = [];

  /** @param count ids are 0 up to count − 1, each has one timer. */
  constructor(count: number, tickMs: number, nowMs: number) {
    this.#tickMs = tickMs;
    this.#tick = Math.floor(nowMs / tickMs);
    this.#next = new Int32Array(count).fill(NONE);
    this.#previous = new Int32Array(count).fill(NONE);
    this.#slot = new Int16Array(count).fill(NONE);
    this.#dueTick = new Float64Array(count);
  }

  /** Sets the timer of `id`, in place of the one it may have. Never fires early. */
  set(id: number, atMs: number): void {
    this.clear(id);
    const tick = Math.max(Math.ceil(atMs / this.#tickMs), this.#tick + 1);
    const slot = tick % SLOTS;
    const head = this.#heads[slot]!;
    this.#dueTick[id] = tick;
    this.#slot[id] = slot;
    this.#next[id] = head;
    this.#previous[id] = NONE;
    if (head !== NONE) this.#previous[head] = id;
    this.#heads[slot] = id;
  }

  clear(id: number): void {
    const slot = this.#slot[id]!;
    if (slot >= 0) this.#unlink(id, slot);
    this.#slot[id] = NONE;
  }

  /** When the timer of `id` fires, to a tick; 0 when none is set. */
  dueMs(id: number): number {
    return this.#slot[id]! >= 0 ? this.#dueTick[id]! * this.#tickMs : 0;
  }

  /** Fires what is due by `nowMs`, tick by tick. `fire` may set and clear any timer. */
  advance(nowMs: number, fire: (id: number) => void): void {
    const until = Math.floor(nowMs / this.#tickMs);
    while (this.#tick < until) {
      const tick = ++this.#tick;
      const firing = this.#takeDue(tick);
      for (let i = 0; i < firing.length; i++) {
        const id = firing[i]!;
        // Cleared or set anew by one that fired before it.
        if (this.#slot[id] !== FIRING) continue;
        this.#slot[id] = NONE;
        fire(id);
      }
      firing.length = 0;
    }
  }

  #takeDue(tick: number): number[] {
    const slot = tick % SLOTS;
    const firing = this.#firing;
    for (let id = this.#heads[slot]!; id !== NONE; ) {
      const next = this.#next[id]!;
      if (this.#dueTick[id]! <= tick) {
        this.#unlink(id, slot);
        this.#slot[id] = FIRING;
        firing.push(id);
      }
      id = next;
    }
    return firing;
  }

  #unlink(id: number, slot: number): void {
    const next = this.#next[id]!;
    const previous = this.#previous[id]!;
    if (previous === NONE) this.#heads[slot] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
  }
}
