// Who may run an action, when several edges of a POP have it: what a claim says, and what may be made of it. Pure: no clock, bucket or store.
//
//   (none) ─take─▶ held ─keep─▶ held, begun ─end─▶ ended
//                   │ ▲              │ ▲
//               park▼ │take      park▼ │take
//                  free            free, begun
//
// held    One edge runs the action, within one session of its CPE. Another may take it only when that edge is gone (lease.ts).
// begun   Written before a request that must not be repeated leaves: from then on the claim holds how far the action has come.
// free    The session is over, the action is not: it waits for the next one, on whatever edge. The claim holds how far it has come, so that a
//         reboot asked for here may end with the `1 BOOT` that comes there.
// ended   For good. An edge that finds it so forgets its copy.
//
// Every take makes `fence` higher. A writer writes over the revision it has seen, so what an edge that lost its claim wants to write comes to
// nothing, and a request that must not be repeated follows only such a write. A new owner goes on with the state in the claim as after a
// broken session: the task reads back, or waits for its event; it never starts anew (DESIGN §4).

import { z } from 'zod';
import { OUTCOMES, type Outcome, type Work } from '../../bus/messages.ts';
import { newWorkRecord } from '../planner.ts';
import type { WorkRecord } from '../store/store.ts';

/** How far an action has come: its record without the work itself, of which every edge has its own copy. */
export type Progress = Omit<WorkRecord, 'work' | 'claim'>;

/** One start of one edge. */
export interface Holder {
  edgeId: string;
  incarnation: number;
}

export interface Ended {
  outcome: Outcome;
  why: string;
}

export interface Claim {
  v: typeof CLAIM_VERSION;
  generation: number;
  /** Rises with every take: of two edges that know different things, the one with the higher fence knows more. */
  fence: number;
  /** Null while it is free, or has ended. */
  holder: Holder | null;
  /** A request that must not be repeated may have been sent. */
  begun: boolean;
  /** As of the last write; null when nothing has been done, or when it was too large to write. */
  progress: Progress | null;
  ended: Ended | null;
  /** When it was written, by the writer's clock. For people: nothing is decided by it. */
  at: number;
}

/** An older edge leaves alone what a newer one wrote. */
export const CLAIM_VERSION = 1;

const progress = z.looseObject({
  phase: z.enum(['queued', 'running', 'waiting']),
  inFlight: z.boolean(),
  untilMs: z.number(),
  attempts: z.number(),
  rpcs: z.array(z.unknown()),
  startedAt: z.number(),
});
const claim = z.object({
  v: z.literal(CLAIM_VERSION),
  generation: z.number(),
  fence: z.number(),
  holder: z.object({ edgeId: z.string(), incarnation: z.number() }).nullable(),
  begun: z.boolean(),
  progress: progress.nullable(),
  ended: z.object({ outcome: z.enum(OUTCOMES), why: z.string() }).nullable(),
  at: z.number(),
});

/** Reads a claim as it lies in the bucket; null for what is none of this version. */
export function readClaim(text: string): Claim | null {
  try {
    const read = claim.safeParse(JSON.parse(text));
    return read.success ? (read.data as unknown as Claim) : null;
  } catch {
    return null;
  }
}

/** What an edge may do about an action it has work of. */
export type Wish =
  /** Write this claim over what was seen; when that comes through, go on with `progress`. */
  | { type: 'take'; claim: Claim; progress: Progress }
  /** Leave it alone: another edge runs it. */
  | { type: 'held'; by: string; begun: boolean }
  /** It began elsewhere and nobody can go on with it: write this claim, and tell how it ended. */
  | { type: 'give-up'; claim: Claim & { ended: Ended } }
  /** It is over. `tell`: under an older generation, so control waits for a word under this one. */
  | { type: 'over'; ended: Ended; tell: boolean };

const NOT_TO_CONTINUE: Ended = {
  outcome: 'failed',
  why: 'It began on another edge, which is gone, and how far it came is not known: look at the device before doing it again.',
};

/**
 * What may be done about the action of `local`.
 * @param known its claim as just read; null when there is none.
 * @param isGone whether this other holder can have nothing under way any more.
 */
export function wish(
  known: Claim | null,
  local: WorkRecord,
  me: Holder,
  isGone: (holder: Holder) => boolean,
  nowMs: number,
): Wish {
  const { generation } = local.work;
  const ours = local.claim?.fence ?? 0;
  const next = (from: Progress, begun: boolean): Wish => {
    const fence = Math.max(ours, known?.fence ?? 0) + 1;
    const claim: Claim = {
      v: CLAIM_VERSION, generation, fence, holder: me, begun, progress: keptOf(from), ended: null, at: nowMs,
    }; // biome-ignore format: a plain list
    return { type: 'take', claim, progress: from };
  };
  // A bucket that was lost with its claims: what this edge knows is all there is.
  if (known === null) return next(progressOf(local), hasSent(local));
  const isOlder = known.generation < generation;
  // Given back to control, which hands it over anew: its device went to another POP and came again.
  const isGivenBack = isOlder && known.ended?.outcome === 'cancelled';
  if (isGivenBack) return next(progressOf(newWorkRecord(local.work)), false);
  if (known.ended !== null) return { type: 'over', ended: known.ended, tell: isOlder };
  const { holder, begun, fence } = known;
  if (holder !== null && holder.edgeId !== me.edgeId && !isGone(holder)) {
    return { type: 'held', by: holder.edgeId, begun };
  }
  // Handed over again with a newer generation: its claim goes on, but this edge is not the one that replaces it.
  if (known.generation > generation) return { type: 'held', by: 'a newer hand-over', begun };
  // Written here since that claim was taken here: nobody else knows more.
  if (ours >= fence) return next(progressOf(local), begun);
  if (known.progress !== null) return next(known.progress, begun);
  if (!begun) return next(progressOf(newWorkRecord(local.work)), false);
  return { type: 'give-up', claim: ended(known, NOT_TO_CONTINUE, generation, nowMs) };
}

/** The claim before a request leaves that must not be repeated. */
export function kept(claim: Claim, record: WorkRecord, nowMs: number): Claim {
  return { ...claim, begun: true, progress: progressOf(record), at: nowMs };
}

/** The claim when the session is over and the action is not. @param record null where it holds nothing newer than the claim. */
export function parked(claim: Claim, record: WorkRecord | null, nowMs: number): Claim {
  const progress = record === null ? claim.progress : keptOf(progressOf(record));
  return { ...claim, holder: null, progress, at: nowMs };
}

export function ended(
  claim: Claim,
  end: Ended,
  generation: number,
  nowMs: number,
): Claim & { holder: null; ended: Ended } {
  return { ...claim, generation, holder: null, progress: null, ended: end, at: nowMs };
}

/** True when a session may run this record: all of them where nobody claims. */
export function isOurs({ claim }: WorkRecord, token: string): boolean {
  return token === '' || (claim?.isHeld === true && claim.token === token);
}

export function progressOf({ work: _, claim: __, ...progress }: WorkRecord): Progress {
  return progress;
}

/** The record with which an edge goes on. */
export function goOnWith(progress: Progress, work: Work, claim: WorkRecord['claim']): WorkRecord {
  return { ...progress, work, claim };
}

/** Nothing is kept of work that was not started. */
function keptOf(progress: Progress): Progress | null {
  return progress.state === undefined ? null : progress;
}

const hasSent = ({ rpcs, rpcsDropped }: WorkRecord): boolean => rpcs.length + (rpcsDropped ?? 0) > 0;
