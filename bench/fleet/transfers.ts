// Transfers of one CPE: the queue of Download, Upload and ScheduleDownload, their execution outside sessions, and the TransferCompletes
// that wait for an answer (CWMP 1.9, 1.10, 1.14). What a new file does to the CPE is told to the host.
//
//   queued(1) ─due, no session open─▶ running(2) ─done or failed─▶ TransferComplete waits ─answered─▶ gone
//      └─CancelTransfer─▶ gone             └─ CancelTransfer is refused with 9021

import { LIMITS } from '../../base/limits.ts';
import type { FaultStruct } from '../../cwmp/message.ts';
import type { Traits } from './behaviour.ts';
import { fetchFile, putFile, type TransferOutcome } from './file-transfer.ts';
import { dateTime, type Timers, UNKNOWN_TIME } from './timers.ts';

export interface TransferRequest {
  /** Method that asked: its M event carries the CommandKey. */
  method: 'Download' | 'Upload' | 'ScheduleDownload';
  CommandKey: string;
  FileType: string;
  URL: string;
  Username: string;
  Password: string;
  FileSize: number;
  TargetFileName: string;
  /** Milliseconds from now until it may start, and until it must be done (ScheduleDownload), null without an end. */
  startsInMs: number;
  endsInMs: number | null;
}

interface Transfer extends TransferRequest {
  state: 1 | 2;
  endsAtMs: number | null;
  cancelTimer: () => void;
}

export interface Completion {
  method: TransferRequest['method'];
  CommandKey: string;
  FaultStruct: FaultStruct;
  StartTime: string;
  CompleteTime: string;
}

/** A transfer that was carried out, for tests. */
export interface DoneTransfer extends TransferRequest {
  faultCode: number;
  bytes: number;
  sha256: string;
  /** HTTP requests it took; more than one when it was challenged or resumed. */
  requests: number;
}

export interface TransferHost {
  timers: Timers;
  traits: Traits;
  /** False while a session is open or the CPE is down: transfers wait. */
  isIdle(): boolean;
  /** The bytes of an upload of this file type, null when the CPE has no such file. */
  fileToUpload(fileType: string): Buffer | null;
  /** A downloaded file is there; returns why it is no good, or null. */
  apply(transfer: TransferRequest, outcome: TransferOutcome & { ok: true }): FaultStruct | null;
  /** A transfer was carried out, well or not; its TransferComplete follows, if this CPE sends one. */
  finished(): void;
  /** A TransferComplete waits: events 7 and M are due. */
  completed(completion: Completion): void;
}

/** Real time one connection of a transfer may stay silent. */
const SILENCE_MS = 30_000;

export class TransferQueue {
  readonly #host: TransferHost;
  #queue: Transfer[] = [];
  #due: Transfer[] = [];
  #abort = new AbortController();
  #running: Promise<void> | null = null;
  /** TransferCompletes not yet answered, oldest first. */
  completions: Completion[] = [];
  /** The latest transfers, oldest first. */
  done: DoneTransfer[] = [];

  constructor(host: TransferHost) {
    this.#host = host;
  }

  /** Takes a transfer up; false when the queue is full (9004). */
  add(request: TransferRequest): boolean {
    if (this.#queue.length >= LIMITS.fleetTransfersMax) return false;
    const { timers } = this.#host;
    const endsAtMs = request.endsInMs === null ? null : timers.now() + request.endsInMs;
    const transfer: Transfer = { ...request, state: 1, endsAtMs, cancelTimer: () => undefined };
    this.#queue.push(transfer);
    transfer.cancelTimer = timers.after(request.startsInMs, () => {
      this.#due.push(transfer);
      this.pump();
    });
    return true;
  }

  /** A.4.1.7: state 1 not started, 2 in progress, 3 finished and TransferComplete not yet answered. */
  list(): (Pick<TransferRequest, 'CommandKey' | 'method' | 'FileType' | 'FileSize' | 'TargetFileName'> & {
    State: number;
  })[] {
    const queued = this.#queue.map((one) => ({ ...one, State: one.state as number }));
    const finishing = this.completions.map(({ CommandKey, method }) => {
      return { CommandKey, method, FileType: '', FileSize: 0, TargetFileName: '', State: 3 };
    });
    return [...queued, ...finishing];
  }

  /** A.4.1.9: drops transfers of this key; false (9021) when one is under way. An unknown key is a success. */
  cancel(CommandKey: string): boolean {
    const matching = this.#queue.filter((one) => one.CommandKey === CommandKey);
    if (matching.some((one) => one.state === 2)) return false;
    for (const one of matching) this.#remove(one);
    return true;
  }

  /** Runs what is due; called when a timer fires and when a session has ended. */
  pump(): void {
    if (this.#running !== null || !this.#host.isIdle()) return;
    const transfer = this.#due.shift();
    if (transfer === undefined) return;
    this.#running = this.#run(transfer).finally(() => {
      this.#running = null;
      this.pump();
    });
  }

  /** Forgets everything: a factory reset, or the end of the CPE. Resolves when nothing runs any more. */
  async clear(): Promise<void> {
    for (const one of [...this.#queue]) this.#remove(one);
    this.completions = [];
    this.#abort.abort();
    await this.#running;
    this.#abort = new AbortController();
  }

  async #run(transfer: Transfer): Promise<void> {
    const { timers, traits } = this.#host;
    const { signal } = this.#abort;
    transfer.state = 2;
    const StartTime = dateTime(timers.now());
    const credentials = { username: transfer.Username, password: transfer.Password };
    let outcome: TransferOutcome;
    if (transfer.endsAtMs !== null && timers.now() > transfer.endsAtMs) {
      outcome = { ok: false, code: 9020, text: 'The time windows have passed' };
    } else if (transfer.method === 'Upload') {
      const file = this.#host.fileToUpload(transfer.FileType);
      outcome =
        file === null
          ? { ok: false, code: 9003, text: `This CPE has no file of type ${transfer.FileType}` }
          : await putFile(transfer.URL, file, credentials, SILENCE_MS, signal);
    } else {
      const breakAfterBytes = traits.breaksDownloadAfterBytes;
      const options = { url: transfer.URL, credentials, timeoutMs: SILENCE_MS, bytesMax: LIMITS.fileBytesMax };
      outcome = await fetchFile({ ...options, breakAfterBytes, signal });
    }
    if (signal.aborted) return;
    this.#remove(transfer);
    const FaultStruct = this.#judge(transfer, outcome);
    const failed = FaultStruct.FaultCode !== 0;
    const { bytes, sha256, requests } = outcome.ok ? outcome : { bytes: 0, sha256: '', requests: 0 };
    this.done.push({ ...transfer, faultCode: FaultStruct.FaultCode, bytes, sha256, requests });
    if (this.done.length > LIMITS.fleetTransfersMax) this.done.shift();
    this.#host.finished();
    if (traits.neverTransferComplete) return;
    const { method, CommandKey } = transfer;
    const completion: Completion = {
      method,
      CommandKey,
      FaultStruct,
      StartTime: failed ? UNKNOWN_TIME : StartTime,
      CompleteTime: failed ? UNKNOWN_TIME : dateTime(timers.now()),
    };
    this.completions.push(completion);
    this.#host.completed(completion);
  }

  #judge(transfer: Transfer, outcome: TransferOutcome): FaultStruct {
    if (!outcome.ok) return { FaultCode: outcome.code, FaultString: outcome.text };
    if (transfer.method !== 'Upload') {
      if (transfer.FileSize > 0 && transfer.FileSize !== outcome.bytes)
        return {
          FaultCode: 9018,
          FaultString: `FileSize says ${transfer.FileSize}, the file has ${outcome.bytes} bytes`,
        };
      const bad = this.#host.apply(transfer, outcome);
      if (bad !== null) return bad;
    }
    return { FaultCode: 0, FaultString: '' };
  }

  #remove(transfer: Transfer): void {
    transfer.cancelTimer();
    this.#queue = this.#queue.filter((one) => one !== transfer);
    this.#due = this.#due.filter((one) => one !== transfer);
  }
}
