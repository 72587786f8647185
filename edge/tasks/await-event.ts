// Requests whose proof is an event of a later session: Reboot, FactoryReset, ScheduleInform. Each kind is a row of what to send and
// which event proves it; this file is their common life.
//
//   ready ─▶ waiting ─event, fault or time─▶ ended
//
// ready    Entered by start; the request has never been sent.
// waiting  Entered by sending. `answered` turns true with the response. A broken session changes nothing: the request may have arrived, so
//          it is never sent again (DESIGN §4); the event tells, or the time runs out.

import type { Work } from '../../bus/messages.ts';
import type { EventStruct } from '../../cwmp/message.ts';
import type { AcsRequest } from '../../cwmp/session.ts';
import { faultResult } from './fault-outcome.ts';
import { emptyResult, type Task, type TaskResult, unknownResult } from './task.ts';

export type AwaitState =
  | { phase: 'ready' }
  | { phase: 'waiting'; untilMs: number; answered: boolean }
  | { phase: 'ended'; result: TaskResult };

export interface Awaited {
  /** Throws Refused when the arguments cannot be executed. */
  request(work: Work): AcsRequest;
  /** Time for the event from sending on, milliseconds. */
  waitMs(work: Work): number;
  /** The event with our CommandKey: proof by itself. */
  own: string | null;
  /** The event that also comes from CPEs that lose the key (CWMP E-7), and for other reasons. */
  plain: string;
  words: { doing: string; waiting: string; done: string; late: string };
}

export function awaitEvent(kind: Awaited): Task<AwaitState> {
  return {
    start(work) {
      kind.request(work);
      return { phase: 'ready' };
    },

    next(work, state, { nowMs }) {
      switch (state.phase) {
        case 'ready': {
          const waiting = { phase: 'waiting', untilMs: nowMs + kind.waitMs(work), answered: false } as const;
          return { type: 'send', state: waiting, request: kind.request(work) };
        }
        case 'waiting':
          if (nowMs < state.untilMs) return { type: 'wait', state, untilMs: state.untilMs, why: kind.words.waiting };
          return { type: 'end', result: late(kind, state.answered) };
        case 'ended':
          return { type: 'end', result: state.result };
      }
    },

    answer(_work, state, answer) {
      if (state.phase !== 'waiting') return { state, facts: [] };
      if (answer.type === 'response') return { state: { ...state, answered: true }, facts: [] };
      return { state: { phase: 'ended', result: faultResult(kind.words.doing, answer.fault) }, facts: [] };
    },

    event(work, state, told) {
      if (state.phase !== 'waiting' || told.type !== 'event') return state;
      const proof = proves(kind, work, told.event);
      if (proof === null) return state;
      const data = { event: told.event.EventCode };
      if (proof === 'own' || state.answered) {
        return { phase: 'ended', result: { ...emptyResult('done', kind.words.done), data } };
      }
      // The Inform of a session that failed is sent again with its events, so a plain event may be older than our request.
      const why = `${kind.words.done} The CPE had not confirmed the request, so the reason may be another.`;
      return { phase: 'ended', result: { ...emptyResult('applied', why), data } };
    },

    interrupted: (_work, state) => state,
  };
}

function proves(kind: Awaited, work: Work, { EventCode, CommandKey }: EventStruct): 'own' | 'plain' | null {
  if (EventCode === kind.plain) return 'plain';
  if (EventCode !== kind.own) return null;
  if (CommandKey === work.commandKey) return 'own';
  return CommandKey === '' ? 'plain' : null;
}

function late(kind: Awaited, answered: boolean): TaskResult {
  if (answered) return emptyResult('failed', kind.words.late);
  const why = `${kind.words.late} The session broke before the CPE confirmed the request, which was not repeated.`;
  return unknownResult(why);
}
