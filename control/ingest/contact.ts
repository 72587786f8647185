// The facts `seen`, `session`, `wake`, `request`, `upload`, `recording` and `hello`: contact with devices and edges that changes no parameter.

import type { FactBody } from '../../bus/messages.ts';
import { redactRecord } from '../redaction.ts';
import type { Effects, Origin } from './effects.ts';

/** `seen`: quiet devices were heard of, and where. */
export function foldSeen(effects: Effects, { edgeId, pop }: Origin, body: FactBody<'seen'>): void {
  for (const { cpeId, at } of body.devices) {
    effects.device(cpeId, at);
    effects.seen.set(cpeId, { edgeId, pop, at });
  }
}

/** `session`: one that did something, or failed, on the timeline. */
export function foldSession(effects: Effects, origin: Origin, body: FactBody<'session'>): void {
  const { cpeId, sessionId, why, ok, startedAt, endedAt, rpcs } = body;
  effects.device(cpeId, origin.at);
  const summary = ok ? `Session ended: ${why}` : `Session failed: ${why}`;
  effects.event(origin, cpeId, ok ? 'session' : 'session.failed', summary, {
    sessionId,
    rpcs,
    durationMs: endedAt - startedAt,
  });
}

/** `wake`: how a connection request went; an unauthorized one asks for new credentials. */
export function foldWake(effects: Effects, origin: Origin, body: FactBody<'wake'>): void {
  const { cpeId, outcome, method, why, durationMs } = body;
  if (outcome === 'unauthorized') effects.unauthorized.add(cpeId);
  effects.event(origin, cpeId, 'wake', `Connection request ${outcome}: ${why}`, { outcome, method, durationMs });
}

const TRANSFERS = new Set(['TransferComplete', 'AutonomousTransferComplete']);

/** `request`: what a CPE sent besides Inform, redacted; an ended transfer says whether it failed. */
export function foldRequest(effects: Effects, origin: Origin, body: FactBody<'request'>): void {
  const { cpeId, sessionId, method } = body;
  effects.device(cpeId, origin.at);
  const args = redactRecord(body.args, effects.isSecretOf(cpeId));
  const fault = args['FaultStruct'] as { FaultCode?: unknown; FaultString?: unknown } | undefined;
  const failed = TRANSFERS.has(method) && fault !== undefined && Number(fault.FaultCode) !== 0;
  const summary = failed ? `${method}: failed with ${fault.FaultCode} ${fault.FaultString}` : `The CPE sent ${method}`;
  effects.event(origin, cpeId, TRANSFERS.has(method) ? 'transfer' : 'request', summary, { method, args, sessionId });
}

/** `upload`: a file of the CPE is on its edge. */
export function foldUpload(effects: Effects, origin: Origin, body: FactBody<'upload'>): void {
  const { cpeId, actionId, fileId, bytes, sha256 } = body;
  effects.device(cpeId, origin.at);
  effects.uploads.push({ ...origin, body });
  effects.event(
    origin,
    cpeId,
    'upload',
    `The CPE uploaded a file of ${bytes} bytes`,
    { fileId, bytes, sha256 },
    actionId,
  );
}

/** `recording`: what was recorded of a device's sessions is on its edge. */
export function foldRecording(effects: Effects, origin: Origin, body: FactBody<'recording'>): void {
  const { cpeId, recordingId, sessions, exchanges, bytes, cut, why } = body;
  effects.device(cpeId, origin.at);
  effects.recordings.push({ ...origin, body });
  const what = sessions === 1 ? '1 session' : `${sessions} sessions`;
  effects.event(origin, cpeId, 'recording', `Recorded ${what} on edge ${origin.edgeId}; over: ${why}`, {
    ...{ recordingId, sessions, exchanges, bytes, cut },
  });
}

/** `hello`: an edge came up, and is to be told again what it must know. */
export function foldHello(effects: Effects, origin: Origin, body: FactBody<'hello'>): void {
  effects.hellos.push({ edgeId: origin.edgeId, body });
  effects.events.push({
    deviceId: null,
    actionId: null,
    at: origin.at,
    kind: 'edge.hello',
    summary: `Edge ${origin.edgeId} came up with ${body.threads} session threads`,
    body: { edgeId: origin.edgeId, pop: origin.pop, ...body },
  });
}
