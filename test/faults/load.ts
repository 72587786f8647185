// Load for the fault tests: simulated CPEs that tell unique things all the time, and an operator who asks for actions. Each remembers what the
// other side has confirmed; books.ts compares that with what is stored. It does not care whether anybody listens.

import { cpeIdOf } from '../../base/ids.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { systemTimers, UNKNOWN_TIME } from '../../bench/fleet/timers.ts';
import { pick } from '../random.ts';
import type { TestStarling } from '../starling.test-helper.ts';

/** Time between sessions in simulated seconds passes this much faster: retries of seconds become tenths. */
const TIME_SCALE = 0.05;
/** Bounds of what one CPE keeps waiting while nobody takes it. */
const EVENTS_WAITING_MAX = 8;
const TRANSFERS_WAITING_MAX = 3;
/** Dealings that a CPE remembers: all of a long run are compared. */
const RECORDS_MAX = 1_000_000;
/** Operators at work at once. */
const OPERATORS = 3;
const ASK_AGAIN_MS = 100;
/** Of the latest actions asked for, how many may be for one device: more would only queue up there. */
const LATEST = 60;
const LATEST_PER_DEVICE_MAX = 8;

interface Paths {
  /** Another value in every session, carried by every Inform: ties what the CPE did to what is stored. */
  mark: string;
  /** Changes from the inside, with active notification. */
  changes: string;
  /** Set by actions. */
  set: string;
  /** A table instances are added to; null when the model has none. */
  table: string | null;
  /** Read by actions. */
  get: string;
}

const PATHS: Record<'tr098' | 'tr181', Paths> = {
  tr098: {
    mark: 'InternetGatewayDevice.DeviceInfo.ProvisioningCode',
    changes: 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID',
    set: 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.2.SSID',
    table: 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.',
    get: 'InternetGatewayDevice.DeviceInfo.UpTime',
  },
  tr181: {
    mark: 'Device.DeviceInfo.ProvisioningCode',
    changes: 'Device.WiFi.SSID.1.SSID',
    set: 'Device.WiFi.SSID.2.SSID',
    table: null,
    get: 'Device.DeviceInfo.UpTime',
  },
};

/** A CPE under load with the names it uses. */
export interface LoadedCpe {
  cpe: SimulatedCpe;
  id: string;
  paths: Paths;
  instancesAtFirst: number;
  /** Uploads that were answered with success, by CommandKey. */
  uploads: Map<string, { sha256: string; bytes: number }>;
}

/** An action the operator asked for. `id` is null until somebody confirmed it. */
export interface Asked {
  deviceId: string;
  kind: string;
  reference: string;
  body: Record<string, unknown>;
  id: string | null;
}

export class Load {
  readonly cpes: LoadedCpe[] = [];
  readonly asked: Asked[] = [];
  readonly #acsUrl: string;
  readonly #random: () => number;
  readonly #idleMsMax: number;
  #going = false;
  #count = 0;
  #drivers: Promise<void>[] = [];
  #operators: { turn: { over: boolean }; ended: Promise<unknown> } | null = null;

  /**
   * @param acsUrl under which the ACS is, now and after each restart.
   * @param idleMsMax longest pause of a CPE between two sessions.
   */
  constructor(acsUrl: string, count: number, random: () => number, { idleMsMax = 85 } = {}) {
    this.#acsUrl = acsUrl;
    this.#random = random;
    this.#idleMsMax = idleMsMax;
    for (let n = 1; n <= count; n++) this.#add();
  }

  /** Switches all CPEs on; resolves when each has had its first session. */
  async powerUp(): Promise<void> {
    for (const one of this.cpes) await this.#switchOn(one);
  }

  /** More CPEs, which nobody has heard of: switched on one after the other, and talking if the others do. */
  async grow(count: number): Promise<LoadedCpe[]> {
    const more = Array.from({ length: count }, () => this.#add());
    for (const one of more) {
      await this.#switchOn(one);
      if (this.#going) this.#drivers.push(this.#drive(one));
    }
    return more;
  }

  /** Lets the CPEs talk, until `calm`. */
  go(): void {
    this.#going = true;
    this.#drivers = this.cpes.map((one) => this.#drive(one));
  }

  /** The CPEs raise nothing new any more; what they have not delivered they still have. */
  async calm(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#drivers);
  }

  /** Operators ask `starling` for actions from now on; what an earlier one did not confirm is asked again first, under its key. */
  operate(starling: TestStarling): void {
    const turn = { over: false };
    const operator = async (): Promise<void> => {
      while (!turn.over) {
        await pause(this.#random() * 40);
        const one = pick(this.#random, this.cpes);
        if (this.asked.slice(-LATEST).filter(({ deviceId }) => deviceId === one.id).length >= LATEST_PER_DEVICE_MAX)
          continue;
        const asked = this.#newAction(one);
        this.asked.push(asked);
        await this.#ask(starling, asked);
        // Who gets no answer asks for the same again, and for nothing else meanwhile.
        while (!turn.over && asked.id === null) {
          await pause(ASK_AGAIN_MS);
          await this.#ask(starling, asked);
        }
      }
    };
    const ended = Promise.all([this.askAgain(starling), ...Array.from({ length: OPERATORS }, operator)]);
    this.#operators = { turn, ended };
  }

  /** Asks for what nobody has confirmed so far, under the keys it was asked for with. */
  async askAgain(starling: TestStarling): Promise<void> {
    for (const asked of this.asked.filter(({ id }) => id === null)) await this.#ask(starling, asked);
  }

  async stopOperating(): Promise<void> {
    if (this.#operators === null) return;
    this.#operators.turn.over = true;
    await this.#operators.ended;
    this.#operators = null;
  }

  /** One action beside those of the operators, asked for once. */
  async order(
    starling: TestStarling,
    { id }: LoadedCpe,
    request: { kind: string } & Record<string, unknown>,
  ): Promise<Asked> {
    const reference = `ordered-${++this.#count}`;
    const asked = { deviceId: id, kind: request.kind, reference, body: { ...request, reference }, id: null };
    this.asked.push(asked);
    await this.#ask(starling, asked);
    return asked;
  }

  /** Counts of what the other side has confirmed so far. */
  confirmed(): { informs: number; transfers: number; uploads: number; actions: number } {
    const sum = (of: (one: LoadedCpe) => number): number => this.cpes.reduce((total, one) => total + of(one), 0);
    return {
      informs: sum(({ cpe }) => cpe.acknowledged.informs.length),
      transfers: sum(({ cpe }) => cpe.acknowledged.transfers.length),
      uploads: sum(({ uploads }) => uploads.size),
      actions: this.asked.filter(({ id }) => id !== null).length,
    };
  }

  async stop(): Promise<void> {
    await this.calm();
    await this.stopOperating();
    await Promise.all(this.cpes.map(({ cpe }) => cpe.stop()));
  }

  /** One session of a CPE that is up; what its uploads came to is noted. */
  async session(one: LoadedCpe): Promise<void> {
    if (one.cpe.isUp) await one.cpe.inform();
    noteUploads(one);
  }

  #add(): LoadedCpe {
    const n = this.cpes.length + 1;
    const model = n % 3 === 0 ? 'tr181' : 'tr098';
    const paths = PATHS[model];
    const serialNumber = `LOAD${String(n).padStart(4, '0')}`;
    const cpe = new SimulatedCpe({
      acsUrl: this.#acsUrl,
      serialNumber,
      model,
      connectionRequests: 'none',
      // Sessions are the load's to begin: one by the clock would come between the comparison and what it compares.
      periodicInformSeconds: 86_400,
      timers: systemTimers(TIME_SCALE),
      downMs: 4_000,
      random: this.#random,
      recordsMax: RECORDS_MAX,
      misbehaviours: [{ beforeSession: (tree, session) => void tree.set(paths.mark, `${serialNumber}.${session}`) }],
    });
    const instancesAtFirst = paths.table === null ? 0 : instancesOf(cpe, paths.table).length;
    const one = { cpe, id: cpeIdOf(cpe.device), paths, instancesAtFirst, uploads: new Map() };
    this.cpes.push(one);
    return one;
  }

  async #switchOn({ cpe, paths }: LoadedCpe): Promise<void> {
    const first = await cpe.start();
    if (first.outcome !== 'ended') throw new Error(`the first session failed: ${first.why}`);
    cpe.tree.setAttributes(paths.changes, 2, null);
  }

  async #drive(one: LoadedCpe): Promise<void> {
    const { cpe, paths } = one;
    while (this.#going) {
      await pause(this.#idleMsMax * (0.2 + 0.8 * this.#random()));
      if (!cpe.isUp) continue;
      const roomy = cpe.events.pending.length < EVENTS_WAITING_MAX;
      const name = `${cpe.device.SerialNumber}-${++this.#count}`;
      const chance = this.#random();
      if (chance < 0.35) cpe.change(paths.changes, name);
      else if (chance < 0.55 && roomy) cpe.events.add('M Reboot', name);
      else if (chance < 0.7 && roomy && cpe.transfers.completions.length < TRANSFERS_WAITING_MAX)
        completeTransfer(cpe, name);
      else if (chance < 0.72) cpe.reboot();
      await this.session(one);
    }
  }

  #newAction({ id, paths }: LoadedCpe): Asked {
    const reference = `asked-${++this.#count}`;
    const chance = this.#random();
    let request: Record<string, unknown> & { kind: string } = { kind: 'get', names: [paths.get] };
    if (chance < 0.35) request = { kind: 'set', values: { [paths.set]: reference } };
    else if (chance < 0.5 && paths.table !== null) request = { kind: 'add', name: paths.table };
    else if (chance < 0.7) request = { kind: 'upload', fileType: '1 Vendor Configuration File' };
    else if (chance < 0.8) request = { kind: 'reboot' };
    return { deviceId: id, kind: request.kind, reference, body: { ...request, reference }, id: null };
  }

  async #ask(starling: TestStarling, asked: Asked): Promise<void> {
    let answer: Awaited<ReturnType<TestStarling['api']>>;
    try {
      answer = await starling.api('POST', `/devices/${asked.deviceId}/actions`, asked.body, {
        'idempotency-key': asked.reference,
      });
    } catch {
      return; // It was killed: asked again after the restart.
    }
    if (answer.status >= 200 && answer.status < 300) asked.id = answer.body.id;
    // 409: an earlier, killed start has the key under way; 5xx: its database was killed first.
    else if (answer.status !== 409 && answer.status < 500)
      throw new Error(`${asked.kind}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
}

/** Numbers of the instances of a table, as texts. */
export function instancesOf(cpe: SimulatedCpe, table: string): string[] {
  const names = cpe.tree.names(table, true);
  return names.ok ? names.value.map(({ Name }) => Name.slice(table.length, -1)) : [];
}

/** A transfer nobody asked for here, e.g. by the button of the device, has ended. */
function completeTransfer(cpe: SimulatedCpe, CommandKey: string): void {
  cpe.transfers.completions.push({
    method: 'Download',
    CommandKey,
    FaultStruct: { FaultCode: 0, FaultString: '' },
    StartTime: UNKNOWN_TIME,
    CompleteTime: UNKNOWN_TIME,
  });
  cpe.events.add('7 TRANSFER COMPLETE');
  cpe.events.add('M Download', CommandKey);
}

function noteUploads({ cpe, uploads }: LoadedCpe): void {
  for (const { CommandKey, faultCode, sha256, bytes } of cpe.transfers.done) {
    if (faultCode === 0) uploads.set(CommandKey, { sha256, bytes });
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
