// What a session's version of CWMP does not have is not sent in it (CWMP V5). The RPC table knows the methods; the values of Notification
// that came later are known here. It does not ask what a CPE could do beyond the version it speaks: that is for its own fault 9000 to say.

import { type CwmpVersion, cpeMethod } from '../cwmp/rpc-table.ts';
import type { AcsRequest } from '../cwmp/session.ts';
import { isAtLeast } from '../cwmp/versions.ts';

/** Lightweight notifications, Annex M (CWMP N1). */
const LIGHTWEIGHT_FROM = 3;
const LIGHTWEIGHT_SINCE: CwmpVersion = '1.4';

/**
 * Why a request is beyond what a session of `version` has, as a sentence for people; null when it is not. Methods of vendors belong to
 * no version.
 */
export function whyTooNew({ method, args }: AcsRequest, version: CwmpVersion): string | null {
  const since = cpeMethod(method)?.since ?? '1.0';
  if (!isAtLeast(version, since)) return beyond(method, since, version);
  if (method !== 'SetParameterAttributes' || isAtLeast(version, LIGHTWEIGHT_SINCE)) return null;
  const list: unknown = args['ParameterList'];
  const entries: { Notification?: unknown }[] = Array.isArray(list) ? list : [];
  const late = entries.find(({ Notification }) => Number(Notification) >= LIGHTWEIGHT_FROM);
  return late === undefined ? null : beyond(`Notification ${String(late.Notification)}`, LIGHTWEIGHT_SINCE, version);
}

function beyond(what: string, since: CwmpVersion, version: CwmpVersion): string {
  return `${what} came with CWMP ${since}, and this CPE speaks ${version}; nothing was sent.`;
}
