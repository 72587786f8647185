// High-water marks: how far the facts of each writer of each edge have taken effect. They change in the transaction of the effects.

import type { LanePlace } from '../../bus/messages.ts';
import { edgeOfFacts } from '../../bus/subjects.ts';
import { end, type OpenRow } from '../actions/end-here.ts';
import type { ControlContext } from '../context.ts';
import type { NewEvent, NewEvidence } from '../evidence/record.ts';
import { arrayText, type Sql, together } from '../store/postgres.ts';

interface Place extends LanePlace {
  edgeId: string;
}

/** The marks of one edge within one transaction; `edgeId` is null for a batch in which no fact has a place. */
export class Marks {
  readonly edgeId: string | null;
  startedAtMs: number;
  readonly #marks: Map<number, number>;
  readonly changed = new Set<number>();

  constructor(edgeId: string | null, startedAtMs: number, marks: Map<number, number>) {
    this.edgeId = edgeId;
    this.startedAtMs = startedAtMs;
    this.#marks = marks;
  }

  /** Raises the mark to this place; false when it was reached before, so that the fact is a duplicate. */
  raise({ lane, sequence }: Place): boolean {
    if (sequence <= (this.#marks.get(lane) ?? -1)) return false;
    this.#marks.set(lane, sequence);
    this.changed.add(lane);
    return true;
  }

  of(lane: number): number {
    return this.#marks.get(lane) ?? -1;
  }

  clear(): void {
    this.#marks.clear();
  }
}

/** How far the facts of an edge are taken, per lane. */
export async function marksOf(sql: Sql, edgeId: string): Promise<[lane: number, sequence: number][]> {
  return pairsOf(await selectMarks(sql, edgeId));
}

type MarkRow = { lane: number; sequence: string };
const selectMarks = (sql: Sql, edgeId: string) =>
  sql<MarkRow[]>`select lane, sequence from ingest_mark where edge_id = ${edgeId}`;
const pairsOf = (rows: MarkRow[]): [number, number][] => rows.map(({ lane, sequence }) => [lane, Number(sequence)]);

/** Reads and locks the marks of the edge a batch comes from, making the edge's row on first contact. */
export async function readMarks(tx: Sql, subject: string, places: Place[], nowMs: number): Promise<Marks> {
  const edgeId = places[0]?.edgeId;
  if (edgeId === undefined) return new Marks(null, 0, new Map());
  const { pop } = edgeOfFacts(subject);
  const edges = tx<{ started_at: Date | null }[]>`
    insert into edge (edge_id, pop, last_fact_at) values (${edgeId}, ${pop}, ${new Date(nowMs)})
    on conflict (edge_id) do update set pop = excluded.pop, last_fact_at = excluded.last_fact_at
    returning started_at`;
  // Behind the lock on the edge's row, though sent with it.
  const [[edge], rows] = await together([edges, selectMarks(tx, edgeId)]);
  return new Marks(edgeId, edge!.started_at?.getTime() ?? 0, new Map(pairsOf(rows)));
}

/**
 * An edge that came up later than the one we knew, yet counts from below its mark, has lost its store: its numbers begin anew, and the
 * work it held is gone. Without this its facts would be taken for duplicates for ever.
 */
export async function dropLostStore(
  tx: Sql,
  context: ControlContext,
  marks: Marks,
  hello: Place,
  startedAtMs: number,
): Promise<{ events: NewEvent[]; evidence: NewEvidence[] }> {
  if (startedAtMs <= marks.startedAtMs || hello.sequence > marks.of(hello.lane)) return { events: [], evidence: [] };
  context.log.warn(
    { edgeId: hello.edgeId },
    'this edge has lost its store: its facts count anew and its work is sent again',
  );
  marks.clear();
  await tx`delete from ingest_mark where edge_id = ${hello.edgeId}`;
  // What other edges have as well goes on there, or here with how far it came: their claims know it (edge/claims), and a copy is sent anew.
  const isHereAlone = tx`not exists (select from action_copy c where c.action_id = action.id and c.edge_id <> ${hello.edgeId})`;
  // Under the same generation: the edge may have been given some of it before its hello was heard, and does nothing twice that it has. So it
  // counts as claimed, long ago: who takes it back asks the edge.
  await tx`
    update action set claimed_at = 'epoch', sent_at = null, why = 'Sent again: its edge lost its store.'
    where sent_to = ${hello.edgeId} and ended_at is null and state = 'ready' and ${isHereAlone}`;
  // What had begun must not be repeated blindly: nobody knows how far it came.
  const begun = await tx<OpenRow[]>`
    select id, device_id, kind, state, generation, claimed_at, cancel_asked_at, recovers from action
    where sent_to = ${hello.edgeId} and ended_at is null and state in ('running', 'verifying') and ${isHereAlone}
    order by id for no key update`;
  const why = 'It ran when its edge lost its store: look at the device before doing it again.';
  return await end(tx, context, begun, { state: 'failed', why, unknown: true }, context.clock.now(), {
    edgeId: hello.edgeId,
  });
}

/** Writes the marks that were raised, and what edges said of themselves. */
export async function advance(
  tx: Sql,
  marks: Marks,
  hellos: { edgeId: string; body: { version: string; threads: number; startedAt: number } }[],
): Promise<void> {
  if (marks.changed.size > 0) {
    const lanes = [...marks.changed].sort((a, b) => a - b);
    await tx`
      insert into ingest_mark (edge_id, lane, sequence)
      select ${marks.edgeId}, lane, sequence
      from unnest(${arrayText(lanes)}::text::int[], ${arrayText(lanes.map((lane) => marks.of(lane)))}::text::bigint[]) as m(lane, sequence)
      on conflict (edge_id, lane) do update set sequence = excluded.sequence`;
  }
  for (const { edgeId, body } of hellos) {
    await tx`
      update edge set version = ${body.version}, threads = ${body.threads}, started_at = ${new Date(body.startedAt)}, greeted_at = null
      where edge_id = ${edgeId}`;
  }
}
