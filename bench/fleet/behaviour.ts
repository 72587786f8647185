// The points at which a misbehaviour can take hold of a CPE, and how several of them are combined. What the misbehaviours are stands in
// misbehaviour.ts; a CPE without any is a conforming one.

import type { EventStruct } from '../../cwmp/message.ts';
import type { AcsMessage } from './acs-message.ts';
import type { DataTree } from './data-tree.ts';
import type { Element, Envelope } from './envelope.ts';
import { type Challenge, CONFORMING_ALGORITHMS, type Credentials, type DigestAlgorithm } from './http-auth.ts';
import type { XmlNode } from './xml-tree.ts';

/** Switches of connection, authentication and life cycle; the values of CONFORMING are what a conforming CPE does. */
export interface Traits {
  /** `per-request` says Connection: close; `closed-after-response` just closes TCP (FIELD 33, 55). */
  connection: 'kept' | 'per-request' | 'closed-after-response';
  /** Opens a new connection after the 401 (FIELD 47). */
  closesAfterChallenge: boolean;
  /** Never closes after the session (FIELD 36). */
  keepsConnectionOpen: boolean;
  /** Closes TCP instead of answering the first request of the ACS in a session (FIELD 34). */
  closesWithWorkOutstanding: boolean;
  /** Once: leaves a session hanging at the first request of the ACS and informs anew on another connection (FIELD 51). */
  informsAgainWhileHanging: boolean;
  /** What stands in the body of an empty POST (FIELD 6, 45). */
  emptyPost: string;
  cookies: 'conforming' | 'ignored' | 'commas' | 'quoted' | 'need-path' | 'stale';
  /** Writes bodies in pieces with pauses (FIELD 36). */
  slowBody: { bytesPerWrite: number; pauseMs: number } | null;
  schemes: readonly Challenge['scheme'][];
  algorithms: readonly DigestAlgorithm[];
  basicUnasked: boolean;
  ncStuck: boolean;
  malformedAuthorization: boolean;
  neverTransferComplete: boolean;
  rebootsOnNoOpWrite: boolean;
  /** Drops the connection of a download once after this many bytes; the rest is fetched with Range. */
  breaksDownloadAfterBytes: number | null;
  /** Answer to an accepted connection request. */
  connectionRequestStatus: 200 | 204 | 503;
  connectionRequestClosesAfterChallenge: boolean;
  /** Headers of the 401 to a connection request for a nonce, one string per WWW-Authenticate. */
  connectionRequestChallenge: (realm: string, nonce: string) => string[];
  /** Keeps accepting the credentials it had before the ACS set others, and only those (FIELD 40). */
  connectionRequestCredentials: Credentials | null;
  /** Changes the ConnectionRequestURL that the CPE announces (FIELD 49). */
  connectionRequestUrl: (url: string) => string;
}

const CONFORMING: Traits = {
  connection: 'kept',
  closesAfterChallenge: false,
  keepsConnectionOpen: false,
  closesWithWorkOutstanding: false,
  informsAgainWhileHanging: false,
  emptyPost: '',
  cookies: 'conforming',
  slowBody: null,
  schemes: ['digest', 'basic'],
  algorithms: CONFORMING_ALGORITHMS,
  basicUnasked: false,
  ncStuck: false,
  malformedAuthorization: false,
  neverTransferComplete: false,
  rebootsOnNoOpWrite: false,
  breaksDownloadAfterBytes: null,
  connectionRequestStatus: 200,
  connectionRequestClosesAfterChallenge: false,
  connectionRequestChallenge: (realm, nonce) => [
    `Digest realm="${realm}", qop="auth", nonce="${nonce}", algorithm=MD5`,
  ],
  connectionRequestCredentials: null,
  connectionRequestUrl: (url) => url,
};

/** What is being sent. */
export interface Sending {
  kind: 'inform' | 'request' | 'response' | 'fault' | 'empty';
  /** Method without `Response`; the method that failed for a fault; '' for an empty POST. */
  method: string;
  root: string;
  session: number;
  /** Arguments of the request that this answers, else null. */
  answers: XmlNode | null;
}

export interface Post {
  headers: Record<string, string>;
  body: Buffer;
}

/** A request of the CPE to the ACS besides Inform; `events` are delivered when it is answered. */
export interface OwnRequest {
  method: string;
  args: Element[];
  events: EventStruct[];
}

export type RpcAnswer =
  | { ok: true; elements: Element[] }
  | { ok: false; code: number; text: string; parameters: { name: string; code: number; text: string }[] };

export interface Hooks {
  traits?: Partial<Traits>;
  /** Changes the data model of a new CPE, and of one after a factory reset. */
  plant?(tree: DataTree): void;
  /** Called before each session, `session` counting from 1. */
  beforeSession?(tree: DataTree, session: number): void;
  /** Answers a request of the ACS in place of the CPE; null leaves it to the CPE. */
  execute?(method: string, args: XmlNode, tree: DataTree): RpcAnswer | null;
  /** Changes an envelope before it becomes text. */
  envelope?(envelope: Envelope, sending: Sending): void;
  /** Changes the text. */
  xml?(xml: string, sending: Sending): string;
  /** Changes headers and bytes. */
  post?(post: Post, sending: Sending, xml: string): void;
  /** Why this CPE cannot read what the ACS sent (strict readers, FIELD 54); null when it can. */
  unreadable?(message: AcsMessage): string | null;
  /** Requests that the CPE sends of its own in its first session. */
  ownRequests?: OwnRequest[];
}

/** Several hooks as one; each is asked in the order given. */
export class Behaviour {
  readonly traits: Traits;
  readonly ownRequests: readonly OwnRequest[];
  readonly #hooks: readonly Hooks[];

  constructor(hooks: readonly Hooks[]) {
    this.#hooks = hooks;
    this.traits = Object.assign({}, CONFORMING, ...hooks.map((one) => one.traits ?? {}));
    this.ownRequests = hooks.flatMap((one) => one.ownRequests ?? []);
  }

  plant(tree: DataTree): void {
    for (const one of this.#hooks) one.plant?.(tree);
  }

  beforeSession(tree: DataTree, session: number): void {
    for (const one of this.#hooks) one.beforeSession?.(tree, session);
  }

  execute(method: string, args: XmlNode, tree: DataTree): RpcAnswer | null {
    for (const one of this.#hooks) {
      const answer = one.execute?.(method, args, tree) ?? null;
      if (answer !== null) return answer;
    }
    return null;
  }

  envelope(envelope: Envelope, sending: Sending): void {
    for (const one of this.#hooks) one.envelope?.(envelope, sending);
  }

  xml(xml: string, sending: Sending): string {
    return this.#hooks.reduce((text, one) => one.xml?.(text, sending) ?? text, xml);
  }

  post(post: Post, sending: Sending, xml: string): void {
    for (const one of this.#hooks) one.post?.(post, sending, xml);
  }

  unreadable(message: AcsMessage): string | null {
    for (const one of this.#hooks) {
      const why = one.unreadable?.(message) ?? null;
      if (why !== null) return why;
    }
    return null;
  }
}
