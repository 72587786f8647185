import { expect, test } from 'vitest';
import { ADMIN, CPE, inform, progress, type TestControl, testControl } from '../control.test-helper.ts';
import { rememberStored, sendLostAgain } from './lost-decisions.ts';

const context = (key: string) => ({ principal: ADMIN, idempotencyKey: key });
const workOf = ({ bus }: TestControl): string[] => bus.work().map(({ actionId }) => actionId);

/** Handed over: the last of it had this number. */
async function withWork(given: number): Promise<{ control: TestControl; ids: string[] }> {
  const control = await testControl();
  control.bus.numberGiven = given;
  await control.send(inform());
  const ids: string[] = [];
  for (const key of ['a', 'b', 'c']) {
    // Ids rise with time, and work goes in their order.
    control.clock.advance(1);
    ids.push((await control.actions.create(CPE, { kind: 'reboot' }, context(key))).action.id);
  }
  await control.handOver.pass();
  return { control, ids };
}

test('while the hub has what it said it stored, nothing is handed over again', async () => {
  const { control, ids } = await withWork(7);
  for (const now of [7, 7, 9]) {
    control.bus.storedThere = { lowest: now, now };
    expect(await sendLostAgain(control.context, control.bus)).toMatchObject({ lost: false });
  }
  await control.handOver.pass();
  expect(workOf(control)).toEqual(ids);
});

test('what is stored while the hub is asked does not look as if it were lost', async () => {
  const { control } = await withWork(7);
  const { context: parts, bus } = control;
  bus.lastStored = async () => {
    // Asked for before the next one was stored, and heard after that was remembered.
    bus.numberGiven = 8;
    await rememberStored(parts.sql, bus);
    return { lowest: 7, now: 7 };
  };
  expect(await sendLostAgain(parts, bus)).toMatchObject({ lost: false });
});

test.each([
  ['less than it gave', { lowest: 6, now: 6 }],
  ['more by now, and had less when the road was new', { lowest: 5, now: 20 }],
  ['another disk', { lowest: 0, now: 0 }],
])('a hub that has %s lost some: what waits is handed over again, once', async (_, storedThere) => {
  const { control, ids } = await withWork(7);
  const { context: parts, bus } = control;
  const [began, , unwanted] = bus.work();
  await control.send(progress(began!, 'running', ''));
  await control.actions.cancel(unwanted!.actionId, ADMIN);
  await control.handOver.pass();
  bus.decisions.length = 0;
  bus.storedThere = storedThere;
  bus.numberGiven = storedThere.now + 1;
  expect(await sendLostAgain(parts, bus)).toMatchObject({ lost: true });
  // What runs is there; what is not wanted any more is taken back again.
  await control.handOver.pass();
  expect(workOf(control)).toEqual([ids[1]]);
  expect(bus.decisions.map(({ decision }) => decision.type)).toContain('cancel');
  bus.storedThere = { lowest: storedThere.now + 1, now: storedThere.now + 1 };
  expect(await sendLostAgain(parts, bus)).toMatchObject({ lost: false });
});

test('what is taken back after the hub lost some is asked of its edge, which may have had it before', async () => {
  const { control, ids } = await withWork(7);
  const { context: parts, bus } = control;
  bus.storedThere = { lowest: 6, now: 6 };
  expect(await sendLostAgain(parts, bus)).toMatchObject({ lost: true });
  expect(await control.actions.cancel(ids[0]!, ADMIN)).toMatchObject({ state: 'ready', endedAt: null });
  await control.handOver.pass();
  expect(bus.decisions.map(({ decision }) => decision.type)).toContain('cancel');
});
