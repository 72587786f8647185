// The inputs of the handler of POSTs by name, on both sides of a recording: `listening` notes what it was told, `answering` tells it again.
// Whatever the handler asks that is not a pure function of its arguments has to pass here; what it writes is nobody's input.

import type { CpeId } from '../../base/ids.ts';
import type { AnyFactBody } from '../../bus/messages.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { Claims, Taken } from '../claims/claims.ts';
import { steadyMs } from '../claims/lease.ts';
import type { CwmpHandlerOptions } from '../cwmp-handler.ts';
import type { QuietInforms } from '../quiet-informs.ts';
import type { Found, Sessions } from '../sessions.ts';
import type { DeviceRecord, EdgeStore, InformDifference, NewFact, SessionRecord, WorkRecord } from '../store/store.ts';
import { rpcCount } from '../transcript.ts';
import type { Input, RecordedOutcome } from './format.ts';

/** What one exchange asked and did, gathered while it is answered. */
export class Heard {
  readonly inputs: Input[] = [];
  readonly tolerances: string[] = [];
  readonly outcomes: RecordedOutcome[] = [];
  /** Last one it went by; null while none was asked for. */
  profile: Profile | null = null;
  sessionId: string | null = null;
  /** An Inform began a session. */
  began = false;
  /** Why it ended a session. */
  ended: string | null = null;
  readonly #last = new Map<string, string>();

  note<T>(ask: string, answer: T): T {
    const text = JSON.stringify(answer) ?? 'null';
    if (this.#last.get(ask) === text) this.inputs.push([ask]);
    else this.inputs.push([ask, answer ?? null]);
    this.#last.set(ask, text);
    return answer;
  }
}

/** Answers of a recording, in the order they were given to each ask. */
export class Answers {
  readonly #queues = new Map<string, unknown[]>();
  /** What was asked that the recording has no answer to: the program is another one than recorded it. */
  readonly missing = new Set<string>();

  constructor(inputs: readonly Input[]) {
    for (const [ask, ...answer] of inputs) {
      const queue = this.#queues.get(ask) ?? [];
      queue.push(answer.length === 0 ? queue.at(-1) : answer[0]);
      this.#queues.set(ask, queue);
    }
  }

  /** The next answer, the last one over and over; `otherwise` where none was recorded. */
  next<T>(ask: string, otherwise: T): T {
    const queue = this.#queues.get(ask);
    if (queue === undefined) {
      this.missing.add(ask);
      return otherwise;
    }
    return (queue.length > 1 ? queue.shift() : queue[0]) as T;
  }

  /** The first answer, which stays; for what is not asked by the handler. */
  peek<T>(ask: string, otherwise: T): T {
    return (this.#queues.get(ask)?.[0] as T | undefined) ?? otherwise;
  }
}

/** No Inform of a recorded CPE is answered at a glance, and none of them is remembered for it: the recording would miss the next one. */
const NOT_QUIET = {
  answer: () => null,
  news: () => null,
  learn() {},
  tokenFor: () => '',
  remember() {},
} as unknown as QuietInforms;

/** The options of a handler that answers one POST, listened to. */
export function listening(options: CwmpHandlerOptions, heard: Heard): CwmpHandlerOptions {
  const { store, sessions, claims, clock, profiles, files, metrics } = options;
  const chosen = (profile: Profile): Profile => {
    heard.profile = profile;
    return profile;
  };
  const found = (ask: string, session: Found | null): Found | null => {
    heard.note(ask, session === null ? null : foundForm(session));
    if (session !== null) heard.sessionId = session.claims.sessionId;
    return session;
  };
  return {
    ...options,
    ...{ recorder: null, big: null, quiet: NOT_QUIET },
    clock: { now: () => heard.note('now', clock.now()) },
    store: instead(store, {
      getDevice(cpeId: CpeId) {
        const device = store.getDevice(cpeId);
        heard.note('device', device === undefined ? null : deviceForm(device));
        return device;
      },
      getSession(cpeId: CpeId) {
        const session = store.getSession(cpeId);
        heard.note('session record', session ?? null);
        return session;
      },
      isSameDevice: (cpeId: CpeId, told: DeviceRecord) => heard.note('is same device', store.isSameDevice(cpeId, told)),
      isNewDevice: (cpeId: CpeId) => heard.note('is new device', store.isNewDevice(cpeId)),
      compareInform(...[cpeId, list]: Parameters<EdgeStore['compareInform']>) {
        const difference = store.compareInform(cpeId, list);
        const places = difference.changed.map((value) => list.indexOf(value));
        heard.note('changed', places);
        return difference;
      },
      hasWork: (cpeId: CpeId) => heard.note('has work', store.hasWork(cpeId)),
      workOf(cpeId: CpeId) {
        const records = store.workOf(cpeId);
        heard.note('work', records.map(workForm));
        return records;
      },
      async putWork(record: WorkRecord) {
        return heard.note(`work is wanted ${record.work.actionId}`, await store.putWork(record));
      },
      knownParameter(cpeId: CpeId, path: string) {
        const known = store.knownParameter(cpeId, path);
        // Its value is nothing a task asks for.
        heard.note(`known ${path}`, known === null ? null : { type: known.type, writable: known.writable });
        return known;
      },
      appendFacts(facts: NewFact[], at: number) {
        for (const fact of facts) if ('body' in fact) noteOutcome(fact, heard.outcomes);
        return store.appendFacts(facts, at);
      },
    }),
    sessions: instead(sessions, {
      find: (...asked: Parameters<Sessions['find']>) => found('session', sessions.find(...asked)),
      again: (session: Found) => found('session again', sessions.again(session)),
      mark: (cpeId: CpeId) => heard.note('sessions before', sessions.mark(cpeId)),
      isOfThisStart: (cookie: Found['claims']) => heard.note('is of this start', sessions.isOfThisStart(cookie)),
      begin(...asked: Parameters<Sessions['begin']>) {
        const begun = sessions.begin(...asked);
        heard.note('new session', begun.sessionId);
        heard.sessionId = begun.sessionId;
        heard.began = true;
        return begun;
      },
      endQuiet: () => false,
      close(...[session, exchange, identity, why]: Parameters<Sessions['close']>) {
        heard.ended = why;
        sessions.close(session, exchange, identity, why);
      },
    }),
    claims: claims === null ? null : listeningClaims(claims, heard),
    profiles: instead(profiles, {
      choose: (...asked: Parameters<typeof profiles.choose>) => {
        const profile = chosen(profiles.choose(...asked));
        heard.note('profile', profile.id);
        return profile;
      },
      byId: (id: string) => chosen(profiles.byId(id)),
    }),
    files: {
      has: (fileId) => heard.note(`has file ${fileId}`, files.has(fileId)),
      uploaded: (actionId) => heard.note(`uploaded ${actionId}`, files.uploaded(actionId)),
    },
    downloadUrl: (cpeId, fileId) => heard.note(`download URL ${fileId}`, options.downloadUrl(cpeId, fileId)),
    uploadUrl: (cpeId, actionId) => heard.note(`upload URL ${actionId}`, options.uploadUrl(cpeId, actionId)),
    unproven: (exchange) => heard.note('unproven', options.unproven(exchange)),
    metrics: instead(metrics, {
      tolerances: instead(metrics.tolerances, {
        inc(name: string) {
          heard.tolerances.push(name);
          metrics.tolerances.inc(name);
        },
      }),
    }),
  };
}

function listeningClaims(claims: Claims, heard: Heard): Claims {
  return instead(claims, {
    async take(cpeId: CpeId, token: string, actionId?: string) {
      const taken = await claims.take(cpeId, token, actionId);
      heard.note('claims', { taken, token });
      return taken;
    },
    isBegunElsewhere: async (...asked: Parameters<Claims['isBegunElsewhere']>) =>
      heard.note('begun elsewhere', await claims.isBegunElsewhere(...asked)),
    async keep(...asked: Parameters<Claims['keep']>) {
      const untilMs = await claims.keep(...asked);
      heard.note('may leave', steadyMs() < untilMs);
      return untilMs;
    },
  });
}

/** What only a replay has to hand in. */
export interface ReplayParts extends Pick<CwmpHandlerOptions, 'read' | 'metrics' | 'log'> {
  profile(id: string): Profile;
}

/** The options of a handler that answers one POST of a recording. Nothing of them lasts: what it writes goes nowhere. */
export function answering(answers: Answers, heard: Heard, parts: ReplayParts): CwmpHandlerOptions {
  const { metrics, log, read } = parts;
  const written = async (): Promise<void> => {};
  /** Tokens are drawn anew, and records name those that were drawn then. */
  const tokens = new Map<string, string>();
  const store = only<CwmpHandlerOptions['store']>({
    getDevice: () => answers.next<DeviceRecord | null>('device', null) ?? undefined,
    getSession: () => answers.next<SessionRecord | null>('session record', null) ?? undefined,
    isSameDevice: () => answers.next('is same device', false),
    isNewDevice: () => answers.next('is new device', false),
    compareInform(...[, list]: Parameters<EdgeStore['compareInform']>): InformDifference {
      const places = answers.next<number[]>('changed', []);
      return { changed: places.flatMap((place) => list[place] ?? []), update: null };
    },
    hasWork: () => answers.next('has work', false),
    workOf: () => answers.next<WorkRecord[]>('work', []).map((record) => withToken(record, tokens)),
    knownParameter: (_: CpeId, path: string) => answers.next(`known ${path}`, null),
    openMark: () => 0,
    putWork: async (record: WorkRecord) => answers.next(`work is wanted ${record.work.actionId}`, true),
    appendFacts(facts: NewFact[]) {
      for (const fact of facts) if ('body' in fact) noteOutcome(fact, heard.outcomes);
      return { last: 1, durable: written() };
    },
    ...{ putSession: written, removeSession: written, putDevice: written, removeWork: written, flushed: written },
    ...{ applyInform: written, applyValues: written, applyNames: written, resetShadow: written },
  });
  const sessions = only<Sessions>({
    find: () => answers.next<Found | null>('session', null),
    again: () => answers.next<Found | null>('session again', null),
    mark: () => answers.next('sessions before', 0),
    isOfThisStart: () => answers.next('is of this start', false),
    begin: () => ({ sessionId: answers.next('new session', 'none'), cookie: REPLAYED_COOKIE }),
    endQuiet: () => false,
    close(...[, , , why]: Parameters<Sessions['close']>) {
      heard.ended = why;
    },
    ...{ touch() {}, noLongerQuiet() {} },
  });
  const claims: Claims = {
    async take(_, token) {
      const recorded = answers.next<{ taken: Taken; token: string }>('claims', { taken: 'all', token: '' });
      tokens.set(recorded.token, token);
      return recorded.taken;
    },
    isBegunElsewhere: async () => answers.next('begun elsewhere', false),
    keep: async () => (answers.next('may leave', true) ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY),
    ...{ over() {}, release() {} },
  };
  return {
    ...{ store, sessions, read, log, recorder: null, big: null, quiet: NOT_QUIET },
    metrics: instead(metrics, {
      tolerances: instead(metrics.tolerances, { inc: (name: string) => void heard.tolerances.push(name) }),
    }),
    lastContacts: only<CwmpHandlerOptions['lastContacts']>({ mark() {} }),
    claims: answers.peek('claiming', false) ? claims : null,
    profiles: only<CwmpHandlerOptions['profiles']>({
      choose: () => parts.profile(answers.next('profile', '')),
      byId: (id: string) => parts.profile(id),
    }),
    inlineBytesMax: Number.POSITIVE_INFINITY,
    admission: { isOpen: true, judge: () => null },
    waits: { writing: () => 0, written() {} },
    clock: { now: () => answers.next('now', 0) },
    downloadUrl: (_, fileId) => answers.next(`download URL ${fileId}`, ''),
    uploadUrl: (_, actionId) => answers.next(`upload URL ${actionId}`, ''),
    files: {
      has: (fileId) => answers.next(`has file ${fileId}`, true),
      uploaded: (actionId) => answers.next(`uploaded ${actionId}`, null),
    },
    // Nobody waits for control: what it had to say stands with what was asked afterwards.
    ackedSequence: () => Number.POSITIVE_INFINITY,
    nudge() {},
    provesIdentity: false,
    unproven: () => answers.next('unproven', null),
  };
}

/** Stands for the cookie of a session; those of a recording are masked. */
export const REPLAYED_COOKIE = 'x';

function noteOutcome(fact: AnyFactBody, outcomes: RecordedOutcome[]): void {
  if (fact.type !== 'result') return;
  const { actionId, result } = fact.body;
  outcomes.push({ actionId, outcome: result.outcome, why: result.why });
}

/** Without credentials, and a value of its own: settings are read when asked for. */
function deviceForm({ cpe, learnedRoot, softwareVersion, connectionRequestUrl }: DeviceRecord): DeviceRecord {
  const learned = learnedRoot === undefined ? {} : { learnedRoot };
  return { cpe, ...learned, softwareVersion, connectionRequestUrl, settings: null };
}

/** Without the cookie and what it proves. */
function foundForm({ claims, session, record }: Found): Found {
  return { claims: { ...claims, authTag: '', quiet: '' }, cookie: '', session, record };
}

/** Of its transcript only the length is anybody's input. */
function workForm(record: WorkRecord): WorkRecord {
  return { ...record, rpcs: [], rpcsDropped: rpcCount(record) };
}

function withToken(record: WorkRecord, tokens: ReadonlyMap<string, string>): WorkRecord {
  const { claim } = record;
  if (claim === undefined) return record;
  return { ...record, claim: { ...claim, token: tokens.get(claim.token) ?? claim.token } };
}

/** `target`, but for some of its members. */
function instead<T extends object>(target: T, members: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(target, {
    get(of, name) {
      if (Object.hasOwn(members, name)) return members[name as keyof T];
      // Its own private members are not the proxy's.
      const member: unknown = Reflect.get(of, name);
      return typeof member === 'function' ? member.bind(of) : member;
    },
  });
}

/** These members, and no others: a program that asks for more than was recorded hears so. */
function only<T extends object>(members: Partial<Record<keyof T, unknown>>): T {
  return new Proxy({} as T, {
    get(_, name) {
      if (Object.hasOwn(members, name)) return members[name as keyof T];
      throw new Error(`This program asks for ${String(name)}, which recordings do not hold.`);
    },
  });
}
