// ActionService: what the API calls. Each call is one step of the life of an action; the steps themselves are the files beside this one.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import type { Reconciler } from '../reconciler.ts';
import { type ActionDetail, type ActionService, isEnded } from '../services.ts';
import { createAction } from './create.ts';
import { cancelAction } from './end-here.ts';
import { listActions, readAction } from './views.ts';

/** ActionService over the context; `handOver` is told when there is something new for an edge. */
export function actionService(context: ControlContext, handOver: Reconciler): ActionService {
  const { sql } = context;
  return {
    async create(deviceId, request, { principal, idempotencyKey }) {
      const { id, created } = await createAction(context, deviceId, request, {
        principal,
        idempotencyKey: idempotencyKey ?? null,
      });
      if (created) handOver.signal();
      return { created, action: await readAction(sql, id) };
    },
    list: (query) => listActions(sql, query),
    get: (id) => readAction(sql, id),
    waitForEnd: (id, timeoutMs, signal) => waitForEnd(context, id, timeoutMs, signal),
    async cancel(id, principal) {
      const { askEdge } = await cancelAction(context, id, principal);
      if (askEdge) handOver.signal();
      return await readAction(sql, id);
    },
    async approve(id) {
      const { state } = await readAction(sql, id);
      const why = `Action ${id} does not wait for approval: it is ${state}. Every risk class is approved automatically.`;
      throw new Refused(409, 'not-awaiting-approval', why);
    },
    async reject(id) {
      const { state } = await readAction(sql, id);
      const hint = isEnded(state) ? '' : ' Cancel it to take it back.';
      throw new Refused(
        409,
        'not-awaiting-approval',
        `Action ${id} does not wait for approval: it is ${state}.${hint}`,
      );
    },
    async recover(id) {
      const { state, recovery } = await readAction(sql, id);
      if (!isEnded(state)) throw new Refused(409, 'not-recoverable', `Action ${id} has not ended yet: it is ${state}.`);
      if (!recovery.possible)
        throw new Refused(409, 'not-recoverable', `Action ${id} cannot be taken back: ${recovery.text}`);
      const message = `Running a recovery is not offered yet. Make an action with the values before, which are in the evidence of ${id}.`;
      throw new Refused(409, 'not-recoverable', message);
    },
  };
}

/** Resolves when the action has ended, time is over or the caller has gone, with the action as it is then. */
async function waitForEnd(
  { sql, live }: ControlContext,
  id: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<ActionDetail> {
  const bounded = Math.min(Math.max(0, timeoutMs), LIMITS.waitSecondsMax * 1000);
  let resolveOver = (): void => {};
  let rejectOver = (_error: unknown): void => {};
  const over = new Promise<void>((resolve, reject) => {
    resolveOver = resolve;
    rejectOver = reject;
  });
  // Listening begins before the first look, so that an end between the two is not missed.
  const stop = live.subscribe({ actionId: id, kind: 'action.' }, () => {
    void ended().then((yes) => yes && resolveOver(), rejectOver);
  });
  const ended = async (): Promise<boolean> => {
    const [row] = await sql<{ ended: boolean }[]>`select ended_at is not null as ended from action where id = ${id}`;
    return row?.ended ?? true;
  };
  const timer = setTimeout(resolveOver, bounded);
  signal?.addEventListener('abort', resolveOver);
  try {
    if (!signal?.aborted && bounded > 0 && !(await ended())) await over;
  } finally {
    stop();
    clearTimeout(timer);
    signal?.removeEventListener('abort', resolveOver);
  }
  return await readAction(sql, id);
}
