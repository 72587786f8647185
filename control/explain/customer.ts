// Explains one action so that a support person can read it to the customer: no paths, no codes, no names of staff, nothing secret, and no
// more certainty than there is. Pure.

import { REDACTED } from '../../base/secret-box.ts';
import { sameValue } from '../../cwmp/values.ts';
import { type ActionDetail, isEnded } from '../services.ts';
import { paragraph, sayList, sayValue, wordsOf } from './words.ts';

/** To restart, restarted, restarting: with what is done to what. */
interface Phrase {
  to: string;
  did: string;
  doing: string;
}
const phrase = (to: string, did: string, doing: string, object: string): Phrase => ({
  to: `${to} ${object}`,
  did: `${did} ${object}`,
  doing: `${doing} ${object}`,
});
const join = (phrases: readonly Phrase[]): Phrase => ({
  to: sayList(phrases.map(({ to }) => to)),
  did: sayList(phrases.map(({ did }) => did)),
  doing: sayList(phrases.map(({ doing }) => doing)),
});

/** The paragraph to be read out. */
export function explainForCustomer(action: ActionDetail): string {
  const { state, outcome, plan, owner } = action;
  const itself = owner.kind === 'person' || owner.kind === 'agent' ? '' : 'automatically ';
  const wish = phraseOf(action, action.plan.diff);
  const cut = plan.impact.reboot || plan.impact.serviceCut;
  const meanwhile = cut ? 'Meanwhile your connection may be away for some minutes.' : '';
  if (!isEnded(state)) return paragraph(openText(action, wish), meanwhile);
  // Recovery comes after the outcome, and says more than it.
  if (state === 'recovered') return `We had ${itself}${wish.did}, and have taken that back: it is as it was before.`;
  if (state === 'stuck') {
    return `We had ${itself}${wish.did}, and tried to take that back, which did not work as it should. It stays on our list until somebody has looked at it.`;
  }
  switch (outcome) {
    case 'done':
    case 'applied':
      return wellText(action, itself, wish);
    case 'partial':
      return partialText(action);
    case 'unsupported':
      return `We wanted to ${wish.to}, but your device does not offer this. Nothing was changed.`;
    case 'refused':
      return `We wanted to ${wish.to}, but your device did not accept that. Nothing was changed.`;
    case 'expired':
    case 'cancelled':
      return notRunText(action, wish);
    default:
      return paragraph(
        `We tried to ${wish.to}, but it did not work.`,
        action.startedAt !== null && changes(action)
          ? 'We cannot say for sure from here whether your device has changed anything.'
          : '',
        'It stays on our list until somebody has looked at it.',
      );
  }
}

function openText({ state, owner }: ActionDetail, { to, doing }: Phrase): string {
  switch (state) {
    case 'planned':
    case 'awaiting-approval':
      return `We are preparing to ${to}; a colleague has to agree first.`;
    case 'recovering':
      return `We are taking back what we did when we wanted to ${to}. Please leave your device switched on and connected.`;
    case 'running':
    case 'verifying':
      return `We are ${doing} at this moment. Please leave your device switched on and connected.`;
    default: {
      const itself = owner.kind === 'person' || owner.kind === 'agent' ? '' : 'automatically ';
      return `We are going to ${itself}${to}, as soon as your device contacts us. Please leave it switched on and connected.`;
    }
  }
}

function wellText(action: ActionDetail, itself: string, { to }: Phrase): string {
  const { outcome, result, plan, kind } = action;
  const items = result?.items ?? [];
  if (kind === 'set' && items.length > 0 && items.every(({ status }) => status === 'unchanged')) {
    return `We wanted to ${to}, but it was so already, and nothing had to be changed.`;
  }
  const doubt =
    'Your device has accepted this, but we cannot see from here whether it has taken effect. If something does not work as it should, please tell us.';
  const isNew = ({ name }: Difference): boolean =>
    !items.some((item) => item.name === name && item.status === 'unchanged');
  const changed = plan.diff.filter(isNew);
  return paragraph(
    `We have ${itself}${phraseOf(action, changed).did}.`,
    outcome === 'done' ? checkedText(action) : doubt,
    ...thenOf(changed),
  );
}

function checkedText({ kind }: ActionDetail): string {
  switch (kind) {
    case 'set':
      return 'We have checked that it took effect.';
    case 'reboot':
      return 'It has come back and is in touch with us.';
    case 'factory-reset':
      return 'It is in touch with us again. What you had set yourself, such as the name and the password of your Wi-Fi network, may have to be set anew.';
    case 'get':
    case 'refresh':
    case 'upload':
    case 'diagnose':
      return 'Nothing was changed by that.';
    default:
      return '';
  }
}

function partialText(action: ActionDetail): string {
  const { plan, result, kind } = action;
  const stays = 'It stays on our list until somebody has looked at it.';
  const statusOf = (name: string): string => result?.items.find((item) => item.name === name)?.status ?? '';
  const did = plan.diff.filter(({ name }) => ['set', 'unverified', 'pending'].includes(statusOf(name)));
  const missed = plan.diff.filter((entry) => !did.includes(entry) && statusOf(entry.name) !== 'unchanged');
  if (kind !== 'set' || did.length === 0 || missed.length === 0) {
    return `We tried to ${phraseOf(action, plan.diff).to}, but only a part of it worked. ${stays}`;
  }
  return paragraph(
    `We have ${phraseOf(action, did).did}.`,
    `We could not ${phraseOf(action, missed).to}: your device did not accept that.`,
    ...thenOf(did),
    stays,
  );
}

function notRunText({ outcome, startedAt, result }: ActionDetail, { to }: Phrase): string {
  const begun = startedAt !== null && (result === null || result.rpcs.length > 0);
  const nothing = begun
    ? 'We cannot say for sure from here whether your device has changed anything.'
    : 'Nothing was changed.';
  if (outcome === 'cancelled')
    return `We wanted to ${to}, but it was called off ${begun ? 'on the way' : 'before it began'}. ${nothing}`;
  const late = begun ? 'it was not finished in time' : 'your device did not contact us in time';
  return `We wanted to ${to}, but ${late}. ${nothing} Please see that your device is switched on and connected.`;
}

// ── What was done, in words ──────────────────────────────────────────────────────────────────────────────────────────────

type Difference = ActionDetail['plan']['diff'][number];

const changes = ({ kind }: ActionDetail): boolean =>
  !['get', 'refresh', 'upload', 'diagnose', 'schedule-inform'].includes(kind);

function phraseOf({ kind, request }: ActionDetail, diff: readonly Difference[]): Phrase {
  switch (kind) {
    case 'get':
    case 'refresh':
      return phrase('read', 'read', 'reading', 'the settings of your device');
    case 'set':
      return setPhrase(diff);
    case 'add':
      return phrase('add', 'added', 'adding', 'an entry to the settings of your device');
    case 'delete':
      return phrase('remove', 'removed', 'removing', 'an entry from the settings of your device');
    case 'reboot':
      return phrase('restart', 'restarted', 'restarting', 'your device');
    case 'factory-reset':
      return phrase('reset', 'reset', 'resetting', 'your device to its factory settings');
    case 'download': {
      const fileType = String(request['fileType']);
      if (fileType.startsWith('1 ')) return phrase('install', 'installed', 'installing', 'new software on your device');
      if (fileType.startsWith('3 ')) return phrase('load', 'loaded', 'loading', 'a set of settings into your device');
      return phrase('send', 'sent', 'sending', 'a file to your device');
    }
    case 'upload':
      return phrase('fetch', 'fetched', 'fetching', 'a file with technical information from your device');
    case 'diagnose':
      if (request['test'] === 'Download')
        return phrase('measure', 'measured', 'measuring', 'how fast your connection receives');
      if (request['test'] === 'Upload')
        return phrase('measure', 'measured', 'measuring', 'how fast your connection sends');
      return phrase('test', 'tested', 'testing', 'the connection of your device');
    case 'schedule-inform':
      return phrase('ask', 'asked', 'asking', 'your device to contact us again');
    case 'rpc':
      return phrase('send', 'sent', 'sending', 'a technical command to your device');
  }
}

/** Changes first, then switches; settings without words of their own are only counted. */
function setPhrase(diff: readonly Difference[]): Phrase {
  const things: string[] = [];
  const switches: Phrase[] = [];
  let others = 0;
  for (const { canonical, to } of diff) {
    const words = wordsOf(canonical);
    if (words === undefined) others++;
    else if (words.tell === 'switch' && to !== null) {
      const on = sameValue('boolean', to, 'true') ? 'on' : 'off';
      switches.push(phrase(`switch ${on}`, `switched ${on}`, `switching ${on}`, words.yours));
    } else if (words.tell === 'no' || to === null || to === '' || to === REDACTED) things.push(words.yours);
    else things.push(`${words.yours} to ${words.tell === 'plain' ? sayValue(to).slice(1, -1) : sayValue(to)}`);
  }
  if (others > 0) things.push(others === 1 ? 'a setting of your device' : `${others} settings of your device`);
  const changed = things.length === 0 ? [] : [phrase('change', 'changed', 'changing', sayList(things))];
  return join([...changed, ...switches]);
}

/** What the customer has to do now, each thing once. */
function thenOf(diff: readonly Difference[]): string[] {
  return [...new Set(diff.map(({ canonical }) => wordsOf(canonical)?.then ?? ''))];
}
