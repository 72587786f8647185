// Metrics of one session thread. The main thread of the edge gathers those of all threads and adds its own (relay, wakes, store).

import { Registry } from 'prom-client';
import { gauge, latency, Tally } from '../base/metrics.ts';

export class SessionMetrics {
  readonly registry = new Registry();
  readonly connectionsOpened = this.#tally(
    'starling_connections_opened_total',
    'Connections of CPEs opened, those without a readable request among them.',
  );
  readonly sessionsStarted = this.#tally('starling_sessions_started_total', 'Sessions begun by an accepted Inform.');
  readonly sessionsQuiet = this.#tally(
    'starling_sessions_quiet_total',
    'Informs that taught nothing new and wrote nothing.',
  );
  readonly sessionsEnded = this.#tally('starling_sessions_ended_total', 'Sessions ended, by why.', 'why');
  readonly requests = this.#tally('starling_requests_total', 'POSTs read, by kind of message.', 'kind');
  readonly responses = this.#tally('starling_responses_total', 'HTTP responses to CPEs, by status.', 'status');
  readonly refused = this.#tally(
    'starling_requests_refused_total',
    'POSTs that could not be read, by reason.',
    'reason',
  );
  readonly bodiesFailed = this.#tally(
    'starling_bodies_failed_total',
    'Bodies that did not arrive whole, by why.',
    'why',
  );
  readonly tolerances = this.#tally(
    'starling_tolerances_total',
    'Deviations tolerated in what CPEs sent, by name.',
    'name',
  );
  readonly parsePath = this.#tally('starling_parse_path_total', 'Messages by the reader that read them.', 'path');
  readonly rpcs = this.#tally('starling_rpcs_total', 'RPCs sent to CPEs, by method.', 'method');
  readonly cpeFaults = this.#tally(
    'starling_cpe_faults_total',
    'Faults of CPEs in answer to our RPCs, by code.',
    'code',
  );
  readonly acsFaults = this.#tally('starling_acs_faults_total', 'Faults of ours in answer to CPEs, by code.', 'code');
  readonly auth = this.#tally('starling_cpe_auth_total', 'Authentication of CPEs, by outcome.', 'outcome');
  readonly takeovers = this.#tally(
    'starling_session_takeovers_total',
    'Sessions replaced by a new Inform of the same CPE.',
  );
  readonly transfers = this.#tally(
    'starling_file_transfers_total',
    'Files sent to and received from CPEs, by kind and outcome.',
    'outcome',
  );
  readonly events = this.#tally('starling_inform_events_total', 'Events in Informs, by code.', 'code');
  readonly seconds = latency(
    this.registry,
    'starling_request_seconds',
    'Time from the last byte of a POST to its answer.',
    'kind',
  );

  constructor(read: { openConnections: () => number; openSessions: () => number; bodiesHeldBytes: () => number }) {
    gauge(this.registry, 'starling_connections_open', 'Connections of CPEs open now.', read.openConnections);
    gauge(this.registry, 'starling_sessions_open', 'Sessions begun here and not ended yet.', read.openSessions);
    gauge(this.registry, 'starling_bodies_held_bytes', 'Bytes of bodies being received.', read.bodiesHeldBytes);
  }

  #tally(name: string, help: string, label: string | null = null): Tally {
    return new Tally(this.registry, name, help, label);
  }
}
