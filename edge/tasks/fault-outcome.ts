// What a fault of the CPE means for the action it answers: the outcome, and the sentence for a support person. Faults whose meaning
// depends on the task (9005 on one of many names, 9004 on a big answer) are handled there, before they come here.

import type { Outcome } from '../../bus/messages.ts';
import type { CpeFault, FaultStruct } from '../../cwmp/message.ts';
import type { Profile } from '../../profiles/profile.ts';
import { canonicalOf } from '../../profiles/resolve.ts';
import { emptyResult, type TaskResult } from './task.ts';

/** Codes with which a CPE says that it does not have the thing at all. */
const UNSUPPORTED = new Set([9000, 9005, 9013]);
/** Codes with which it says that it will not do this, however often it is asked (CWMP 1.11, last paragraph). */
const REFUSED = new Set([9001, 9003, 9006, 9007, 9008, 9009, 9021]);
/** Codes that may only mean "too much at once": ask for less (CWMP P1). 9003 is what some stacks say instead of 9004. */
const TOO_MUCH = new Set([9001, 9002, 9003, 9004]);

export const METHOD_NOT_SUPPORTED = 9000;
export const INVALID_NAME = 9005;

/** Outcome of an action that a fault with this code ended. Internal errors, exhausted resources and vendor codes are failures. */
export function outcomeOfFault(code: number): Outcome {
  if (UNSUPPORTED.has(code)) return 'unsupported';
  return REFUSED.has(code) ? 'refused' : 'failed';
}

export function asksForLess(code: number): boolean {
  return TOO_MUCH.has(code);
}

/** `fault 9005 (Invalid parameter name)`. */
export function sayFault(fault: FaultStruct): string {
  const text = fault.FaultString.trim();
  return text === '' ? `fault ${fault.FaultCode}` : `fault ${fault.FaultCode} (${text})`;
}

/** The plain end of an action whose request was answered with a fault. `doing` completes "The CPE refused …". */
export function faultResult(doing: string, fault: CpeFault): TaskResult {
  const outcome = outcomeOfFault(fault.FaultCode);
  const verb =
    { unsupported: 'does not support', refused: 'refused', failed: 'failed at' }[outcome as string] ?? 'failed at';
  const { FaultCode, FaultString } = fault;
  return {
    ...emptyResult(outcome, `The CPE ${verb} ${doing}: ${sayFault(fault)}.`),
    fault: { FaultCode, FaultString },
  };
}

/**
 * What to do when the CPE does not know `path`: while its tree is not known, a canonical name stands for the first place it may be at. ''
 * when there is no other place.
 */
export function elsewhere(path: string, profile: Profile): string {
  const canonical = canonicalOf(profile, path);
  if (canonical === null || profile.names[canonical]!.paths.length < 2) return '';
  return `; ${canonical} may be another parameter here: refresh the device, then ask again`;
}
