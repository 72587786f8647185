// For the tests of what CPEs really do: one edge, any number of simulated CPEs with their misbehaviours, and the questions those tests ask
// again and again. A CPE that misbehaves still checks what the ACS sends: a breach of CWMP by the edge fails the test that saw it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type CpeId, cpeIdOf } from '../../base/ids.ts';
import type { Hooks } from '../../bench/fleet/behaviour.ts';
import { type CpeOptions, SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { misbehaviourOf } from '../../bench/fleet/misbehaviour.ts';
import type { SessionSummary } from '../../bench/fleet/session-run.ts';
import type { ActionKind, ActionResult, FactBody, Work } from '../../bus/messages.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';

export const IGD = 'InternetGatewayDevice.';
export const SSID = `${IGD}LANDevice.1.WLANConfiguration.1.SSID`;
export const VERSION = `${IGD}DeviceInfo.SoftwareVersion`;
export const PROVISIONING = `${IGD}DeviceInfo.ProvisioningCode`;
export const NOBODY = `${IGD}DeviceInfo.X_STARLING_Nobody`;

let serials = 0;

export type FieldCpe = Partial<Omit<CpeOptions, 'misbehaviours'>>;

export class Field {
  readonly edge: TestEdge;
  readonly #folder: string | null;
  readonly #cpes: SimulatedCpe[] = [];

  constructor(edge: TestEdge, folder: string | null) {
    this.edge = edge;
    this.#folder = folder;
  }

  /** A CPE of its own serial number that does these things wrong. It is switched off when the field is closed. */
  cpe(misbehaviours: (string | Hooks)[] = [], options: FieldCpe = {}): SimulatedCpe {
    const cpe = new SimulatedCpe({
      ...{
        acsUrl: this.edge.url,
        serialNumber: `F${process.pid}x${++serials}`,
        connectionRequests: 'none',
        downMs: 20,
      },
      ...options,
      misbehaviours: misbehaviours.map((one) => (typeof one === 'string' ? misbehaviourOf(one) : one)),
    });
    this.#cpes.push(cpe);
    return cpe;
  }

  /** A CPE after its first session, which went well. */
  async booted(misbehaviours: (string | Hooks)[] = [], options: FieldCpe = {}): Promise<SimulatedCpe> {
    const cpe = this.cpe(misbehaviours, options);
    wentWell(await cpe.start());
    return cpe;
  }

  /** Hands an action over and runs one session, which goes well. Resolves with the result. */
  async ask(
    cpe: SimulatedCpe,
    kind: ActionKind,
    args: Record<string, unknown>,
    more: Partial<Work> = {},
  ): Promise<ActionResult> {
    const action = await this.edge.act(idOf(cpe), kind, args, more);
    wentWell(await cpe.inform());
    return this.edge.result(action);
  }

  get(cpe: SimulatedCpe, ...names: string[]): Promise<ActionResult> {
    return this.ask(cpe, 'get', { names });
  }

  set(cpe: SimulatedCpe, values: Record<string, string>): Promise<ActionResult> {
    return this.ask(cpe, 'set', { values: Object.entries(values).map(([name, value]) => ({ name, value })) });
  }

  /** Both ways of an answer, a value and a fault, arrive as what they are: the least that must work with any CPE. */
  async talks(cpe: SimulatedCpe): Promise<void> {
    const read = await this.get(cpe, SSID);
    expect(read).toMatchObject({ outcome: 'done', after: [{ Name: SSID, Value: cpe.tree.value(SSID) }] });
    const unknown = await this.get(cpe, NOBODY);
    expect(unknown).toMatchObject({
      outcome: 'unsupported',
      items: [{ name: NOBODY, status: 'unknown', faultCode: 9005 }],
    });
  }

  /** The first fact that control gets of an Inform of this CPE. */
  informOf(cpe: SimulatedCpe): Promise<FactBody<'inform'>> {
    return this.edge.until(() => this.edge.factsOf('inform').find(({ cpeId }) => cpeId === idOf(cpe)));
  }

  /** All facts of a type about one CPE that have arrived. */
  factsOf<T extends 'inform' | 'values' | 'names' | 'attributes' | 'request' | 'session'>(
    cpe: SimulatedCpe,
    type: T,
  ): FactBody<T>[] {
    const all = this.edge.factsOf(type) as (FactBody<T> & { cpeId: CpeId })[];
    return all.filter(({ cpeId }) => cpeId === idOf(cpe));
  }

  /** Runs, and returns by how much a sample rose. */
  async rise(name: string, label: string, run: () => Promise<unknown>): Promise<number> {
    const before = await this.edge.metric(name, label);
    await run();
    return (await this.edge.metric(name, label)) - before;
  }

  /** Runs, and expects the metrics to have counted the tolerance. */
  async tolerated(name: string, run: () => Promise<unknown>): Promise<void> {
    expect(await this.rise('starling_tolerances_total', `name="${name}"`, run), name).toBeGreaterThan(0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#cpes.map((cpe) => cpe.stop()));
    await this.edge.close();
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true });
  }
}

/**
 * Starts an edge.
 * @param env options of it. @param profiles YAML of profiles an operator added (STARLING_PROFILES_DIR).
 */
export async function startField(env: Record<string, string> = {}, profiles: string[] = []): Promise<Field> {
  if (profiles.length === 0) return new Field(await startTestEdge(env), null);
  const folder = mkdtempSync(join(tmpdir(), 'starling-field-'));
  for (const [at, yaml] of profiles.entries()) writeFileSync(join(folder, `${at}.yaml`), yaml);
  return new Field(await startTestEdge({ ...env, STARLING_PROFILES_DIR: folder }), folder);
}

export function idOf(cpe: SimulatedCpe): CpeId {
  return cpeIdOf(cpe.device);
}

/** The session ended as CWMP has it, and the CPE found nothing wrong with the ACS. */
export function wentWell(summary: SessionSummary): void {
  expect(summary).toMatchObject({ outcome: 'ended', why: '', complaints: [] });
}

/** Value of a parameter in the facts of an Inform. */
export function changedIn(fact: FactBody<'inform'>, name: string): string | undefined {
  return fact.changed.find(({ Name }) => Name === name)?.Value;
}
