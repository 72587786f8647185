// Whether an edge is there, as it tells by a sign every few seconds: an entry of its own in the bucket of its POP. Nobody's clock is compared
// with another's: an edge counts from before it gave its last sign, the others from after they saw it, each by its own steady clock.
//
//   an edge      gave a sign ──────── lease − margin ───────▶ relies on nothing it holds any more
//   the others        saw it ──────────────── lease ──────────────────────────▶ may take what it held
//
// Pure but for `steadyMs`.

import { LIMITS } from '../../base/limits.ts';
import type { Holder } from './claim.ts';

/** Milliseconds that only rise, the same on all threads of a process. */
export const steadyMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

/** Of the edge itself: until when it may rely on what it holds. */
export class OwnLease {
  #until = Number.NEGATIVE_INFINITY;

  /** A sign was stored; `sentMs` is from before it was sent. */
  renewed(sentMs: number): void {
    this.#until = sentMs + LIMITS.claimLeaseMs - LIMITS.claimMarginMs;
  }

  /** Given up: nothing is relied on until the next sign. */
  lost(): void {
    this.#until = Number.NEGATIVE_INFINITY;
  }

  get untilMs(): number {
    return this.#until;
  }
}

interface Pulse {
  /** 0 while there is no sign at all. */
  revision: number;
  /** Of the start that gave it; -1 while there is none. */
  incarnation: number;
  /** When this very sign was first and last seen. */
  firstMs: number;
  lastMs: number;
}

/** Of the others: when each was seen alive. As many as there are edges in the POP. */
export class Pulses {
  readonly #pulses = new Map<string, Pulse>();

  /** The edges that were asked about. */
  get edges(): string[] {
    return [...this.#pulses.keys()];
  }

  /** @param askedMs before the question was sent, @param answeredMs and when its answer was there. */
  saw(
    edgeId: string,
    sign: { revision: number; incarnation: number } | null,
    askedMs: number,
    answeredMs: number,
  ): void {
    const { revision, incarnation } = sign ?? { revision: 0, incarnation: -1 };
    const before = this.#pulses.get(edgeId);
    if (before?.revision === revision) before.lastMs = askedMs;
    else this.#pulses.set(edgeId, { revision, incarnation, firstMs: answeredMs, lastMs: askedMs });
  }

  /**
   * True when this start of that edge has nothing under way any more: it gave no sign for as long as a lease is, or the edge was started
   * anew (with another incarnation, also where its store was lost). To be asked with a sign seen after the claim was.
   */
  isGone({ edgeId, incarnation }: Holder): boolean {
    const pulse = this.#pulses.get(edgeId);
    if (pulse === undefined) return false;
    if (pulse.incarnation >= 0 && pulse.incarnation !== incarnation) return true;
    return pulse.lastMs - pulse.firstMs > LIMITS.claimLeaseMs;
  }
}
