// One action of one simulated CPE, from its making to its end, with every step of it told as it happens: what the test of kills at every step
// stands on.

import { cpeIdOf } from '../../base/ids.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { systemTimers } from '../../bench/fleet/timers.ts';
import { isEnded } from '../../control/services.ts';
import type { Database } from '../../control/store/postgres.ts';
import { type Apart, pause } from './apart.test-helper.ts';

export const KINDS = ['reboot', 'add', 'set', 'download'] as const;
export type Kind = (typeof KINDS)[number];
const ROOT = 'InternetGatewayDevice.';
const FIRMWARE = '1 Firmware Upgrade Image';
const SSID = `${ROOT}LANDevice.1.WLANConfiguration.1.SSID`;
const MAPPINGS = `${ROOT}WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.`;

/** What must not reach a CPE twice for one action; set may. */
const ONCE: Record<Kind, string | null> = { set: null, add: 'AddObject', reboot: 'Reboot', download: 'Download' };
/** Waits of the CPE pass this much faster. */
const TIME_SCALE = 0.05;
/** For an action to end after its part was started again. */
const END_MS = 30_000;

/** How an action ended. */
export interface Ended {
  state: string;
  isKnown: boolean;
  why: string;
}

interface ActionRow {
  state: Parameters<typeof isEnded>[0];
  why: string;
  command_key: string;
}

export class SteppedAction {
  readonly cpe: SimulatedCpe;
  readonly deviceId: string;
  /** Steps in the order they came. */
  readonly steps: string[] = [];
  readonly #apart: Apart;
  readonly #sql: Database;
  readonly #kind: Kind;
  readonly #at: string | null;
  readonly #kill: () => void;
  #id = '';
  #watched = false;
  #rpcs = 0;

  /**
   * @param at the step at which `kill` is called, at once and within it; null to see which steps there are.
   */
  constructor(apart: Apart, sql: Database, serialNumber: string, kind: Kind, at: string | null, kill: () => void) {
    this.#apart = apart;
    this.#sql = sql;
    this.#kind = kind;
    this.#at = at;
    this.#kill = kill;
    this.cpe = new SimulatedCpe({
      ...{ acsUrl: apart.starling.cwmpUrl, serialNumber, model: 'tr098', connectionRequests: 'none' },
      ...{ periodicInformSeconds: 86_400, timers: systemTimers(TIME_SCALE), downMs: 2_000 },
      misbehaviours: [
        {
          execute: (method) => {
            if (this.#watched) this.#step(`RPC ${++this.#rpcs} ${method} arrived`);
            return null;
          },
          post: (_post, { kind, method }) => {
            if (!this.#watched) return;
            if (kind === 'response') this.#step(`RPC ${this.#rpcs} ${method} answered`);
            if (kind === 'request') this.#step(`${method} told`);
            if (kind === 'inform' && this.cpe.events.pending.some(({ EventCode }) => EventCode.startsWith('M ')))
              this.#step('event told');
          },
        },
      ],
    });
    this.deviceId = cpeIdOf(this.cpe.device);
  }

  /** True once the part was killed. */
  get isKilled(): boolean {
    return this.#at !== null && this.steps.includes(this.#at);
  }

  /** Makes the action; goes as far as it comes before the kill. @param file that a download fetches. */
  async begin(file: string): Promise<void> {
    await this.cpe.start();
    const { starling } = this.#apart;
    // A control that was killed just now had facts in hand: they come again after some seconds, and this device's behind them.
    while ((await starling.api('GET', `/devices/${this.deviceId}`)).status === 404) await pause(50);
    const made = await starling.api(
      'POST',
      `/devices/${this.deviceId}/actions`,
      requestOf(this.#kind, this.#name, file),
    );
    if (made.status !== 202) throw new Error(`${made.status} ${JSON.stringify(made.body)}`);
    this.#id = made.body.id;
    this.#watched = true;
    this.#step('created');
    // What waits for approval is approved when control is there again.
    if (!this.isKilled) await this.approve(made.body.plan.hash);
  }

  async approve(hash?: string): Promise<void> {
    const { starling, wan } = this.#apart;
    const path = `/actions/${this.#id}`;
    const planHash = hash ?? (await starling.api('GET', path)).body.plan.hash;
    // What is claimed and not confirmed stays so for as long as nothing comes through.
    if (this.#at === 'claimed') wan.cut();
    const { status, body } = await starling.api('POST', `${path}/approve`, { planHash });
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    this.#step('approved');
    if (this.isKilled) return;
    const has = async (look: () => Promise<{ yes: boolean }[]>): Promise<void> => {
      while ((await look())[0]?.yes !== true) await pause(5);
    };
    await has(() => this.#sql`select claimed_at is not null as yes from action where id = ${this.#id}`);
    this.#step('claimed');
    if (this.#at === 'claimed') wan.heal();
    if (this.isKilled) return;
    await has(() => this.#sql`select sent_at is not null as yes from action where id = ${this.#id}`);
    this.#step('at edge');
  }

  /** The CPE comes until the action has ended, or time is over. @param killed called when the part was killed, to start it again. */
  async goOn(killed: () => Promise<void>): Promise<void> {
    let restarted = false;
    for (const deadline = Date.now() + END_MS; Date.now() < deadline; await pause(20)) {
      if (this.isKilled && !restarted) {
        restarted = true;
        await killed();
        if (this.#at === 'created') await this.approve();
      }
      if (isEnded((await this.#row()).state)) break;
      if (this.cpe.isUp) await this.cpe.inform();
      if (this.#rpcs > 0 && this.steps.at(-1)?.endsWith('answered') === true) this.#step('session over');
    }
    this.#step('result stored');
    if (this.isKilled && !restarted) await killed();
  }

  /** Begins its recovery and sees it to its end. Returns the state the action is in then. */
  async recover(killed: () => Promise<void>): Promise<string> {
    const { status, body } = await this.#apart.starling.api('POST', `/actions/${this.#id}/recover`);
    if (status !== 201 && status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    this.#step('recovery begun');
    // What follows is an action of its own, with the steps of its kind.
    this.#watched = false;
    if (this.isKilled) await killed();
    for (const deadline = Date.now() + END_MS; Date.now() < deadline; await pause(20)) {
      const { state } = await this.#row();
      if (state !== 'recovering') return state;
      if (this.cpe.isUp) await this.cpe.inform();
    }
    return 'recovering';
  }

  /** How it ended, from the database and from the queue. */
  async ended(): Promise<Ended> {
    const { state, why } = await this.#row();
    const { body } = await this.#apart.starling.api('GET', `/queue?deviceId=${encodeURIComponent(this.deviceId)}`);
    const entry = body.items.find(({ action }: { action: { id: string } }) => action.id === this.#id);
    return { state, isKnown: entry?.isKnown ?? true, why };
  }

  /** Ends written down, and times the CPE did what must not be done twice. */
  async counts(): Promise<{ results: number; ends: number; executed: number }> {
    const [row] = await this.#sql<{ results: number; ends: number }[]>`
      select (select count(*)::int from action_result where action_id = ${this.#id}) as results,
        (select count(*)::int from evidence where action_id = ${this.#id} and kind in ('result', 'ended')) as ends`;
    const { command_key } = await this.#row();
    const method = ONCE[this.#kind];
    return { ...row!, executed: method === null ? 1 : this.cpe.received.executed(method, command_key) };
  }

  /** The CPE did what was asked. */
  get isDone(): boolean {
    if (this.#kind === 'set') return this.cpe.tree.value(SSID) === this.#name;
    if (this.#kind !== 'add') return true;
    const names = this.cpe.tree.names(MAPPINGS, true);
    return names.ok && names.value.length > 0;
  }

  get #name(): string {
    return `name-${this.cpe.device.SerialNumber}`;
  }

  async #row(): Promise<ActionRow> {
    const [row] = await this.#sql<ActionRow[]>`select state, why, command_key from action where id = ${this.#id}`;
    return row!;
  }

  /** Each step counts the first time it comes. */
  #step(name: string): void {
    if (this.steps.includes(name)) return;
    this.steps.push(name);
    if (name === this.#at) this.#kill();
  }
}

function requestOf(kind: Kind, name: string, file: string): Record<string, unknown> {
  switch (kind) {
    case 'set':
      return { kind, values: { [SSID]: name } };
    case 'add':
      return { kind, name: MAPPINGS, values: { ExternalPort: 8443 } };
    case 'reboot':
      return { kind };
    case 'download':
      return { kind, fileType: FIRMWARE, file };
  }
}

/** Gives Starling a file that CPEs can fetch. Returns its id. */
export async function giveFile({ starling }: Apart): Promise<string> {
  const query = new URLSearchParams({ name: 'image.bin', fileType: FIRMWARE });
  const response = await fetch(`${starling.httpUrl}/api/v1/files?${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${starling.token}`, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(20_000).fill(7),
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { id: string }).id;
}
