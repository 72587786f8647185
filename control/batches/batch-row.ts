// A batch as it is stored, its states, and what is written down of it.
//
//   planning ─▶ planned ─submit─▶ awaiting-approval ─approve─▶ running ⇄ paused ─▶ done
//                      └───────(nobody is asked)─────────────────▲
//   any but done ─▶ cancelled; planned and awaiting-approval ─▶ expired: what was not let go ends so, what is under way goes on
//
// planning           an action is planned for each device.
// planned            its root is known; somebody looks at the plans. Leaves by submit, or its deadline.
// awaiting-approval  as for an action, for all plans at once.
// running            actions are let go as its pace allows.
// paused             too many did not end well, or somebody stopped it. What is under way goes on; nothing is let go.
// done               every action has ended. Each is by itself in the queue where it did not end well.

import type { NewEvent, NewEvidence } from '../evidence/record.ts';
import type { ApprovalDecision } from '../policy/approval-matrix.ts';
import type { BatchState, Risk } from '../services.ts';
import type { BatchPace, BatchSelection } from './request.ts';

export interface BatchRow {
  id: string;
  kind: string;
  state: BatchState;
  why: string;
  owner_kind: 'person' | 'agent';
  owner_name: string;
  owner_role: string;
  owner_token: string | null;
  owner_person: string | null;
  reason: string | null;
  reference: string | null;
  selection: BatchSelection;
  request: Record<string, unknown>;
  sealed_request: string;
  pace: BatchPace;
  planned_to: string;
  selected: number;
  excluded: number;
  unplannable: number;
  risk: Risk | null;
  root: string | null;
  approval: ApprovalDecision | null;
  created_at: Date;
  expires_at: Date;
  asked_until: Date;
  started_at: Date | null;
  ended_at: Date | null;
  released_to: Date | null;
  forgiven: number;
}

/** Ends that somebody has to look at: of them a batch pauses. */
export const BAD_ENDS = ['partial', 'unsupported', 'refused', 'failed', 'stuck'] as const;

export function batchEvent(
  { id, kind }: Pick<BatchRow, 'id' | 'kind'>,
  at: number,
  step: string,
  summary: string,
  body: Record<string, unknown>,
): NewEvent {
  return { deviceId: null, actionId: id, at, kind: `batch.${step}`, summary, body: { kind, ...body } };
}

export function batchEvidence(id: string, at: number, step: string, body: Record<string, unknown>): NewEvidence {
  return { actionId: id, at, kind: 'batch', body: { step, ...body } };
}
