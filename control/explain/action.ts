// Explains one action to staff, as one paragraph: who asked for what and why, how it was planned and approved, when it ran, what the device
// made of it, and whether it can be taken back. Pure; one function a sentence, in that order.

import { REDACTED } from '../../base/secret-box.ts';
import { faultRow } from '../../cwmp/faults.ts';
import { type ActionDetail, isEnded } from '../services.ts';
import {
  lowerFirst,
  paragraph,
  sayApprovals,
  sayDuration,
  sayFault,
  sayList,
  sayOwner,
  sayReason,
  sayTime,
  sayValue,
  staffName,
} from './words.ts';

/** The paragraph for staff. */
export function explainAction(action: ActionDetail): string {
  return paragraph(
    asked(action),
    takesBack(action),
    sayReason(action.owner),
    planned(action),
    approved(action),
    ran(action),
    ...told(action),
    takenBack(action),
  );
}

/** What an action will do, for those who are to approve it: words in place of paths. */
export function sayPlan(
  of: Pick<ActionDetail, 'kind' | 'request'> & { plan: Pick<ActionDetail['plan'], 'diff'> },
): string {
  const what = whatOf(of);
  return `${what[0]!.toUpperCase()}${what.slice(1)} this device.`;
}

function takesBack({ recovers }: ActionDetail): string {
  return recovers === null ? '' : `It takes back action ${recovers}.`;
}

function asked(action: ActionDetail): string {
  const { owner, createdAt, object } = action;
  return `${sayOwner(owner, 'The')} asked ${sayTime(createdAt)} to ${whatOf(action)} device ${object.ref}.`;
}

/** What was asked for, up to the device: `restart`, `set … on`. */
function whatOf({ kind, request, plan }: Parameters<typeof sayPlan>[0]): string {
  const text = (key: string): string => String(request[key] ?? '');
  switch (kind) {
    case 'get': {
      const names = Array.isArray(request['names']) ? request['names'].map(String) : [];
      return `read ${sayList(names)} from`;
    }
    case 'set':
      return `set ${sayList(plan.diff.map(changeOf))} on`;
    case 'refresh':
      return `read ${request['name'] === undefined ? 'everything' : `everything below ${text('name')}`} from`;
    case 'add': {
      const values = plan.diff.map(({ name, to }) => `${name.slice(name.indexOf('{i}.') + 4)} ${sayValue(to)}`);
      return `add an instance of ${text('name')}${values.length === 0 ? '' : ` with ${sayList(values)}`} on`;
    }
    case 'delete':
      return `delete ${text('name')} on`;
    case 'reboot':
      return 'restart';
    case 'factory-reset':
      return 'reset to its factory settings';
    case 'download':
      return `have a file (${text('fileType')}, ${request['file'] === undefined ? text('url') : text('file')}) loaded by`;
    case 'upload':
      return `have a file (${text('fileType')}) sent by`;
    case 'diagnose':
      return `run the test ${text('test')} on`;
    case 'schedule-inform':
      return `have an Inform in ${text('delaySeconds')} s sent by`;
    case 'rpc':
      return `call ${text('method')} on`;
  }
}

function changeOf({ name, canonical, from, to }: ActionDetail['plan']['diff'][number]): string {
  const was = from === null || from === to || to === REDACTED ? '' : ` from ${sayValue(from)}`;
  return `${staffName(name, canonical)}${was} to ${sayValue(to)}`;
}

function planned({ plan: { risk, impact } }: ActionDetail): string {
  const what = risk === 'none' ? 'without risk' : `of ${risk} risk`;
  return `The plan was ${what}. Impact: ${impact.text}`;
}

function approved({ approvals, state, kind }: ActionDetail): string {
  if (approvals.length > 0) return `It ${sayApprovals(approvals)}.`;
  return state === 'awaiting-approval' ? `Nobody has approved this ${kind} yet.` : '';
}

function ran({ state, startedAt, endedAt, expiresAt, why, outcome, result }: ActionDetail): string {
  const neverBegan =
    startedAt === null ||
    (result !== null && result.rpcs.length === 0 && (outcome === 'expired' || outcome === 'cancelled'));
  if (!isEnded(state) && startedAt === null)
    return `It has not run yet, and may until it expires ${sayTime(expiresAt)}. ${why}`;
  if (neverBegan) return `It never ran; it ended ${endedAt === null ? '' : sayTime(endedAt)} as ${state}.`;
  if (endedAt === null) return `It began ${sayTime(startedAt)}, and goes on: ${why}`;
  const tookMs = Date.parse(endedAt) - Date.parse(startedAt);
  return `It ran ${sayTime(startedAt)}, took ${sayDuration(tookMs)} and ended as ${outcome ?? state}.`;
}

/** What became of single values (edge/tasks/judging.ts), in the order it is told. */
const ITEM_WORDS: readonly [words: string, ...statuses: string[]][] = [
  ['Taken, and read back', 'set'],
  ['So already, and not written', 'unchanged'],
  ['Accepted, and not read back', 'unverified'],
  ['Accepted, to be applied later, perhaps after a restart', 'pending'],
  ['Not taken', 'differs', 'refused', 'unknown', 'read-only'],
  ['Otherwise than when it was approved, so not written', 'drifted'],
  ['Not written', 'not-written'],
];

/** What the device made of it. */
function told({ kind, state, why, result, plan }: ActionDetail): string[] {
  if (result === null) return isEnded(state) ? [why] : [];
  const { items, fault, after, data } = result;
  const ofFault =
    fault === undefined || items.some(({ faultCode }) => faultCode !== undefined)
      ? ''
      : faultRow(fault.FaultCode).advice;
  if ((kind !== 'set' && kind !== 'add') || items.length === 0) return [why, ofFault];

  const told = ({ name, status, faultCode, text }: (typeof items)[number]): string => {
    const said = staffName(name, plan.diff.find((entry) => entry.name === name)?.canonical ?? null);
    const value = after.find(({ Name }) => Name === name)?.Value ?? REDACTED;
    if (status === 'set') return value === REDACTED ? said : `${said} is ${sayValue(value)}`;
    const because = faultCode === undefined ? text : sayFault(faultCode);
    return because === undefined ? said : `${said}: ${because}`;
  };
  const made = kind === 'add' && typeof data['object'] === 'string' ? `The device made ${data['object']}.` : '';
  const became = ITEM_WORDS.map(([words, ...statuses]) => {
    const list = items.filter(({ status }) => statuses.includes(status)).map(told);
    return list.length === 0 ? '' : `${words}: ${sayList(list)}.`;
  });
  return [made, ...became, ofFault];
}

const CHANGES_NOTHING = ['get', 'refresh', 'upload', 'diagnose', 'schedule-inform'];

function takenBack({ kind, state, outcome, recovery }: ActionDetail): string {
  if (CHANGES_NOTHING.includes(kind) || !isEnded(state)) return '';
  switch (recovery.state) {
    case 'running':
      return 'It is being taken back now.';
    case 'done':
      return 'It was taken back since.';
    case 'failed':
      return 'It was to be taken back, and that failed: look at the device.';
    case 'not-run':
      if (outcome !== 'done' && outcome !== 'applied' && outcome !== 'partial') return '';
      return `It ${recovery.possible ? 'can' : 'cannot'} be taken back (${lowerFirst(recovery.text.replace(/\.$/, ''))}).`;
  }
}
