// Hands ready actions and device settings to the edges, in batches, settings first. An action is claimed before it is published and
// marked sent when the edge has it durably. A hand-over that is slow is waited for in the background, not repeated: only one that was
// refused, or was under way when control ended, is tried again, under the same generation, which an edge that holds the work takes for the
// same. An edge that does not answer holds up only itself.

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
import { type NewEvidence, record } from '../evidence/record.ts';
import { sealedCredential } from '../registry/credentials.ts';
import { jsonText } from '../store/postgres.ts';
import { sealContext } from './insert.ts';

interface Edge {
  edgeId: string;
  pop: string;
}
interface ClaimedRow {
  id: string;
  device_id: string;
  kind: DecisionBody<'work'>['kind'];
  generation: number;
  priority: number;
  command_key: string;
  wake: boolean;
  sealed_args: string;
  created_at: Date;
  expires_at: Date;
  edge_id: string;
  pop: string;
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

  constructor(context: ControlContext, transport: BusTransport) {
    this.#context = context;
    this.#transport = transport;
  }

  /** One pass over everything that waits to be handed over. Returns what it did, in words. */
  async pass(): Promise<string> {
    const settings = await this.#sendSettings();
    const cancels = await this.#sendCancels();
    let actions = 0;
    for (;;) {
      const sent = await this.#sendActions();
      actions += sent;
      if (sent < LIMITS.dispatchBatchMax) break;
    }
    return `${actions} actions, ${cancels} cancellations and ${settings} settings handed over`;
  }

  /** Sends one decision to one edge now, apart from the passes. */
  async send<T extends DecisionType>(edge: Edge, id: string, type: T, body: DecisionBody<T>): Promise<HandOver> {
    return await this.#publish(edge, [message(id, type, body)]);
  }

  /** Claims ready actions, publishes them per edge and marks what arrived. Returns how many were claimed. */
  async #sendActions(): Promise<number> {
    const { sql, box, live, clock, log } = this.#context;
    const now = new Date(clock.now());
    const lease = new Date(clock.now() - LIMITS.dispatchLeaseMs);
    const claimed = await sql.begin(async (tx) => {
      const rows = await tx<ClaimedRow[]>`
        with due as (
          select a.id, d.edge_id, d.pop from action a join device d on d.id = a.device_id
          where a.state = 'ready' and a.sent_at is null and a.cancel_asked_at is null and a.expires_at > ${now}
            and (a.claimed_at is null or a.claimed_at < ${lease})
            and d.edge_id is not null and d.edge_id <> all(${this.#away()}) and a.id <> all(${[...this.#underWay]})
          order by a.priority desc, a.id limit ${LIMITS.dispatchBatchMax} for update of a skip locked)
        update action a set claimed_at = ${now} from due where a.id = due.id
        returning a.id, a.device_id, a.kind, a.generation, a.priority, a.command_key, a.wake, a.sealed_args, a.created_at, a.expires_at,
          due.edge_id, due.pop`;
      // Written before the edge can have it, so that evidence never shows a run before the order to run.
      const evidence: NewEvidence[] = rows.map((row) => ({
        actionId: row.id,
        at: now.getTime(),
        kind: 'sent',
        body: { edgeId: row.edge_id, pop: row.pop, generation: row.generation, commandKey: row.command_key },
      }));
      return { rows, seq: await record(tx, [], evidence) };
    });
    live.committed(claimed.seq);

    await forEachEdge(claimed.rows, async (edge, rows) => {
      const messages = rows.flatMap((row) => {
        const args = JSON.parse(box.open(row.sealed_args, sealContext(row.id, 'args')));
        const { kind, generation, priority } = row;
        const times = { createdAt: row.created_at.getTime(), expiresAt: row.expires_at.getTime() };
        const work = {
          actionId: row.id,
          cpeId: row.device_id,
          kind,
          args,
          generation,
          priority,
          commandKey: row.command_key,
          ...times,
        };
        const id = `work:${row.id}:${generation}`;
        const wake = message(`wake:${row.id}:${generation}`, 'wake', { cpeId: row.device_id, why: `action ${row.id}` });
        return row.wake ? [message(id, 'work', work), wake] : [message(id, 'work', work)];
      });
      const ids = rows.map(({ id }) => id);
      for (const id of ids) this.#underWay.add(id);
      const outcome = await this.#publish(edge, messages);
      if (outcome.type === 'late') {
        void outcome.settled
          .then((taken) => this.#answered(edge, ids, taken))
          .catch((error) => log.warn({ err: error }, 'a late hand-over'));
      } else await this.#answered(edge, ids, outcome.type === 'ok');
    });
    return claimed.rows.length;
  }

  /** The edge has answered: what it took is marked, the rest may be tried again. */
  async #answered(edge: Edge, ids: string[], taken: boolean): Promise<void> {
    try {
      if (!taken) return;
      await this.#context.sql`
        update action set sent_at = ${new Date(this.#context.clock.now())}, sent_to = ${edge.edgeId},
          why = case when state = 'ready' then ${`With edge ${edge.edgeId}: waits for the device.`} else why end
        where id = any(${ids}) and sent_at is null`;
    } finally {
      for (const id of ids) this.#underWay.delete(id);
    }
  }

  /** What somebody wants to take back goes to the edge that has it, until that edge confirms. */
  async #sendCancels(): Promise<number> {
    const { sql, clock } = this.#context;
    const rows = await sql<{ id: string; device_id: string; edge_id: string; pop: string }[]>`
      select a.id, a.device_id, e.edge_id, e.pop from action a join device d on d.id = a.device_id
        join edge e on e.edge_id = coalesce(a.sent_to, d.edge_id)
      where a.cancel_asked_at is not null and a.cancel_sent_at is null and a.ended_at is null and e.edge_id <> all(${this.#away()})
      order by a.id limit ${LIMITS.dispatchBatchMax}`;
    await forEachEdge(rows, async (edge, own) => {
      const messages = own.map(({ id, device_id }) =>
        message(`cancel:${id}`, 'cancel', { cpeId: device_id, actionId: id }),
      );
      if ((await this.#publish(edge, messages)).type !== 'ok') return;
      await sql`update action set cancel_sent_at = ${new Date(clock.now())} where id = any(${own.map(({ id }) => id)})`;
    });
    return rows.length;
  }

  /** Settings that changed: to the device's edge, or to every edge while the device has none. */
  async #sendSettings(): Promise<number> {
    const { sql } = this.#context;
    const rows = await sql<CredentialRow[]>`
      select c.device_id, c.sealed, c.changed_at, d.edge_id, d.pop from device_credential c join device d on d.id = c.device_id
      where c.sent_at is null and (d.edge_id is null or d.edge_id <> all(${this.#away()}))
      order by c.device_id limit ${LIMITS.dispatchBatchMax}`;
    const homeless = rows.filter((row) => row.edge_id === null);
    const everywhere = homeless.length === 0 ? [] : await sql<Edge[]>`select edge_id as "edgeId", pop from edge`;
    // Nobody to tell yet: the first hello of an edge brings all of them.
    const housed = rows.filter((row) => row.edge_id !== null);
    let sent = 0;
    const mark = async (done: CredentialRow[]): Promise<void> => {
      sent += done.length;
      // Only what was sent: settings that changed since go out with the next pass.
      await sql`
        update device_credential c set sent_at = now()
        from jsonb_to_recordset(${jsonText(done)}::text::jsonb) as r(device_id text, changed_at timestamptz)
        where c.device_id = r.device_id and c.changed_at = r.changed_at`;
    };
    await forEachEdge(housed, async (edge, own) => {
      const outcome = await this.#publish(
        edge,
        own.map((row) => this.#settingsMessage(row)),
      );
      if (outcome.type === 'ok') await mark(own);
    });
    if (everywhere.length > 0) {
      const messages = homeless.map((row) => this.#settingsMessage(row));
      const outcomes = await Promise.all(everywhere.map((edge) => this.#publish(edge, messages)));
      if (outcomes.every(({ type }) => type === 'ok')) await mark(homeless);
    }
    return sent;
  }

  /**
   * One pass over edges that said hello: each is told all settings of its devices, and of those that no edge has seen. A job of its own,
   * because for a large POP it takes long. Returns what it did, in words.
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
          where c.device_id > ${after} and (d.edge_id = ${edge.edgeId} or d.edge_id is null)
          order by c.device_id limit ${LIMITS.dispatchBatchMax}`;
        const messages = rows.map((row) => this.#settingsMessage(row));
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

  #settingsMessage({ device_id, sealed, changed_at }: CredentialRow): BusMessage {
    const settings = JSON.parse(this.#context.box.open(sealed, sealedCredential(device_id))) as DeviceSettings;
    return message(`device:${device_id}:${changed_at.getTime()}`, 'device', { cpeId: device_id, settings });
  }

  /** Publishes with a bound on the wait. */
  async #publish({ pop, edgeId }: Edge, messages: BusMessage[]): Promise<HandOver> {
    const { clock, log, metrics } = this.#context;
    const away = (why: string): void => {
      this.#awayUntil.set(edgeId, clock.now() + LIMITS.dispatchLeaseMs);
      log.info({ edgeId, pop, why, messages: messages.length }, 'an edge does not take decisions; they are kept');
    };
    let why = `no answer within ${LIMITS.dispatchWaitMs} ms`;
    const settled = this.#transport.publish(decisionsFor(pop, edgeId), messages).then(
      () => {
        this.#awayUntil.delete(edgeId);
        return true;
      },
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
    const now = this.#context.clock.now();
    for (const [edgeId, until] of this.#awayUntil) if (until <= now) this.#awayUntil.delete(edgeId);
    return [...this.#awayUntil.keys()];
  }
}

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
