// What the processes of a run say to each other: the run to its generators and its server, and back.

import type { Patience } from './light-cpe.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { Phase } from './scenarios.ts';
import type { GeneratorSecond } from './tally.ts';

/** What a generator is told once. */
export interface Plan {
  generator: number;
  generators: number;
  /** CPEs of all generators; this one has those whose number leaves `generator` when divided by `generators`. */
  cpes: number;
  /** CPEs of this generator kept for the operator. */
  operatorCpes: number;
  host: string;
  port: number;
  target: { host: string; path: string };
  retry: RetryPolicy;
  patience: Patience;
  seed: number;
  /** Wall clock, milliseconds: second 0 begins here, for all processes. */
  startedAt: number;
  /** False: nobody can hand over work, and the operator's sessions only inform. */
  handsOver: boolean;
}

export type ToGenerator =
  | { type: 'plan'; plan: Plan }
  /** Ends the phase before. `retrySoon`: no CPE waits by the retry policy; the ACS is being made known to them. */
  | { type: 'phase'; index: number; phase: Phase; capacity: number; operatorPerSecond: number; retrySoon: boolean }
  /** Work for these CPEs is in the ACS: they may connect. */
  | { type: 'wake'; cpes: number[] }
  /** Cuts what is open, tells its last second and ends. */
  | { type: 'close' };

export type FromGenerator =
  | { type: 'ready' }
  | { type: 'second'; second: GeneratorSecond }
  /** A phase that drains begins with so many CPEs that want a session; they come next in so many milliseconds. */
  | { type: 'backlog'; index: number; dueMs: [ms: number, cpes: number][] }
  /** The phase has done what it ends with; its time since it began. */
  | { type: 'settled'; index: number; ms: number }
  /** Somebody waits for this CPE from now on. */
  | { type: 'wanted'; cpe: number }
  | { type: 'closed' };

export type ToServer =
  /** A value to set, for each of these CPEs, at the operator's priority. */
  { type: 'work'; cpes: number[] } | { type: 'stats' } | { type: 'close' };

export type FromServer =
  | { type: 'listening'; port: number; handsOver: boolean }
  /** Their work is on the disk of the edge. */
  | { type: 'worked'; cpes: number[] }
  /** Counters of the edge by name with labels. */
  | { type: 'stats'; counters: Record<string, number> };
