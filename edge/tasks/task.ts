// The contract of a task: how one kind of action runs on a CPE, as a pure state machine. The planner asks the task of the first
// runnable work for its next request; everything a task remembers is plain data in its state, so that any thread, and the restarted
// process, can go on with it.
//
//   start ─▶ next ─send─▶ (answer) ─▶ next ─ … ─▶ end
//              └─wait─▶ (event, or time) ─▶ next

import type { ActionResult, Outcome, Work } from '../../bus/messages.ts';
import type {
  Args,
  CpeFault,
  EventStruct,
  ParameterAttribute,
  ParameterInfo,
  ParameterValue,
} from '../../cwmp/message.ts';
import type { CwmpVersion } from '../../cwmp/rpc-table.ts';
import type { AcsRequest } from '../../cwmp/session.ts';
import type { Profile } from '../../profiles/profile.ts';

/** What a task may know. Everything is a value or a pure look-up: no clock, no store. */
export interface TaskContext {
  nowMs: number;
  profile: Profile;
  /** `Device.` or `InternetGatewayDevice.`, '' while unknown. */
  root: string;
  /** Agreed with the CPE in its last Inform; what is newer is not sent to it (CWMP V5). */
  version: CwmpVersion;
  /** What the shadow knows of a parameter, or null. */
  known(path: string): { type: string; writable: boolean | null } | null;
  /** A signed, expiring URL under which the CPE fetches file `fileId`, or PUTs the upload of this action. */
  downloadUrl(fileId: string): string;
  uploadUrl(actionId: string): string;
  files: TaskFiles;
}

/** Files for and from CPEs, as tasks ask for them. */
export interface TaskFiles {
  /** False while a file for CPEs is on its way from control to this edge. */
  has(fileId: string): boolean;
  /** The upload of an action, when it is whole on this edge. */
  uploaded(actionId: string): UploadedFile | null;
}

export interface UploadedFile {
  fileId: string;
  bytes: number;
  sha256: string;
}

/** Facts a task learned from an answer, to be sent to control besides its own result. */
export type TaskFact =
  | { type: 'values'; values: ParameterValue[] }
  | { type: 'names'; path: string; complete: boolean; names: ParameterInfo[] }
  | { type: 'attributes'; attributes: ParameterAttribute[] };

export type TaskNext<State> =
  /** Send this now. `verifying` marks read-backs, for the state of the action. */
  | { type: 'send'; state: State; request: AcsRequest; verifying?: boolean }
  /** Nothing to send until an event of the CPE comes or `untilMs` passes; the session may end. `why` is shown to people. */
  | { type: 'wait'; state: State; untilMs: number; why: string }
  | { type: 'end'; result: TaskResult };

/** An ActionResult without what the runner adds (transcript and times). */
export type TaskResult = Omit<ActionResult, 'rpcs' | 'startedAt' | 'endedAt'>;

export type Answer = { type: 'response'; method: string; result: Args } | { type: 'fault'; fault: CpeFault };

/** Something the CPE told by itself: an event of an Inform, or a request such as TransferComplete. */
export type CpeEvent =
  | { type: 'event'; event: EventStruct }
  | { type: 'request'; method: string; args: Args }
  /** The upload of this action is complete in the file store. */
  | { type: 'upload'; fileId: string; bytes: number; sha256: string };

export interface Task<State = unknown> {
  /** First state. Throws Refused when the arguments cannot be executed; control checks them before, so that is a bug or an old plan. */
  start(work: Work): State;
  next(work: Work, state: State, context: TaskContext): TaskNext<State>;
  /** The answer to the request that `next` sent last. */
  answer(work: Work, state: State, answer: Answer, context: TaskContext): { state: State; facts: TaskFact[] };
  /** Something happened that the task may wait for. Called for every event and request of the CPE while the work is open. */
  event(work: Work, state: State, event: CpeEvent, context: TaskContext): State;
  /**
   * The session broke while the request of the last `next` was outstanding: its outcome is unknown. An idempotent request is simply
   * sent again by `next`; any other must be read back, or awaited, never repeated blindly (DESIGN §4).
   */
  interrupted(work: Work, state: State, context: TaskContext): State;
}

export function emptyResult(outcome: Outcome, why: string): TaskResult {
  return { outcome, why, before: [], after: [], items: [], data: {} };
}

/** The end of what cannot be repeated, and of which nobody can say what the CPE did. */
export function unknownResult(why: string, outcome: Outcome = 'failed'): TaskResult {
  return { ...emptyResult(outcome, why), unknown: true };
}
