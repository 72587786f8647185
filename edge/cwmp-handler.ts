// One POST of a CPE from bytes to answer: who is it, what did it say, what does the session say to that, what is next. Pure parts decide
// (reader, step, planner); this file fetches what they need from the store and puts back what they return, in the order that loses nothing:
// what an answer acknowledges is on the disk before the answer leaves.
//
// The quiet path (a periodic Inform that teaches nothing, an empty POST, no work) runs without a promise and without a write.

import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { Refused } from '../base/errors.ts';
import { type CpeId, cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { AnyFactBody, CpeFacts } from '../bus/messages.ts';
import { eventRow, isRelearnable } from '../cwmp/events.ts';
import type { CpeMessage, EnvelopeInfo, Inform, ParameterValue } from '../cwmp/message.ts';
import { type Read, read } from '../cwmp/read.ts';
import { ACS_METHODS } from '../cwmp/rpc-table.ts';
import { type InFlight, type Learned, type Reply, type Session, step } from '../cwmp/session.ts';
import { readMessage } from '../cwmp/soap-reader.ts';
import { writeFault, writeInformResponse, writeRequest, writeResponse } from '../cwmp/soap-writer.ts';
import { negotiate, versionNamed } from '../cwmp/versions.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import type { Profile } from '../profiles/profile.ts';
import type { ReadPool } from '../workers/pool.ts';
import { type Identity, mayInformAs } from './auth.ts';
import { contentEncodingOf, packBody, unpackBody } from './content-encoding.ts';
import { deviationsOf, type SessionTolerance } from './deviations.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import type { ReceivedUpload } from './file-server.ts';
import type { HttpExchange, HttpReply } from './http.ts';
import { applyAnswer, applyEvents, beginSession, interrupt, planNext } from './planner.ts';
import { COOKIE_NAME, findCookie, type SessionClaims, type SessionCookies } from './session-cookie.ts';
import type { SessionTable } from './session-table.ts';
import type { DeviceRecord, EdgeStore, SessionRecord, WorkRecord } from './store/store.ts';
import { type Answer, type CpeEvent, emptyResult, type TaskContext } from './tasks/task.ts';

export interface CwmpHandlerOptions {
  store: EdgeStore;
  table: SessionTable;
  cookies: SessionCookies;
  metrics: SessionMetrics;
  profiles: ProfileChooser;
  pool: ReadPool;
  clock: Clock;
  log: Log;
  /** Number of this start of the edge, and of this thread: together with a count they name sessions. */
  incarnation: number;
  lane: number;
  downloadUrl(cpeId: CpeId, fileId: string): string;
  uploadUrl(cpeId: CpeId, actionId: string): string;
  /** Highest sequence that control has acknowledged, of whatever thread: the session may have begun on another one. */
  ackedSequence(): number;
  /** Tells the relay that the outbox has something. */
  nudge(): void;
  /** The answer to an Inform that was let in by a cookie and does not prove who it is; null when nobody has to. */
  unproven(exchange: HttpExchange): HttpReply | null;
}

/** A session found for a POST that is not an Inform. */
interface Found {
  claims: SessionClaims;
  cookie: string;
  session: Session;
  /** undefined while the session is quiet. */
  record: SessionRecord | undefined;
}

const SOAP = 'text/xml; charset="utf-8"';
const PLAIN = 'text/plain; charset="utf-8"';
/** How long the first empty POST of a new CPE waits for control's first-contact work. */
const FIRST_CONTACT_HOLD_MS = 1_500;
const HOLD_STEP_MS = 5;
/** Well below the shortest session timeout, and few writes for a body of minutes. */
const KEEP_OPEN_MS = 15_000;
const SEEN_BATCH_MS = 1_000;
const SEEN_BATCH_DEVICES = 500;

export class CwmpHandler {
  readonly #o: CwmpHandlerOptions;
  #sessionCount = 0;
  /** Sessions begun on this thread: id → last POST. For the gauge and for draining. */
  readonly #open = new Map<string, number>();
  #seen = new Map<CpeId, number>();
  #seenTimer: NodeJS.Timeout | null = null;

  constructor(options: CwmpHandlerOptions) {
    this.#o = options;
  }

  /** Sessions begun here that are neither ended nor silent for longer than the session timeout. */
  openSessions(): number {
    const oldest = this.#o.clock.now() - LIMITS.sessionTimeoutMs;
    for (const [id, at] of this.#open) if (at < oldest) this.#open.delete(id);
    return this.#open.size;
  }

  /** True when the exchange belongs to a session that is still open: such a POST is let in without new authentication. */
  isLive(exchange: HttpExchange): SessionClaims | null {
    const found = this.#find(exchange, null);
    return found !== null && found.session.phase !== 'ended' ? found.claims : null;
  }

  /** A CPE whose body takes longer than the session timeout is not silent: 3 MB over a slow uplink are twelve minutes (CWMP S9). */
  keepOpen(exchange: HttpExchange, identity: Identity | null): void {
    const record = this.#find(exchange, identity)?.record;
    const nowMs = this.#o.clock.now();
    if (record === undefined || record.session.phase === 'awaiting-inform' || nowMs - record.lastAt < KEEP_OPEN_MS)
      return;
    this.#open.set(record.sessionId, nowMs);
    const { cpeId } = record.session;
    const touched = this.#o.store.touchSession(cpeId, record.sessionId, nowMs);
    touched.catch((error: unknown) => this.#o.log.error({ err: error, cpeId }, 'a session could not be kept open'));
  }

  /**
   * Answers one POST.
   * @param identity as authenticated; null in mode `none` or when the cookie already identifies the session.
   * @param body its raw bytes; read before the first await, as they are gone afterwards.
   */
  post(exchange: HttpExchange, identity: Identity | null, body: Uint8Array): HttpReply | Promise<HttpReply> {
    const encoding = contentEncodingOf(exchange.contentEncoding);
    if (encoding === null) {
      this.#o.metrics.refused.inc('content-encoding');
      return plain('415 Unsupported Media Type', 'Content-Encoding must be gzip, deflate or absent.');
    }
    if (encoding === 'identity' || body.length === 0) return this.#read(exchange, identity, body);
    return this.#postPacked(exchange, identity, encoding, Buffer.from(body));
  }

  async #postPacked(
    x: HttpExchange,
    identity: Identity | null,
    encoding: 'gzip' | 'deflate',
    body: Buffer,
  ): Promise<HttpReply> {
    const unpacked = await unpackBody(encoding, body);
    if (unpacked.type !== 'ok') {
      this.#o.metrics.refused.inc(`${encoding}-${unpacked.type}`);
      if (unpacked.type === 'corrupt') return plain('400 Bad Request', `The body is not ${encoding}.`);
      return plain('413 Payload Too Large', `The body inflates to more than ${LIMITS.bodyBytesMax} bytes.`);
    }
    const reply = await this.#read(x, identity, unpacked.bytes);
    if (reply.contentType !== SOAP || typeof reply.body !== 'string') return reply;
    const packed = await packBody(encoding, reply.body);
    return { ...reply, body: packed, headers: [...(reply.headers ?? []), ['Content-Encoding', encoding]] };
  }

  /** An upload is complete on the disk: its task hears of it, control gets the fact. Resolves when neither can be lost any more. */
  async uploaded({ cpeId, actionId, fileId, bytes, sha256 }: ReceivedUpload): Promise<void> {
    const { store, clock } = this.#o;
    const device = store.getDevice(cpeId);
    if (device !== undefined) {
      const context = this.#taskContext(cpeId, this.#o.profiles.byId(device.cpe.profile), device.cpe);
      const own = store.workOf(cpeId).filter((record) => record.work.actionId === actionId);
      for (const changed of applyEvents(own, [{ type: 'upload', fileId, bytes, sha256 }], context))
        store.putWork(changed);
    }
    await this.#append([{ type: 'upload', body: { cpeId, actionId, fileId, bytes, sha256 } }], clock.now()).durable;
    this.#o.nudge();
  }

  #read(exchange: HttpExchange, identity: Identity | null, body: Uint8Array): HttpReply | Promise<HttpReply> {
    if (body.length <= LIMITS.inlineSecondReadBytesMax) {
      const done = read(body, exchange.contentType);
      this.#o.metrics.parsePath.inc(done.parsePath);
      return this.#take(exchange, identity, done);
    }
    const result = readMessage(body, exchange.contentType);
    const declined = result.type === 'refused' && result.reason === 'not-well-formed';
    if (declined) return this.#readInPool(exchange, identity, body);
    this.#o.metrics.parsePath.inc('fast');
    return this.#take(exchange, identity, { result, parsePath: 'fast' });
  }

  /** A big document that needs the second reader is read by the pool: the thread's other CPEs would wait for it. */
  async #readInPool(exchange: HttpExchange, identity: Identity | null, body: Uint8Array): Promise<HttpReply> {
    const { metrics, pool } = this.#o;
    const done = await pool.read(new Uint8Array(body), exchange.contentType);
    if (done === null) {
      metrics.refused.inc('pool-full');
      return { status: '503 Service Unavailable', body: '', headers: [['Retry-After', '30']] };
    }
    metrics.parsePath.inc(`pool-${done.parsePath}`);
    return this.#take(exchange, identity, done);
  }

  #take(exchange: HttpExchange, identity: Identity | null, { result }: Read): HttpReply | Promise<HttpReply> {
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
      return this.#inform(exchange, identity, message.inform, message.envelope, tolerances);
    return this.#goOn(exchange, identity, message);
  }

  // ── Inform ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #inform(
    exchange: HttpExchange,
    identity: Identity | null,
    inform: Inform,
    envelope: EnvelopeInfo,
    tolerances: readonly string[],
  ): HttpReply | Promise<HttpReply> {
    const { store, metrics, clock } = this.#o;
    // A cookie lets a session go on. An Inform begins one: its sender proves anew who it is, or a CPE could inform as any other (CWMP A5).
    const refusal = identity === null ? this.#o.unproven(exchange) : null;
    if (refusal !== null) return refusal;
    const cpeId = cpeIdOf(inform.DeviceId);
    if (identity !== null && !mayInformAs(identity, cpeId)) {
      // A device may not inform as another one (CWMP A5).
      metrics.auth.inc('other-device');
      this.#o.log.warn(
        { cpeId, username: identity.username, address: exchange.address },
        'Inform for another device than authenticated',
      );
      return plain('403 Forbidden', 'These credentials belong to another device.');
    }
    const nowMs = clock.now();
    const known = store.getDevice(cpeId);
    const cpe = this.#describe(inform, known);
    const { profile, root, softwareVersion, connectionRequestUrl } = cpe;
    const agreed = negotiate(envelope.namespace, envelope.supportedVersions);
    if (agreed.type === 'fault') {
      metrics.acsFaults.inc(String(agreed.code));
      return soap(writeFault(profile.style, envelope.namespace, envelope.id, agreed.code, agreed.text, 'Server'));
    }
    const facts: CpeFacts = {
      device: inform.DeviceId,
      root,
      namespace: envelope.namespace,
      version: agreed.version,
      address: exchange.address,
      profile: profile.id,
    };

    let reset = false;
    let memorable = false;
    for (const event of inform.Event) {
      metrics.events.inc(eventRow(event.EventCode)?.code ?? 'other');
      if (!isRelearnable(event.EventCode)) memorable = true;
      if (event.EventCode === '0 BOOTSTRAP') reset = true;
    }
    const isNew = known === undefined || store.isNewDevice(cpeId);
    const changed = reset || isNew ? inform.ParameterList : store.changedParameters(cpeId, inform.ParameterList);
    const moved = known === undefined || !sameFacts(known.cpe, facts);
    const records = store.hasWork(cpeId) ? store.workOf(cpeId) : NO_WORK;

    const sessionId = `${this.#o.incarnation.toString(36)}-${this.#o.lane}-${(++this.#sessionCount).toString(36)}`;
    const timeoutMs = sessionTimeoutMs(envelope.sessionTimeoutSeconds);
    const claims: SessionClaims = {
      sessionId,
      incarnation: this.#o.incarnation,
      generation: this.#o.table.begin(cpeId),
      startedAtSeconds: Math.floor(nowMs / 1000),
      timeoutSeconds: Math.ceil(timeoutMs / 1000),
      namespaceDigit: envelope.namespace.at(-1) ?? '0',
      version: agreed.version,
      cpeId,
      authTag: this.#o.cookies.authTag(identity?.username ?? null),
    };
    const cookie = this.#o.cookies.seal(claims);
    const nowSeconds = claims.startedAtSeconds;
    this.#o.table.rememberAddress(
      addressKey(exchange, identity),
      cookie,
      nowSeconds,
      nowSeconds + claims.timeoutSeconds,
    );
    this.#open.set(sessionId, nowMs);
    metrics.sessionsStarted.inc();

    const body = writeInformResponse(profile.style, envelope.namespace, envelope.id, agreed.useVersion);
    const reply: HttpReply = {
      status: '200 OK',
      contentType: SOAP,
      body,
      setCookie: `${COOKIE_NAME}=${cookie}; Path=/`,
    };
    if (!profile.quirks.cookiePath) reply.setCookie = `${COOKIE_NAME}=${cookie}`;

    // An older session that never ended still has its record, and the record would outlive this one's right to the cookie (CWMP S11).
    const nothingNew = !memorable && !isNew && !moved && changed.length === 0 && records.length === 0;
    const quiet = nothingNew && store.getSession(cpeId) === undefined;
    if (quiet) {
      metrics.sessionsQuiet.inc();
      this.#markSeen(cpeId, nowMs);
      return reply;
    }
    return this.#informWithNews({
      cpeId, sessionId, facts, inform, changed, reset, isNew, memorable, moved, records, tolerances, nowMs, timeoutMs,
      profile, envelope, reply, softwareVersion, connectionRequestUrl, known,
    }); // biome-ignore format: a plain list
  }

  /** The Inform that taught something or finds work waiting: everything is on the disk before the InformResponse acknowledges it. */
  async #informWithNews(i: News): Promise<HttpReply> {
    const { store, metrics } = this.#o;
    const { cpeId, sessionId, nowMs } = i;
    const factBodies: AnyFactBody[] = [];

    const old = store.getSession(cpeId);
    if (old !== undefined && old.session.phase !== 'ended') {
      metrics.takeovers.inc();
      metrics.sessionsEnded.inc('taken-over');
      factBodies.push(sessionFact(cpeId, old, 'taken over by a new Inform', false, nowMs));
    }
    const device: DeviceRecord = {
      cpe: i.facts,
      softwareVersion: i.softwareVersion,
      connectionRequestUrl: i.connectionRequestUrl,
      settings: i.known?.settings ?? store.getSettings(cpeId) ?? null,
      lastInformAt: nowMs,
    };
    if (i.reset) await store.resetShadow(cpeId);
    if (i.moved || i.isNew || i.changed.length > 0) store.putDevice(cpeId, device);
    if (i.changed.length > 0) store.applyValues(cpeId, i.inform.ParameterList);
    if (i.memorable || i.isNew || i.changed.length > 0 || i.moved) {
      factBodies.push({
        type: 'inform',
        body: {
          cpeId, sessionId, cpe: i.facts, events: i.inform.Event, retryCount: i.inform.RetryCount, currentTime: i.inform.CurrentTime,
          changed: i.changed, reset: i.reset, tolerances: [...i.tolerances],
        }, // biome-ignore format: a plain list
      });
    } else this.#markSeen(cpeId, nowMs);

    // What an earlier session left outstanding is of unknown outcome; then the events may be what some work waits for.
    const context = this.#taskContext(cpeId, i.profile, i.facts);
    const events = i.inform.Event.map((event): CpeEvent => ({ type: 'event', event }));
    for (const changed of beginSession(i.records, events, context)) store.putWork(changed);

    const holds = i.reset || i.isNew;
    const last = factBodies.length > 0 ? this.#append(factBodies, nowMs) : null;
    store.putSession(cpeId, {
      sessionId,
      session: { phase: 'cpe-turn', cpeId, namespace: i.envelope.namespace },
      actionId: null,
      sentAt: 0,
      startedAt: nowMs,
      lastAt: nowMs,
      timeoutMs: i.timeoutMs,
      posts: 1,
      rpcs: 0,
      version: i.facts.version,
      holdUntilSequence: holds && last !== null ? last.last : 0,
    });
    // One flush covers all of it: group commit.
    if (last !== null) {
      await last.durable;
      this.#o.nudge();
    } else await store.flushed();
    return i.reply;
  }

  // ── Every other POST ────────────────────────────────────────────────────────────────────────────────────────────────

  #goOn(exchange: HttpExchange, identity: Identity | null, message: CpeMessage): HttpReply | Promise<HttpReply> {
    const { metrics, store } = this.#o;
    const found = this.#find(exchange, identity);
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
      this.#forget(found, exchange, identity, 'done');
      return NO_CONTENT;
    }
    return this.#goOnWithRecord(exchange, identity, message, found);
  }

  async #goOnWithRecord(
    exchange: HttpExchange,
    identity: Identity | null,
    message: CpeMessage,
    found: Found,
  ): Promise<HttpReply> {
    const { store, metrics, clock } = this.#o;
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
    };
    if (message.type === 'empty' && record.holdUntilSequence > 0) await this.#hold(record.holdUntilSequence);
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
    const effects: Effects = {
      cpeId,
      profile,
      namespace,
      records: new Map(),
      ended: [],
      facts: [],
      actionId: record.actionId,
      envelope: null,
    };
    const next = (learned: Learned): InFlight | null => this.#next(learned, record, effects, context);
    const { session, reply } = step(record.session, message, cpeId, next);

    if (message.type === 'request') {
      const known = Object.hasOwn(ACS_METHODS, message.method);
      if (known && message.method !== 'GetRPCMethods') {
        effects.facts.push({ type: 'request', body: { cpeId, sessionId, method: message.method, args: message.args } });
        this.#tell({ type: 'request', method: message.method, args: message.args }, context, effects);
      }
    }
    if (reply.type === 'bad-request') {
      metrics.refused.inc(reply.why);
      this.#interruptInFlight(record, context, effects);
      this.#store(effects, nowMs);
      const text = `Not expected here: ${reply.why}. The session is over; begin again with an Inform.`;
      return this.#end(found, exchange, identity, record, reply.why, plain('400 Bad Request', text));
    }

    if (device.cpe.root === '') this.#learnRoot(cpeId, device, effects);
    const { written, stillWanted } = this.#store(effects, nowMs);
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
    });
    this.#open.set(sessionId, nowMs);
    // A request that must not be sent twice is marked on the disk before it leaves (DESIGN §4); the session is readable for any thread.
    await Promise.all([written, sent && !reply.request.repeatable ? store.flushed() : null]);
    if (effects.facts.length > 0) this.#o.nudge();
    if (sent && !(await stillWanted)) {
      // Cancelled or replaced while we planned it: it must not be sent, and what came instead gets the next session.
      return this.#end(found, exchange, identity, record, 'work-withdrawn', NO_CONTENT);
    }
    if (sent) metrics.rpcs.inc(reply.request.method);
    return this.#render(reply, effects);
  }

  /** The planner's turn: take in what the CPE answered, choose what to ask next. */
  #next(learned: Learned, record: SessionRecord, effects: Effects, context: TaskContext): InFlight | null {
    const { store, metrics } = this.#o;
    const where = { cpeId: effects.cpeId, sessionId: record.sessionId };
    let records = store.workOf(where.cpeId);
    if (learned !== null && (learned.type === 'response' || learned.type === 'fault')) {
      if (learned.type === 'fault') metrics.cpeFaults.inc(String(learned.fault.FaultCode));
      if (learned.idDiffers) metrics.tolerances.inc('id-differs' satisfies SessionTolerance);
      if (learned.type === 'response') {
        for (const name of deviationsOf(learned.request, learned.result)) metrics.tolerances.inc(name);
      }
      const current = records.find((candidate) => candidate.work.actionId === record.actionId);
      // Without its record the work was cancelled meanwhile: the answer is dropped, the session goes on.
      if (current?.inFlight) {
        const answer: Answer =
          learned.type === 'fault'
            ? { type: 'fault', fault: learned.fault }
            : { type: 'response', method: learned.request.method, result: learned.result };
        const applied = applyAnswer(current, answer, where, context);
        effects.facts.push(...applied.facts);
        effects.records.set(applied.record.work.actionId, applied.record);
        records = records.map((candidate) => (candidate === current ? applied.record : candidate));
      }
    }
    // Anything else still marked was sent in a session that broke without our seeing it (a crash): its outcome is unknown.
    records = records.map((candidate) => {
      if (!candidate.inFlight) return candidate;
      const settled = interrupt(candidate, context);
      effects.records.set(settled.work.actionId, settled);
      return settled;
    });
    for (;;) {
      const plan = planNext(records, where, context);
      for (const changed of plan.records) effects.records.set(changed.work.actionId, changed);
      for (const { record: ended } of plan.ended) {
        effects.ended.push(ended);
        effects.records.delete(ended.work.actionId);
      }
      effects.facts.push(...plan.facts);
      effects.actionId = plan.send?.actionId ?? null;
      const { send } = plan;
      if (send === null) return null;
      const { method, args } = send.request;
      const id = `${record.sessionId}.${record.rpcs + 1}`;
      try {
        effects.envelope = writeRequest(effects.profile.style, effects.namespace, id, method, args);
        return { id, method, args, repeatable: send.repeatable };
      } catch (error) {
        // What cannot be written (a character XML does not have) ends this work and no other.
        if (!(error instanceof Refused)) throw error;
        const impossible = effects.records.get(send.actionId);
        assert(impossible !== undefined, 'the record of a request to send is among the changed ones');
        effects.records.delete(send.actionId);
        effects.ended.push(impossible);
        effects.facts.push(refusedFact(impossible, error.message, context.nowMs));
        const over = new Set([send.actionId, ...plan.ended.map((ended) => ended.record.work.actionId)]);
        records = records
          .filter((candidate) => !over.has(candidate.work.actionId))
          .map((candidate) => effects.records.get(candidate.work.actionId) ?? candidate);
      }
    }
  }

  /** Gives something the CPE told to all open work of it. */
  #tell(event: CpeEvent, context: TaskContext, effects: Effects): void {
    const records = this.#o.store
      .workOf(effects.cpeId)
      .map((record) => effects.records.get(record.work.actionId) ?? record);
    for (const changed of applyEvents(records, [event], context)) effects.records.set(changed.work.actionId, changed);
  }

  #interruptInFlight(record: SessionRecord, context: TaskContext, effects: Effects): void {
    if (record.actionId === null || record.session.phase === 'awaiting-inform') return;
    const current = this.#o.store
      .workOf(record.session.cpeId)
      .find((candidate) => candidate.work.actionId === record.actionId);
    if (current?.inFlight) effects.records.set(current.work.actionId, interrupt(current, context));
  }

  /** Writes what a step changed; resolves when the facts are durable, or the rest visible to every thread. */
  #store(effects: Effects, nowMs: number): Stored {
    const { store } = this.#o;
    let written: Promise<unknown> = Promise.resolve();
    let stillWanted: Promise<boolean> = TRUE;
    // What was read is what is known from now on.
    for (const { type, body } of effects.facts) {
      if (type === 'values') written = store.applyValues(effects.cpeId, body.values);
      else if (type === 'names') written = store.applyNames(effects.cpeId, body.path, body.complete, body.names);
    }
    for (const changed of effects.records.values()) {
      const put = store.putWork(changed);
      written = put;
      if (changed.work.actionId === effects.actionId) stillWanted = put;
    }
    for (const ended of effects.ended) written = store.removeWork(ended.work.cpeId, ended.work.actionId);
    if (effects.facts.length > 0) written = this.#append(effects.facts, nowMs).durable;
    return { written, stillWanted };
  }

  #append(facts: AnyFactBody[], nowMs: number): { last: number; durable: Promise<void> } {
    return this.#o.store.appendFacts(facts, nowMs);
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

  async #hold(sequence: number): Promise<void> {
    this.#o.nudge();
    for (let waited = 0; waited < FIRST_CONTACT_HOLD_MS && this.#o.ackedSequence() < sequence; waited += HOLD_STEP_MS) {
      await sleep(HOLD_STEP_MS);
    }
  }

  // ── Finding and ending sessions ─────────────────────────────────────────────────────────────────────────────────────

  #find(exchange: HttpExchange, identity: Identity | null): Found | null {
    const { cookies, store, table, clock, metrics } = this.#o;
    const nowMs = clock.now();
    let cookie = exchange.cookie === '' ? null : findCookie(exchange.cookie);
    const returned = cookie !== null;
    if (cookie === null) {
      cookie = table.findAddress(addressKey(exchange, identity), Math.floor(nowMs / 1000));
      if (cookie !== null) metrics.tolerances.inc('no-cookie' satisfies SessionTolerance);
    }
    if (cookie === null) return null;
    const claims = cookies.open(cookie);
    if (claims === null) return null;
    if (identity !== null && cookies.authTag(identity.username) !== claims.authTag) {
      metrics.auth.inc('cookie-of-another');
      return null;
    }
    const record = store.getSession(claims.cpeId);
    if (record !== undefined) {
      // The store knows a newer session of this CPE: this cookie's was taken over.
      if (record.sessionId !== claims.sessionId || record.lastAt + record.timeoutMs < nowMs) return null;
      // It returns cookies: nobody has to look for it by its address.
      if (returned && record.posts === 1) table.forgetAddress(addressKey(exchange, identity), cookie);
      return { claims, cookie, session: record.session, record };
    }
    if ((claims.startedAtSeconds + claims.timeoutSeconds) * 1000 < nowMs) return null;
    const { cpeId } = claims;
    const namespace = `urn:dslforum-org:cwmp-1-${claims.namespaceDigit}`;
    const resumable = table.isLive(cpeId, claims.generation) || claims.incarnation !== this.#o.incarnation;
    if (!resumable) return null;
    return { claims, cookie, session: { phase: 'cpe-turn', cpeId, namespace }, record: undefined };
  }

  async #end(
    found: Found,
    exchange: HttpExchange,
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
      this.#append([fact], clock.now()).durable.catch((error: unknown) => this.#o.log.error({ err: error }, 'outbox'));
      this.#o.nudge();
    }
    await store.removeSession(cpeId);
    this.#forget(found, exchange, identity, why);
    return reply;
  }

  #forget(found: Found, exchange: HttpExchange, identity: Identity | null, why: string): void {
    const { table, metrics } = this.#o;
    table.end(found.claims.cpeId, found.claims.generation);
    table.forgetAddress(addressKey(exchange, identity), found.cookie);
    this.#open.delete(found.claims.sessionId);
    metrics.sessionsEnded.inc(why);
  }

  // ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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
        throw new Error('an InformResponse is written by #inform');
    }
  }

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
    };
  }

  #describe(inform: Inform, known: DeviceRecord | undefined): Description {
    let root = '';
    let softwareVersion = '';
    let connectionRequestUrl = '';
    for (const parameter of inform.ParameterList) {
      const name = parameter.Name;
      if (root === '') root = rootOf(name);
      if (name.endsWith('.SoftwareVersion')) softwareVersion = parameter.Value;
      else if (name.endsWith('.ConnectionRequestURL')) connectionRequestUrl = parameter.Value;
    }
    // What this Inform left out is still as the last one told.
    if (root === '') root = known?.cpe.root || known?.learnedRoot || '';
    if (softwareVersion === '') softwareVersion = known?.softwareVersion ?? '';
    if (connectionRequestUrl === '') connectionRequestUrl = known?.connectionRequestUrl ?? '';
    const { Manufacturer, OUI, ProductClass } = inform.DeviceId;
    const kind = {
      root,
      manufacturer: Manufacturer,
      oui: OUI.toUpperCase(),
      productClass: ProductClass,
      softwareVersion,
    };
    return { root, softwareVersion, connectionRequestUrl, profile: this.#o.profiles.choose(kind) };
  }

  // ── Last contact of quiet devices ───────────────────────────────────────────────────────────────────────────────────

  #markSeen(cpeId: CpeId, at: number): void {
    this.#seen.set(cpeId, at);
    if (this.#seen.size >= SEEN_BATCH_DEVICES) this.flushSeen();
    else if (this.#seenTimer === null) this.#seenTimer = setTimeout(() => this.flushSeen(), SEEN_BATCH_MS);
  }

  /** Puts the batched last contacts into the outbox; they can be learned again, so nothing waits for the disk. */
  flushSeen(): void {
    if (this.#seenTimer !== null) clearTimeout(this.#seenTimer);
    this.#seenTimer = null;
    if (this.#seen.size === 0) return;
    const devices = [...this.#seen].map(([cpeId, at]) => ({ cpeId, at }));
    this.#seen = new Map();
    this.#append([{ type: 'seen', body: { devices } }], this.#o.clock.now()).durable.catch((error: unknown) =>
      this.#o.log.error({ err: error }, 'last contacts could not be stored'),
    );
    this.#o.nudge();
  }
}

interface Description {
  root: string;
  softwareVersion: string;
  connectionRequestUrl: string;
  profile: Profile;
}

interface News extends Omit<Description, 'root'> {
  cpeId: CpeId;
  sessionId: string;
  facts: CpeFacts;
  inform: Inform;
  changed: readonly ParameterValue[] & ParameterValue[];
  reset: boolean;
  isNew: boolean;
  memorable: boolean;
  moved: boolean;
  records: readonly WorkRecord[];
  tolerances: readonly string[];
  nowMs: number;
  timeoutMs: number;
  envelope: EnvelopeInfo;
  reply: HttpReply;
  known: DeviceRecord | undefined;
}

/** What one step changes, gathered while it runs and written at its end. */
interface Effects {
  readonly cpeId: CpeId;
  readonly profile: Profile;
  readonly namespace: string;
  records: Map<string, WorkRecord>;
  ended: WorkRecord[];
  facts: AnyFactBody[];
  /** Work whose request is outstanding after the step. */
  actionId: string | null;
  /** The request to send, written. */
  envelope: string | null;
}

interface Stored {
  /** Resolves when facts are durable and the rest is visible to every thread. */
  written: Promise<unknown>;
  /** False when the work whose request is about to be sent was cancelled or replaced meanwhile. */
  stillWanted: Promise<boolean>;
}

const TRUE = Promise.resolve(true);
const NO_WORK: readonly WorkRecord[] = [];
const NO_CONTENT: HttpReply = { status: '204 No Content', body: '' };

function rootOf(name: string): string {
  if (name.startsWith('InternetGatewayDevice.')) return 'InternetGatewayDevice.';
  return name.startsWith('Device.') ? 'Device.' : '';
}

function plain(status: string, text: string): HttpReply {
  return { status, body: `${text}\n`, contentType: PLAIN };
}

function soap(body: string): HttpReply {
  return { status: '200 OK', body, contentType: SOAP };
}

function statusLine(status: number): string {
  if (status === 413) return '413 Payload Too Large';
  if (status === 415) return '415 Unsupported Media Type';
  return '400 Bad Request';
}

/** S9, E10: at least our own timeout, at most the bound, whatever the CPE asks for. */
function sessionTimeoutMs(askedSeconds: number | null): number {
  if (askedSeconds === null) return LIMITS.sessionTimeoutMs;
  return Math.min(Math.max(askedSeconds * 1_000, LIMITS.sessionTimeoutMs), LIMITS.sessionTimeoutMsMax);
}

/** Under what a CPE without a cookie is found again: source address, and user name where there is one (CWMP H13). */
function addressKey(exchange: HttpExchange, identity: Identity | null): string {
  return identity === null || identity.username === null
    ? exchange.address
    : `${exchange.address}|${identity.username}`;
}

function sameFacts(a: CpeFacts, b: CpeFacts): boolean {
  return (
    a.address === b.address &&
    a.namespace === b.namespace &&
    a.version === b.version &&
    a.profile === b.profile &&
    a.root === b.root &&
    a.device.Manufacturer === b.device.Manufacturer
  );
}

function sessionFact(cpeId: CpeId, record: SessionRecord, why: string, ok: boolean, endedAt: number): AnyFactBody {
  const { sessionId, startedAt, rpcs } = record;
  return { type: 'session', body: { cpeId, sessionId, why, ok, startedAt, endedAt, rpcs } };
}

function refusedFact(record: WorkRecord, why: string, nowMs: number): AnyFactBody {
  const { cpeId, actionId, generation } = record.work;
  const result = { ...emptyResult('refused', why), rpcs: record.rpcs, startedAt: record.startedAt, endedAt: nowMs };
  return { type: 'result', body: { cpeId, actionId, generation, result } };
}

/** Result arguments of our answers to the CPE's requests (CWMP 1.8). */
function answerOf(method: string, args: Record<string, unknown>): Record<string, unknown> {
  if (method === 'GetRPCMethods') return { MethodList: Object.keys(ACS_METHODS) };
  if (method === 'Kicked') return { NextURL: typeof args['Next'] === 'string' ? args['Next'] : '' };
  return {};
}
