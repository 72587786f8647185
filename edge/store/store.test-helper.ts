// Edge stores on temporary folders, for tests: made and removed with each test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Fact, Work } from '../../bus/messages.ts';
import { type LmdbEdgeStore, openEdgeStore, type StoreOptions } from './lmdb-store.ts';
import { Stamps } from './stamps.ts';
import type { DeviceRecord, SessionRecord, WorkRecord } from './store.ts';

/** Of stores that belong to no data folder. */
export const STORE_KEY = new Uint8Array(32).fill(4);

const open = new Set<LmdbEdgeStore>();
const folders = new Set<string>();

afterEach(async () => {
  for (const store of open) await store.close();
  open.clear();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'starling-store-'));
  folders.add(folder);
  return folder;
}

/** A store on a folder of its own, or on `dir` as another start (or with `stamps` another writer) of the same edge. */
export function openStore(options: Partial<StoreOptions> = {}): { store: LmdbEdgeStore; dir: string; stamps: Stamps } {
  const dir = options.dir ?? temporaryFolder();
  const stamps = options.stamps ?? Stamps.forNewStart(dir);
  const store = openEdgeStore({ dir, edgeId: 'e1', pop: 'pop', lane: 0, stamps, key: STORE_KEY, ...options });
  open.add(store);
  return { store, dir, stamps };
}

export async function closeStore(store: LmdbEdgeStore): Promise<void> {
  open.delete(store);
  await store.close();
}

/** All facts of the outbox, in the order in which the relay takes them. */
export function factsIn(store: LmdbEdgeStore): Fact[] {
  return store.readFacts(Number.MAX_SAFE_INTEGER).flatMap(({ text }) => JSON.parse(text) as Fact[]);
}

export const CPE = '00D09E-Box-1';

export function sessionOf(overrides: Partial<SessionRecord> = {}): SessionRecord {
  return {
    sessionId: 's1',
    session: { phase: 'cpe-turn', cpeId: CPE, namespace: 'urn:dslforum-org:cwmp-1-0' },
    actionId: null,
    sentAt: 0,
    startedAt: 1_000,
    lastAt: 1_000,
    timeoutMs: 60_000,
    posts: 1,
    rpcs: 0,
    version: '1.0',
    holdUntilSequence: 0,
    claimToken: '',
    ...overrides,
  };
}

export function workOf(actionId: string, overrides: Partial<Work> = {}): Work {
  return {
    actionId,
    generation: 1,
    cpeId: CPE,
    kind: 'get',
    args: { names: ['Device.DeviceInfo.UpTime'] },
    priority: 50,
    commandKey: actionId,
    createdAt: 1_000,
    expiresAt: 1_000_000,
    ...overrides,
  };
}

export function recordOf(work: Work, overrides: Partial<WorkRecord> = {}): WorkRecord {
  return {
    work,
    state: undefined,
    phase: 'queued',
    inFlight: false,
    untilMs: 0,
    attempts: 0,
    rpcs: [],
    startedAt: 0,
    ...overrides,
  };
}

export function deviceOf(overrides: Partial<DeviceRecord> = {}): DeviceRecord {
  return {
    cpe: {
      device: { Manufacturer: 'Acme', OUI: '00D09E', ProductClass: 'Box', SerialNumber: '1' },
      root: 'Device.',
      namespace: 'urn:dslforum-org:cwmp-1-0',
      version: '1.0',
      address: '127.0.0.1',
      profile: 'generic',
    },
    softwareVersion: '1.0',
    connectionRequestUrl: 'http://127.0.0.1:7547/',
    settings: null,
    ...overrides,
  };
}
