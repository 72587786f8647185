// What a batch of facts amounts to, in memory: each fact folds into it in order, then ingest.ts has it written with a handful of statements.
// Later facts of the batch win over earlier ones, so the order within a batch is kept although the statements are few.

import type { CpeFacts, FactBody } from '../../bus/messages.ts';
import { isPartialPath, parentPath } from '../../cwmp/paths.ts';
import type { NewEvent } from '../evidence/record.ts';
import type { IsSecret } from '../redaction.ts';

/** Where a fact comes from. */
export interface Origin {
  edgeId: string;
  pop: string;
  at: number;
}

/** undefined: nothing new about this member. */
export interface ParameterEffect {
  value?: string;
  type?: string;
  writable?: boolean;
  notification?: number;
  readAt?: number;
}

export interface DeviceEffect {
  id: string;
  cpe?: CpeFacts;
  edgeId?: string;
  pop?: string;
  seenAt: number;
  informAt?: number;
  bootAt?: number;
  bootstrapAt?: number;
  modelName?: string;
  hardwareVersion?: string;
  softwareVersion?: string;
  connectionRequestUrl?: string;
  /** Everything stored of the tree is dropped before `removals` and `parameters` apply (CWMP 1.9). */
  reset: boolean;
  /** Below `path` only `keep` still exists. */
  removals: { path: string; keep: string[] }[];
  parameters: Map<string, ParameterEffect>;
}

export type ActionEffect =
  | { type: 'progress'; at: number; edgeId: string; body: FactBody<'progress'> }
  | { type: 'result'; at: number; edgeId: string; body: FactBody<'result'> };

export interface UploadEffect {
  at: number;
  edgeId: string;
  pop: string;
  body: FactBody<'upload'>;
}

export interface RecordingEffect {
  at: number;
  edgeId: string;
  pop: string;
  body: FactBody<'recording'>;
}

/** Filled by the folds in the order of the facts; read once, when all are in. */
export class Effects {
  readonly devices = new Map<string, DeviceEffect>();
  /** Quiet devices, by where they were seen last. */
  readonly seen = new Map<string, Origin>();
  readonly actions: ActionEffect[] = [];
  readonly uploads: UploadEffect[] = [];
  readonly recordings: RecordingEffect[] = [];
  readonly events: NewEvent[] = [];
  /** Edges that came up: what they must know is sent again. */
  readonly hellos: { edgeId: string; body: FactBody<'hello'> }[] = [];
  /** Devices whose connection-request credentials the CPE did not accept. */
  readonly unauthorized = new Set<string>();
  /** Secret paths of one device, by the profile it has at this point of the batch. */
  readonly #isSecret: (cpeId: string, path: string) => boolean;

  constructor(isSecret: (cpeId: string, path: string) => boolean) {
    this.#isSecret = isSecret;
  }

  isSecretOf(cpeId: string): IsSecret {
    return (path) => this.#isSecret(cpeId, path);
  }

  /** The device's entry, made on first use; notes that it was heard of. */
  device(cpeId: string, at: number): DeviceEffect {
    let device = this.devices.get(cpeId);
    if (!device) {
      device = { id: cpeId, seenAt: at, reset: false, removals: [], parameters: new Map() };
      this.devices.set(cpeId, device);
    }
    if (at > device.seenAt) device.seenAt = at;
    return device;
  }

  event(
    origin: Origin,
    deviceId: string,
    kind: string,
    summary: string,
    body: Record<string, unknown>,
    actionId?: string,
  ): void {
    this.events.push({ deviceId, actionId: actionId ?? null, at: origin.at, kind, summary, body });
  }
}

/** Merges what is new about one parameter. */
export function noteParameter(device: DeviceEffect, path: string, effect: ParameterEffect): void {
  const known = device.parameters.get(path);
  if (known) Object.assign(known, effect);
  else device.parameters.set(path, effect);
}

/**
 * Everything below `path` (and `path` itself, when it is a parameter) that is not in `keep` is gone; what an earlier fact of the batch
 * said about it goes with it.
 */
export function noteRemoval(device: DeviceEffect, path: string, keep: string[]): void {
  const kept = new Set(keep);
  // Objects above a kept name stay, whether or not the CPE listed them (FIELD 18).
  for (const name of keep) {
    for (let up = parentPath(name); up !== '' && up.startsWith(path) && !kept.has(up); up = parentPath(up))
      kept.add(up);
  }
  const gone = isPartialPath(path)
    ? (known: string) => known.startsWith(path)
    : (known: string) => known === path || known.startsWith(`${path}.`);
  for (const known of device.parameters.keys()) if (gone(known) && !kept.has(known)) device.parameters.delete(known);
  device.removals.push({ path, keep: [...kept] });
}
