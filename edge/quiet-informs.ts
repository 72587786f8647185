// The Inform that says nothing new, at the least cost: its like was read before and taught nothing, the CPE has no work, and so it is
// answered by a glance at its bytes and one look into the store. Everything else is InformHandler's; this file says "not mine" to it.
//
// A mark is set at the end of a quiet session whose Inform was read (InformHandler hands its fingerprint to the cookie, so that the end
// may come on any thread); the store takes it away with whatever is news. Its bytes: the fingerprint (16), then the answer in text:
// profile|namespace digit|version|UseCWMPVersion|timeout in seconds.

import type { Clock } from '../base/clock.ts';
import type { CpeId } from '../base/ids.ts';
import type { EnvelopeStyle } from '../cwmp/envelope-style.ts';
import { InformGlance } from '../cwmp/inform-glance.ts';
import { writeInformResponse } from '../cwmp/soap-writer.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import { type Identity, mayInformAs } from './auth.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import type { CwmpExchange, HttpReply } from './http.ts';
import type { LastContacts } from './last-contacts.ts';
import { SOAP, setCookieOf } from './replies.ts';
import { isGlanced, type SessionClaims } from './session-cookie.ts';
import type { Sessions } from './sessions.ts';
import type { EdgeStore } from './store/store.ts';

export interface QuietInformsOptions {
  store: Pick<EdgeStore, 'workMark' | 'quietMark' | 'putQuietMark' | 'getDevice'>;
  sessions: Pick<Sessions, 'beginQuiet'>;
  lastContacts: Pick<LastContacts, 'mark'>;
  metrics: SessionMetrics;
  profiles: ProfileChooser;
  clock: Clock;
}

/** How one kind of quiet Inform is answered. */
interface Answer {
  style: EnvelopeStyle;
  namespace: string;
  version: string;
  useVersion: string | null;
  timeoutMs: number;
  cookiePath: boolean;
}

const FINGERPRINT_BYTES = 16;
const STANDARD_NAMESPACE = /^urn:dslforum-org:cwmp-1-\d$/;
/** Behind the fingerprint in a cookie: the Inform listed versions, so its answer names one. */
const NAMES_VERSION = '+';
/** Raised when a glance or an answer means something else than before: marks of older versions are worthless then. */
const REVISION = 1;

export class QuietInforms {
  readonly #o: QuietInformsOptions;
  readonly #glance: InformGlance;
  readonly #answers = new Map<string, Answer>();
  #lastText: Uint8Array = new Uint8Array(0);
  #lastAnswer: Answer | null = null;
  #lastType = '';
  #lastTypeHash = 0;

  constructor(options: QuietInformsOptions) {
    this.#o = options;
    // With other profiles the same Inform may have another one.
    this.#glance = new InformGlance(hash32(options.profiles.fingerprint, REVISION));
  }

  /**
   * Answers an Inform that equals its mark.
   * @param identity as authenticated; null when nobody has to be.
   * @returns null for anything else; `isGlanced` then tells whether it was a plain Inform.
   */
  answer(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): HttpReply | null {
    const glance = this.#glance;
    if (!glance.at(body, this.#contextOf(exchange))) return null;
    const { cpeId } = glance;
    // In this order: work that comes between the two takes the mark away, and work that comes later is told by the number.
    const workMark = this.#o.store.workMark(cpeId);
    const mark = this.#o.store.quietMark(cpeId);
    if (mark === undefined || !this.#equals(mark)) return null;
    if (identity !== null && !mayInformAs(identity, cpeId)) return null;
    const answer = this.#answerOf(mark);
    const nowMs = this.#o.clock.now();
    const { namespace, version, timeoutMs } = answer;
    const begun = { cpeId, namespace, version, timeoutMs, nowMs };
    const cookie = this.#o.sessions.beginQuiet(identity, begun, workMark);
    this.#o.lastContacts.mark(cpeId, nowMs);
    this.#o.metrics.quietInforms++;
    return {
      status: '200 OK',
      contentType: SOAP,
      body: writeInformResponse(answer.style, namespace, glance.id, answer.useVersion),
      setCookie: setCookieOf(cookie, answer.cookiePath),
    };
  }

  /**
   * For the cookie of a session whose Inform was read and taught nothing: what becomes its mark when the session ends quietly.
   * @param what as the reader found it in the document that was looked at last. Returns '' when the glance does not see the same in it.
   */
  tokenFor(what: { cpeId: CpeId; id: string | null; namespace: string; useVersion: string | null }): string {
    const glance = this.#glance;
    if (glance.cpeId !== what.cpeId || glance.id !== what.id || !STANDARD_NAMESPACE.test(what.namespace)) return '';
    const bytes = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    bytes.writeInt32LE(glance.a, 0);
    bytes.writeInt32LE(glance.b, 4);
    bytes.writeInt32LE(glance.c, 8);
    bytes.writeInt32LE(glance.d, 12);
    return bytes.toString('base64url') + (what.useVersion === null ? '' : NAMES_VERSION);
  }

  /** The session of such a cookie has ended, quietly, and its CPE returned the cookie. */
  remember(claims: SessionClaims): void {
    const { cpeId, quiet, namespaceDigit, version, timeoutSeconds } = claims;
    const profile = isGlanced(claims) ? undefined : this.#o.store.getDevice(cpeId)?.cpe.profile;
    if (profile === undefined) return;
    const named = quiet.endsWith(NAMES_VERSION);
    const fingerprint = Buffer.from(named ? quiet.slice(0, -1) : quiet, 'base64url');
    const text = `${profile}|${namespaceDigit}|${version}|${named ? version : ''}|${timeoutSeconds}`;
    this.#o.store.putQuietMark(cpeId, Buffer.concat([fingerprint, Buffer.from(text, 'latin1')]));
  }

  #equals(mark: Uint8Array): boolean {
    const { a, b, c, d } = this.#glance;
    return int32(mark, 0) === a && int32(mark, 4) === b && int32(mark, 8) === c && int32(mark, 12) === d;
  }

  #answerOf(mark: Uint8Array): Answer {
    // Nearly always that of the last one: compared where it lies.
    const last = this.#lastText;
    let same = last.length === mark.length - FINGERPRINT_BYTES;
    for (let i = 0; same && i < last.length; i++) same = last[i] === mark[FINGERPRINT_BYTES + i];
    if (same) return this.#lastAnswer!;
    const text = Buffer.from(mark.subarray(FINGERPRINT_BYTES));
    const answer = this.#answerFor(text.toString('latin1'));
    this.#lastText = text;
    this.#lastAnswer = answer;
    return answer;
  }

  #answerFor(text: string): Answer {
    let answer = this.#answers.get(text);
    if (answer === undefined) {
      const [profileId = '', digit = '', version = '', useVersion = '', seconds = ''] = text.split('|');
      const { style, quirks } = this.#o.profiles.byId(profileId);
      answer = {
        style,
        namespace: `urn:dslforum-org:cwmp-1-${digit}`,
        version,
        useVersion: useVersion === '' ? null : useVersion,
        timeoutMs: Number(seconds) * 1_000,
        cookiePath: quirks.cookiePath,
      };
      this.#answers.set(text, answer);
    }
    return answer;
  }

  /** What has to be the same besides the document: who the connection came from, and how the document was announced. */
  #contextOf({ addressBytes, contentType }: CwmpExchange): number {
    if (contentType !== this.#lastType) {
      this.#lastType = contentType;
      this.#lastTypeHash = hash32(contentType, 1);
    }
    let context = this.#lastTypeHash;
    for (let i = 0; i < addressBytes.length; i++) context = Math.imul(context ^ addressBytes[i]!, 0x01000193);
    return context;
  }
}

function int32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** FNV-1a over UTF-16 code units. */
function hash32(text: string, seed: number): number {
  let hash = Math.imul(seed ^ 0x811c9dc5, 0x01000193);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
