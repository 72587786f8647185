// A PostgreSQL of its own for fault tests, as an ISP has one beside its controls: killed and started again alone, under one URL all the time.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../base/log.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../control/store/embedded-postgres.ts';
import { type Database, openDatabase } from '../../control/store/postgres.ts';
import { PortProxy } from '../port-proxy.ts';

export class TestDatabase {
  readonly #dir: string;
  readonly #proxy: PortProxy;
  #cluster: EmbeddedPostgres;

  private constructor(dir: string, proxy: PortProxy, cluster: EmbeddedPostgres) {
    this.#dir = dir;
    this.#proxy = proxy;
    this.#cluster = cluster;
    proxy.target = cluster.port;
  }

  static async start(): Promise<TestDatabase> {
    const dir = mkdtempSync(join(tmpdir(), 'starling-database-'));
    return new TestDatabase(dir, await PortProxy.open(), await startEmbeddedPostgres(dir, silentLog));
  }

  /** For those who are under test; never to be logged. */
  get url(): string {
    return this.#cluster.url.replace(/:\d+\//, `:${this.#proxy.port}/`);
  }

  /** For the test itself, until the next kill. */
  open(): Promise<Database> {
    return openDatabase(this.#cluster.url, { connectionsMax: 2 });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    process.kill(this.#cluster.pid, 'SIGKILL');
    await this.#cluster.stop(); // So that nothing is kept for the dead one.
  }

  async restart(): Promise<void> {
    this.#cluster = await startEmbeddedPostgres(this.#dir, silentLog);
    this.#proxy.target = this.#cluster.port;
  }

  /** Ends it and removes what it held. */
  async stop(): Promise<void> {
    this.#proxy.close();
    await this.#cluster.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
