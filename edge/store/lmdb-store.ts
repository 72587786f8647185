// The edge store on LMDB: one environment, opened by every session thread and by the relay at once. This file hands each call to the part
// that does it (outbox, shadow, work, tables) and refuses writes when the disk cannot take them; it has no logic of its own.

import { statfs } from 'node:fs/promises';
import { StoreError, type StoreErrorCode } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { DeviceSettings } from '../../bus/messages.ts';
import type { InformValues, ValuePlaces } from '../../cwmp/inform-values.ts';
import type { ParameterInfo, ParameterValue } from '../../cwmp/message.ts';
import { lastPart } from '../../cwmp/paths.ts';
import { isSecretLeaf } from '../../profiles/resolve.ts';
import { type DeviceText, decodeDevice, encodeDevice } from './codec.ts';
import { Environment } from './environment.ts';
import { InformRecords } from './inform-records.ts';
import { Outbox } from './outbox.ts';
import { Shadow } from './shadow.ts';
import { openRecordings, openSessions, type Stamps } from './stamps.ts';
import {
  type DeviceRecord,
  type EdgeTransaction,
  type FactRecord,
  type InformDifference,
  isExpired,
  type KnownParameter,
  type NewFact,
  type Recording,
  type RecordsOut,
  type RelayStore,
  type SessionRecord,
  type WorkRecord,
} from './store.ts';
import { Table } from './table.ts';
import { WorkTable } from './work.ts';

const NUL = '\0';

/** Longest user name looked for; keys of LMDB are bounded and this one comes from anybody. */
const USERNAME_CHARS_MAX = 256;

const NONE_OUT: RecordsOut = new Map();

const TEXTS: Record<StoreErrorCode, string> = {
  'disk-full': 'The disk of the edge store is nearly full. Free some space; sessions go on by themselves then.',
  'outbox-full': 'The outbox has reached its bound. Bring control or the bus back; sessions go on by themselves then.',
  broken: 'The edge store could not be written. Free space on its disk, then start Starling again.',
  slow: 'The disk of the edge store is too slow.',
};

export interface StoreOptions {
  /** Folder of the environment; made when absent. */
  dir: string;
  edgeId: string;
  pop: string;
  /** Which writer this is: 0 the relay, 1… the session threads. */
  lane: number;
  /** Of this start, shared by all writers: Stamps.forNewStart(dir), or new Stamps(memory) in another thread. */
  stamps: Stamps;
  /** What is secret on the disk is sealed with it: storeKeyOf the secret beside the store, the same for all writers. */
  key: Uint8Array;
  /** Paths whose values are secrets; those that are on any CPE when not given. */
  isSecret?: (path: string) => boolean;
  /** Free bytes of the disk that holds `dir`; a test hands in its own disk. */
  freeBytes?: (dir: string) => Promise<number>;
}

/** Opens one writer's view of the store. Throws ConfigError when the folder cannot be used. */
export function openEdgeStore(options: StoreOptions): LmdbEdgeStore {
  const environment = Environment.acquire(options.dir);
  try {
    return new LmdbEdgeStore(options, environment);
  } catch (error) {
    void environment.release();
    throw error;
  }
}

export class LmdbEdgeStore implements RelayStore {
  readonly #dir: string;
  readonly #freeBytes: (dir: string) => Promise<number>;
  readonly #environment: Environment;
  readonly #stamps: Stamps;
  readonly #outbox: Outbox;
  readonly #shadow: Shadow;
  readonly #work: WorkTable;
  readonly #sessions: Table<SessionRecord>;
  readonly #settings: Table<DeviceSettings & { changedAt?: number }>;
  readonly #usernames: Table<string>;
  readonly #records: InformRecords;
  readonly #recordings: Table<Recording>;
  readonly #onBroken: () => void;
  /** Where the next round of expiredSessions goes on. */
  #scanned = '';

  constructor(options: StoreOptions, environment: Environment) {
    const { dir, stamps, edgeId, pop, lane } = options;
    this.#dir = dir;
    this.#freeBytes = options.freeBytes ?? freeBytesOf;
    this.#environment = environment;
    this.#stamps = stamps;
    environment.shareCommits(stamps);
    const { isSecret = (path) => isSecretLeaf(lastPart(path)) } = options;
    const secrets = { isSecret, seal: environment.unlock(options.key) };
    this.#outbox = new Outbox(environment, stamps, { edgeId, pop, lane });
    this.#records = new InformRecords(environment, stamps);
    this.#shadow = new Shadow(environment, this.#records, secrets);
    this.#work = new WorkTable(environment, stamps);
    this.#sessions = new Table(environment, openSessions(environment));
    this.#settings = new Table(environment, environment.sealed('settings', {}));
    this.#usernames = new Table(environment, environment.sealed('username', {}, { texts: true }));
    this.#recordings = new Table(environment, openRecordings(environment));
    this.#onBroken = () => stamps.setBroken();
    environment.onBroken.add(this.#onBroken);
  }

  // ── Sessions ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  getSession(cpeId: string): SessionRecord | undefined {
    this.#environment.refresh();
    return this.#sessions.get(cpeId);
  }

  putSession(cpeId: string, record: SessionRecord): Promise<void> {
    return this.#unlessRefused(async () => {
      this.#stamps.opened(cpeId);
      await this.#sessions.put(cpeId, record);
      this.#stamps.opened(cpeId);
    });
  }

  async removeSession(cpeId: string, sessionId: string): Promise<void> {
    if (this.getSession(cpeId)?.sessionId !== sessionId) return;
    await this.#unlessBroken(() => this.#sessions.remove(cpeId));
  }

  touchSession(cpeId: string, sessionId: string, at: number): Promise<void> {
    const { direct } = this.#sessions;
    return this.#unlessRefused(() =>
      this.#environment.transact(() => {
        const record = direct.get(cpeId);
        if (record?.sessionId === sessionId) void direct.put(cpeId, { ...record, lastAt: at });
      }),
    );
  }

  expiredSessions(nowMs: number, limit: number): { cpeId: string; record: SessionRecord }[] {
    this.#environment.refresh();
    const looked = this.#sessions.after(this.#scanned, LIMITS.storeSessionScanMax);
    // A round ends at the last record; the next call begins anew. So each record is looked at, and none too often.
    this.#scanned = looked.length < LIMITS.storeSessionScanMax ? '' : (looked.at(-1)?.key ?? '');
    const expired: { cpeId: string; record: SessionRecord }[] = [];
    for (const { key, value } of looked) {
      if (expired.length < limit && isExpired(value, nowMs)) expired.push({ cpeId: key, record: value });
    }
    return expired;
  }

  // ── What Informs told ─────────────────────────────────────────────────────────────────────────────────────────────────

  markedRecord(cpeId: string): Uint8Array | undefined {
    this.#environment.refresh();
    const record = this.#records.get(cpeId);
    return record !== undefined && this.#records.isMarked(record, cpeId) ? record : undefined;
  }

  mark(cpeId: string, fingerprints: Uint8Array, answer: string, openMark: number): void {
    void this.#unlessRefused(() => this.#records.mark(cpeId, fingerprints, answer, openMark));
  }

  compareInPlace(
    record: Uint8Array,
    told: InformValues,
    places: ValuePlaces,
    body: Uint8Array,
  ): readonly number[] | null {
    return this.#shadow.hot.compareInPlace(record, told, places, body);
  }

  changeInPlace(
    record: Uint8Array,
    told: InformValues,
    places: ValuePlaces,
    body: Uint8Array,
    changed: readonly number[],
    openMark: number,
  ): Buffer {
    const changedRecord = this.#shadow.hot.changeInPlace(record, told, places, body, changed);
    this.#records.number(changedRecord, openMark);
    return changedRecord;
  }

  listIn(record: Buffer, told: InformValues): ParameterValue[] {
    return this.#shadow.hot.listIn(record, told);
  }

  putRecord(cpeId: string, record: Buffer): Promise<void> {
    return this.#unlessRefused(() => this.#records.put(cpeId, record));
  }

  // ── Devices and credentials ───────────────────────────────────────────────────────────────────────────────────────────

  getDevice(cpeId: string): DeviceRecord | undefined {
    const text = this.#records.deviceText(cpeId);
    if (text === undefined) return undefined;
    const { cpe, learnedRoot, softwareVersion, connectionRequestUrl } = decodeDevice(text);
    const settings = this.#settings;
    return {
      cpe,
      ...(learnedRoot === '' ? {} : { learnedRoot }),
      softwareVersion,
      connectionRequestUrl,
      // Read when asked for: a quiet Inform does not.
      get settings() {
        return settings.get(cpeId) ?? null;
      },
    };
  }

  isSameDevice(cpeId: string, told: DeviceText): boolean {
    return this.#records.deviceText(cpeId)?.startsWith(encodeDevice(told)) === true;
  }

  /** Settings are control's, and are not written here: a thread that still holds older ones would bring them back. */
  putDevice(cpeId: string, record: DeviceRecord): Promise<void> {
    const text = encodeDevice(record) + (record.learnedRoot ?? '');
    return this.#unlessRefused(() => this.#records.putDeviceText(cpeId, text));
  }

  async putSettings(cpeId: string, settings: DeviceSettings, changedAt?: number): Promise<void> {
    await this.#unlessRefused(async () => {
      const known = this.#settings.get(cpeId);
      // Two controls may send at once, and the older settings may come last.
      if (changedAt !== undefined && known?.changedAt !== undefined && known.changedAt > changedAt) return;
      const before = known?.cpe?.username;
      const after = settings.cpe?.username;
      const writes = [this.#settings.put(cpeId, changedAt === undefined ? settings : { ...settings, changedAt })];
      if (before !== undefined && before !== after && this.#usernames.get(before)?.startsWith(cpeId + NUL)) {
        writes.push(this.#usernames.remove(before));
      }
      // With the secret, so that a POST with credentials costs one read.
      if (settings.cpe !== null && isUsableName(settings.cpe.username)) {
        writes.push(this.#usernames.put(settings.cpe.username, cpeId + NUL + settings.cpe.password));
      }
      await Promise.all(writes);
      this.#stamps.settingsChanged();
    });
  }

  getSettings(cpeId: string): DeviceSettings | undefined {
    return this.#settings.get(cpeId);
  }

  findByUsername(username: string): { cpeId: string; password: string } | undefined {
    const own = isUsableName(username) ? this.#usernames.get(username) : undefined;
    if (own === undefined) return undefined;
    const cut = own.indexOf(NUL);
    return { cpeId: own.slice(0, cut), password: own.slice(cut + 1) };
  }

  // ── Shadow ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  compareInform(cpeId: string, list: readonly ParameterValue[]): InformDifference {
    return this.#shadow.compare(cpeId, list);
  }

  isNewDevice(cpeId: string): boolean {
    return this.#shadow.isEmpty(cpeId);
  }

  applyInform(cpeId: string, list: readonly ParameterValue[], difference: InformDifference): Promise<void> {
    return this.#unlessRefused(() => this.#shadow.applyInform(cpeId, list, difference));
  }

  applyValues(cpeId: string, values: readonly ParameterValue[]): Promise<void> {
    return this.#unlessRefused(() => this.#shadow.applyValues(cpeId, values));
  }

  applyNames(cpeId: string, path: string, complete: boolean, names: readonly ParameterInfo[]): Promise<void> {
    return this.#unlessRefused(() => this.#shadow.applyNames(cpeId, path, complete, names));
  }

  knownParameter(cpeId: string, path: string): KnownParameter | null {
    return this.#shadow.known(cpeId, path);
  }

  resetShadow(cpeId: string): Promise<void> {
    return this.#unlessBroken(() => this.#shadow.reset(cpeId));
  }

  // ── Work ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  workOf(cpeId: string): WorkRecord[] {
    return this.#work.of(cpeId);
  }

  hasWork(cpeId: string): boolean {
    return this.#work.has(cpeId);
  }

  openMark(cpeId: string): number {
    return this.#stamps.openMark(cpeId);
  }

  putWork(record: WorkRecord): Promise<boolean> {
    return this.#unlessRefused(async () => {
      const held = await this.#work.put(record);
      if (held) this.#stamps.opened(record.work.cpeId);
      return held;
    });
  }

  removeWork(cpeId: string, actionId: string): Promise<void> {
    return this.#unlessBroken(() => this.#work.remove(cpeId, actionId));
  }

  dueWork(nowMs: number, limit: number): WorkRecord[] {
    return this.#stamps.refusing() === 'broken' ? [] : this.#work.due(nowMs, limit);
  }

  // ── Recordings ────────────────────────────────────────────────────────────────────────────────────────────────────────

  recordings(): Recording[] {
    this.#environment.refresh();
    return this.#recordings.after('', LIMITS.recordingsMax).map(({ value }) => value);
  }

  recordingCount(): number {
    return this.#stamps.recordings();
  }

  recordingOf(cpeId: string): Recording | undefined {
    this.#environment.refresh();
    return this.#recordings.get(cpeId);
  }

  changeRecording(cpeId: string, recordingId: string, change: (before: Recording) => Recording): Promise<void> {
    const { direct } = this.#recordings;
    return this.#unlessRefused(() =>
      this.#environment.transact(() => {
        const before = direct.get(cpeId);
        if (before?.recordingId === recordingId) void direct.put(cpeId, change(before));
      }),
    );
  }

  // ── Outbox ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  appendFacts(facts: NewFact[], at: number): { last: number; durable: Promise<void> } {
    const refusal = this.#stamps.refusing();
    if (refusal !== null) return { last: 0, durable: rejected(new StoreError(refusal, TEXTS[refusal])) };
    if (facts.length === 0) return { last: 0, durable: Promise.resolve() };
    return this.#outbox.append(facts, at);
  }

  readFacts(limit: number, bytesEnough = Number.POSITIVE_INFINITY, out: RecordsOut = NONE_OUT): FactRecord[] {
    return this.#outbox.read(limit, bytesEnough, out);
  }

  ackFacts(records: Parameters<Outbox['ack']>[0]): Promise<void> {
    return this.#unlessBroken(() => this.#outbox.ack(records));
  }

  outboxDepth(): number {
    return this.#stamps.outboxDepth;
  }

  outboxBytes(): number {
    return this.#stamps.outboxBytes;
  }

  refusing(): StoreErrorCode | null {
    return this.#stamps.refusing();
  }

  // ── The relay's ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async transact<T>(change: (transaction: EdgeTransaction) => T): Promise<T> {
    let facts = 0;
    let bytes = 0;
    const withWork: string[] = [];
    const transaction: EdgeTransaction = {
      getSession: (cpeId) => this.#sessions.direct.get(cpeId),
      removeSession: (cpeId) => void this.#sessions.direct.remove(cpeId),
      getWork: (cpeId, actionId) => this.#work.getInside(cpeId, actionId),
      endedGeneration: (cpeId, actionId) => this.#work.endedInside(cpeId, actionId),
      putWork: (record) => {
        this.#work.putInside(record);
        withWork.push(record.work.cpeId);
      },
      removeWork: (cpeId, actionId) => this.#work.removeInside(cpeId, actionId),
      appendFacts: (bodies, at) => {
        facts += bodies.length;
        bytes += this.#outbox.appendInside(bodies, at);
      },
    };
    const value = await this.#environment.transact(() => change(transaction));
    for (const cpeId of withWork) this.#stamps.opened(cpeId);
    this.#stamps.outboxGrew(facts, bytes);
    return value;
  }

  beginRecording(recording: Recording): Promise<boolean> {
    const { direct } = this.#recordings;
    return this.#unlessRefused(async () => {
      const begun = await this.#environment.transact(() => {
        const isFull = this.#recordings.size() >= LIMITS.recordingsMax;
        if (isFull || direct.get(recording.cpeId) !== undefined) return false;
        void direct.put(recording.cpeId, recording);
        return true;
      });
      if (begun) this.#stamps.recordingBegan(recording.cpeId);
      return begun;
    });
  }

  removeRecording(cpeId: string): Promise<void> {
    return this.#unlessBroken(async () => {
      await this.#recordings.remove(cpeId);
      this.#stamps.recordingEnded();
    });
  }

  async checkDisk(): Promise<void> {
    const free = (await this.#freeBytes(this.#dir)) + this.#environment.reusableBytes();
    // Twice the reserve before writes are taken again: a disk at its brink would flap.
    const enough = this.#stamps.refusing() === 'disk-full' ? LIMITS.storeReserveBytes * 2 : LIMITS.storeReserveBytes;
    this.#stamps.setDiskFull(free < enough);
  }

  /** Rejects as well while writes are refused: some of what the caller asked for may not have been taken. */
  async flushed(): Promise<void> {
    const refusal = this.#stamps.refusing();
    if (refusal === 'disk-full' || refusal === 'broken') throw new StoreError(refusal, TEXTS[refusal]);
    this.#outbox.handOver();
    await this.#environment.flushed();
  }

  async close(): Promise<void> {
    this.#environment.onBroken.delete(this.#onBroken);
    await this.#environment.release();
  }

  /** A full outbox still lets sessions that are open finish; a full disk lets nothing grow. */
  #unlessRefused<T>(write: () => Promise<T>): Promise<T> {
    const refusal = this.#stamps.refusing();
    if (refusal === 'disk-full' || refusal === 'broken') return rejected(new StoreError(refusal, TEXTS[refusal]));
    return watched(write());
  }

  /** What makes room is taken on a full disk too: the reserve is for it. */
  #unlessBroken<T>(write: () => Promise<T>): Promise<T> {
    const refusal = this.#stamps.refusing();
    if (refusal === 'broken') return rejected(new StoreError(refusal, TEXTS[refusal]));
    return watched(write());
  }
}

function isUsableName(username: string): boolean {
  return username !== '' && username.length <= USERNAME_CHARS_MAX;
}

/** A rejection that does not end the process when its caller waits for something else that rejects as well. */
function watched<T>(outcome: Promise<T>): Promise<T> {
  outcome.catch(() => {});
  return outcome;
}

function rejected<T>(error: StoreError): Promise<T> {
  return watched(Promise.reject(error));
}

async function freeBytesOf(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
