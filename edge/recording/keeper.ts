// Recordings as the main thread of an edge keeps them: begun when control decides so, and handed over as a file when they are over. Session
// threads write them (recorder.ts).

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { newId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import type { DecisionBody, FactBody } from '../../bus/messages.ts';
import type { FileStore } from '../files.ts';
import type { Recording, RelayStore } from '../store/store.ts';
import { FORMAT, FORMAT_VERSION, lineOf } from './format.ts';

/** Where a recording lies while it grows, below the folder of the edge's store. */
export const growingFile = (storeDir: string, recordingId: string): string =>
  join(storeDir, 'recordings', `${recordingId}.jsonl`);

const NO_FILE = { fileId: null, bytes: 0, sha256: '' };

export interface RecordingKeeperOptions {
  store: RelayStore;
  files: Pick<FileStore, 'create'>;
  storeDir: string;
  edgeId: string;
  pop: string;
  /** Of this Starling. */
  version: string;
  clock: Clock;
  log: Log;
}

export class RecordingKeeper {
  readonly #o: RecordingKeeperOptions;

  constructor(options: RecordingKeeperOptions) {
    this.#o = options;
  }

  /** Begins what control asks for; the same again changes nothing. What cannot begin is told to control as a recording without a file. */
  async begin({ cpeId, recordingId, untilMs, sessions }: DecisionBody<'record'>): Promise<void> {
    const { store, clock } = this.#o;
    if (store.recordingOf(cpeId)?.recordingId === recordingId) return;
    const key = randomBytes(32).toString('base64');
    const none = { sessions: 0, exchanges: 0, isOpen: false, lastAt: 0, isCut: false, over: null };
    const recording = { recordingId, cpeId, key, startedAt: clock.now(), untilMs, sessionsMax: sessions, ...none };
    if (await store.beginRecording(recording)) return;
    const why = `not begun: this device is being recorded already, or ${LIMITS.recordingsMax} others are`;
    await this.#tell(recording, { ...NO_FILE, why });
  }

  /** Hands over what is over. Rejects with StoreError when the store takes no writes; the next round tries again. */
  async round(): Promise<void> {
    const { store, clock } = this.#o;
    if (store.recordingCount() === 0) return;
    const nowMs = clock.now();
    for (const recording of store.recordings()) {
      const why = recording.over ?? whyOver(recording, nowMs);
      if (why !== null) await this.#handOver(recording, why);
    }
  }

  async #handOver(recording: Recording, why: string): Promise<void> {
    const { store, log, storeDir } = this.#o;
    const { cpeId, recordingId, sessions } = recording;
    // First of all: a session thread adds nothing to what is over.
    await store.changeRecording(cpeId, recordingId, (before) => ({ ...before, over: why }));
    const told = recording.exchanges === 0 ? NO_FILE : await this.#file(recording, why);
    await this.#tell(recording, { ...told, why });
    await store.removeRecording(cpeId);
    await rm(growingFile(storeDir, recordingId), { force: true });
    log.info({ cpeId, recordingId, sessions, bytes: told.bytes, why }, 'a recording was handed over');
  }

  /** Head and end around what the threads have written. */
  async #file(recording: Recording, why: string): Promise<{ fileId: string; bytes: number; sha256: string }> {
    const { files, storeDir, clock, edgeId, pop, version } = this.#o;
    const { cpeId, recordingId, startedAt, sessions, exchanges, isCut } = recording;
    const fileId = newId(clock.now());
    const pending = await files.create(fileId);
    try {
      const write = async (bytes: Uint8Array): Promise<void> => {
        const outcome = await pending.write(bytes);
        if (outcome !== 'ok') throw new Error(`a recording could not be made a file: ${outcome}`);
      };
      const head = { starling: version, recordingId, deviceId: cpeId, edgeId, pop, startedAt };
      await write(Buffer.from(lineOf({ type: 'header', format: FORMAT, version: FORMAT_VERSION, ...head })));
      for await (const chunk of createReadStream(growingFile(storeDir, recordingId))) await write(chunk as Buffer);
      await write(Buffer.from(lineOf({ type: 'end', at: clock.now(), sessions, exchanges, cut: isCut, why })));
      const { bytes, sha256 } = await pending.commit({
        ...{ fileId, name: `${cpeId}.jsonl`, fileType: 'recording', createdAt: clock.now() },
        ...{ source: 'cpe' as const, actionId: null },
      });
      return { fileId, bytes, sha256 };
    } catch (error) {
      await pending.discard();
      throw error;
    }
  }

  async #tell(
    { cpeId, recordingId, sessions, exchanges, isCut: cut }: Recording,
    file: Pick<FactBody<'recording'>, 'fileId' | 'bytes' | 'sha256' | 'why'>,
  ): Promise<void> {
    const { store, clock } = this.#o;
    const body = { cpeId, recordingId, sessions, exchanges, cut, ...file };
    await store.appendFacts([{ type: 'recording', body }], clock.now()).durable;
  }
}

/** A session under way is recorded to its end, as long as its CPE is not silent for longer than a session bears. */
function whyOver({ untilMs, isOpen, lastAt, sessions, sessionsMax }: Recording, nowMs: number): string | null {
  if (isOpen && nowMs <= lastAt + LIMITS.sessionTimeoutMs) return null;
  if (nowMs > untilMs) return 'its time is over';
  return sessions >= sessionsMax ? 'the last of its sessions broke off' : null;
}
