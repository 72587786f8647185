// Who is this CPE? Decides from the Authorization header alone: no socket, no store, no clock; the caller looks secrets up and sends
// what comes out. A malformed header is a failed attempt and nothing worse (FIELD 35). What a name may do is not decided here, except
// that a device which proved itself with its own secret may inform as nobody else (CWMP A5).

import { type CpeId, cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { DIGEST_ALGORITHMS, type DigestAlgorithm, digestAlgorithm, digestResponse } from './digest.ts';
import { type AuthPart, decodeBasic, param, quoted } from './http-auth-header.ts';
import { judgeNonce, newNonce } from './nonce.ts';

export interface AuthPolicy {
  mode: 'none' | 'basic' | 'digest' | 'certificate-header';
  realm: string;
  /** Key of the nonces: deriveKey(secret, 'cpe-nonce'), the same on every thread. */
  nonceKey: Buffer;
  /**
   * Offered in this order, one WWW-Authenticate each; answers in any of these families are taken. MD5 stands first because many CPEs
   * take the first challenge they see and know no other. Offer MD5 alone to CPEs that fail on a second challenge.
   */
  algorithms: readonly DigestAlgorithm[];
  /** Basic in digest mode: refused, taken when a CPE sends it unasked, or also offered after the Digest challenges (FIELD 48, CWMP A6). */
  basicInDigestMode: 'refused' | 'unasked' | 'offered';
}

export const DEFAULT_AUTH = {
  realm: 'Starling',
  algorithms: ['MD5', 'SHA-256'],
  basicInDigestMode: 'refused',
} as const satisfies Partial<AuthPolicy>;

export interface AuthRequest {
  /** As on the request line: both go into the digest. */
  method: string;
  uri: string;
  /** null when absent, or nothing that can be read. */
  authorization: AuthPart | null;
  /** True when there was a header, whatever it was. */
  isGiven: boolean;
  /** What the trusted TLS front says of the client certificate. The caller passes null unless the peer is such a front. */
  tlsHeader: string | null;
  nowMs: number;
}

/** The secret of a user name; `cpeId` null for a secret that several CPEs share (bootstrap). */
export type LookUp = (username: string) => { password: string; cpeId: CpeId | null } | null;

/** Who a request comes from. `cpeId` is the only CPE it may speak for; null: the secret, or nobody, says. */
export interface Identity {
  scheme: 'none' | 'basic' | 'digest' | 'certificate';
  username: string | null;
  cpeId: CpeId | null;
}

export type ChallengeReason =
  | 'absent' // No Authorization header: the normal first request.
  | 'malformed'
  | 'scheme' // One we do not take in this mode.
  | 'stale' // Right answer to an old or foreign nonce.
  | 'algorithm'
  | 'qop'
  | 'uri'
  | 'unknown-user'
  | 'wrong-password';

export type AuthResult =
  | ({ type: 'ok' } & Identity)
  /** Answer 401 with one WWW-Authenticate header each, and keep the connection open (CWMP H11, A9). */
  | { type: 'challenge'; headers: string[]; stale: boolean; reason: ChallengeReason; username: string | null }
  /** Answer `status` with `text`; `retryAfterSeconds` null when trying again will not help. */
  | {
      type: 'denied';
      status: 403 | 503;
      text: string;
      retryAfterSeconds: number | null;
      reason: 'certificate' | 'throttled';
    };

/** True when a failure speaks of guessing or of a wrong secret; first contacts and stale nonces do not. */
export function isFailedAttempt(result: AuthResult): boolean {
  return result.type === 'challenge' && result.reason !== 'absent' && result.reason !== 'stale';
}

/**
 * Authenticates one request (CWMP A1, A2; RFC 7616, RFC 2617, RFC 2069, RFC 7617).
 * @returns a value in every case; never throws for what a CPE sent.
 */
export function authenticate(policy: AuthPolicy, request: AuthRequest, lookUp: LookUp): AuthResult {
  if (policy.mode === 'none') return { type: 'ok', scheme: 'none', username: null, cpeId: null };
  if (policy.mode === 'certificate-header') return byCertificate(request.tlsHeader);
  if (!request.isGiven) return challenge(policy, request, 'absent', null);
  const part = request.authorization;
  if (part?.scheme === 'basic' && (policy.mode === 'basic' || policy.basicInDigestMode !== 'refused')) {
    return byBasic(policy, request, part, lookUp);
  }
  if (part?.scheme === 'digest' && policy.mode === 'digest') return byDigest(policy, request, part, lookUp);
  return challenge(policy, request, part === null ? 'malformed' : 'scheme', null);
}

/** The user name that credentials claim, not proved in any way; null when there is none. */
export function claimedUsername(part: AuthPart | null): string | null {
  if (part === null) return null;
  return part.scheme === 'basic'
    ? (decodeBasic(part.token ?? '')?.username ?? null)
    : (digestUsernames(part)[0] ?? null);
}

/**
 * May this identity inform as `cpeId`? A shared or absent secret binds to nothing; a device's own secret or certificate to that device
 * alone (CWMP A5). A certificate may leave the ProductClass out of its name, as A4 allows.
 */
export function mayInformAs(identity: Identity, cpeId: CpeId): boolean {
  if (identity.cpeId === null || identity.cpeId === cpeId) return true;
  if (identity.scheme !== 'certificate') return false;
  const own = identity.cpeId.split('-');
  const claimed = cpeId.split('-');
  return own.length === 2 && own[0] === claimed[0] && own[1] === claimed.at(-1);
}

/**
 * The CPE that a user name in one of the recommended forms means: OUI-ProductClass-SerialNumber or OUI-SerialNumber, each part
 * percent-encoded (CWMP A4). Dashes that a CPE left unencoded are taken to be in the ProductClass.
 * @returns null for any other name.
 */
export function cpeIdOfUsername(username: string): CpeId | null {
  const parts = username.split('-');
  if (parts.length < 2 || !/^[0-9A-Fa-f]{6}$/.test(parts[0] ?? '')) return null;
  const ProductClass = percentDecoded(parts.slice(1, -1).join('-'));
  const SerialNumber = percentDecoded(parts.at(-1) ?? '');
  if (SerialNumber === '' || Math.max(ProductClass.length, SerialNumber.length) > LIMITS.deviceIdPartCharsMax)
    return null;
  return cpeIdOf({ Manufacturer: '', OUI: parts[0] ?? '', ProductClass, SerialNumber });
}

function byBasic(policy: AuthPolicy, request: AuthRequest, part: AuthPart, lookUp: LookUp): AuthResult {
  const given = part.token === null ? null : decodeBasic(part.token);
  if (given === null) return challenge(policy, request, 'malformed', null);
  const secret = lookUp(given.username);
  // An unknown name costs the same time as a wrong password.
  const right = sameText(given.password, secret?.password ?? '');
  if (secret === null) return challenge(policy, request, 'unknown-user', given.username);
  if (!right) return challenge(policy, request, 'wrong-password', given.username);
  return { type: 'ok', scheme: 'basic', username: given.username, cpeId: secret.cpeId };
}

function byDigest(policy: AuthPolicy, request: AuthRequest, part: AuthPart, lookUp: LookUp): AuthResult {
  const usernames = digestUsernames(part);
  const response = (param(part, 'response') ?? '').toLowerCase();
  const nonce = param(part, 'nonce');
  const first = usernames[0];
  if (first === undefined || nonce === null || !/^(?:[0-9a-f]{32}|[0-9a-f]{64})$/.test(response)) {
    return challenge(policy, request, 'malformed', first ?? null);
  }
  const algorithm = algorithmOf(part, response.length);
  const family = response.length === 32 ? 'MD5' : 'SHA-256';
  if (!policy.algorithms.some((offered) => offered.startsWith(family)))
    return challenge(policy, request, 'algorithm', first);
  const qop = param(part, 'qop')?.toLowerCase() || null;
  // auth-int would need the body, which is not read before authentication; it is never offered.
  if (qop !== null && qop !== 'auth') return challenge(policy, request, 'qop', first);
  const sentUri = param(part, 'uri') ?? request.uri;
  if (!sameTarget(sentUri, request.uri)) return challenge(policy, request, 'uri', first);

  let known: { username: string; password: string; cpeId: CpeId | null } | null = null;
  for (const username of usernames) {
    const secret = lookUp(username);
    if (secret !== null) {
      known = { username, ...secret };
      break;
    }
  }
  let right = false;
  // Some stacks hash another form of the name or of the target than they send; all of them know the password.
  for (const username of usernames) {
    for (const uri of sentUri === request.uri ? [sentUri] : [sentUri, request.uri]) {
      const expected = digestResponse({
        algorithm,
        username,
        realm: param(part, 'realm') ?? policy.realm,
        password: known?.password ?? '',
        method: request.method,
        uri,
        nonce,
        // Never compared with what came before: CPEs exist that keep nc=00000001 for ever (FIELD 47).
        nc: param(part, 'nc') ?? '',
        cnonce: param(part, 'cnonce') ?? '',
        qop: qop === null ? null : (param(part, 'qop') ?? qop),
      });
      right = sameText(response, expected) || right;
    }
  }
  if (known === null) return challenge(policy, request, 'unknown-user', first);
  if (!right) return challenge(policy, request, 'wrong-password', first);
  // Judged last: stale=true invites the CPE to answer again at once, which only the holder of the secret should do (RFC 7616 §3.3).
  if (judgeNonce(policy.nonceKey, nonce, request.nowMs, LIMITS.authNonceMs) !== 'fresh') {
    return challenge(policy, request, 'stale', first);
  }
  return { type: 'ok', scheme: 'digest', username: known.username, cpeId: known.cpeId };
}

/**
 * The length of the answer tells the hash, the name only whether it is a session form: CPEs that know MD5 alone and read the last of
 * several challenges repeat its `algorithm=SHA-256` beside an MD5 answer.
 */
function algorithmOf(part: AuthPart, responseChars: number): DigestAlgorithm {
  const named = param(part, 'algorithm')?.toLowerCase() ?? '';
  const session = digestAlgorithm(named) !== null && named.endsWith('-sess');
  return DIGEST_ALGORITHMS[(responseChars === 32 ? 0 : 2) + (session ? 1 : 0)] ?? 'MD5';
}

/** As unescaped, and as written where that differs; `username*` (RFC 7616 §3.4.4) when there is no plain one. */
function digestUsernames(part: AuthPart): string[] {
  const plain = part.params.get('username');
  if (plain !== undefined) return plain.raw === plain.value ? [plain.value] : [plain.value, plain.raw];
  const extended = /^utf-8'[^']*'(.*)$/i.exec(param(part, 'username*') ?? '');
  return extended === null ? [] : [percentDecoded(extended[1] ?? '')];
}

function byCertificate(header: string | null): AuthResult {
  // A whole distinguished name in either notation, or the bare common name, quoted or not.
  const text = (header ?? '').trim().replace(/^"(.*)"$/, '$1');
  const name = (/(?:^|[,/]\s*)CN\s*=\s*([^,/]+)/i.exec(text)?.[1] ?? text).trim();
  if (name === '' || name === '-') {
    const message = 'A client certificate is needed. Connect over TLS with the certificate of this CPE.';
    return { type: 'denied', status: 403, text: message, retryAfterSeconds: null, reason: 'certificate' };
  }
  // A name in another form is a certificate per class: it proves membership and binds to no device (CWMP A7).
  return { type: 'ok', scheme: 'certificate', username: name, cpeId: cpeIdOfUsername(name) };
}

function challenge(
  policy: AuthPolicy,
  request: AuthRequest,
  reason: ChallengeReason,
  username: string | null,
): AuthResult {
  const stale = reason === 'stale';
  const headers: string[] = [];
  const realm = quoted(policy.realm);
  if (policy.mode === 'digest') {
    const nonce = newNonce(policy.nonceKey, request.nowMs);
    for (const algorithm of policy.algorithms) {
      headers.push(
        `Digest realm=${realm}, qop="auth", algorithm=${algorithm}, nonce="${nonce}"${stale ? ', stale=true' : ''}`,
      );
    }
  }
  if (policy.mode === 'basic' || policy.basicInDigestMode === 'offered') headers.push(`Basic realm=${realm}`);
  return { type: 'challenge', headers, stale, reason, username };
}

/** `uri` may be the path, the whole URL, with or without its query, or encoded otherwise (CWMP A2): the path must agree. */
function sameTarget(sent: string, requested: string): boolean {
  return sent === requested || pathOf(sent) === pathOf(requested);
}

function pathOf(target: string): string {
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '');
  return percentDecoded(path === '' ? '/' : path);
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A bare '%' stands for itself.
  }
}

/** Compares in a time that depends on what was given alone, not on where, or whether, it differs from what is right. */
function sameText(given: string, right: string): boolean {
  let differs = given.length ^ right.length;
  const length = Math.max(1, right.length);
  for (let i = 0; i < given.length; i++) differs |= given.charCodeAt(i) ^ (right.charCodeAt(i % length) | 0);
  return differs === 0;
}
