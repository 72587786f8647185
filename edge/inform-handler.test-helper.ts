// The parts of a session thread that answer Informs, without sockets, on a store of their own.

import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemTimers } from '../base/timers.ts';
import { CONTENT_TYPE } from '../bench/reference-inform.ts';
import type { CpeMessage } from '../cwmp/message.ts';
import { read } from '../cwmp/read.ts';
import { ProfileChooser } from '../profiles/choose.ts';
import { loadProfiles } from '../profiles/load.ts';
import type { Claims } from './claims/claims.ts';
import { NOTHING_TO_READ, SessionMetrics } from './edge-metrics.ts';
import type { HttpExchange, HttpReply } from './http.ts';
import { InformHandler } from './inform-handler.ts';
import { LastContacts } from './last-contacts.ts';
import { QuietInforms } from './quiet-informs.ts';
import { SessionCookies } from './session-cookie.ts';
import { createSessionMemory, SessionTable } from './session-table.ts';
import { Sessions } from './sessions.ts';
import { openStore } from './store/store.test-helper.ts';
import type { TaskContext } from './tasks/task.ts';

export const EXCHANGE = {
  address: '192.0.2.1',
  addressBytes: Uint8Array.of(192, 0, 2, 1),
  contentType: CONTENT_TYPE,
  cookie: '',
} as HttpExchange;

export function informThread(claims: Claims | null = null) {
  const { store, stamps } = openStore();
  const clock = new ManualClock();
  const metrics = new SessionMetrics(NOTHING_TO_READ);
  const profiles = new ProfileChooser(loadProfiles());
  const cookies = new SessionCookies(Buffer.alloc(32, 7));
  const table = new SessionTable(createSessionMemory());
  const sessions = new Sessions({ store, table, cookies, metrics, clock, log: silentLog, incarnation: 1, lane: 1 });
  const lastContacts = new LastContacts({ store, clock, log: silentLog, isFar: false, nudge() {} });
  const quiet = new QuietInforms({ store, sessions, lastContacts, metrics, profiles, clock });
  const informs = new InformHandler({
    ...{ store, sessions, quiet, lastContacts, metrics, profiles, clock, timers: systemTimers, log: silentLog },
    waits: { writing: () => 0, written() {} },
    taskContext: () => ({}) as TaskContext,
    nudge() {},
    unproven: () => null,
    claims,
  });
  /** The Inform in `bytes`, read as a whole. */
  const answer = async (bytes: Buffer): Promise<HttpReply> => {
    const { inform, envelope } = informIn(bytes);
    return await informs.answer(EXCHANGE, null, inform, envelope, [], true);
  };
  return { store, stamps, quiet, metrics, cookies, informs, lastContacts, answer };
}

/** @throws Error when `bytes` are no Inform. */
export function informIn(bytes: Buffer): Extract<CpeMessage, { type: 'inform' }> {
  const { result } = read(bytes, CONTENT_TYPE);
  if (result.type === 'refused' || result.message.type !== 'inform') throw new Error('no Inform');
  return result.message;
}
