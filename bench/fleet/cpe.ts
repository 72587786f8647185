// A simulated CPE that speaks CWMP over real sockets: conforming unless misbehaviours are switched on. This file is its life: power, events,
// when a session begins and what follows from one. Sessions, RPCs, transfers and diagnostics have files of their own.
//
//   off ─start─▶ up ─Reboot, FactoryReset, new firmware─▶ down ─downMs─▶ up (1 BOOT)
//                │ event, timer, connection request → session; failed → waits (CWMP 1.12) → session with the same events

import type { DeviceIdStruct } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { AcsConnection, type AcsTls } from './acs-connection.ts';
import { Behaviour, type Hooks, type OwnRequest } from './behaviour.ts';
import { ConnectionRequestGate, ConnectionRequestHub } from './connection-request.ts';
import { CookieJar } from './cookies.ts';
import { informArgs, transferCompleteArgs } from './cpe-requests.ts';
import { DataTree } from './data-tree.ts';
import { Diagnostics } from './diagnostics.ts';
import { EventQueue, retryWaitMs } from './events.ts';
import { appliedConfiguration, configurationFile, firmwareVersion, logFile } from './files.ts';
import { type CwmpVersion, identityTexts, KINDS, type Kind, type Model, templateOf } from './kinds.ts';
import { Acknowledged, Received } from './records.ts';
import { execute } from './rpc.ts';
import { CpeSession, type OutgoingRequest, type SessionSummary } from './session-run.ts';
import { dateTime, systemTimers, type Timers } from './timers.ts';
import { type Completion, TransferQueue } from './transfers.ts';

export interface CpeOptions {
  acsUrl: string;
  serialNumber: string;
  model?: Model;
  /** Parts of the identity other than the kind's own. */
  device?: Partial<Omit<DeviceIdStruct, 'SerialNumber'>>;
  cwmpVersion?: CwmpVersion;
  /** At least this many parameters; 0 keeps the model's own 200 or so. */
  parameters?: number;
  /** Credentials towards the ACS; empty ones answer no challenge. */
  username?: string;
  password?: string;
  /** Certificate of its own, and the CA it trusts, towards an https ACS. */
  tls?: AcsTls;
  /** Credentials that a connection request needs; an empty user name needs none. */
  connectionRequestUsername?: string;
  connectionRequestPassword?: string;
  /** A shared listener, one of its own, or none. */
  connectionRequests?: ConnectionRequestHub | 'own' | 'none';
  /** Address that a listener of its own binds and announces. */
  connectionRequestHost?: string;
  connectionRequestsPerMinute?: number;
  periodicInformSeconds?: number;
  misbehaviours?: readonly Hooks[];
  timers?: Timers;
  /** How long a reboot or reset takes. */
  downMs?: number;
  diagnosticMs?: number;
  /** Silence of the ACS after which a session has failed; at least 30 s for a conforming CPE (S9). */
  acsTimeoutMs?: number;
  random?: () => number;
  recordsMax?: number;
  onSession?: (summary: SessionSummary) => void;
}

export class SimulatedCpe {
  readonly device: DeviceIdStruct;
  readonly kind: Kind;
  readonly version: CwmpVersion;
  readonly tree: DataTree;
  readonly events = new EventQueue();
  readonly received: Received;
  readonly acknowledged: Acknowledged;
  readonly transfers: TransferQueue;
  readonly diagnostics: Diagnostics;
  readonly gate: ConnectionRequestGate;
  /** The latest sessions, oldest first. */
  sessions: SessionSummary[] = [];
  readonly #options: Required<Omit<CpeOptions, 'device' | 'onSession'>> & Pick<CpeOptions, 'onSession'>;
  readonly #behaviour: Behaviour;
  readonly #fill: Record<string, string>;
  readonly #timers: Timers;
  readonly #waiters = new Set<() => void>();
  /** Connections that outlive their session on purpose. */
  readonly #leftOpen = new Set<AcsConnection>();
  #power: 'off' | 'up' | 'down' = 'up';
  #hub: ConnectionRequestHub | null = null;
  #sessionNumber = 0;
  #session: Promise<SessionSummary> | null = null;
  #connection: AcsConnection | null = null;
  #cookies = new CookieJar();
  #failures = 0;
  #bootedAtMs: number;
  #bootstrappedFor = '';
  #cancelRetry: (() => void) | null = null;
  #cancelPeriodic: (() => void) | null = null;
  readonly #cancelTimers = new Set<() => void>();
  /** Paths changed from the inside and not yet delivered; the mark tells a newer change from the one in flight. */
  #changed = new Map<string, number>();
  #changeMark = 0;
  #ownRequests: OwnRequest[];
  #rebootKeys: string[] | null = null;
  #resetDue = false;

  constructor(options: CpeOptions) {
    this.kind = KINDS[options.model ?? 'tr098'];
    this.#options = {
      ...{ model: 'tr098', cwmpVersion: this.kind.cwmpVersion, parameters: 0, username: '', password: '', tls: {} },
      ...{ connectionRequestUsername: '', connectionRequestPassword: '', connectionRequests: 'own' },
      connectionRequestHost: '127.0.0.1',
      ...{ connectionRequestsPerMinute: 30, periodicInformSeconds: 300, misbehaviours: [], timers: systemTimers() },
      ...{ downMs: 2_000, diagnosticMs: 500, acsTimeoutMs: 30_000, random: Math.random },
      ...{ recordsMax: LIMITS.fleetRecordsMax },
      ...options,
    };
    this.device = { ...this.kind.device, ...options.device, SerialNumber: options.serialNumber };
    this.version = this.#options.cwmpVersion;
    this.#timers = this.#options.timers;
    this.#bootedAtMs = this.#timers.now();
    this.#behaviour = new Behaviour(this.#options.misbehaviours);
    this.#ownRequests = [...this.#behaviour.ownRequests];
    this.#fill = {
      ...identityTexts(this.kind, this.device),
      'acs-url': options.acsUrl,
      'acs-username': this.#options.username,
      'acs-password': this.#options.password,
      'cr-username': this.#options.connectionRequestUsername,
      'cr-password': this.#options.connectionRequestPassword,
      'cr-url': '',
      interval: String(this.#options.periodicInformSeconds),
    };
    this.tree = new DataTree(templateOf(this.kind.model, this.#options.parameters), this.#fill);
    this.#behaviour.plant(this.tree);
    this.received = new Received(this.#options.recordsMax);
    this.acknowledged = new Acknowledged(this.#options.recordsMax);
    const { traits } = this.#behaviour;
    const { random, diagnosticMs, connectionRequestsPerMinute } = this.#options;
    this.diagnostics = new Diagnostics({
      ...{ tree: this.tree, kind: this.kind, timers: this.#timers, random, diagnosticMs },
      completed: () => this.#raise('8 DIAGNOSTICS COMPLETE'),
    });
    this.transfers = new TransferQueue({
      ...{ timers: this.#timers, traits },
      isIdle: () => this.#power === 'up' && this.#session === null,
      fileToUpload: (fileType) => (/^[13] /.test(fileType) ? configurationFile(this.tree) : logFile(this.sessions)),
      apply: (transfer, outcome) =>
        this.#apply(transfer.FileType, transfer.TargetFileName || transfer.URL, outcome.head),
      finished: () => this.#notify(),
      completed: (completion) => this.#transferDone(completion),
    });
    this.gate = new ConnectionRequestGate({
      ...{ traits, timers: this.#timers, perMinuteMax: connectionRequestsPerMinute },
      isUp: () => this.#power === 'up',
      credentials: () => ({
        username: this.#management('ConnectionRequestUsername'),
        password: this.#management('ConnectionRequestPassword'),
      }),
      accepted: () => this.#raise('6 CONNECTION REQUEST', '', true),
    });
  }

  /** Opens the connection-request listener and announces its URL, if there is to be one. Sessions do not need it. */
  async listen(): Promise<void> {
    const { connectionRequests } = this.#options;
    if (connectionRequests === 'none' || this.#fill['cr-url'] !== '') return;
    if (connectionRequests === 'own') {
      this.#hub = new ConnectionRequestHub(this.#options.connectionRequestHost);
      await this.#hub.listen();
    }
    const hub = connectionRequests === 'own' ? this.#hub! : connectionRequests;
    const url = hub.register(this.#gatePath(), (request, response) => this.gate.handle(request, response));
    this.#fill['cr-url'] = this.#behaviour.traits.connectionRequestUrl(url);
  }

  /** Switches the CPE on: listener, periodic Informs, and a first session with 1 BOOT (and 0 BOOTSTRAP when this ACS is new to it). */
  async start(): Promise<SessionSummary> {
    await this.listen();
    this.#power = 'up';
    this.#bootedAtMs = this.#timers.now();
    if (this.#bootstrappedFor !== this.#management('URL')) this.#bootstrap();
    this.events.booted();
    this.#schedulePeriodic();
    return this.inform();
  }

  /**
   * Runs one session now, with `events` besides those that wait (2 PERIODIC when there are none), and resolves with what happened.
   * A session under way is waited for first.
   */
  async inform(...events: (string | { EventCode: string; CommandKey: string })[]): Promise<SessionSummary> {
    while (this.#session !== null) await this.#session;
    for (const event of events) {
      if (typeof event === 'string') this.events.add(event);
      else this.events.add(event.EventCode, event.CommandKey);
    }
    return this.#runSession();
  }

  /** Switches the CPE off: no timer, no listener, no connection is left. */
  async stop(): Promise<void> {
    this.#power = 'off';
    this.#cancelRetry?.();
    this.#cancelPeriodic?.();
    for (const cancel of this.#cancelTimers) cancel();
    this.#cancelTimers.clear();
    this.diagnostics.clear();
    this.#connection?.close();
    for (const connection of this.#leftOpen) connection.close();
    this.#leftOpen.clear();
    await this.#session;
    await this.transfers.clear();
    const { connectionRequests } = this.#options;
    if (connectionRequests instanceof ConnectionRequestHub) connectionRequests.unregister(this.#gatePath());
    await this.#hub?.close();
    this.#hub = null;
    this.#fill['cr-url'] = '';
  }

  /** Resolves once `predicate` holds; it is asked again whenever anything happened here. Rejects after `timeoutMs` of real time. */
  waitFor(predicate: (cpe: this) => boolean, timeoutMs = 10_000): Promise<void> {
    if (predicate(this)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!predicate(this)) return;
        finish();
        resolve();
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`${this.device.SerialNumber}: not within ${timeoutMs} ms; ${this.describe()}`));
      }, timeoutMs);
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
      };
      this.#waiters.add(look);
    });
  }

  /** True while it is switched on and not restarting. */
  get isUp(): boolean {
    return this.#power === 'up';
  }

  /** The state in one line, for messages of tests. */
  describe(): string {
    const last = this.sessions.at(-1);
    const waiting = this.events.pending.map((event) => event.EventCode).join(', ') || 'none';
    return `power ${this.#power}, sessions ${this.#sessionNumber}, last ${last?.outcome ?? 'none'} ${last?.why ?? ''}, events waiting: ${waiting}`;
  }

  /** A value changes from the inside (a user, the network): 4 VALUE CHANGE as the notification of the parameter says. */
  change(path: string, value: string): void {
    if (!this.tree.set(path, value)) return;
    const notification = this.tree.notification(path);
    if (notification === 0 || notification === 3) return;
    this.#changed.set(path, ++this.#changeMark);
    // Passive: it goes along with the next session; active (2, 5, 6 has an active part too): it causes one.
    if (notification === 1 || notification === 4) this.events.add('4 VALUE CHANGE');
    else this.#raise('4 VALUE CHANGE');
  }

  /** Has a request sent in the next session, with its events. */
  queueRequest(request: OwnRequest): void {
    this.#ownRequests.push(request);
    for (const { EventCode, CommandKey } of request.events) this.events.add(EventCode, CommandKey);
  }

  /** A power cut, or the button of the device. */
  reboot(): void {
    this.#goDown([], false);
  }

  #gatePath(): string {
    return `/${encodeURIComponent(`${this.device.OUI}-${this.device.ProductClass}-${this.device.SerialNumber}`)}`;
  }

  #management(name: string): string {
    return this.tree.value(`${this.tree.root}ManagementServer.${name}`) ?? '';
  }

  #notify(): void {
    for (const look of [...this.#waiters]) look();
  }

  /** An event that wants a session. While a retry is being waited for only a connection request shortens the wait. */
  #raise(EventCode: string, CommandKey = '', urgent = false): void {
    this.events.add(EventCode, CommandKey);
    this.#wake(urgent);
    this.#notify();
  }

  #wake(urgent = false): void {
    if (this.#power !== 'up' || this.#session !== null || (this.#cancelRetry !== null && !urgent)) return;
    void this.#runSession();
  }

  #later(delayMs: number, run: () => void): void {
    const cancel = this.#timers.after(delayMs, () => {
      this.#cancelTimers.delete(cancel);
      run();
    });
    this.#cancelTimers.add(cancel);
  }

  #schedulePeriodic(): void {
    this.#cancelPeriodic?.();
    this.#cancelPeriodic = null;
    if (this.#power === 'off' || this.#management('PeriodicInformEnable') !== '1') return;
    const intervalMs = Number(this.#management('PeriodicInformInterval')) * 1_000;
    const phaseMs = Date.parse(this.#management('PeriodicInformTime'));
    // PeriodicInformTime sets the phase; the Unknown Time leaves it to the CPE, which counts from now.
    const known = Number.isFinite(phaseMs) && phaseMs > 0;
    const sinceMs = known ? (((this.#timers.now() - phaseMs) % intervalMs) + intervalMs) % intervalMs : 0;
    this.#cancelPeriodic = this.#timers.after(intervalMs - sinceMs, () => {
      this.#schedulePeriodic();
      this.#raise('2 PERIODIC');
    });
  }

  #bootstrap(): void {
    this.#bootstrappedFor = this.#management('URL');
    this.tree.forgetAttributes();
    this.#changed.clear();
    this.events.bootstrapped();
  }

  async #runSession(): Promise<SessionSummary> {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#sessionNumber++;
    const session = this.#sessionNumber;
    if (this.#power === 'up') for (const { events } of session === 1 ? this.#ownRequests : []) this.#addAll(events);
    if (this.events.pending.length === 0) this.events.add('2 PERIODIC');
    const events = this.events.take();
    this.#freshen();
    this.#behaviour.beforeSession(this.tree, session);
    const { traits } = this.#behaviour;
    if (traits.cookies !== 'stale') this.#cookies = new CookieJar();
    const credentials = { username: this.#management('Username'), password: this.#management('Password') };
    const connection = new AcsConnection({
      ...{ url: this.#management('URL'), credentials, traits },
      ...{ cookies: this.#cookies, timeoutMs: this.#options.acsTimeoutMs, tls: this.#options.tls },
    });
    this.#connection = connection;
    const run = new CpeSession(this.#sessionHost(session, events), connection).run();
    this.#session = run;
    const summary = await run;
    this.#session = null;
    this.#connection = null;
    if (traits.keepsConnectionOpen || summary.why === 'left hanging') this.#leftOpen.add(connection);
    else connection.close();
    this.sessions.push(summary);
    if (this.sessions.length > this.#options.recordsMax) this.sessions.shift();
    this.#sessionOver(summary);
    this.#options.onSession?.(summary);
    this.#notify();
    return summary;
  }

  #addAll(events: readonly { EventCode: string; CommandKey: string }[]): void {
    for (const { EventCode, CommandKey } of events) this.events.add(EventCode, CommandKey);
  }

  #sessionHost(session: number, events: ReturnType<EventQueue['take']>): ConstructorParameters<typeof CpeSession>[0] {
    const values = this.#informValues();
    const marks = new Map(this.#changed);
    const namespace = this.version >= '1.2' ? '1-2' : this.version === '1.1' ? '1-1' : '1-0';
    return {
      ...{ behaviour: this.#behaviour, root: this.tree.root, session, events },
      namespace: `urn:dslforum-org:cwmp-${namespace}`,
      supportedVersions: this.version === '1.4' ? '1.0,1.1,1.2,1.3,1.4' : null,
      inform: () => informArgs(this.device, events, values, dateTime(this.#timers.now()), this.#failures),
      informed: () => {
        this.events.informed(events);
        for (const [path, mark] of marks) if (this.#changed.get(path) === mark) this.#changed.delete(path);
        this.acknowledged.inform({ session, events, values });
        this.#notify();
      },
      requests: () => this.#outgoing(session),
      execute: (method, args) =>
        this.#behaviour.execute(method, args, this.tree) ?? execute(this.#rpcHost(), method, args),
      received: (rpc) => {
        this.received.add(rpc);
        this.#notify();
      },
      responded: (rpc) => this.acknowledged.response(rpc),
    };
  }

  /** The forced parameters, and every change that waits for delivery (CWMP I4, I5). */
  #informValues(): ParameterValue[] {
    const paths = new Set([...this.kind.forced.map((path) => this.tree.root + path), ...this.#changed.keys()]);
    return [...paths].flatMap((path) => {
      const read = this.tree.read(path);
      return read === undefined ? [] : [{ Name: read.Name, Value: read.Value, Type: `xsd:${read.type}` }];
    });
  }

  #outgoing(session: number): OutgoingRequest[] {
    const completions = this.transfers.completions.map((completion) => ({
      method: 'TransferComplete',
      args: transferCompleteArgs(completion),
      answered: () => {
        const { completions: waiting } = this.transfers;
        this.transfers.completions = waiting.filter((other) => other !== completion);
        this.events.transferCompleted(completion.CommandKey, this.transfers.completions.length > 0);
        const { CommandKey, FaultStruct } = completion;
        this.acknowledged.transfer({ session, CommandKey, FaultCode: FaultStruct.FaultCode });
        this.#notify();
      },
    }));
    const own = this.#ownRequests.map((request) => ({
      ...request,
      answered: () => {
        this.#ownRequests = this.#ownRequests.filter((other) => other !== request);
        this.events.answered(request.events);
      },
    }));
    return [...completions, ...own];
  }

  #rpcHost(): Parameters<typeof execute>[0] {
    return {
      ...{ tree: this.tree, version: this.version, diagnostics: this.diagnostics, transfers: this.transfers },
      written: (paths, changed, parameterKey) => {
        this.tree.set(`${this.tree.root}ManagementServer.ParameterKey`, parameterKey);
        // What the ACS writes is no value change (N3), even if an older change still waits.
        for (const path of paths) this.#changed.delete(path);
        if (paths.some((path) => /\.ManagementServer\.PeriodicInform/.test(path))) this.#schedulePeriodic();
        if (!changed && paths.length > 0 && this.#behaviour.traits.rebootsOnNoOpWrite) this.#rebootKeys ??= [];
      },
      scheduleInform: (delaySeconds, commandKey) =>
        this.#later(delaySeconds * 1_000, () => {
          this.events.add('M ScheduleInform', commandKey);
          this.#raise('3 SCHEDULED');
        }),
      rebootLater: (commandKey) => {
        this.#rebootKeys = [...(this.#rebootKeys ?? []), commandKey];
      },
      factoryResetLater: () => {
        this.#resetDue = true;
      },
    };
  }

  /** What a session leads to: delivered or retried events, then whatever had to wait for its end. */
  #sessionOver(summary: SessionSummary): void {
    this.events.sessionEnded();
    if (this.#power !== 'up') return;
    if (this.#rebootKeys !== null || this.#resetDue) {
      const keys = this.#rebootKeys ?? [];
      const reset = this.#resetDue;
      this.#rebootKeys = null;
      this.#resetDue = false;
      this.#goDown(keys, reset);
      return;
    }
    if (summary.why === 'left hanging') {
      this.#wake();
      return;
    }
    const failed = summary.outcome === 'failed';
    this.#failures = failed ? this.#failures + 1 : 0;
    if (!failed && this.#management('URL') !== this.#bootstrappedFor && this.#bootstrappedFor !== '') {
      this.#bootstrap(); // Appendix B: another ACS is told so by 0 BOOTSTRAP.
    }
    this.diagnostics.sessionEnded();
    this.transfers.pump();
    if (!failed && this.events.hasNew) this.#wake();
    if (!failed && (this.#session !== null || this.events.pending.length === 0)) return;
    const minimum = Number(this.#management('CWMPRetryMinimumWaitInterval'));
    const multiplier = Number(this.#management('CWMPRetryIntervalMultiplier'));
    const waitMs = retryWaitMs(this.#failures, minimum, multiplier, this.#options.random());
    this.#cancelRetry = this.#timers.after(waitMs, () => {
      this.#cancelRetry = null;
      this.#wake();
    });
  }

  /** Down and up again: with M Reboot for each key, or as new from the factory. */
  #goDown(commandKeys: string[], reset: boolean): void {
    this.#power = 'down';
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#cancelPeriodic?.();
    this.#connection?.close();
    this.diagnostics.clear();
    this.#changed.clear();
    this.#notify();
    this.#later(this.#options.downMs, () => {
      this.#power = 'up';
      this.#bootedAtMs = this.#timers.now();
      this.#failures = 0; // CWMP 1.12: RetryCount restarts with a reboot.
      if (reset) {
        void this.transfers.clear();
        this.tree.reset();
        this.#behaviour.plant(this.tree);
        this.#bootstrap();
      }
      this.events.booted();
      for (const key of commandKeys) this.events.add('M Reboot', key);
      this.#schedulePeriodic();
      this.#wake();
      this.#notify();
    });
  }

  #apply(fileType: string, name: string, head: Buffer): { FaultCode: number; FaultString: string } | null {
    if (fileType.startsWith('1 ')) {
      const path = `${this.tree.root}DeviceInfo.SoftwareVersion`;
      this.tree.set(path, firmwareVersion(head, name, this.tree.value(path)!));
      this.#goDown([], false);
    }
    if (fileType.startsWith('3 ') && !appliedConfiguration(this.tree, head))
      return { FaultCode: 9018, FaultString: 'The configuration file is empty' };
    return null;
  }

  #transferDone(completion: Completion): void {
    this.events.add('7 TRANSFER COMPLETE');
    this.#raise(`M ${completion.method}`, completion.CommandKey);
  }

  /** Values that go on by themselves. */
  #freshen(): void {
    const { root } = this.tree;
    const upSeconds = Math.floor((this.#timers.now() - this.#bootedAtMs) / 1_000);
    if (this.tree.def(`${root}DeviceInfo.UpTime`) !== undefined)
      this.tree.set(`${root}DeviceInfo.UpTime`, String(upSeconds));
    if (this.tree.def(`${root}Time.CurrentLocalTime`) !== undefined)
      this.tree.set(`${root}Time.CurrentLocalTime`, dateTime(this.#timers.now()));
  }
}
