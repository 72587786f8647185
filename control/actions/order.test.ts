// What must reach an edge in order does so without two controls waiting for each other: each waits for the confirmation of what comes before.

import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { ADMIN, CPE, FakeBus, inform, type TestControl, testControl } from '../control.test-helper.ts';
import { Dispatcher } from './dispatch.ts';

const principal = ADMIN;
const typesOf = ({ decisions }: FakeBus): string[] => decisions.map(({ decision }) => decision.type);

/** One more control on the same database, with a road of its own to the edge. */
function beside({ context }: TestControl): { bus: FakeBus; dispatcher: Dispatcher } {
  const bus = new FakeBus();
  return { bus, dispatcher: new Dispatcher(context, bus) };
}

test('of two controls that hand over at once one sends each action', async () => {
  const control = await testControl();
  const other = beside(control);
  await control.send(inform());
  control.bus.answers = false; // What is made below is not sent by its maker.
  for (let n = 0; n < 40; n++) await control.actions.create(CPE, { kind: 'reboot' }, { principal });
  await control.handOver.pass();
  const third = beside(control);
  control.clock.advance(LIMITS.dispatchLeaseMs + 1);
  await Promise.all([other.dispatcher.pass(), third.dispatcher.pass()]);
  const sent = [...other.bus.work(), ...third.bus.work()].map(({ actionId }) => actionId);
  expect(sent).toHaveLength(40);
  expect(new Set(sent).size).toBe(40);
});

test('a hand-over that broke off is tried again, though the clock was set back by an hour since', async () => {
  const control = await testControl();
  const other = beside(control);
  await control.send(inform());
  control.bus.answers = false;
  await control.actions.create(CPE, { kind: 'reboot' }, { principal });
  await control.handOver.pass();
  await other.dispatcher.pass();
  expect(typesOf(other.bus)).toEqual([]); // It may be under way.
  control.clock.advance(-3_600_000);
  await other.dispatcher.pass();
  expect(typesOf(other.bus)).toEqual(['work']);
});

test('work waits until the settings of its device are confirmed, whoever sends them', async () => {
  const control = await testControl();
  const other = beside(control);
  await control.send(inform());
  let arrive = (): void => {};
  control.bus.slow = new Promise((resolve) => {
    arrive = resolve;
  });
  await control.devices.setCredentials(CPE, { connectionRequest: [{ username: 'a', password: 'b' }] }, principal);
  const sending = control.handOver.pass();
  await control.actions.create(CPE, { kind: 'reboot' }, { principal });
  other.bus.answers = false; // Its settings do not arrive either.
  await other.dispatcher.pass();
  expect(typesOf(other.bus)).toEqual([]);
  arrive();
  await sending;
  await control.handOver.pass();
  expect(typesOf(control.bus)).toEqual(['device', 'work']);
});

test('a cancellation is not sent before its work is confirmed, or long overdue', async () => {
  const control = await testControl();
  const other = beside(control);
  await control.send(inform());
  let arrive = (): void => {};
  control.bus.slow = new Promise((resolve) => {
    arrive = resolve;
  });
  const { action } = await control.actions.create(CPE, { kind: 'reboot' }, { principal });
  const sending = control.handOver.pass();
  await expect
    .poll(async () => (await control.context.sql`select from action where claimed_at is not null`).length)
    .toBe(1);
  await control.actions.cancel(action.id, principal);
  await other.dispatcher.pass();
  expect(typesOf(other.bus)).toEqual([]); // It would overtake the work, and the edge would forget it.
  arrive();
  await sending;
  await control.handOver.pass();
  await other.dispatcher.pass();
  expect([...typesOf(control.bus), ...typesOf(other.bus)]).toEqual(['work', 'cancel']);
});
