// What the model-based test does to actions: two controls on one real database, an edge, people, and commands as plain values, so that a run
// that fails can be read and shortened. What each call has to answer is said from what was in the database before it.

import { expect } from 'vitest';
import { Refused } from '../../base/errors.ts';
import type { Outcome } from '../../bus/messages.ts';
import type { ControlContext } from '../context.ts';
import { ADMIN, type TestControl } from '../control.test-helper.ts';
import { Ingest } from '../ingest/ingest.ts';
import { Reconciler } from '../reconciler.ts';
import { type ActionService, type ActionState, isEnded, type Principal } from '../services.ts';
import { newMember } from '../store/leases.ts';
import type { Database } from '../store/postgres.ts';
import { createAction } from './create.ts';
import { Dispatcher } from './dispatch.ts';
import { expireActions } from './end-here.ts';
import { ModelChecks, type ModelRow, OLDER } from './model-checks.test-helper.ts';
import { MAPPINGS, ModelEdge, SSID } from './model-edge.test-helper.ts';
import type { ActionRequest } from './request.ts';
import { actionService } from './service.ts';

const person = (name: string, role: Principal['role']): Principal => ({
  ...{ tokenId: `token-${name}`, name, role, person: name.toLowerCase(), scope: null },
});
const NORA = person('Nora', 'noc');
/** Who acts. A second token of one person is that person; a program is nobody. */
export const PEOPLE = {
  ada: ADMIN,
  nora: NORA,
  noraAgain: { ...NORA, tokenId: 'token-Nora-2' },
  ned: person('Ned', 'noc'),
  eve: person('Eve', 'engineer'),
  sue: person('Sue', 'support'),
  program: { ...person('Program', 'engineer'), person: null },
} satisfies Record<string, Principal>;
export type Who = keyof typeof PEOPLE;

/** Who makes something decides what is asked of others. */
export const RULES = [
  {
    name: 'two',
    roles: ['noc' as const],
    need: 'second-person' as const,
    approvers: ['noc' as const, 'engineer' as const],
    holdsHours: 4,
  },
  { name: 'one', roles: ['support' as const], need: 'one' as const, approvers: ['noc' as const], holdsHours: 4 },
  { name: 'rest', need: 'auto' as const, approvers: ['admin' as const], holdsHours: 1 },
];
const APPROVERS: Record<string, readonly string[]> = { 'second-person': ['noc', 'engineer'], one: ['noc'] };

/** A call of the API; `which` picks an action, preferably one for which the call makes sense. */
export type Call =
  | { do: 'create'; kind: 'set' | 'reboot' | 'add'; by: 'ada' | 'nora' | 'sue'; ssid: string; preview: boolean }
  | { do: 'submit' | 'approve'; which: number; by: Who; hash: 'right' | 'wrong' }
  | { do: 'reject' | 'cancel' | 'recover' | 'close'; which: number; by: Who };
/** Whatever a control process does by itself. */
type Job = { do: 'pass' } | { do: 'expire' } | { do: 'deliver'; again: boolean };
export type Command =
  | (Call & { at: 0 | 1 })
  | (Job & { at: 0 | 1 })
  /** The process is gone in its n-th transaction from now, before or behind its commit; what it had in memory too. */
  | { do: 'crash'; job: Call | Job; at: 0 | 1; transaction: number; when: 'before' | 'after' }
  | { do: 'both'; first: Call | Job; second: Call | Job }
  | { do: 'begin' | 'verify' | 'lose' }
  | { do: 'finish'; outcome: Outcome; unknown: boolean }
  /** What is next goes its way undisturbed. */
  | { do: 'whole'; outcome: Outcome }
  | { do: 'stray'; which: number; result: 'again' | 'older' | 'stranger'; outcome: Outcome }
  | { do: 'change'; ssid: string }
  | { do: 'edge'; answers: 'yes' | 'no' | 'lost' }
  | { do: 'wait'; seconds: number };

/** After these the database is as it was. */
const ELSEWHERE: readonly Command['do'][] = ['begin', 'verify', 'finish', 'stray', 'change', 'edge', 'wait'];

class Crash extends Error {
  override name = 'Crash';
}

/** One control process: what it has in memory ends with it. */
class Process {
  readonly context: ControlContext;
  readonly actions: ActionService;
  readonly dispatcher: Dispatcher;
  readonly ingest: Ingest;
  /** Transactions until it crashes; null: it does not. */
  crash: { left: number; when: 'before' | 'after' } | null = null;

  constructor({ context: base, bus, clock }: TestControl) {
    this.context = { ...base, sql: this.#crashing(base.sql as Database), member: newMember() };
    this.dispatcher = new Dispatcher(this.context, bus, false, () => clock.now());
    // Passes are commands of the model, so that a run is the same each time.
    const job = async (): Promise<string> => '';
    const idle = new Reconciler({ name: 'hand-over', periodMs: 3_600_000, job, clock, log: base.log });
    this.actions = actionService(this.context, idle);
    this.ingest = new Ingest(this.context, {
      ...{ manageConnectionRequest: false, sharesFiles: true, sharesWork: false, leases: null },
      handOver: async () => {},
      greet: () => {},
      taken: () => {},
      tellMarks: () => {},
    });
  }

  #crashing(sql: Database): Database {
    const begin = async (run: (tx: unknown) => unknown): Promise<unknown> => {
      const due = this.crash !== null && this.crash.left-- === 0 ? this.crash.when : null;
      const done = await sql.begin(async (tx) => {
        const value = await run(tx);
        if (due === 'before') throw new Crash();
        return value;
      });
      if (due === 'after') throw new Crash();
      return done;
    };
    return new Proxy(sql, { get: (target, key) => (key === 'begin' ? begin : Reflect.get(target, key)) });
  }
}

/** One run: a device of its own, and everything that happens to it. */
export class Model {
  readonly #control: TestControl;
  readonly #edge: ModelEdge;
  readonly #checks: ModelChecks;
  readonly #processes: [Process, Process];
  /** Calls that were answered as they had to be, by what they came to. */
  readonly counts: Map<string, number>;

  private constructor(control: TestControl, edge: ModelEdge, checks: ModelChecks, counts: Map<string, number>) {
    this.#control = control;
    this.#edge = edge;
    this.#checks = checks;
    this.counts = counts;
    this.#processes = [new Process(control), new Process(control)];
  }

  static async begin(control: TestControl, name: string, counts: Map<string, number>): Promise<Model> {
    control.clock.advance(1);
    control.bus.answers = true;
    control.bus.losesAnswers = false;
    const edge = new ModelEdge(name, control.bus, () => control.clock.now());
    const checks = await ModelChecks.begin(control.context.sql as Database, edge);
    const model = new Model(control, edge, checks, counts);
    await model.run({ do: 'deliver', again: false, at: 0 });
    return model;
  }

  async run(command: Command): Promise<void> {
    const { clock, bus } = this.#control;
    // Ids rise with time.
    clock.advance(1);
    switch (command.do) {
      case 'begin':
        this.#edge.begin();
        break;
      case 'verify':
        this.#edge.verify();
        break;
      case 'finish':
        this.#edge.finish(command.outcome, command.unknown);
        break;
      case 'whole':
        await this.#job({ do: 'pass' }, this.#processes[0]);
        this.#edge.take();
        this.#edge.begin();
        this.#edge.finish(command.outcome, false);
        await this.#job({ do: 'deliver', again: false }, this.#processes[0]);
        break;
      case 'change':
        this.#edge.change(command.ssid);
        break;
      case 'lose': {
        const heardOf = (id: string): boolean =>
          !['planned', 'awaiting-approval', 'ready'].includes(this.#row(id)!.state);
        this.#edge.loseStore(heardOf);
        break;
      }
      case 'stray':
        this.#stray(command);
        break;
      case 'edge':
        bus.answers = command.answers !== 'no';
        bus.losesAnswers = command.answers === 'lost';
        break;
      case 'wait':
        clock.advance(command.seconds * 1_000);
        break;
      case 'crash':
        await this.#crash(command);
        break;
      case 'both':
        await Promise.all([this.#loosely(command.first, 0), this.#loosely(command.second, 1)]);
        break;
      case 'pass':
      case 'expire':
      case 'deliver':
        await this.#job(command, this.#processes[command.at]);
        break;
      default:
        await this.#demand(command, this.#processes[command.at]);
    }
    this.#edge.take();
    if (!ELSEWHERE.includes(command.do)) await this.#look();
  }

  /** Everything that is under way comes to its end: the edge answers, and time passes. */
  async over(): Promise<void> {
    await this.run({ do: 'edge', answers: 'yes' });
    for (const seconds of [16, 16, 1_000, 4 * 86_400, 3 * 86_400]) {
      this.#control.clock.advance(seconds * 1_000);
      await this.#job({ do: 'deliver', again: false }, this.#processes[0]);
      await this.#job({ do: 'pass' }, this.#processes[0]);
      this.#edge.take();
      for (let steps = 0; !this.#edge.isIdle && steps < 100; steps++) {
        this.#edge.begin();
        this.#edge.finish('done', false);
      }
      await this.#job({ do: 'deliver', again: false }, this.#processes[1]);
      await this.#job({ do: 'expire' }, this.#processes[1]);
      await this.#look();
    }
    this.#checks.over();
    for (const { state } of this.#checks.rows) this.#count(`ended ${state}`);
  }

  /** After a run that failed: what it left open is nothing to the next, which is to be as short. */
  async abandon(): Promise<void> {
    await this.#control.context.sql`
      update action set state = 'cancelled', ended_at = now() where device_id = ${this.#edge.cpeId} and ended_at is null`;
  }

  async #look(): Promise<void> {
    const { items } = await this.#control.actions.queue({ deviceId: this.#edge.cpeId, limit: 200 });
    await this.#checks.look(items.map(({ action, isKnown }) => ({ id: action.id, isKnown })));
  }

  #row(id: string): ModelRow | undefined {
    return this.#checks.rows.find((row) => row.id === id);
  }

  /** One of four is any; the others are in a state in which something may come of it. */
  #pick(which: number, states: readonly ActionState[]): ModelRow | undefined {
    const fit = which % 4 === 0 ? [] : this.#checks.rows.filter(({ state }) => states.includes(state));
    const from = fit.length > 0 ? fit : this.#checks.rows;
    return from[from.length - 1 - (which % from.length)];
  }

  #stray({ which, result, outcome }: Command & { do: 'stray' }): void {
    if (result === 'stranger') {
      this.#edge.stray({ actionId: `STRANGER${which}`, generation: 1 }, outcome, 'Of nobody here.');
      return;
    }
    const all = this.#edge.came.flatMap(({ actionId }) => this.#row(actionId) ?? []);
    const open = all.filter(({ state }) => !isEnded(state));
    // Of an older generation it may say anything: where that could change something, that is what it speaks of.
    const rows = result === 'older' && open.length > 0 ? open : all;
    const row = rows.at(-1 - (which % Math.max(1, rows.length)));
    // What an edge told as the end of an action, it tells of no action that it has not.
    if (row === undefined || (result === 'again' && !isEnded(row.state))) return;
    if (result === 'again' && ['cancelled', 'expired'].includes(row.state)) return;
    const isOlder = result === 'older';
    this.#edge.stray(
      { actionId: row.id, generation: row.generation - (isOlder ? 1 : 0) },
      outcome,
      isOlder ? OLDER : 'Again.',
    );
  }

  async #job(job: Job, process: Process): Promise<void> {
    if (job.do === 'pass') await process.dispatcher.pass();
    else if (job.do === 'expire') await expireActions(process.context);
    else await this.#edge.deliver(process.ingest, job.again);
  }

  async #crash({ job, at, transaction, when }: Command & { do: 'crash' }): Promise<void> {
    const process = this.#processes[at];
    process.crash = { left: transaction, when };
    try {
      await this.#loosely(job, at);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.#count('crashed');
    }
    this.#processes[at] = new Process(this.#control);
  }

  /** Does it, whatever comes of it; only a refusal is an answer. */
  async #loosely(job: Call | Job, at: 0 | 1): Promise<void> {
    const process = this.#processes[at];
    try {
      if (job.do === 'pass' || job.do === 'expire' || job.do === 'deliver') await this.#job(job, process);
      else await this.#call(job, process)?.run();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  /** Does it, and demands what has to come of it. */
  async #demand(command: Call, process: Process): Promise<void> {
    const call = this.#call(command, process);
    if (call === null) return;
    const name = `${command.do} ${JSON.stringify(command)}`;
    const refusals = await call.refusals();
    try {
      await call.run();
      expect(refusals, `${name} was done`).toEqual([]);
      this.#count(command.do);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      expect(refusals, `${name}: ${error.message}`).toContain(error.code);
      this.#count(`${command.do}: ${error.code}`);
    }
  }

  /** A call, and the codes with which it has to be refused: none when it has to be done. Null when there is nothing to call it for. */
  #call(call: Call, { context, actions }: Process): { run(): Promise<unknown>; refusals(): Promise<string[]> } | null {
    if (call.do === 'create') {
      return {
        run: () => createAction(context, this.#edge.cpeId, requestOf(call), { principal: PEOPLE[call.by] }),
        refusals: async () => [],
      };
    }
    const fitting: Record<typeof call.do, readonly ActionState[]> = {
      submit: ['planned'],
      approve: ['awaiting-approval'],
      reject: ['awaiting-approval'],
      cancel: ['planned', 'awaiting-approval', 'ready', 'running'],
      recover: ['done', 'partial', 'failed', 'stuck'],
      close: ['partial', 'unsupported', 'refused', 'failed', 'stuck'],
    };
    const row = this.#pick(call.which, fitting[call.do]);
    if (row === undefined) return null;
    const { id, state, approval } = row;
    const by: Principal = PEOPLE[call.by];
    const fits = fitting[call.do].includes(state);
    const mayApprove = APPROVERS[approval.need]?.includes(by.role) ?? false;
    switch (call.do) {
      case 'submit':
      case 'approve': {
        const hash = call.hash === 'right' ? row.hash : 'f'.repeat(64);
        const refusals = async (): Promise<string[]> => {
          if (!fits) return [call.do === 'submit' ? 'not-planned' : 'not-awaiting-approval'];
          const codes = await this.#stale(row, call.hash === 'right');
          if (call.do === 'submit') return codes;
          if (!mayApprove) codes.push('not-an-approver');
          if (approval.need === 'second-person' && by.person === null) codes.push('needs-person');
          if (approval.need === 'second-person' && by.person === row.owner_person) codes.push('own-action');
          return codes;
        };
        return { run: () => actions[call.do](id, hash, by), refusals };
      }
      case 'reject':
        return {
          run: () => actions.reject(id, 'No.', by),
          refusals: async () => (!fits ? ['not-awaiting-approval'] : mayApprove ? [] : ['not-an-approver']),
        };
      case 'cancel':
        return {
          run: () => actions.cancel(id, by),
          refusals: async () => (isEnded(state) || state === 'recovering' ? ['already-ended'] : []),
        };
      case 'recover':
        return {
          run: () => actions.recover(id, PEOPLE.eve),
          refusals: async () => (fits && row.possible ? [] : ['not-recoverable']),
        };
      case 'close': {
        const isOpen = row.closed_at === null && (fits || (state === 'expired' && row.unknown));
        return { run: () => actions.close(id, 'Seen.', by), refusals: async () => (isOpen ? [] : ['not-in-queue']) };
      }
    }
  }

  async #stale({ kind, basis, expires_at }: ModelRow, isRight: boolean): Promise<string[]> {
    const codes: string[] = [];
    if (!isRight) codes.push('stale-plan');
    if (expires_at.getTime() <= this.#control.clock.now()) codes.push('not-planned');
    const [known] = await this.#control.context.sql<{ value: string }[]>`
      select value from device_parameter where device_id = ${this.#edge.cpeId} and path = ${SSID}`;
    if (kind === 'set' && basis !== null && known?.value !== basis) codes.push('drifted');
    return codes;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function requestOf({ kind, ssid, preview }: Call & { do: 'create' }): ActionRequest {
  if (kind === 'set') return { kind, values: { [SSID]: ssid }, preview };
  return kind === 'add' ? { kind, name: MAPPINGS, preview } : { kind, preview };
}
