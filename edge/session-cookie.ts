// The session cookie: small facts about the session, sealed with the installation's key, so that any thread knows a quiet session
// without reading or writing anything. Shape: sessionId.generation.startedAt.timeout.ns.version.authTag.quiet.cpeId.seal, every part in the
// token charset of RFC 6265 (CWMP C2, C3). It says nothing secret; the seal makes it unguessable (C6) and the generation useless after
// the session.
//
// The seal is SHA-256 over key and cookie, cut to 132 bits. Without its other 124 bits nobody can go on from it, which is what an HMAC
// guards against; and it takes a quarter of the time.

import { hash } from 'node:crypto';
import { hashText } from '../base/hash-text.ts';
import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Identity } from './auth.ts';

export const COOKIE_NAME = 'sid';
/**
 * Begins `quiet` of a session that began at a glance, so that its CPE has its mark and nobody is to look for it by its address. Behind it
 * EdgeStore.openMark of that moment.
 */
const GLANCED = '~';

/** Begins `authTag` of a session whose Inform came with a client certificate; a hash in base 36 has no such letter. */
const BY_CERTIFICATE = 'C';

/** True when the session was begun with a client certificate: its cookie without one is somebody else's (CWMP A7). */
export function wantsCertificate({ authTag }: SessionClaims): boolean {
  return authTag.startsWith(BY_CERTIFICATE);
}

export function glancedAt(openMark: number): string {
  return GLANCED + openMark.toString(36);
}

export function isGlanced({ quiet }: SessionClaims): boolean {
  return quiet.startsWith(GLANCED);
}

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
  /** Who the Inform was authenticated as; '' without authentication. Not sealed in clear: see SessionCookies.authTag. */
  authTag: string;
  /** What marks the record of the CPE when this session ends quietly (quiet-informs.ts); '' for none. Or glancedAt(). */
  quiet: string;
}

const SEAL_CHARS = 22;

export class SessionCookies {
  readonly #key: string;
  // The last times that were written: thousands of sessions begin in one second.
  #second = -1;
  #timeout = -1;
  #times = '';

  /** `key` is the installation's cookie key, at least 32 bytes. */
  constructor(key: Buffer) {
    this.#key = key.toString('hex');
  }

  /** The cookie value of a session; ≤ 165 characters for usual identities, ≤ 270 for the longest plain one. */
  seal(claims: SessionClaims): string {
    const { sessionId, generation, startedAtSeconds, timeoutSeconds, namespaceDigit, version, authTag, quiet, cpeId } =
      claims;
    if (startedAtSeconds !== this.#second || timeoutSeconds !== this.#timeout) {
      this.#second = startedAtSeconds;
      this.#timeout = timeoutSeconds;
      this.#times = `${startedAtSeconds.toString(36)}.${timeoutSeconds.toString(36)}`;
    }
    const agreed = `${namespaceDigit}.${version[0]}${version.slice(2)}`;
    const body = `${sessionId}.${generation.toString(36)}.${this.#times}.${agreed}.${authTag}.${quiet}.${cpeId}`;
    return `${body}.${this.#sealOf(body)}`;
  }

  /** The claims of a cookie value of ours; null for anything else. Says nothing about whether the session still lives. */
  open(value: string): SessionClaims | null {
    const cut = value.length - SEAL_CHARS - 1;
    if (cut <= 0 || value.length > LIMITS.cookieCharsMax) return null;
    const body = value.slice(0, cut);
    if (value[cut] !== '.' || !isEqual(value, cut + 1, this.#sealOf(body))) return null;
    // Nobody else could have sealed it, so its parts are where they belong.
    const generation = body.indexOf('.') + 1;
    const started = body.indexOf('.', generation) + 1;
    const timeout = body.indexOf('.', started) + 1;
    const namespace = body.indexOf('.', timeout) + 1;
    const version = body.indexOf('.', namespace) + 1;
    const authTag = body.indexOf('.', version) + 1;
    const quiet = body.indexOf('.', authTag) + 1;
    const cpeId = body.indexOf('.', quiet) + 1;
    return {
      sessionId: body.slice(0, generation - 1),
      incarnation: Number.parseInt(body, 36),
      generation: Number.parseInt(body.slice(generation, started - 1), 36),
      startedAtSeconds: Number.parseInt(body.slice(started, timeout - 1), 36),
      timeoutSeconds: Number.parseInt(body.slice(timeout, namespace - 1), 36),
      namespaceDigit: body.slice(namespace, version - 1),
      version: `${body[version]}.${body.slice(version + 1, authTag - 1)}`,
      authTag: body.slice(authTag, quiet - 1),
      quiet: body.slice(quiet, cpeId - 1),
      cpeId: body.slice(cpeId),
    };
  }

  /**
   * Short tag of an authenticated user name, bound into the cookie: another user's credentials beside it are refused (C6). Nobody chooses
   * the name he is known by, so a hash that spreads will do; the seal is what cannot be forged. The name in a certificate is another one
   * than the same among user names.
   */
  authTag(identity: Pick<Identity, 'scheme' | 'username'> | null): string {
    if (identity === null || identity.username === null) return '';
    const tag = hashText(identity.username).toString(36);
    return identity.scheme === 'certificate' ? BY_CERTIFICATE + tag : tag;
  }

  #sealOf(body: string): string {
    return hash('sha256', `${this.#key}${body}`, 'base64url').slice(0, SEAL_CHARS);
  }
}

/** Compares all characters from `at` on, however early they differ: the time must not tell how much of a guess was right. */
function isEqual(given: string, at: number, expected: string): boolean {
  let differs = given.length - at - expected.length;
  for (let i = 0; i < expected.length; i++) differs |= given.charCodeAt(at + i) ^ expected.charCodeAt(i);
  return differs === 0;
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
