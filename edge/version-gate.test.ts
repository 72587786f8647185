import { expect, test } from 'vitest';
import { CPE_METHODS } from '../cwmp/rpc-table.ts';
import { VERSIONS } from '../cwmp/versions.ts';
import { FakeCpe } from './tasks/fake-cpe.test-helper.ts';
import { Operation, testWork } from './tasks/operation.test-helper.ts';
import { whyTooNew } from './version-gate.ts';

test.each(Object.entries(CPE_METHODS))('%s is sent from its version on and not before', (method, { since }) => {
  const sent = VERSIONS.filter((version) => whyTooNew({ method, args: {} }, version) === null);
  expect(sent).toEqual(VERSIONS.slice(VERSIONS.indexOf(since)));
});

test.each([0, 1, 2, 3, 4, 5, 6])(
  'Notification %i is sent before CWMP 1.4 only when it is none of Annex M',
  (Notification) => {
    const args = {
      ParameterList: [
        { Name: 'Device.A', NotificationChange: true, Notification, AccessListChange: false, AccessList: [] },
      ],
    };
    const request = { method: 'SetParameterAttributes', args };
    expect(whyTooNew(request, '1.3') === null).toBe(Notification < 3);
    expect(whyTooNew(request, '1.4')).toBeNull();
  },
);

test('methods of vendors belong to no version', () => {
  expect(whyTooNew({ method: 'X_ACME_Blink', args: {} }, '1.0')).toBeNull();
});

test('work that asks for what the CPE’s version does not have is unsupported, and nothing of it is sent', () => {
  const run = new Operation(
    new FakeCpe({}),
    testWork('rpc', { method: 'CancelTransfer', arguments: { CommandKey: 'k' } }),
  );
  run.version = '1.1';
  expect(run.session().result).toMatchObject({ outcome: 'unsupported', why: expect.stringContaining('CWMP 1.2') });
  expect(run.cpe.received).toEqual([]);
});
