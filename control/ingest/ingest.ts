// Takes batches of messages of facts from the bus and makes the facts take effect: one transaction for effects and high-water mark, so that each
// counts once however often it is delivered. What cannot be read or stored is parked, never dropped, never in the way of the rest.

import type { FactType, ParsedFact, ReceivedFact } from '../../bus/messages.ts';
import { factMessageId, parseFacts } from '../../bus/messages.ts';
import { factsOf } from '../../bus/subjects.ts';
import type { BusMessage } from '../../bus/transport.ts';
import { applyActionEffects } from '../actions/finish.ts';
import { insertActions } from '../actions/insert.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { writeUploads } from '../operations/files.ts';
import { planConnectionRequestCredentials } from '../policy/connection-request.ts';
import { writeTrees } from '../registry/parameters.ts';
import { type Prior, readPriors, writeDevices } from '../registry/write-devices.ts';
import type { Database, Sql } from '../store/postgres.ts';
import { Effects } from './effects.ts';
import { fold } from './fold.ts';
import { advance, dropLostStore, readMarks } from './marks.ts';
import { type Parked, park } from './park.ts';

type OkFact = Extract<ParsedFact, { type: 'ok' }>['fact'];
/** One fact of a message, or what stands in place of one. */
type Item = { raw: unknown } & (
  | { type: 'fact'; fact: OkFact }
  | { type: 'park'; id: string; why: string; place: Place | null }
);
/** The place of a fact in the order of its writer. */
interface Place {
  edgeId: string;
  lane: number;
  sequence: number;
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
}

export interface IngestOptions {
  manageConnectionRequest: boolean;
  /** Called after the commit of a batch that made work or settings for edges; the bus is told to go on when it resolves. */
  handOver(): Promise<void>;
  /** Called after the commit of an edge's hello. */
  greet(): void;
}

/** What subscribes to the facts of all edges. */
export class Ingest {
  readonly #context: ControlContext;
  readonly #options: IngestOptions;

  constructor(context: ControlContext, options: IngestOptions) {
    this.#context = context;
    this.#options = options;
  }

  /**
   * One batch of one edge. Resolves when its effects are committed and what it made for edges is handed over; rejects when the database
   * does not take it, and then the bus delivers it again.
   */
  async handle(subject: string, messages: BusMessage[]): Promise<void> {
    const { metrics, live, clock } = this.#context;
    const end = metrics.batchSeconds.startTimer();
    const items = messages.flatMap(({ id, payload }) =>
      parseFacts(payload).map((received, index) => itemOf(subject, `${id}#${index}`, received)),
    );
    for (const committed of await this.#commit(subject, items)) {
      live.committed(committed.seq);
      for (const [type, count] of committed.counts) metrics.facts.inc({ type }, count);
      metrics.duplicates.inc(committed.duplicates);
      if (committed.newestAt > 0) metrics.lag.set(Math.max(0, clock.now() - committed.newestAt) / 1000);
      if (committed.greet) this.#options.greet();
      if (committed.handOver) await this.#options.handOver();
    }
    end();
  }

  /** Commits the batch as one; when PostgreSQL cannot store something in it, one by one, so that only the culprit is parked. */
  async #commit(subject: string, items: Item[]): Promise<Committed[]> {
    try {
      return [await this.#transaction(subject, items)];
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
        committed.push(await this.#transaction(subject, [item]));
      } catch (error) {
        if (!isPoison(error) || item.type === 'park') throw error;
        const why = `cannot be stored: ${error instanceof Error ? error.message : String(error)}`;
        committed.push(
          await this.#transaction(subject, [
            { type: 'park', id: factMessageId(item.fact), raw: item.raw, why, place: item.fact },
          ]),
        );
      }
    }
    return committed;
  }

  #transaction(subject: string, items: Item[]): Promise<Committed> {
    return (this.#context.sql as Database).begin((tx) => this.#apply(tx, subject, items)) as Promise<Committed>;
  }

  async #apply(tx: Sql, subject: string, items: Item[]): Promise<Committed> {
    const { book, metrics } = this.#context;
    const counts = new Map<FactType, number>();
    const parked: Parked[] = [];
    const fresh: OkFact[] = [];
    let duplicates = 0;
    let newestAt = 0;

    const places = items.flatMap((item) => (item.type === 'fact' ? [item.fact] : item.place ? [item.place] : []));
    const marks = await readMarks(tx, subject, places, this.#context.clock.now());
    const lost: Awaited<ReturnType<typeof dropLostStore>>[] = [];
    for (const item of items) {
      const place = item.type === 'fact' ? item.fact : item.place;
      if (item.type === 'fact' && item.fact.type === 'hello') {
        lost.push(await dropLostStore(tx, this.#context, marks, item.fact, item.fact.body.startedAt));
      }
      if (place && !marks.raise(place)) {
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

    const priors = await readPriors(tx, [...new Set(fresh.flatMap(devicesOf))]);
    const isSecret = (id: string, path: string): boolean =>
      book.isSecret(effects.devices.get(id)?.cpe?.profile ?? priors.get(id)?.profile ?? '', path);
    const effects = new Effects(isSecret);
    for (const fact of fresh) fold(effects, fact);
    const devices = [...effects.devices.values()];

    await writeDevices(tx, devices);
    await writeTrees(tx, this.#context, devices, isSecret);
    await writeUploads(tx, effects.uploads);
    const finished = await applyActionEffects(tx, this.#context, effects.actions, (id) => effects.isSecretOf(id));
    const news = newDevices(effects, priors);
    effects.events.push(...news.events);
    const wanted = this.#options.manageConnectionRequest ? news.needCredentials : [];
    const made = await insertActions(
      tx,
      this.#context,
      await planConnectionRequestCredentials(tx, this.#context, wanted),
    );
    await moveSettings(tx, news.moved);
    await advance(tx, marks, effects.hellos);
    const parkedCount = await park(tx, this.#context, parked);
    for (const { why } of parked) metrics.parked.inc({ why: why.split(/[ :]/)[0] });
    const seq = await record(
      tx,
      [...lost.flatMap(({ events }) => events), ...effects.events, ...finished.events, ...made.events],
      [...lost.flatMap(({ evidence }) => evidence), ...finished.evidence, ...made.evidence],
    );
    const handOver = made.ids.size > 0 || news.moved.length > 0 || news.known.length > 0;
    const greet = effects.hellos.length > 0;
    return { seq, handOver, greet, counts, duplicates, parked: parkedCount, newestAt };
  }
}

/** @param entry names what has no place of its own. */
function itemOf(subject: string, entry: string, { raw, parsed }: ReceivedFact): Item {
  if (parsed.type === 'garbage') return { type: 'park', id: entry, raw, why: `garbage: ${parsed.why}`, place: null };
  if (parsed.type === 'unknown') {
    return { type: 'park', id: factMessageId(parsed), raw, why: `unknown: ${parsed.why}`, place: parsed };
  }
  const { fact } = parsed;
  // An edge may speak for itself alone.
  if (factsOf(fact.pop, fact.edgeId) !== subject) {
    const why = `misplaced: edge ${fact.edgeId} of ${fact.pop} on another subject`;
    return { type: 'park', id: entry, raw, why, place: null };
  }
  return { type: 'fact', fact, raw };
}

function devicesOf(fact: OkFact): string[] {
  if (fact.type === 'hello') return [];
  return fact.type === 'seen' ? fact.body.devices.map(({ cpeId }) => cpeId) : [fact.body.cpeId];
}

/** What first contacts, bootstraps, moves and refused connection requests of the batch ask for. */
function newDevices(effects: Effects, priors: Map<string, Prior>) {
  const needCredentials: string[] = [];
  const moved: string[] = [];
  /** Registered before, now reachable: their settings and actions have waited for an edge. */
  const known: string[] = [];
  const events: Effects['events'] = [];
  for (const device of effects.devices.values()) {
    if (device.informAt === undefined) continue;
    const prior = priors.get(device.id);
    const isNew = !prior?.seen;
    if (isNew || device.reset) needCredentials.push(device.id);
    if (prior && prior.edgeId !== device.edgeId) moved.push(device.id);
    if (prior && isNew) known.push(device.id);
    if (!isNew) continue;
    const { cpe } = device;
    const body = { edgeId: device.edgeId, pop: device.pop, profile: cpe?.profile, address: cpe?.address };
    const summary = `First contact: ${cpe?.device.Manufacturer} ${cpe?.device.ProductClass} ${cpe?.device.SerialNumber}`;
    events.push({ deviceId: device.id, actionId: null, at: device.informAt, kind: 'device.new', summary, body });
  }
  for (const id of effects.unauthorized) if (!needCredentials.includes(id)) needCredentials.push(id);
  return { needCredentials, moved, known, events };
}

/** Settings of devices that came to another edge go there. */
async function moveSettings(tx: Sql, ids: string[]): Promise<void> {
  if (ids.length > 0) await tx`update device_credential set sent_at = null where device_id = any(${ids})`;
}

/**
 * Errors that come again however often the same fact is tried: PostgreSQL's classes 21 to 23 (the data), 54 (its size), and our own
 * mistakes. Everything else (connection, disk, deadlock) passes, and the bus repeats.
 */
function isPoison(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return /^(2[123]|54)/.test(code);
  return error instanceof TypeError || error instanceof RangeError;
}
