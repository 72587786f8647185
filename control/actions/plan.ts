// Planning: what an action will do to a device, in full, before anything is done. Pure: the same device, knowledge and request give the
// same plan. Reading what is known and storing the plan are create.ts; how each kind is drafted is plan-kinds.ts.

import { createHash } from 'node:crypto';
import { LIMITS } from '../../base/limits.ts';
import { REDACTED } from '../../base/secret-box.ts';
import { DIAGNOSTIC_TESTS, DIAGNOSTICS, STATE_PARAMETER } from '../../profiles/diagnostics.ts';
import { canonicalJson } from '../evidence/chain.ts';
import { sayPlan } from '../explain/action.ts';
import { redactRecord } from '../redaction.ts';
import type { ProfileBook, ResolvedName } from '../registry/profile-book.ts';
import type { FileView, PlanView, Risk } from '../services.ts';
import { nameRefusal } from './model-checks.ts';
import { DRAFTERS } from './plan-kinds.ts';
import type { ActionRequest } from './request.ts';

export const SOFTWARE_VERSION = 'DeviceInfo.SoftwareVersion';

export interface PlanDevice {
  id: string;
  /** `Device.` or `InternetGatewayDevice.`, '' before the first Inform. */
  root: string;
  profileId: string;
}

/** What is stored of one parameter of the device. */
export interface KnownParameter {
  /** null for secrets, objects and what was never read. */
  value: string | null;
  /** The value of a secret, sealed. */
  sealed: string | null;
  type: string;
  writable: boolean | null;
  readAt: number | null;
}

export interface PlanInput {
  device: PlanDevice;
  request: ActionRequest;
  /** What is known of the paths that pathsOfInterest named. */
  known: ReadonlyMap<string, KnownParameter>;
  book: ProfileBook;
  /** The file a download names, when there is such a file. */
  file: FileView | null;
  /** The firmware that the device was given last, when it is among the files still; only looked for when firmware is to be installed. */
  firmwareBefore: FileView | null;
  commandKey: string;
  nowMs: number;
  /** Keyed digest of a text (SecretBox.digest): binds the hash to secrets without telling them. */
  digest(text: string): string;
  /** Opens a sealed value of this device, for its inverse plan. */
  unseal(path: string, sealed: string): string;
}

/** What the drafting of one kind yields. */
export interface Draft {
  /** Arguments for the edge, names resolved, secrets in plain: to be sealed. */
  args: Record<string, unknown>;
  rpcs: PlanView['rpcs'];
  diff: PlanView['diff'];
  effect: 'reads' | 'writes' | 'disrupts';
  impact: { reboot: boolean; serviceCut: boolean; text: string };
  risk: Risk;
  expected: string;
  recovery: { possible: boolean; text: string; inverse: ActionRequest | null };
  /** Values the draft counts on; what differs from them later is drift. */
  basis: BasisValue[];
  /** Paths and names whose values are secret in this action, beyond what the profile knows. */
  secretNames: string[];
}
/** A value as it was known when the plan was made, secrets in plain: to be sealed. Null: it was not known, and anything may be found. */
export interface BasisValue {
  name: string;
  value: string | null;
}

export type PlanRefusal = {
  type: 'refused';
  code: 'unknown-name' | 'bad-action' | 'read-only' | 'bad-value';
  message: string;
};
export interface Planned {
  type: 'ok';
  view: PlanView;
  args: Record<string, unknown>;
  /** The request that would take the action back, as far as it is known before it runs. */
  inverse: ActionRequest | null;
  basis: BasisValue[];
  /** The request as it may be shown. */
  request: Record<string, unknown>;
}

/** What drafting may ask. */
export interface DraftContext extends PlanInput {
  /** A name as the operator wrote it, understood; or a refusal with the nearest names. */
  resolve(name: string): ResolvedName | PlanRefusal;
}

/** Plans one action. Refusals are for the caller and say what to do. */
export function plan(input: PlanInput): Planned | PlanRefusal {
  const { device, request, book, nowMs } = input;
  const draft = DRAFTERS[request.kind]({ ...input, resolve: (name) => resolveName(input, name) }, request as never);
  if ('type' in draft) return draft;

  const secretNames = new Set(draft.secretNames);
  const isSecret = (name: string): boolean => secretNames.has(name) || book.isSecret(device.profileId, name);
  const { args, rpcs, diff, risk, expected } = draft;
  const asked = redactRecord(withoutCommon(request), isSecret);
  const shownDiff = diff.map((entry) =>
    isSecret(entry.name) ? { ...entry, from: hide(entry.from), to: hide(entry.to) } : entry,
  );
  const shown = {
    rpcs: rpcs.map((rpc) => ({ ...rpc, args: redactRecord(rpc.args, isSecret) })),
    diff: shownDiff,
    words: sayPlan({ kind: request.kind, request: asked, plan: { diff: shownDiff } }),
    impact: { ...draft.impact, customers: 1 },
    risk,
    expected,
    recovery: { possible: draft.recovery.possible, text: draft.recovery.text },
  };
  // Ages grow while a plan is looked at; what it is bound to does not.
  const ageless = { ...shown, diff: shown.diff.map((entry) => ({ ...entry, ageSeconds: null })) };
  const inner = input.digest(canonicalJson({ args, basis: draft.basis }));
  const bound = { device: device.id, kind: request.kind, ...ageless, args: inner };
  const hash = createHash('sha256').update(canonicalJson(bound)).digest('hex');
  return {
    type: 'ok',
    view: { hash, ...shown, createdAt: new Date(nowMs).toISOString() },
    args,
    inverse: draft.recovery.inverse,
    basis: draft.basis,
    request: asked,
  };
}

/** A request as it may be shown before it is planned for any device: whatever is a secret on some kind of device is hidden. */
export function redactedRequest(request: ActionRequest, book: ProfileBook): Record<string, unknown> {
  return redactRecord(withoutCommon(request), (name) => book.isSecretAnywhere(name));
}

/** Where the instances that a table has already have what is named relative to a new one: what the device says there holds for it too. */
export const besidePath = (object: string, name: string): string => `${object}*.${name}`;

/** The paths to look up before planning: what the names may mean on this device. */
export function pathsOfInterest(request: ActionRequest, device: PlanDevice, book: ProfileBook): string[] {
  const candidates = (names: string[]): string[] => names.flatMap((name) => book.candidates(device.profileId, name));
  const withSupported = (paths: string[]): string[] =>
    paths.flatMap((path) => [path, book.supportedPath(device.profileId, path) ?? []].flat());
  switch (request.kind) {
    case 'get':
      return candidates(request.names);
    case 'set':
      return withSupported(candidates(Object.keys(request.values)));
    case 'refresh':
      return request.name === undefined ? [] : candidates([request.name]);
    case 'add': {
      const objects = candidates([request.name]);
      const names = Object.keys(request.values ?? {});
      return [...objects, ...withSupported(objects.flatMap((object) => names.map((name) => besidePath(object, name))))];
    }
    case 'delete':
      return candidates([request.name]);
    case 'diagnose': {
      const test = DIAGNOSTIC_TESTS.find((name) => name === request.test);
      const root = device.root;
      if (test === undefined || (root !== 'Device.' && root !== 'InternetGatewayDevice.')) return [];
      return DIAGNOSTICS[root]
        .filter((diagnostic) => diagnostic.test === test)
        .map(({ object }) => object + STATE_PARAMETER);
    }
    case 'download':
      return device.root === '' ? [] : [device.root + SOFTWARE_VERSION];
    default:
      return [];
  }
}

/** The objects whose whole content planning needs: what is deleted is what a recovery would have to make anew. */
export function objectsOfInterest(request: ActionRequest, device: PlanDevice, book: ProfileBook): string[] {
  if (request.kind !== 'delete') return [];
  return book.candidates(device.profileId, request.name).filter((path) => path.endsWith('.'));
}

/** Names of basis values that are others now. @param now what is known of a path now, null when nothing is. */
export function drift(basis: readonly BasisValue[], now: (path: string) => string | null): string[] {
  return basis.filter(({ name, value }) => value !== null && now(name) !== value).map(({ name }) => name);
}

/** What is known of a path: a secret opened, null for objects and what was never read. */
export function valueKnown({ known, unseal }: Pick<PlanInput, 'known' | 'unseal'>, path: string): string | null {
  const entry = known.get(path);
  return entry?.sealed ? unseal(path, entry.sealed) : (entry?.value ?? null);
}

function resolveName(input: PlanInput, name: string): ResolvedName | PlanRefusal {
  const { device, book, known } = input;
  const resolution = book.resolve(device.profileId, name, (path) => known.has(path));
  if (resolution.type === 'bad-path')
    return { type: 'refused', code: 'bad-action', message: `${short(name)} ${resolution.why}.` };
  if (resolution.type === 'unknown') {
    const offer = resolution.nearest.length > 0 ? ` Nearest names: ${resolution.nearest.join(', ')}.` : '';
    const why = device.profileId === '' ? ' It has not informed yet, so only full paths can be used.' : '';
    const message = `${short(name)} is not a name on this device.${why}${offer} Paths start with Device. or InternetGatewayDevice.`;
    return { type: 'refused', code: 'unknown-name', message };
  }
  if (device.root !== '' && !resolution.path.startsWith(device.root)) {
    const message = `${short(name)} is not in this device's data model: its paths start with ${device.root}`;
    return { type: 'refused', code: 'unknown-name', message };
  }
  return (resolution.canonical === null ? nameRefusal(input, short(name), resolution.path) : null) ?? resolution;
}

/** Names in messages are cut, or a message becomes as long as the body that caused it. */
export const short = (name: string): string =>
  name.length > LIMITS.pathCharsMax ? `${name.slice(0, LIMITS.pathCharsMax)}…` : name;

const hide = (value: string | null): string | null => (value === null || value === '' ? value : REDACTED);

function withoutCommon(request: ActionRequest): Record<string, unknown> {
  const { reason: _1, reference: _2, wake: _3, expiresAt: _4, preview: _5, kind: _6, ...rest } = request;
  return rest;
}
