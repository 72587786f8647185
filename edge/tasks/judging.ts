// The verdict over a write: values wanted, values before and after, and what the CPE answered become an outcome and an item for each
// value. Nothing is called done that was not read back.

import type { Outcome } from '../../bus/messages.ts';
import type { CpeFault, ParameterValue } from '../../cwmp/message.ts';
import { outcomeOfFault, sayFault } from './fault-outcome.ts';
import type { LostName } from './reading.ts';
import type { TaskContext, TaskResult } from './task.ts';
import type { Wanted } from './work-args.ts';
import { type Comparison, compare, decisiveCode, differsText, type Item, redactValues } from './writing.ts';

export interface Written {
  wanted: readonly Wanted[];
  before: readonly ParameterValue[];
  after: readonly ParameterValue[];
  /** Names that could not be read back, and why. */
  lost: readonly LostName[];
  /** Items of the request that was refused, and of those not sent after it. */
  refused: readonly Item[];
  fault: CpeFault | null;
  /** The CPE said Status 1: committed, applied later, perhaps after a restart (A.3.2.1). */
  later: boolean;
}

/** Outcome, sentence and items of a write that was read back. `data` is left to the task. */
export function judge(written: Written, context: TaskContext): TaskResult {
  const items = itemsOf(written, context);
  const { outcome, why } = verdict(items, written);
  const secrets = new Set(written.wanted.filter(({ secret }) => secret).map(({ name }) => name));
  const names = new Set(written.wanted.map(({ name }) => name));
  const shown = (values: readonly ParameterValue[]) =>
    redactValues(
      values.filter(({ Name }) => names.has(Name)),
      secrets,
      context,
    );
  const { fault } = written;
  return {
    outcome,
    why,
    before: shown(written.before),
    after: shown(written.after),
    items,
    ...(fault === null ? {} : { fault: { FaultCode: fault.FaultCode, FaultString: fault.FaultString } }),
    data: {},
  };
}

function itemsOf({ wanted, before, after, lost, refused, later }: Written, context: TaskContext): Item[] {
  const beforeBy = new Map(before.map((value) => [value.Name, value]));
  const afterBy = new Map(after.map((value) => [value.Name, value]));
  const lostBy = new Map(lost.map((one) => [one.name, one]));
  const refusedBy = new Map(refused.map((item) => [item.name, item]));
  return wanted.map((one) => {
    const { name } = one;
    const read = afterBy.get(name);
    const now = compare(one, read, context);
    const was = compare(one, beforeBy.get(name), context);
    if (was === 'equal' && now !== 'differs') return { name, status: 'unchanged' };
    const refusal = refusedBy.get(name);
    // SetParameterValues is atomic, but not on every CPE: what is read counts more than what was said.
    if (refusal !== undefined && now === 'equal') {
      return { name, status: 'set', text: 'took, although the CPE answered with a fault' };
    }
    return refusal ?? itemOf(one, read, now, later, lostBy.get(name), context);
  });
}

/** What became of a value that the CPE accepted. */
function itemOf(
  wanted: Wanted,
  read: ParameterValue | undefined,
  now: Comparison,
  later: boolean,
  lost: LostName | undefined,
  context: TaskContext,
): Item {
  const { name } = wanted;
  switch (now) {
    case 'equal':
      return { name, status: 'set' };
    case 'hidden':
      return { name, status: 'unverified', text: 'the CPE does not show this value, so it cannot be read back' };
    case 'unread':
      return { name, status: 'unverified', text: lost?.text ?? 'could not be read back' };
    case 'differs':
      return { name, status: later ? 'pending' : 'differs', text: differsText(wanted, read, context) };
  }
}

function verdict(items: Item[], { fault, later }: Written): { outcome: Outcome; why: string } {
  const having = (...statuses: string[]) => items.filter(({ status }) => statuses.includes(status));
  const touched = items.filter(({ status }) => status !== 'unchanged');
  const taken = having('set', 'unverified', 'pending');
  const say = (these: Item[]) => {
    const [first, ...others] = these;
    const text = first!.text === undefined ? '' : ` (${first!.text})`;
    return `${first!.name}${text}${others.length > 0 ? ` and ${others.length} more` : ''}`;
  };
  if (fault !== null && having('refused', 'not-written').length > 0) {
    const bad = having('refused');
    const which = bad.length > 0 ? say(bad) : sayFault(fault);
    if (taken.length > 0) {
      return { outcome: 'partial', why: `${taken.length} of ${touched.length} values took; the CPE refused ${which}.` };
    }
    return { outcome: outcomeOfFault(decisiveCode(fault)), why: `Nothing was changed: the CPE refused ${which}.` };
  }
  const differing = having('differs');
  if (differing.length > 0) {
    if (taken.length === 0)
      return { outcome: 'refused', why: `The CPE accepted it, but it did not take: ${say(differing)}.` };
    const why = `${taken.length} of ${touched.length} values took; accepted, but did not take: ${say(differing)}.`;
    return { outcome: 'partial', why };
  }
  const pending = having('pending');
  if (pending.length > 0) {
    return { outcome: 'applied', why: `Accepted; the CPE applies it later, perhaps after a restart: ${say(pending)}.` };
  }
  const unverified = having('unverified');
  if (unverified.length > 0) return { outcome: 'applied', why: `Accepted, but not verified: ${say(unverified)}.` };
  if (touched.length === 0) return { outcome: 'done', why: 'Already set; nothing was written.' };
  const note = later ? ' The CPE said that it applies changes later, and shows the new values already.' : '';
  return { outcome: 'done', why: `Set and read back: ${touched.map(({ name }) => name).join(', ')}.${note}` };
}
