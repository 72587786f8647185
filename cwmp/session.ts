// The session of CWMP as a pure state machine, from the ACS side (TR-069 §3.7). No clock, socket or store: `step` takes what the CPE
// POSTed and says what the HTTP response is; whoever calls it stores the session it returned.
//
//                      ┌─ CPE request ─┐
//                      ▼               │
//   awaiting-inform ─Inform─▶ cpe-turn ┴─empty POST─▶ acs-turn ─nothing queued─▶ ended
//                      ▲                              │   ▲
//                      └── Inform (takes over) ───────┤   └─ answer or Fault ─┐
//                                                     └─── request sent ──────┘
//
// awaiting-inform  Entered by a POST without a session. Only an Inform leaves it (CWMP S1); an empty POST gets 204 and starts nothing (C5).
// cpe-turn         Entered by an Inform that was answered. The CPE sends its own requests, each answered in the same exchange (S3); an
//                  empty POST hands the turn over.
// acs-turn         Entered by the empty POST. Exactly one request of ours is outstanding in `inFlight` (S4, S5); a CPE request that comes
//                  late is answered all the same and ours stays outstanding (S6).
// ended            Entered when nothing is queued, or by a violation. A trailing empty POST is answered 204 (S8), an Inform starts anew (C4).

import type { CpeId } from '../base/ids.ts';
import type { Args, CpeFault, CpeMessage, Inform } from './message.ts';

/** A request of ours: `method` and wire-named arguments as in the RPC table. */
export interface AcsRequest {
  method: string;
  args: Args;
}

export interface InFlight extends AcsRequest {
  /** cwmp:ID of the request, unique within the process. */
  id: string;
  /** True when the RPC table calls the method idempotent: only then is it sent again when its response got lost. */
  repeatable: boolean;
}

interface Open {
  cpeId: CpeId;
  /** Namespace the CPE's Inform came in; every answer repeats it literally (CWMP V2, V4). */
  namespace: string;
}

export type Session =
  | { phase: 'awaiting-inform' }
  | ({ phase: 'cpe-turn' } & Open)
  /** `answeredId`: cwmp:ID of the request whose answer brought this one; null when an empty POST did. */
  | ({ phase: 'acs-turn'; inFlight: InFlight; answeredId: string | null; repeated: boolean } & Open)
  | ({ phase: 'ended'; why: EndReason } & Open);

export type Violation =
  | 'inform-expected'
  | 'answer-expected'
  | 'method-mismatch'
  | 'unexpected-answer'
  | 'session-ended';
export type EndReason = 'done' | 'taken-over' | Violation;

/** What goes back to the CPE. The caller renders it: envelopes by the writer, the others as bare status lines. */
export type Reply =
  | { type: 'inform-response'; id: string | null; supportedVersions: string[] | null }
  /** The answer to a request of the CPE; `known` is false for fault 8000. */
  | { type: 'answer'; id: string | null; method: string; args: Args }
  | { type: 'request'; request: InFlight }
  | { type: 'no-content' }
  /** A violation: HTTP 400 with the reason; what the session had in flight is of unknown outcome. */
  | { type: 'bad-request'; why: Violation };

/** What the step learned besides the reply: an answer to our request, by value, for the planner. */
export type Learned =
  | { type: 'inform'; inform: Inform; id: string | null }
  | { type: 'request'; method: string; args: Args }
  | { type: 'response'; request: InFlight; result: Args; idDiffers: boolean }
  | { type: 'fault'; request: InFlight; fault: CpeFault; idDiffers: boolean }
  | null;

export interface Step {
  session: Session;
  reply: Reply;
}

/** Asks the planner for the next request of ours; null when nothing is queued. Called at most once per step, with what was learned. */
export type Next = (learned: Learned) => InFlight | null;

export const NEW_SESSION: Session = { phase: 'awaiting-inform' };

/**
 * One POST of a session.
 * @param session as the last step returned it, or NEW_SESSION.
 * @param input the message read from the POST.
 * @param cpeId of the CPE; only read when `input` is an Inform.
 * @param next called when it is our turn; it gets what this POST taught.
 * @returns the session to store and the reply to send.
 */
export function step(session: Session, input: CpeMessage, cpeId: CpeId, next: Next): Step {
  // An Inform always starts a new session, whatever the cookie said (CWMP C4, S11).
  if (input.type === 'inform') {
    const { id, namespace, supportedVersions } = input.envelope;
    return {
      session: { phase: 'cpe-turn', cpeId, namespace },
      reply: { type: 'inform-response', id, supportedVersions },
    };
  }
  switch (session.phase) {
    case 'awaiting-inform':
      if (input.type === 'empty') return { session, reply: { type: 'no-content' } };
      return { session, reply: { type: 'bad-request', why: 'inform-expected' } };
    case 'cpe-turn':
      if (input.type === 'empty') return acsTurn(session, next(null), null);
      if (input.type === 'request') return answer(session, input.envelope.id, input.method, input.args);
      return violation(session, 'unexpected-answer');
    case 'acs-turn': {
      // TR-069 §3.7.2.4 forbids it, small stacks do it: a TransferComplete after the empty POST is answered, ours stays outstanding.
      if (input.type === 'request') return answer(session, input.envelope.id, input.method, input.args);
      if (isRepetition(session, input)) {
        // The connection broke before our response was read: the CPE POSTs its last message again (CWMP H12).
        const again: Session = { ...session, repeated: true };
        return { session: again, reply: { type: 'request', request: session.inFlight } };
      }
      if (input.type === 'empty') return violation(session, 'answer-expected');
      const idDiffers = input.envelope.id !== session.inFlight.id;
      if (input.type === 'fault') {
        const learned: Learned = { type: 'fault', request: session.inFlight, fault: input.fault, idDiffers };
        return acsTurn(session, next(learned), session.inFlight.id);
      }
      // The ID may be anything (FIELD 52, CWMP E8); the method may not.
      if (input.method !== session.inFlight.method) return violation(session, 'method-mismatch');
      const learned: Learned = { type: 'response', request: session.inFlight, result: input.result, idDiffers };
      return acsTurn(session, next(learned), session.inFlight.id);
    }
    case 'ended':
      if (input.type === 'empty') return { session, reply: { type: 'no-content' } };
      if (input.type === 'request') return answer(session, input.envelope.id, input.method, input.args);
      return { session, reply: { type: 'bad-request', why: 'session-ended' } };
  }
}

/** True once per request: the same POST again, and a request that may be sent twice. */
function isRepetition(session: Session & { phase: 'acs-turn' }, input: CpeMessage): boolean {
  if (session.repeated || !session.inFlight.repeatable) return false;
  if (input.type === 'empty') return session.answeredId === null;
  if (input.type !== 'response' && input.type !== 'fault') return false;
  const id = input.envelope.id;
  return id !== null && id === session.answeredId && id !== session.inFlight.id;
}

function acsTurn(session: Open, request: InFlight | null, answeredId: string | null): Step {
  const { cpeId, namespace } = session;
  if (request === null) {
    return { session: { phase: 'ended', why: 'done', cpeId, namespace }, reply: { type: 'no-content' } };
  }
  return {
    session: { phase: 'acs-turn', cpeId, namespace, inFlight: request, answeredId, repeated: false },
    reply: { type: 'request', request },
  };
}

function answer(session: Session, id: string | null, method: string, args: Args): Step {
  return { session, reply: { type: 'answer', id, method, args } };
}

function violation(session: Open, why: Violation): Step {
  const { cpeId, namespace } = session;
  return { session: { phase: 'ended', why, cpeId, namespace }, reply: { type: 'bad-request', why } };
}
