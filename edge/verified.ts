// Remembers credentials that were right a moment ago: a CPE sends them with every POST of a session. Basic ones are the same bytes each time.
// A Digest answer to the nonce of the last one needs one hash where the first took three and a look into the store. It forgets all when any
// secret changes, and never holds more than those of the sessions of some seconds. Whatever it does not know is for authenticate() to judge.

import { LIMITS } from '../base/limits.ts';
import type { DigestProof, Identity } from './auth.ts';
import type { DigestFields } from './credentials.ts';
import { type DigestAlgorithm, digestAnswer } from './digest.ts';
import { NONCE_RANDOM_AT, nonceTime } from './nonce.ts';

/** A nonce that was rightly answered. Written over by the next one that falls on its place, so that nothing is made for each session. */
class Answered {
  nonce = '';
  /** As the CPE named itself, the realm and the algorithm, and was right. */
  username: string | null = null;
  realm: string | null = null;
  named: string | null = null;
  algorithm: DigestAlgorithm = 'MD5';
  ha1 = '';
  untilMs = 0;
  identity: Identity = NOBODY;
}

const NOBODY: Identity = { scheme: 'none', username: null, cpeId: null };

export class Verified {
  readonly #revision: () => number;
  readonly #basic = new Map<string, Identity>();
  /** Each nonce has one place. */
  readonly #digest = Array.from({ length: LIMITS.authVerifiedMax }, () => new Answered());
  #knownOf = -1;

  /** @param revision another number whenever a secret has changed. */
  constructor(revision: () => number) {
    this.#revision = revision;
  }

  /** Who sent this very Authorization header; undefined when it has to be verified. */
  basic(authorization: string): Identity | undefined {
    return this.#knownOf === this.#revision() ? this.#basic.get(authorization) : undefined;
  }

  keepBasic(authorization: string, identity: Identity): void {
    this.#forgetOlder();
    if (this.#basic.size >= LIMITS.authVerifiedMax) this.#basic.clear();
    this.#basic.set(authorization, identity);
  }

  /**
   * Who gave this right answer to a nonce that was rightly answered before; undefined when it has to be verified, or is wrong.
   * @param method of the request, @param uri its target.
   */
  digest(given: DigestFields, method: string, uri: string, nowMs: number): Identity | undefined {
    const { nonce, response } = given;
    if (nonce === null || response === null || this.#knownOf !== this.#revision()) return undefined;
    const known = this.#placeOf(nonce);
    if (known.nonce !== nonce || nowMs > known.untilMs) return undefined;
    const isSame = known.username === given.username && known.realm === given.realm && known.named === given.algorithm;
    if (!isSame || given.qop !== 'auth' || given.uri !== uri) return undefined;
    const { nc, cnonce } = given;
    const { algorithm, ha1 } = known;
    const signed = { algorithm, method, uri, nonce, nc: nc ?? '', cnonce: cnonce ?? '', qop: 'auth' };
    return digestAnswer(ha1, signed) === response ? known.identity : undefined;
  }

  /** @param given an answer that was right, @param proof what authenticate() returned with it. */
  keepDigest({ nonce, username, realm, algorithm }: DigestFields, proof: DigestProof, identity: Identity): void {
    if (nonce === null) return;
    this.#forgetOlder();
    const place = this.#placeOf(nonce);
    place.nonce = nonce;
    place.username = username;
    place.realm = realm;
    place.named = algorithm;
    place.algorithm = proof.algorithm;
    place.ha1 = proof.ha1;
    place.untilMs = nonceTime(nonce) + LIMITS.authNonceMs;
    place.identity = identity;
  }

  /** By two of its random characters. */
  #placeOf(nonce: string): Answered {
    const spread = nonce.charCodeAt(NONCE_RANDOM_AT) * 127 + nonce.charCodeAt(NONCE_RANDOM_AT + 1);
    return this.#digest[(spread | 0) % this.#digest.length]!;
  }

  #forgetOlder(): void {
    const revision = this.#revision();
    if (this.#knownOf === revision) return;
    this.#knownOf = revision;
    this.#basic.clear();
    for (const place of this.#digest) place.nonce = '';
  }
}
