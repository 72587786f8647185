// What control offers to its API (and later to the console and MCP): interfaces and JSON-ready views, no code.
// Views carry times as ISO 8601 text in UTC and secrets already redacted ('••••'). Services throw Refused (base/errors.ts) with the
// HTTP status, a code and a message for the caller; anything else they throw is our own failure.

import type { ActionKind, ActionResult, Outcome } from '../bus/messages.ts';
import type { ActionRequest } from './actions/request.ts';
import type { BatchPace, BatchRequest, BatchSelection } from './batches/request.ts';
import type { ExportFilter } from './evidence/export-format.ts';
import type { Permission, Role } from './permissions.ts';
import type { ApprovalMatrix, ApprovalNeed } from './policy/approval-matrix.ts';

/** Who calls: made by TokenService.authenticate, kept as the owner of what the call does. */
export interface Principal {
  tokenId: string;
  /** Of the person, or of the token when it is a program's. */
  name: string;
  role: Role;
  /** Id of the person whose token it is; null for a program. Two tokens of one person are one person. */
  person: string | null;
  /** What the token is narrowed to; null: all that its role may. */
  scope: readonly Permission[] | null;
}

/** Keyset pages: hand `next` back as `cursor` for the following page; null on the last one. Cursors are opaque; a forged one is Refused 400. */
export interface Page<T> {
  items: T[];
  next: string | null;
}
export interface PageQuery {
  cursor?: string;
  /** 1 … LIMITS.pageRowsMax; LIMITS.pageRows when left out. */
  limit?: number;
}

// ── Devices ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface DeviceView {
  id: string;
  manufacturer: string;
  oui: string;
  productClass: string;
  serialNumber: string;
  /** `Device.` or `InternetGatewayDevice.`, '' before the first Inform. */
  root: string;
  modelName: string;
  hardwareVersion: string;
  softwareVersion: string;
  profile: string;
  /** CWMP version agreed on, '' before the first Inform. */
  cwmpVersion: string;
  address: string;
  connectionRequestUrl: string;
  edgeId: string | null;
  pop: string | null;
  tags: string[];
  firstSeenAt: string | null;
  lastSeenAt: string | null;
  lastInformAt: string | null;
  lastBootAt: string | null;
  lastBootstrapAt: string | null;
  /** Actions of this device that are neither ended nor cancelled. */
  openActions: number;
}
/** All that is given must hold. */
export interface DeviceFilter {
  /** Part of the id, serial number, address or model name, case-insensitive. */
  q?: string;
  manufacturer?: string;
  oui?: string;
  productClass?: string;
  softwareVersion?: string;
  profile?: string;
  tag?: string;
  edgeId?: string;
  /** ISO times: seen at or after, or not seen since. */
  seenSince?: string;
  silentSince?: string;
}
export interface DeviceQuery extends DeviceFilter, PageQuery {}
export interface ParameterView {
  name: string;
  /** Canonical name of the profile that means this path, null when none does. */
  canonical: string | null;
  /** null: never read, or not kept. '••••' for secrets, '' for a secret that the device does not show (FIELD 27). */
  value: string | null;
  type: string;
  writable: boolean | null;
  notification: number | null;
  secret: boolean;
  /** When the value was last told or read; null when it never was. */
  readAt: string | null;
}
export interface TimelineEntry {
  /** Rises in the order of commits: the id of live events and of resuming them. */
  id: string;
  at: string;
  deviceId: string | null;
  actionId: string | null;
  /** `device.new`, `inform`, `bootstrap`, `transfer`, `wake`, `session.failed`, `action.<state>`, `credentials`, `edge.hello`, … */
  kind: string;
  /** One sentence for people. */
  summary: string;
  body: Record<string, unknown>;
}
export interface NewCredentials {
  /** How the CPE proves itself to us; null takes it away (then the shared bootstrap secret counts). Left out: unchanged. */
  cpe?: { username: string; password: string } | null;
  /** What we use in connection requests, tried in order. Left out: unchanged. */
  connectionRequest?: { username: string; password: string }[];
}
export interface CredentialsView {
  cpe: { username: string; password: '••••' } | null;
  connectionRequest: { username: string; password: '••••' }[];
}
export interface DeviceService {
  list(query: DeviceQuery): Promise<Page<DeviceView>>;
  /** Refused 404 'unknown-device'. */
  get(id: string): Promise<DeviceView>;
  /** By prefix: a path (partial with its dot), or a canonical name or its beginning (`wifi.`). Ordered by path. */
  parameters(id: string, query: PageQuery & { prefix?: string }): Promise<Page<ParameterView>>;
  /** Newest first. */
  timeline(id: string, query: PageQuery): Promise<Page<TimelineEntry>>;
  /** Asks the device's edge for a connection request; the outcome comes as a `wake` event. 409 'no-edge' before first contact. */
  wake(id: string, principal: Principal): Promise<{ requested: true; edgeId: string }>;
  credentials(id: string): Promise<CredentialsView>;
  /** Also registers a device nobody has seen yet, when the id reads as OUI-ProductClass-SerialNumber (422 'bad-device-id' otherwise). */
  setCredentials(id: string, credentials: NewCredentials, principal: Principal): Promise<CredentialsView>;
  setTags(id: string, tags: string[], principal: Principal): Promise<DeviceView>;
}

// ── Actions ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const ACTION_STATES = [
  'planned',
  'awaiting-approval',
  'ready',
  'running',
  'verifying',
  'done',
  'partial',
  'unsupported',
  'refused',
  'failed',
  'recovering',
  'recovered',
  'stuck',
  'cancelled',
  'expired',
] as const;
export type ActionState = (typeof ACTION_STATES)[number];
export type Risk = 'none' | 'low' | 'medium' | 'high';

export interface ActionView {
  id: string;
  kind: ActionKind;
  state: ActionState;
  /** null while open. 'applied' means accepted but not readable back; the state is then done. */
  outcome: Outcome | null;
  /** The latest sentence about it: what it waits for, or how it ended. */
  why: string;
  owner: {
    kind: 'person' | 'policy' | 'campaign' | 'agent';
    name: string;
    role: string;
    reason: string | null;
    reference: string | null;
  };
  object: { connector: 'cwmp'; ref: string; externalId: string | null; customer: string | null; site: string | null };
  /** As asked, secrets redacted. */
  request: Record<string, unknown>;
  generation: number;
  priority: number;
  commandKey: string;
  wake: boolean;
  createdAt: string;
  expiresAt: string;
  startedAt: string | null;
  endedAt: string | null;
  /** The action that this one takes back. */
  recovers: string | null;
  /** The batch that it is part of. */
  batchId: string | null;
  /** Who looked at what did not end well, and what he noted. */
  closed: { at: string; by: string; note: string } | null;
}
export interface PlanView {
  /** sha256 of the canonical JSON of all below but ages and createdAt, with a keyed digest in place of the arguments: they hold secrets. */
  hash: string;
  /** RPCs as they will be sent, in words of TR-069; reads that depend on answers are said so in `note`. */
  rpcs: { method: string; args: Record<string, unknown>; note?: string }[];
  diff: {
    name: string;
    canonical: string | null;
    from: string | null;
    to: string | null;
    /** When `from` was read; null when it is not known. */
    readAt: string | null;
    ageSeconds: number | null;
  }[];
  /** What will happen, for people: names in place of paths. */
  words: string;
  impact: { reboot: boolean; serviceCut: boolean; customers: number; text: string };
  risk: Risk;
  expected: string;
  recovery: { possible: boolean; text: string };
  createdAt: string;
}
export interface ActionDetail extends ActionView {
  plan: PlanView;
  /** What it waits for; null unless it waits for approval. */
  needs: { need: ApprovalNeed; approvers: Role[]; why: string } | null;
  approvals: {
    decision: 'auto' | 'approved' | 'rejected';
    by: string;
    /** null for what nobody had to look at. */
    role: string | null;
    planHash: string;
    at: string;
    /** What has not begun by then expires. */
    until: string | null;
    why: string;
  }[];
  result: ActionResult | null;
  recovery: {
    possible: boolean;
    text: string;
    state: 'not-run' | 'running' | 'done' | 'failed';
    /** The action that took it back, or tried to last. */
    actionId: string | null;
  };
  /** `agedOut`: older than the installation keeps evidence; the body is gone, the place in the chain is not. */
  evidence: { seq: string; at: string; kind: string; body: Record<string, unknown>; agedOut: boolean }[];
}
export interface ActionQuery extends PageQuery {
  deviceId?: string;
  kind?: ActionKind;
  state?: ActionState;
  reference?: string;
  batchId?: string;
}
export interface ActionService {
  /**
   * Plans one action, and hands it over when the matrix asks nobody. A preview reads values first that are too old to be shown, when the
   * device can be woken. The same idempotency key of the same token gives the action made before (`created` false). Refused 404
   * 'unknown-device', 403 'denied', 422 'unknown-name' (the message offers the nearest names), 422 'bad-value' and
   * 'read-only' (by what the device told, its profile or the data model), 422 'bad-action'.
   */
  create(
    deviceId: string,
    request: ActionRequest,
    context: { principal: Principal; idempotencyKey?: string },
  ): Promise<{ created: boolean; action: ActionDetail }>;
  /** Newest first. */
  list(query: ActionQuery): Promise<Page<ActionView>>;
  /** Refused 404 'unknown-action'. */
  get(id: string): Promise<ActionDetail>;
  /** Resolves with the action as it is when it ends, `timeoutMs` passes or `signal` aborts. Bounded by LIMITS.waitSecondsMax. */
  waitForEnd(id: string, timeoutMs: number, signal?: AbortSignal): Promise<ActionDetail>;
  /** Takes back what has not ended. Refused 409 'already-ended'. What already runs on the CPE ends there; it is asked not to begin anything new. */
  cancel(id: string, principal: Principal): Promise<ActionDetail>;
  /** Lets a preview happen. Refused 409 'not-planned', 'stale-plan', 'drifted'; 403 'denied'. */
  submit(id: string, planHash: string, principal: Principal): Promise<ActionDetail>;
  /**
   * Refused 409 'not-awaiting-approval' unless the action waits for it, 'stale-plan' for another hash, 'drifted' when the device is otherwise
   * by now; 403 'not-an-approver', 'needs-person' or 'own-action'.
   */
  approve(id: string, planHash: string, principal: Principal): Promise<ActionDetail>;
  reject(id: string, why: string, principal: Principal): Promise<ActionDetail>;
  /** The action that takes it back. Refused 409 'not-recoverable' with the reason when there is nothing to run. */
  recover(id: string, principal: Principal): Promise<ActionDetail>;
  /** What somebody has to look at, newest first. */
  queue(query: QueueQuery): Promise<Page<QueueEntry>>;
  /** Refused 409 'not-in-queue'. */
  close(id: string, note: string, principal: Principal): Promise<ActionDetail>;
}
export interface QueueQuery extends PageQuery {
  deviceId?: string;
  state?: ActionState;
  kind?: ActionKind;
}
/** An action that did not end well, and that nobody has closed. */
export interface QueueEntry {
  action: ActionView;
  /** Fault codes of the device with its words, each once. */
  faults: { code: number; text: string }[];
  /** False: what the device did is not known. */
  isKnown: boolean;
  /** What a person does about it. */
  nextStep: string;
  /** Since it ended. */
  ageSeconds: number;
}
export interface ApprovalMatrixService {
  /** What decides about approvals now. */
  get(): Promise<ApprovalMatrix>;
  /** Replaces it: for what is decided from now on. */
  put(matrix: ApprovalMatrix, principal: Principal): Promise<ApprovalMatrix>;
}
/** True when nothing more will happen to an action in this state; `recovering` has not ended. */
export const isEnded = (state: ActionState): boolean =>
  !['planned', 'awaiting-approval', 'ready', 'running', 'verifying', 'recovering'].includes(state);

// ── Batches ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const BATCH_STATES = [
  'planning',
  'planned',
  'awaiting-approval',
  'running',
  'paused',
  'done',
  'cancelled',
  'expired',
] as const;
export type BatchState = (typeof BATCH_STATES)[number];
export interface BatchView {
  id: string;
  kind: string;
  state: BatchState;
  why: string;
  owner: ActionView['owner'];
  selection: BatchSelection;
  /** As asked, secrets redacted. */
  request: Record<string, unknown>;
  pace: BatchPace;
  /** The highest of all plans; null before the first. */
  risk: Risk | null;
  /** Over the hashes of all plans; null while it is being planned. */
  root: string | null;
  /** That have an action in it. */
  devices: number;
  createdAt: string;
  expiresAt: string;
  startedAt: string | null;
  endedAt: string | null;
}
export interface BatchDetail extends BatchView {
  /** Every device that was selected is excluded, unplannable or has an action; `counts` of these by state. */
  counts: {
    selected: number;
    excluded: number;
    unplannable: number;
    actions: number;
    counts: Record<string, number>;
    reconciles: boolean;
  };
  /** Devices that could not be planned, by the code of the reason. */
  refusals: Record<string, number>;
  needs: ActionDetail['needs'];
  approvals: {
    decision: 'auto' | 'approved' | 'rejected';
    by: string;
    role: string | null;
    root: string;
    at: string;
    why: string;
  }[];
  evidence: ActionDetail['evidence'];
}
/** Shows that one plan is among those of a root: merkle.ts says how. */
export interface BatchProof {
  root: string;
  deviceId: string;
  planHash: string;
  leaf: string;
  steps: { hash: string; ours: 'left' | 'right' }[];
}
export interface BatchService {
  /** Begins to plan. Nothing happens to a device before it is submitted, and approved where the matrix asks. */
  create(request: BatchRequest, principal: Principal): Promise<BatchDetail>;
  list(query: PageQuery): Promise<Page<BatchView>>;
  /** Refused 404 'unknown-batch', as all below. */
  get(id: string): Promise<BatchDetail>;
  /** Devices that could not be planned, and why, in the order of their ids. */
  refusals(id: string, query: PageQuery): Promise<Page<{ deviceId: string; code: string; message: string }>>;
  proof(id: string, actionId: string): Promise<BatchProof>;
  /** Refused 409 'not-planned', 'stale-plan'; 403 'denied'. */
  submit(id: string, root: string, principal: Principal): Promise<BatchDetail>;
  /** As ActionService.approve, for all plans at once. */
  approve(id: string, root: string, principal: Principal): Promise<BatchDetail>;
  reject(id: string, why: string, principal: Principal): Promise<BatchDetail>;
  pause(id: string, principal: Principal): Promise<BatchDetail>;
  resume(id: string, principal: Principal): Promise<BatchDetail>;
  cancel(id: string, principal: Principal): Promise<BatchDetail>;
}

// ── Files, tokens, people, idempotency ───────────────────────────────────────────────────────────────────────────────────

export interface FileView {
  id: string;
  name: string;
  fileType: string;
  bytes: number;
  sha256: string;
  /** 'operator' for files given to us, 'device' for uploads of CPEs. */
  source: 'operator' | 'device';
  deviceId: string | null;
  actionId: string | null;
  createdBy: string | null;
  createdAt: string;
}
export interface FileService {
  /** Streams into the file store; never buffers the whole. Refused 413 past LIMITS.fileBytesMax, 503 'no-file-store' when this control has none. */
  add(
    source: AsyncIterable<Uint8Array>,
    meta: { name: string; fileType: string },
    principal: Principal,
  ): Promise<FileView>;
  list(query: PageQuery): Promise<Page<FileView>>;
  get(id: string): Promise<FileView>;
}
/** Where file bytes go. Handed to startControl: in one process it is the edge's folder, which control does not import. */
export interface FileStore {
  put(
    source: AsyncIterable<Uint8Array>,
    meta: { name: string; fileType: string },
  ): Promise<{ fileId: string; bytes: number; sha256: string }>;
  /** Up to `bytesMax` bytes from `offset` on, none at its end; null when the file is not here. */
  read(fileId: string, offset: number, bytesMax: number): Promise<{ bytes: Uint8Array } | null>;
}

export interface RecordingView {
  id: string;
  deviceId: string;
  askedBy: string;
  askedAt: string;
  /** Sessions that begin later are not recorded, nor are more than `sessionsMax`. */
  until: string;
  sessionsMax: number;
  /** lost: nothing came of it on an edge, and nothing will. */
  state: 'recording' | 'fetching' | 'done' | 'empty' | 'lost';
  /** What it waits for, or how it ended. */
  why: string;
  sessions: number;
  exchanges: number;
  bytes: number;
  /** It grew too large: what came later is missing. */
  cut: boolean;
  endedAt: string | null;
}
export interface RecordingService {
  /**
   * Has the edges of the device record its sessions, redacted. Refused 404 'unknown-device', 409 'no-edge' before first contact, 409
   * 'being-recorded' while an earlier one is on, 503 'edge-away'.
   */
  start(
    deviceId: string,
    asked: { sessions: number; minutes: number; wake: boolean },
    principal: Principal,
  ): Promise<RecordingView>;
  /** Newest first. */
  list(query: PageQuery & { deviceId?: string }): Promise<Page<RecordingView>>;
  /** The file, some bytes at a time. Refused 404 'unknown-recording', 409 'recording-on' while it is not whole here, 404 'empty-recording' without a session, 503 'no-file-store'. */
  read(id: string): Promise<AsyncGenerator<Uint8Array>>;
}

export interface TokenView {
  id: string;
  name: string;
  /** The person's as it is now, or the token's own when it is a program's. */
  role: Role;
  /** Whose it is; null for a program. */
  person: { id: string; name: string } | null;
  /** What it is narrowed to; null: all that the role may. */
  scope: Permission[] | null;
  /** First characters, to tell tokens apart. */
  hint: string;
  createdAt: string;
  createdBy: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
}
export interface NewToken {
  /** Of the program that will use it; of a person's, what it is for. */
  name: string;
  /** Of a program's token. A person's has the role of the person. */
  role?: Role;
  /** The person whose token it will be; without it the token is a program's. */
  personId?: string;
  /** Left out: all that the role may. */
  scope?: Permission[];
  expiresAt?: string;
}
/** What became of a token that was shown; all but 'unknown' are told of tokens whose holder has proved to hold them. */
export type Authentication =
  | { type: 'ok'; principal: Principal }
  /** Malformed, or never made here. */
  | { type: 'unknown' }
  | { type: 'revoked' }
  /** Its person is disabled. */
  | { type: 'disabled' }
  | { type: 'expired'; at: string };
export interface TokenService {
  /**
   * Who shows this token. Looks up by hash, so time tells nothing of a token that is not one. The use of one that has ended is recorded as
   * an event, once per LIMITS.tokenRefusedEveryMs.
   */
  authenticate(token: string): Promise<Authentication>;
  /**
   * The token itself (`stl_…`) is only ever in this answer. Refused 403 'beyond-own-scope' for more than the maker's own token may,
   * 404 'unknown-person', 409 'person-disabled', 422 'bad-owner', 'bad-scope' (no use to the role), 'bad-expiry'.
   */
  create(token: NewToken, principal: Principal): Promise<{ token: string; view: TokenView }>;
  /** In the order in which they were made. */
  list(query: PageQuery & { personId?: string }): Promise<Page<TokenView>>;
  /** Refused 404 'unknown-token'. */
  get(id: string): Promise<TokenView>;
  revoke(id: string, principal: Principal): Promise<TokenView>;
  /**
   * Makes sure somebody can begin. `given` (STARLING_ADMIN_TOKEN) is stored as a token of the person 'admin'; without it the first start
   * makes that person and a token. Returns the token to print once, or null when there is nothing new to print.
   */
  ensureAdmin(given: string | null): Promise<string | null>;
}

/** Somebody who may use control. People are never deleted: evidence names them. */
export interface PersonView {
  id: string;
  /** Of one person only, whatever its case. */
  name: string;
  role: Role;
  email: string | null;
  createdAt: string;
  createdBy: string;
  /** Not null exactly while all tokens of the person are refused. */
  disabledAt: string | null;
}
export interface NewPerson {
  name: string;
  role: Role;
  email?: string;
}
export interface PersonService {
  /** In the order of names. */
  list(query: PageQuery): Promise<Page<PersonView>>;
  /** Refused 404 'unknown-person'. */
  get(id: string): Promise<PersonView>;
  /** Refused 409 'name-taken'. */
  create(person: NewPerson, principal: Principal): Promise<PersonView>;
  /**
   * Changes what is named and leaves the rest; it holds from the next request of the person on. Refused 404 'unknown-person', 409
   * 'name-taken', 409 'last-admin' when no enabled person of role admin would be left.
   */
  change(
    id: string,
    change: { name?: string; role?: Role; email?: string | null; disabled?: boolean },
    principal: Principal,
  ): Promise<PersonView>;
}

export type IdempotencyClaim =
  /** Go on, then call `finish` (or `release` when the request failed in a way that may be repeated). */
  | { type: 'new' }
  | { type: 'replay'; status: number; body: unknown }
  /** Same key, other request: 422. */
  | { type: 'conflict' }
  /** The first request with this key is still under way: 409. */
  | { type: 'busy' };
export interface IdempotencyService {
  /** `fingerprint`: a hash over method, path and body. Keys belong to one token and live 24 h. */
  claim(tokenId: string, key: string, fingerprint: string): Promise<IdempotencyClaim>;
  finish(tokenId: string, key: string, status: number, body: unknown): Promise<void>;
  release(tokenId: string, key: string): Promise<void>;
}

// ── Connectors, events, health ───────────────────────────────────────────────────────────────────────────────────────────

export interface ConnectorView {
  id: string;
  kind: 'cwmp';
  state: 'ok' | 'degraded' | 'down';
  text: string;
  /** Devices heard from within LIMITS.silentAfterMs, and known at all. */
  pathsOnline: number;
  pathsKnown: number;
  /** Open actions, and those among them that run. */
  actionsQueued: number;
  actionsRunning: number;
  /** Actions that ended failed or stuck in the last 24 h. */
  criticalFails: number;
  edges: { edgeId: string; pop: string; version: string; lastFactAt: string; devices: number }[];
  parkedMessages: number;
}
export interface ConnectorService {
  list(): Promise<ConnectorView[]>;
}

export interface EventFilter {
  deviceId?: string;
  actionId?: string;
  /** Exact kind, or a prefix ending in `.` such as `action.`. */
  kind?: string;
}
export interface EventService {
  /** Events after `id`, oldest first, at most `limit`; for Last-Event-ID. Ids are decimal text; others are Refused 400. */
  since(id: string, filter: EventFilter, limit: number): Promise<TimelineEntry[]>;
  /** Live events in the order of their ids, after their transaction is committed. Returns how to stop. The listener must not block or throw. */
  subscribe(filter: EventFilter, listener: (event: TimelineEntry) => void): () => void;
  /** Id of the newest committed event, '0' when there is none. */
  last(): Promise<string>;
}

export interface HealthView {
  ok: boolean;
  checks: { name: string; ok: boolean; text: string }[];
}
export interface HealthService {
  check(): Promise<HealthView>;
}

export interface EvidenceService {
  /** The public key of this installation, and how people tell it apart. */
  key(): { key: string; fingerprint: string };
  /** Lines of an export, some at a time, from one snapshot. To be read to its end, or returned. Throws Refused 429 'exports' beyond the bound. */
  export(filter: ExportFilter): AsyncGenerator<string>;
}

/** One step in the life of a parameter. */
export interface ParameterStep {
  at: string;
  /** Kind of the action that was to change it; `told` and `read`: the device had it otherwise than before; `bootstrap`: it forgot its settings. */
  kind: ActionKind | 'told' | 'read' | 'bootstrap';
  /** Owner of that action; null: the device itself, or somebody at it. */
  by: ActionView['owner'] | null;
  /** The action that changed it; of `read`, the one that noticed. */
  actionId: string | null;
  from: string | null;
  to: string | null;
  approvals: { decision: 'auto' | 'approved' | 'rejected'; by: string; at: string }[];
  /** Of the action; null while it is open, and when there is none. */
  outcome: Outcome | null;
  text: string;
}
export interface ParameterExplanation {
  name: string;
  canonical: string | null;
  /** As in ParameterView. */
  value: string | null;
  type: string;
  writable: boolean | null;
  secret: boolean;
  readAt: string | null;
  /**
   * What it is as it is by. cpe: the device itself, or somebody at it; factory: nobody since the device forgot its settings; unknown: nothing
   * is known of it. `at`, `actionId` and `by` are of that.
   */
  source: {
    kind: 'action' | 'policy' | 'cpe' | 'factory' | 'unknown';
    at: string | null;
    actionId: string | null;
    by: ActionView['owner'] | null;
  };
  /** Newest first, at most LIMITS.explainStepsMax. */
  history: ParameterStep[];
  /** All that, as one paragraph for staff. */
  text: string;
}
export interface ActionExplanation {
  /** For staff: who asked for what and why, how it was approved, what the device made of it. */
  text: string;
  /** To be read to a customer: without paths, codes and names of staff. */
  forCustomer: string;
}
export interface ExplainService {
  /** Who set a parameter, named by path or canonical name. Refused 404 'unknown-device', 404 'unknown-name' with the nearest names. */
  parameter(deviceId: string, name: string): Promise<ParameterExplanation>;
  /** Refused 404 'unknown-action'. */
  action(id: string): Promise<ActionExplanation>;
}

export interface RefusalService {
  /** Keeps that a caller was refused, and why. Never throws. */
  record(
    principal: Principal,
    refusal: { method: string; path: string; status: number; code: string; message: string },
  ): Promise<void>;
}

// ── Secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface RotationView {
  /** Fingerprint of the key that seals. */
  sealing: string;
  /** Live controls: the keys in the file of each, newest first, and the one it seals under; null when it has not told. */
  controls: { host: string; held: string[]; sealing: string | null }[];
  /** The newest one; null when there never was any. */
  rotation: {
    key: string;
    state: 'waiting-for-controls' | 'settling' | 'walking' | 'ended';
    begunAt: string;
    begunBy: string;
    endedAt: string | null;
    /** Counts the goes over all columns; the last one found nothing to do. */
    walk: number;
    /** How far the present walk has come in each sealed column, 0 … 1; what was sealed anew in all walks; what opens with no key. */
    columns: { name: string; part: number; resealed: number; unopened: number }[];
  } | null;
}
export interface SecretQuestion {
  /** A path or a canonical name. */
  name: string;
  reason: string;
}
export interface SecretView {
  name: string;
  value: string;
  /** The device told it, or it hides it and this action has set it last. */
  source: 'device' | 'action';
  /** Of the device: null. */
  actionId: string | null;
  /** When it was told, or set. */
  asOf: string;
}
export interface SecretService {
  rotation(): Promise<RotationView>;
  /**
   * Seals from now on under the key with this fingerprint, and what there is anew. Refused 422 'unknown-key', 409 'rotation-running',
   * 'already-sealing', or 'key-not-everywhere' with the hosts that lack it.
   */
  rotate(key: string, principal: Principal): Promise<RotationView>;
  /** Records that it is read, then answers. Refused 403 'secret-class', which is recorded too; 404, 409 'hidden', 422. */
  read(deviceId: string, question: SecretQuestion, principal: Principal): Promise<SecretView>;
}

export interface Services {
  devices: DeviceService;
  actions: ActionService;
  batches: BatchService;
  files: FileService;
  recordings: RecordingService;
  tokens: TokenService;
  people: PersonService;
  idempotency: IdempotencyService;
  connectors: ConnectorService;
  events: EventService;
  evidence: EvidenceService;
  matrix: ApprovalMatrixService;
  refusals: RefusalService;
  explain: ExplainService;
  secrets: SecretService;
  health: HealthService;
}
