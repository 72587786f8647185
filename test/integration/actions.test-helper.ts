// What the tests of actions stand on: one whole Starling, simulated CPEs of both data models that it knows and can wake, and one look at
// the record that every action must leave. Everything the API ever said is kept, to be searched for secrets.

import { expect, vi } from 'vitest';
import { cpeIdOf } from '../../base/ids.ts';
import { type CpeOptions, SimulatedCpe } from '../../bench/fleet/cpe.ts';
import type { Model } from '../../bench/fleet/kinds.ts';
import type { ActionKind } from '../../bus/messages.ts';
import type { ActionDetail, TimelineEntry } from '../../control/services.ts';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';

export const MODELS: readonly Model[] = ['tr098', 'tr181'];

/** Paths that the tests speak of, by data model. */
export const PATHS = {
  tr098: {
    ssid: 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID',
    password: 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.KeyPassphrase',
    wifi: 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.',
    softwareVersion: 'InternetGatewayDevice.DeviceInfo.SoftwareVersion',
    mappings: 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.',
    mapping: { PortMappingEnabled: true, ExternalPort: 8443, InternalClient: '192.168.1.33' },
    ping: 'InternetGatewayDevice.IPPingDiagnostics.',
  },
  tr181: {
    ssid: 'Device.WiFi.SSID.1.SSID',
    password: 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase',
    wifi: 'Device.WiFi.',
    softwareVersion: 'Device.DeviceInfo.SoftwareVersion',
    mappings: 'Device.NAT.PortMapping.',
    mapping: { Enable: true, ExternalPort: 8443, InternalClient: '192.168.1.33' },
    ping: 'Device.IP.Diagnostics.IPPing.',
  },
} as const;

export interface Device {
  cpe: SimulatedCpe;
  id: string;
  model: Model;
  /** Value of a parameter in the CPE itself. */
  value(path: string): string | undefined;
}

let starter: (env: Record<string, string>) => Promise<TestStarling> = (env) => startStarling(env);

/** What stages stand on from now on: the suites are the same for every form of Starling. */
export function stagesStartWith(start: typeof starter): void {
  starter = start;
}

export class ActionStage {
  readonly starling: TestStarling;
  /** Every body the API answered with here. */
  readonly said: string[] = [];
  readonly #cpes: SimulatedCpe[] = [];
  #count = 0;

  constructor(starling: TestStarling) {
    this.starling = starling;
  }

  static async open(env: Record<string, string> = {}): Promise<ActionStage> {
    return new ActionStage(await starter(env));
  }

  async close(): Promise<void> {
    await Promise.all(this.#cpes.map((cpe) => cpe.stop()));
    await this.starling.stop();
    this.starling.clean();
  }

  /** A CPE that had its first session, and whose device control shows with the credentials of its own. */
  async device(model: Model, options: Partial<CpeOptions> = {}): Promise<Device> {
    this.#count += 1;
    const cpe = new SimulatedCpe({
      ...{ acsUrl: this.starling.cwmpUrl, serialNumber: `IT${this.#count}`, model, downMs: 100, diagnosticMs: 50 },
      ...options,
    });
    this.#cpes.push(cpe);
    await cpe.start();
    const id = cpeIdOf(cpe.device);
    // Not expect.poll: that one works inside tests only, and devices are made before them too.
    await vi.waitFor(async () => expect((await this.api('GET', `/devices/${id}`)).status).toBe(200), {
      timeout: 10_000,
    });
    await this.#credentialsSettle(id);
    return { cpe, id, model, value: (path) => cpe.tree.value(path) };
  }

  /** Calls the API as admin. */
  async api(method: string, path: string, body?: unknown, headers?: Record<string, string>) {
    const answer = await this.starling.api(method, path, body, headers);
    this.said.push(JSON.stringify(answer.body));
    return answer;
  }

  /** Makes an action with `wake` and waits for its end; fails when it is refused. */
  async act(
    device: Device | string,
    body: { kind: ActionKind } & Record<string, unknown>,
    waitSeconds = 20,
  ): Promise<ActionDetail> {
    const id = typeof device === 'string' ? device : device.id;
    const { status, body: answer } = await this.api('POST', `/devices/${id}/actions?wait=${waitSeconds}`, {
      wake: true,
      ...body,
    });
    expect(status, JSON.stringify(answer)).toBe(waitSeconds > 0 ? 201 : 202);
    return answer as ActionDetail;
  }

  /** Timeline of a device, oldest first. */
  async timeline(id: string): Promise<TimelineEntry[]> {
    const { body } = await this.api('GET', `/devices/${id}/timeline?limit=500`);
    return (body.items as TimelineEntry[]).reverse();
  }

  async parameters(
    id: string,
    prefix: string,
  ): Promise<{ name: string; canonical: string | null; value: string | null; secret: boolean }[]> {
    return (await this.api('GET', `/devices/${id}/parameters?limit=500&prefix=${prefix}`)).body.items;
  }

  /**
   * The record of one ended action is whole: plan with RPCs, impact and expectation; an automatic approval bound to the plan; a result; a
   * recovery statement; evidence in its order from plan to result; and timeline entries that read as sentences.
   */
  async checkRecord(action: ActionDetail): Promise<void> {
    const { kind, plan, approvals, result, recovery, evidence, object, owner } = action;
    expect(owner).toMatchObject({ kind: 'person', name: expect.stringMatching(/./), role: 'admin' });
    expect(object).toMatchObject({ connector: 'cwmp' });
    expect(plan.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(plan.rpcs.length).toBeGreaterThan(0);
    expect(plan.expected).toMatch(/^\S.*\.$/);
    expect(plan.impact).toMatchObject({ customers: 1, text: expect.stringMatching(/^\S.*\.$/) });
    expect(approvals).toEqual([
      expect.objectContaining({ decision: 'auto', planHash: plan.hash, why: expect.stringMatching(/./) }),
    ]);
    expect(recovery).toMatchObject({
      // What wrote may know more than its plan did: values before, the instance that was made, that nothing had to be changed.
      possible: kind === 'set' || kind === 'add' ? expect.any(Boolean) : plan.recovery.possible,
      state: 'not-run',
      text: expect.stringMatching(/^\S.*\.$/),
    });
    expect(action.why).toMatch(/^\S.*\.$/);
    expect(result?.outcome).toBe(action.outcome);
    expect(result?.why).toBe(action.why);
    const kinds = evidence.map(({ kind }) => kind);
    expect(kinds.slice(0, 2)).toEqual(['planned', 'approved']);
    expect(kinds.at(-1)).toBe('result');
    expect(kinds.filter((kind) => kind === 'rpc')).toHaveLength(result?.rpcs.length ?? -1);
    expect(result?.rpcs.length).toBeGreaterThan(0);
    const sequence = evidence.map(({ seq }) => BigInt(seq));
    expect(sequence).toEqual([...sequence].sort((a, b) => (a < b ? -1 : 1)));
    const entries = (await this.timeline(object.ref)).filter(({ actionId }) => actionId === action.id);
    expect(entries.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['action.ready', `action.${action.state}`]));
    for (const { summary } of entries) expect(summary).toMatch(/^[A-Z0-9].{5,}/);
  }

  /** The policy's own `set` of connection-request credentials has ended: the session of a test's action is then its own. */
  async #credentialsSettle(id: string): Promise<void> {
    const look = async () => expect((await this.api('GET', `/devices/${id}`)).body.openActions).toBe(0);
    await vi.waitFor(look, { timeout: 30_000 });
  }
}
