// The suite of actions.test.ts once more, with edge and control apart: over a leaf and a hub.

import { describe } from 'vitest';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { startOverNats } from '../nats-starling.test-helper.ts';
import { stagesStartWith } from './actions.test-helper.ts';

describe.skipIf(NATS_SERVER === null)('over a leaf and a hub', async () => {
  stagesStartWith(startOverNats);
  await import('./actions.test.ts');
});
