// What must hold of every action after every step of the model-based test, read from the database: a trigger notes each change of a state,
// with the transaction it was made in, so that evidence can be asked for in the same one.

import { expect } from 'vitest';
import { evidenceHash, GENESIS } from '../evidence/chain.ts';
import { type ActionState, isEnded } from '../services.ts';
import type { Database } from '../store/postgres.ts';
import type { ModelEdge } from './model-edge.test-helper.ts';
import { mayFollow } from './states.ts';

export interface ModelRow {
  id: string;
  kind: string;
  state: ActionState;
  generation: number;
  unknown: boolean;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  closed_at: Date | null;
  recovers: string | null;
  approval: { need: string };
  owner_person: string | null;
  owner_token: string | null;
  possible: boolean;
  hash: string;
  /** What the plan counts on; null for kinds without a value. */
  basis: string | null;
}
interface Move {
  action_id: string;
  was: ActionState | null;
  now: ActionState;
  tx: string;
}
interface Said {
  seq: string;
  action_id: string;
  at: Date;
  kind: string;
  body: Record<string, unknown>;
  prev_hash: string;
  hash: string;
  tx: string;
}
interface Approval {
  action_id: string;
  decision: string;
  by_person: string | null;
  plan_hash: string;
}

/** Makes the database note every change of a state. */
export async function noteMoves(sql: Database): Promise<void> {
  await sql.unsafe(`
    create table model_move (seq bigserial primary key, action_id text, was text, now text);
    create function model_note() returns trigger language plpgsql as $$
      begin
        insert into model_move (action_id, was, now) values (new.id, case when tg_op = 'UPDATE' then old.state end, new.state);
        return null;
      end $$;
    create trigger model_inserted after insert on action for each row execute function model_note();
    create trigger model_moved after update of state on action for each row when (old.state is distinct from new.state)
      execute function model_note();`);
}

/** Kinds of evidence of which one must stand in the transaction that brought an action into a state. */
function evidenceOf(was: ActionState | null, now: ActionState, begun: boolean): readonly string[] {
  switch (now) {
    case 'planned':
      return ['planned'];
    case 'awaiting-approval':
      return ['approval-asked'];
    case 'ready':
      return ['approved'];
    case 'running':
    case 'verifying':
      // From one to the other and back is told by events alone.
      return begun ? [] : ['running'];
    case 'cancelled':
    case 'expired':
      return ['ended', 'result'];
    case 'failed':
      return ['ended', 'result'];
    case 'recovering':
      return ['recovery-begun'];
    case 'recovered':
    case 'stuck':
      return ['recovery-ended'];
    default:
      return was === null ? [] : ['result'];
  }
}

/** What a result of an older generation says. */
export const OLDER = 'Of an older generation.';
/** Nothing of these may stand before an action is handed over. */
const OVER = ['rejected', 'drifted', 'running', 'result', 'ended'];
const BAD: readonly ActionState[] = ['partial', 'unsupported', 'refused', 'failed', 'stuck'];

/** Follows the actions of one device. Each look throws at the first thing that does not hold. */
export class ModelChecks {
  readonly #sql: Database;
  readonly #edge: ModelEdge;
  #moveSeq = 0;
  #evidenceSeq = 0;
  #eventSeq = 0;
  #hash = GENESIS;
  readonly #states = new Map<string, ActionState>();
  readonly #begun = new Set<string>();
  readonly #evidence = new Map<string, Said[]>();
  readonly #endedAt = new Map<string, number>();
  #decisions = 0;
  rows: ModelRow[] = [];

  private constructor(sql: Database, edge: ModelEdge) {
    this.#sql = sql;
    this.#edge = edge;
  }

  /** @param sql with noteMoves. What was there before is somebody else's. */
  static async begin(sql: Database, edge: ModelEdge): Promise<ModelChecks> {
    const checks = new ModelChecks(sql, edge);
    const [last] = await sql<{ move: number; event: number; seq: number; hash: string | null }[]>`
      select (select coalesce(max(seq), 0)::int from model_move) as move, (select coalesce(max(seq), 0)::int from event) as event,
        (select coalesce(max(seq), 0)::int from evidence) as seq, (select hash from evidence order by seq desc limit 1) as hash`;
    checks.#moveSeq = last!.move;
    checks.#eventSeq = last!.event;
    checks.#evidenceSeq = last!.seq;
    checks.#hash = last!.hash ?? GENESIS;
    return checks;
  }

  async look(queue: readonly { id: string; isKnown: boolean }[]): Promise<void> {
    const sql = this.#sql;
    const [moves, said, events, approvals, rows] = await Promise.all([
      sql<
        (Move & { seq: string })[]
      >`select *, xmin::text as tx from model_move where seq > ${this.#moveSeq} order by seq`,
      sql<Said[]>`select *, xmin::text as tx from evidence where seq > ${this.#evidenceSeq} order by seq`,
      sql<{ seq: string; action_id: string; kind: string; tx: string }[]>`
        select seq, action_id, kind, xmin::text as tx from event where seq > ${this.#eventSeq} order by seq`,
      sql<Approval[]>`
        select v.* from action_approval v join action a on a.id = v.action_id where a.device_id = ${this.#edge.cpeId} order by v.seq`,
      sql<ModelRow[]>`
        select a.*, r.possible, p.hash, p.plan->'diff'->0->>'from' as basis
        from action a join action_recovery r on r.action_id = a.id join action_plan p on p.action_id = a.id
        where a.device_id = ${this.#edge.cpeId} order by a.id`,
    ]);
    this.rows = [...rows];
    this.#chain(said);
    for (const move of moves) this.#move(move, said, events);
    for (const one of said) if (one.kind === 'sent') this.#sent(one, approvals);
    this.#results();
    this.#handedOver();
    for (const row of rows) this.#row(row, approvals);
    this.#queue(queue);
    expect(this.#edge.twice, 'done twice').toEqual([]);
    this.#moveSeq = Number(moves.at(-1)?.seq ?? this.#moveSeq);
    this.#eventSeq = Number(events.at(-1)?.seq ?? this.#eventSeq);
  }

  /** When all is over: nothing is open, and of what the CPE did control knows, or says that it does not. */
  over(): void {
    const open = this.rows.filter(({ state }) => !isEnded(state));
    expect(open.map(({ id, state }) => `${id} is ${state}`)).toEqual([]);
    const denied = this.rows.filter(
      ({ id, state, unknown }) =>
        this.#edge.executed.has(id) &&
        !this.#edge.forgotten.has(id) &&
        ['cancelled', 'expired'].includes(state) &&
        !unknown,
    );
    expect(denied.map(({ id, state }) => `${id} was executed and is ${state}`)).toEqual([]);
  }

  #chain(said: Said[]): void {
    for (const { seq, action_id: actionId, at, kind, body, prev_hash, hash } of said) {
      expect([Number(seq), prev_hash]).toEqual([this.#evidenceSeq + 1, this.#hash]);
      this.#hash = evidenceHash(this.#hash, { seq: Number(seq), actionId, at: at.toISOString(), kind, body });
      expect(hash, `hash of record ${seq}`).toBe(this.#hash);
      this.#evidenceSeq = Number(seq);
    }
    for (const one of said) {
      const before = this.#evidence.get(one.action_id) ?? [];
      // Of actions that nobody made there is nothing but results that change nothing.
      const isStray = [...before, one].every(({ kind }) => kind === 'late-result');
      if (!isStray) expect(before[0]?.kind ?? one.kind, 'the first record').toBe('planned');
      this.#evidence.set(one.action_id, [...before, one]);
    }
  }

  #move(
    { action_id, was, now, tx }: Move,
    said: Said[],
    events: { action_id: string; kind: string; tx: string }[],
  ): void {
    const name = `${action_id}: ${was} → ${now}`;
    expect(was, name).toBe(this.#states.get(action_id) ?? null);
    expect(was === null ? now === 'planned' || mayFollow('planned', now) : mayFollow(was, now), name).toBe(true);
    this.#states.set(action_id, now);
    const isOurs = (one: { action_id: string; tx: string }): boolean => one.action_id === action_id && one.tx === tx;
    const needed = evidenceOf(was, now, this.#begun.has(action_id));
    if (now === 'running' || now === 'verifying') this.#begun.add(action_id);
    if (needed.length > 0)
      expect(
        said.filter(isOurs).some(({ kind }) => needed.includes(kind)),
        `evidence of ${name}`,
      ).toBe(true);
    expect(
      events.filter(isOurs).map(({ kind }) => kind),
      `event of ${name}`,
    ).toContain(`action.${now}`);
  }

  /** What is handed over was let go before, for the plan that it has, and is neither over nor begun. */
  #sent({ seq, action_id, at }: Said, approvals: Approval[]): void {
    const { expires_at } = this.rows.find(({ id }) => id === action_id)!;
    expect(at.getTime(), `${action_id}: sent before its deadline`).toBeLessThan(expires_at.getTime());
    const before = this.#evidence.get(action_id)!.filter((one) => Number(one.seq) < Number(seq));
    const hash = before[0]!.body['hash'];
    const approved = before.filter(({ kind }) => kind === 'approved');
    expect(
      approved.map(({ body }) => body['planHash']),
      `${action_id}: approved once, before it was sent`,
    ).toEqual([hash]);
    expect(
      before.filter(({ kind }) => OVER.includes(kind)).map(({ kind }) => kind),
      `${action_id} was sent after`,
    ).toEqual([]);
    const rows = approvals.filter((one) => one.action_id === action_id);
    expect(rows.map(({ decision, plan_hash }) => [decision, plan_hash])).toEqual([
      [approved[0]!.body['decision'], hash],
    ]);
  }

  /** Each result that was taken is evidence once, whether it changed anything or not. */
  #results(): void {
    const said = [...this.#evidence.values()].flat();
    const count = said.filter(({ kind }) => kind === 'result' || kind === 'late-result').length;
    const { resultsTaken, resultsPerhaps } = this.#edge;
    expect(count, 'results in evidence').toBeGreaterThanOrEqual(resultsTaken);
    expect(count, 'results in evidence').toBeLessThanOrEqual(resultsTaken + resultsPerhaps);
    for (const [id, records] of this.#evidence) {
      const results = records.filter(({ kind }) => kind === 'result');
      expect(results.map(({ body }) => body['why'])).not.toContain(OLDER);
      // What it did is heard of after it was given up.
      const late = records.filter(({ kind, body }) => kind === 'result' && body['outcome'] === 'expired').length;
      expect(results.length, `${id}: applied results`).toBeLessThanOrEqual(1 + late);
    }
  }

  /** The edge was given nothing without evidence of it, and of what people approved nothing that was not. */
  #handedOver(): void {
    for (const { actionId, generation, args } of this.#edge.came.slice(this.#decisions)) {
      const records = this.#evidence.get(actionId) ?? [];
      const sent = records.find(({ kind, body }) => kind === 'sent' && body['generation'] === generation);
      expect(sent, `${actionId}: sent under generation ${generation}`).toBeDefined();
      const { kind, approval, basis } = this.rows.find(({ id }) => id === actionId)!;
      if (kind !== 'set' || approval.need === 'auto') continue;
      expect(
        (args['expected'] as { value: unknown }[]).map(({ value }) => value),
        `${actionId} goes by its plan`,
      ).toEqual([basis]);
    }
    this.#decisions = this.#edge.came.length;
  }

  #row({ id, state, ended_at, hash, approval, owner_person }: ModelRow, approvals: Approval[]): void {
    expect(this.#states.get(id), `${id}: last state noted`).toBe(state);
    expect(this.#evidence.get(id)?.[0]?.body['hash'], `${id}: plan`).toBe(hash);
    expect(ended_at !== null, `${id} is ${state}, ended_at`).toBe(isEnded(state) || state === 'recovering');
    const before = this.#endedAt.get(id);
    if (before !== undefined) expect(ended_at, `${id}: ended once, ended for ever`).not.toBeNull();
    if (ended_at !== null) this.#endedAt.set(id, ended_at.getTime());
    for (const { decision, by_person, plan_hash } of approvals.filter(({ action_id }) => action_id === id)) {
      expect(plan_hash).toBe(hash);
      if (decision !== 'approved') continue;
      expect(approval.need, `${id}: approved by a person`).not.toBe('auto');
      if (approval.need !== 'second-person') continue;
      expect(by_person, `${id}: a person`).not.toBeNull();
      expect(by_person, `${id}: a second one`).not.toBe(owner_person);
    }
  }

  #queue(queue: readonly { id: string; isKnown: boolean }[]): void {
    const wanted = this.rows
      .filter(
        ({ state, unknown, closed_at }) =>
          closed_at === null && (BAD.includes(state) || (state === 'expired' && unknown)),
      )
      .map(({ id, unknown }) => ({ id, isKnown: !unknown }))
      .reverse();
    expect(queue).toEqual(wanted);
  }
}
