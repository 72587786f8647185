// What must hold whatever breaks when: nothing that is not idempotent is sent twice without a look in between, no answer of a CPE makes
// anything throw, and every action comes to an end.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ActionKind, OUTCOMES } from '../bus/messages.ts';
import type { Args } from '../cwmp/message.ts';
import { cpeMethod } from '../cwmp/rpc-table.ts';
import { FakeCpe } from './tasks/fake-cpe.test-helper.ts';
import { type Fate, informEvent, Operation, testProfile, testWork } from './tasks/operation.test-helper.ts';
import type { Answer, CpeEvent } from './tasks/task.ts';

const seed = 7_2025;
const TABLE = 'Device.T.';
const PING = 'Device.IP.Diagnostics.IPPing.';

const WORKS: [ActionKind, Args][] = [
  ['get', { names: ['Device.A', 'Device.No', TABLE] }],
  [
    'set',
    {
      values: [
        { name: 'Device.A', value: 'new' },
        { name: 'Device.B', value: 'bad' },
      ],
    },
  ],
  ['refresh', { path: '' }],
  ['add', { objectName: TABLE, values: [{ name: 'Name', value: 'n' }] }],
  ['delete', { objectName: `${TABLE}1.` }],
  ['reboot', {}],
  ['factory-reset', {}],
  ['download', { fileId: 'f', fileType: '1 Firmware Upgrade Image' }],
  ['upload', { fileType: '1 Vendor Configuration File' }],
  ['diagnose', { test: 'IPPing', parameters: { Host: 'h' } }],
  ['schedule-inform', { delaySeconds: 5 }],
  ['rpc', { method: 'ChangeDUState', arguments: {} }],
];

const box = () =>
  new FakeCpe(
    {
      'Device.A': '1',
      'Device.B': '2',
      'Device.T.1.Name': 'x',
      [`${PING}DiagnosticsState`]: 'None',
      [`${PING}Host`]: '',
    },
    [TABLE],
  );
const fates = fc.array(fc.constantFrom<Fate>('answered', 'request-lost', 'answer-lost'), { maxLength: 12 });
const events = fc.array(
  fc.constantFrom<CpeEvent>(
    informEvent('1 BOOT'),
    informEvent('0 BOOTSTRAP'),
    informEvent('M Reboot', 'key'),
    informEvent('8 DIAGNOSTICS COMPLETE'),
    { type: 'request', method: 'TransferComplete', args: { CommandKey: 'key' } },
    { type: 'request', method: 'TransferComplete', args: {} },
    { type: 'upload', fileId: 'u', bytes: 1, sha256: 's' },
  ),
  { maxLength: 3 },
);

test('broken sessions at random: no request that is not idempotent is sent twice without reading in between', () => {
  fc.assert(
    fc.property(fc.constantFrom(...WORKS), fates, fc.array(events, { maxLength: 6 }), ([kind, args], list, told) => {
      const run = new Operation(box(), testWork(kind, args, { commandKey: 'key' }));
      // What we sent counts, also when it never arrived: we cannot know.
      const sent: string[] = [];
      run.fate = (request, method) => {
        sent.push(method);
        return list[request] ?? 'answered';
      };
      for (let i = 0; i < 30 && run.records.length > 0; i++) run.session(...(told[i] ?? [])).wait(60_000);
      run.wait(4_000_000).session(informEvent('2 PERIODIC')).session(informEvent('2 PERIODIC'));

      for (let i = 1, outstanding = sent[0]; i < sent.length; i++) {
        const method = sent[i]!;
        if (cpeMethod(method)?.idempotent !== true) {
          expect(method, `${kind} repeated ${method} after ${sent[i - 1]}`).not.toBe(outstanding);
          outstanding = method;
        } else if (cpeMethod(method)?.effect === 'reads') outstanding = undefined;
      }
      const onlyOnce = ['Reboot', 'FactoryReset', 'Download', 'Upload', 'ChangeDUState', 'ScheduleInform'];
      for (const method of onlyOnce) expect(sent.filter((one) => one === method).length).toBeLessThan(2);
      expect(run.ended).toHaveLength(1);
      expect(run.factsOf('result')).toHaveLength(1);
      if (kind === 'add') expect(run.cpe.count('AddObject')).toBeLessThan(2);
    }),
    { seed, numRuns: 600, verbose: 1 },
  );
});

const anything = fc.oneof(
  fc.constantFrom(undefined, null, '', 'x', 0, 1, -1, Number.NaN, true, [], {}),
  fc.array(
    fc.oneof(
      fc.constantFrom<unknown>(null, 7, 'text', {}, { Name: 5 }),
      fc.record({
        Name: fc.constantFrom(
          '',
          '.',
          'Device.',
          'Device.A',
          'Device.A.',
          TABLE,
          `${TABLE}1.`,
          `${TABLE}2.X`,
          '[a.',
          'Device.[b.c].D',
        ),
        Value: fc.constantFrom('', 'v', undefined, 3),
        Type: fc.constantFrom('', 'xsd:int', undefined),
        Writable: fc.constantFrom(true, false, undefined, 'yes'),
      }),
    ),
    { maxLength: 6 },
  ),
);
const answers: fc.Arbitrary<Answer> = fc.oneof(
  fc
    .record({ ParameterList: anything, Status: anything, InstanceNumber: anything, StartTime: anything })
    .map((result) => ({ type: 'response' as const, method: 'Any', result })),
  fc.integer({ min: 8990, max: 9030 }).map((FaultCode) => ({
    type: 'fault' as const,
    fault: { FaultCode, FaultString: '', SetParameterValuesFault: [] },
  })),
);

test('whatever a CPE answers: nothing throws, and every action ends with an outcome', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...WORKS),
      fc.array(answers, { minLength: 1, maxLength: 30 }),
      fc.boolean(),
      ([kind, args], list, walkNextLevel) => {
        const run = new Operation(box(), testWork(kind, args, { commandKey: 'key' }));
        run.profile = testProfile({ walkNextLevel });
        let next = 0;
        run.cpe.answer = () =>
          list[next++] ?? { type: 'fault', fault: { FaultCode: 9002, FaultString: '', SetParameterValuesFault: [] } };
        run.sessions(20, informEvent('2 PERIODIC')).wait(4_000_000).session(informEvent('2 PERIODIC'));
        expect(run.ended).toHaveLength(1);
        expect(OUTCOMES).toContain(run.result.outcome);
        expect(run.result.why).toMatch(/\.$/);
      },
    ),
    { seed, numRuns: 600, verbose: 1 },
  );
});

test('all kinds together, in any order, over sessions that break: each ends exactly once', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(WORKS, { minLength: 2 }), fates, (works, list) => {
      const run = new Operation(box(), ...works.map(([kind, args]) => testWork(kind, args)));
      run.fate = (request) => list[request] ?? 'answered';
      for (let i = 0; i < 60 && run.records.length > 0; i++) {
        run.session(informEvent('1 BOOT'), informEvent('0 BOOTSTRAP'), informEvent('8 DIAGNOSTICS COMPLETE'));
        run.wait(400_000);
      }
      expect(run.records).toEqual([]);
      expect(new Set(run.ended.map(({ work }) => work.actionId)).size).toBe(works.length);
      expect(run.ended).toHaveLength(works.length);
    }),
    { seed, numRuns: 200, verbose: 1 },
  );
});
