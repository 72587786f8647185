// Explains one parameter: its story (story.ts) as steps and as one paragraph for staff. Pure.

import { REDACTED } from '../../base/secret-box.ts';
import type { ParameterExplanation, ParameterStep } from '../services.ts';
import type { Fate } from './fate.ts';
import { type Cause, type Doing, type Entry, type ParameterStory, unfold } from './story.ts';
import {
  paragraph,
  sayApprovals,
  sayFault,
  sayOwner,
  sayReason,
  sayTime,
  sayValue,
  staffName,
  upperFirst,
} from './words.ts';

/** What is known of the parameter itself, values of secrets redacted. */
export interface ExplainedParameter {
  path: string;
  canonical: string | null;
  writable: boolean | null;
  story: ParameterStory;
}

/** @param stepsMax newest steps that are shown. */
export function explainParameter(parameter: ExplainedParameter, stepsMax: number): ParameterExplanation {
  const { path, canonical, writable, story } = parameter;
  const { value: known, cause, entries } = unfold(story);
  const { type, secret, now } = story;
  const value = now === null ? null : now.value;
  return {
    name: path,
    canonical,
    value,
    type,
    writable,
    secret,
    readAt: isoOrNull(now?.readAt ?? null),
    source: sourceOf(cause, known, writable),
    history: entries.toReversed().slice(0, stepsMax).map(stepOf),
    text: textOf(parameter, cause, entries),
  };
}

function sourceOf(cause: Cause, value: string | null, writable: boolean | null): ParameterExplanation['source'] {
  const nobody = { actionId: null, by: null };
  switch (cause.type) {
    case 'action': {
      const { id, owner } = cause.doing;
      const kind = owner.kind === 'policy' ? 'policy' : 'action';
      return { kind, at: iso(cause.at), actionId: id, by: owner };
    }
    case 'device':
    case 'found':
      return { kind: 'cpe', at: iso(cause.at), ...nobody };
    case 'reset': {
      if (value === null) return { kind: 'unknown', at: null, ...nobody };
      // What cannot be set is the device's own, factory settings or not.
      const kind = writable === false ? 'cpe' : 'factory';
      const { doing } = cause;
      return { kind, at: iso(cause.at), actionId: doing?.id ?? null, by: doing?.owner ?? null };
    }
    case 'nothing':
      return { kind: 'unknown', at: null, ...nobody };
  }
}

function stepOf(entry: Entry): ParameterStep {
  const { type, at, from, to, doing } = entry;
  const byAction = type === 'action' || type === 'reset';
  const kinds = {
    action: doing?.kind ?? 'set',
    told: 'told',
    read: 'read',
    reset: doing?.kind ?? 'bootstrap',
  } as const;
  const approvals = byAction ? (doing?.approvals ?? []) : [];
  return {
    at: iso(at),
    kind: kinds[type],
    by: byAction ? (doing?.owner ?? null) : null,
    actionId: doing?.id ?? null,
    from,
    to,
    approvals: approvals.map(({ decision, by, at: decidedAt }) => ({ decision, by, at: decidedAt })),
    outcome: byAction ? (doing?.outcome ?? null) : null,
    text: sentenceOf(entry),
  };
}

// ── In words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function textOf({ path, canonical, writable, story }: ExplainedParameter, cause: Cause, entries: Entry[]): string {
  const begin = `${upperFirst(staffName(path, canonical))} ${isNow(story, cause, entries, path)}.`;
  if (path.endsWith('.') && cause.type !== 'action') return `${begin} No action known here has added it.`;
  // Nobody but the device sets what is read-only: that it is so is all there is to say, unless it changed.
  const keptByDevice = writable === false && ['found', 'reset', 'nothing'].includes(cause.type);
  return paragraph(
    begin,
    writable === false && !path.endsWith('.') ? 'It is read-only: the device itself keeps it.' : '',
    ...(keptByDevice ? [] : whyOf(cause, entries, story)),
    ...inVain(cause, entries).map(sentenceOf),
  );
}

function isNow({ now, secret }: ParameterStory, cause: Cause, entries: Entry[], path: string): string {
  const noValue = path.endsWith('.') ? 'is an object of the device, which has no value itself' : null;
  if (now === null) {
    if (cause.type === 'action' && cause.doing.what === 'deleted') return 'does not exist on this device any more';
    if (noValue !== null) return noValue;
    if (cause.type === 'reset') return 'is not known now';
    const seen = entries.some(({ type, fate }) => type === 'told' || type === 'read' || fate === 'took');
    return seen ? 'is not known to be on this device any more' : 'has never been read from this device';
  }
  if (noValue !== null) return noValue;
  if (now.readAt === null) return 'exists on this device, and has never been read';
  const when = `as the device told it ${sayTime(now.readAt)}`;
  if (secret && now.value === '') return `is not shown by the device (asked ${sayTime(now.readAt)})`;
  if (secret) return `is a secret, kept sealed here ${when}`;
  return now.value === '' ? `is empty, ${when}` : `is ${sayValue(now.value)}, ${when}`;
}

function whyOf(cause: Cause, entries: Entry[], { now }: ParameterStory): string[] {
  switch (cause.type) {
    case 'action': {
      const entry = entries.findLast(({ doing, type }) => doing === cause.doing && type === 'action')!;
      return [sentenceOf(entry)];
    }
    case 'device': {
      const { entry } = cause;
      const before = entries.findLast(
        (step) => step.at <= entry.at && step !== entry && step.type === 'action' && step.fate === 'took',
      );
      return [sentenceOf(entry), before === undefined ? '' : `Before that: ${sentenceOf(before)}`];
    }
    case 'found':
      return [
        `No action known here has set it: the device had it when it was first heard of ${sayTime(cause.at)}, or somebody at the device set it.`,
      ];
    case 'reset': {
      const entry = entries.findLast(({ type }) => type === 'reset')!;
      const since =
        entry.to === null
          ? 'It has not been read since.'
          : 'No action has set it since: it is the default of the device, or was set at the device.';
      return [sentenceOf(entry), since];
    }
    case 'nothing':
      return ['No action known here has set it.', now?.readAt == null ? 'An action of kind get reads it.' : ''];
  }
}

/** What was tried since it is as it is, and did not change it, or not yet: the newest two. */
function inVain(cause: Cause, entries: Entry[]): Entry[] {
  const since = cause.type === 'nothing' ? Number.NEGATIVE_INFINITY : cause.at;
  const tried = entries.filter(({ type, at, fate, doing }) => {
    const own = cause.type === 'action' && doing === cause.doing;
    return type === 'action' && at >= since && fate !== 'took' && fate !== 'already' && !own;
  });
  return tried.slice(-2);
}

/** One step as a sentence or two. */
function sentenceOf(entry: Entry): string {
  const { type, at, from, to, doing, codes, lastSeenAt } = entry;
  const values = isTold(from) ? ` from ${sayValue(from)} to ${sayValue(to)}` : '';
  const change = from === null ? `It is ${sayValue(to)}` : `The device itself, or somebody at it, changed it${values}`;
  const known = lastSeenAt === null ? '' : `; last seen as before ${sayTime(lastSeenAt)}`;
  switch (type) {
    case 'told':
      return `${change}: told by the device in its Inform (${codes.join(', ') || 'without an event'}) ${sayTime(at)}${known}.`;
    case 'read': {
      const by = doing === null ? 'read' : `found by action ${doing.id} of ${sayOwner(doing.owner)}`;
      return `${change}: ${by} ${sayTime(at)}${known}.`;
    }
    case 'reset': {
      const before = sayBefore(from);
      if (doing === null) {
        return `The device came with 0 BOOTSTRAP ${sayTime(at)} (a factory reset, or its first contact); what was known before holds no more.${before}`;
      }
      return paragraph(
        `${sayOwner(doing.owner, 'The')} reset the device to its factory settings ${sayTime(at)} (action ${doing.id}); what was known before holds no more.${before}`,
        sayReason(doing.owner),
        decided(doing),
      );
    }
    case 'action':
      return paragraph(doneBy(entry, doing!), sayReason(doing!.owner), decided(doing!));
  }
}

/** False for what is not known, and for secrets. */
const isTold = (value: string | null): boolean => value !== null && value !== REDACTED;
const sayBefore = (from: string | null): string => (isTold(from) ? ` Before, it was ${sayValue(from)}.` : '');
const decided = ({ approvals }: Doing): string =>
  approvals.length === 0 ? '' : `The action ${sayApprovals(approvals)}.`;

/** What the action did to it: who, what, when, and how that ended. */
function doneBy({ at, from, to, fate }: Entry, doing: Doing): string {
  const { what, id, owner, object, endedAt, startedAt } = doing;
  const who = sayOwner(owner, 'The');
  const action = `action ${id}`;
  const when = sayTime(at);
  const before = to === REDACTED ? '' : sayBefore(from);
  switch (what) {
    case 'deleted': {
      const tail = fate === 'took' ? '' : `; ${FATES[fate!]}${faultOf(doing)}`;
      const was = isTold(from) ? `. The value was ${sayValue(from)}` : '';
      return `${who} ${fate === 'took' ? 'deleted' : 'asked to delete'} ${object} ${when} (${action})${tail}${was}.`;
    }
    case 'made':
      return `${who} added ${object} ${when} (${action})${isTold(to) ? `; the value came as ${sayValue(to)}` : ''}.`;
    case 'firmware':
      return `It came with the firmware that ${sayOwner(owner)} installed (${action}, begun ${sayTime(startedAt ?? at)}): told ${when}.${before}`;
    case 'file':
      return `It changed to ${sayValue(to)} after ${sayOwner(owner)} had a configuration file loaded ${sayTime(endedAt!)} (${action}), and most likely with it.${before}`;
    default: {
      const verb = fate === 'took' || fate === 'already' ? 'set' : 'asked to set';
      const tail = fate === 'took' ? '' : `; ${FATES[fate!]}${faultOf(doing)}`;
      return `${who} ${verb} it to ${sayValue(to)} ${when} (${action})${tail}.${fate === 'already' ? '' : before}`;
    }
  }
}

const FATES: Readonly<Record<Fate, string>> = {
  took: 'it took',
  already: 'it was so already, and nothing was written',
  accepted: 'the device accepted it, and nobody could verify it',
  reverted: 'the device accepted it, and had the value before when it was read again',
  later: 'the device accepted it and applies it later, perhaps after a restart',
  not: 'it did not take',
  unknown: 'it began, and how it ended is not known',
  waiting: 'it has not run yet',
  never: 'it never ran',
};

function faultOf({ item, fault, outcome }: Doing): string {
  const code = item?.faultCode ?? (item === null ? fault : null);
  if (code !== null && code !== undefined) return `: ${sayFault(code)}`;
  if (item?.text !== undefined) return `: ${item.text}`;
  return outcome === 'expired' || outcome === 'cancelled' ? ` (${outcome})` : '';
}

const iso = (at: number): string => new Date(at).toISOString();
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));
