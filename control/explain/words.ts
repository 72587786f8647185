// Words for what people hear and read: canonical names as things, times, values, owners and faults as phrases. Pure, and the one place
// where a new canonical name gets its words.

import { REDACTED } from '../../base/secret-box.ts';
import { faultRow } from '../../cwmp/faults.ts';
import type { ActionDetail, ActionView } from '../services.ts';

export interface NameWords {
  /** As one says it to a customer; with `the` for `your` it is what staff say. */
  yours: string;
  /** How a value is told to a customer: in quotes, as it is, as on or off, or not at all. */
  tell: 'quoted' | 'plain' | 'switch' | 'no';
  /** What the customer has to do once it was changed. */
  then?: string;
}

const name = (yours: string, tell: NameWords['tell'] = 'no', then?: string): NameWords => ({
  yours,
  tell,
  ...(then === undefined ? {} : { then }),
});

const wifi = (prefix: string, network: string): Record<string, NameWords> => ({
  [`${prefix}.ssid`]: name(
    `the name of ${network}`,
    'quoted',
    'Your phones and computers have to be connected again, with the new name.',
  ),
  [`${prefix}.password`]: name(
    `the password of ${network}`,
    'no',
    'Your phones and computers have to be connected again, with the new password.',
  ),
  [`${prefix}.enable`]: name(network, 'switch'),
  [`${prefix}.channel`]: name(`the radio channel of ${network}`, 'plain'),
  [`${prefix}.auto-channel`]: name(`the automatic choice of the radio channel of ${network}`, 'switch'),
  [`${prefix}.security`]: name(`the kind of encryption of ${network}`),
});

/** Words of every canonical name that the profiles have (a test holds the two together). */
export const NAME_WORDS: Readonly<Record<string, NameWords>> = {
  ...wifi('wifi.2g', 'your 2.4 GHz Wi-Fi network'),
  ...wifi('wifi.5g', 'your 5 GHz Wi-Fi network'),
  'wan.pppoe.username': name('the user name of your Internet connection'),
  'wan.pppoe.password': name('the password of your Internet connection'),
  'wan.pppoe.enable': name('your Internet connection', 'switch'),
  'wan.pppoe.status': name('the state of your Internet connection'),
  'wan.pppoe.address': name('the address of your Internet connection', 'plain'),
  'wan.ipv4.address': name('the Internet address of your device', 'plain'),
  'lan.ip.address': name('the address of your device in your home network', 'plain'),
  'lan.ip.netmask': name('the size of your home network'),
  'lan.dhcp.enable': name('the giving out of addresses in your home network', 'switch'),
  'lan.dhcp.first-address': name('the first address that is given out in your home network', 'plain'),
  'lan.dhcp.last-address': name('the last address that is given out in your home network', 'plain'),
  'hosts.table': name('the list of devices in your home network'),
  'optical.rx': name('the strength of the light that your device receives'),
  'optical.tx': name('the strength of the light that your device sends'),
  'device.manufacturer': name('the maker of your device', 'plain'),
  'device.model': name('the model of your device', 'plain'),
  'device.serial': name('the serial number of your device', 'plain'),
  'device.hardware-version': name('the hardware version of your device', 'plain'),
  'device.software-version': name('the software version of your device', 'plain'),
  'device.uptime': name('the time since your device was started'),
  'device.provisioning-code': name('the mark that tells us the service of your device'),
  'time.ntp.1': name('the time server of your device'),
  'management.acs-url': name('the address at which your device finds us'),
  'management.acs-username': name('the user name with which your device logs in to us'),
  'management.acs-password': name('the password with which your device logs in to us'),
  'management.inform-enable': name('the regular reports of your device to us', 'switch'),
  'management.inform-interval': name('the time between two reports of your device to us'),
  'management.connection-request-url': name('the address that lets us reach your device'),
  'management.connection-request-username': name('the user name that lets us reach your device'),
  'management.connection-request-password': name('the password that lets us reach your device'),
};

/** Words of a canonical name; undefined for those of profiles of the operator's own, and for paths without one. */
export function wordsOf(canonical: string | null): NameWords | undefined {
  return canonical !== null && Object.hasOwn(NAME_WORDS, canonical) ? NAME_WORDS[canonical] : undefined;
}

/** A parameter as staff call it: `the name of the 2.4 GHz Wi-Fi network (wifi.2g.ssid)`, or its path. */
export function staffName(path: string, canonical: string | null): string {
  const words = wordsOf(canonical);
  if (words === undefined) return canonical === null ? path : `${canonical} (${path})`;
  return `${words.yours.replace(/\byour\b/g, 'the').replace(/\bus\b/g, 'the ACS')} (${canonical})`;
}

/** Characters of a value in a sentence; nobody reads more aloud. */
const SAID_CHARS = 64;

/** A value as part of a sentence: in quotes, cut, without what cannot be read; words for nothing and for secrets. */
export function sayValue(value: string | null): string {
  if (value === null) return 'a value that is not known';
  if (value === REDACTED) return 'a secret value';
  if (value === '') return 'empty';
  const clean = value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  const chars = [...clean];
  return `“${chars.length > SAID_CHARS ? `${chars.slice(0, SAID_CHARS).join('')}…` : clean}”`;
}

const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
] as const;

/** `on 27 November 2026 at 19:22 UTC`. @param at ISO time, or milliseconds. */
export function sayTime(at: string | number): string {
  const date = new Date(at);
  const clock = date.toISOString().slice(11, 16);
  return `on ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} at ${clock} UTC`;
}

/** `1 s`, `12 s`, `3 min`: how long something took. */
export function sayDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 1) return 'less than a second';
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** `a`, `a and b`, `a, b and c`; of many the first `max` and how many more. */
export function sayList(items: readonly string[], max = 5): string {
  const shown = items.length > max ? [...items.slice(0, max), `${items.length - max} more`] : items;
  if (shown.length < 2) return shown[0] ?? '';
  return `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

/** `Ada (admin)`, `the policy connection-request-credentials`; names of people stay as they are written. */
export function sayOwner({ kind, name: who, role }: ActionView['owner'], the: 'the' | 'The' = 'the'): string {
  return kind === 'person' ? `${who} (${role})` : `${the} ${kind} ${who}`;
}

/** `Reason given: “asked by phone”; reference T-1.`, or '' when neither is known. */
export function sayReason({ reason, reference }: ActionView['owner']): string {
  const parts = [
    ...(reason === null || reason === '' ? [] : [`reason given: “${reason.replace(/\.$/, '')}”`]),
    ...(reference === null || reference === '' ? [] : [`reference ${reference}`]),
  ];
  return parts.length === 0 ? '' : `${upperFirst(parts.join('; '))}.`;
}

export type Approval = Pick<ActionDetail['approvals'][number], 'decision' | 'by' | 'at'> & { why?: string };

/** Who approved, in a sentence without its subject: `was approved automatically`; '' when nobody has decided. */
export function sayApprovals(approvals: readonly Approval[]): string {
  return sayList(
    approvals.map(({ decision, by, at, why }) => {
      if (decision === 'auto') return 'was approved automatically';
      // Of an approval it is the rule that asked for it, of a rejection what the person said.
      const because =
        why === undefined || why === ''
          ? ''
          : decision === 'rejected'
            ? ` (“${why}”)`
            : ` (${lowerFirst(why.replace(/\.$/, ''))})`;
      return `was ${decision} by ${by} ${sayTime(at)}${because}`;
    }),
  );
}

/** `fault 9007 (Invalid parameter value): the CPE does not accept this value, at least in its present state`. */
export function sayFault(code: number): string {
  const { text, advice } = faultRow(code);
  return `fault ${code} (${text}): ${lowerFirst(advice.replace(/\.$/, ''))}`;
}

export const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
export const lowerFirst = (text: string): string =>
  /^[A-Z](?![A-Z])/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;

/** Sentences, in their order, as one paragraph; empty ones are left out. */
export const paragraph = (...sentences: readonly string[]): string => sentences.filter((text) => text !== '').join(' ');
