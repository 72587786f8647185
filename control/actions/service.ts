// ActionService: what the API calls. Each call is one step of the life of an action; the steps themselves are the files beside this one.

import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import type { Reconciler } from '../reconciler.ts';
import type { ActionDetail, ActionService } from '../services.ts';
import { approveAction, rejectAction, submitAction } from './approve.ts';
import { createAction } from './create.ts';
import { cancelAction } from './end-here.ts';
import { readFresh } from './fresh-values.ts';
import { closeAction, listQueue } from './queue.ts';
import { recoverAction } from './recover.ts';
import { listActions, readAction } from './views.ts';

/** ActionService over the context; `handOver` is told when there is something new for an edge. */
export function actionService(context: ControlContext, handOver: Reconciler): ActionService {
  const { sql } = context;
  const wait = (id: string, timeoutMs: number, signal?: AbortSignal): Promise<ActionDetail> =>
    waitForEnd(context, id, timeoutMs, signal);
  return {
    async create(deviceId, request, { principal, idempotencyKey }) {
      if (request.preview === true) {
        const readingId = await readFresh(context, deviceId, request);
        if (readingId !== null) {
          handOver.signal();
          await wait(readingId, LIMITS.planRefreshMs);
        }
      }
      const { id, created } = await createAction(context, deviceId, request, {
        principal,
        idempotencyKey: idempotencyKey ?? null,
      });
      if (created) handOver.signal();
      return { created, action: await readAction(sql, id) };
    },
    list: (query) => listActions(sql, query),
    get: (id) => readAction(sql, id),
    waitForEnd: wait,
    async cancel(id, principal) {
      const { askEdge } = await cancelAction(context, id, principal);
      if (askEdge) handOver.signal();
      return await readAction(sql, id);
    },
    async submit(id, planHash, principal) {
      await submitAction(context, id, planHash, principal);
      handOver.signal();
      return await readAction(sql, id);
    },
    async approve(id, planHash, principal) {
      await approveAction(context, id, planHash, principal);
      handOver.signal();
      return await readAction(sql, id);
    },
    async reject(id, why, principal) {
      await rejectAction(context, id, why, principal);
      return await readAction(sql, id);
    },
    async recover(id, principal) {
      const recovery = await recoverAction(context, id, principal);
      handOver.signal();
      return await readAction(sql, recovery);
    },
    queue: (query) => listQueue(context, query),
    async close(id, note, principal) {
      await closeAction(context, id, note, principal);
      return await readAction(sql, id);
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
