// The Inform that is like one before it, at the least cost: its like was read, its CPE has no work, and so it is answered by a glance at its
// bytes and one look into the store. One that equals the last one says nothing new. One that differs in values alone (and in its events) is
// told by these, InformHandler does the rest. Everything else is read; this file says "not mine" to it.
//
// A record is marked at the end of a quiet session whose Inform was read (InformHandler hands its fingerprints to the cookie, so that the end
// may come on any thread), and with values that change; the store takes the mark away with whatever else is news. The answer in a mark is
// text: profile|namespace digit|version|UseCWMPVersion|timeout in seconds.

import { int32 } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { CpeId } from '../base/ids.ts';
import type { EnvelopeStyle } from '../cwmp/envelope-style.ts';
import { isRelearnable } from '../cwmp/events.ts';
import { InformGlance } from '../cwmp/inform-glance.ts';
import type { InformValues } from '../cwmp/inform-values.ts';
import { fits, numberIn } from '../cwmp/lenient.ts';
import type { EnvelopeInfo, Inform, ParameterValue } from '../cwmp/message.ts';
import { writeInformResponse } from '../cwmp/soap-writer.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import { type Identity, mayInformAs } from './auth.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import type { CwmpExchange, HttpReply } from './http.ts';
import type { LastContacts } from './last-contacts.ts';
import { SOAP, setCookieOf } from './replies.ts';
import { isGlanced, type SessionClaims } from './session-cookie.ts';
import type { Sessions } from './sessions.ts';
import { FINGERPRINT_BYTES, RECORD } from './store/inform-records.ts';
import type { EdgeStore } from './store/store.ts';

export interface QuietInformsOptions {
  store: Pick<
    EdgeStore,
    'openMark' | 'markedRecord' | 'mark' | 'compareInPlace' | 'changeInPlace' | 'putRecord' | 'getDevice'
  >;
  sessions: Pick<Sessions, 'beginQuiet'>;
  lastContacts: Pick<LastContacts, 'mark'>;
  metrics: SessionMetrics;
  profiles: ProfileChooser;
  clock: Clock;
}

/** How one kind of Inform is answered. */
export interface Answer {
  profile: string;
  style: EnvelopeStyle;
  namespace: string;
  version: string;
  useVersion: string | null;
  timeoutMs: number;
  cookiePath: boolean;
}

/** What an Inform has to tell that was not read, because all but these is as it was. */
export interface InformNews {
  cpeId: CpeId;
  id: string;
  serialNumber: string;
  currentTime: string;
  retryCount: number;
  /** Of the Inform that was read: it says the same but for the texts here. */
  told: InformValues;
  /** May be empty: then its events are news. */
  changed: ParameterValue[];
  /** The record of the CPE with these values, marked. */
  record: Buffer;
  /** EdgeStore.openMark when nothing was open for the CPE. */
  openMark: number;
  answer: Answer;
}

const STANDARD_NAMESPACE = /^urn:dslforum-org:cwmp-1-\d$/;
/** Behind the fingerprints in a cookie: the Inform listed versions, so its answer names one. */
const NAMES_VERSION = '+';
/** Raised when a glance or an answer means something else than before: marks of older versions are worthless then. */
const REVISION = 2;

export class QuietInforms {
  readonly #o: QuietInformsOptions;
  readonly #glance: InformGlance;
  readonly #answers = new Map<string, Answer>();
  #lastText: Uint8Array = new Uint8Array(0);
  #lastAnswer: Answer | null = null;
  #lastType = '';
  #lastTypeHash = 0;
  /** Record of the CPE of the document in hand, when it is marked and the document is from the same as its last one; and its number. */
  #record: Uint8Array | null = null;
  #openMark = 0;
  #isPeriodic = false;

  constructor(options: QuietInformsOptions) {
    this.#o = options;
    // With other profiles the same Inform may have another one.
    this.#glance = new InformGlance(hash32(options.profiles.fingerprint, REVISION));
  }

  /**
   * Answers an Inform that equals the last one of its CPE.
   * @param identity as authenticated; null when nobody has to be.
   * @returns null for anything else.
   */
  answer(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): HttpReply | null {
    const glance = this.#glance;
    this.#record = null;
    const isPeriodic = glance.at(body, this.#contextOf(exchange));
    this.#isPeriodic = isPeriodic;
    if (!isPeriodic && !(glance.isPlain && glance.hasValues)) return null;
    const { cpeId } = glance;
    // In this order: what is opened between the two makes the mark worthless, and what is opened later is told by the number.
    const openMark = this.#o.store.openMark(cpeId);
    const record = this.#o.store.markedRecord(cpeId);
    if (record === undefined || !this.#isOfTheSame(record)) return null;
    if (identity !== null && !mayInformAs(identity, cpeId)) return null;
    if (isPeriodic && this.#isAsBefore(record)) return this.#quiet(identity, this.#answerOf(record), openMark);
    this.#record = record;
    this.#openMark = openMark;
    return null;
  }

  /**
   * What the Inform that `answer` has just said "not mine" to tells anew; its answer when that is nothing after all; null when it must be
   * read. Nothing may have been read of the store in between.
   */
  news(identity: Identity | null, body: Uint8Array): InformNews | HttpReply | null {
    const record = this.#record;
    const glance = this.#glance;
    const told = record === null ? null : glance.values();
    if (record === null || told === null) return null;
    const { store } = this.#o;
    const { places, cpeId, id, serialNumber, currentTime } = glance;
    const differing = store.compareInPlace(record, told, places, body);
    const retryCount = numberIn(glance.retryCount, false);
    if (differing === null || retryCount === null) return null;
    let memorable = false;
    for (const { EventCode } of told.inform.Event) {
      // Everything that is known of such a CPE is to be forgotten.
      if (EventCode === '0 BOOTSTRAP') return null;
      if (!isRelearnable(EventCode)) memorable = true;
    }
    const openMark = this.#openMark;
    const answer = this.#answerOf(record);
    if (!memorable && differing.length === 0) {
      // Of a periodic one the next is known at a glance then; the mark was made of an Inform with other events, or of a longer list.
      if (this.#isPeriodic) store.putRecord(cpeId, this.#marked(record, told, body, differing));
      return this.#quiet(identity, answer, openMark);
    }
    const changed: ParameterValue[] = [];
    for (const i of differing) {
      const parameter = { Name: told.names[i]!, Value: places.text(i, body), Type: told.types[i]! };
      if (isOfDevice(parameter.Name) || !fits(parameter.Value, parameter.Type)) return null;
      changed.push(parameter);
    }
    const next = this.#marked(record, told, body, differing);
    return { cpeId, id, serialNumber, currentTime, retryCount, told, changed, record: next, openMark, answer };
  }

  /** The record with the values of the Inform in hand that differ, marked with its fingerprints; with its events only if it is periodic. */
  #marked(record: Uint8Array, told: InformValues, body: Uint8Array, differing: readonly number[]): Buffer {
    const glance = this.#glance;
    const next = this.#o.store.changeInPlace(record, told, glance.places, body, differing, this.#openMark);
    glance.finish();
    next.writeInt32LE(glance.a, RECORD.all);
    next.writeInt32LE(glance.b, RECORD.all + 4);
    next.writeInt32LE(glance.c, RECORD.all + 8);
    next.writeInt32LE(glance.d, RECORD.all + 12);
    if (this.#isPeriodic) {
      next.writeInt32LE(glance.e, RECORD.events);
      next.writeInt32LE(glance.f, RECORD.events + 4);
    }
    return next;
  }

  /** The InformResponse. */
  replyTo(id: string, answer: Answer, cookie: string): HttpReply {
    return {
      status: '200 OK',
      contentType: SOAP,
      body: writeInformResponse(answer.style, answer.namespace, id, answer.useVersion),
      setCookie: setCookieOf(cookie, answer.cookiePath),
    };
  }

  /**
   * An Inform was read without any tolerance, from the document that was looked at last: the next one of its kind may be told by its values.
   */
  learn(cpeId: CpeId, inform: Inform, envelope: EnvelopeInfo): void {
    const glance = this.#glance;
    if (glance.isPlain && glance.cpeId === cpeId && glance.id === envelope.id) glance.learn(inform, envelope);
  }

  /**
   * For the cookie of a session whose Inform was read, and is what its record is of: what marks that when the session ends quietly.
   * @param what as the reader found it in the document that was looked at last. Returns '' when the glance does not see the same in it.
   */
  tokenFor(what: { cpeId: CpeId; id: string | null; namespace: string; useVersion: string | null }): string {
    const glance = this.#glance;
    if (!glance.isPlain || glance.cpeId !== what.cpeId || glance.id !== what.id) return '';
    if (!STANDARD_NAMESPACE.test(what.namespace)) return '';
    glance.finish();
    const bytes = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    const { whoA, whoB, whoC, whoD, a, b, c, d, e, f } = glance;
    for (const [i, lane] of [whoA, whoB, whoC, whoD, a, b, c, d, e, f].entries()) bytes.writeInt32LE(lane, i * 4);
    return bytes.toString('base64url') + (what.useVersion === null ? '' : NAMES_VERSION);
  }

  /**
   * The session of such a cookie has ended, quietly, and its CPE returned the cookie.
   * @param openMark of the store, before it was seen that nothing is open.
   */
  remember(claims: SessionClaims, openMark: number): void {
    const { cpeId, quiet, namespaceDigit, version, timeoutSeconds } = claims;
    const profile = isGlanced(claims) ? undefined : this.#o.store.getDevice(cpeId)?.cpe.profile;
    if (profile === undefined) return;
    const named = quiet.endsWith(NAMES_VERSION);
    const fingerprints = Buffer.from(named ? quiet.slice(0, -1) : quiet, 'base64url');
    const text = `${profile}|${namespaceDigit}|${version}|${named ? version : ''}|${timeoutSeconds}`;
    this.#o.store.mark(cpeId, fingerprints, text, openMark);
  }

  #quiet(identity: Identity | null, answer: Answer, openMark: number): HttpReply {
    const { cpeId, id } = this.#glance;
    const nowMs = this.#o.clock.now();
    const { namespace, version, timeoutMs } = answer;
    const { cookie } = this.#o.sessions.beginQuiet(identity, { cpeId, namespace, version, timeoutMs, nowMs }, openMark);
    this.#o.lastContacts.mark(cpeId, nowMs);
    this.#o.metrics.quietInforms++;
    return this.replyTo(id, answer, cookie);
  }

  #isOfTheSame(record: Uint8Array): boolean {
    const { whoA, whoB, whoC, whoD } = this.#glance;
    const at = RECORD.who;
    return (
      int32(record, at) === whoA &&
      int32(record, at + 4) === whoB &&
      int32(record, at + 8) === whoC &&
      int32(record, at + 12) === whoD
    );
  }

  #isAsBefore(record: Uint8Array): boolean {
    const { a, b, c, d, e, f } = this.#glance;
    const at = RECORD.all;
    return (
      int32(record, at) === a &&
      int32(record, at + 4) === b &&
      int32(record, at + 8) === c &&
      int32(record, at + 12) === d &&
      int32(record, RECORD.events) === e &&
      int32(record, RECORD.events + 4) === f
    );
  }

  #answerOf(record: Uint8Array): Answer {
    // Nearly always that of the last one: compared where it lies.
    const last = this.#lastText;
    const length = record[RECORD.answerBytes]!;
    let same = last.length === length;
    for (let i = 0; same && i < length; i++) same = last[i] === record[RECORD.answer + i];
    if (same) return this.#lastAnswer!;
    const text = Buffer.from(record.subarray(RECORD.answer, RECORD.answer + length));
    const answer = this.#answerFor(text.toString('latin1'));
    this.#lastText = text;
    this.#lastAnswer = answer;
    return answer;
  }

  #answerFor(text: string): Answer {
    let answer = this.#answers.get(text);
    if (answer === undefined) {
      const [profile = '', digit = '', version = '', useVersion = '', seconds = ''] = text.split('|');
      const { style, quirks } = this.#o.profiles.byId(profile);
      answer = {
        profile,
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

/** Parameters that choose the profile, or are asked for by others: an Inform in which they change is read. */
export function isOfDevice(name: string): boolean {
  return name.endsWith('.SoftwareVersion') || name.endsWith('.ConnectionRequestURL');
}

/** FNV-1a over UTF-16 code units. */
function hash32(text: string, seed: number): number {
  let hash = Math.imul(seed ^ 0x811c9dc5, 0x01000193);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
