// The life of a Download or Upload that this ACS asked for: one request, then TransferComplete, perhaps sessions and a restart later.
//
//   ready ─file is here─▶ waiting ─Status 0, TransferComplete, fault or time─▶ ended
//
// ready    Entered by start; the request has never been sent. Stays while the file for the CPE is on its way to this edge.
// waiting  Entered by sending. A broken session changes nothing: the CPE may have queued the transfer, so the request is never sent again
//          (DESIGN §4); TransferComplete tells, or the time runs out. An upload also needs its file in the file store; either may be first.

import { LIMITS } from '../../base/limits.ts';
import type { Work } from '../../bus/messages.ts';
import type { Args, FaultStruct } from '../../cwmp/message.ts';
import type { AcsRequest } from '../../cwmp/session.ts';
import { numberOf, textOf } from './answers.ts';
import { faultResult, outcomeOfFault, sayFault } from './fault-outcome.ts';
import {
  type CpeEvent,
  emptyResult,
  type Task,
  type TaskContext,
  type TaskResult,
  type UploadedFile,
  unknownResult,
} from './task.ts';
import { countArg } from './work-args.ts';

export type TransferState =
  | { phase: 'ready' }
  | {
      phase: 'waiting';
      sentAtMs: number;
      answered: boolean;
      /** `M Download` or `M Upload` came; the TransferComplete it announces has not. */
      announced: boolean;
      /** Non-null exactly while a successful end was told and the file is not here yet. */
      completed: { atMs: number; StartTime: string; CompleteTime: string } | null;
      file: UploadedFile | null;
    }
  | { phase: 'ended'; result: TaskResult };

type Waiting = TransferState & { phase: 'waiting' };

export interface Transfer {
  /** Throws Refused when the arguments cannot be executed. */
  check(work: Work): void;
  request(work: Work, context: TaskContext): AcsRequest;
  /** The file of ours that the CPE will fetch; null when there is none. */
  needsFile(work: Work): string | null;
  event: 'M Download' | 'M Upload';
  bringsFile: boolean;
  noun: 'download' | 'upload';
}

export function transfer(kind: Transfer): Task<TransferState> {
  return {
    start(work) {
      kind.check(work);
      countArg(work, 'delaySeconds');
      return { phase: 'ready' };
    },

    next(work, state, context) {
      switch (state.phase) {
        case 'ready': {
          const needed = kind.needsFile(work);
          if (needed !== null && !context.files.has(needed)) {
            return {
              type: 'wait',
              state,
              untilMs: context.nowMs + LIMITS.fileLookMs,
              why: 'Waiting for the file to arrive on its edge.',
            };
          }
          const sentAtMs = context.nowMs;
          const none = { answered: false, announced: false, completed: null, file: null };
          return { type: 'send', state: { phase: 'waiting', sentAtMs, ...none }, request: kind.request(work, context) };
        }
        case 'waiting': {
          // The CPE puts its file and tells of it at the same time, on two threads: what one wrote the other may have written over. The disk knows.
          const file = state.file ?? (kind.bringsFile ? context.files.uploaded(work.actionId) : null);
          const { completed } = state;
          if (completed !== null && file !== null) return { type: 'end', result: success(kind, completed, file) };
          const untilMs = deadline(work, state, context);
          if (context.nowMs >= untilMs) return { type: 'end', result: late(kind, { ...state, file }, context) };
          if (completed === null) return { type: 'wait', state, untilMs, why: 'Waiting for TransferComplete.' };
          const lookMs = Math.min(untilMs, context.nowMs + LIMITS.fileLookMs);
          return { type: 'wait', state, untilMs: lookMs, why: 'Waiting for the file to arrive.' };
        }
        case 'ended':
          return { type: 'end', result: state.result };
      }
    },

    answer(_work, state, answer, context) {
      if (state.phase !== 'waiting') return { state, facts: [] };
      if (answer.type === 'fault') {
        return { state: { phase: 'ended', result: faultResult(`the ${kind.noun}`, answer.fault) }, facts: [] };
      }
      // Status 0: done and applied, no TransferComplete follows; 1: one will (A.3.2.8).
      if (numberOf(answer.result, 'Status') !== 0) return { state: { ...state, answered: true }, facts: [] };
      return { state: succeeded(kind, { ...state, answered: true }, answer.result, context), facts: [] };
    },

    event(work, state, told, context) {
      return state.phase === 'waiting' ? heard(kind, work, state, told, context) : state;
    },

    interrupted: (_work, state) => state,
  };
}

function heard(kind: Transfer, work: Work, state: Waiting, told: CpeEvent, context: TaskContext): TransferState {
  switch (told.type) {
    case 'event': {
      const { EventCode, CommandKey } = told.event;
      return EventCode === kind.event && CommandKey === work.commandKey ? { ...state, announced: true } : state;
    }
    case 'upload': {
      if (!kind.bringsFile) return state;
      const { fileId, bytes, sha256 } = told;
      const file = { fileId, bytes, sha256 };
      if (state.completed === null) return { ...state, file };
      return { phase: 'ended', result: success(kind, state.completed, file) };
    }
    case 'request': {
      if (told.method !== 'TransferComplete' || textOf(told.args, 'CommandKey') !== work.commandKey) return state;
      const fault = faultOf(told.args);
      if (fault.FaultCode === 0) return succeeded(kind, state, told.args, context);
      const result = {
        ...emptyResult(outcomeOfFault(fault.FaultCode), `The ${kind.noun} did not work: ${sayFault(fault)}.`),
        fault,
        data: timesOf(told.args),
      };
      return { phase: 'ended', result };
    }
  }
}

function succeeded(kind: Transfer, state: Waiting, args: Args, context: TaskContext): TransferState {
  const completed = { atMs: context.nowMs, ...timesOf(args) };
  if (kind.bringsFile && state.file === null) return { ...state, completed };
  return { phase: 'ended', result: success(kind, completed, state.file) };
}

function success(
  kind: Transfer,
  times: { StartTime: string; CompleteTime: string },
  file: UploadedFile | null,
): TaskResult {
  const why = file === null ? `The ${kind.noun} is complete.` : `The ${kind.noun} is complete: ${file.bytes} bytes.`;
  const { StartTime, CompleteTime } = times;
  return { ...emptyResult('done', why), data: { StartTime, CompleteTime, ...file } };
}

function deadline(work: Work, state: Waiting, { profile }: TaskContext): number {
  if (state.completed !== null) return state.completed.atMs + LIMITS.uploadArrivalMs;
  const quietSeconds = profile.quirks.transferCompleteAfterSeconds;
  const waitMs = quietSeconds === null ? LIMITS.transferWaitMs : quietSeconds * 1_000;
  return state.sentAtMs + countArg(work, 'delaySeconds') * 1_000 + waitMs;
}

function late(kind: Transfer, state: Waiting, { profile }: TaskContext): TaskResult {
  if (state.completed !== null) {
    return emptyResult('failed', 'The CPE says that the upload is complete, but its file has not arrived here.');
  }
  if (state.file !== null) {
    const why = `The file has arrived: ${state.file.bytes} bytes. The CPE sent no TransferComplete.`;
    return { ...emptyResult('applied', why), data: { ...state.file } };
  }
  // FIELD 26: this kind of CPE never sends TransferComplete. For an upload the file itself would have been the proof.
  if (profile.quirks.transferCompleteAfterSeconds !== null && state.answered && !kind.bringsFile) {
    return emptyResult(
      'applied',
      'Accepted; this kind of CPE sends no TransferComplete, so its success is not verified.',
    );
  }
  const said = state.announced ? ` The CPE announced its end with ${kind.event}.` : '';
  if (state.answered) return emptyResult('failed', `No TransferComplete came in time.${said}`);
  const broken = 'The session broke before the CPE accepted it, and it was not repeated.';
  return unknownResult(`No TransferComplete came in time.${said} ${broken}`);
}

function faultOf(args: Args): FaultStruct {
  const fault = (args['FaultStruct'] ?? {}) as Args;
  return { FaultCode: numberOf(fault, 'FaultCode'), FaultString: textOf(fault, 'FaultString') };
}

function timesOf(args: Args): { StartTime: string; CompleteTime: string } {
  return { StartTime: textOf(args, 'StartTime'), CompleteTime: textOf(args, 'CompleteTime') };
}
