// Who is this CPE? Decides from the Authorization header alone: no socket, no store, no clock; the caller looks secrets up and sends
// what comes out. A malformed header is a failed attempt and nothing worse (FIELD 35). What a name may do is not decided here, except
// that a device which proved itself with its own secret may inform as nobody else (CWMP A5).

import type { CpeAuthMode } from '../base/config.ts';
import { type CpeId, cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Credentials, DigestFields } from './credentials.ts';
import {
  DIGEST_ALGORITHMS,
  type DigestAlgorithm,
  type DigestInput,
  digestAlgorithm,
  digestAnswer,
  digestSecret,
} from './digest.ts';
import { decodeBasic, quoted } from './http-auth-header.ts';
import { judgeNonce, newNonce } from './nonce.ts';

export interface AuthPolicy {
  mode: CpeAuthMode;
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
  authorization: Credentials | null;
  /** True when there was a header, whatever it was. */
  isGiven: boolean;
  /** What the trusted TLS front says of the client certificate; null when it says nothing, or the peer is no such front. */
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

export interface DigestProof {
  algorithm: DigestAlgorithm;
  ha1: string;
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
  | ({
      type: 'ok';
      /** What the next answer of the same CPE to the same nonce can be checked with (digestAnswer); null where there is none. */
      proof: DigestProof | null;
    } & Identity)
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
  if (policy.mode === 'none') return { type: 'ok', scheme: 'none', username: null, cpeId: null, proof: null };
  const certificate = certificateName(request.tlsHeader);
  if (policy.mode === 'certificate-header') return certificate === null ? NO_CERTIFICATE : byCertificate(certificate);
  // One that shows a certificate has said who it is: credentials beside it, of whomever, are not looked at.
  if (policy.mode === 'certificate-or-digest' && certificate !== null) return byCertificate(certificate);
  if (!request.isGiven) return challenge(policy, request, 'absent', null);
  const given = request.authorization;
  if (given?.scheme === 'basic' && (policy.mode === 'basic' || policy.basicInDigestMode !== 'refused')) {
    return byBasic(policy, request, given, lookUp);
  }
  if (given?.digest && policy.mode !== 'basic') return byDigest(policy, request, given.digest, lookUp);
  return challenge(policy, request, given === null ? 'malformed' : 'scheme', null);
}

/** The user name that credentials claim, not proved in any way; null when there is none. */
export function claimedUsername(given: Credentials | null): string | null {
  if (given === null) return null;
  if (given.scheme === 'basic') return decodeBasic(given.token ?? '')?.username ?? null;
  return given.digest === null ? null : (digestUsernames(given.digest)[0] ?? null);
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

function byBasic(policy: AuthPolicy, request: AuthRequest, { token }: Credentials, lookUp: LookUp): AuthResult {
  const given = token === null ? null : decodeBasic(token);
  if (given === null) return challenge(policy, request, 'malformed', null);
  const secret = lookUp(given.username);
  // An unknown name costs the same time as a wrong password.
  const right = sameText(given.password, secret?.password ?? '');
  if (secret === null) return challenge(policy, request, 'unknown-user', given.username);
  if (!right) return challenge(policy, request, 'wrong-password', given.username);
  return { type: 'ok', scheme: 'basic', username: given.username, cpeId: secret.cpeId, proof: null };
}

function byDigest(policy: AuthPolicy, request: AuthRequest, part: DigestFields, lookUp: LookUp): AuthResult {
  const usernames = digestUsernames(part);
  const response = (part.response ?? '').toLowerCase();
  const { nonce } = part;
  const first = usernames[0];
  if (first === undefined || nonce === null || !/^(?:[0-9a-f]{32}|[0-9a-f]{64})$/.test(response)) {
    return challenge(policy, request, 'malformed', first ?? null);
  }
  const algorithm = algorithmOf(part, response.length);
  const family = response.length === 32 ? 'MD5' : 'SHA-256';
  if (!policy.algorithms.some((offered) => offered.startsWith(family)))
    return challenge(policy, request, 'algorithm', first);
  const qop = part.qop?.toLowerCase() || null;
  // auth-int would need the body, which is not read before authentication; it is never offered.
  if (qop !== null && qop !== 'auth') return challenge(policy, request, 'qop', first);
  const sentUri = part.uri ?? request.uri;
  if (!sameTarget(sentUri, request.uri)) return challenge(policy, request, 'uri', first);

  let known: { username: string; password: string; cpeId: CpeId | null } | null = null;
  for (const username of usernames) {
    const secret = lookUp(username);
    if (secret !== null) {
      known = { username, ...secret };
      break;
    }
  }
  // nc is never compared with what came before: CPEs exist that keep nc=00000001 for ever (FIELD 47).
  const signed: DigestInput = {
    algorithm,
    username: first,
    realm: part.realm ?? policy.realm,
    password: known?.password ?? '',
    method: request.method,
    uri: sentUri,
    nonce,
    nc: part.nc ?? '',
    cnonce: part.cnonce ?? '',
    qop: qop === null ? null : part.qop,
  };
  let right: string | null = null;
  // Some stacks hash another form of the name or of the target than they send; all of them know the password.
  for (const username of usernames) {
    signed.username = username;
    const ha1 = digestSecret(signed);
    for (const uri of sentUri === request.uri ? [sentUri] : [sentUri, request.uri]) {
      signed.uri = uri;
      if (sameText(response, digestAnswer(ha1, signed))) right = ha1;
    }
  }
  if (known === null) return challenge(policy, request, 'unknown-user', first);
  if (right === null) return challenge(policy, request, 'wrong-password', first);
  // Judged last: stale=true invites the CPE to answer again at once, which only the holder of the secret should do (RFC 7616 §3.3).
  if (judgeNonce(policy.nonceKey, nonce, request.nowMs, LIMITS.authNonceMs) !== 'fresh') {
    return challenge(policy, request, 'stale', first);
  }
  // A session form's H(A1) is good for this one answer.
  const proof = algorithm.endsWith('-sess') ? null : { algorithm, ha1: right };
  return { type: 'ok', scheme: 'digest', username: known.username, cpeId: known.cpeId, proof };
}

/**
 * The length of the answer tells the hash, the name only whether it is a session form: CPEs that know MD5 alone and read the last of
 * several challenges repeat its `algorithm=SHA-256` beside an MD5 answer.
 */
function algorithmOf(part: DigestFields, responseChars: number): DigestAlgorithm {
  const named = part.algorithm?.toLowerCase() ?? '';
  const session = digestAlgorithm(named) !== null && named.endsWith('-sess');
  return DIGEST_ALGORITHMS[(responseChars === 32 ? 0 : 2) + (session ? 1 : 0)] ?? 'MD5';
}

/** As unescaped, and as written where that differs; `username*` (RFC 7616 §3.4.4) when there is no plain one. */
function digestUsernames({ username, rawUsername, extendedUsername }: DigestFields): string[] {
  if (username !== null) return rawUsername === username ? [username] : [username, rawUsername ?? username];
  const extended = /^utf-8'[^']*'(.*)$/i.exec(extendedUsername ?? '');
  return extended === null ? [] : [percentDecoded(extended[1] ?? '')];
}

const NO_CERTIFICATE = {
  ...{ type: 'denied', status: 403, reason: 'certificate', retryAfterSeconds: null },
  text: 'A client certificate is needed. Connect over TLS with the certificate of this CPE.',
} as const satisfies AuthResult;

/** The common name in a front's header: a whole distinguished name in either notation, or the bare common name, quoted or not. */
function certificateName(header: string | null): string | null {
  if (header === null) return null;
  const text = header.trim().replace(/^"(.*)"$/, '$1');
  const name = (/(?:^|[,/]\s*)CN\s*=\s*([^,/]+)/i.exec(text)?.[1] ?? text).trim();
  return name === '' || name === '-' ? null : name;
}

function byCertificate(name: string): AuthResult {
  // A name in another form is a certificate per class: it proves membership and binds to no device (CWMP A7).
  return { type: 'ok', scheme: 'certificate', username: name, cpeId: cpeIdOfUsername(name), proof: null };
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
  if (policy.mode !== 'basic') {
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
