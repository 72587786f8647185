// Remembers Basic credentials that were right a moment ago: a CPE sends them with every POST of a session, and they are the same bytes. It
// forgets all of them when any secret changes, and never holds more than those of the sessions of some seconds.

import { LIMITS } from '../base/limits.ts';
import type { Identity } from './auth.ts';

export class VerifiedBasic {
  readonly #revision: () => number;
  readonly #known = new Map<string, Identity>();
  #knownOf = -1;

  /** @param revision another number whenever a secret has changed. */
  constructor(revision: () => number) {
    this.#revision = revision;
  }

  /** Who sent this very Authorization header; undefined when it has to be verified. */
  get(authorization: string): Identity | undefined {
    return this.#knownOf === this.#revision() ? this.#known.get(authorization) : undefined;
  }

  keep(authorization: string, identity: Identity): void {
    const revision = this.#revision();
    if (this.#knownOf !== revision || this.#known.size >= LIMITS.authVerifiedMax) this.#known.clear();
    this.#knownOf = revision;
    this.#known.set(authorization, identity);
  }
}
