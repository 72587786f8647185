// How many sessions are due at a moment: rates as numbers that come due, for each generator its part. Pure; it is told the time.

import type { Arrivals, ClassName, Mix } from './scenarios.ts';

/** Time a pattern may be ahead or behind: a generator that was away for longer does not make up for it in one burst. */
const CARRY_SECONDS = 0.25;

/** Turns a rate into whole arrivals. */
export class Pace {
  readonly #perMs: number;
  readonly #countsAttempts: boolean;
  #owed = 0;
  #lastMs: number;

  /** @param countsAttempts what others begin (retries) uses up the rate too. */
  constructor(perSecond: number, countsAttempts: boolean, nowMs: number) {
    this.#perMs = perSecond / 1_000;
    this.#countsAttempts = countsAttempts;
    this.#lastMs = nowMs;
  }

  /**
   * Arrivals due since the last call.
   * @param retries attempts that began meanwhile without being asked for here. @param most of them at once; the others stay due.
   */
  due(nowMs: number, retries: number, most: number = Number.POSITIVE_INFINITY): number {
    const carry = this.#perMs * CARRY_SECONDS * 1_000 + 1;
    this.#owed += (nowMs - this.#lastMs) * this.#perMs - (this.#countsAttempts ? retries : 0);
    this.#owed = Math.min(Math.max(this.#owed, -carry), carry);
    this.#lastMs = nowMs;
    const whole = Math.min(Math.max(0, Math.floor(this.#owed)), most);
    this.#owed -= whole;
    return whole;
  }

  /** More is due already. */
  get owes(): boolean {
    return this.#owed >= 1;
  }
}

/**
 * Arrivals per second of a pattern, for one of `parts` equal generators; null where the pattern has none.
 * @param cpes of this generator.
 */
export function ratePerSecond(arrivals: Arrivals, capacity: number, cpes: number, parts: number): number | null {
  switch (arrivals.pattern) {
    case 'rate':
      return arrivals.perSecond / parts;
    case 'capacity':
      return (arrivals.times * capacity) / parts;
    case 'everyone':
      return cpes / arrivals.withinSeconds;
    case 'closed':
    case 'rounds':
      return null;
  }
}

/** Chooses classes by their parts. */
export class MixChooser {
  readonly #names: ClassName[];
  readonly #edges: number[] = [];

  /** Throws RangeError when the mix is empty. */
  constructor(mix: Mix) {
    this.#names = (Object.keys(mix) as ClassName[]).filter((name) => (mix[name] ?? 0) > 0);
    if (this.#names.length === 0) throw new RangeError('A mix needs a class.');
    let sum = 0;
    for (const name of this.#names) {
      sum += mix[name]!;
      this.#edges.push(sum);
    }
  }

  /** @param random from 0 up to 1. */
  choose(random: number): ClassName {
    const at = random * this.#edges[this.#edges.length - 1]!;
    for (let i = 0; i < this.#edges.length; i++) if (at < this.#edges[i]!) return this.#names[i]!;
    return this.#names[this.#names.length - 1]!;
  }
}
