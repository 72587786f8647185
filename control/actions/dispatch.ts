// Hands ready actions and device settings to the edges, in batches, settings first. An action is claimed before it is published and
// marked sent when the edge has it durably. A hand-over that is slow is waited for in the background, not repeated: only one that was
// refused, or was under way when control ended, is tried again, under the same generation, which an edge that holds the work takes for the
// same. An edge that does not answer holds up only itself.
//
// Several controls run this side by side, and none waits for another. An action is claimed in PostgreSQL, so one of them hands it over; the
// order between messages of two controls is nobody's, so what must come in order waits for the confirmation of what comes before: work for
// the settings of its device, a cancellation for its work. Settings may be sent twice; the edge keeps the newest.

import { systemElapsed } from '../../base/clock.ts';
import { LIMITS } from '../../base/limits.ts';
import {
  type Decision,
  type DecisionBody,
  type DecisionType,
  type DeviceSettings,
  MESSAGE_VERSION,
} from '../../bus/messages.ts';
import { decisionsFor } from '../../bus/subjects.ts';
import type { BusMessage, BusTransport } from '../../bus/transport.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import { sealedCredential } from '../registry/credentials.ts';
import type { ActionState } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import { driftOf, endDrifted } from './approve.ts';
import { aliveSince, copyToPop } from './copies.ts';
import { sealContext } from './insert.ts';
import { rememberStored } from './lost-decisions.ts';

interface Edge {
  edgeId: string;
  pop: string;
}
interface WorkRow {
  id: string;
  device_id: string;
  kind: DecisionBody<'work'>['kind'];
  generation: number;
  priority: number;
  command_key: string;
  sealed_args: string;
  /** What the plan counts on, when a person approved it: the edge writes over nothing else. */
  sealed_basis: string | null;
  created_at: Date;
  expires_at: Date;
  edge_id: string;
  pop: string;
  /** Of the edge. */
  started_at: Date | null;
}
interface ClaimedRow extends WorkRow {
  wake: boolean;
  state: ActionState;
  claimed_at: Date;
  is_first: boolean;
  cancel_asked_at: Date | null;
  recovers: string | null;
}
interface CredentialRow {
  device_id: string;
  sealed: string;
  changed_at: Date;
  edge_id: string | null;
  pop: string | null;
}

export type HandOver =
  | { type: 'ok' }
  | { type: 'away'; why: string }
  /** No answer yet; `settled` tells in the end whether the edge took it. */
  | { type: 'late'; why: string; settled: Promise<boolean> };

/** One for each control; its passes are run by reconcilers, one at a time. */
export class Dispatcher {
  readonly #context: ControlContext;
  readonly #transport: BusTransport;
  /** Edges that did not answer, and until when nothing is claimed for them. */
  readonly #awayUntil = new Map<string, number>();
  /** Actions whose hand-over has not been answered yet. */
  readonly #underWay = new Set<string>();

  readonly #popShared: boolean;
  readonly #elapsed: () => number;

  /**
   * @param popShared POPs have several edges that claim the work they run.
   * @param elapsed see systemElapsed: by it edges that did not answer are left alone, so that no step of the wall clock makes that longer.
   */
  constructor(
    context: ControlContext,
    transport: BusTransport,
    popShared = false,
    elapsed: () => number = systemElapsed,
  ) {
    this.#context = context;
    this.#popShared = popShared;
    this.#transport = transport;
    this.#elapsed = elapsed;
  }

  /** One pass over everything that waits to be handed over. Returns what it did, in words. */
  async pass(): Promise<string> {
    let settings = 0;
    for (;;) {
      const sent = await this.#sendSettings();
      settings += sent;
      if (sent < LIMITS.dispatchBatchMax) break;
    }
    settings += await this.#sendSettingsEverywhere();
    const cancels = await this.#sendCancels();
    const withdrawn = await this.#sendWithdrawals();
    const copies = await this.#sendCopies(null);
    let actions = 0;
    for (;;) {
      const sent = await this.#sendActions();
      actions += sent;
      if (sent < LIMITS.dispatchBatchMax) break;
    }
    return `${actions} actions, ${copies} copies, ${cancels} cancellations, ${withdrawn} withdrawals and ${settings} settings handed over`;
  }

  /** Sends one decision to one edge now, apart from the passes. */
  async send<T extends DecisionType>(edge: Edge, id: string, type: T, body: DecisionBody<T>): Promise<HandOver> {
    return await this.#publish(edge, [message(id, type, body)]);
  }

  /**
   * Lets the session go on that waits for this fact, behind what was handed over for it. Where a publish resolves when control has taken
   * what was published, the edge knows by itself. Not waited for: a session waits a moment only, and then goes on without.
   */
  taken({ edgeId, pop, lane, sequence }: Edge & { lane: number; sequence: number }): void {
    if (this.#transport.publishes === 'handled') return;
    void this.send({ edgeId, pop }, `taken:${lane}:${sequence}`, 'taken', { lane, sequence });
  }

  /** Claims ready actions, publishes them per edge and marks what arrived. Returns how many were claimed. */
  async #sendActions(): Promise<number> {
    const { sql, live, clock, log } = this.#context;
    const now = new Date(clock.now());
    const { over, ahead } = claimsOver(clock.now());
    const claimed = await sql.begin(async (tx) => {
      const rows = await tx<ClaimedRow[]>`
        with due as (
          select a.id, a.claimed_at is null as is_first, d.edge_id, d.pop, e.started_at from action a join device d on d.id = a.device_id
          left join edge e on e.edge_id = d.edge_id
          where a.state = 'ready' and a.sent_at is null and a.cancel_asked_at is null and a.expires_at > ${now}
            and (a.claimed_at is null or a.claimed_at < ${over} or a.claimed_at > ${ahead})
            and d.edge_id is not null and d.edge_id <> all(${this.#away()}) and a.id <> all(${[...this.#underWay]})
            and not exists (select from device_credential c where c.device_id = a.device_id and c.sent_at is null)
          order by a.priority desc, a.id limit ${LIMITS.dispatchBatchMax} for update of a skip locked)
        update action a set claimed_at = ${now} from due where a.id = due.id
        returning a.id, a.device_id, a.kind, a.state, a.generation, a.priority, a.command_key, a.wake, a.sealed_args, a.created_at,
          a.expires_at, a.claimed_at, a.cancel_asked_at, a.recovers, due.edge_id, due.pop, due.started_at, due.is_first, ${approvedBasis(tx)}`;
      const drifted = await this.#endDrifted(tx, rows, now.getTime());
      const going = rows.filter(({ id }) => !drifted.ids.has(id));
      // Written before the edge can have it, so that evidence never shows a run before the order to run.
      const evidence: NewEvidence[] = going.map((row) => ({
        actionId: row.id,
        at: now.getTime(),
        kind: 'sent',
        body: { edgeId: row.edge_id, pop: row.pop, generation: row.generation, commandKey: row.command_key },
      }));
      if (this.#sharesWork) await copyToPop(tx, going.map(({ id }) => id), now.getTime()); // biome-ignore format: one call
      const seq = await record(tx, drifted.events, [...drifted.evidence, ...evidence]);
      return { count: rows.length, rows: going, seq };
    });
    live.committed(claimed.seq);
    // Copies first: a CPE that is woken for the action may come to any edge of its POP.
    if (this.#sharesWork) await this.#sendCopies(claimed.rows.map(({ id }) => id));

    await forEachEdge(claimed.rows, async (edge, rows) => {
      const messages = rows.flatMap((row) => {
        const work = this.#workMessage(row);
        const why = { cpeId: row.device_id, why: `action ${row.id}` };
        return row.wake ? [work, message(`wake:${row.id}:${row.generation}`, 'wake', why)] : [work];
      });
      for (const { id } of rows) this.#underWay.add(id);
      const outcome = await this.#publish(edge, messages);
      if (outcome.type === 'late') {
        void outcome.settled
          .then((taken) => this.#answered(edge, rows, taken))
          .catch((error) => log.warn({ err: error }, 'a late hand-over'));
      } else await this.#answered(edge, rows, outcome.type === 'ok');
    });
    return claimed.count;
  }

  /** What a person approved is not handed over when the device is known to be otherwise by now. */
  async #endDrifted(
    tx: Sql,
    rows: ClaimedRow[],
    at: number,
  ): Promise<{ ids: Set<string>; events: NewEvent[]; evidence: NewEvidence[] }> {
    const ended = { ids: new Set<string>(), events: [] as NewEvent[], evidence: [] as NewEvidence[] };
    for (const row of rows) {
      // An earlier try may have arrived: then its edge has the last word, and looks at the values itself.
      if (!row.is_first) continue;
      const names = await driftOf(tx, this.#context, row);
      if (names.length === 0) continue;
      const { end, evidence } = await endDrifted(tx, this.#context, row, names, at);
      ended.ids.add(row.id);
      ended.events.push(...end.events);
      ended.evidence.push(...evidence);
    }
    return ended;
  }

  /** Named by this start of the edge: what it was sent before may have been lost with its store, and the bus would take it for the same. */
  #workMessage(row: WorkRow): BusMessage {
    const { id, device_id, kind, generation, priority, command_key, sealed_basis, created_at, expires_at } = row;
    const { box } = this.#context;
    const args = JSON.parse(box.open(row.sealed_args, sealContext(id, 'args')));
    if (sealed_basis !== null && kind === 'set')
      args.expected = JSON.parse(box.open(sealed_basis, sealContext(id, 'basis')));
    return message(`work:${id}:${generation}:${row.started_at?.getTime() ?? 0}`, 'work', {
      actionId: id,
      cpeId: device_id,
      kind,
      args,
      generation,
      priority,
      commandKey: command_key,
      createdAt: created_at.getTime(),
      expiresAt: expires_at.getTime(),
    });
  }

  /** In one process there is but one edge. */
  get #sharesWork(): boolean {
    return this.#popShared && this.#transport.publishes === 'stored';
  }

  /** Copies that are to be sent, of these actions or (null) of all that were sent. Returns how many. */
  async #sendCopies(ids: string[] | null): Promise<number> {
    const { sql } = this.#context;
    const rows = await sql<WorkRow[]>`
      select a.id, a.device_id, a.kind, a.generation, a.priority, a.command_key, a.sealed_args, a.created_at, a.expires_at,
        e.edge_id, e.pop, e.started_at, ${approvedBasis(sql)}
      from action_copy c join action a on a.id = c.action_id join edge e on e.edge_id = c.edge_id
      where c.sent_at is null and not c.withdrawn and a.ended_at is null and a.cancel_asked_at is null and a.moving_at is null
        and (${ids === null} and a.sent_at is not null or a.id = any(${ids ?? []})) and e.edge_id <> all(${this.#away()})
      order by a.priority desc, a.id limit ${LIMITS.dispatchBatchMax}`;
    await forEachEdge(rows, async (edge, own) => {
      const messages = own.map((row) => this.#workMessage(row));
      if ((await this.#publish(edge, messages)).type !== 'ok') return;
      await sql`
        update action_copy set sent_at = now()
        where edge_id = ${edge.edgeId} and action_id = any(${own.map(({ id }) => id)}) and not withdrawn`;
    });
    return rows.length;
  }

  /** What has ended through one edge is taken from the others. */
  async #sendWithdrawals(): Promise<number> {
    const { sql } = this.#context;
    const rows = await sql<{ id: string; device_id: string; generation: number; edge_id: string; pop: string }[]>`
      select a.id, a.device_id, a.generation, e.edge_id, e.pop
      from action_copy c join action a on a.id = c.action_id join edge e on e.edge_id = c.edge_id
      where c.sent_at is null and c.withdrawn and e.edge_id <> all(${this.#away()})
      order by a.id limit ${LIMITS.dispatchBatchMax}`;
    await forEachEdge(rows, async (edge, own) => {
      const messages = own.map(({ id, device_id: cpeId, generation }) =>
        message(`withdraw:${id}:${generation}`, 'withdraw', { cpeId, actionId: id, generation }),
      );
      if ((await this.#publish(edge, messages)).type !== 'ok') return;
      await sql`delete from action_copy where edge_id = ${edge.edgeId} and withdrawn and action_id = any(${own.map(({ id }) => id)})`;
    });
    return rows.length;
  }

  /** The edge has answered: what it took is marked, the rest may be tried again. */
  async #answered(edge: Edge, rows: ClaimedRow[], taken: boolean): Promise<void> {
    try {
      if (!taken) return;
      const sent = rows.map(({ id, generation, claimed_at }) => ({ id, generation, claimed_at }));
      // Only as it was claimed: the edge may have lost its store meanwhile, and it is still to be sent again.
      await this.#context.sql`
        update action a set sent_at = ${new Date(this.#context.clock.now())}, sent_to = ${edge.edgeId},
          why = case when state = 'ready' then ${`With edge ${edge.edgeId}: waits for the device.`} else why end
        from jsonb_to_recordset(${jsonText(sent)}::text::jsonb) as s(id text, generation int, claimed_at timestamptz)
        where a.id = s.id and a.generation = s.generation and a.claimed_at = s.claimed_at and a.sent_at is null`;
    } finally {
      for (const { id } of rows) this.#underWay.delete(id);
    }
  }

  /**
   * What somebody wants to take back, or is asked back because its device has left the POP (moves.ts), goes to all edges that have it, until
   * they confirm. Not before its work: an edge forgets a cancellation of what it does not know. Two controls may both send one, which
   * the edge takes for the same.
   */
  async #sendCancels(): Promise<number> {
    const { sql, clock } = this.#context;
    const { over, ahead } = claimsOver(clock.now());
    const rows = await sql<
      { id: string; device_id: string; generation: number; is_moving: boolean; edge_id: string; pop: string }[]
    >`
      with asked as (
        select a.id, a.device_id, a.generation, a.cancel_asked_at is null as is_moving, coalesce(a.sent_to, d.edge_id) as first
        from action a join device d on d.id = a.device_id
        where (a.cancel_asked_at is not null or a.moving_at is not null) and a.cancel_sent_at is null and a.ended_at is null
          and (a.sent_at is not null or a.claimed_at < ${over} or a.claimed_at > ${ahead})
        order by a.id limit ${LIMITS.dispatchBatchMax})
      select a.id, a.device_id, a.generation, a.is_moving, e.edge_id, e.pop from asked a join edge e on e.edge_id = a.first
        or exists (select from action_copy c where c.action_id = a.id and c.edge_id = e.edge_id and c.sent_at is not null)
      order by a.id`;
    const away = new Set(this.#away());
    const failed = new Set(rows.filter(({ edge_id }) => away.has(edge_id)).map(({ id }) => id));
    await forEachEdge(
      rows.filter(({ edge_id }) => !away.has(edge_id)),
      async (edge, own) => {
        const messages = own.map(({ id, device_id: cpeId, generation, is_moving }) =>
          message(is_moving ? `recall:${id}:${generation}` : `cancel:${id}`, 'cancel', { cpeId, actionId: id }),
        );
        if ((await this.#publish(edge, messages)).type !== 'ok') for (const { id } of own) failed.add(id);
      },
    );
    const sent = [...new Set(rows.map(({ id }) => id))].filter((id) => !failed.has(id));
    if (sent.length > 0) await sql`update action set cancel_sent_at = ${new Date(clock.now())} where id = any(${sent})`;
    return sent.length;
  }

  /** Settings that changed, to the edges of their devices: all of the POP, because a CPE proves who it is before an edge can know it. */
  async #sendSettings(): Promise<number> {
    const { sql, clock } = this.#context;
    const rows = await sql<CredentialRow[]>`
      select c.device_id, c.sealed, c.changed_at, d.edge_id, d.pop from device_credential c join device d on d.id = c.device_id
      where c.sent_at is null and d.edge_id is not null and d.edge_id <> all(${this.#away()})
      order by c.device_id limit ${LIMITS.dispatchBatchMax}`;
    if (rows.length === 0) return 0;
    const others = this.#sharesWork
      ? await sql<Edge[]>`
          select edge_id as "edgeId", pop from edge where last_fact_at > ${aliveSince(clock.now())} and pop = any(${rows.map(({ pop }) => pop)})`
      : [];
    const copies = rows.flatMap((row) =>
      others
        .filter(({ edgeId, pop }) => pop === row.pop && edgeId !== row.edge_id)
        .map(({ edgeId }) => ({ ...row, edge_id: edgeId })),
    );
    const failed = new Set<string>();
    await forEachEdge([...rows, ...copies], async (edge, own) => {
      const outcome = await this.#publish(
        edge,
        own.map((row) => this.#settingsMessage(row)),
      );
      if (outcome.type !== 'ok') for (const { device_id } of own) failed.add(device_id);
    });
    return await this.#markSent(rows.filter(({ device_id }) => !failed.has(device_id)));
  }

  /** Settings of devices that have no edge yet go to every edge: nobody knows where the device will come. */
  async #sendSettingsEverywhere(): Promise<number> {
    const { sql } = this.#context;
    const edges = await sql<Edge[]>`select edge_id as "edgeId", pop from edge`;
    // Nobody to tell yet: the first hello of an edge brings all of them.
    if (edges.length === 0) return 0;
    const rows = await sql<CredentialRow[]>`
      select c.device_id, c.sealed, c.changed_at, d.edge_id, d.pop from device_credential c join device d on d.id = c.device_id
      where c.sent_at is null and d.edge_id is null order by c.device_id limit ${LIMITS.dispatchBatchMax}`;
    if (rows.length === 0) return 0;
    const messages = rows.map((row) => this.#settingsMessage(row));
    const outcomes = await Promise.all(edges.map((edge) => this.#publish(edge, messages)));
    return outcomes.every(({ type }) => type === 'ok') ? await this.#markSent(rows) : 0;
  }

  /** Only what was sent: settings that changed since go out with the next pass. */
  async #markSent(rows: CredentialRow[]): Promise<number> {
    await this.#context.sql`
      update device_credential c set sent_at = now()
      from jsonb_to_recordset(${jsonText(rows)}::text::jsonb) as r(device_id text, changed_at timestamptz)
      where c.device_id = r.device_id and c.changed_at = r.changed_at`;
    return rows.length;
  }

  /**
   * One pass over edges that said hello: each is told all settings of the devices of its POP, and of those that no edge has seen. A job of its own,
   * because for a large POP it takes long. Two controls may both greet an edge: it keeps the newest of what it is told. Returns what it
   * did, in words.
   */
  async greet(): Promise<string> {
    const { sql } = this.#context;
    const edges = await sql<(Edge & { started_at: Date })[]>`
      select edge_id as "edgeId", pop, started_at from edge
      where greeted_at is null and started_at is not null and edge_id <> all(${this.#away()})`;
    let sent = 0;
    for (const edge of edges) {
      let after = '';
      for (;;) {
        const rows = await sql<CredentialRow[]>`
          select c.device_id, c.sealed, c.changed_at, d.edge_id, d.pop from device_credential c join device d on d.id = c.device_id
          where c.device_id > ${after} and (d.edge_id = ${edge.edgeId} or (${this.#sharesWork} and d.pop = ${edge.pop}) or d.edge_id is null)
          order by c.device_id limit ${LIMITS.dispatchBatchMax}`;
        // Named by this start of the edge: what it was sent before may have been lost with its store.
        const messages = rows.map((row) => this.#settingsMessage(row, `:${edge.started_at.getTime()}`));
        if (messages.length > 0 && (await this.#publish(edge, messages)).type !== 'ok') break;
        sent += rows.length;
        if (rows.length < LIMITS.dispatchBatchMax) {
          await sql`update edge set greeted_at = now() where edge_id = ${edge.edgeId} and started_at = ${edge.started_at}`;
          break;
        }
        after = rows.at(-1)!.device_id;
      }
    }
    return `${sent} settings sent to ${edges.length} edges that came up`;
  }

  #settingsMessage({ device_id, sealed, changed_at }: CredentialRow, occasion = ''): BusMessage {
    const settings = JSON.parse(this.#context.box.open(sealed, sealedCredential(device_id))) as DeviceSettings;
    return message(`device:${device_id}:${changed_at.getTime()}${occasion}`, 'device', {
      cpeId: device_id,
      settings,
      changedAt: changed_at.getTime(),
    });
  }

  /** Publishes with a bound on the wait. */
  async #publish({ pop, edgeId }: Edge, messages: BusMessage[]): Promise<HandOver> {
    const { log, metrics } = this.#context;
    const away = (why: string): void => {
      this.#awayUntil.set(edgeId, this.#elapsed() + LIMITS.dispatchLeaseMs);
      log.info({ edgeId, pop, why, messages: messages.length }, 'an edge does not take decisions; they are kept');
    };
    let why = `no answer within ${LIMITS.dispatchWaitMs} ms`;
    const stored = this.#transport.publish(decisionsFor(pop, edgeId), messages).then(() => {
      this.#awayUntil.delete(edgeId);
      return rememberStored(this.#context.sql, this.#transport);
    });
    const settled = stored.then(
      () => true,
      (error: unknown) => {
        why = error instanceof Error ? error.message : String(error);
        away(why);
        return false;
      },
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((done) => {
      timer = setTimeout(() => done('late'), LIMITS.dispatchWaitMs);
    });
    const first = await Promise.race([settled, late]);
    clearTimeout(timer);
    if (first === 'late') away(why);
    metrics.handovers.inc({ outcome: first === 'late' ? 'late' : first ? 'ok' : 'away' });
    if (first === 'late') return { type: 'late', why, settled };
    return first ? { type: 'ok' } : { type: 'away', why };
  }

  #away(): string[] {
    const now = this.#elapsed();
    for (const [edgeId, until] of this.#awayUntil) if (until <= now) this.#awayUntil.delete(edgeId);
    return [...this.#awayUntil.keys()];
  }
}

/**
 * Times before and behind which nobody is at a claim any more. One from ahead was made by a clock that was set back since, ours or another
 * control's, or that was wrong: it would not be over for as long.
 */
function claimsOver(nowMs: number): { over: Date; ahead: Date } {
  return { over: new Date(nowMs - LIMITS.dispatchLeaseMs), ahead: new Date(nowMs + LIMITS.dispatchLeaseMs) };
}

/** What the plan of action `a` counts on, sealed; null when nobody was asked: then what the device holds is what is changed. */
const approvedBasis = (sql: Sql) => sql`(
  select p.sealed_basis from action_plan p where p.action_id = a.id
    and exists (select from action_approval v where v.action_id = a.id and v.decision = 'approved')) as sealed_basis`;

function message<T extends DecisionType>(id: string, type: T, body: DecisionBody<T>): BusMessage {
  return { id, payload: { v: MESSAGE_VERSION, type, body } as Decision };
}

async function forEachEdge<R extends { edge_id: string | null; pop: string | null }>(
  rows: R[],
  send: (edge: Edge, rows: R[]) => Promise<void>,
): Promise<void> {
  const byEdge = new Map<string, { edge: Edge; rows: R[] }>();
  for (const row of rows) {
    const key = `${row.pop} ${row.edge_id}`;
    const entry = byEdge.get(key) ?? { edge: { edgeId: row.edge_id!, pop: row.pop! }, rows: [] };
    entry.rows.push(row);
    byEdge.set(key, entry);
  }
  await Promise.all([...byEdge.values()].map(({ edge, rows: own }) => send(edge, own)));
}
