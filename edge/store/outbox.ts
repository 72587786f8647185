// The outbox: facts not yet acknowledged by control, in one order over all threads. It knows nothing of the bus.
//
// The sequence of a fact is its stamp (stamps.ts), drawn from one counter of the process. What a thread appends in one turn of its event
// loop lies in one record, under the first sequence of it and their number: under load that is dozens of facts for one write and one
// removal. They stand there in order, and no fact of another lane that depends on one of them can have been drawn in between.
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
import { assert } from '../../base/assert.ts';
import type { AnyFactBody, Fact } from '../../bus/messages.ts';
import { MESSAGE_VERSION } from '../../bus/messages.ts';
import type { Environment } from './environment.ts';
import { type OutboxKey, openOutbox, Stamps } from './stamps.ts';

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
  count: number;
  /** JSON of the facts, with commas between. */
  text: string;
  durable: Promise<void>;
}

export class Outbox {
  readonly #environment: Environment;
  readonly #stamps: Stamps;
  readonly #identity: Identity;
  readonly #database: Database<string, OutboxKey>;
  /** What was last read, by first sequence: how many facts leave the outbox, and how many bytes, when it is acknowledged. */
  readonly #read = new Map<number, { count: number; bytes: number }>();
  #incarnation: number;
  #turn: Turn | null = null;

  constructor(environment: Environment, stamps: Stamps, identity: Identity) {
    this.#environment = environment;
    this.#stamps = stamps;
    this.#identity = identity;
    this.#database = openOutbox(environment);
    this.#incarnation = stamps.incarnation;
  }

  /** Appends at least one fact; the promise resolves when they are on the disk. */
  append(facts: AnyFactBody[], at: number): { last: number; durable: Promise<void> } {
    const { first, text } = this.#encode(facts, at, this.#identity.lane);
    const last = first + facts.length - 1;
    if (
      this.#turn !== null &&
      (this.#turn.text.length > RECORD_CHARS || this.#turn.count + facts.length > RECORD_FACTS)
    ) {
      this.handOver();
    }
    const turn = this.#turn;
    if (turn !== null) {
      turn.text += `,${text}`;
      turn.count += facts.length;
      return { last, durable: turn.durable };
    }
    const begun: Turn = { first, count: facts.length, text, durable: Promise.resolve() };
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
  appendInside(facts: AnyFactBody[], at: number): number {
    const { first, text } = this.#encode(facts, at, this.#identity.lane + TRANSACTION_LANE);
    void this.#database.put([first, facts.length], text);
    return text.length;
  }

  /**
   * The oldest facts, at most `limit` of them; more only when the first record alone has more, for a record is read as a whole. Fewer when
   * they are large: no record is read beyond `bytesEnough`.
   */
  read(limit: number, bytesEnough: number): { key: number; fact: Fact }[] {
    this.#environment.refresh();
    this.#read.clear();
    const facts: { key: number; fact: Fact }[] = [];
    let bytes = 0;
    for (const { key, value } of this.#database.getRange({ limit })) {
      const [first, count] = key;
      if (facts.length > 0 && facts.length + count > limit) break;
      this.#read.set(first, { count, bytes: value.length });
      for (const fact of JSON.parse(`[${value}]`) as Fact[]) facts.push({ key: first, fact });
      bytes += value.length;
      if (bytes >= bytesEnough) break;
    }
    return facts;
  }

  /** Removes records, by the keys of the facts last read. Throws AssertionError when some facts of one are left out. */
  async ack(keys: number[]): Promise<void> {
    const acked = new Map<number, number>();
    for (const key of keys) acked.set(key, (acked.get(key) ?? 0) + 1);
    let written: Promise<boolean> | null = null;
    let bytes = 0;
    for (const [first, count] of acked) {
      const record = this.#read.get(first) ?? { count, bytes: 0 };
      assert(record.count === count, 'facts of one record are acknowledged together');
      written = this.#database.remove([first, count]);
      bytes += record.bytes;
      this.#read.delete(first);
    }
    if (written === null) return;
    await this.#environment.committed(written);
    this.#stamps.outboxGrew(-keys.length, -bytes);
  }

  #put(turn: Turn): Promise<void> {
    // Handed over already; its facts are on their way.
    if (this.#turn !== turn) return this.#environment.flushed();
    this.#turn = null;
    const { first, count, text } = turn;
    const written = this.#database.put([first, count], text);
    // Counted when visible: a relay that looks because of the count must find them.
    written.then(
      () => this.#stamps.outboxGrew(count, text.length),
      () => {},
    );
    return this.#environment.durable(written);
  }

  #encode(facts: AnyFactBody[], at: number, lane: number): { first: number; text: string } {
    const { edgeId, pop } = this.#identity;
    const first = this.#stamps.draw(facts.length);
    let sequence = first;
    let text = '';
    for (const { type, body } of facts) {
      const fact = { v: MESSAGE_VERSION, edgeId, pop, lane, sequence, at, type, body };
      text += text === '' ? JSON.stringify(fact) : `,${JSON.stringify(fact)}`;
      sequence++;
    }
    const incarnation = Stamps.incarnationOf(sequence - 1);
    if (incarnation !== this.#incarnation) {
      this.#incarnation = incarnation;
      this.#environment.meta.put('incarnation', incarnation);
    }
    return { first, text };
  }
}

/** A record that has grown to this takes no more: the relay reads whole ones, in batches of LIMITS.relayBatchFacts. */
const RECORD_CHARS = 32 * 1024;
const RECORD_FACTS = 100;
