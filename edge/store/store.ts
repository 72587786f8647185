// What the edge remembers, as interfaces: session threads and the relay meet here and nowhere else (DESIGN §2). lmdb-store.ts is the
// one implementation; tests of everything above use it on a temporary folder.

import type { StoreErrorCode } from '../../base/errors.ts';
import type { AnyFactBody, CpeFacts, DeviceSettings, FactType, RpcRecord, Work } from '../../bus/messages.ts';
import type { InformValues, ValuePlaces } from '../../cwmp/inform-values.ts';
import type { ParameterInfo, ParameterValue } from '../../cwmp/message.ts';
import type { Session } from '../../cwmp/session.ts';

/** A session that is not quiet, as any thread can resume it. One per CPE: an Inform overwrites it (CWMP S11). */
export interface SessionRecord {
  sessionId: string;
  session: Session;
  /** Work whose request is outstanding; null while none is. */
  actionId: string | null;
  sentAt: number;
  startedAt: number;
  /** Last POST of the CPE; older than timeoutMs means the session has failed. */
  lastAt: number;
  timeoutMs: number;
  posts: number;
  rpcs: number;
  version: string;
  /** Sequence of the fact that control answers with first-contact work (0 BOOTSTRAP, a new device); 0 while nothing is waited for. */
  holdUntilSequence: number;
  /** Under what its work was claimed (edge/claims); '' while none was. */
  claimToken: string;
}

/** True when the CPE has been silent for longer than its session bears (CWMP S9). */
export function isExpired({ lastAt, timeoutMs }: SessionRecord, nowMs: number): boolean {
  return lastAt + timeoutMs < nowMs;
}

/** An action on the edge with the state of its task. */
export interface WorkRecord {
  work: Work;
  /** undefined until the task was started. */
  state: unknown;
  phase: 'queued' | 'running' | 'waiting';
  /** Set while a request is outstanding: when a session ends with it set, the task is `interrupted`. */
  inFlight: boolean;
  /** While waiting: do not run before this time unless an event comes. */
  untilMs: number;
  attempts: number;
  rpcs: RpcRecord[];
  /** RPCs that were sent but are no longer in `rpcs` (limits.transcriptRpcsMax); absent means none. */
  rpcsDropped?: number;
  /** The last progress told to control, so that it is told once per change; absent means none. */
  told?: 'running' | 'verifying' | 'waiting';
  startedAt: number;
  /**
   * For whom it was claimed last, and whether that came through; absent where no claims are needed (edge/claims). `fence` is that of the
   * claim this record was last written under, 0 for none.
   */
  claim?: { token: string; isHeld: boolean; fence: number };
}

/** That the sessions of a CPE are recorded, and how far that has come. */
export interface Recording {
  recordingId: string;
  cpeId: string;
  /** Of its masks (edge/recording/masks.ts), 32 bytes in base64: nobody else ever has it. */
  key: string;
  startedAt: number;
  /** Sessions that begin later are not recorded. */
  untilMs: number;
  /** At most so many; and those that were begun. */
  sessionsMax: number;
  sessions: number;
  exchanges: number;
  /** Its last session has not ended; its CPE POSTed last at this time, 0 while it has not. */
  isOpen: boolean;
  lastAt: number;
  /** It grew too large: what came later is missing. */
  isCut: boolean;
  /** Why nothing is added to it any more; null while something is. */
  over: string | null;
}

/** What the edge knows of a device besides its parameters. */
export interface DeviceRecord {
  cpe: CpeFacts;
  /** Root object found by reading, while no Inform has told one; absent otherwise. */
  learnedRoot?: string;
  softwareVersion: string;
  connectionRequestUrl: string;
  settings: DeviceSettings | null;
}

export interface KnownParameter {
  value: string | null;
  type: string;
  writable: boolean | null;
}

/** What an Inform's ParameterList is beside the shadow. */
export interface InformDifference {
  /** Entries that are new or differ; empty when nothing changed. */
  changed: ParameterValue[];
  /** What the shadow stores when it is applied; null when it has to look again, because names are others or it knew none. */
  update: string | null;
}

/** Facts that one thread appended in one turn, as they lie in the outbox. */
export interface FactRecord {
  /** Sequence of the first of them. */
  first: number;
  /** Sequence of the last; all of them rise in between, not always one by one. */
  last: number;
  count: number;
  /** This, `last` and `at` are NaN in a record that cannot be read. */
  lane: number;
  /** When the first was appended. */
  at: number;
  /** JSON of the list of facts. */
  text: string;
  /** About, in the store. */
  bytes: number;
}

/** Records that are not to be read, by the first of their facts. */
export interface RecordsOut {
  readonly size: number;
  has(first: number): boolean;
}

/** A fact to be appended; its body as an object, or as its JSON where somebody has it at hand. */
export type NewFact = AnyFactBody | { type: FactType; text: string };

/** One writer's view of the store: a session thread, or the relay. */
export interface EdgeStore {
  // Sessions
  getSession(cpeId: string): SessionRecord | undefined;
  /** Resolves when any other thread would read it. */
  putSession(cpeId: string, record: SessionRecord): Promise<void>;
  /**
   * Removes this very session: the end of one may have waited for the disk while its CPE gave up and informed again. What another thread
   * put in the last milliseconds, uncommitted, is not seen; its session then goes on by its cookie (CWMP S11).
   */
  removeSession(cpeId: string, sessionId: string): Promise<void>;
  /** Sets lastAt of this very session; nothing happens when another took its place meanwhile. */
  touchSession(cpeId: string, sessionId: string, at: number): Promise<void>;
  /** Sessions whose lastAt + timeoutMs has passed: for the reaper of the relay. */
  expiredSessions(nowMs: number, limit: number): { cpeId: string; record: SessionRecord }[];

  // What Informs told (inform-records.ts)
  /** The record of a CPE whose mark holds, so that nothing is open for it; valid until the next read. undefined: something may be. */
  markedRecord(cpeId: string): Uint8Array | undefined;
  /**
   * Marks the record of a CPE. Nobody waits for it, and whatever else writes the record or the shadow takes the mark away.
   * @param fingerprints FINGERPRINT_BYTES of them.
   * @param openMark as it was before the caller looked, and found neither work nor a session record.
   */
  mark(cpeId: string, fingerprints: Uint8Array, answer: string, openMark: number): void;
  /**
   * The places, among `told`, of values in a document that are not as in a record just read; null when the record is not known to have all
   * of its names.
   */
  compareInPlace(
    record: Uint8Array,
    told: InformValues,
    places: ValuePlaces,
    body: Uint8Array,
  ): readonly number[] | null;
  /**
   * A copy of the record just compared, with those values changed. Its mark is of `openMark`, and its fingerprints are still the old ones.
   */
  changeInPlace(
    record: Uint8Array,
    told: InformValues,
    places: ValuePlaces,
    body: Uint8Array,
    changed: readonly number[],
    openMark: number,
  ): Buffer;
  /** The list of an Inform as a record just made by changeInPlace holds it. */
  listIn(record: Buffer, told: InformValues): ParameterValue[];
  /** Puts a record in place of the one it was made of. */
  putRecord(cpeId: string, record: Buffer): Promise<void>;

  // Devices and credentials
  getDevice(cpeId: string): DeviceRecord | undefined;
  /** True when the record of this device says the same, whatever root was learned: one read, and nothing is decoded. */
  isSameDevice(cpeId: string, told: Pick<DeviceRecord, 'cpe' | 'softwareVersion' | 'connectionRequestUrl'>): boolean;
  putDevice(cpeId: string, record: DeviceRecord): Promise<void>;
  /** Older ones than those that are there, by `changedAt`, change nothing. */
  putSettings(cpeId: string, settings: DeviceSettings, changedAt?: number): Promise<void>;
  getSettings(cpeId: string): DeviceSettings | undefined;
  /** Device whose own user name for the ACS this is. */
  findByUsername(username: string): { cpeId: string; password: string } | undefined;

  // Shadow
  /** Compares an Inform's ParameterList with the shadow: one read, where names and types are those of the last Inform. */
  compareInform(cpeId: string, list: readonly ParameterValue[]): InformDifference;
  /** True when the shadow has nothing of this device yet. */
  isNewDevice(cpeId: string): boolean;
  /** Remembers an Inform's ParameterList, with what compareInform said of it: it becomes what the next Inform is compared with in one pass. */
  applyInform(cpeId: string, list: readonly ParameterValue[], difference: InformDifference): Promise<void>;
  /** Remembers values. The first list of a device becomes what its next Inform is compared with. */
  applyValues(cpeId: string, values: readonly ParameterValue[]): Promise<void>;
  applyNames(cpeId: string, path: string, complete: boolean, names: readonly ParameterInfo[]): Promise<void>;
  knownParameter(cpeId: string, path: string): KnownParameter | null;
  /** Forgets everything cached of the device: 0 BOOTSTRAP (CWMP 1.9). */
  resetShadow(cpeId: string): Promise<void>;

  // Work
  /** Open work of a device, highest priority first, then oldest. */
  workOf(cpeId: string): WorkRecord[];
  hasWork(cpeId: string): boolean;
  /** Another number whenever work or the record of a session has come for this CPE since, whoever wrote it: from before it can be read. */
  openMark(cpeId: string): number;
  /**
   * Writes a record. One whose task has begun (state is not undefined) is only written over the same generation of itself, so that
   * work which was cancelled or replaced meanwhile does not come back.
   * @returns false when it was: nothing that depends on this record may be sent.
   */
  putWork(record: WorkRecord): Promise<boolean>;
  /** Removes work as this writer knows it; a newer generation that arrived meanwhile stays. */
  removeWork(cpeId: string, actionId: string): Promise<void>;
  /** Work that has expired or whose wait is over: for the relay's timer. */
  dueWork(nowMs: number, limit: number): WorkRecord[];

  // Recordings
  recordings(): Recording[];
  /** One look into shared memory: how many recordings there are. */
  recordingCount(): number;
  recordingOf(cpeId: string): Recording | undefined;
  /** Changes this very recording, alone among all writers; nothing happens when it is gone. */
  changeRecording(cpeId: string, recordingId: string, change: (before: Recording) => Recording): Promise<void>;

  // Outbox
  /**
   * Appends facts in order under this writer's lane. `durable` resolves after fsync; `last` is the sequence of the last one. 0 when they are
   * refused, and `durable` rejects: then nothing may be written that is true only with them. Whatever is written in the same turn of the
   * event loop is on the disk with them or not at all.
   */
  appendFacts(facts: NewFact[], at: number): { last: number; durable: Promise<void> };
  /** Oldest records of all lanes in causal order, without those that are `out`, with at most `limit` facts together, and none beyond about `bytesEnough`. */
  readFacts(limit: number, bytesEnough?: number, out?: RecordsOut): FactRecord[];
  /** Removes records whose facts control has acknowledged. */
  ackFacts(records: readonly Pick<FactRecord, 'first' | 'count' | 'bytes'>[]): Promise<void>;
  outboxDepth(): number;
  /** Why the store takes no writes at the moment: sessions are then refused before anything is acknowledged. null: it takes them. */
  refusing(): StoreErrorCode | null;

  /** Resolves when everything this writer wrote so far is on the disk. */
  flushed(): Promise<void>;
  close(): Promise<void>;
}

/** What one write transaction of the relay sees (the newest of everything) and does (all of it, or nothing). */
export interface EdgeTransaction {
  getSession(cpeId: string): SessionRecord | undefined;
  removeSession(cpeId: string): void;
  getWork(cpeId: string, actionId: string): WorkRecord | undefined;
  /** Generation of this action that has ended on this edge; 0 when none has, or its deadline is past. */
  endedGeneration(cpeId: string, actionId: string): number;
  putWork(record: WorkRecord): void;
  removeWork(cpeId: string, actionId: string): void;
  appendFacts(facts: AnyFactBody[], at: number): void;
}

/** The store as the relay has it: its decisions must hold against session threads that write the same records at the same time. */
export interface RelayStore extends EdgeStore {
  /** Runs `change` alone among all writers; resolves with its value when what it wrote is on the disk. `change` must not wait. */
  transact<T>(change: (transaction: EdgeTransaction) => T): Promise<T>;
  /** Begins one; false when this CPE has one, or there are LIMITS.recordingsMax. Resolves when every thread goes by it. */
  beginRecording(recording: Recording): Promise<boolean>;
  /** Forgets it: it was handed over. */
  removeRecording(cpeId: string): Promise<void>;
  /** Looks at the free space of the disk and says so to all writers. */
  checkDisk(): Promise<void>;
  outboxBytes(): number;
}
