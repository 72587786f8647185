// The pool thread for big documents: the same handler that a session thread has, on a lane of its own, without sockets. It gives way to
// session threads: its CPEs have waited for a megabyte already.

import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { openLog } from '../base/log.ts';
import type { BigResult, BigTask } from './big-posts.ts';
import { NOTHING_TO_READ, SessionMetrics } from './edge-metrics.ts';
import type { HttpReply } from './http.ts';
import { openSessionParts } from './session-parts.ts';
import { SessionTable } from './session-table.ts';
import type { ThreadData } from './thread-protocol.ts';

const data = workerData as ThreadData;
const log = openLog(data.config.logLevel).child({ thread: data.lane });
const metrics = new SessionMetrics(NOTHING_TO_READ);
/** Stands for the answer that only the session thread can give. */
const UNPROVEN: HttpReply = { status: 'unproven', body: '' };
const { store, cwmp, claims } = openSessionParts(data, new SessionTable(data.sessionMemory), {
  metrics,
  log,
  big: null,
  // Nobody is turned away here: the session thread did, or the session has begun.
  admission: { isOpen: true, judge: () => null },
  waits: { writing: () => 0, written: () => {} },
  provesIdentity: data.config.cpeAuth !== 'none',
  unproven: () => (data.config.cpeAuth === 'none' ? null : UNPROVEN),
  // The session thread does, for it has the port.
  nudge: () => {},
});

giveWay();

/** Resolves in the turn of the loop after that of the document before. */
let turn: Promise<unknown> = Promise.resolve();

export default async function run(task: BigTask): Promise<BigResult> {
  switch (task.type) {
    case 'post': {
      // A turn for each: all of one turn are stored in one transaction, answered together, and answered by the next documents together.
      const before = turn;
      turn = before.then(() => new Promise(setImmediate));
      await before;
      const { bytes, identity, cookie, contentType, address, addressBytes } = task;
      const exchange = {
        cookie,
        contentType,
        contentEncoding: '',
        address,
        addressBytes,
        aborted: false,
        bodyIsOwned: true,
      };
      const reply = await cwmp.post(exchange, identity, bytes);
      return reply === UNPROVEN ? { type: 'unproven' } : { type: 'reply', reply };
    }
    case 'metrics':
      return { type: 'metrics', metrics: await metrics.read() };
    case 'close':
      await store
        .flushed()
        .catch((error: unknown) => log.error({ err: error }, 'the store could not be flushed at the end'));
      await store.close();
      claims?.close();
      return { type: 'closed' };
  }
}

/** Lowers the priority of this thread alone, where the system tells its number. */
function giveWay(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch (error) {
    log.info({ err: error }, 'big documents are read at the same priority as all else');
  }
}
