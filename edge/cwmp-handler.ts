// One POST of a CPE from bytes to answer: who is it, what did it say, what does the session say to that, what is next. Pure parts decide
// (reader, step, planner); this file fetches what they need from the store and puts back what they return, in the order that loses nothing:
// what an answer acknowledges is on the disk before the answer leaves.
//
// The quiet path (a periodic Inform that teaches nothing, an empty POST, no work) runs without a promise and without a write.

import { assert } from '../base/assert.ts';
import { type Clock, systemElapsed } from '../base/clock.ts';
import { type CpeId, newId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { systemTimers } from '../base/timers.ts';
import type { CpeFacts } from '../bus/messages.ts';
import type { CpeMessage } from '../cwmp/message.ts';
import { rootOf } from '../cwmp/paths.ts';
import type { Read } from '../cwmp/read.ts';
import { ACS_METHODS } from '../cwmp/rpc-table.ts';
import { type InFlight, type Learned, type Reply, step } from '../cwmp/session.ts';
import { writeFault, writeRequest, writeResponse } from '../cwmp/soap-writer.ts';
import { versionNamed } from '../cwmp/versions.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Admission } from './admission.ts';
import type { Identity } from './auth.ts';
import type { Claims } from './claims/claims.ts';
import { steadyMs } from './claims/lease.ts';
import { BodyUnpacker, contentEncodingOf, packBody } from './content-encoding.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import type { ReceivedUpload } from './file-server.ts';
import { FirstContactHold } from './first-contact-hold.ts';
import type { CwmpExchange, HttpReply } from './http.ts';
import { InformHandler } from './inform-handler.ts';
import type { LastContacts } from './last-contacts.ts';
import { applyEvents } from './planner.ts';
import type { QuietInforms } from './quiet-informs.ts';
import type { SessionRecorder } from './recording/recorder.ts';
import { COME_AGAIN, NO_CONTENT, plain, SOAP, shed, soap, statusLine } from './replies.ts';
import type { SessionClaims } from './session-cookie.ts';
import { type Effects, noEffects, SessionTurn, sessionFact } from './session-turn.ts';
import type { Found, Sessions } from './sessions.ts';
import type { DeviceRecord, EdgeStore, RelayStore, SessionRecord } from './store/store.ts';
import type { TaskContext, TaskFiles } from './tasks/task.ts';
import type { WaitWatch } from './wait-watch.ts';

export interface CwmpHandlerOptions {
  store: EdgeStore & Pick<RelayStore, 'transact'>;
  sessions: Sessions;
  quiet: QuietInforms;
  lastContacts: LastContacts;
  metrics: SessionMetrics;
  profiles: ProfileChooser;
  /** Where documents go that are too big for this thread; null on the thread they go to. */
  big: { post(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): Promise<HttpReply> | null } | null;
  /** A body up to this size is no such document. */
  inlineBytesMax: number;
  admission: Pick<Admission, 'isOpen' | 'judge'>;
  waits: Pick<WaitWatch, 'writing' | 'written'>;
  clock: Clock;
  /** Reads a document: cwmp/read.ts, or what a replay puts in its place. Never throws. */
  read(bytes: Uint8Array, contentType: string | null): Read;
  /** Answers in place of this handler for CPEs that are recorded; null for the handler it answers with. */
  recorder: SessionRecorder | null;
  /** Null where no edge shares its work with others: then nothing is claimed. */
  claims: Claims | null;
  log: Log;
  downloadUrl(cpeId: CpeId, fileId: string): string;
  uploadUrl(cpeId: CpeId, actionId: string): string;
  files: TaskFiles;
  /** Highest sequence that control has acknowledged, of whatever thread: the session may have begun on another one. */
  ackedSequence(): number;
  /** Tells the relay that the outbox has something. */
  nudge(): void;
  /** True when CPEs have to prove who they are. */
  provesIdentity: boolean;
  /** The answer to an Inform that was let in by a cookie and does not prove who it is; null when nobody has to. */
  unproven(exchange: CwmpExchange): HttpReply | null;
}

const EMPTY: CpeMessage = { type: 'empty' };
const NOTHING = new Uint8Array(0);

export class CwmpHandler {
  readonly #o: CwmpHandlerOptions;
  readonly #informs: InformHandler;
  readonly #turn: SessionTurn;
  readonly #hold: FirstContactHold;
  readonly #unpacker = new BodyUnpacker();

  constructor(options: CwmpHandlerOptions) {
    this.#o = options;
    this.#hold = new FirstContactHold({ ...options, elapsed: systemElapsed, timers: systemTimers });
    this.#turn = new SessionTurn(options);
    const taskContext = this.#taskContext.bind(this);
    this.#informs = new InformHandler({ ...options, timers: systemTimers, taskContext });
  }

  /**
   * Answers one POST.
   * @param identity as authenticated; null in mode `none` or when the cookie already identifies the session.
   * @param body its raw bytes; read before the first await, as they are gone afterwards.
   */
  post(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): HttpReply | Promise<HttpReply> {
    const encoding = contentEncodingOf(exchange.contentEncoding);
    assert(encoding !== null, 'an encoding we do not speak is refused before its body is read');
    if (encoding === 'identity' || body.length === 0) return this.postUnpacked(exchange, identity, body);
    return this.#postPacked(exchange, identity, encoding, Buffer.from(body));
  }

  /** The same when the body is not packed, whatever its headers say. */
  postUnpacked(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): HttpReply | Promise<HttpReply> {
    return body.length === 0 ? this.#empty(exchange, identity) : this.#read(exchange, identity, body);
  }

  async #postPacked(
    x: CwmpExchange,
    identity: Identity | null,
    encoding: 'gzip' | 'deflate',
    body: Buffer,
  ): Promise<HttpReply> {
    const unpacked = await this.#unpacker.unpack(encoding, body);
    if (unpacked.type !== 'ok') {
      this.#o.metrics.refused.inc(`${encoding}-${unpacked.type}`);
      if (unpacked.type === 'busy') return COME_AGAIN;
      if (unpacked.type === 'corrupt') return plain('400 Bad Request', `The body is not ${encoding}.`);
      return plain('413 Payload Too Large', `The body inflates to more than ${LIMITS.bodyBytesMax} bytes.`);
    }
    const reply = await this.#read(x, identity, unpacked.bytes);
    if (reply.contentType !== SOAP || typeof reply.body !== 'string') return reply;
    const packed = await packBody(encoding, reply.body);
    return { ...reply, body: packed, headers: [...(reply.headers ?? []), ['Content-Encoding', encoding]] };
  }

  /** An upload is complete on the disk: its task hears of it, control gets the fact. Resolves when neither can be lost any more. */
  async uploaded(upload: ReceivedUpload): Promise<void> {
    const { store, clock, claims, nudge } = this.#o;
    const { cpeId, actionId, fileId, bytes, sha256 } = upload;
    // Before the CPE is answered: then it tells that its transfer is over, and its session writes the same record.
    if (claims === null) await this.#hearUpload(upload);
    else if (!(await this.#claimUpload(claims, upload))) this.#claimUploadLater(claims, upload);
    await store.appendFacts([{ type: 'upload', body: { cpeId, actionId, fileId, bytes, sha256 } }], clock.now())
      .durable;
    nudge();
  }

  /** Its task hears of it. */
  async #hearUpload({ cpeId, actionId, fileId, bytes, sha256 }: ReceivedUpload): Promise<void> {
    const { store } = this.#o;
    const device = store.getDevice(cpeId);
    if (device === undefined) return;
    const context = this.#taskContext(cpeId, this.#o.profiles.byId(device.cpe.profile), device.cpe);
    // Alone: a session of this CPE may be writing the record, and what it heard must not be written over.
    await store.transact((transaction) => {
      const record = transaction.getWork(cpeId, actionId);
      const heard = record && applyEvents([record], [{ type: 'upload', fileId, bytes, sha256 }], context);
      for (const changed of heard ?? []) transaction.putWork(changed);
    });
  }

  /** The same when the work has to be claimed for it. False when it cannot be had now. */
  async #claimUpload(claims: Claims, upload: ReceivedUpload): Promise<boolean> {
    const { cpeId, actionId } = upload;
    const token = newId();
    if ((await claims.take(cpeId, token, actionId)) !== 'all') return false;
    await this.#hearUpload(upload);
    claims.release(cpeId, token);
    return true;
  }

  /** A session on another edge has the work, or nobody can say: the CPE does not wait for that, its task does for as long as for a file. */
  #claimUploadLater(claims: Claims, upload: ReceivedUpload, waitedMs: number = LIMITS.claimAgainMs): void {
    const { cpeId, actionId } = upload;
    systemTimers.after(LIMITS.claimAgainMs, async () => {
      try {
        if (await this.#claimUpload(claims, upload)) return;
        if (waitedMs < LIMITS.uploadArrivalMs)
          return this.#claimUploadLater(claims, upload, waitedMs + LIMITS.claimAgainMs);
        this.#o.log.warn({ cpeId, actionId }, 'the work of an upload could not be claimed; it ends without its file');
      } catch (error) {
        this.#o.log.error({ err: error, cpeId, actionId }, 'an upload was not told to its work');
      }
    });
  }

  /** The quiet session's last POST, or the CPE's handing over of the turn. */
  #empty(exchange: CwmpExchange, identity: Identity | null): HttpReply | Promise<HttpReply> {
    if (exchange.cookie !== '' && this.#o.sessions.endQuiet(exchange, identity)) {
      this.#o.metrics.quietEnds++;
      return NO_CONTENT;
    }
    const recorded = this.#o.recorder?.take(exchange, identity, NOTHING, null) ?? null;
    if (recorded !== null) return recorded;
    this.#o.metrics.parsePath.inc('fast');
    this.#o.metrics.requests.inc('empty');
    return this.#goOn(exchange, identity, EMPTY);
  }

  #read(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): HttpReply | Promise<HttpReply> {
    const { quiet, provesIdentity, metrics, admission } = this.#o;
    if (!admission.isOpen) {
      const retryAfter = admission.judge(body, 'loop');
      if (retryAfter !== null) return shed(retryAfter);
    }
    // One that was let in by the cookie of a session has not proved who it is.
    const hasProved = !provesIdentity || identity !== null;
    const quietReply = hasProved ? quiet.answer(exchange, identity, body) : null;
    if (quietReply !== null) return quietReply;
    if (!admission.isOpen) {
      const retryAfter = admission.judge(body, 'disk');
      if (retryAfter !== null) return shed(retryAfter);
    }
    const news = hasProved ? quiet.news(identity, body) : null;
    if (news !== null) return 'told' in news ? this.#informs.tell(exchange, identity, news) : news;
    if (body.length > this.#o.inlineBytesMax && this.#o.big !== null) return this.#elsewhere(exchange, identity, body);
    const done = this.#o.read(body, exchange.contentType);
    const recorded = this.#o.recorder?.take(exchange, identity, body, done) ?? null;
    if (recorded !== null) return recorded;
    metrics.parsePath.inc(done.parsePath);
    return this.#take(exchange, identity, done, true);
  }

  /** A big document: the thread's other CPEs would wait while it is read, planned with and stored. */
  #elsewhere(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array): HttpReply | Promise<HttpReply> {
    const { metrics, big } = this.#o;
    const posted = big?.post(exchange, identity, body) ?? null;
    if (posted === null) {
      metrics.refused.inc('pool-full');
      return COME_AGAIN;
    }
    metrics.parsePath.inc('pool');
    return posted;
  }

  #take(
    exchange: CwmpExchange,
    identity: Identity | null,
    { result }: Read,
    isGlanced: boolean,
  ): HttpReply | Promise<HttpReply> {
    const { metrics } = this.#o;
    if (result.type === 'refused') {
      // The session stays as it is: the CPE may say it again properly.
      metrics.refused.inc(result.reason);
      metrics.requests.inc('refused');
      return plain(statusLine(result.status), result.text);
    }
    const { message, tolerances } = result;
    for (const name of tolerances) metrics.tolerances.inc(name);
    metrics.requests.inc(message.type);
    if (message.type === 'inform')
      return this.#informs.answer(exchange, identity, message.inform, message.envelope, tolerances, isGlanced);
    return this.#goOn(exchange, identity, message);
  }

  // ── Every other POST ────────────────────────────────────────────────────────────────────────────────────────────────

  #goOn(exchange: CwmpExchange, identity: Identity | null, message: CpeMessage): HttpReply | Promise<HttpReply> {
    const { metrics, store } = this.#o;
    const found = this.#o.sessions.find(exchange, identity);
    if (found === null) {
      if (message.type === 'empty') return NO_CONTENT;
      metrics.refused.inc('no-session');
      return plain(
        '400 Bad Request',
        'There is no session for this message: a session begins with an Inform (TR-069 §3.7).',
      );
    }
    const { claims, record } = found;
    // The quiet session's last POST: nothing stored, nothing waiting.
    if (message.type === 'empty' && record === undefined && !store.hasWork(claims.cpeId)) {
      // A cookie of an older start may be an older session's: what its Inform said may be news again.
      const mayRemember = claims.quiet !== '' && exchange.cookie !== '' && this.#o.sessions.isOfThisStart(claims);
      if (mayRemember) this.#remember(claims);
      this.#o.sessions.close(found, exchange, identity, 'done');
      return NO_CONTENT;
    }
    if (message.type === 'empty' && record !== undefined && record.holdUntilSequence > 0) {
      return this.#goOnHeld(exchange, identity, message, found, record.holdUntilSequence);
    }
    return this.#goOnWithWork(exchange, identity, message, found);
  }

  /** Under what this session's work is claimed; '' where nobody claims. */
  #tokenOf({ claims: { sessionId }, record }: Found): string {
    return this.#o.claims === null ? '' : record?.claimToken || sessionId;
  }

  #goOnWithWork(
    exchange: CwmpExchange,
    identity: Identity | null,
    message: CpeMessage,
    found: Found,
  ): Promise<HttpReply> {
    const { claims, store } = this.#o;
    if (claims === null || message.type === 'request') return this.#goOnWithRecord(exchange, identity, message, found);
    const token = this.#tokenOf(found);
    // Work that came since the Inform; what was left alone then stays so for this session.
    const isNew = store.workOf(found.claims.cpeId).some((record) => record.claim?.token !== token);
    if (!isNew) return this.#goOnWithRecord(exchange, identity, message, found);
    return this.#goOnClaiming(exchange, identity, message, found, claims, token);
  }

  async #goOnClaiming(
    exchange: CwmpExchange,
    identity: Identity | null,
    message: CpeMessage,
    found: Found,
    claims: Claims,
    token: string,
  ): Promise<HttpReply> {
    await claims.take(found.claims.cpeId, token);
    // As in #goOnHeld.
    const now = exchange.aborted ? null : this.#o.sessions.again(found);
    if (now !== null) return this.#goOnWithRecord(exchange, identity, message, now);
    claims.release(found.claims.cpeId, token);
    return NO_CONTENT;
  }

  #remember(claims: SessionClaims): void {
    const { store, quiet } = this.#o;
    const { cpeId } = claims;
    // One of which a recording began within this session: its next Inform is to be read.
    if (store.recordingCount() > 0 && store.recordingOf(cpeId) !== undefined) return;
    // Looked at again: what is opened after the number was taken makes the mark worthless.
    const openMark = store.openMark(cpeId);
    if (store.getSession(cpeId) === undefined && !store.hasWork(cpeId)) quiet.remember(claims, openMark);
  }

  async #goOnHeld(
    exchange: CwmpExchange,
    identity: Identity | null,
    message: CpeMessage,
    found: Found,
    sequence: number,
  ): Promise<HttpReply> {
    this.#o.nudge();
    await this.#hold.until(sequence);
    // A CPE that gave up meanwhile is sent nothing: what it does not hear must not count as sent. It goes on by its cookie.
    if (exchange.aborted) return NO_CONTENT;
    // Or it informed anew, and what was true before the wait would overwrite that session (CWMP S11).
    const now = this.#o.sessions.again(found);
    return now === null ? NO_CONTENT : this.#goOnWithWork(exchange, identity, message, now);
  }

  async #goOnWithRecord(
    exchange: CwmpExchange,
    identity: Identity | null,
    message: CpeMessage,
    found: Found,
  ): Promise<HttpReply> {
    const { store, metrics, clock, claims } = this.#o;
    const { cpeId, sessionId } = found.claims;
    const nowMs = clock.now();
    const device = store.getDevice(cpeId);
    if (device === undefined) return plain('400 Bad Request', 'This device is not known here: begin with an Inform.');
    const profile = this.#o.profiles.byId(device.cpe.profile);
    const context = this.#taskContext(cpeId, profile, device.cpe);
    const record: SessionRecord = found.record ?? {
      sessionId,
      session: found.session,
      actionId: null,
      sentAt: 0,
      startedAt: found.claims.startedAtSeconds * 1_000,
      lastAt: nowMs,
      timeoutMs: found.claims.timeoutSeconds * 1_000,
      posts: 1,
      rpcs: 0,
      version: found.claims.version,
      holdUntilSequence: 0,
      claimToken: '',
    };
    const token = this.#tokenOf(found);
    if (record.posts >= LIMITS.sessionPostsMax) {
      return this.#end(
        found,
        exchange,
        identity,
        record,
        'posts-max',
        plain('400 Bad Request', 'Too many POSTs in one session.'),
      );
    }

    const namespace = found.session.phase === 'awaiting-inform' ? device.cpe.namespace : found.session.namespace;
    const effects = noEffects({ cpeId, profile, namespace, actionId: record.actionId, token });
    const next = (learned: Learned): InFlight | null => this.#turn.next(learned, record, effects, context);
    const { session, reply } = step(record.session, message, cpeId, next);

    if (message.type === 'request') {
      const known = Object.hasOwn(ACS_METHODS, message.method);
      if (known && message.method !== 'GetRPCMethods') {
        effects.facts.push({ type: 'request', body: { cpeId, sessionId, method: message.method, args: message.args } });
        this.#turn.tell({ type: 'request', method: message.method, args: message.args }, context, effects);
      }
    }
    if (reply.type === 'bad-request') {
      metrics.refused.inc(reply.why);
      this.#turn.interruptInFlight(record, context, effects);
      this.#turn.write(effects, nowMs);
      const text = `Not expected here: ${reply.why}. The session is over; begin again with an Inform.`;
      return this.#end(found, exchange, identity, record, reply.why, plain('400 Bad Request', text));
    }

    if (device.cpe.root === '') this.#learnRoot(cpeId, device, effects);
    const { written, isRefused, stillWanted } = this.#turn.write(effects, nowMs);
    // The session stays where it is, and the CPE says it again.
    if (isRefused) await written;
    if (session.phase === 'ended') {
      await written;
      if (effects.facts.length > 0) this.#o.nudge();
      if (message.type !== 'empty' && message.type !== 'response' && message.type !== 'fault')
        return this.#render(reply, effects);
      return this.#end(found, exchange, identity, record, 'done', NO_CONTENT);
    }
    const sent = reply.type === 'request';
    store.putSession(cpeId, {
      ...record,
      session,
      actionId: effects.actionId,
      sentAt: sent ? nowMs : record.sentAt,
      lastAt: nowMs,
      posts: record.posts + 1,
      rpcs: record.rpcs + (sent ? 1 : 0),
      holdUntilSequence: message.type === 'empty' ? 0 : record.holdUntilSequence,
      claimToken: token,
    });
    this.#o.sessions.touch(found.claims, nowMs);
    if (found.record === undefined) this.#o.sessions.noLongerQuiet(found.claims);
    // A request that must not be sent twice is marked on the disk before it leaves (DESIGN §4); the session is readable for any thread.
    await Promise.all([written, sent && !reply.request.repeatable ? store.flushed() : null]);
    if (effects.facts.length > 0) this.#o.nudge();
    if (sent && !(await stillWanted)) {
      // Cancelled or replaced while we planned it: it must not be sent, and what came instead gets the next session.
      return this.#end({ ...found, record }, exchange, identity, record, 'work-withdrawn', NO_CONTENT);
    }
    const rendered = this.#render(reply, effects);
    if (sent && !reply.request.repeatable && claims !== null) {
      const untilMs = await claims.keep(cpeId, token, effects.actionId ?? '');
      // The CPE informed anew meanwhile: what was to be sent is that session's to go on with.
      if (this.#o.sessions.again(found) === null) return NO_CONTENT;
      // Looked at last of all: what leaves later than this could meet what another edge does.
      if (!(steadyMs() < untilMs)) {
        await this.#turn.takeBack(effects);
        return this.#end({ ...found, record }, exchange, identity, record, 'claim-lost', NO_CONTENT);
      }
    }
    if (sent) metrics.rpcs.inc(reply.request.method);
    return rendered;
  }

  /** An Inform without parameters told no root object (CWMP I8); what was read since does. The next Inform is described with it. */
  #learnRoot(cpeId: CpeId, device: DeviceRecord, effects: Effects): void {
    for (const { type, body } of effects.facts) {
      const names = type === 'names' ? body.names : type === 'values' ? body.values : [];
      const learnedRoot = rootOf(names[0]?.Name ?? '');
      if (learnedRoot === '' || learnedRoot === device.learnedRoot) continue;
      this.#o.store.putDevice(cpeId, { ...device, learnedRoot });
      return;
    }
  }

  // ── Ending a session ────────────────────────────────────────────────────────────────────────────────────────────────

  async #end(
    found: Found,
    exchange: CwmpExchange,
    identity: Identity | null,
    record: SessionRecord,
    why: string,
    reply: HttpReply,
  ): Promise<HttpReply> {
    const { store, clock } = this.#o;
    const { cpeId } = found.claims;
    if (record.rpcs > 0 || why !== 'done') {
      const fact = sessionFact(cpeId, record, why, why === 'done', clock.now());
      // How a session ended can be told late: nothing waits for it.
      this.#o.store
        .appendFacts([fact], clock.now())
        .durable.catch((error: unknown) => this.#o.log.error({ err: error }, 'outbox'));
      this.#o.nudge();
    }
    await store.removeSession(cpeId, record.sessionId);
    this.#o.claims?.release(cpeId, this.#tokenOf(found));
    this.#o.sessions.close(found, exchange, identity, why);
    return reply;
  }

  // ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #taskContext(cpeId: CpeId, profile: Profile, { root, version }: CpeFacts): TaskContext {
    const { store, clock } = this.#o;
    return {
      nowMs: clock.now(),
      profile,
      root,
      version: versionNamed(version),
      known: (path) => store.knownParameter(cpeId, path),
      downloadUrl: (fileId) => this.#o.downloadUrl(cpeId, fileId),
      uploadUrl: (actionId) => this.#o.uploadUrl(cpeId, actionId),
      files: this.#o.files,
    };
  }

  #render(reply: Reply, effects: Effects): HttpReply {
    const { namespace } = effects;
    const { style, quirks } = effects.profile;
    switch (reply.type) {
      case 'request': {
        const { id, method, args } = reply.request;
        // Written by #next already, unless the step repeats a request whose response got lost.
        const body = effects.envelope ?? writeRequest(style, namespace, id, method, args);
        // A CPE that answers this slowly would find the idle connection closed under it: it is told to open a new one.
        return { ...soap(body), close: quirks.slowMethods.includes(method) };
      }
      case 'answer': {
        const { id, method, args } = reply;
        if (!Object.hasOwn(ACS_METHODS, method)) {
          this.#o.metrics.acsFaults.inc('8000');
          return soap(writeFault(style, namespace, id, 8000, 'Method not supported', 'Client'));
        }
        return soap(writeResponse(style, namespace, id, method, answerOf(method, args)));
      }
      case 'no-content':
        return NO_CONTENT;
      case 'bad-request':
        return plain('400 Bad Request', reply.why);
      case 'inform-response':
        throw new Error('an InformResponse is written by InformHandler');
    }
  }
}

/** Result arguments of our answers to the CPE's requests (CWMP 1.8). */
function answerOf(method: string, args: Record<string, unknown>): Record<string, unknown> {
  if (method === 'GetRPCMethods') return { MethodList: Object.keys(ACS_METHODS) };
  if (method === 'Kicked') return { NextURL: typeof args['Next'] === 'string' ? args['Next'] : '' };
  return {};
}
