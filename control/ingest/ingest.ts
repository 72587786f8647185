// Takes batches of messages of facts from the bus and makes the facts take effect: one transaction for effects and high-water mark, so that each
// counts once however often it is delivered. What cannot be read or stored is parked, never dropped, never in the way of the rest.

import { BusError } from '../../base/errors.ts';
import type { Fact, FactMarks, FactType, LanePlace, ReceivedFact } from '../../bus/messages.ts';
import { endOfMessage, factMessageId, parseFacts } from '../../bus/messages.ts';
import { edgeOfFacts, factsOf } from '../../bus/subjects.ts';
import type { BusMessage } from '../../bus/transport.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { type Fence, isNewestFence, type Leases } from '../store/leases.ts';
import { type Database, type Sql, together } from '../store/postgres.ts';
import { advance, dropLostStore, marksOf, readMarks } from './marks.ts';
import { type Parked, park } from './park.ts';
import { type EffectOptions, isPoison, readPriors, takeEffect } from './take-effect.ts';

/** One fact of a message, or what stands in place of one. */
type Content = { raw: unknown } & (
  | { type: 'fact'; fact: Fact }
  | { type: 'park'; id: string; why: string; place: Place | null }
);
type Item = Content & {
  /** What its message comes behind, if it is the first of it. */
  after: LanePlace | null;
  /** Where its message ends, if it is the last of it: that counts also when what is there cannot be read, for its edge waits for it. */
  end: Place | null;
};
/** The place of a fact in the order of its writer. */
interface Place extends LanePlace {
  edgeId: string;
}

export interface Committed {
  seq: string | null;
  /** There is something to hand over before the facts are acknowledged. */
  handOver: boolean;
  greet: boolean;
  counts: Map<FactType, number>;
  duplicates: number;
  parked: number;
  newestAt: number;
  /** The last fact that a CPE's session waits for. */
  held: Fact | null;
  /** Marks of the lanes of this batch. */
  marks: FactMarks['marks'];
}

export interface IngestOptions extends EffectOptions {
  /** Called after the commit of a batch that made work or settings for edges; the bus is told to go on when it resolves. */
  handOver(): Promise<void>;
  /** Called after the commit of an edge's hello. */
  greet(): void;
  /** Called when a fact that a CPE's session waits for is committed, and what there was to hand over for it is with the bus. */
  taken(fact: Place & { pop: string }): void;
  /** Called for each batch that was handled, with how far the facts of its edge are taken. */
  tellMarks(edge: { pop: string; edgeId: string }, marks: FactMarks): void;
  /** Under which the facts of each subject are taken; null where there is no other control to take them. */
  leases: Pick<Leases, 'fenceOf' | 'lost'> | null;
}

/** What subscribes to the facts of all edges. */
export class Ingest {
  readonly #context: ControlContext;
  readonly #options: IngestOptions;
  /** Subjects whose last batch came behind something that was lost. */
  readonly #gaps = new Set<string>();

  constructor(context: ControlContext, options: IngestOptions) {
    this.#context = context;
    this.#options = options;
  }

  /**
   * One batch of one edge. Resolves when its effects are committed and what it made for edges is handed over, or when something before it
   * is missing: its edge publishes both again. Rejects when the database does not take it, or another control takes this edge's facts now,
   * and then the bus delivers it again.
   */
  async handle(subject: string, messages: BusMessage[]): Promise<void> {
    const { metrics, live, clock, log } = this.#context;
    // Of now, for the whole batch: a lease that was lost and came back while it is in hand is not the one it came under.
    const fence = this.#fenceOf(subject);
    const end = metrics.batchSeconds.startTimer();
    const items = messages.flatMap((message) => itemsOf(subject, message));
    const marks = new Map<number, number>();
    let batch: Committed[];
    try {
      batch = await this.#commit(subject, items, fence);
    } catch (error) {
      if (!(error instanceof Gap)) throw error;
      metrics.gaps.inc();
      // Once for all that came behind it.
      if (!this.#gaps.has(subject)) {
        log.warn({ subject, why: error.message }, 'facts were lost on the road; their edge publishes them again');
      }
      this.#gaps.add(subject);
      this.#options.tellMarks(edgeOfFacts(subject), { marks: [], again: true });
      return;
    }
    this.#gaps.delete(subject);
    for (const committed of batch) {
      for (const [lane, sequence] of committed.marks) marks.set(lane, sequence);
      live.committed(committed.seq);
      for (const [type, count] of committed.counts) metrics.facts.inc({ type }, count);
      metrics.duplicates.inc(committed.duplicates);
      if (committed.newestAt > 0) metrics.lag.set(Math.max(0, clock.now() - committed.newestAt) / 1000);
      if (committed.greet) this.#options.greet();
      if (committed.handOver) await this.#options.handOver();
      if (committed.held !== null) this.#options.taken(committed.held);
    }
    this.#options.tellMarks(edgeOfFacts(subject), { marks: [...marks] });
    end();
  }

  /** All that was on the road from this edge is taken. What it has published and is not within its marks is lost: it hears them. */
  async idle(subject: string): Promise<void> {
    const edge = edgeOfFacts(subject);
    this.#options.tellMarks(edge, { marks: await marksOf(this.#context.sql, edge.edgeId), idle: true });
  }

  /** Commits the batch as one; when PostgreSQL cannot store something in it, one by one, so that only the culprit is parked. */
  async #commit(subject: string, items: Item[], fence: Fence | null): Promise<Committed[]> {
    try {
      return [await this.#transaction(subject, items, fence)];
    } catch (error) {
      if (!isPoison(error)) throw error;
      this.#context.log.warn(
        { err: error, subject, facts: items.length },
        'a batch holds a fact that cannot be stored; taking it apart',
      );
    }
    const committed: Committed[] = [];
    for (const item of items) {
      try {
        committed.push(await this.#transaction(subject, [item], fence));
      } catch (error) {
        if (!isPoison(error) || item.type === 'park') throw error;
        const why = `cannot be stored: ${error instanceof Error ? error.message : String(error)}`;
        committed.push(
          await this.#transaction(
            subject,
            [{ ...item, type: 'park', id: factMessageId(item.fact), why, place: item.fact }],
            fence,
          ),
        );
      }
    }
    return committed;
  }

  #transaction(subject: string, items: Item[], fence: Fence | null): Promise<Committed> {
    const { sql } = this.#context;
    return (sql as Database).begin((tx) => this.#apply(tx, subject, items, fence)) as Promise<Committed>;
  }

  /** Null when nobody else could take facts. Throws BusError when somebody else does. */
  #fenceOf(subject: string): Fence | null {
    const { leases } = this.#options;
    if (leases === null) return null;
    const fence = leases.fenceOf(subject);
    if (fence === null) throw elsewhere(subject);
    return fence;
  }

  async #apply(tx: Sql, subject: string, items: Item[], fence: Fence | null): Promise<Committed> {
    const { metrics } = this.#context;
    const counts = new Map<FactType, number>();
    const parked: Parked[] = [];
    const fresh: Fact[] = [];
    let duplicates = 0;
    let newestAt = 0;

    const places = items.flatMap((item) => [placeOf(item), item.end].filter((place) => place !== null));
    // Sent together, done in this order: a statement of a transaction that failed fails those behind it.
    const [isOurs, marks, priors] = await together([
      fence === null || isNewestFence(tx, fence),
      readMarks(tx, subject, places, this.#context.clock.now()),
      readPriors(
        tx,
        items.flatMap((item) => (item.type === 'fact' ? [item.fact] : [])),
      ),
    ]);
    // Marks alone do not tell: after an edge lost its store they begin anew, and an old batch would raise them over all that is to come.
    if (fence !== null && !isOurs) {
      metrics.stale.inc();
      this.#options.leases?.lost(fence);
      throw elsewhere(subject);
    }
    const lost: Awaited<ReturnType<typeof dropLostStore>>[] = [];
    for (const item of items) {
      const { after, end } = item;
      if (after !== null && marks.of(after.lane) < after.sequence) throw new Gap(after, marks.of(after.lane));
      const place = placeOf(item);
      if (item.type === 'fact' && item.fact.type === 'hello') {
        lost.push(await dropLostStore(tx, this.#context, marks, item.fact, item.fact.body.startedAt));
      }
      const isNew = place === null || marks.raise(place);
      if (end !== null) marks.raise(end);
      if (!isNew) {
        duplicates += 1;
        continue;
      }
      if (item.type === 'park') parked.push({ subject, id: item.id, raw: item.raw, why: item.why });
      else {
        fresh.push(item.fact);
        newestAt = Math.max(newestAt, item.fact.at);
        counts.set(item.fact.type, (counts.get(item.fact.type) ?? 0) + 1);
      }
    }

    const taken = await takeEffect(tx, this.#context, this.#options, fresh, priors);
    const [parkedCount] = await together([park(tx, this.#context, parked), advance(tx, marks, taken.hellos)]);
    for (const { why } of parked) metrics.parked.inc({ why: why.split(/[ :]/)[0] });
    const seq = await record(
      tx,
      [...lost.flatMap(({ events }) => events), ...taken.events],
      [...lost.flatMap(({ evidence }) => evidence), ...taken.evidence],
    );
    const greet = taken.hellos.length > 0;
    const held = fresh.findLast((fact) => fact.type === 'inform' && fact.body.held === true) ?? null;
    const lanes = [...new Set(places.map(({ lane }) => lane))];
    return {
      ...{ seq, handOver: taken.handOver, greet, counts, duplicates, parked: parkedCount, newestAt, held },
      marks: lanes.map((lane) => [lane, marks.of(lane)]),
    };
  }
}

/** What a message came behind was lost on the road. */
class Gap extends Error {
  constructor(after: LanePlace, mark: number) {
    super(`facts of lane ${after.lane} behind ${mark} and up to ${after.sequence} have not come`);
  }
}

const placeOf = (item: Item): Place | null => (item.type === 'fact' ? item.fact : item.place);

function itemsOf(subject: string, { id, payload, after }: BusMessage): Item[] {
  const told = endOfMessage(id);
  const end = told !== null && told.edgeId === edgeOfFacts(subject).edgeId ? told : null;
  const received = parseFacts(payload);
  return received.map((one, index) => ({
    ...contentOf(subject, `${id}#${index}`, one),
    after: index === 0 && end !== null ? (after ?? null) : null,
    end: index === received.length - 1 ? end : null,
  }));
}

/** @param entry names what has no place of its own. */
function contentOf(subject: string, entry: string, { raw, parsed }: ReceivedFact): Content {
  if (parsed.type === 'garbage') return { type: 'park', id: entry, raw, why: `garbage: ${parsed.why}`, place: null };
  const told = parsed.type === 'ok' ? parsed.fact : parsed;
  // An edge may speak for itself alone, also in what cannot be read: its place would raise the mark of another edge.
  if (factsOf(told.pop, told.edgeId) !== subject) {
    const why = `misplaced: edge ${told.edgeId} of ${told.pop} on another subject`;
    return { type: 'park', id: entry, raw, why, place: null };
  }
  if (parsed.type === 'unknown') {
    return { type: 'park', id: factMessageId(parsed), raw, why: `unknown: ${parsed.why}`, place: parsed };
  }
  return { type: 'fact', fact: parsed.fact, raw };
}

function elsewhere(subject: string): BusError {
  return new BusError('not-taken', `Another control takes ${subject} now. Publish it again: it goes there.`);
}
