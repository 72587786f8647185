// A store that takes no facts: whatever is true only together with a fact is not written either. What a CPE tells again is news again, and
// work stays until its result can be told.

import { expect, test } from 'vitest';
import { referenceInform } from '../bench/reference-inform.ts';
import { ProfileChooser } from '../profiles/choose.ts';
import { loadProfiles } from '../profiles/load.ts';
import { NOTHING_TO_READ, SessionMetrics } from './edge-metrics.ts';
import { EXCHANGE, informThread } from './inform-handler.test-helper.ts';
import { noEffects, SessionTurn } from './session-turn.ts';
import { CPE, factsIn, openStore, recordOf, workOf } from './store/store.test-helper.ts';
import { emptyResult } from './tasks/task.ts';

const URL = 'http://192.0.2.1:7547/one';
const informWith = (url: string): Buffer => {
  const text = referenceInform({ SerialNumber: 'TN00451', EventCode: '4 VALUE CHANGE' }).toString();
  return Buffer.from(text.replace(/(ConnectionRequestURL<\/Name>\s*<Value[^>]*>)[^<]*/, `$1${url}`));
};
const changes = (store: Parameters<typeof factsIn>[0]): string[] =>
  factsIn(store).flatMap((fact) => (fact.type === 'inform' ? fact.body.changed.map(({ Value }) => Value) : []));

test.each(['a glance', 'all of it'] as const)(
  'a change that could not be told is told when it comes again (by %s)',
  async (by) => {
    const { store, stamps, quiet, informs, answer, lastContacts } = informThread();
    const tell = async (url: string): Promise<void> => {
      const bytes = informWith(url);
      const news = by === 'a glance' ? quiet.news(null, bytes) : null;
      if (news === null || !('told' in news)) await answer(bytes);
      else await informs.tell(EXCHANGE, null, news);
    };
    for (const url of [URL, `${URL}/two`, `${URL}/three`]) await tell(url);
    expect(changes(store).at(-1)).toBe(`${URL}/three`);

    stamps.setDiskFull(true);
    await expect(tell(`${URL}/four`)).rejects.toMatchObject({ tag: 'store', code: 'disk-full' });
    stamps.setDiskFull(false);
    stamps.outboxGrew(0, Number.MAX_SAFE_INTEGER);
    await expect(tell(`${URL}/four`)).rejects.toMatchObject({ tag: 'store', code: 'outbox-full' });
    stamps.outboxGrew(0, -Number.MAX_SAFE_INTEGER);

    await tell(`${URL}/four`);
    expect(changes(store).at(-1)).toBe(`${URL}/four`);
    lastContacts.flush();
    await store.flushed();
  },
);

test('work whose result could not be told has not ended', async () => {
  const { store, stamps } = openStore();
  const profile = new ProfileChooser(loadProfiles()).byId('tr098');
  const turn = new SessionTurn({ store, metrics: new SessionMetrics(NOTHING_TO_READ), claims: null });
  const record = recordOf(workOf('a1'));
  await store.putWork(record);
  const ending = () => {
    const effects = noEffects({
      cpeId: CPE,
      profile,
      namespace: 'urn:dslforum-org:cwmp-1-2',
      actionId: 'a1',
      token: '',
    });
    effects.ended.push(record);
    const result = { ...emptyResult('done', 'Read.'), rpcs: [], startedAt: 1, endedAt: 1 };
    effects.facts.push({ type: 'result', body: { cpeId: CPE, actionId: 'a1', generation: 1, result } });
    return effects;
  };
  stamps.setDiskFull(true);
  const refused = turn.write(ending(), 1);
  expect(refused.isRefused).toBe(true);
  await expect(refused.written).rejects.toMatchObject({ code: 'disk-full' });
  stamps.setDiskFull(false);
  await store.flushed();
  expect(store.workOf(CPE)).toHaveLength(1);

  const told = turn.write(ending(), 2);
  await told.written;
  await store.flushed();
  expect([told.isRefused, store.workOf(CPE), factsIn(store).map(({ type }) => type)]).toEqual([false, [], ['result']]);
});
