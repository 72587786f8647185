// Runs work through the planner against a fake CPE, session by session, with interruptions where a test wants them. State goes through JSON
// between any two steps, so that nothing but plain data survives, as in the store.

import type { ActionKind, ActionResult, AnyFactBody, FactBody, FactType, Work } from '../../bus/messages.ts';
import { DEFAULT_STYLE } from '../../cwmp/envelope-style.ts';
import type { Args } from '../../cwmp/message.ts';
import type { CwmpVersion } from '../../cwmp/rpc-table.ts';
import { writeRequest } from '../../cwmp/soap-writer.ts';
import type { Profile, Quirks } from '../../profiles/profile.ts';
import { applyAnswer, applyEvents, beginSession, interrupt, newWorkRecord, overdue, planNext } from '../planner.ts';
import type { WorkRecord } from '../store/store.ts';
import type { FakeCpe } from './fake-cpe.test-helper.ts';
import type { CpeEvent, TaskContext, UploadedFile } from './task.ts';

const QUIRKS: Quirks = {
  getBatchNames: 4,
  setBatchValues: 4,
  walkNextLevel: false,
  skipRootGpn: false,
  ignoreWritable: false,
  transferCompleteAfterSeconds: null,
  slowMethods: [],
  blankReads: [],
  ignoreDataModel: [],
  cookiePath: false,
};

export function testProfile(quirks: Partial<Quirks> = {}): Profile {
  return {
    id: 'test',
    title: 'A kind of CPE for tests',
    root: 'Device.',
    match: {},
    names: {},
    style: DEFAULT_STYLE,
    quirks: { ...QUIRKS, ...quirks },
  };
}

let workCount = 0;

export function testWork(kind: ActionKind, args: Args, over: Partial<Work> = {}): Work {
  workCount++;
  const actionId = `A${String(workCount).padStart(6, '0')}`;
  return {
    actionId,
    generation: 1,
    cpeId: 'AABBCC-Box-1',
    kind,
    args,
    priority: 50,
    commandKey: `key-${workCount}`,
    createdAt: workCount,
    expiresAt: Number.MAX_SAFE_INTEGER,
    ...over,
  };
}

/** What becomes of one request: it is answered, never arrives, or is carried out and its answer lost. The last two break the session. */
export type Fate = 'answered' | 'request-lost' | 'answer-lost';

export const informEvent = (EventCode: string, CommandKey = ''): CpeEvent => ({
  type: 'event',
  event: { EventCode, CommandKey },
});

export class Operation {
  records: WorkRecord[] = [];
  readonly ended: { work: Work; result: ActionResult }[] = [];
  readonly facts: AnyFactBody[] = [];
  readonly cpe: FakeCpe;
  nowMs = 1_700_000_000_000;
  profile = testProfile();
  root = 'Device.';
  version: CwmpVersion = '1.4';
  /** What the shadow knows. */
  known = new Map<string, { type: string; writable: boolean | null }>();
  /** What lies on the disk of what the CPE uploads. */
  uploaded: UploadedFile | null = null;
  /** Called with the number of the request, from 0 on, over all sessions. */
  fate: (request: number, method: string) => Fate = () => 'answered';
  #requests = 0;
  #sessions = 0;

  constructor(cpe: FakeCpe, ...works: Work[]) {
    this.cpe = cpe;
    this.records = works.map(newWorkRecord);
  }

  get context(): TaskContext {
    return {
      nowMs: this.nowMs,
      profile: this.profile,
      root: this.root,
      version: this.version,
      known: (path) => this.known.get(path) ?? null,
      downloadUrl: (fileId) => `http://acs/files/d/${fileId}/sig`,
      uploadUrl: (actionId) => `http://acs/files/u/${actionId}/sig`,
      files: { has: () => true, uploaded: () => this.uploaded },
    };
  }

  /** The result of the only work, which must have ended. */
  get result(): ActionResult {
    const [only, ...others] = this.ended;
    if (only === undefined || others.length > 0) throw new Error(`${this.ended.length} results instead of one`);
    return only.result;
  }

  /** One session: events of the Inform, requests of the CPE, then our turn until nothing is left or it breaks. */
  session(...events: CpeEvent[]): this {
    this.#sessions++;
    const informed = events.filter(({ type }) => type === 'event');
    this.#store(beginSession(this.records, informed, this.context));
    for (const event of events) if (event.type !== 'event') this.tell(event);
    for (;;) {
      const plan = planNext(this.records, this.#where, this.context);
      this.facts.push(...plan.facts);
      this.#store(plan.records);
      for (const { record, result } of plan.ended) this.#end(record, result);
      if (plan.send === null) return this;
      const { actionId, request } = plan.send;
      // Every request a task makes can be written: names and types are those of the RPC table.
      writeRequest(DEFAULT_STYLE, 'urn:dslforum-org:cwmp-1-2', '1', request.method, request.args);
      const fate = this.fate(this.#requests++, request.method);
      if (fate === 'request-lost') return this;
      const answer = this.cpe.answer(request);
      if (fate === 'answer-lost') return this;
      this.nowMs += 10;
      const record = this.records.find(({ work }) => work.actionId === actionId)!;
      const applied = applyAnswer(record, answer, this.#where, this.context);
      this.facts.push(...applied.facts);
      this.#store([applied.record]);
    }
  }

  /** Sessions with the same events until all work has ended, or a bound of sessions is reached. */
  sessions(max: number, ...events: CpeEvent[]): this {
    for (let i = 0; i < max && this.records.length > 0; i++) {
      this.session(...events);
      this.nowMs += 60_000;
    }
    return this;
  }

  tell(...events: CpeEvent[]): this {
    this.#store(applyEvents(this.records, events, this.context));
    return this;
  }

  /** The session that is under way fails without a new Inform. */
  break(): this {
    this.#store(this.records.map((record) => interrupt(record, this.context)));
    return this;
  }

  /** Lets time pass without a session. */
  wait(ms: number): this {
    this.nowMs += ms;
    for (const record of [...this.records]) {
      const due = record.work.expiresAt <= this.nowMs || (record.phase === 'waiting' && record.untilMs <= this.nowMs);
      if (!due) continue;
      const outcome = overdue(record, this.context);
      if (outcome.type === 'waiting') this.#store([outcome.record]);
      if (outcome.type !== 'ended') continue;
      this.facts.push(...outcome.facts);
      this.#end(record, outcome.result);
    }
    return this;
  }

  methods(): string[] {
    return this.cpe.received.map(({ method }) => method);
  }

  factsOf<T extends FactType>(type: T): FactBody<T>[] {
    return this.facts.filter((fact) => fact.type === type).map((fact) => fact.body as FactBody<T>);
  }

  get #where() {
    return { cpeId: 'AABBCC-Box-1', sessionId: `S${this.#sessions}` };
  }

  #store(changed: readonly WorkRecord[]): void {
    for (const record of changed) {
      const index = this.records.findIndex(({ work }) => work.actionId === record.work.actionId);
      this.records[index] = JSON.parse(JSON.stringify(record)) as WorkRecord;
    }
  }

  #end(record: WorkRecord, result: ActionResult): void {
    this.ended.push({ work: record.work, result });
    this.records = this.records.filter(({ work }) => work.actionId !== record.work.actionId);
  }
}
