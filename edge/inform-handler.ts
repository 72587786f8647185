// An Inform from message to InformResponse: who informs, what is new, what somebody waits for. The quiet Inform (a periodic one that teaches
// nothing and finds no work) is answered without a promise and without a write; for any other, everything it acknowledges is on the
// disk first.

import type { Clock } from '../base/clock.ts';
import { type CpeId, cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { AnyFactBody, CpeFacts } from '../bus/messages.ts';
import { eventRow, isRelearnable } from '../cwmp/events.ts';
import type { EnvelopeInfo, EventStruct, Inform, ParameterValue } from '../cwmp/message.ts';
import { writeFault, writeInformResponse } from '../cwmp/soap-writer.ts';
import { negotiate } from '../cwmp/versions.ts';
import type { ProfileChooser } from '../profiles/choose.ts';
import type { Profile } from '../profiles/profile.ts';
import { type Identity, mayInformAs } from './auth.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import type { HttpExchange, HttpReply } from './http.ts';
import type { LastContacts } from './last-contacts.ts';
import { beginSession } from './planner.ts';
import type { QuietInforms } from './quiet-informs.ts';
import { plain, SOAP, setCookieOf, soap } from './replies.ts';
import { sessionFact } from './session-turn.ts';
import type { Sessions } from './sessions.ts';
import type { DeviceRecord, EdgeStore, WorkRecord } from './store/store.ts';
import type { CpeEvent, TaskContext } from './tasks/task.ts';

export interface InformHandlerOptions {
  store: EdgeStore;
  sessions: Sessions;
  quiet: QuietInforms;
  lastContacts: LastContacts;
  metrics: SessionMetrics;
  profiles: ProfileChooser;
  clock: Clock;
  log: Log;
  taskContext(cpeId: CpeId, profile: Profile, facts: CpeFacts): TaskContext;
  nudge(): void;
  /** The answer to an Inform that was let in by a cookie and does not prove who it is; null when nobody has to. */
  unproven(exchange: HttpExchange): HttpReply | null;
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
  changed: ParameterValue[];
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

const NO_WORK: readonly WorkRecord[] = [];

export class InformHandler {
  readonly #o: InformHandlerOptions;

  constructor(options: InformHandlerOptions) {
    this.#o = options;
  }

  /**
   * Answers one Inform.
   * @param identity as authenticated; null in mode `none`, or when a cookie let it in.
   * @param tolerances what the reader forgave it, for control.
   * @param isGlanced `quiet` has just looked at the bytes this Inform was read from.
   */
  answer(
    exchange: HttpExchange,
    identity: Identity | null,
    inform: Inform,
    envelope: EnvelopeInfo,
    tolerances: readonly string[],
    isGlanced: boolean,
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
    const list = inform.ParameterList;
    const changed = reset ? list : store.changedParameters(cpeId, list);
    // Of a device the shadow has nothing of, everything is new: the quiet Inform need not ask.
    const isNew = known === undefined || (changed.length === list.length && store.isNewDevice(cpeId));
    const moved = known === undefined || !sameFacts(known.cpe, facts);
    const records = store.hasWork(cpeId) ? store.workOf(cpeId) : NO_WORK;

    const timeoutMs = sessionTimeoutMs(envelope.sessionTimeoutSeconds);
    const { namespace } = envelope;
    const { version, useVersion } = agreed;
    // An older session that never ended still has its record, and the record would outlive this one's right to the cookie (CWMP S11).
    const nothingNew = !memorable && !isNew && !moved && changed.length === 0 && records.length === 0;
    const isQuiet = nothingNew && store.getSession(cpeId) === undefined;
    const isPlain = isQuiet && isGlanced && tolerances.length === 0 && isPeriodic(inform.Event);
    const { sessionId, cookie } = this.#o.sessions.begin(exchange, identity, {
      cpeId,
      namespace,
      version,
      timeoutMs,
      nowMs,
      quiet: isPlain ? this.#o.quiet.tokenFor({ cpeId, id: envelope.id, namespace, useVersion }) : '',
    });
    const reply: HttpReply = {
      status: '200 OK',
      contentType: SOAP,
      body: writeInformResponse(profile.style, namespace, envelope.id, useVersion),
      setCookie: setCookieOf(cookie, profile.quirks.cookiePath),
    };
    if (isQuiet) {
      metrics.sessionsQuiet.inc();
      this.#o.lastContacts.mark(cpeId, nowMs);
      return reply;
    }
    return this.#withNews({
      cpeId, sessionId, facts, inform, changed, reset, isNew, memorable, moved, records, tolerances, nowMs, timeoutMs,
      profile, envelope, reply, softwareVersion, connectionRequestUrl, known,
    }); // biome-ignore format: a plain list
  }

  /** The Inform that taught something or finds work waiting: everything is on the disk before the InformResponse acknowledges it. */
  async #withNews(i: News): Promise<HttpReply> {
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
    } else this.#o.lastContacts.mark(cpeId, nowMs);

    // What an earlier session left outstanding is of unknown outcome; then the events may be what some work waits for.
    const context = this.#o.taskContext(cpeId, i.profile, i.facts);
    const events = i.inform.Event.map((event): CpeEvent => ({ type: 'event', event }));
    for (const changed of beginSession(i.records, events, context)) store.putWork(changed);

    const holds = i.reset || i.isNew;
    const last = factBodies.length > 0 ? store.appendFacts(factBodies, nowMs) : null;
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
}

/** What CPEs send all day; other events are rare, and would take the place of its mark. */
function isPeriodic(events: readonly EventStruct[]): boolean {
  return events.length === 1 && events[0]!.EventCode === '2 PERIODIC';
}

/** The root object a parameter name begins with; '' for none of the two. */
export function rootOf(name: string): string {
  if (name.startsWith('InternetGatewayDevice.')) return 'InternetGatewayDevice.';
  return name.startsWith('Device.') ? 'Device.' : '';
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
