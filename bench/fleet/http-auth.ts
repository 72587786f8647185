// HTTP authentication as a CPE needs it: answering the challenges of an ACS or file server (RFC 7617, RFC 7616), and challenging whoever
// asks for a connection request. Written apart from the ACS's own code on purpose.

import { createHash, randomBytes } from 'node:crypto';

export type DigestAlgorithm = 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess';

/** What a CPE that knows them all takes, strongest first. */
export const CONFORMING_ALGORITHMS: readonly DigestAlgorithm[] = ['SHA-256', 'SHA-256-sess', 'MD5-sess', 'MD5'];

export interface Challenge {
  scheme: 'basic' | 'digest';
  params: Record<string, string>;
}

export interface Credentials {
  username: string;
  password: string;
}

const PART = /([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|\b(Basic|Digest)\b/gi;

/** Challenges or credentials out of header values; several in one value are told apart by their scheme. Unknown schemes are left out. */
export function parseChallenges(values: readonly string[]): Challenge[] {
  const found: Challenge[] = [];
  for (const value of values) {
    for (const [, key, quoted, plain, scheme] of value.matchAll(PART)) {
      if (scheme !== undefined) found.push({ scheme: scheme.toLowerCase() as Challenge['scheme'], params: {} });
      else if (found.length > 0)
        found.at(-1)!.params[key!.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
    }
  }
  return found;
}

export function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

interface DigestInput {
  algorithm: DigestAlgorithm;
  realm: string;
  nonce: string;
  qop: string;
  nc: string;
  cnonce: string;
  uri: string;
  method: string;
}

/** The `response` of RFC 7616 §3.4.1; without qop that of RFC 2069. */
export function digestResponse(input: DigestInput, { username, password }: Credentials): string {
  const hash = (text: string): string =>
    createHash(input.algorithm.startsWith('SHA-256') ? 'sha256' : 'md5')
      .update(text, 'utf8')
      .digest('hex');
  let ha1 = hash(`${username}:${input.realm}:${password}`);
  if (input.algorithm.endsWith('-sess')) ha1 = hash(`${ha1}:${input.nonce}:${input.cnonce}`);
  const ha2 = hash(`${input.method}:${input.uri}`);
  if (input.qop === '') return hash(`${ha1}:${input.nonce}:${ha2}`);
  return hash(`${ha1}:${input.nonce}:${input.nc}:${input.cnonce}:${input.qop}:${ha2}`);
}

/** Reads `algorithm`, MD5 when it is missing; null when it is none of ours. */
export function algorithmOf(text: string | undefined): DigestAlgorithm | null {
  if (text === undefined || text === '') return 'MD5';
  const known: DigestAlgorithm[] = ['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'];
  return known.find((one) => one.toLowerCase() === text.toLowerCase()) ?? null;
}

/** Authorization headers for one digest challenge; counts `nc` up with every header it makes. */
export class DigestAnswers {
  readonly #challenge: Challenge;
  readonly #credentials: Credentials;
  readonly #algorithm: DigestAlgorithm;
  readonly #ncStuck: boolean;
  #count = 0;

  /** @param ncStuck leaves nc at 00000001, as some CPEs do (FIELD 47). */
  constructor(challenge: Challenge, credentials: Credentials, ncStuck = false) {
    this.#challenge = challenge;
    this.#credentials = credentials;
    this.#algorithm = algorithmOf(challenge.params['algorithm']) ?? 'MD5';
    this.#ncStuck = ncStuck;
  }

  header(method: string, uri: string): string {
    if (!this.#ncStuck || this.#count === 0) this.#count++;
    const { realm = '', nonce = '', opaque, algorithm, qop: offered = '' } = this.#challenge.params;
    const qop = offered.split(/[\s,]+/).includes('auth') ? 'auth' : '';
    const nc = this.#count.toString(16).padStart(8, '0');
    const cnonce = randomBytes(8).toString('hex');
    const input: DigestInput = { algorithm: this.#algorithm, realm, nonce, qop, nc, cnonce, uri, method };
    const response = digestResponse(input, this.#credentials);
    let header = `Digest username="${quote(this.#credentials.username)}", realm="${quote(realm)}", nonce="${quote(nonce)}"`;
    header += `, uri="${uri}", response="${response}"`;
    if (algorithm !== undefined) header += `, algorithm=${this.#algorithm}`;
    if (opaque !== undefined) header += `, opaque="${quote(opaque)}"`;
    if (qop !== '') header += `, qop=auth, nc=${nc}`;
    if (qop !== '' || this.#algorithm.endsWith('-sess')) header += `, cnonce="${cnonce}"`;
    return header;
  }
}

function quote(text: string): string {
  return text.replace(/["\\]/g, '\\$&');
}

/** The challenge to answer: the first scheme of `schemes` that was offered, and of digests the strongest that `algorithms` has. */
export function chooseChallenge(
  offered: readonly Challenge[],
  schemes: readonly Challenge['scheme'][],
  algorithms: readonly DigestAlgorithm[],
): Challenge | null {
  for (const scheme of schemes) {
    const candidates = offered.filter((one) => one.scheme === scheme);
    if (scheme === 'basic' && candidates.length > 0) return candidates[0]!;
    for (const algorithm of algorithms) {
      const match = candidates.find((one) => algorithmOf(one.params['algorithm']) === algorithm);
      if (match !== undefined) return match;
    }
  }
  return null;
}

/** Verifies a digest that someone sent to us with a nonce of ours; the caller has checked the nonce. */
export function verifyDigest(given: Challenge, method: string, credentials: Credentials): boolean {
  const { params } = given;
  const algorithm = algorithmOf(params['algorithm']);
  if (given.scheme !== 'digest' || algorithm === null || params['username'] !== credentials.username) return false;
  const { realm = '', nonce = '', qop = '', nc = '', cnonce = '', uri = '' } = params;
  return digestResponse({ algorithm, realm, nonce, qop, nc, cnonce, uri, method }, credentials) === params['response'];
}
