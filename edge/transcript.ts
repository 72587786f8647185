// The transcript of an action: every RPC as it happened, written down before it is sent, so that what was outstanding when a session or
// the process broke is on record. Secrets are redacted here, and long lists cut: the values themselves travel as facts.

import { LIMITS } from '../base/limits.ts';
import type { RpcRecord, Work } from '../bus/messages.ts';
import type { Args } from '../cwmp/message.ts';
import { cpeMethod } from '../cwmp/rpc-table.ts';
import type { AcsRequest } from '../cwmp/session.ts';
import type { WorkRecord } from './store/store.ts';
import { redactArgs } from './tasks/redacting.ts';
import type { Answer, TaskContext } from './tasks/task.ts';

/** RPCs sent for a record so far, those no longer kept included. */
export function rpcCount(record: WorkRecord): number {
  return record.rpcs.length + (record.rpcsDropped ?? 0);
}

/** The line of a request that is about to be sent: `answer: 'none'` until one comes. */
export function startedRpc(
  work: Work,
  { method, args }: AcsRequest,
  sessionId: string,
  context: TaskContext,
): RpcRecord {
  const shown = redactArgs(cut(work, args), secretNames(work), context.profile);
  // A signed URL is the key to its file. The transcript names the file instead.
  if (work.kind === 'download' && typeof work.args['fileId'] === 'string') shown['URL'] = `file ${work.args['fileId']}`;
  if (work.kind === 'upload') shown['URL'] = `upload of action ${work.actionId}`;
  return { at: context.nowMs, method, args: shown, answer: 'none', durationMs: 0, sessionId };
}

/** Adds a line. When the transcript is full its oldest read goes and is counted; what changed the CPE stays as long as it can. */
export function appendRpc(record: WorkRecord, rpc: RpcRecord): WorkRecord {
  if (record.rpcs.length < LIMITS.transcriptRpcsMax) return { ...record, rpcs: [...record.rpcs, rpc] };
  const oldest = record.rpcs.findIndex(({ method }) => cpeMethod(method)?.effect === 'reads');
  const rpcs = [...record.rpcs.toSpliced(Math.max(oldest, 0), 1), rpc];
  return { ...record, rpcs, rpcsDropped: (record.rpcsDropped ?? 0) + 1 };
}

/**
 * Fills in the last line.
 * @param answer null when the session broke before one came.
 */
export function finishRpc(record: WorkRecord, answer: Answer | null, context: TaskContext): WorkRecord {
  const rpcs = [...record.rpcs];
  const last = rpcs.pop();
  if (last === undefined) return record;
  rpcs.push({ ...last, durationMs: Math.max(0, context.nowMs - last.at), ...told(record.work, answer, context) });
  return { ...record, rpcs };
}

function told(work: Work, answer: Answer | null, context: TaskContext): Partial<RpcRecord> {
  if (answer === null) return { answer: 'none' };
  if (answer.type === 'fault') return { answer: 'fault', fault: answer.fault };
  // What is not kept need not be redacted: a list may have thousands of entries.
  return { answer: 'response', result: redactArgs(cut(work, answer.result), secretNames(work), context.profile) };
}

function secretNames(work: Work): ReadonlySet<string> {
  const values = work.args['values'];
  if (!Array.isArray(values)) return new Set();
  return new Set(values.filter((value) => value?.secret === true).map((value) => String(value.name)));
}

/** Long lists lose their end and say so; a refresh, which reads everything, keeps only how much it was. */
function cut(work: Work, args: Args): Args {
  const entriesMax = work.kind === 'refresh' ? 0 : LIMITS.transcriptEntriesMax;
  let omitted = 0;
  const shown: Args = {};
  for (const [key, value] of Object.entries(args)) {
    const list = Array.isArray(value);
    shown[key] = list ? value.slice(0, entriesMax) : value;
    if (list) omitted += Math.max(0, value.length - entriesMax);
  }
  return omitted === 0 ? shown : { ...shown, entriesNotKept: omitted };
}
