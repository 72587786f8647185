// Many simulated CPEs in one process, behind one connection-request port. Starts them one after the other, counts what they do, stops them
// all. It measures nothing: what an ACS can bear is asked by scenarios elsewhere.

import { cpeIdOf } from '../../base/ids.ts';
import type { Hooks, Traits } from './behaviour.ts';
import { ConnectionRequestHub } from './connection-request.ts';
import { SimulatedCpe } from './cpe.ts';
import { KINDS, type Model } from './kinds.ts';
import type { SessionSummary } from './session-run.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface FleetOptions {
  acsUrl: string;
  count: number;
  model: Model | 'mixed';
  periodicInformSeconds: number;
  /** What the CPEs answer to a challenge of the ACS. */
  auth: 'none' | 'basic' | 'digest' | 'any';
  /** {oui}, {class} and {serial} are filled in. */
  username: string;
  password: string;
  misbehaviours: readonly Hooks[];
  serialPrefix: string;
  /** Least number of parameters per CPE. */
  parameters: number;
  /** CPEs switched on per second. */
  startsPerSecond: number;
  /** Address the connection-request port listens on and announces. */
  host: string;
  /** A connection-request port for each CPE instead of one for all. */
  ownPorts: boolean;
  timers?: Timers;
}

export interface FleetCounts {
  cpes: number;
  started: number;
  /** Sessions that ended well, and that failed. */
  sessions: number;
  failed: number;
  /** Requests of the ACS carried out or refused, and those refused. */
  rpcs: number;
  faults: number;
  /** Breaches of CWMP by the ACS. */
  complaints: number;
  lastError: string;
}

/** Records one CPE of a fleet keeps: enough to look at, little enough for 10,000. */
const RECORDS_PER_CPE = 20;

export class Fleet {
  readonly cpes: SimulatedCpe[] = [];
  readonly counts: FleetCounts;
  readonly #options: FleetOptions;
  readonly #hub: ConnectionRequestHub;
  readonly #timers: Timers;
  #cancelStart: (() => void) | null = null;
  #stopped = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers();
    this.#hub = new ConnectionRequestHub(options.host);
    this.counts = {
      ...{ cpes: options.count, started: 0, sessions: 0, failed: 0, rpcs: 0, faults: 0, complaints: 0, lastError: '' },
    };
    for (let number = 1; number <= options.count; number++) this.cpes.push(this.#make(number));
  }

  /** Opens the port and begins to switch CPEs on; resolves when the port is open, long before all of them are on. */
  async start(): Promise<void> {
    await this.#hub.listen();
    const next = (number: number): void => {
      const cpe = this.cpes[number];
      if (cpe === undefined || this.#stopped) return;
      this.counts.started++;
      void cpe.start();
      this.#cancelStart = this.#timers.after(1_000 / this.#options.startsPerSecond, () => next(number + 1));
    };
    next(0);
  }

  /** Switches all CPEs off and closes the port. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelStart?.();
    await Promise.all(this.cpes.map((cpe) => cpe.stop()));
    await this.#hub.close();
  }

  #make(number: number): SimulatedCpe {
    const { model, serialPrefix, auth, username, password, misbehaviours, parameters } = this.#options;
    const kind = model === 'mixed' ? (number % 2 === 1 ? 'tr098' : 'tr181') : model;
    const serialNumber = `${serialPrefix}${String(number).padStart(6, '0')}`;
    const schemes: Traits['schemes'] = auth === 'basic' || auth === 'digest' ? [auth] : ['digest', 'basic'];
    const cpe: SimulatedCpe = new SimulatedCpe({
      ...{ acsUrl: this.#options.acsUrl, serialNumber, model: kind, parameters, timers: this.#timers },
      username: auth === 'none' ? '' : filled(username, kind, serialNumber),
      password: auth === 'none' ? '' : filled(password, kind, serialNumber),
      connectionRequestHost: this.#options.host,
      connectionRequests: this.#options.ownPorts ? 'own' : this.#hub,
      periodicInformSeconds: this.#options.periodicInformSeconds,
      misbehaviours: [{ traits: { schemes } }, ...misbehaviours],
      recordsMax: RECORDS_PER_CPE,
      onSession: (summary) => this.#count(cpe, summary),
    });
    return cpe;
  }

  #count(cpe: SimulatedCpe, summary: SessionSummary): void {
    const { counts } = this;
    if (summary.outcome === 'ended') counts.sessions++;
    else {
      counts.failed++;
      counts.lastError = `${cpeIdOf(cpe.device)}: ${summary.why}`;
    }
    counts.rpcs += summary.requests.length;
    counts.faults += summary.requests.filter((one) => one.faultCode !== 0).length;
    counts.complaints += summary.complaints.length;
    if (summary.complaints.length > 0) counts.lastError = `${cpeIdOf(cpe.device)}: ${summary.complaints[0]}`;
  }
}

function filled(text: string, model: Model, serial: string): string {
  const { OUI, ProductClass } = KINDS[model].device;
  return text.replaceAll('{oui}', OUI).replaceAll('{class}', ProductClass).replaceAll('{serial}', serial);
}
