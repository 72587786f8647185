// The session cookie: small facts about the session, sealed with the installation's key, so that any thread knows a quiet session
// without reading or writing anything. Shape: sessionId.generation.startedAt.timeout.ns.version.cpeId.seal, every part in the token charset of RFC 6265
// (CWMP C2, C3). It says nothing secret; the seal (128 bits) makes it unguessable (C6) and the generation useless after the session.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';

export const COOKIE_NAME = 'sid';

export interface SessionClaims {
  /** incarnation-lane-count, base 36: names the session in logs and evidence. */
  sessionId: string;
  incarnation: number;
  /** Of the CPE's slot in the SessionTable when the session began. */
  generation: number;
  startedAtSeconds: number;
  timeoutSeconds: number;
  /** Last digit of `urn:dslforum-org:cwmp-1-<digit>` (CWMP V4). */
  namespaceDigit: string;
  /** Agreed CWMP version, e.g. '1.4'. */
  version: string;
  cpeId: CpeId;
  /** User the Inform was authenticated as; '' without authentication. Not sealed in clear: see `authTag`. */
  authTag: string;
}

/** Seals remembered per thread, so that the next POST of a session costs a look-up and no hash. */
const REMEMBERED_MAX = 20_000;

export class SessionCookies {
  readonly #key: Buffer;
  #remembered = new Map<string, SessionClaims>();
  #older = new Map<string, SessionClaims>();

  /** `key` is the installation's cookie key, at least 32 bytes. */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** The cookie value of a session; ≤ 100 characters for usual identities. */
  seal(claims: SessionClaims): string {
    const body = [
      claims.sessionId,
      claims.generation.toString(36),
      claims.startedAtSeconds.toString(36),
      claims.timeoutSeconds.toString(36),
      claims.namespaceDigit,
      claims.version.replace('.', ''),
      claims.authTag,
      claims.cpeId,
    ].join('.');
    const value = `${body}.${this.#mac(body)}`;
    this.#remember(value, claims);
    return value;
  }

  /** The claims of a cookie value of ours; null for anything else. Says nothing about whether the session still lives. */
  open(value: string): SessionClaims | null {
    const known = this.#remembered.get(value) ?? this.#older.get(value);
    if (known) return known;
    const cut = value.lastIndexOf('.');
    if (cut <= 0 || value.length > LIMITS.cookieCharsMax) return null;
    const body = value.slice(0, cut);
    const given = Buffer.from(value.slice(cut + 1), 'latin1');
    const expected = Buffer.from(this.#mac(body), 'latin1');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
    const parts = body.split('.');
    if (parts.length !== 8) return null;
    const [sessionId, generation, startedAt, timeout, namespaceDigit, version, authTag, cpeId] = parts as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string, // biome-ignore format: one tuple
    ];
    const claims: SessionClaims = {
      sessionId,
      incarnation: Number.parseInt(sessionId, 36),
      generation: Number.parseInt(generation, 36),
      startedAtSeconds: Number.parseInt(startedAt, 36),
      timeoutSeconds: Number.parseInt(timeout, 36),
      namespaceDigit,
      version: `${version[0]}.${version.slice(1)}`,
      authTag,
      cpeId,
    };
    this.#remember(value, claims);
    return claims;
  }

  /** Short tag of an authenticated user name, bound into the cookie: another user's credentials beside it are refused (C6). */
  authTag(username: string | null): string {
    if (username === null) return '';
    return createHmac('sha256', this.#key).update(`user\0${username}`).digest('base64url').slice(0, 6);
  }

  #mac(body: string): string {
    return createHmac('sha256', this.#key).update(body).digest('base64url').slice(0, 22);
  }

  // Two generations of a map: forgetting costs nothing per entry.
  #remember(value: string, claims: SessionClaims): void {
    if (this.#remembered.size >= REMEMBERED_MAX) {
      this.#older = this.#remembered;
      this.#remembered = new Map();
    }
    this.#remembered.set(value, claims);
  }
}

const NAME_EQUALS = `${COOKIE_NAME}=`;

/**
 * Finds our cookie in a Cookie header as CPEs really send it: several cookies, commas for semicolons, quotes, RFC 2109 attributes,
 * echoed attributes of Set-Cookie (FIELD 30, CWMP C3).
 * @returns the value, or null.
 */
export function findCookie(header: string): string | null {
  let at = 0;
  for (;;) {
    at = header.indexOf(NAME_EQUALS, at);
    if (at < 0) return null;
    const before = at === 0 ? 59 : header.charCodeAt(at - 1);
    at += NAME_EQUALS.length;
    // Only at the start of a cookie: after ';' ',' or white space.
    if (before === 59 || before === 44 || before === 32 || before === 9) break;
  }
  if (header.charCodeAt(at) === 34) at++;
  let end = at;
  while (end < header.length) {
    const c = header.charCodeAt(end);
    if (c === 59 || c === 44 || c === 32 || c === 9 || c === 34) break;
    end++;
  }
  return end === at ? null : header.slice(at, end);
}
