// Wakes CPEs: decides when to make connection requests, how many at once, and when to stop. One at a time per CPE, whatever the number of
// reasons (CWMP R6); it neither knows HTTP (connection-request.ts) nor the store (waker.ts hands look-ups in).
//
//            ┌────────── again, while work waits ──────────┐
//            ▼                                             │
//   wake ─▶ queued ─▶ asking ─busy, unreachable─▶ retrying ┤
//            ▲           └────accepted────▶ resting ───────┤
//            └── wake, when the CPE has been here since ───┘ no work, or tried often enough ─▶ forgotten
//
// queued    Waits for one of the places in flight.
// asking    The request is under way; a wake that comes now is part of it.
// retrying  Waits for its next try, or for an open session to end; a wake brings it forward and counts afresh.
// resting   The CPE accepted and is expected to inform within 30 s (R2). A wake before it came is part of the request that was accepted, unless
//           it may have come to another edge.

import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Timers } from '../base/timers.ts';
import type { FactBody } from '../bus/messages.ts';
import type { ConnectionRequestResult, Credentials } from './connection-request.ts';

export interface Waker {
  /** Asks the CPE to inform, soon and in the background. `why` is for people. */
  wake(cpeId: CpeId, why: string): void;
}

export type WakeOutcome = FactBody<'wake'>['outcome'];

/** Where a CPE listens, as of its last Inform. */
export interface WakeTarget {
  url: string;
  /** Its source address as we saw it. */
  address: string;
  credentials: Credentials[];
}

/** `refused`: the guard did not let the request out. */
export type WakeResult = ConnectionRequestResult | { outcome: 'refused'; why: string };

export interface WakerParts {
  /** null when the CPE is not known here. */
  target(cpeId: CpeId): WakeTarget | null;
  /** True while a session of the CPE with something to do is open: it takes new work by itself. */
  inSession(cpeId: CpeId): boolean;
  /** True while work could run if only the CPE were here. */
  hasWork(cpeId: CpeId): boolean;
  /** A number that is another one after each session of the CPE began. */
  contactMark(cpeId: CpeId): number;
  /** The CPE may answer a request by a session with another edge, which is not seen here. */
  mayComeElsewhere: boolean;
  /** Makes one request; never rejects. */
  request(target: WakeTarget, signal: AbortSignal): Promise<WakeResult>;
  /** Called with the outcome of each try. */
  settled(wake: FactBody<'wake'>): void;
  /** See systemElapsed. */
  elapsed(): number;
  timers: Timers;
}

/** Waits before the second, third and fourth try: a CPE in a session is soon free, one that reboots takes a minute. */
const RETRY_MS = [5_000, 15_000, 60_000];

interface Entry {
  phase: 'queued' | 'asking' | 'retrying' | 'resting';
  why: string;
  /** A wake came that no try has answered yet. */
  owed: boolean;
  /** Requests made since the last wake that counted afresh. */
  tries: number;
  askedAt: number;
  /** contactMark when the request was made. */
  mark: number;
  /** Calls the timer off; non-null exactly while retrying or resting. */
  cancel: (() => void) | null;
}

export class HttpWaker implements Waker {
  readonly #parts: WakerParts;
  readonly #entries = new Map<CpeId, Entry>();
  readonly #abort = new AbortController();
  // Taken from #head on; the front is cut off now and then instead of on each take.
  #queue: CpeId[] = [];
  #head = 0;
  #inFlight = 0;

  constructor(parts: WakerParts) {
    this.#parts = parts;
  }

  wake(cpeId: CpeId, why: string): void {
    if (this.#abort.signal.aborted) return;
    const entry = this.#entries.get(cpeId);
    if (entry === undefined) {
      if (this.#entries.size >= LIMITS.connectionRequestsWaitingMax) {
        this.#settle(cpeId, 'refused', 'too many connection requests are waiting on this edge', 0);
        return;
      }
      const fresh: Entry = { phase: 'queued', why, owed: true, tries: 0, askedAt: 0, mark: 0, cancel: null };
      this.#entries.set(cpeId, fresh);
      this.#begin(cpeId, fresh);
      return;
    }
    if (entry.phase === 'queued' || entry.phase === 'asking') return;
    const cameSince = this.#parts.contactMark(cpeId) !== entry.mark;
    if (entry.phase === 'resting' && !cameSince && !this.#parts.mayComeElsewhere) return;
    entry.why = why;
    entry.owed = true;
    entry.tries = 0;
    // A CPE that came when it was last asked has shown that it takes them at this pace; somebody may be on the phone.
    const gapMs = cameSince ? 0 : entry.askedAt + LIMITS.connectionRequestGapMs - this.#parts.elapsed();
    this.#later(cpeId, entry, 'retrying', Math.max(0, gapMs));
  }

  /** Connection requests under way, and CPEs a wake is wanted for. */
  get load(): { inFlight: number; waiting: number } {
    return { inFlight: this.#inFlight, waiting: this.#entries.size - this.#inFlight };
  }

  /** Ends what is under way and forgets the rest. */
  close(): void {
    this.#abort.abort();
    for (const entry of this.#entries.values()) entry.cancel?.();
    this.#entries.clear();
    this.#queue = [];
    this.#head = 0;
  }

  #begin(cpeId: CpeId, entry: Entry): void {
    entry.cancel = null;
    if (this.#parts.inSession(cpeId)) {
      if (entry.owed) this.#settle(cpeId, 'accepted', `${entry.why}: a session is open already`, 0);
      entry.owed = false;
      // Looked at again: work that arrived just as the session ended would otherwise wait for the next periodic Inform.
      this.#later(cpeId, entry, 'retrying', LIMITS.connectionRequestLookMs);
      return;
    }
    entry.phase = 'queued';
    this.#queue.push(cpeId);
    this.#pump();
  }

  #pump(): void {
    while (this.#inFlight < LIMITS.connectionRequestsInFlightMax && this.#head < this.#queue.length) {
      const cpeId = this.#queue[this.#head++] ?? '';
      const entry = this.#entries.get(cpeId);
      if (entry !== undefined) void this.#ask(cpeId, entry);
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  async #ask(cpeId: CpeId, entry: Entry): Promise<void> {
    const { elapsed, contactMark } = this.#parts;
    const target = this.#parts.target(cpeId);
    if (target === null || target.url === '') {
      this.#entries.delete(cpeId);
      const why = target === null ? 'the CPE has never informed here' : 'the CPE tells no ConnectionRequestURL';
      this.#settle(cpeId, 'no-url', why, 0);
      return;
    }
    entry.phase = 'asking';
    entry.askedAt = elapsed();
    entry.mark = contactMark(cpeId);
    entry.owed = false;
    entry.tries++;
    this.#inFlight++;
    const result = await this.#parts.request(target, this.#abort.signal);
    this.#inFlight--;
    if (this.#abort.signal.aborted) return;
    this.#decide(cpeId, entry, result);
    this.#pump();
  }

  #decide(cpeId: CpeId, entry: Entry, result: WakeResult): void {
    const durationMs = this.#parts.elapsed() - entry.askedAt;
    const retryMs = RETRY_MS[entry.tries - 1];
    let why = `${entry.why}: ${result.why}`;
    if (result.outcome === 'accepted') {
      this.#later(cpeId, entry, 'resting', LIMITS.connectionRequestAnswerMs);
    } else if (
      (result.outcome === 'busy' || result.outcome === 'unreachable') &&
      retryMs !== undefined &&
      this.#parts.hasWork(cpeId)
    ) {
      why += `; next try in ${retryMs / 1_000} s`;
      this.#later(cpeId, entry, 'retrying', retryMs);
    } else {
      this.#entries.delete(cpeId);
    }
    this.#settle(cpeId, result.outcome, why, durationMs);
  }

  #later(cpeId: CpeId, entry: Entry, phase: 'retrying' | 'resting', ms: number): void {
    entry.cancel?.();
    entry.phase = phase;
    // What a wake asked for is done even without work; what follows a try is done only while work waits.
    entry.cancel = this.#parts.timers.after(ms, () => {
      const wanted = entry.owed || (entry.tries <= RETRY_MS.length && this.#parts.hasWork(cpeId));
      if (wanted) this.#begin(cpeId, entry);
      else this.#entries.delete(cpeId);
    });
  }

  #settle(cpeId: CpeId, outcome: WakeOutcome, why: string, durationMs: number): void {
    this.#parts.settled({ cpeId, outcome, method: 'http', why, durationMs });
  }
}
