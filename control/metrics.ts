// What control and its API count, in the registry they are handed. Labels have few values each: never a device, never a name from outside.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { latency, gauge as observed } from '../base/metrics.ts';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface ControlMetrics {
  facts: Counter<'type'>;
  duplicates: Counter<string>;
  parked: Counter<'why'>;
  stale: Counter<string>;
  gaps: Counter<string>;
  lag: Gauge<string>;
  batchSeconds: Histogram<string>;
  actionsCreated: Counter<'kind' | 'owner'>;
  actionsEnded: Counter<'kind' | 'outcome'>;
  actionSeconds: Histogram<'kind'>;
  recoveries: Counter<'outcome'>;
  refusals: Counter<'code'>;
  handovers: Counter<'outcome'>;
  databaseSeconds: Histogram<string>;
}

/** Registers the metrics of control. `openActions` (state → how many) is asked at each scrape. */
export function controlMetrics(registry: Registry, openActions: () => Promise<Map<string, number>>): ControlMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter<L>({ name: `starling_control_${name}`, help, labelNames: [...labelNames], registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge<L>({ name: `starling_control_${name}`, help, labelNames: [...labelNames], registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> =>
    new Histogram<L>({ name: `starling_control_${name}`, help, labelNames: [...labelNames], buckets, registers });
  const open = 'Actions that have not ended, by state.';
  gaugeByState(registry, 'starling_control_actions_open', open, openActions);
  return {
    facts: counter('facts_total', 'Facts that took effect, by type.', ['type']),
    duplicates: counter('facts_duplicate_total', 'Facts delivered again after they took effect.'),
    parked: counter('facts_parked_total', 'Facts put aside because they could not be read or stored.', ['why']),
    stale: counter(
      'batches_stale_total',
      'Batches of facts given back because another control takes that edge by now.',
    ),
    gaps: counter(
      'fact_gaps_total',
      'Batches of facts left alone because facts before them were lost on the road; edges publish both again.',
    ),
    lag: gauge('ingest_lag_seconds', 'Age of the newest fact of the last batch when it took effect.'),
    batchSeconds: histogram('ingest_batch_seconds', 'Time from taking a batch of facts to its commit.', SECONDS),
    actionsCreated: counter('actions_created_total', 'Actions made, by kind and kind of owner.', ['kind', 'owner']),
    actionsEnded: counter('actions_ended_total', 'Actions ended, by kind and outcome.', ['kind', 'outcome']),
    actionSeconds: histogram(
      'action_seconds',
      'Time from making an action to its end.',
      [0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 3_600, 86_400],
      ['kind'],
    ),
    refusals: counter('refusals_total', 'Changes that callers asked for and were refused, by reason.', ['code']),
    recoveries: counter('recoveries_total', 'Actions taken back, or not (stuck).', ['outcome']),
    handovers: counter('handovers_total', 'Batches of decisions handed to edges.', ['outcome']),
    databaseSeconds: histogram(
      'database_seconds',
      'Time of a trivial statement on the database, measured by the health check.',
      SECONDS,
    ),
  };
}

/** Registers what waits to be looked at by a person (state → how many), asked at each scrape. */
export function queueMetrics(registry: Registry, count: () => Promise<Map<string, number>>): void {
  gaugeByState(
    registry,
    'starling_control_queue',
    'Actions that somebody has to look at (GET /queue), by state.',
    count,
  );
}

function gaugeByState(registry: Registry, name: string, help: string, ask: () => Promise<Map<string, number>>): void {
  new Gauge({
    name,
    help,
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      const counts = await ask().catch(() => null);
      this.reset();
      // Without the database there is nothing to tell; the rest of the page must still come.
      for (const [state, count] of counts ?? []) this.set({ state }, count);
    },
  });
}

/** Registers how many edges' facts this control takes, read when scraped. */
export function leaseMetrics(registry: Registry, held: () => number): void {
  const help = 'Edges whose facts this control takes; over all controls each edge is counted once.';
  observed(registry, 'starling_control_leases', help, held);
}

/** Registers the metric of the API; observed with the status of each answer. */
export function apiSeconds(registry: Registry): Histogram {
  return latency(registry, 'starling_api_request_seconds', 'Time to answer API requests, by status.', 'status');
}

/** What became of the token of a request: `none` was sent, it is good, it was never made here, or it has ended. */
export const AUTH_OUTCOMES = ['ok', 'none', 'unknown', 'revoked', 'disabled', 'expired'] as const;

/** Registers the metric of the API's tokens, each outcome from 0 on. */
export function apiAuth(registry: Registry): Counter<'outcome'> {
  const help = 'Requests to the API by what became of their token.';
  const name = 'starling_api_auth_total';
  const outcomes = new Counter({ name, help, labelNames: ['outcome'], registers: [registry] });
  for (const outcome of AUTH_OUTCOMES) outcomes.inc({ outcome }, 0);
  return outcomes;
}
