// The outbox: facts not yet acknowledged by control, in one order over all threads. It knows nothing of the bus, and once a fact is written
// nobody on the edge looks into it again: records go out as the text they were stored as.
//
// The sequence of a fact is its stamp (stamps.ts), drawn from one counter of the process. What a thread appends in one turn of its event
// loop lies in one record, under the first sequence of it and their number: under load that is dozens of facts for one write and one
// removal. They stand there in order, rising and not always one by one, as other threads draw too; no fact of another lane that depends
// on one of them can have been drawn in between. A record is `<lane> <last sequence> <time of the first>` and, right behind it, the JSON
// list of its facts.
// Why reading in key order is causal order:
// whatever may depend on a fact (the CPE's next request, another thread's session) happens after the CPE was answered, and it was answered
// after the fact was on the disk; so the later fact draws a higher stamp, and whoever reads it finds the earlier one committed.
// Facts that do not depend on each other may become visible out of key order: thread B commits stamp 11 while thread A is still committing
// 10. A reader may then pass 11 on first. That is why control keeps its high-water mark per (edgeId, lane) and not per edge: within a lane
// (one writing thread) stamps are drawn and committed in one order, so nothing below a mark can still come.
//
// Facts written inside a transaction of the relay have a lane of their own: lmdb-js runs transactions after the plain writes of their
// turn, so the two could swap places if they shared one.

import type { Database } from 'lmdb';
import { MESSAGE_VERSION } from '../../bus/messages.ts';
import type { Environment } from './environment.ts';
import { type OutboxKey, openOutbox, Stamps } from './stamps.ts';
import type { FactRecord, NewFact, RecordsOut } from './store.ts';

/** Lane of a writer's transactions: its own lane and this. */
export const TRANSACTION_LANE = 1_000;

export interface Identity {
  edgeId: string;
  pop: string;
  lane: number;
}

/** What is appended in one turn and not yet handed to LMDB. */
interface Turn {
  first: number;
  last: number;
  count: number;
  at: number;
  /** JSON of the facts, with commas between. */
  facts: string;
  durable: Promise<void>;
}

export class Outbox {
  readonly #environment: Environment;
  readonly #stamps: Stamps;
  readonly #identity: Identity;
  /** What each fact begins with. */
  readonly #head: string;
  readonly #database: Database<string, OutboxKey>;
  #incarnation: number;
  #turn: Turn | null = null;

  constructor(environment: Environment, stamps: Stamps, identity: Identity) {
    this.#environment = environment;
    this.#stamps = stamps;
    this.#identity = identity;
    this.#database = openOutbox(environment);
    this.#incarnation = stamps.incarnation;
    const { edgeId, pop } = identity;
    this.#head = `${JSON.stringify({ v: MESSAGE_VERSION, edgeId, pop }).slice(0, -1)},"lane":`;
  }

  /** Appends at least one fact; the promise resolves when they are on the disk. */
  append(facts: NewFact[], at: number): { last: number; durable: Promise<void> } {
    const { first, last, text } = this.#encode(facts, at, this.#identity.lane);
    if (
      this.#turn !== null &&
      (this.#turn.facts.length > RECORD_CHARS || this.#turn.count + facts.length > RECORD_FACTS)
    ) {
      this.handOver();
    }
    const turn = this.#turn;
    if (turn !== null) {
      turn.facts += `,${text}`;
      turn.count += facts.length;
      turn.last = last;
      return { last, durable: turn.durable };
    }
    const begun: Turn = { first, last, count: facts.length, at, facts: text, durable: Promise.resolve() };
    // When all that goes on in this turn has appended: still within the turn, and so within its transaction.
    begun.durable = Promise.resolve().then(() => this.#put(begun));
    begun.durable.catch(() => {});
    this.#turn = begun;
    return { last, durable: begun.durable };
  }

  /** Hands what was appended in this turn to LMDB now, for whoever asks LMDB itself when all is written. */
  handOver(): void {
    if (this.#turn !== null) void this.#put(this.#turn);
  }

  /** Appends inside a transaction. Returns the bytes, which the caller adds to the gauges once it is committed. */
  appendInside(facts: NewFact[], at: number): number {
    const lane = this.#identity.lane + TRANSACTION_LANE;
    const { first, last, text } = this.#encode(facts, at, lane);
    const record = recordOf(lane, last, at, text);
    void this.#database.put([first, facts.length], record);
    return record.length;
  }

  /**
   * The oldest records, with at most `limit` facts together; with more only when the first alone has more. Fewer when they are large: none
   * is read beyond `bytesEnough`. Those that are `out` are passed over; what became visible late may stand between them.
   */
  read(limit: number, bytesEnough: number, out: RecordsOut): FactRecord[] {
    this.#environment.refresh();
    const records: FactRecord[] = [];
    let facts = 0;
    let bytes = 0;
    const start = out.size === 0 ? undefined : this.#firstNotOut(out);
    if (start === null) return records;
    const range = start === undefined ? { limit } : { start, limit: limit + out.size };
    for (const { key, value } of this.#database.getRange(range)) {
      const [first, count] = key;
      if (out.has(first)) continue;
      facts += count;
      if (records.length > 0 && facts > limit) break;
      // A record that was damaged goes out whole: control puts it aside, and those behind it are not held up.
      const [head = '', ...numbers] = HEAD.exec(value) ?? [];
      const [lane = Number.NaN, last = Number.NaN, at = Number.NaN] = numbers.map(Number);
      records.push({ first, count, lane, last, at, text: value.slice(head.length), bytes: value.length });
      bytes += value.length;
      if (bytes >= bytesEnough) break;
    }
    return records;
  }

  /** Removes records that were read. */
  async ack(records: readonly Pick<FactRecord, 'first' | 'count' | 'bytes'>[]): Promise<void> {
    let written: Promise<boolean> | null = null;
    let facts = 0;
    let bytes = 0;
    for (const record of records) {
      written = this.#database.remove([record.first, record.count]);
      facts += record.count;
      bytes += record.bytes;
    }
    if (written === null) return;
    await this.#environment.committed(written);
    this.#stamps.outboxGrew(-facts, -bytes);
  }

  /** Found by keys alone: most often all that is out comes first, and is large. */
  #firstNotOut(out: RecordsOut): OutboxKey | null {
    for (const key of this.#database.getKeys({ limit: out.size + 1 })) if (!out.has(key[0])) return key;
    return null;
  }

  #put(turn: Turn): Promise<void> {
    // Handed over already; its facts are on their way.
    if (this.#turn !== turn) return this.#environment.flushed();
    this.#turn = null;
    const { first, last, count, at, facts } = turn;
    const record = recordOf(this.#identity.lane, last, at, facts);
    const written = this.#database.put([first, count], record);
    // Counted when visible: a relay that looks because of the count must find them.
    written.then(
      () => this.#stamps.outboxGrew(count, record.length),
      () => {},
    );
    return this.#environment.durable(written);
  }

  #encode(facts: NewFact[], at: number, lane: number): { first: number; last: number; text: string } {
    const first = this.#stamps.draw(facts.length);
    let sequence = first;
    let text = '';
    for (const fact of facts) {
      const body = 'text' in fact ? fact.text : JSON.stringify(fact.body);
      text += `${text === '' ? '' : ','}${this.#head}${lane},"sequence":${sequence},"at":${at},"type":"${fact.type}","body":${body}}`;
      sequence++;
    }
    const last = sequence - 1;
    const incarnation = Stamps.incarnationOf(last);
    if (incarnation !== this.#incarnation) {
      this.#incarnation = incarnation;
      this.#environment.meta.put('incarnation', incarnation);
    }
    return { first, last, text };
  }
}

const HEAD = /^(\d+) (\d+) (\d+)(?=\[)/;
const recordOf = (lane: number, last: number, at: number, facts: string): string => `${lane} ${last} ${at}[${facts}]`;

/** A record that has grown to this takes no more: the relay reads whole ones, in batches of LIMITS.relayBatchFacts. */
const RECORD_CHARS = 32 * 1024;
const RECORD_FACTS = 100;
