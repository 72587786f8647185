// Health of connectors and of control itself, as counts over what is stored. CWMP is the one connector so far.

import { LIMITS } from '../../base/limits.ts';
import { settledWithin } from '../../base/timers.ts';
import type { ControlContext } from '../context.ts';
import type { Reconciler } from '../reconciler.ts';
import type { ConnectorService, ConnectorView, HealthService } from '../services.ts';
import { iso } from '../store/postgres.ts';

const DAY_MS = 24 * 3_600_000;

/** ConnectorService: counts over what is stored, made at each call. */
export function connectorService({ sql, clock }: ControlContext): ConnectorService {
  return {
    async list() {
      const online = new Date(clock.now() - LIMITS.silentAfterMs);
      const day = new Date(clock.now() - DAY_MS);
      const [counts] = await sql<
        { known: number; online: number; queued: number; running: number; failed: number; parked: number }[]
      >`
        select (select count(*)::int from device) as known,
          (select count(*)::int from device_seen where last_seen_at >= ${online}) as online,
          (select count(*)::int from action where ended_at is null) as queued,
          (select count(*)::int from action where state in ('running', 'verifying', 'recovering')) as running,
          (select count(*)::int from action where state in ('failed', 'stuck') and ended_at >= ${day}) as failed,
          (select count(*)::int from parked_message) as parked`;
      const edges = await sql<{ edge_id: string; pop: string; version: string; last_fact_at: Date; devices: number }[]>`
        select edge_id, pop, version, last_fact_at, (select count(*)::int from device d where d.edge_id = e.edge_id) as devices
        from edge e order by edge_id`;
      const { known, online: pathsOnline, queued, running, failed, parked } = counts!;
      const cwmp: ConnectorView = {
        id: 'cwmp',
        kind: 'cwmp',
        ...stateOf(edges.length, parked),
        pathsOnline,
        pathsKnown: known,
        actionsQueued: queued,
        actionsRunning: running,
        criticalFails: failed,
        edges: edges.map(({ edge_id, pop, version, last_fact_at, devices }) => ({
          edgeId: edge_id,
          pop,
          version,
          lastFactAt: iso(last_fact_at),
          devices,
        })),
        parkedMessages: parked,
      };
      return [cwmp];
    },
  };
}

function stateOf(edges: number, parked: number): Pick<ConnectorView, 'state' | 'text'> {
  if (edges === 0) return { state: 'down', text: 'No edge has reported yet.' };
  if (parked > 0) return { state: 'degraded', text: `${parked} messages of edges could not be read and are parked.` };
  return { state: 'ok', text: `${edges} ${edges === 1 ? 'edge reports' : 'edges report'}.` };
}

/** HealthService: does the database answer, and how did the last pass of each reconciler go. */
export function healthService({ sql, metrics }: ControlContext, reconcilers: Reconciler[]): HealthService {
  return {
    async check() {
      const end = metrics.databaseSeconds.startTimer();
      let database = { name: 'database', ok: false, text: `does not answer within ${LIMITS.databaseHealthMs} ms` };
      // While it is away the driver waits for it; who asks for health does not.
      const asked = sql`select 1`.then(
        () => {
          database = { name: 'database', ok: true, text: 'answers' };
        },
        (error: Error) => {
          database = { name: 'database', ok: false, text: `does not answer: ${error.message}` };
        },
      );
      await settledWithin(LIMITS.databaseHealthMs, asked);
      end();
      const jobs = reconcilers.map(({ name, last }) => ({
        name,
        ok: last?.ok ?? true,
        text: last?.text ?? 'has not run yet',
      }));
      const checks = [database, ...jobs];
      return { ok: checks.every(({ ok }) => ok), checks };
    },
  };
}
