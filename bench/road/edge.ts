// The edge of the road benches: store, outbox and relay as shipped, without CPEs. A backlog is written as session threads write facts, and
// drained by a relay that starts behind it, as that of an edge does that was started again. Last contacts are gathered on a time of their own,
// so that an interval of minutes takes seconds.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { ManualTimers } from '../../base/timers.ts';
import type { BusTransport } from '../../bus/transport.ts';
import { filesOnDisk } from '../../edge/file-fetcher.ts';
import { LastContacts } from '../../edge/last-contacts.ts';
import { Relay } from '../../edge/relay.ts';
import { type LmdbEdgeStore, openEdgeStore } from '../../edge/store/lmdb-store.ts';
import { Stamps } from '../../edge/store/stamps.ts';
import { ProfileChooser } from '../../profiles/choose.ts';
import { loadProfiles } from '../../profiles/load.ts';
import { randomFrom } from '../../test/random.ts';
import { cpeIdOf, type Make } from '../facts.ts';

/** Facts handed to LMDB before the disk is waited for: some megabytes. */
const FILL_AHEAD = 5_000;

export interface Contacts {
  devices: number;
  intervalSeconds: number;
  /** Each gathers those of its own sessions. */
  threads: number;
  /** Informs of each device. */
  intervals: number;
}

export class RoadEdge {
  readonly #edgeId: string;
  readonly #pop: string;
  readonly #transport: BusTransport;
  readonly #dir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  readonly #stamps = Stamps.forNewStart(this.#dir);
  readonly #store: LmdbEdgeStore;
  readonly #profiles = new ProfileChooser(loadProfiles());
  #relay: Relay | null = null;
  #turn = 0;

  constructor(edgeId: string, pop: string, transport: BusTransport) {
    this.#edgeId = edgeId;
    this.#pop = pop;
    this.#transport = transport;
    this.#store = this.#open(0);
  }

  /** Writes `facts` of one thread, `recordFacts` in each of its turns, while nothing drains. Returns what waits then, with the relay's hello. */
  async fill(make: Make, facts: number, recordFacts: number, devices: number): Promise<number> {
    // Control has what was drained before, and its word of that may be on the way: what it is not heard of would come again.
    while (this.#relay !== null && this.#store.outboxDepth() > 0) await setTimeout(1);
    await this.#relay?.close();
    const thread = this.#open(1);
    for (let written = 0; written < facts; ) {
      const count = Math.min(recordFacts, facts - written);
      const list = Array.from({ length: count }, () => make(++this.#turn % devices, this.#turn));
      const { durable } = thread.appendFacts(list, Date.now());
      // A record of its own: the turn ends here.
      await null;
      if (Math.floor((written + count) / FILL_AHEAD) > Math.floor(written / FILL_AHEAD)) await durable;
      written += count;
    }
    await thread.flushed();
    await thread.close();
    this.#relay = this.#newRelay();
    await this.#store.flushed();
    return this.#store.outboxDepth();
  }

  drain(): void {
    this.#relay?.start();
  }

  /** Quiet devices, at places of no pattern in the interval, in a time that stands still while their batch is under way. Returns the batches. */
  async tell({ devices, intervalSeconds, threads, intervals }: Contacts): Promise<number> {
    const timers = new ManualTimers();
    const random = randomFrom(1);
    const places = Array.from({ length: devices }, (_, device) => ({
      device,
      at: Math.floor(random() * intervalSeconds * 1_000),
    }));
    places.sort((a, b) => a.at - b.at);
    let batches = 0;
    let isTold = false;
    const nudge = (): void => {
      batches++;
      isTold = true;
    };
    const stores = Array.from({ length: threads }, (_, i) => this.#open(i + 1));
    const { clock } = timers;
    const contacts = stores.map(
      (store) => new LastContacts({ store, clock, timers, log: silentLog, isFar: true, nudge }),
    );
    const sendWhatIsTold = async (): Promise<void> => {
      if (!isTold) return;
      isTold = false;
      await Promise.all(stores.map((store) => store.flushed()));
      while (this.#store.outboxDepth() > 0) {
        this.#relay?.nudge();
        await setImmediate();
      }
    };
    const begunAt = clock.now();
    for (let interval = 0; interval < intervals; interval++) {
      for (const { device, at } of places) {
        const due = begunAt + interval * intervalSeconds * 1_000 + at;
        // In steps, as the timer of one thread may run out well before the next device comes.
        while (due > clock.now()) {
          timers.advance(Math.min(STEP_MS, due - clock.now()));
          await sendWhatIsTold();
        }
        // The next session is on any thread.
        contacts[Math.floor(random() * threads)]?.mark(cpeIdOf(device), clock.now());
        await sendWhatIsTold();
      }
    }
    for (const one of contacts) one.flush();
    await sendWhatIsTold();
    for (const store of stores) await store.close();
    return batches;
  }

  async close(): Promise<void> {
    await this.#relay?.close();
    await this.#store.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #open(lane: number): LmdbEdgeStore {
    return openEdgeStore({
      ...{ dir: this.#dir, edgeId: this.#edgeId, pop: this.#pop, lane, stamps: this.#stamps },
      key: new Uint8Array(32),
    });
  }

  #newRelay(): Relay {
    return new Relay({
      store: this.#store, transport: this.#transport, waker: { wake() {} }, profiles: this.#profiles, log: silentLog,
      registry: new Registry(), clock: systemClock, edgeId: this.#edgeId, pop: this.#pop, threads: 1, version: 'bench',
      expect() {}, files: filesOnDisk({ uploaded: () => null }), recordings: { begin: async () => {}, round: async () => {} }, claims: null, acked: new BigInt64Array(16),
    }); // biome-ignore format: a plain list
  }
}

/** Of the time of `tell`; shorter than what last contacts gather for. */
const STEP_MS = 250;
