// A control context on a fresh database, with a bus whose other side is a list: what the tests of this folder stand on.

import { Registry } from 'prom-client';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { SecretBox } from '../base/secret-box.ts';
import {
  type ActionResult,
  type AnyFactBody,
  type Decision,
  type Fact,
  type FactBody,
  factMessageId,
  MESSAGE_VERSION,
  marksText,
  type Work,
} from '../bus/messages.ts';
import { factsOf, marksFor } from '../bus/subjects.ts';
import type { BusMessage, BusTransport } from '../bus/transport.ts';
import type { ParameterValue } from '../cwmp/message.ts';
import { loadProfiles } from '../profiles/load.ts';
import { freshDatabase } from '../test/postgres.test-helper.ts';
import { Dispatcher } from './actions/dispatch.ts';
import { actionService } from './actions/service.ts';
import type { ControlContext } from './context.ts';
import { Ingest, type IngestOptions } from './ingest/ingest.ts';
import { LiveEvents } from './live-events.ts';
import { controlMetrics } from './metrics.ts';
import { Reconciler } from './reconciler.ts';
import { deviceService } from './registry/devices.ts';
import { ProfileBook } from './registry/profile-book.ts';
import type { ActionService, DeviceService, Principal } from './services.ts';
import { newMember } from './store/leases.ts';

export const CPE = '00259E-HG8245-TEST0001';
export const ADMIN: Principal = { tokenId: 'token-1', name: 'Ada', role: 'admin', person: 'ada', scope: null };
const profiles = loadProfiles();

/** An edge as control sees it: decisions it was handed, and whether it answers. */
export class FakeBus implements BusTransport {
  publishes: BusTransport['publishes'] = 'handled';
  readonly decisions: { subject: string; id: string; decision: Decision }[] = [];
  answers = true;
  /** It takes what it is handed over, and its answer is lost. */
  losesAnswers = false;
  /** What a publish waits for before it resolves. */
  slow: Promise<void> = Promise.resolve();

  async publish(subject: string, messages: BusMessage[]): Promise<void> {
    await this.slow;
    if (!this.answers) throw new Error('nobody is there');
    for (const { id, payload } of messages) this.decisions.push({ subject, id, decision: payload as Decision });
    if (this.losesAnswers) throw new Error('its answer is lost');
  }
  subscribe(): never {
    throw new Error('these tests hand facts over themselves');
  }
  readonly told: { subject: string; text: string }[] = [];
  /** What the hub says of decisions it stored. */
  storedThere: { lowest: number; now: number } | null = null;
  numberGiven = 0;
  knock(): void {}
  given(): number {
    return this.numberGiven;
  }
  async lastStored(): Promise<{ lowest: number; now: number } | null> {
    return this.storedThere;
  }
  tell(subject: string, text: string): void {
    this.told.push({ subject, text });
  }
  hear(): never {
    throw new Error('these tests publish no facts');
  }
  bucket(): null {
    return null;
  }
  async close(): Promise<void> {}

  work(): Work[] {
    return this.decisions.flatMap(({ decision }) => (decision.type === 'work' ? [decision.body] : []));
  }
}

export interface TestControl {
  /** Of its database. */
  url: string;
  context: ControlContext;
  clock: ManualClock;
  bus: FakeBus;
  ingest: Ingest;
  handOver: Reconciler;
  greeting: Reconciler;
  actions: ActionService;
  devices: DeviceService;
  /** Facts as the edge of these tests would tell them, numbered per lane. */
  facts(bodies: AnyFactBody[], lane?: number): Fact[];
  /** Sends facts and waits until they took effect. */
  send(...bodies: AnyFactBody[]): Promise<void>;
  subject: string;
}

export async function testControl(
  options: { manageConnectionRequest?: boolean; popShared?: boolean; leases?: IngestOptions['leases'] } = {},
): Promise<TestControl> {
  const { url, sql } = await freshDatabase();
  const clock = new ManualClock();
  const live = new LiveEvents(sql, silentLog);
  const context: ControlContext = {
    member: newMember(),
    sql,
    box: new SecretBox(new Uint8Array(32).fill(3)),
    book: new ProfileBook(profiles),
    clock,
    log: silentLog,
    live,
    metrics: controlMetrics(new Registry(), async () => new Map()),
  };
  const bus = new FakeBus();
  const { popShared = true } = options;
  const dispatcher = new Dispatcher(context, bus, popShared, () => context.clock.now());
  const job = (name: string, run: () => Promise<string>): Reconciler =>
    new Reconciler({ name, periodMs: 3_600_000, job: run, clock, log: silentLog });
  const handOver = job('hand-over', () => dispatcher.pass());
  const greeting = job('greeting', () => dispatcher.greet());
  const manageConnectionRequest = options.manageConnectionRequest ?? false;
  const ingest = new Ingest(context, {
    manageConnectionRequest,
    sharesFiles: true,
    sharesWork: popShared,
    handOver: () => handOver.pass(),
    greet: () => greeting.signal(),
    taken: (fact) => dispatcher.taken(fact),
    tellMarks: ({ pop, edgeId }, marks) => bus.tell(marksFor(pop, edgeId), marksText(marks)),
    leases: options.leases ?? null,
  });
  const subject = factsOf('pop1', 'edge1');
  const sequences = new Map<number, number>();
  const facts = (bodies: AnyFactBody[], lane = 1): Fact[] =>
    bodies.map((body) => {
      const sequence = (sequences.get(lane) ?? 0) + 1;
      sequences.set(lane, sequence);
      return { v: MESSAGE_VERSION, edgeId: 'edge1', pop: 'pop1', lane, sequence, at: clock.now(), ...body };
    });
  return {
    url,
    context,
    clock,
    bus,
    ingest,
    handOver,
    greeting,
    actions: actionService(context, handOver),
    devices: deviceService(context, dispatcher, handOver),
    facts,
    send: (...bodies) => ingest.handle(subject, [messageOf(facts(bodies))]),
    subject,
  };
}

/** Facts of one lane as they travel: one message, as they lay in one record of the outbox. */
export function messageOf(facts: Fact[]): BusMessage {
  return { id: factMessageId(facts[0]!), payload: JSON.stringify(facts) };
}

export const value = (Name: string, Value: string, Type = 'xsd:string'): ParameterValue => ({ Name, Value, Type });

export function inform(options: Partial<FactBody<'inform'>> & { serial?: string } = {}): AnyFactBody {
  const { serial = 'TEST0001', ...rest } = options;
  const body: FactBody<'inform'> = {
    cpeId: `00259E-HG8245-${serial}`,
    sessionId: 'session-1',
    cpe: {
      device: { Manufacturer: 'Huawei', OUI: '00259E', ProductClass: 'HG8245', SerialNumber: serial },
      root: 'InternetGatewayDevice.',
      namespace: 'urn:dslforum-org:cwmp-1-0',
      version: '1.0',
      address: '192.0.2.7',
      profile: 'tr098',
    },
    events: [{ EventCode: '1 BOOT', CommandKey: '' }],
    retryCount: 0,
    currentTime: '2026-01-31T12:00:00Z',
    changed: [],
    reset: false,
    tolerances: [],
    ...rest,
  };
  return { type: 'inform', body };
}

export function result(
  work: Pick<Work, 'actionId' | 'generation' | 'cpeId'>,
  options: Partial<ActionResult> = {},
): AnyFactBody {
  const { actionId, generation, cpeId } = work;
  const done: ActionResult = {
    outcome: 'done',
    why: 'Read back as set.',
    before: [],
    after: [],
    items: [],
    data: {},
    rpcs: [],
    startedAt: 1_700_000_000_000,
    endedAt: 1_700_000_001_000,
    ...options,
  };
  return { type: 'result', body: { cpeId, actionId, generation, result: done } };
}

export function progress(
  work: Pick<Work, 'actionId' | 'generation' | 'cpeId'>,
  state: FactBody<'progress'>['state'],
  why: string,
): AnyFactBody {
  const { actionId, generation, cpeId } = work;
  return { type: 'progress', body: { cpeId, actionId, generation, state, why } };
}
