// schedule-inform: asks for an Inform after a delay, and waits for it: `M ScheduleInform` with our CommandKey, or plain `3 SCHEDULED`.

import { LIMITS } from '../../base/limits.ts';
import type { Work } from '../../bus/messages.ts';
import { request } from './answers.ts';
import { awaitEvent } from './await-event.ts';
import { badArgs, countArg } from './work-args.ts';

export const scheduleInform = awaitEvent({
  request: (work) => request('ScheduleInform', { DelaySeconds: delayOf(work), CommandKey: work.commandKey }),
  waitMs: (work) => delayOf(work) * 1_000 + LIMITS.scheduledInformGraceMs,
  own: 'M ScheduleInform',
  plain: '3 SCHEDULED',
  words: {
    doing: 'scheduling an Inform',
    waiting: 'Waiting for the scheduled Inform.',
    done: 'The scheduled Inform has come.',
    late: 'The scheduled Inform has not come in time.',
  },
});

function delayOf(work: Work): number {
  const delaySeconds = countArg(work, 'delaySeconds');
  // 0 is fault 9003 (A.4.1.2).
  if (delaySeconds === 0) throw badArgs(work, 'delaySeconds is missing or 0');
  return delaySeconds;
}
