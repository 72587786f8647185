// Prints docs/metrics.md from what the code registers: every part gets a registry of its own and nothing is started. Metrics of Node and
// of the process are those of prom-client, differ by platform, and are not listed.

import { type MetricObject, Registry } from 'prom-client';
import { assert } from '../base/assert.ts';
import { loadConfig } from '../base/config.ts';
import { silentLog } from '../base/log.ts';
import { ACTION_KINDS, OUTCOMES } from '../bus/messages.ts';
import { NatsMetrics } from '../bus/nats-metrics.ts';
import { QUEUE_STATES } from '../control/actions/lists.ts';
import { AUTH_OUTCOMES, apiAuth, apiSeconds, controlMetrics, leaseMetrics, queueMetrics } from '../control/metrics.ts';
import { ACTION_STATES, isEnded } from '../control/services.ts';
import { PARSE_PATHS } from '../cwmp/read.ts';
import { REFUSALS } from '../cwmp/refusals.ts';
import { ClaimKeeper, type KeeperOptions } from '../edge/claims/keeper.ts';
import { NOTHING_TO_READ, SessionMetrics } from '../edge/edge-metrics.ts';
import { FileFetcher, type FileFetcherOptions } from '../edge/file-fetcher.ts';
import { Relay, type RelayOptions } from '../edge/relay.ts';
import { type OpenWaker, openWaker } from '../edge/waker.ts';
import { processMetrics } from './process-metrics.ts';

/** What prom-client keeps of a metric and does not declare. */
type Registered = MetricObject & { labelNames: readonly string[] };

const code = (values: readonly string[]): string => values.map((value) => `\`${value}\``).join(', ');

/** Metric → values of its label, where they are a closed list or stand in another document. */
const LABEL_VALUES: Readonly<Record<string, string>> = {
  starling_tolerances_total: 'names of [tolerances.md](tolerances.md)',
  starling_parse_path_total: code(['glance', ...PARSE_PATHS, 'pool']),
  starling_requests_refused_total: 'reasons [below](#requests-that-are-refused), and those of HTTP and sessions',
  starling_rpcs_total: 'methods of [rpc.md](rpc.md), and of vendors',
  starling_cpe_faults_total: 'codes of [faults.md](faults.md), and of vendors',
  starling_acs_faults_total: 'codes of [faults.md](faults.md)',
  starling_inform_events_total: 'events of [rpc.md](rpc.md#events-of-an-inform), `other`',
  starling_request_seconds: '`stored` when the answer waited for the disk, else `quiet`',
  starling_requests_total: '`inform`, `empty`, `request`, `response`, `fault`, `refused`',
  starling_decisions_total: '`work`, `cancel`, `withdraw`, `wake`, `device`, `taken`, `unknown`',
  starling_files_fetched_total: '`fetched`, `failed` (and asked for again)',
  starling_nats_bytes_total: '`in`, `out`',
  starling_nats_messages_total: '`in`, `out`',
  starling_nats_publish_seconds: '`stored`, `failed`',
  starling_claims_total:
    '`taken`, `held` (by another edge), `over` (it had ended there), `away` (nobody could tell), `lost` (before a request left)',
  starling_control_handovers_total: '`ok`, `late`, `away`',
  starling_control_facts_parked_total: '`garbage`, `unknown`, `misplaced`, `cannot` (be stored)',
  starling_control_actions_open: code(ACTION_STATES.filter((state) => !isEnded(state))),
  starling_control_queue: code(QUEUE_STATES),
  starling_control_actions_created_total: `\`kind\`: ${code(ACTION_KINDS)}`,
  starling_control_actions_ended_total: `\`kind\` as above, \`outcome\`: ${code(OUTCOMES)}`,
  starling_api_request_seconds: 'HTTP status',
  starling_api_auth_total: code(AUTH_OUTCOMES),
};

/** docs/metrics.md: every metric of ours with type, labels and help, by role. */
export function printMetricsDoc(): string {
  const roles: [string, string, Registry][] = [
    ['Edge: session threads', 'Each thread counts for itself; a scrape shows the sum.', sessionThread()],
    ['Edge: main thread', 'Outbox, decisions and connection requests of one edge.', edgeMainThread()],
    ['NATS', 'Of an edge and of a control that meet over NATS.', nats()],
    ['Control', 'Ingest, actions and database.', control()],
    ['API', 'What is asked of control over HTTP.', api()],
    ['Process', 'Beside `process_*` and `nodejs_*`, which are those of prom-client.', ofProcess()],
  ];
  const sections = roles.flatMap(([title, text, registry]) => [`## ${title}`, '', text, '', ...table(registry), '']);
  const printed = new Set(roles.flatMap(([, , registry]) => ours(registry).map(({ name }) => name)));
  for (const name of Object.keys(LABEL_VALUES)) assert(printed.has(name), `there is no metric ${name} any more`);
  const refusals = Object.entries(REFUSALS).map(
    ([reason, { status, text }]) => `| \`${reason}\` | ${status} | ${text} |`,
  );
  return [
    '# Metrics',
    '',
    '<!-- Printed by `npm run docs` from what the code registers. Change that, not this file. -->',
    '',
    '`GET /metrics` on the API port, and of an edge that runs alone on `STARLING_EDGE_ADMIN_PORT`, in the text format of Prometheus, without a',
    'token. Labels never name a device or a customer; values beyond a bound are counted as `other`. Histograms have `_bucket`, `_sum` and `_count`.',
    '',
    ...sections,
    '## Requests that are refused',
    '',
    'Values of `reason` in `starling_requests_refused_total` for bodies that no reader takes, with the answer the CPE gets.',
    '',
    '| reason | status | text |',
    '| --- | --- | --- |',
    ...refusals,
    '',
  ].join('\n');
}

function table(registry: Registry): string[] {
  const rows = ours(registry).map(({ name, type, labelNames, help }) => {
    const labels = labelNames.length === 0 ? '' : code(labelNames);
    return `| \`${name}\` | ${type} | ${labels} | ${LABEL_VALUES[name] ?? ''} | ${help} |`;
  });
  return ['| metric | type | labels | values | what it says |', '| --- | --- | --- | --- | --- |', ...rows];
}

function ours(registry: Registry): Registered[] {
  const all = registry.getMetricsAsArray() as unknown as Registered[];
  return all.filter(({ name }) => name.startsWith('starling_'));
}

function sessionThread(): Registry {
  return new SessionMetrics(NOTHING_TO_READ).registry;
}

/** Relay, fetcher and waker register when they are made; of what they are handed the relay uses only the outbox then, for its hello. */
function edgeMainThread(): Registry {
  const registry = new Registry();
  const store = { appendFacts: () => ({ durable: Promise.resolve() }) };
  const parts = { registry, store, log: silentLog, config: loadConfig({}, {}, null), clock: { now: () => 0 } };
  new Relay({ ...parts, pop: 'pop', edgeId: 'edge', version: '', threads: 1 } as unknown as RelayOptions);
  new FileFetcher({ ...parts, pop: 'pop', edgeId: 'edge' } as unknown as FileFetcherOptions).close();
  new ClaimKeeper(parts as unknown as KeeperOptions);
  openWaker({ ...parts, contactMark: () => 0 } as unknown as OpenWaker);
  return registry;
}

function nats(): Registry {
  const registry = new Registry();
  new NatsMetrics(registry);
  return registry;
}

function control(): Registry {
  const registry = new Registry();
  controlMetrics(registry, async () => new Map());
  queueMetrics(registry, async () => new Map());
  leaseMetrics(registry, () => 0);
  return registry;
}

function api(): Registry {
  const registry = new Registry();
  apiSeconds(registry);
  apiAuth(registry);
  return registry;
}

function ofProcess(): Registry {
  const registry = new Registry();
  processMetrics(registry, '');
  return registry;
}
