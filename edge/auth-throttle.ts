// Slows down guessing (CWMP A9). Counts failed attempts in memory, per thread and bounded; it forgets, and a restart forgets all.
// There is no count per user name alone: it would let anyone lock a CPE out by failing in its name. The pair of address and name stops a
// CPE that repeats a wrong answer for ever; the address alone, with much more patience because of NAT, stops a guesser of names.

import { hash } from 'node:crypto';
import { systemElapsed } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import {
  type AuthPolicy,
  type AuthRequest,
  type AuthResult,
  authenticate,
  claimedUsername,
  isFailedAttempt,
  type LookUp,
} from './auth.ts';

interface Failures {
  count: number;
  /** End of the window in which further failures add up. */
  untilMs: number;
  /** Refused before this time. */
  blockedUntilMs: number;
  blockMs: number;
}

export class AuthThrottle {
  readonly #elapsed: () => number;
  // Two generations: when the younger is full it becomes the older, whose entries were not touched for longest. Forgetting costs nothing
  // per entry, where deleting the first key of one large Map again and again walks over all that were deleted before it.
  #younger = new Map<string, Failures>();
  #older = new Map<string, Failures>();

  constructor(elapsed: () => number = systemElapsed) {
    this.#elapsed = elapsed;
  }

  /** Milliseconds until this address may try this name again; 0: now. `username` null when none was claimed. */
  waitMs(address: string, username: string | null): number {
    if (this.size === 0) return 0;
    const now = this.#elapsed();
    let until = this.#get(address)?.blockedUntilMs ?? 0;
    if (username !== null) until = Math.max(until, this.#get(pairOf(address, username))?.blockedUntilMs ?? 0);
    return Math.max(0, until - now);
  }

  failed(address: string, username: string | null): void {
    this.#count(address, LIMITS.authFailuresPerAddress);
    if (username !== null) this.#count(pairOf(address, username), LIMITS.authFailuresPerName);
  }

  /** A right answer ends the count of its own pair; the address goes on counting, others may be guessing behind it. */
  succeeded(address: string, username: string | null): void {
    if (username === null || this.size === 0) return;
    const pair = pairOf(address, username);
    this.#younger.delete(pair);
    this.#older.delete(pair);
  }

  /** Entries held. */
  get size(): number {
    return this.#younger.size + this.#older.size;
  }

  #count(key: string, patience: number): void {
    const now = this.#elapsed();
    let entry = this.#get(key);
    if (entry === undefined || entry.untilMs < now) entry = { count: 0, untilMs: 0, blockedUntilMs: 0, blockMs: 0 };
    entry.count++;
    entry.untilMs = Math.max(now + LIMITS.authFailureWindowMs, entry.blockedUntilMs);
    if (entry.count >= patience) {
      // Each failure past the bound doubles the wait.
      entry.blockMs = Math.min(LIMITS.authBlockMsMax, Math.max(LIMITS.authBlockMsMin, entry.blockMs * 2));
      entry.blockedUntilMs = now + entry.blockMs;
      entry.untilMs = entry.blockedUntilMs + LIMITS.authFailureWindowMs;
    }
    this.#older.delete(key);
    this.#younger.set(key, entry);
    if (this.#younger.size >= LIMITS.authThrottleEntriesMax / 2) {
      this.#older = this.#younger;
      this.#younger = new Map();
    }
  }

  #get(key: string): Failures | undefined {
    return this.#younger.get(key) ?? this.#older.get(key);
  }
}

/**
 * authenticate() behind the throttle. A blocked pair is refused with 503 before its answer is looked at, right or wrong: otherwise the
 * throttle would tell a guesser of its success. CPEs meet a 503 with their session retry policy.
 */
export function authenticateThrottled(
  throttle: AuthThrottle,
  from: { readonly address: string },
  policy: AuthPolicy,
  request: AuthRequest,
  lookUp: LookUp,
): AuthResult {
  if (!request.isGiven) return authenticate(policy, request, lookUp);
  // Nobody's address is asked for, a system call, while nobody has failed.
  const username = throttle.size === 0 ? null : claimedUsername(request.authorization);
  const waitMs = throttle.size === 0 || policy.mode === 'none' ? 0 : throttle.waitMs(from.address, username);
  if (waitMs > 0) {
    const text = 'Too many failed attempts. Check the user name and password of this CPE, then wait.';
    return { type: 'denied', status: 503, text, retryAfterSeconds: Math.ceil(waitMs / 1_000), reason: 'throttled' };
  }
  const result = authenticate(policy, request, lookUp);
  if (isFailedAttempt(result)) throttle.failed(from.address, claimedUsername(request.authorization));
  else if (result.type === 'ok' && throttle.size > 0) throttle.succeeded(from.address, username);
  return result;
}

/** A blank cannot be part of an address. Names are as long as a CPE likes, so the key has their hash: bounded entries, bounded map. */
function pairOf(address: string, username: string): string {
  return `${address} ${hash('sha256', username, 'base64url')}`;
}
