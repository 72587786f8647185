// An Inform from message to InformResponse: who informs, what is new, what somebody waits for. The quiet Inform (a periodic one that teaches
// nothing and finds no work) is answered without a promise and without a write; for any other, everything it acknowledges is on the
// disk first.

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type CpeId, cpeIdOf, newId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Timers } from '../base/timers.ts';
import type { AnyFactBody, CpeFacts } from '../bus/messages.ts';
import { eventRow, isRelearnable } from '../cwmp/events.ts';
import type { EnvelopeInfo, EventStruct, Inform } from '../cwmp/message.ts';
import { rootOf } from '../cwmp/paths.ts';
import { writeFault, writeInformResponse } from '../cwmp/soap-writer.ts';
import { type Negotiation, negotiate } from '../cwmp/versions.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import type { Profile } from '../profiles/profile.ts';
import { type Identity, mayInformAs } from './auth.ts';
import { isOurs } from './claims/claim.ts';
import type { Claims } from './claims/claims.ts';
import { CommitWindow } from './commit-window.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import type { CwmpExchange, HttpReply } from './http.ts';
import { InformFacts } from './inform-facts.ts';
import type { LastContacts } from './last-contacts.ts';
import { beginSession } from './planner.ts';
import type { InformNews, QuietInforms } from './quiet-informs.ts';
import { plain, SOAP, setCookieOf, shed, soap } from './replies.ts';
import { sessionFact } from './session-turn.ts';
import type { Sessions } from './sessions.ts';
import type { DeviceRecord, EdgeStore, InformDifference, SessionRecord, WorkRecord } from './store/store.ts';
import type { CpeEvent, TaskContext } from './tasks/task.ts';
import type { WaitWatch } from './wait-watch.ts';

export interface InformHandlerOptions {
  store: EdgeStore;
  sessions: Sessions;
  quiet: QuietInforms;
  lastContacts: LastContacts;
  metrics: SessionMetrics;
  profiles: ProfileChooser;
  clock: Clock;
  timers: Timers;
  waits: Pick<WaitWatch, 'writing' | 'written'>;
  /** Null where no claims are needed. */
  claims: Claims | null;
  log: Log;
  taskContext(cpeId: CpeId, profile: Profile, facts: CpeFacts): TaskContext;
  nudge(): void;
  /** The answer to an Inform that was let in by a cookie and does not prove who it is; null when nobody has to. */
  unproven(exchange: CwmpExchange): HttpReply | null;
}

interface Description {
  root: string;
  softwareVersion: string;
  connectionRequestUrl: string;
  profile: Profile;
}

/** An Inform whose sender may send it. */
interface Asked {
  exchange: CwmpExchange;
  identity: Identity | null;
  cpeId: CpeId;
  inform: Inform;
  envelope: EnvelopeInfo;
  agreed: Extract<Negotiation, { type: 'ok' }>;
  tolerances: readonly string[];
  /** See QuietInforms.tokenFor. */
  token: string;
  /** Holds an event that cannot be learned again; a BOOTSTRAP. */
  memorable: boolean;
  reset: boolean;
}

/** What the store knows of its CPE, and what that makes of the Inform. */
interface Found extends Omit<Description, 'root'> {
  /** Nothing it told besides its parameters is new. */
  isSame: boolean;
  facts: CpeFacts;
  difference: InformDifference;
  isNew: boolean;
  moved: boolean;
  records: readonly WorkRecord[];
  /** An older session that never ended: its record would outlive the new one's right to the cookie (CWMP S11). */
  old: SessionRecord | undefined;
}

interface Begun {
  sessionId: string;
  nowMs: number;
  timeoutMs: number;
  reply: HttpReply;
}

/** Actions of ours that the events of an Inform may be of, by their CommandKeys. */
const actionsIn = ({ Event }: Inform): string[] => [
  ...new Set(Event.map(({ CommandKey }) => CommandKey).filter((key) => ACTION_ID.test(key))),
];
const ACTION_ID = /^[0-9A-Z]{26}$/;
const NO_WORK: readonly WorkRecord[] = [];
/** Of a session that claimed nothing: see SessionRecord.claimToken. */
const NO_TOKEN = '';
/**
 * Seconds after which a CPE tells again what its work could not be told, and its tries after which it is acknowledged all the same: more than
 * a minute by TR-069 §3.2.1.1, twice the lease of an edge that is gone.
 */
const UNHEARD_SECONDS = 5;
const UNHEARD_TRIES = 5;

export class InformHandler {
  readonly #o: InformHandlerOptions;
  readonly #window: CommitWindow;
  readonly #facts = new InformFacts();

  constructor(options: InformHandlerOptions) {
    this.#o = options;
    this.#window = new CommitWindow(options.timers, LIMITS.commitWindowMs, () => performance.now());
  }

  /**
   * Answers one Inform.
   * @param identity as authenticated; null in mode `none`, or when a cookie let it in.
   * @param tolerances what the reader forgave it, for control.
   * @param isGlanced `quiet` has just looked at the bytes this Inform was read from.
   */
  answer(
    exchange: CwmpExchange,
    identity: Identity | null,
    inform: Inform,
    envelope: EnvelopeInfo,
    tolerances: readonly string[],
    isGlanced: boolean,
  ): HttpReply | Promise<HttpReply> {
    const { store, metrics } = this.#o;
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
    const agreed = negotiate(envelope.namespace, envelope.supportedVersions);
    if (agreed.type === 'fault') {
      metrics.acsFaults.inc(String(agreed.code));
      const { style } = this.#describe(inform, () => store.getDevice(cpeId)).profile;
      return soap(writeFault(style, envelope.namespace, envelope.id, agreed.code, agreed.text, 'Server'));
    }
    if (isGlanced && tolerances.length === 0) this.#o.quiet.learn(cpeId, inform, envelope);
    let reset = false;
    let memorable = false;
    for (const event of inform.Event) {
      metrics.events.inc(eventRow(event.EventCode)?.code ?? 'other');
      if (!isRelearnable(event.EventCode)) memorable = true;
      if (event.EventCode === '0 BOOTSTRAP') reset = true;
    }
    const isPlain = isGlanced && tolerances.length === 0 && !reset;
    const { namespace, id } = envelope;
    const token = isPlain ? this.#o.quiet.tokenFor({ cpeId, id, namespace, useVersion: agreed.useVersion }) : '';
    const asked: Asked = { exchange, identity, cpeId, inform, envelope, agreed, tolerances, token, memorable, reset };
    if (!memorable) {
      const mark = this.#o.sessions.mark(cpeId);
      const found = this.#look(asked);
      return isQuiet(found) ? this.#quietly(asked, found) : this.#inTurn(asked, found, mark);
    }
    return this.#inTurn(asked, null, 0);
  }

  /** Answers an Inform that was not read, for only its values and events are news: these are on the disk before it is acknowledged. */
  async tell(exchange: CwmpExchange, identity: Identity | null, news: InformNews): Promise<HttpReply> {
    const { waits, store, sessions, metrics, quiet, clock } = this.#o;
    const { cpeId, changed, told, answer } = news;
    metrics.parsePath.inc('glance');
    metrics.requests.inc('inform');
    for (const { EventCode } of told.inform.Event) metrics.events.inc(eventRow(EventCode)?.code ?? 'other');
    const mark = sessions.mark(cpeId);
    const { address } = exchange;
    const since = waits.writing();
    try {
      await this.#window.turn();
      if (store.openMark(cpeId) === news.openMark && sessions.mark(cpeId) === mark) {
        const nowMs = clock.now();
        const { namespace, version, timeoutMs } = answer;
        const begun = { cpeId, namespace, version, timeoutMs, nowMs };
        const { sessionId, cookie } = sessions.beginQuiet(identity, begun, news.openMark);
        metrics.sessionsStarted.inc();
        const text = this.#facts.textOf(news, sessionId, address);
        const { last, durable } = store.appendFacts([{ type: 'inform', text }], nowMs);
        // Told again, it must be news again.
        if (changed.length > 0 && last !== 0) store.putRecord(cpeId, news.record);
        await durable;
        this.#o.nudge();
        return quiet.replyTo(news.id, answer, cookie);
      }
    } finally {
      waits.written(since);
    }
    // Work came meanwhile, or another session of this CPE: it is all there to be looked at as any other Inform.
    return this.#inTurn(this.#askedBy(exchange, identity, news), null, 0);
  }

  #askedBy(exchange: CwmpExchange, identity: Identity | null, news: InformNews): Asked {
    const { told, cpeId, serialNumber, currentTime, retryCount, answer } = news;
    const { DeviceId, Event } = told.inform;
    const inform: Inform = {
      ...told.inform,
      DeviceId: { ...DeviceId, SerialNumber: serialNumber },
      CurrentTime: currentTime,
      RetryCount: retryCount,
      ParameterList: this.#o.store.listIn(news.record, told),
    };
    const agreed = negotiate(answer.namespace, told.envelope.supportedVersions);
    assert(agreed.type === 'ok', 'a CPE whose record is marked has been agreed with');
    const memorable = Event.some(({ EventCode }) => !isRelearnable(EventCode));
    const envelope = { ...told.envelope, id: news.id };
    return {
      ...{ exchange, identity, cpeId, inform, envelope, agreed, memorable },
      tolerances: [],
      token: '',
      reset: false,
    };
  }

  /**
   * The Inform that taught something or finds work waiting: everything is on the disk before the InformResponse acknowledges it. What is to
   * be written is written with what others have, so what it is compared with is what is known when its turn has come.
   * @param before what was found when it came, @param mark and how many sessions its CPE had had until then.
   */
  async #inTurn(asked: Asked, before: Found | null, mark: number): Promise<HttpReply> {
    const { waits, store, claims } = this.#o;
    // Before the events are heard: they may be of work that another edge began, and comes with its claim.
    const token = claims === null ? NO_TOKEN : await this.#claim(claims, asked);
    // An InformResponse would take from the CPE what its work waits for, and the work would not hear it: it keeps it, and tells again.
    if (token === null) return shed(UNHEARD_SECONDS);
    const since = waits.writing();
    try {
      await this.#window.turn();
      const found = before !== null && this.#isStill(asked.cpeId, before, mark) ? before : this.#look(asked);
      // A first contact is waited with, and work is done in the session: neither ends it quietly.
      const endsQuietly = !found.isNew && found.records.length === 0 && found.old === undefined;
      const begun = this.#begin(asked, found, endsQuietly ? asked.token : '');
      if (asked.reset) await store.resetShadow(asked.cpeId);
      const facts = this.#write(asked, found, begun, token);
      // One flush covers all of it: group commit.
      if (facts === null) await store.flushed();
      else {
        await facts;
        this.#o.nudge();
      }
      return begun.reply;
    } finally {
      waits.written(since);
    }
  }

  /**
   * Null when there are events that work may wait for, and it cannot be told: nobody can say whose it is, another edge has it, or it has not
   * come here yet. After some tries they are heard without it.
   */
  async #claim(claims: Claims, { cpeId, memorable, inform }: Asked): Promise<string | null> {
    const isLast = !memorable || inform.RetryCount >= UNHEARD_TRIES;
    const pause = () => new Promise<void>((resolve) => this.#o.timers.after(LIMITS.claimAgainMs, resolve));
    // An edge that was just started anew may not have been given the work yet.
    const actionIds = isLast ? [] : actionsIn(inform);
    for (let tries = 0; actionIds.length > 0 && (await claims.isBegunElsewhere(cpeId, actionIds)); tries++) {
      if (tries > 0) return null;
      await pause();
    }
    if (!this.#o.store.hasWork(cpeId)) return NO_TOKEN;
    const token = newId();
    let taken = await claims.take(cpeId, token);
    if (taken === 'some' && !isLast) {
      // Of a session that ended just now there the word is on its way. One that its CPE has left, or whose edge is gone, lasts longer.
      await pause();
      taken = await claims.take(cpeId, token);
    }
    if (taken === 'all' || isLast) return token;
    claims.release(cpeId, token);
    return null;
  }

  /** Only sessions of its own CPE change what an Inform is compared with, and only work makes another thing of it. */
  #isStill(cpeId: CpeId, { old, records }: Found, mark: number): boolean {
    const { sessions, store } = this.#o;
    if (old !== undefined || records.length > 0 || sessions.mark(cpeId) !== mark) return false;
    return !store.hasWork(cpeId) && store.getSession(cpeId) === undefined;
  }

  #look({ exchange, cpeId, inform, envelope, agreed, reset }: Asked): Found {
    const { store } = this.#o;
    let known: DeviceRecord | undefined;
    let isLoaded = false;
    const load = (): DeviceRecord | undefined => {
      if (!isLoaded) known = store.getDevice(cpeId);
      isLoaded = true;
      return known;
    };
    const { root, softwareVersion, connectionRequestUrl, profile } = this.#describe(inform, load);
    const facts: CpeFacts = {
      device: inform.DeviceId,
      root,
      namespace: envelope.namespace,
      version: agreed.version,
      address: exchange.address,
      profile: profile.id,
    };
    const isSame = store.isSameDevice(cpeId, { cpe: facts, softwareVersion, connectionRequestUrl });
    const before = isSame ? undefined : load();
    const list = inform.ParameterList;
    const difference = reset ? { changed: list, update: null } : store.compareInform(cpeId, list);
    const { changed } = difference;
    return {
      softwareVersion,
      connectionRequestUrl,
      profile,
      facts,
      difference,
      isSame,
      // Of a device the shadow has nothing of, everything is new: the quiet Inform need not ask.
      isNew: (!isSame && before === undefined) || (changed.length === list.length && store.isNewDevice(cpeId)),
      moved: !isSame && (before === undefined || !sameFacts(before.cpe, facts)),
      records: store.hasWork(cpeId) ? store.workOf(cpeId) : NO_WORK,
      old: store.getSession(cpeId),
    };
  }

  #begin({ exchange, identity, cpeId, envelope, agreed }: Asked, { profile }: Found, quiet: string): Begun {
    const nowMs = this.#o.clock.now();
    const timeoutMs = sessionTimeoutMs(envelope.sessionTimeoutSeconds);
    const { namespace, id } = envelope;
    const { version, useVersion } = agreed;
    const begun = { cpeId, namespace, version, timeoutMs, nowMs, quiet };
    const { sessionId, cookie } = this.#o.sessions.begin(exchange, identity, begun);
    const body = writeInformResponse(profile.style, namespace, id, useVersion);
    const setCookie = setCookieOf(cookie, profile.quirks.cookiePath);
    return { sessionId, nowMs, timeoutMs, reply: { status: '200 OK', contentType: SOAP, body, setCookie } };
  }

  #quietly(asked: Asked, found: Found): HttpReply {
    const { metrics, lastContacts } = this.#o;
    const { cpeId, inform, token } = asked;
    metrics.sessionsQuiet.inc();
    const { nowMs, reply } = this.#begin(asked, found, isPeriodic(inform.Event) ? token : '');
    lastContacts.mark(cpeId, nowMs, !isPeriodic(inform.Event));
    return reply;
  }

  /** Writes all that the Inform taught. Resolves when its facts are durable; null when there are none. */
  #write(asked: Asked, found: Found, { sessionId, nowMs, timeoutMs }: Begun, token: string): Promise<void> | null {
    const { store, metrics, claims } = this.#o;
    const { cpeId, inform, envelope, tolerances, reset } = asked;
    const { facts, difference, isNew, moved, isSame, old, records, softwareVersion, connectionRequestUrl } = found;
    const { changed } = difference;
    const holds = reset || isNew;
    const factBodies: AnyFactBody[] = [];
    if (old !== undefined && old.session.phase !== 'ended') {
      metrics.takeovers.inc();
      metrics.sessionsEnded.inc('taken-over');
      factBodies.push(sessionFact(cpeId, old, 'taken over by a new Inform', false, nowMs));
    }
    if (asked.memorable || isNew || changed.length > 0 || moved) {
      const { Event: events, RetryCount: retryCount, CurrentTime: currentTime } = inform;
      const told = { cpe: facts, events, retryCount, currentTime, changed, reset, tolerances: [...tolerances] };
      factBodies.push({ type: 'inform', body: { cpeId, sessionId, ...told, ...(holds ? { held: true } : {}) } });
    } else this.#o.lastContacts.mark(cpeId, nowMs, !isPeriodic(inform.Event));
    const last = factBodies.length > 0 ? store.appendFacts(factBodies, nowMs) : null;
    // Refused: told again, it must be news again.
    if (last?.last === 0) return last.durable;
    // Settings are control's: putDevice leaves them as they are.
    if (!isSame || isNew) store.putDevice(cpeId, { cpe: facts, softwareVersion, connectionRequestUrl, settings: null });
    if (changed.length > 0) store.applyInform(cpeId, inform.ParameterList, difference);

    // What an earlier session left outstanding is of unknown outcome; then the events may be what some work waits for.
    const ours = claims === null ? records : records.filter((record) => token !== NO_TOKEN && isOurs(record, token));
    if (ours.length > 0) {
      const context = this.#o.taskContext(cpeId, found.profile, facts);
      const events = inform.Event.map((event): CpeEvent => ({ type: 'event', event }));
      for (const record of beginSession(ours, events, context)) store.putWork(record);
    }
    // A session that has nothing to do but to end is known by its cookie, as a quiet one is.
    if (holds || records.length > 0 || old !== undefined) {
      store.putSession(cpeId, {
        sessionId,
        session: { phase: 'cpe-turn', cpeId, namespace: envelope.namespace },
        actionId: null,
        sentAt: 0,
        startedAt: nowMs,
        lastAt: nowMs,
        timeoutMs,
        posts: 1,
        rpcs: 0,
        version: facts.version,
        holdUntilSequence: holds && last !== null ? last.last : 0,
        claimToken: token,
      });
    }
    return last === null ? null : last.durable;
  }

  /** `known` is asked for what the Inform left out. */
  #describe(inform: Inform, known: () => DeviceRecord | undefined): Description {
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
    if (root === '') root = known()?.cpe.root || known()?.learnedRoot || '';
    if (softwareVersion === '') softwareVersion = known()?.softwareVersion ?? '';
    if (connectionRequestUrl === '') connectionRequestUrl = known()?.connectionRequestUrl ?? '';
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
}

function isQuiet({ isNew, moved, difference, records, old }: Found): boolean {
  return !isNew && !moved && difference.changed.length === 0 && records.length === 0 && old === undefined;
}

/** What CPEs send all day; other events are rare, and would take the place of its mark. */
function isPeriodic(events: readonly EventStruct[]): boolean {
  return events.length === 1 && events[0]!.EventCode === '2 PERIODIC';
}

/** S9, E10: at least our own timeout, at most the bound, whatever the CPE asks for. */
function sessionTimeoutMs(askedSeconds: number | null): number {
  if (askedSeconds === null) return LIMITS.sessionTimeoutMs;
  return Math.min(Math.max(askedSeconds * 1_000, LIMITS.sessionTimeoutMs), LIMITS.sessionTimeoutMsMax);
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
