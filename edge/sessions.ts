// Which session a POST belongs to, and the beginning and end of each: cookie, shared table and store together. What is said in a session
// is none of its business.

import type { Clock } from '../base/clock.ts';
import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Session } from '../cwmp/session.ts';
import type { Identity } from './auth.ts';
import type { SessionTolerance } from './deviations.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import type { CwmpExchange } from './http.ts';
import { findCookie, glancedAt, isGlanced, type SessionClaims, type SessionCookies } from './session-cookie.ts';
import type { SessionTable } from './session-table.ts';
import { type EdgeStore, isExpired, type SessionRecord } from './store/store.ts';

export interface SessionsOptions {
  store: EdgeStore;
  table: SessionTable;
  cookies: SessionCookies;
  metrics: SessionMetrics;
  clock: Clock;
  log: Log;
  /** Number of this start of the edge, and of this thread: together with a count they name sessions. */
  incarnation: number;
  lane: number;
}

/** A session found for a POST that is not an Inform. */
export interface Found {
  claims: SessionClaims;
  cookie: string;
  session: Session;
  /** undefined while the session is quiet. */
  record: SessionRecord | undefined;
}

/** What a session begins with. */
export interface Begun {
  cpeId: CpeId;
  namespace: string;
  version: string;
  timeoutMs: number;
  nowMs: number;
  /** See SessionClaims. */
  quiet?: string;
}

type Touchable = Pick<SessionClaims, 'sessionId' | 'cpeId' | 'generation'>;

/** The last POST of a session. */
interface Touched {
  atMs: number;
  cpeId: CpeId;
  generation: number;
}

/** Well below the shortest session timeout, and few writes for a body of minutes. */
const KEEP_OPEN_MS = 15_000;
/** Each look walks over what was deleted since the last one, so not at every POST. */
const FORGET_EVERY_MS = 1_000;
/** Sessions open at once on a busy thread, and room for those that never end. */
const SEALED_MAX = 4_096;

export class Sessions {
  readonly #o: SessionsOptions;
  #count = 0;
  /** The cookie opened last: a POST is asked about several times. */
  #opened: { cookie: string; claims: SessionClaims } | null = null;
  /** Cookies of open sessions sealed here, the oldest first, as nearly all come back to the thread that sealed them: opening one costs a hash. */
  readonly #sealed = new Map<string, SessionClaims>();
  /** Sessions POSTed to on this thread, by id, the one silent for the longest first. For the gauge and for draining. */
  readonly #open = new Map<string, Touched>();
  #forgotAt = 0;

  constructor(options: SessionsOptions) {
    this.#o = options;
  }

  /** Sessions POSTed to here that neither ended, on whatever thread, nor are silent for longer than the session timeout. */
  openSessions(): number {
    this.#forgetSilent(this.#o.clock.now());
    for (const [id, { cpeId, generation }] of this.#open) {
      if (!this.#o.table.isLive(cpeId, generation)) this.#open.delete(id);
    }
    return this.#open.size;
  }

  /** The same of quiet sessions, on all threads together. */
  openQuietSessions(): number {
    return this.#o.table.quiet.open(Math.floor(this.#o.clock.now() / 1000));
  }

  /** True when the exchange belongs to a session that is still open: such a POST is let in without new authentication. */
  isLive(exchange: CwmpExchange): SessionClaims | null {
    const found = this.find(exchange, null);
    return found !== null && found.session.phase !== 'ended' ? found.claims : null;
  }

  /** A CPE whose body takes longer than the session timeout is not silent: 3 MB over a slow uplink are twelve minutes (CWMP S9). */
  keepOpen(exchange: CwmpExchange, identity: Identity | null): void {
    const found = this.find(exchange, identity);
    const record = found?.record;
    const nowMs = this.#o.clock.now();
    if (
      found === null ||
      record === undefined ||
      record.session.phase === 'awaiting-inform' ||
      nowMs - record.lastAt < KEEP_OPEN_MS
    )
      return;
    this.touch(found.claims, nowMs);
    const { cpeId } = record.session;
    const touched = this.#o.store.touchSession(cpeId, record.sessionId, nowMs);
    touched.catch((error: unknown) => this.#o.log.error({ err: error, cpeId }, 'a session could not be kept open'));
  }

  /**
   * Begins a session: every earlier one of this CPE is void from now on (CWMP S11).
   * @returns its id and the value of its cookie.
   */
  begin(exchange: CwmpExchange, identity: Identity | null, what: Begun): { sessionId: string; cookie: string } {
    const { sessionId, generation, cookie } = this.#seal(identity, what, what.quiet ?? '');
    const { cpeId, nowMs, timeoutMs } = what;
    const startedAtSeconds = Math.floor(nowMs / 1000);
    const until = startedAtSeconds + Math.ceil(timeoutMs / 1000);
    this.#o.table.rememberAddress(addressKey(exchange, identity), cookie, startedAtSeconds, until);
    this.touch({ sessionId, cpeId, generation }, nowMs);
    this.#o.metrics.sessionsStarted.inc();
    return { sessionId, cookie };
  }

  /**
   * Begins a session of a CPE that is known to return cookies, of which nothing is expected but its end: no look-up is prepared.
   * @param openMark of the store, taken before it was seen that nothing is open.
   */
  beginQuiet(identity: Identity | null, what: Begun, openMark: number): { sessionId: string; cookie: string } {
    this.#o.table.quiet.begun(Math.floor(what.nowMs / 1000));
    return this.#seal(identity, what, glancedAt(openMark));
  }

  /**
   * Ends a session of beginQuiet that stayed quiet: its cookie came back, and nothing was opened for its CPE.
   * @returns false when this POST is anything else: then nothing has happened.
   */
  endQuiet(exchange: CwmpExchange, identity: Identity | null): boolean {
    const { cookies, table, store, clock } = this.#o;
    const cookie = findCookie(exchange.cookie);
    const claims = cookie === null ? null : this.#claimsOf(cookie);
    if (claims === null || !isGlanced(claims)) return false;
    const { cpeId, generation, startedAtSeconds, timeoutSeconds, quiet } = claims;
    if (identity !== null && cookies.authTag(identity) !== claims.authTag) return false;
    if ((startedAtSeconds + timeoutSeconds) * 1000 < clock.now() || !table.isLive(cpeId, generation)) return false;
    if (quiet !== glancedAt(store.openMark(cpeId))) return false;
    table.end(cpeId, generation);
    table.quiet.ended(startedAtSeconds);
    this.#sealed.delete(cookie as string);
    return true;
  }

  #seal(
    identity: Identity | null,
    { cpeId, namespace, version, timeoutMs, nowMs }: Begun,
    quiet: string,
  ): { sessionId: string; generation: number; cookie: string } {
    const { table, cookies, incarnation, lane } = this.#o;
    const generation = table.begin(cpeId);
    const sessionId = `${incarnation.toString(36)}-${lane}-${(++this.#count).toString(36)}`;
    const claims: SessionClaims = {
      sessionId,
      incarnation,
      generation,
      startedAtSeconds: Math.floor(nowMs / 1000),
      timeoutSeconds: Math.ceil(timeoutMs / 1000),
      namespaceDigit: namespace.at(-1) ?? '0',
      version,
      cpeId,
      authTag: cookies.authTag(identity),
      quiet,
    };
    const cookie = cookies.seal(claims);
    if (this.#sealed.size >= SEALED_MAX) {
      const [oldest = ''] = this.#sealed.keys();
      this.#sealed.delete(oldest);
    }
    this.#sealed.set(cookie, claims);
    return { sessionId, generation, cookie };
  }

  /** Its CPE POSTed again. */
  touch({ sessionId, cpeId, generation }: Touchable, nowMs: number): void {
    // To the end of the map, which so stays in the order of the last POST.
    this.#open.delete(sessionId);
    this.#open.set(sessionId, { atMs: nowMs, cpeId, generation });
    // Sessions that end on another thread, or never, are forgotten also where nobody scrapes.
    if (nowMs - this.#forgotAt >= FORGET_EVERY_MS) this.#forgetSilent(nowMs);
  }

  /** The CPE whose session a POST would be found for, open or not; null when there is none. Without a word in the metrics. */
  whose(exchange: CwmpExchange, identity: Identity | null): CpeId | null {
    const { table, clock } = this.#o;
    const cookie =
      findCookie(exchange.cookie) ?? table.findAddress(addressKey(exchange, identity), Math.floor(clock.now() / 1000));
    return cookie === null ? null : (this.#claimsOf(cookie)?.cpeId ?? null);
  }

  /** The session a POST other than an Inform belongs to; null when there is none that may go on (CWMP C5, C6, H12, H13). */
  find(exchange: CwmpExchange, identity: Identity | null): Found | null {
    const { cookies, table, clock, metrics } = this.#o;
    let cookie = exchange.cookie === '' ? null : findCookie(exchange.cookie);
    const returned = cookie !== null;
    if (cookie === null) {
      cookie = table.findAddress(addressKey(exchange, identity), Math.floor(clock.now() / 1000));
      if (cookie !== null) metrics.tolerances.inc('no-cookie' satisfies SessionTolerance);
    }
    if (cookie === null) return null;
    const claims = this.#claimsOf(cookie);
    if (claims === null) return null;
    if (identity !== null && cookies.authTag(identity) !== claims.authTag) {
      metrics.auth.inc('cookie-of-another');
      return null;
    }
    const found = this.#nowOf(claims, cookie);
    // It returns cookies: nobody has to look for it by its address.
    if (returned && found?.record?.posts === 1) table.forgetAddress(addressKey(exchange, identity), cookie);
    return found;
  }

  /** A session that was found before a wait, as it is now; null when it ended or was taken over meanwhile. */
  again({ claims, cookie }: Found): Found | null {
    return this.#nowOf(claims, cookie);
  }

  #claimsOf(cookie: string): SessionClaims | null {
    if (this.#opened?.cookie === cookie) return this.#opened.claims;
    const claims = this.#sealed.get(cookie) ?? this.#o.cookies.open(cookie);
    if (claims !== null) this.#opened = { cookie, claims };
    return claims;
  }

  /** Another number after each begin or end of a session of this CPE. */
  mark(cpeId: CpeId): number {
    return this.#o.table.mark(cpeId);
  }

  isOfThisStart({ incarnation }: SessionClaims): boolean {
    return incarnation === this.#o.incarnation;
  }

  /** A quiet session gets a record, for it goes on: it is not among the quiet ones any more. */
  noLongerQuiet(claims: SessionClaims): void {
    if (isGlanced(claims)) this.#o.table.quiet.ended(claims.startedAtSeconds);
  }

  /** The session is over: its cookie is worth nothing from now on. */
  close({ claims, cookie, record }: Found, exchange: CwmpExchange, identity: Identity | null, why: string): void {
    const { table, metrics } = this.#o;
    table.end(claims.cpeId, claims.generation);
    table.forgetAddress(addressKey(exchange, identity), cookie);
    this.#open.delete(claims.sessionId);
    this.#sealed.delete(cookie);
    if (record === undefined) this.noLongerQuiet(claims);
    metrics.sessionsEnded.inc(why);
  }

  #nowOf(claims: SessionClaims, cookie: string): Found | null {
    const { store, table, clock, incarnation } = this.#o;
    const nowMs = clock.now();
    const { cpeId } = claims;
    const record = store.getSession(cpeId);
    if (record !== undefined) {
      // The store knows a newer session of this CPE: this cookie's was taken over.
      if (record.sessionId !== claims.sessionId || isExpired(record, nowMs)) return null;
      return { claims, cookie, session: record.session, record };
    }
    if ((claims.startedAtSeconds + claims.timeoutSeconds) * 1000 < nowMs) return null;
    const namespace = `urn:dslforum-org:cwmp-1-${claims.namespaceDigit}`;
    const resumable = table.isLive(cpeId, claims.generation) || claims.incarnation !== incarnation;
    if (!resumable) return null;
    return { claims, cookie, session: { phase: 'cpe-turn', cpeId, namespace }, record: undefined };
  }

  #forgetSilent(nowMs: number): void {
    this.#forgotAt = nowMs;
    for (const [id, { atMs }] of this.#open) {
      if (atMs >= nowMs - LIMITS.sessionTimeoutMs) return;
      this.#open.delete(id);
    }
  }
}

/** Under what a CPE without a cookie is found again: source address, and user name where there is one (CWMP H13). */
function addressKey(exchange: CwmpExchange, identity: Identity | null): string {
  return identity === null || identity.username === null
    ? exchange.address
    : `${exchange.address}|${identity.username}`;
}
