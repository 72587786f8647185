// The states of an action and the one guarded way from one to the next. Nothing else writes action.state.
//
//   planned ─▶ awaiting-approval ─▶ ready ─▶ running ⇄ verifying ─▶ done | partial | unsupported | refused | failed
//      └──────────(auto)──────────────▲        │          │            │ (results may come without progress before them)
//                                     └────────┴──────────┴────────────▶
//   any open state ─▶ cancelled | expired          expired ─(the device's own result, late)─▶ done | …
//   done | partial | failed | stuck ─▶ recovering ─▶ recovered | stuck
//   stuck ─(the recovery's own result, late)─▶ recovered
//
// planned             made with its plan, nothing decided: a preview. Others leave it in the moment they are made.
// awaiting-approval   a person must decide. Leaves by approval, rejection or drift (cancelled), or its deadline.
// ready               may run; the edge gets it, or has it and waits for the CPE.
// running, verifying  its RPCs go on; verifying while values are read back. A wait for the CPE's own event counts as running.
// done                verified, or applied without a way to read back (then outcome is 'applied').
// partial, unsupported, refused, failed   ended otherwise, by the device's answer; kept in sight until a person closes them.
// expired             its deadline passed before it ran, as far as control knows.
// recovering          its inverse plan runs, as an action of its own; recovered or stuck when that ended. From stuck it may be tried again.

import { StarlingError } from '../../base/errors.ts';
import type { Outcome } from '../../bus/messages.ts';
import type { ActionState } from '../services.ts';

const RESULTS = ['done', 'partial', 'unsupported', 'refused', 'failed'] as const;
const OPEN_ENDS = [...RESULTS, 'cancelled', 'expired'] as const;

const NEXT: Readonly<Record<ActionState, readonly ActionState[]>> = {
  planned: ['awaiting-approval', 'ready', 'cancelled', 'expired'],
  'awaiting-approval': ['ready', 'cancelled', 'expired'],
  ready: ['running', 'verifying', ...OPEN_ENDS],
  running: ['verifying', ...OPEN_ENDS],
  verifying: ['running', ...OPEN_ENDS],
  done: ['recovering'],
  partial: ['recovering'],
  failed: ['recovering'],
  unsupported: [],
  refused: [],
  recovering: ['recovered', 'stuck'],
  recovered: [],
  // What the device did is the truth, whenever it is heard of.
  stuck: ['recovering', 'recovered'],
  cancelled: [],
  // The same.
  expired: RESULTS,
};

/** True when `to` may follow `from`. */
export function mayFollow(from: ActionState, to: ActionState): boolean {
  return NEXT[from].includes(to);
}

/** A transition the drawing does not have: a mistake of ours, never a caller's. */
export class IllegalTransition extends StarlingError {
  override name = 'IllegalTransition';
  constructor(actionId: string, from: ActionState, to: ActionState) {
    super('refused', 'illegal-transition', `Action ${actionId} cannot go from ${from} to ${to}.`);
  }
}

/** The state an action is in after `to`. Throws IllegalTransition for a way the drawing does not have. */
export function transition(actionId: string, from: ActionState, to: ActionState): ActionState {
  if (!mayFollow(from, to)) throw new IllegalTransition(actionId, from, to);
  return to;
}

/** The state in which a result leaves the action. */
export function stateOf(outcome: Outcome): ActionState {
  return outcome === 'applied' ? 'done' : outcome;
}
