// The control plane as one process tree: database, ingest, background jobs, services. Wiring alone; the API is built on the services by
// whoever starts both.

import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { type Clock, systemClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { openSecretBox } from '../base/secret-box.ts';
import { settledWithin } from '../base/timers.ts';
import { answerFiles, type ChunkedFiles } from '../bus/file-chunks.ts';
import { marksText } from '../bus/messages.ts';
import { ALL_FACTS, ALL_FILES, marksFor } from '../bus/subjects.ts';
import type { BusMessage, BusQuestions, BusTransport } from '../bus/transport.ts';
import { loadProfiles } from '../profiles/load.ts';
import type { Profile } from '../profiles/profile.ts';
import { Dispatcher } from './actions/dispatch.ts';
import { expireActions } from './actions/end-here.ts';
import { sendLostAgain } from './actions/lost-decisions.ts';
import { settleMoves } from './actions/moves.ts';
import { countOpen, countQueue } from './actions/queue.ts';
import { actionService } from './actions/service.ts';
import { planBatches } from './batches/plan-batch.ts';
import { runBatches } from './batches/run-batch.ts';
import { batchService } from './batches/service.ts';
import type { ControlContext } from './context.ts';
import { evidenceService } from './evidence/export.ts';
import { signHead } from './evidence/heads.ts';
import { type Retention, retentionPass } from './evidence/retention.ts';
import { explainService } from './explain/service.ts';
import { Ingest } from './ingest/ingest.ts';
import { unpark } from './ingest/unpark.ts';
import { LiveEvents } from './live-events.ts';
import { controlMetrics, leaseMetrics, queueMetrics } from './metrics.ts';
import { connectorService, healthService } from './operations/connectors.ts';
import { fileService } from './operations/files.ts';
import { forgetKeys, idempotencyService } from './operations/idempotency.ts';
import { personService } from './operations/people.ts';
import { recordingService } from './operations/recordings.ts';
import { refusalService } from './operations/refusals.ts';
import { tokenService } from './operations/tokens.ts';
import { fetchUploads } from './operations/uploads.ts';
import { matrixService } from './policy/matrix-store.ts';
import { Reconciler } from './reconciler.ts';
import { deviceService } from './registry/devices.ts';
import { ProfileBook } from './registry/profile-book.ts';
import { rotationPass } from './secrets/rotation.ts';
import { adoptSealingKey } from './secrets/sealing-key.ts';
import { secretService } from './secrets/service.ts';
import type { FileStore, Services } from './services.ts';
import { startEmbeddedPostgres } from './store/embedded-postgres.ts';
import { checkInstallationKey } from './store/key-check.ts';
import { Leases, memberName, newMember } from './store/leases.ts';
import { migrate } from './store/migrate.ts';
import { type Database, openDatabase } from './store/postgres.ts';

export interface ControlOptions {
  dataDir: string;
  /** null: a private cluster in the data folder, whose lock the caller holds. */
  databaseUrl: string | null;
  /** How long a database that cannot be reached is waited for at start. */
  databaseWaitMs?: number;
  /** Key of the secrets in the database; null: the data folder's own. Several controls on one database have the same. */
  installationKeyFile?: string | null;
  /** How long evidence and timeline are kept; both for ever when not given. */
  retention?: Retention;
  manageConnectionRequest: boolean;
  transport: BusTransport;
  log: Log;
  /** Where the metrics of control are registered. */
  registry: Registry;
  /** Where file bytes go. */
  fileStore: FileStore | null;
  /** POPs have several edges that claim the work they run; false: an action has one edge. */
  popShared?: boolean;
  /** Set when edges have disks of their own: where they ask for files and are asked for uploads, and the files here. */
  elsewhere?: { questions: BusQuestions; files: ChunkedFiles } | null;
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
  const { installationKeyFile = null, retention = { evidenceDays: 0, eventDays: 0 } } = options;
  const box =
    installationKeyFile === null
      ? openSecretBox(join(dataDir, 'installation.key'))
      : openSecretBox(installationKeyFile, 'refuse');
  const onExit = (why: string): void =>
    log.error({ why }, 'the private PostgreSQL ended; nothing takes effect until Starling is restarted');
  const cluster = options.databaseUrl === null ? await startEmbeddedPostgres(dataDir, log, onExit) : null;
  try {
    const url = options.databaseUrl ?? cluster!.url;
    const member = newMember();
    const name = memberName(member);
    const sql = await openDatabase(url, {
      name,
      waitMs: options.databaseWaitMs ?? 0,
      waiting: (why) => log.warn({ why }, 'waiting for the database'),
    });
    let leaseSql: Database;
    try {
      const applied = await migrate(sql, undefined, (who) =>
        log.warn({ who }, 'waiting for another process that holds the lock of the migrations'),
      );
      if (applied.length > 0) log.info({ applied }, 'database schema brought up to date');
      await checkInstallationKey(sql, box);
      await adoptSealingKey(sql, box);
      leaseSql = await openDatabase(url, { connectionsMax: 1, name });
    } catch (error) {
      await sql.end({ timeout: 1 });
      throw error;
    }
    const book = new ProfileBook(options.profiles ?? loadProfiles());
    const metrics = controlMetrics(registry, () => countOpen(sql));
    queueMetrics(registry, () => countQueue(sql));
    const live = new LiveEvents(sql, log);
    await live.begin();
    const context: ControlContext = { member, sql, box, book, clock, log, live, metrics };
    const { popShared = false } = options;
    const dispatcher = new Dispatcher(context, transport, popShared);
    const job = (name: string, periodMs: number, run: () => Promise<string>): Reconciler =>
      new Reconciler({ name, periodMs, job: run, clock, log });
    // Each of these may run in several controls at once: why that is safe stands where it is done.
    const handOver = job('hand-over', LIMITS.dispatchPeriodMs, () => dispatcher.pass());
    const greeting = job('greeting', LIMITS.dispatchPeriodMs, () => dispatcher.greet());
    const expiry = job('expiry', LIMITS.dispatchPeriodMs, async () => {
      const expired = await expireActions(context);
      return `${expired}; ${await settleMoves(context)}`;
    });
    const forgetting = job('forget-keys', LIMITS.idempotencyClaimMs, () => forgetKeys(context));
    const looking = job('lost-decisions', LIMITS.dispatchPeriodMs, async () => {
      const { lost, text } = await sendLostAgain(context, transport);
      if (lost) for (const each of [handOver, greeting]) each.signal();
      return text;
    });
    const signing = job('evidence-heads', LIMITS.evidenceHeadMs, () => signHead(context));
    // Those with more to do ask for the next pass themselves: one pass is short, so that an end waits for little.
    const goingOn = (
      name: string,
      periodMs: number,
      pass: () => Promise<{ more: boolean; text: string }>,
    ): Reconciler => {
      const one = job(name, periodMs, async () => {
        const { more, text } = await pass();
        if (more) one.signal();
        return text;
      });
      return one;
    };
    const rotating = goingOn('secrets', LIMITS.dispatchPeriodMs, () => rotationPass(context));
    const ageing = goingOn('retention', LIMITS.retentionPeriodMs, () => retentionPass(context, retention));
    const telling = job('live-events', LIMITS.livePollMs, () => live.pass());
    const leases = new Leases({ member, sql: leaseSql, log, onWant: () => leasing.signal() });
    const leasing = job('leases', LIMITS.leaseRenewMs, () => leases.pass());
    leaseMetrics(registry, () => leases.heldCount);
    const batches = job('batches', LIMITS.batchPeriodMs, async () => {
      while (await planBatches(context));
      const released = await runBatches(context);
      if (released > 0) handOver.signal();
      return `${released} actions of batches let go`;
    });
    const jobs = [
      handOver,
      batches,
      greeting,
      looking,
      expiry,
      forgetting,
      signing,
      rotating,
      ageing,
      telling,
      leasing,
    ];

    const { manageConnectionRequest, elsewhere = null } = options;
    const files = elsewhere === null ? null : answerFiles(elsewhere.questions, ALL_FILES, elsewhere.files);
    if (elsewhere !== null) {
      const fetch = () => fetchUploads(context, elsewhere.questions, elsewhere.files);
      jobs.push(job('fetch-uploads', LIMITS.dispatchPeriodMs, fetch));
    }
    const shares = {
      ...{ manageConnectionRequest, sharesFiles: elsewhere === null },
      sharesWork: popShared && transport.publishes === 'stored',
    };
    const ingest = new Ingest(context, {
      ...shares,
      handOver: () => handOver.pass(),
      greet: () => greeting.signal(),
      taken: (fact) => dispatcher.taken(fact),
      tellMarks: ({ pop, edgeId }, marks) => transport.tell(marksFor(pop, edgeId), marksText(marks)),
      leases,
    });
    // Before what is newer.
    await unpark(context, shares);
    // The facts of one edge are taken by one control at a time; what the bus asks about is wanted.
    const mayTake = (subject: string): boolean => {
      leases.want(subject);
      return leases.holds(subject);
    };
    const take = (subject: string, messages: BusMessage[]): Promise<void> => ingest.handle(subject, messages);
    // Before anything is handed over, which would get the numbers of what is lost. A hub that is away is looked at when it is back.
    await looking.pass();
    // Before anything is asked of this process: to others it is alive by its leases.
    await leasing.pass();
    const facts = transport.subscribe(ALL_FACTS, 'control', take, mayTake, (subject) => ingest.idle(subject));
    for (const each of jobs) each.signal();

    const services: Services = {
      devices: deviceService(context, dispatcher, handOver),
      actions: actionService(context, handOver),
      batches: batchService(context, batches),
      files: fileService(context, options.fileStore),
      recordings: recordingService(context, dispatcher, { files: options.fileStore, popShared }),
      tokens: tokenService(context),
      people: personService(context),
      idempotency: idempotencyService(context),
      connectors: connectorService(context),
      events: live,
      evidence: evidenceService(context),
      matrix: matrixService(context),
      refusals: refusalService(context),
      explain: explainService(context),
      secrets: secretService(context, rotating),
      health: healthService(context, jobs),
    };
    return {
      services,
      async close() {
        // Without a database nothing in hand can finish: the facts stay with their edge, the jobs do theirs after the next start.
        await files?.close();
        const inHand = facts.close().then(() => Promise.all(jobs.map((each) => each.close())));
        // The leases last: what is in hand is done under them.
        await settledWithin(
          LIMITS.controlDrainMs,
          inHand.then(() => leases.close()),
        );
        await live.close();
        await Promise.all([sql.end({ timeout: 5 }), leaseSql.end({ timeout: 5 })]);
        await cluster?.stop();
      },
    };
  } catch (error) {
    await cluster?.stop();
    throw error;
  }
}
