// A relay on a store of its own, without session threads, and a control that remembers what it was told.

import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { silentLog } from '../base/log.ts';
import { ManualTimers } from '../base/timers.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import {
  type ActionResult,
  type Decision,
  type DecisionBody,
  type DecisionType,
  type Fact,
  MESSAGE_VERSION,
} from '../bus/messages.ts';
import { ALL_FACTS, decisionsFor } from '../bus/subjects.ts';
import { ProfileChooser } from '../profiles/choose.ts';
import { loadProfiles } from '../profiles/load.ts';
import { filesOnDisk } from './file-fetcher.ts';
import { Relay } from './relay.ts';
import type { LmdbEdgeStore } from './store/lmdb-store.ts';
import { openStore } from './store/store.test-helper.ts';

const profiles = new ProfileChooser(loadProfiles());

export class Bench {
  readonly timers = new ManualTimers();
  readonly transport = new InProcessTransport();
  readonly registry = new Registry();
  readonly acked = new BigInt64Array(4);
  readonly woken: string[] = [];
  readonly facts: Fact[] = [];
  /** Batches as they came, for order and size. */
  readonly batches: number[] = [];
  /** Set to make control refuse. */
  refuse: Error | null = null;
  /** CPEs somebody waits for. */
  readonly expected: string[] = [];
  free = LIMITS.storeReserveBytes * 4;
  readonly store: LmdbEdgeStore;
  readonly dir: string;
  readonly relay: Relay;
  #count = 0;

  constructor() {
    const opened = openStore({ freeBytes: async () => this.free });
    this.store = opened.store;
    this.dir = opened.dir;
    const waker = { wake: (cpeId: string, why: string) => void this.woken.push(`${cpeId}: ${why}`) };
    const { store, transport, registry, acked, timers } = this;
    this.relay = new Relay({
      store, transport, registry, acked, timers, waker, profiles, log: silentLog, clock: timers.clock, elapsed: () => timers.clock.now(),
      edgeId: 'e1', pop: 'pop', threads: 2, version: '0.1.0', files: filesOnDisk({ uploaded: () => null }), claims: null, recordings: { begin: async () => {}, round: async () => {} }, expect: (cpeId) => void this.expected.push(cpeId),
    }); // biome-ignore format: a plain list
    onTestFinished(() => this.relay.close());
  }

  control(): void {
    this.transport.subscribe(ALL_FACTS, 'ingest', async (_, messages) => {
      if (this.refuse !== null) throw this.refuse;
      const facts = messages.flatMap(({ payload }) => JSON.parse(String(payload)) as Fact[]);
      this.batches.push(facts.length);
      this.facts.push(...facts);
    });
  }

  /** The hello is on the disk first: the timer that would find it later stands still here. */
  async start(): Promise<void> {
    await this.store.flushed();
    this.control();
    this.relay.start();
  }

  async decide<T extends DecisionType>(type: T, body: DecisionBody<T>): Promise<void> {
    const decision = { v: MESSAGE_VERSION, type, body } as unknown as Decision;
    await this.transport.publish(decisionsFor('pop', 'e1'), [{ id: `d${this.#count++}`, payload: decision }]);
  }

  /** Lets the timer's rounds run for `ms`, and what they started. */
  async pass(ms: number): Promise<void> {
    this.timers.advance(ms);
    await until(() => this.timers.pending >= 2);
  }

  of<T extends Fact['type']>(type: T): Extract<Fact, { type: T }>[] {
    return this.facts.filter((fact): fact is Extract<Fact, { type: T }> => fact.type === type);
  }

  results(): { actionId: string; result: ActionResult }[] {
    return this.of('result').map(({ body }) => body);
  }
}

/** Waits for a condition that real disk writes bring about; the bound of the test is the bound of the wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
