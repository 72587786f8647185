import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { informEvent, Operation, testWork } from './operation.test-helper.ts';

const box = () => new FakeCpe({ 'Device.DeviceInfo.ModelName': 'Box' });
const started = (kind: 'reboot' | 'factory-reset' | 'schedule-inform', args = {}) => {
  const run = new Operation(box(), testWork(kind, args, { commandKey: 'ours' }));
  return run.session();
};

test.each([
  ['reboot', {}, 'Reboot', { CommandKey: 'ours' }],
  ['factory-reset', {}, 'FactoryReset', {}],
  ['schedule-inform', { delaySeconds: 30 }, 'ScheduleInform', { DelaySeconds: 30, CommandKey: 'ours' }],
] as const)('%s is sent once and awaited, and control is told what for', (kind, args, method, sent) => {
  const run = started(kind, args);
  expect(run.cpe.received).toEqual([{ method, args: sent }]);
  expect(run.ended).toEqual([]);
  expect(run.factsOf('progress').map(({ state }) => state)).toEqual(['running', 'waiting']);
  // Sessions about something else change nothing.
  run.session(informEvent('2 PERIODIC')).session(informEvent('4 VALUE CHANGE'));
  expect(run.cpe.received).toHaveLength(1);
  expect(run.ended).toEqual([]);
});

test.each([
  ['M Reboot with our key', 'reboot', {}, [informEvent('M Reboot', 'ours')], 'done'],
  [
    'M Reboot and 1 BOOT in either order',
    'reboot',
    {},
    [informEvent('1 BOOT'), informEvent('M Reboot', 'ours')],
    'done',
  ],
  ['plain 1 BOOT (CWMP E-7)', 'reboot', {}, [informEvent('1 BOOT')], 'done'],
  ['M Reboot without a key', 'reboot', {}, [informEvent('M Reboot')], 'done'],
  ['1 Boot in odd spelling (CWMP E-4)', 'reboot', {}, [informEvent('1 Boot')], 'done'],
  ['0 BOOTSTRAP', 'factory-reset', {}, [informEvent('0 BOOTSTRAP'), informEvent('1 BOOT')], 'done'],
  ['M ScheduleInform', 'schedule-inform', { delaySeconds: 5 }, [informEvent('M ScheduleInform', 'ours')], 'done'],
  ['3 SCHEDULED', 'schedule-inform', { delaySeconds: 5 }, [informEvent('3 SCHEDULED')], 'done'],
] as const)('%s ends %s', (_what, kind, args, events, outcome) => {
  const run = started(kind, args).session(...events);
  expect(run.result.outcome).toBe(outcome);
  expect(run.cpe.received).toHaveLength(1);
});

test.each([
  ['the key of another reboot', 'reboot', informEvent('M Reboot', 'theirs')],
  ['a restart', 'factory-reset', informEvent('1 BOOT')],
] as const)('%s proves nothing for a %s', (_what, kind, event) => {
  expect(started(kind).session(event).ended).toEqual([]);
});

test.each([
  [9000, 'unsupported'],
  [9001, 'refused'],
  [9002, 'failed'],
])('a Reboot answered with fault %i is %s', (code, outcome) => {
  const run = new Operation(box(), testWork('reboot', {}));
  run.cpe.misbehaviour = { faults: { Reboot: code } };
  expect(run.session().result).toMatchObject({ outcome, fault: { FaultCode: code } });
});

test('a CPE that does not come back has failed, session or not', () => {
  const silent = started('reboot').wait(LIMITS.restartWaitMs);
  expect(silent.result).toMatchObject({ outcome: 'failed', why: expect.stringContaining('did not come back') });
  const back = started('reboot');
  back.nowMs += LIMITS.restartWaitMs;
  expect(back.session(informEvent('2 PERIODIC')).result.outcome).toBe('failed');
  // Late, but it says that it restarted: the event is heard before the clock is read.
  const late = started('reboot');
  late.nowMs += LIMITS.restartWaitMs;
  expect(late.session(informEvent('M Reboot', 'ours')).result.outcome).toBe('done');
});

test.each(['request-lost', 'answer-lost'] as const)('reboot: %s is awaited and never sent again', (fate) => {
  const interrupted = () => {
    const run = new Operation(box(), testWork('reboot', {}, { commandKey: 'ours' }));
    run.fate = () => fate;
    return run.session().session(informEvent('2 PERIODIC'));
  };
  const arrived = fate === 'answer-lost' ? 1 : 0;
  const keyed = interrupted().session(informEvent('M Reboot', 'ours'));
  expect(keyed.result.outcome).toBe('done');
  expect(keyed.cpe.received).toHaveLength(arrived);
  // The usual Inform after a Reboot carries both, the plain event first.
  expect(interrupted().session(informEvent('1 BOOT'), informEvent('M Reboot', 'ours')).result.outcome).toBe('done');
  // A plain boot may be the one whose session failed: accepted, but no proof.
  expect(interrupted().session(informEvent('1 BOOT')).result.outcome).toBe('applied');
  const silent = interrupted().wait(LIMITS.restartWaitMs);
  expect(silent.result).toMatchObject({ outcome: 'failed', why: expect.stringContaining('not repeated') });
});

test('schedule-inform: waits for its delay and some grace, 0 is refused (A.4.1.2)', () => {
  const run = started('schedule-inform', { delaySeconds: 3_600 });
  run.wait(3_600_000 + LIMITS.scheduledInformGraceMs - 1_000);
  expect(run.ended).toEqual([]);
  run.wait(1_000);
  expect(run.result.outcome).toBe('failed');
  expect(started('schedule-inform', { delaySeconds: 0 }).result.outcome).toBe('refused');
});
