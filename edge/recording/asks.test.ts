// recording: what was asked is told again, in its order; claims drawn anew are those of the records.

import { expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { read } from '../../cwmp/read.ts';
import { GENERIC } from '../../profiles/choose.ts';
import { loadProfiles } from '../../profiles/load.ts';
import { NOTHING_TO_READ, SessionMetrics } from '../edge-metrics.ts';
import { recordOf, workOf } from '../store/store.test-helper.ts';
import { Answers, answering, Heard } from './asks.ts';
import type { Input } from './format.ts';

const profile = loadProfiles().get(GENERIC)!;

function replaying(inputs: Input[]) {
  const answers = new Answers(inputs);
  const metrics = new SessionMetrics(NOTHING_TO_READ);
  const options = answering(answers, new Heard(), { read, metrics, log: silentLog, profile: () => profile });
  return { answers, ...options };
}

test('answers come in the order they were given, the last one over and over; what was not recorded is told', () => {
  const heard = new Heard();
  for (const now of [1, 1, 2]) heard.note('now', now);
  heard.note('has work', true);
  expect(heard.inputs).toEqual([['now', 1], ['now'], ['now', 2], ['has work', true]]);
  const { answers, clock, store } = replaying(heard.inputs);
  expect([clock.now(), clock.now(), clock.now(), clock.now()]).toEqual([1, 1, 2, 2]);
  expect(store.hasWork('a')).toBe(true);
  expect(store.knownParameter('a', 'Device.X')).toBeNull();
  expect([...answers.missing]).toEqual(['known Device.X']);
  expect(() => store.findByUsername('admin')).toThrow('which recordings do not hold');
});

test('records claimed then are claimed by the token that is drawn now', async () => {
  const claim = { token: 'then', isHeld: true, fence: 1 };
  const { claims, store } = replaying([
    ['claiming', true],
    ['claims', { taken: 'all', token: 'then' }],
    ['work', [recordOf(workOf('a1'), { claim }), recordOf(workOf('a2'), { claim: { ...claim, token: 'another' } })]],
    ['may leave', false],
  ]);
  expect(await claims!.take('a', 'now')).toBe('all');
  expect(store.workOf('a').map((record) => record.claim?.token)).toEqual(['now', 'another']);
  expect(await claims!.keep('a', 'now', 'a1')).toBe(Number.NEGATIVE_INFINITY);
});
