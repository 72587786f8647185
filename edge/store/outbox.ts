// The outbox: facts not yet acknowledged by control, in one order over all threads. It knows nothing of the bus.
//
// Key and sequence of a fact are its stamp (stamps.ts), drawn from one counter of the process. Why reading in key order is causal order:
// whatever may depend on a fact (the CPE's next request, another thread's session) happens after the CPE was answered, and it was answered
// after the fact was on the disk; so the later fact draws a higher stamp, and whoever reads it finds the earlier one committed.
// Facts that do not depend on each other may become visible out of key order: thread B commits stamp 11 while thread A is still committing
// 10. A reader may then pass 11 on first. That is why control keeps its high-water mark per (edgeId, lane) and not per edge: within a lane
// (one writing thread) stamps are drawn and committed in one order, so nothing below a mark can still come.
//
// Facts written inside a transaction of the relay have a lane of their own: lmdb-js runs transactions after the plain writes of their
// turn, so the two could swap places if they shared one.

import type { Database } from 'lmdb';
import type { AnyFactBody, Fact } from '../../bus/messages.ts';
import { MESSAGE_VERSION } from '../../bus/messages.ts';
import type { Environment } from './environment.ts';
import { openOutbox, Stamps } from './stamps.ts';

/** Lane of a writer's transactions: its own lane and this. */
export const TRANSACTION_LANE = 1_000;

export interface Identity {
  edgeId: string;
  pop: string;
  lane: number;
}

export class Outbox {
  readonly #environment: Environment;
  readonly #stamps: Stamps;
  readonly #identity: Identity;
  readonly #database: Database<string, number>;
  /** Lengths of the facts last read: what leaves the outbox when they are acknowledged. */
  readonly #lengths = new Map<number, number>();
  #incarnation: number;
  #uncounted: { written: Promise<boolean>; facts: number; bytes: number } | null = null;

  constructor(environment: Environment, stamps: Stamps, identity: Identity) {
    this.#environment = environment;
    this.#stamps = stamps;
    this.#identity = identity;
    this.#database = openOutbox(environment);
    this.#incarnation = stamps.incarnation;
  }

  /** Appends at least one fact; the promise resolves when they are on the disk. */
  append(facts: AnyFactBody[], at: number): { last: number; durable: Promise<void> } {
    const { last, bytes, written } = this.#write(facts, at, this.#identity.lane);
    const durable = this.#environment.durable(written);
    this.#countWhenVisible(written, facts.length, bytes);
    return { last, durable };
  }

  /** A relay that looks because of the count must find them. Appends of one transaction have one promise, and are counted together. */
  #countWhenVisible(written: Promise<boolean>, facts: number, bytes: number): void {
    if (written === this.#uncounted?.written) {
      this.#uncounted.facts += facts;
      this.#uncounted.bytes += bytes;
      return;
    }
    const uncounted = { written, facts, bytes };
    this.#uncounted = uncounted;
    written.then(
      () => this.#stamps.outboxGrew(uncounted.facts, uncounted.bytes),
      () => {},
    );
  }

  /** Appends inside a transaction. Returns the bytes, which the caller adds to the gauges once it is committed. */
  appendInside(facts: AnyFactBody[], at: number): number {
    return this.#write(facts, at, this.#identity.lane + TRANSACTION_LANE).bytes;
  }

  read(limit: number): { key: number; fact: Fact }[] {
    this.#environment.refresh();
    this.#lengths.clear();
    const facts: { key: number; fact: Fact }[] = [];
    for (const { key, value } of this.#database.getRange({ limit })) {
      this.#lengths.set(key, value.length);
      facts.push({ key, fact: JSON.parse(value) as Fact });
    }
    return facts;
  }

  async ack(keys: number[]): Promise<void> {
    let written: Promise<boolean> | null = null;
    let bytes = 0;
    for (const key of keys) {
      written = this.#database.remove(key);
      bytes += this.#lengths.get(key) ?? 0;
      this.#lengths.delete(key);
    }
    if (written === null) return;
    await this.#environment.committed(written);
    this.#stamps.outboxGrew(-keys.length, -bytes);
  }

  #write(facts: AnyFactBody[], at: number, lane: number): { last: number; bytes: number; written: Promise<boolean> } {
    const { edgeId, pop } = this.#identity;
    let sequence = this.#stamps.draw(facts.length) - 1;
    let bytes = 0;
    let written: Promise<boolean> = Promise.resolve(true);
    for (const { type, body } of facts) {
      sequence++;
      const fact = { v: MESSAGE_VERSION, edgeId, pop, lane, sequence, at, type, body };
      const text = JSON.stringify(fact);
      bytes += text.length;
      written = this.#database.put(sequence, text);
    }
    const incarnation = Stamps.incarnationOf(sequence);
    if (incarnation !== this.#incarnation) {
      this.#incarnation = incarnation;
      this.#environment.meta.put('incarnation', incarnation);
    }
    return { last: sequence, bytes, written };
  }
}
