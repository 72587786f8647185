// The control plane as one process tree: database, ingest, background jobs, services. Wiring alone; the API is built on the services by
// whoever starts both.

import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { type Clock, systemClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { openSecretBox } from '../base/secret-box.ts';
import { settledWithin } from '../base/timers.ts';
import { ALL_FACTS } from '../bus/subjects.ts';
import type { BusTransport } from '../bus/transport.ts';
import { loadProfiles } from '../profiles/load.ts';
import type { Profile } from '../profiles/profile.ts';
import { Dispatcher } from './actions/dispatch.ts';
import { expireActions } from './actions/end-here.ts';
import { actionService } from './actions/service.ts';
import type { ControlContext } from './context.ts';
import { Ingest } from './ingest/ingest.ts';
import { LiveEvents } from './live-events.ts';
import { controlMetrics } from './metrics.ts';
import { connectorService, healthService } from './operations/connectors.ts';
import { fileService } from './operations/files.ts';
import { forgetKeys, idempotencyService } from './operations/idempotency.ts';
import { tokenService } from './operations/tokens.ts';
import { Reconciler } from './reconciler.ts';
import { deviceService } from './registry/devices.ts';
import { ProfileBook } from './registry/profile-book.ts';
import type { FileStore, Services } from './services.ts';
import { startEmbeddedPostgres } from './store/embedded-postgres.ts';
import { migrate } from './store/migrate.ts';
import { openDatabase } from './store/postgres.ts';

export interface ControlOptions {
  dataDir: string;
  /** null: a private cluster in the data folder, whose lock the caller holds. */
  databaseUrl: string | null;
  manageConnectionRequest: boolean;
  transport: BusTransport;
  log: Log;
  /** Where the metrics of control are registered. */
  registry: Registry;
  /** Where file bytes go; null when no edge shares this process. */
  fileStore: FileStore | null;
  profiles?: ReadonlyMap<string, Profile>;
  clock?: Clock;
}

export interface Control {
  services: Services;
  /** Takes no new facts, finishes those in hand, then closes the database. The transport stays open: it belongs to the caller. */
  close(): Promise<void>;
}

/** Brings control up: resolves when facts are taken. Throws ConfigError with what to do when the database cannot be used. */
export async function startControl(options: ControlOptions): Promise<Control> {
  const { dataDir, transport, log, registry, clock = systemClock } = options;
  const box = openSecretBox(join(dataDir, 'installation.key'));
  const onExit = (why: string): void =>
    log.error({ why }, 'the private PostgreSQL ended; nothing takes effect until Starling is restarted');
  const cluster = options.databaseUrl === null ? await startEmbeddedPostgres(dataDir, log, onExit) : null;
  try {
    const sql = await openDatabase(options.databaseUrl ?? cluster!.url);
    try {
      const applied = await migrate(sql);
      if (applied.length > 0) log.info({ applied }, 'database schema brought up to date');
    } catch (error) {
      await sql.end({ timeout: 1 });
      throw error;
    }
    const book = new ProfileBook(options.profiles ?? loadProfiles());
    const metrics = controlMetrics(registry, async () => {
      const rows = await sql<{ state: string; count: number }[]>`
        select state, count(*)::int as count from action where ended_at is null group by state`;
      return new Map(rows.map(({ state, count }) => [state, count]));
    });
    const live = new LiveEvents(sql, log);
    await live.begin();
    const context: ControlContext = { sql, box, book, clock, log, live, metrics };
    const dispatcher = new Dispatcher(context, transport);
    const job = (name: string, periodMs: number, run: () => Promise<string>): Reconciler =>
      new Reconciler({ name, periodMs, job: run, clock, log });
    const handOver = job('hand-over', LIMITS.dispatchPeriodMs, () => dispatcher.pass());
    const greeting = job('greeting', LIMITS.dispatchPeriodMs, () => dispatcher.greet());
    const expiry = job('expiry', LIMITS.dispatchPeriodMs, () => expireActions(context));
    const forgetting = job('forget-keys', LIMITS.idempotencyClaimMs, () => forgetKeys(context));
    const jobs = [handOver, greeting, expiry, forgetting];

    const { manageConnectionRequest } = options;
    const ingest = new Ingest(context, {
      manageConnectionRequest,
      handOver: () => handOver.pass(),
      greet: () => greeting.signal(),
    });
    const facts = transport.subscribe(ALL_FACTS, 'control', (subject, messages) => ingest.handle(subject, messages));
    for (const each of jobs) each.signal();

    const services: Services = {
      devices: deviceService(context, dispatcher, handOver),
      actions: actionService(context, handOver),
      files: fileService(context, options.fileStore),
      tokens: tokenService(context),
      idempotency: idempotencyService(context),
      connectors: connectorService(context),
      events: live,
      health: healthService(context, jobs),
    };
    return {
      services,
      async close() {
        // Without a database nothing in hand can finish: the facts stay with their edge, the jobs do theirs after the next start.
        const inHand = facts.close().then(() => Promise.all(jobs.map((each) => each.close())));
        await settledWithin(LIMITS.controlDrainMs, inHand);
        await live.close();
        await sql.end({ timeout: 5 });
        await cluster?.stop();
      },
    };
  } catch (error) {
    await cluster?.stop();
    throw error;
  }
}
