// An edge and its CPE as control meets them in the model-based test: work is kept once, done once, and told by facts that stay until control
// took them. It loses all of that with its store, but for what the CPE did.

import {
  type ActionResult,
  type AnyFactBody,
  type Fact,
  factMessageId,
  MESSAGE_VERSION,
  type Outcome,
  type Work,
} from '../../bus/messages.ts';
import { factsOf } from '../../bus/subjects.ts';
import { type FakeBus, inform, progress, result, value } from '../control.test-helper.ts';
import type { Ingest } from '../ingest/ingest.ts';

export const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
export const MAPPINGS = 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.';
const POP = 'pop1';

/** Work that has not ended here. */
interface Held {
  work: Work;
  begun: boolean;
}

export class ModelEdge {
  readonly id: string;
  readonly cpeId: string;
  readonly #serial: string;
  readonly #bus: FakeBus;
  readonly #now: () => number;
  /** Place in the decisions of the bus. */
  #read: number;
  /** By action; oldest first. */
  readonly #held = new Map<string, Held>();
  /** Generation in which an action ended here. */
  readonly #ended = new Map<string, number>();
  #outbox: Fact[] = [];
  #sequence = 0;
  /** What the CPE holds. */
  ssid = 'Old';
  /** How often the CPE was made to do it. */
  readonly executed = new Map<string, number>();
  /** Executed, and nobody can ever know: the store was lost before control had heard that it began. */
  readonly forgotten = new Set<string>();
  /** Done again although nothing allowed it. */
  readonly twice: string[] = [];
  /** Results that control took, also those that change nothing. */
  resultsTaken = 0;
  /** Results that were lost with a store. */
  #resultsLost = 0;
  /** Generations of each action that came here. */
  readonly came: { actionId: string; generation: number; args: Work['args'] }[] = [];

  constructor(name: string, bus: FakeBus, now: () => number) {
    this.id = `edge-${name}`;
    this.#serial = `MODEL${name}`;
    this.cpeId = `00259E-HG8245-${this.#serial}`;
    this.#bus = bus;
    this.#now = now;
    this.#read = bus.decisions.length;
    this.#hello();
    this.#tell(inform({ serial: this.#serial, changed: [value(SSID, this.ssid)] }));
  }

  /** Takes what it was handed over since. The same generation again changes nothing, an older one loses (edge/decision-intake.ts). */
  take(): void {
    for (; this.#read < this.#bus.decisions.length; this.#read++) {
      const { subject, decision } = this.#bus.decisions[this.#read]!;
      if (!subject.endsWith(this.id)) continue;
      if (decision.type === 'work') {
        const { actionId, generation, args } = decision.body;
        this.came.push({ actionId, generation, args });
        const known = Math.max(this.#ended.get(actionId) ?? 0, this.#held.get(actionId)?.work.generation ?? 0);
        if (generation > known) this.#held.set(actionId, { work: decision.body, begun: false });
      }
      if (decision.type === 'cancel') {
        const held = this.#held.get(decision.body.actionId);
        if (held !== undefined && !held.begun) this.#end(held, 'cancelled', {});
      }
    }
  }

  /** The CPE comes: the oldest work that has not begun does. */
  begin(): void {
    const held = [...this.#held.values()].find(({ begun }) => !begun);
    if (held === undefined) return;
    const { work } = held;
    const { actionId, kind, args, expiresAt } = work;
    const [expected] = (args['expected'] ?? []) as { name: string; value: string | null }[];
    const isDrifted = kind === 'set' && (expected?.value ?? this.ssid) !== this.ssid;
    if (expiresAt <= this.#now() || isDrifted) {
      this.#end(held, isDrifted ? 'refused' : 'expired', {});
      return;
    }
    held.begun = true;
    const times = (this.executed.get(actionId) ?? 0) + 1;
    this.executed.set(actionId, times);
    if (times > 1 && !this.forgotten.delete(actionId)) this.twice.push(actionId);
    this.#tell(progress(work, 'running', 'In session.'));
  }

  verify(): void {
    const held = this.#begun();
    if (held !== undefined) this.#tell(progress(held.work, 'verifying', 'Reading back.'));
  }

  /** What began first ends. */
  finish(outcome: Outcome, unknown: boolean): void {
    const held = this.#begun();
    if (held === undefined) return;
    const { kind, args } = held.work;
    // What has begun is not taken back, and what it did until it was too late the edge does not know.
    if (outcome === 'cancelled') return;
    const took = outcome === 'done' || outcome === 'applied';
    const more: Partial<ActionResult> = unknown || outcome === 'expired' ? { unknown: true } : {};
    if (kind === 'set' && took) {
      const [{ value: wanted } = { value: '' }] = args['values'] as { value: string }[];
      more.before = [value(SSID, this.ssid)];
      more.after = [value(SSID, wanted)];
      more.items = [{ name: SSID, status: 'set' }];
      this.change(wanted);
    }
    if (kind === 'add' && took) more.data = { InstanceNumber: 3, object: `${MAPPINGS}3.` };
    this.#end(held, outcome, more);
  }

  /** The device holds another value, and says so. */
  change(ssid: string): void {
    this.ssid = ssid;
    this.#tell({ type: 'values', body: { cpeId: this.cpeId, sessionId: 's', values: [value(SSID, ssid)] } });
  }

  /** A result that nobody expects from here. */
  stray(work: Pick<Work, 'actionId' | 'generation'>, outcome: Outcome, why: string): void {
    this.#tell(result({ ...work, cpeId: this.cpeId }, { outcome, why }));
  }

  /** Publishes what is in the outbox until it is taken. @param again it comes once more, as from an edge that heard no answer. */
  async deliver(ingest: Ingest, again: boolean): Promise<void> {
    const facts = [...this.#outbox];
    if (facts.length === 0) return;
    const messages = [{ id: factMessageId(facts[0]!), payload: JSON.stringify(facts) }];
    await ingest.handle(factsOf(POP, this.id), messages);
    if (again) await ingest.handle(factsOf(POP, this.id), messages);
    const left = new Set(facts);
    // Two that deliver at once take it once.
    const taken = this.#outbox.filter((fact) => left.has(fact));
    this.resultsTaken += resultsIn(taken);
    this.#outbox = this.#outbox.filter((fact) => !left.has(fact));
  }

  /** The store is gone, with what it held and had to tell. @param known whether control has heard that this action began. */
  loseStore(known: (actionId: string) => boolean): void {
    for (const actionId of this.executed.keys()) if (!known(actionId)) this.forgotten.add(actionId);
    this.#resultsLost += resultsIn(this.#outbox);
    this.#held.clear();
    this.#ended.clear();
    this.#outbox = [];
    this.#sequence = 0;
    this.#hello();
  }

  /** Results that control may have taken, too: it ended before it could say so. */
  get resultsPerhaps(): number {
    return this.#resultsLost + resultsIn(this.#outbox);
  }

  /** Nothing is left to be done. */
  get isIdle(): boolean {
    return this.#held.size === 0;
  }

  #begun(): Held | undefined {
    return [...this.#held.values()].find(({ begun }) => begun);
  }

  #end({ work }: Held, outcome: Outcome, more: Partial<ActionResult>): void {
    this.#held.delete(work.actionId);
    this.#ended.set(work.actionId, work.generation);
    this.#tell(result(work, { outcome, why: `It ended ${outcome}.`, ...more }));
  }

  #hello(): void {
    this.#tell({ type: 'hello', body: { version: '1', threads: 1, startedAt: this.#now() } });
  }

  #tell(body: AnyFactBody): void {
    const place = { edgeId: this.id, pop: POP, lane: 1, sequence: ++this.#sequence, at: this.#now() };
    this.#outbox.push({ v: MESSAGE_VERSION, ...place, ...body });
  }
}

const resultsIn = (facts: readonly Fact[]): number => facts.filter(({ type }) => type === 'result').length;
