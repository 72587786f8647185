// reboot: restarts the CPE, and waits until it says that it did. Done with `M Reboot` under our CommandKey, or the plain `1 BOOT` of CPEs
// that lose the key (CWMP E-7).

import { LIMITS } from '../../base/limits.ts';
import { request } from './answers.ts';
import { awaitEvent } from './await-event.ts';

export const reboot = awaitEvent({
  request: (work) => request('Reboot', { CommandKey: work.commandKey }),
  waitMs: () => LIMITS.restartWaitMs,
  own: 'M Reboot',
  plain: '1 BOOT',
  words: {
    doing: 'the restart',
    waiting: 'Waiting for the CPE to come back after its restart.',
    done: 'The CPE has restarted.',
    late: `The CPE did not come back within ${LIMITS.restartWaitMs / 60_000} minutes.`,
  },
});
