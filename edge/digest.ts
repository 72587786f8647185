// The arithmetic of HTTP Digest (RFC 7616, RFC 2617, and RFC 2069 where there is no qop), for both directions: CPEs that come to us and
// connection requests that we send. Strings in, hex out; it knows no header and no policy.

import { hash as hashBy } from 'node:crypto';

export const DIGEST_ALGORITHMS = ['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'] as const;
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];

export interface DigestInput {
  algorithm: DigestAlgorithm;
  username: string;
  realm: string;
  password: string;
  method: string;
  /** Literally as in the `uri` parameter. */
  uri: string;
  nonce: string;
  /** As sent, hex digits and padding included. Ignored without qop. */
  nc: string;
  cnonce: string;
  /** null: the RFC 2069 form. */
  qop: string | null;
}

/** The `response` parameter (RFC 7616 §3.4.1): 32 hex digits for the MD5 pair, 64 for the SHA-256 pair. */
export function digestResponse(input: DigestInput): string {
  return digestAnswer(digestSecret(input), input);
}

/** H(A1) (RFC 7616 §3.4.2): what is hashed of the password, and enough to check answers without it. */
export function digestSecret({ algorithm, username, realm, password, nonce, cnonce }: DigestInput): string {
  const hash = hashOf(algorithm);
  const ha1 = hash(`${username}:${realm}:${password}`);
  return algorithm.endsWith('-sess') ? hash(`${ha1}:${nonce}:${cnonce}`) : ha1;
}

/** The `response` parameter from H(A1). */
export function digestAnswer(
  ha1: string,
  { algorithm, method, uri, nonce, nc, cnonce, qop }: Omit<DigestInput, 'username' | 'realm' | 'password'>,
): string {
  const hash = hashOf(algorithm);
  const ha2 = ha2Of(hash, `${method}:${uri}`);
  return qop === null ? hash(`${ha1}:${nonce}:${ha2}`) : hash(`${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`);
}

/** The algorithm a header names, whatever its case; null for one we do not have. A header that names none means MD5. */
export function digestAlgorithm(name: string | null): DigestAlgorithm | null {
  if (name === null || name === '') return 'MD5';
  const wanted = name.toLowerCase();
  return DIGEST_ALGORITHMS.find((algorithm) => algorithm.toLowerCase() === wanted) ?? null;
}

const md5 = (text: string): string => hashBy('md5', text);
const sha256 = (text: string): string => hashBy('sha256', text);

function hashOf(algorithm: DigestAlgorithm): (text: string) => string {
  return algorithm.startsWith('MD5') ? md5 : sha256;
}

/** The request a CPE signs is nearly always the same, POST to the path of the ACS URL: the last one's hash is kept. */
let lastRequest = { hash: md5, text: '', ha2: '' };

function ha2Of(hash: (text: string) => string, text: string): string {
  if (lastRequest.hash !== hash || lastRequest.text !== text) lastRequest = { hash, text, ha2: hash(text) };
  return lastRequest.ha2;
}
