// What becomes of the events of an Inform while nobody can say whose the work of its CPE is.

import { expect, test } from 'vitest';
import { referenceInform } from '../bench/reference-inform.ts';
import type { Taken } from './claims/claims.ts';
import type { HttpReply } from './http.ts';
import { informThread } from './inform-handler.test-helper.ts';
import { recordOf, workOf } from './store/store.test-helper.ts';

/** @param answers of one question after the other; the last one is also that of all that follow. */
function thread(...answers: Taken[]) {
  const released: string[] = [];
  /** Whether an action that is not here was begun elsewhere, and what was asked about. */
  const begun = [false];
  const asked: (readonly string[])[] = [];
  const { store, answer, lastContacts } = informThread({
    take: async () => (answers.length > 1 ? answers.shift()! : answers[0]!),
    isBegunElsewhere: async (_, actionIds) => {
      asked.push(actionIds);
      return begun.length > 1 ? begun.shift()! : begun[0]!;
    },
    keep: async () => 0,
    over() {},
    release: (_, token) => void released.push(token),
  });
  const inform = async (EventCode: string, retryCount = 0, commandKey = ''): Promise<HttpReply> => {
    const text = referenceInform({ SerialNumber: 'TN00451', EventCode })
      .toString()
      .replace('<CommandKey></CommandKey>', `<CommandKey>${commandKey}</CommandKey>`);
    const reply = await answer(Buffer.from(text.replace('<RetryCount>0<', `<RetryCount>${retryCount}<`)));
    // What a timer would write later is written before the store is closed.
    lastContacts.flush();
    await store.flushed();
    return reply;
  };
  /** The CPE has work that it is to tell the end of. */
  const give = async (): Promise<void> => {
    await inform('1 BOOT');
    await store.putWork(recordOf(workOf('a1', { cpeId: '0A1B2C-TN~2D440-TN00451', kind: 'download' })));
  };
  return { give, inform, released, begun, asked };
}

test.each<[string, Taken]>([
  ['nobody can say whose the work is', 'away'],
  ['another edge has the work, in a session that its CPE has left or before it was killed', 'some'],
])('an event that open work may wait for is not acknowledged while %s', async (_, taken) => {
  const { give, inform, released } = thread(taken);
  await give();
  const reply = await inform('7 TRANSFER COMPLETE');
  expect(reply).toMatchObject({ status: '503 Service Unavailable', headers: [['Retry-After', '5']] });
  expect(released).toHaveLength(1);
});

test.each<[string, Taken, string, number]>([
  ['the CPE has tried again and again', 'away', '7 TRANSFER COMPLETE', 5],
  ['the CPE has tried again and again, and the other edge still has the work', 'some', '7 TRANSFER COMPLETE', 5],
  ['there is nothing in it that it would not tell again', 'away', '6 CONNECTION REQUEST', 0],
  ['nor would it to the other edge', 'some', '6 CONNECTION REQUEST', 0],
  ['the work is ours', 'all', '7 TRANSFER COMPLETE', 0],
])('it is acknowledged when %s', async (_, taken, event, retryCount) => {
  const { give, inform } = thread(taken);
  await give();
  expect((await inform(event, retryCount)).status).toBe('200 OK');
});

test('it is acknowledged when the other edge lets go of the work while it is asked again', async () => {
  const { give, inform, released } = thread('some', 'all');
  await give();
  expect((await inform('7 TRANSFER COMPLETE')).status).toBe('200 OK');
  expect(released).toEqual([]);
});

test('and of a CPE without work, whoever is away', async () => {
  const { inform } = thread('away');
  expect((await inform('1 BOOT')).status).toBe('200 OK');
});

const KEY = '01M8F0C7C32KXJWHBABDDGEPGH';
test('an event of an action that was begun elsewhere and has not come here yet is told again', async () => {
  const { inform, begun, asked } = thread('all');
  begun.splice(0, 1, true);
  expect((await inform('M Reboot', 0, KEY)).status).toBe('503 Service Unavailable');
  expect(asked).toEqual([[KEY], [KEY]]);
  // It comes while it is asked again; and at last it is heard without it.
  begun.splice(0, 1, true, false);
  expect((await inform('M Reboot', 1, KEY)).status).toBe('200 OK');
  begun.splice(0, 1, true);
  expect((await inform('M Reboot', 5, KEY)).status).toBe('200 OK');
});

test.each([
  ['M Reboot', 'key of another ACS'],
  ['1 BOOT', ''],
])('nobody is asked about %s with CommandKey “%s”', async (event, key) => {
  const { inform, asked } = thread('all');
  expect((await inform(event, 0, key)).status).toBe('200 OK');
  expect(asked).toEqual([]);
});
