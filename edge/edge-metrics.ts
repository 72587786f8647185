// Metrics of one session thread. The main thread of the edge gathers those of all threads and adds its own (relay, wakes, store).

import { Registry } from 'prom-client';
import { gauge, Latency, Tally } from '../base/metrics.ts';

/** What is read when somebody scrapes. */
export interface ReadWhenScraped {
  openConnections(): number;
  openSessions(): number;
  bodiesHeldBytes(): number;
  bars(): { loop: number; disk: number };
  waits(): { loopMs: number; diskMs: number };
  bigWaiting(): number;
}

/** Of a thread that has nothing of it. */
export const NOTHING_TO_READ: ReadWhenScraped = {
  openConnections: () => 0,
  openSessions: () => 0,
  bodiesHeldBytes: () => 0,
  bars: () => ({ loop: 0, disk: 0 }),
  waits: () => ({ loopMs: 0, diskMs: 0 }),
  bigWaiting: () => 0,
};

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
  readonly sessionsShed = this.#tally(
    'starling_sessions_shed_total',
    'Informs told to come again later, by class.',
    'class',
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
  readonly seconds = new Latency(
    this.registry,
    'starling_request_seconds',
    'Time from the last byte of a POST to its answer.',
    'kind',
    ['quiet', 'stored'],
  );
  /** Informs answered at a glance, and quiet sessions ended at a look: each stands for several counts, which are made up when asked for. */
  quietInforms = 0;
  quietEnds = 0;
  /** Responses by the two statuses nearly all have. */
  #ok = 0;
  #noContent = 0;

  constructor(read: ReadWhenScraped) {
    gauge(this.registry, 'starling_connections_open', 'Connections of CPEs open now.', read.openConnections);
    gauge(this.registry, 'starling_sessions_open', 'Sessions begun here and not ended yet.', read.openSessions);
    const { registry } = this;
    const least = 'Classes of sessions let in by the wait for it, 1 (operator only) to 5 (all), summed over threads.';
    gauge(registry, 'starling_admission_loop_classes', `The event loop. ${least}`, () => read.bars().loop);
    gauge(registry, 'starling_admission_disk_classes', `The disk. ${least}`, () => read.bars().disk);
    gauge(
      registry,
      'starling_loop_wait_seconds',
      'Wait for the event loop, last measured.',
      () => read.waits().loopMs / 1e3,
    );
    gauge(registry, 'starling_disk_wait_seconds', 'Wait for the disk, last measured.', () => read.waits().diskMs / 1e3);
    gauge(registry, 'starling_big_documents_waiting', 'Documents in the pool.', read.bigWaiting);
    gauge(this.registry, 'starling_bodies_held_bytes', 'Bytes of bodies being received.', read.bodiesHeldBytes);
  }

  /** Counts a response by its status line. */
  responded(status: string): void {
    if (status === '200 OK') this.#ok++;
    else if (status === '204 No Content') this.#noContent++;
    else this.responses.inc(status.slice(0, 3));
  }

  /** All metrics as prom-client's JSON. */
  async read(): Promise<object[]> {
    this.#settle();
    return this.registry.getMetricsAsJSON();
  }

  #settle(): void {
    const { quietInforms: informs, quietEnds: ends } = this;
    this.quietInforms = 0;
    this.quietEnds = 0;
    if (this.#ok > 0) this.responses.inc('200', this.#ok);
    if (this.#noContent > 0) this.responses.inc('204', this.#noContent);
    this.#ok = 0;
    this.#noContent = 0;
    if (informs > 0) {
      this.parsePath.inc('glance', informs);
      this.requests.inc('inform', informs);
      this.events.inc('2 PERIODIC', informs);
      this.sessionsStarted.inc('', informs);
      this.sessionsQuiet.inc('', informs);
    }
    if (ends > 0) {
      this.parsePath.inc('fast', ends);
      this.requests.inc('empty', ends);
      this.sessionsEnded.inc('done', ends);
    }
  }

  #tally(name: string, help: string, label: string | null = null): Tally {
    return new Tally(this.registry, name, help, label);
  }
}
