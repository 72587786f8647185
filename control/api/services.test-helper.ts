// Services in memory, for tests of what is HTTP's own business: errors, tokens, keys, streams. They keep the contract of services.ts
// in the plainest way; what the real ones do is tested with the real ones.

import { createHash } from 'node:crypto';
import { Refused } from '../../base/errors.ts';
import { PERMISSION_NAMES, ROLES } from '../permissions.ts';
import { DEFAULT_MATRIX } from '../policy/approval-matrix.ts';
import type {
  ActionDetail,
  ActionState,
  Authentication,
  DeviceView,
  EventFilter,
  FileView,
  IdempotencyClaim,
  PersonView,
  Principal,
  Services,
  TimelineEntry,
  TokenView,
} from '../services.ts';
import { type ErrorBody, errorBody } from './errors.ts';

export const DEVICE_ID = '00259E-HG8245-48575443A1B2';
const AT = '2026-01-31T12:00:00.000Z';

/** A token of each role; and for each permission one of an admin that is narrowed to it. */
export const TOKENS: Record<string, Principal> = Object.fromEntries(
  ROLES.map((role) => [
    `stl_${role}`,
    { tokenId: `token-${role}`, name: `${role} of the test`, role, person: `person-${role}`, scope: null },
  ]),
);
const NARROWED: Record<string, Principal> = Object.fromEntries(
  PERMISSION_NAMES.map((permission) => [
    `stl_only_${permission}`,
    { ...TOKENS['stl_admin']!, tokenId: `token-only-${permission}`, scope: [permission] },
  ]),
);
/** Tokens that have ended. */
const ENDED: Record<string, Authentication> = {
  stl_revoked: { type: 'revoked' },
  stl_disabled: { type: 'disabled' },
  stl_expired: { type: 'expired', at: AT },
};

function device(id: string): DeviceView {
  return {
    id,
    manufacturer: 'Huawei',
    oui: '00259E',
    productClass: 'HG8245',
    serialNumber: '48575443A1B2',
    root: 'InternetGatewayDevice.',
    modelName: 'HG8245',
    hardwareVersion: '1',
    softwareVersion: 'V5',
    profile: 'tr098',
    cwmpVersion: '1.0',
    address: '192.0.2.7',
    connectionRequestUrl: 'http://192.0.2.7:7547/x',
    edgeId: 'edge-1',
    pop: 'default',
    tags: [],
    firstSeenAt: AT,
    lastSeenAt: AT,
    lastInformAt: AT,
    lastBootAt: null,
    lastBootstrapAt: null,
    openActions: 0,
  };
}

const matches = (filter: EventFilter, entry: TimelineEntry): boolean =>
  (filter.deviceId === undefined || filter.deviceId === entry.deviceId) &&
  (filter.kind === undefined ||
    entry.kind === filter.kind ||
    (filter.kind.endsWith('.') && entry.kind.startsWith(filter.kind)));

/** The error of an answer, checked to have the one shape and nothing else. */
export async function errorOf(answer: Response): Promise<ErrorBody['error']> {
  return errorBody.strict().parse(await answer.json()).error;
}

/** The services, and the handles a test moves them with. */
export function memoryServices() {
  const devices = new Map([[DEVICE_ID, device(DEVICE_ID)]]);
  const actions = new Map<string, ActionDetail>();
  const files = new Map<string, FileView>();
  const tokens = new Map<string, TokenView>();
  const people = new Map<string, PersonView>();
  const keys = new Map<string, { fingerprint: string; answer: { status: number; body: unknown } | null }>();
  const events: TimelineEntry[] = [];
  const listeners = new Set<(entry: TimelineEntry) => void>();
  const waiters = new Set<() => void>();
  const log = { created: 0, woken: 0, waitsEnded: 0, sinceCalls: 0 };

  const known = <T>(map: Map<string, T>, id: string, code: string): T => {
    const found = map.get(id);
    if (found === undefined) throw new Refused(404, code, `There is no ${id}.`);
    return found;
  };
  const refuse = (id: string, code: string): Promise<never> => {
    known(actions, id, 'unknown-action');
    return Promise.reject(new Refused(409, code, 'The state of the action does not allow it.'));
  };

  const unknownBatch = (id: string): Promise<never> =>
    Promise.reject(new Refused(404, 'unknown-batch', `There is no batch ${id}.`));

  const services: Services = {
    devices: {
      list: async () => ({ items: [...devices.values()], next: null }),
      get: async (id) => known(devices, id, 'unknown-device'),
      parameters: async (id) => {
        known(devices, id, 'unknown-device');
        return { items: [], next: null };
      },
      timeline: async (id) => {
        known(devices, id, 'unknown-device');
        return { items: events.filter((entry) => entry.deviceId === id).reverse(), next: null };
      },
      wake: async (id) => {
        known(devices, id, 'unknown-device');
        log.woken++;
        return { requested: true, edgeId: 'edge-1' };
      },
      credentials: async (id) => {
        known(devices, id, 'unknown-device');
        return { cpe: null, connectionRequest: [] };
      },
      setCredentials: async (id, given) => {
        devices.set(id, devices.get(id) ?? device(id));
        const redact = (pair: { username: string }) => ({ username: pair.username, password: '••••' as const });
        return {
          cpe: given.cpe ? redact(given.cpe) : null,
          connectionRequest: (given.connectionRequest ?? []).map(redact),
        };
      },
      setTags: async (id, tags) => Object.assign(known(devices, id, 'unknown-device'), { tags }),
    },
    evidence: {
      key: () => ({ key: 'bm90IGEga2V5', fingerprint: 'f'.repeat(16) }),
      async *export() {
        yield '{}\n';
      },
    },
    actions: {
      create: async (deviceId, request, { principal }) => {
        known(devices, deviceId, 'unknown-device');
        const id = `A${++log.created}`;
        const action: ActionDetail = {
          id,
          kind: request.kind,
          state: 'ready',
          outcome: null,
          why: 'waits for the next session',
          owner: {
            kind: 'person',
            name: principal.name,
            role: principal.role,
            reason: request.reason ?? null,
            reference: request.reference ?? null,
          },
          object: { connector: 'cwmp', ref: deviceId, externalId: null, customer: null, site: null },
          request: { ...request },
          generation: 1,
          priority: 50,
          commandKey: id,
          wake: request.wake ?? false,
          createdAt: AT,
          expiresAt: AT,
          startedAt: null,
          endedAt: null,
          recovers: null,
          batchId: null,
          closed: null,
          needs: null,
          plan: {
            hash: '0'.repeat(64),
            rpcs: [],
            diff: [],
            words: '',
            impact: { reboot: false, serviceCut: false, customers: 0, text: '' },
            risk: 'none',
            expected: '',
            recovery: { possible: false, text: '' },
            createdAt: AT,
          },
          approvals: [],
          result: null,
          recovery: { possible: false, text: '', state: 'not-run', actionId: null },
          evidence: [],
        };
        actions.set(id, action);
        return { created: true, action };
      },
      list: async () => ({ items: [...actions.values()], next: null }),
      get: async (id) => known(actions, id, 'unknown-action'),
      waitForEnd: async (id, timeoutMs, signal) => {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          const end = () => {
            clearTimeout(timer);
            resolve();
          };
          waiters.add(end);
          if (signal?.aborted) end();
          signal?.addEventListener('abort', end);
        });
        log.waitsEnded++;
        return known(actions, id, 'unknown-action');
      },
      cancel: async (id) => Object.assign(known(actions, id, 'unknown-action'), { state: 'cancelled' }),
      submit: (id) => refuse(id, 'not-planned'),
      approve: (id) => refuse(id, 'not-awaiting-approval'),
      reject: (id) => refuse(id, 'not-awaiting-approval'),
      recover: (id) => refuse(id, 'not-recoverable'),
      queue: async () => ({ items: [], next: null }),
      close: (id) => refuse(id, 'not-in-queue'),
    },
    batches: {
      create: () => unknownBatch('new'),
      list: async () => ({ items: [], next: null }),
      get: (id) => unknownBatch(id),
      refusals: (id) => unknownBatch(id),
      proof: (id) => unknownBatch(id),
      submit: (id) => unknownBatch(id),
      approve: (id) => unknownBatch(id),
      reject: (id) => unknownBatch(id),
      pause: (id) => unknownBatch(id),
      resume: (id) => unknownBatch(id),
      cancel: (id) => unknownBatch(id),
    },
    refusals: { record: async () => {} },
    matrix: {
      get: async () => DEFAULT_MATRIX,
      put: async (matrix) => matrix,
    },
    files: {
      add: async (source, meta, principal) => {
        const hash = createHash('sha256');
        let bytes = 0;
        for await (const chunk of source) {
          bytes += chunk.byteLength;
          hash.update(chunk);
        }
        const id = `F${files.size + 1}`;
        const sha256 = hash.digest('hex');
        const view: FileView = {
          ...{
            id,
            bytes,
            sha256,
            source: 'operator',
            deviceId: null,
            actionId: null,
            createdBy: principal.name,
            createdAt: AT,
          },
          ...meta,
        };
        files.set(id, view);
        return view;
      },
      list: async () => ({ items: [...files.values()], next: null }),
      get: async (id) => known(files, id, 'unknown-file'),
    },
    recordings: {
      start: async (deviceId, { sessions }, { name }) => {
        known(devices, deviceId, 'unknown-device');
        const asked = { id: 'R1', deviceId, askedBy: name, askedAt: AT, until: AT, sessionsMax: sessions };
        return {
          ...asked,
          state: 'recording',
          why: '',
          sessions: 0,
          exchanges: 0,
          bytes: 0,
          cut: false,
          endedAt: null,
        };
      },
      list: async () => ({ items: [], next: null }),
      read: async (id) => {
        throw new Refused(404, 'unknown-recording', `There is no recording ${id}.`);
      },
    },
    tokens: {
      authenticate: async (token) => {
        const principal = TOKENS[token] ?? NARROWED[token];
        return principal === undefined ? (ENDED[token] ?? { type: 'unknown' }) : { type: 'ok', principal };
      },
      create: async ({ name, role = 'support', scope = null, expiresAt }, { name: createdBy }) => {
        const id = `T${tokens.size + 1}`;
        const view: TokenView = {
          ...{ id, name, role, person: null, scope, hint: 'stl_new', createdAt: AT, createdBy },
          ...{ expiresAt: expiresAt ?? null, lastUsedAt: null, revokedAt: null },
        };
        tokens.set(id, view);
        return { token: `stl_secret_${id}`, view };
      },
      list: async () => ({ items: [...tokens.values()], next: null }),
      get: async (id) => known(tokens, id, 'unknown-token'),
      revoke: async (id) => Object.assign(known(tokens, id, 'unknown-token'), { revokedAt: AT }),
      ensureAdmin: async () => null,
    },
    people: {
      list: async () => ({ items: [...people.values()], next: null }),
      get: async (id) => known(people, id, 'unknown-person'),
      create: async ({ name, role, email = null }, { name: createdBy }) => {
        const id = `P${people.size + 1}`;
        const person: PersonView = { id, name, role, email, createdAt: AT, createdBy, disabledAt: null };
        people.set(id, person);
        return person;
      },
      change: async (id, { disabled = false, ...change }) =>
        Object.assign(known(people, id, 'unknown-person'), change, { disabledAt: disabled ? AT : null }),
    },
    idempotency: {
      claim: async (tokenId, key, fingerprint): Promise<IdempotencyClaim> => {
        const kept = keys.get(`${tokenId} ${key}`);
        if (kept === undefined) {
          keys.set(`${tokenId} ${key}`, { fingerprint, answer: null });
          return { type: 'new' };
        }
        if (kept.fingerprint !== fingerprint) return { type: 'conflict' };
        return kept.answer === null ? { type: 'busy' } : { type: 'replay', ...structuredClone(kept.answer) };
      },
      finish: async (tokenId, key, status, body) => {
        const kept = keys.get(`${tokenId} ${key}`);
        if (kept !== undefined) kept.answer = { status, body };
      },
      release: async (tokenId, key) => {
        keys.delete(`${tokenId} ${key}`);
      },
    },
    explain: {
      parameter: async (deviceId, name) => {
        known(devices, deviceId, 'unknown-device');
        const source = { kind: 'unknown', at: null, actionId: null, by: null } as const;
        const rest = { canonical: null, value: null, type: '', writable: null, secret: false, readAt: null };
        return { name, ...rest, source, history: [], text: 'Nobody knows.' };
      },
      action: async (id) => {
        known(actions, id, 'unknown-action');
        return { text: 'It ran.', forCustomer: 'We did it.' };
      },
    },
    secrets: {
      rotation: async () => ({ sealing: 'a'.repeat(12), controls: [], rotation: null }),
      rotate: async (key) => ({ sealing: key, controls: [], rotation: null }),
      read: async (deviceId, { name }) => {
        known(devices, deviceId, 'unknown-device');
        return { name, value: 'of the test', source: 'device', actionId: null, asOf: AT };
      },
    },
    connectors: { list: async () => [] },
    events: {
      since: async (id, filter, limit) => {
        log.sinceCalls++;
        return events.filter((entry) => BigInt(entry.id) > BigInt(id) && matches(filter, entry)).slice(0, limit);
      },
      subscribe: (filter, listener) => {
        const filtered = (entry: TimelineEntry) => {
          if (matches(filter, entry)) listener(entry);
        };
        listeners.add(filtered);
        return () => listeners.delete(filtered);
      },
      last: async () => events.at(-1)?.id ?? '0',
    },
    health: { check: async () => ({ ok: true, checks: [{ name: 'database', ok: true, text: 'answers' }] }) },
  };

  return {
    services,
    log,
    keys,
    listeners,
    /** Commits an event: into the store, then to the listeners. */
    emit(kind: string, deviceId: string | null = DEVICE_ID): TimelineEntry {
      const id = String(events.length + 1);
      const entry = { id, at: AT, deviceId, actionId: null, kind, summary: `${kind} happened`, body: {} };
      events.push(entry);
      for (const listener of listeners) listener(entry);
      return entry;
    },
    /** Ends every open action, and with it the waits. */
    endActions(state: ActionState): void {
      for (const action of actions.values()) Object.assign(action, { state, endedAt: AT });
      for (const waiter of waiters) waiter();
    },
    /** Resolves when `count` calls wait for an action. */
    async somebodyWaits(count = 1): Promise<void> {
      while (waiters.size < count) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
