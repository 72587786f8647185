// factory-reset: resets the CPE, and waits for the `0 BOOTSTRAP` that follows (A.4.1.6). FactoryReset carries no CommandKey, so there is
// no event with our own mark.

import { LIMITS } from '../../base/limits.ts';
import { request } from './answers.ts';
import { awaitEvent } from './await-event.ts';

export const factoryReset = awaitEvent({
  request: () => request('FactoryReset', {}),
  waitMs: () => LIMITS.restartWaitMs,
  own: null,
  plain: '0 BOOTSTRAP',
  words: {
    doing: 'the factory reset',
    waiting: 'Waiting for the CPE to come back after its factory reset.',
    done: 'The CPE was reset and is back.',
    late: `The CPE did not come back within ${LIMITS.restartWaitMs / 60_000} minutes; its factory settings may name another ACS.`,
  },
});
