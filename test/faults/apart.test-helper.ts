// What the faults of the distributed form happen to: an edge in its POP with a leaf, a line to the hub, control and a PostgreSQL at the
// centre, each a process that can be killed alone; simulated CPEs and operators that keep books; and the comparison when all is well again.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect } from 'vitest';
import { DECISIONS_STREAM, FACTS_STREAM } from '../../bus/nats-streams.ts';
import type { Database } from '../../control/store/postgres.ts';
import { freePort } from '../nats.test-helper.ts';
import { type DistributedOptions, startOverNats, type TestDistributed } from '../nats-starling.test-helper.ts';
import { PortProxy } from '../port-proxy.ts';
import { randomFrom, seedOfRun } from '../random.ts';
import { audit, openActions } from './books.ts';
import { TestDatabase } from './database.test-helper.ts';
import { Load } from './load.ts';
import { expectOpenOnesNeverArrived, outboxDepthAt, settle } from './settle.ts';

/** With `npm run test:faults`: everything at its full length, which takes the better part of an hour. CI has a few rounds of each. */
export const FULL = process.env['STARLING_TEST_FAULTS'] === '1';

export const PARTS = ['edge', 'leaf', 'hub', 'control', 'PostgreSQL'] as const;
export type Part = (typeof PARTS)[number];

export interface ApartOptions extends Omit<DistributedOptions, 'line'> {
  cpes?: number;
  idleMsMax?: number;
  env?: Record<string, string>;
  /** Called when every process is gone, before their folders are removed. */
  stopped?: () => void;
}

export class Apart {
  readonly starling: TestDistributed;
  readonly database: TestDatabase;
  /** Between leaf and hub. */
  readonly wan: PortProxy;
  readonly load: Load;
  readonly random: () => number;
  readonly #stopped: () => void;

  private constructor(
    starling: TestDistributed,
    database: TestDatabase,
    wan: PortProxy,
    load: Load,
    random: () => number,
    stopped: () => void,
  ) {
    this.#stopped = stopped;
    this.starling = starling;
    this.database = database;
    this.wan = wan;
    this.load = load;
    this.random = random;
  }

  /** Starts everything, with CPEs that had their first session and are silent. @param name of the fault, printed with the seed. */
  static async start(
    name: string,
    { cpes = 9, idleMsMax = 85, env = {}, stopped = () => {}, ...options }: ApartOptions = {},
  ): Promise<Apart> {
    const seed = seedOfRun();
    console.log(`${name}: STARLING_TEST_SEED=${seed}, ${cpes} CPEs`);
    const random = randomFrom(seed);
    const database = await TestDatabase.start();
    const wan = await PortProxy.open(random);
    try {
      const port = await freePort();
      const line = (hubPort: number): number => {
        wan.target = hubPort;
        return wan.port;
      };
      const all = {
        STARLING_CWMP_PORT: String(port),
        STARLING_DATABASE_URL: database.url,
        STARLING_LOG_LEVEL: 'warn',
        ...env,
      };
      const starling = await startOverNats(all, { ...options, line });
      const load = new Load(`http://127.0.0.1:${port}/`, cpes, random, { idleMsMax });
      const apart = new Apart(starling, database, wan, load, random, stopped);
      await load.powerUp().catch(async (error: unknown) => {
        await starling.kill();
        throw error;
      });
      return apart;
    } catch (error) {
      stopped();
      wan.close();
      await database.stop();
      throw error;
    }
  }

  /** kill -9 of a part; `restart` starts it on what it had. */
  kill(part: Part): Promise<void> {
    const { starling, database } = this;
    switch (part) {
      case 'leaf':
      case 'hub':
        return starling.nats[part].kill();
      case 'PostgreSQL':
        return database.kill();
      default:
        return starling[part].kill();
    }
  }

  restart(part: Part): Promise<void> {
    const { starling, database } = this;
    switch (part) {
      case 'leaf':
      case 'hub':
        return starling.nats[part].restart();
      case 'PostgreSQL':
        return database.restart();
      case 'edge':
        return starling.startEdge();
      case 'control':
        return starling.startControl();
    }
  }

  /** Facts that wait on the edge. */
  outboxDepth(): Promise<number> {
    return outboxDepthAt(this.starling.edge.url('edge'));
  }

  /** What waits on the edge and, stored but not taken by the other side, at the hub: facts, and messages. */
  async onTheWay(): Promise<Record<string, number>> {
    return { outbox: await this.outboxDepth(), ...(await this.atHub((jsm) => messagesIn(jsm))) };
  }

  /** Looks at the streams, as control may. */
  async atHub<T>(look: (jsm: JetStreamManager, nats: NatsConnection) => Promise<T>): Promise<T> {
    const { username: user, password: pass, host } = new URL(this.starling.nats.controlUrl);
    const nats = await connect({ servers: host, user, pass });
    try {
      return await look(await jetstreamManager(nats), nats);
    } finally {
      await nats.close();
    }
  }

  /** A value of `/metrics` of a role, the sum over its labels; those that have `label` alone, when it is given. */
  async metric(role: 'edge' | 'control', name: string, label = ''): Promise<number> {
    const url = role === 'edge' ? this.starling.edge.url('edge') : this.starling.httpUrl;
    const text = await (await fetch(`${url}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async query<T>(look: (sql: Database) => Promise<T>): Promise<T> {
    const sql = await this.database.open();
    try {
      return await look(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  /**
   * Everything is there again: what was not confirmed is asked for again, the CPEs deliver what they have, and the books are compared.
   * @param counts of the fault itself, printed in one table with what was compared.
   */
  async healed(counts: Record<string, number | string>): Promise<void> {
    const { load, starling } = this;
    await load.stopOperating();
    await load.askAgain(starling);
    await load.calm();
    const startedAt = performance.now();
    let left = 0;
    const { found, open, stored } = await this.query(async (sql) => {
      await settle(() => this.onTheWay(), sql, load);
      const [row] = await sql<{ count: number }[]>`select count(*)::int as count from event`;
      left = await this.atHub(async (jsm) => (await jsm.streams.info(FACTS_STREAM)).state.messages);
      return { found: await audit(sql, load), open: await openActions(sql), stored: row!.count };
    });
    console.table({
      ...counts,
      'settled after seconds': Math.round(performance.now() - startedAt) / 1_000,
      CPEs: load.cpes.length,
      'acknowledged Informs': found.counts['informs'],
      'acknowledged values': found.counts['values'],
      'acknowledged transfers': found.counts['transfers'],
      'acknowledged uploads': found.counts['uploads'],
      'events stored': stored,
      'taken, and still in the stream': left,
      actions: found.counts['actions'],
      'actions ended': found.counts['ended'],
      'actions open': open.length,
      differences: found.differences.length,
    });
    expect(found.differences).toEqual([]);
    expectOpenOnesNeverArrived(open, load);
  }

  async stop(): Promise<void> {
    this.wan.heal();
    await this.load.stop();
    await this.starling.kill();
    this.#stopped();
    this.starling.clean();
    this.wan.close();
    await this.database.stop();
  }
}

/**
 * What the consumers have not delivered, or have no answer to. Not what the streams hold: a nats-server (2.9.10) that was killed may keep
 * messages that were acknowledged just before, which nobody gets again.
 */
async function messagesIn(jsm: JetStreamManager): Promise<Record<string, number>> {
  const messages: Record<string, number> = {};
  for (const name of [FACTS_STREAM, DECISIONS_STREAM]) {
    messages[name] = 0;
    for await (const { num_pending, num_ack_pending } of jsm.consumers.list(name)) {
      messages[name] += num_pending + num_ack_pending;
    }
  }
  return messages;
}

/** A folder of its own, removed by whoever asked. */
export const newFolder = (name: string): string => mkdtempSync(join(tmpdir(), `starling-${name}-`));
export const removeFolder = (dir: string): void => rmSync(dir, { recursive: true, force: true });
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
