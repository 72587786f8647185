// A PostgreSQL of the operator's own that is away: control waits for it at start, says so while it is away, and goes on when it is back,
// without a restart of its own.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { InProcessTransport } from '../../bus/in-process.ts';
import { type Control, startControl } from '../../control/main.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../control/store/embedded-postgres.ts';
import { openDatabase } from '../../control/store/postgres.ts';
import { PortProxy } from '../port-proxy.ts';
import { BookEdge } from './beside.test-helper.ts';

const dir = mkdtempSync(join(tmpdir(), 'starling-away-'));
const transport = new InProcessTransport();
let cluster: EmbeddedPostgres;
let control: Control;
let proxy: PortProxy;
let edge: BookEdge;

afterAll(async () => {
  await edge.close();
  await control.close();
  await transport.close();
  proxy.close();
  await cluster.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function startCluster(): Promise<void> {
  cluster = await startEmbeddedPostgres(dir, silentLog);
  proxy.target = cluster.port;
}
const isWell = async (): Promise<boolean> => (await control.services.health.check()).ok;

test('a database that comes late is waited for; one that dies and comes back is used again', {
  timeout: 120_000,
}, async () => {
  proxy = await PortProxy.open();
  await startCluster();
  const databaseUrl = cluster.url.replace(/:\d+\//, `:${proxy.port}/`);
  await cluster.stop();

  const starting = startControl({
    dataDir: dir,
    databaseUrl,
    databaseWaitMs: 60_000,
    manageConnectionRequest: false,
    transport,
    log: silentLog,
    registry: new Registry(),
    fileStore: null,
  });
  await startCluster();
  control = await starting;
  edge = new BookEdge(1, transport);
  await expect.poll(() => edge.waiting, { timeout: 20_000 }).toBe(0);
  await expect.poll(isWell).toBe(true);
  const heard: unknown[] = [];
  control.services.events.subscribe({ kind: 'session' }, ({ body }) => heard.push(body['sessionId']));

  for (let round = 0; round < 2; round++) {
    process.kill(cluster.pid, 'SIGKILL');
    const asked = performance.now();
    await expect.poll(isWell, { timeout: 20_000 }).toBe(false);
    expect(performance.now() - asked).toBeLessThan(10_000);
    for (let n = 0; n < 50; n++) edge.session();
    await startCluster();
    await expect.poll(() => edge.waiting, { timeout: 30_000 }).toBe(0);
    await expect.poll(isWell, { timeout: 30_000 }).toBe(true);
  }
  const sql = await openDatabase(cluster.url, { connectionsMax: 2 });
  try {
    const rows = await sql<
      { id: string }[]
    >`select body->>'sessionId' as id from event where kind = 'session' order by seq`;
    expect(rows.map(({ id }) => id)).toEqual(edge.told);
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual(edge.told);
    // Told by PostgreSQL of what another process commits, also after the connection that tells was lost twice.
    await sql`
      with written as (insert into event (at, kind, summary, body) values (now(), 'session', 'by another', '{"sessionId":"other"}') returning seq)
      select pg_notify('starling_event', max(seq)::text) from written`;
    await expect.poll(() => heard.at(-1), { timeout: 3_000 }).toBe('other');
  } finally {
    await sql.end();
  }
});
