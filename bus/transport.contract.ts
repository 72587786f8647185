// What every transport must do, as tests: a transport's own test file calls this with a way to open it.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { decisionsFor, factsOf, marksFor } from './subjects.ts';
import type { BusMessage, BusTransport } from './transport.ts';

const TEN_SECONDS = { timeout: 10_000, interval: 5 };

/** `open` makes a transport of its own, with nothing on it; the tests close it. */
export function transportContract(name: string, open: () => Promise<BusTransport>): void {
  const batch = (...ids: string[]): BusMessage[] => ids.map((id) => ({ id, payload: { id } }));
  const one = factsOf('pop', 'e1');

  async function withTransport(use: (transport: BusTransport) => Promise<void>): Promise<void> {
    const transport = await open();
    try {
      await use(transport);
    } finally {
      await transport.close();
    }
  }

  test(`${name}: a batch arrives whole, with ids, payloads and subject`, () =>
    withTransport(async (transport) => {
      const seen: { subject: string; messages: BusMessage[] }[] = [];
      transport.subscribe('acs.v1.event.fact.*.*', 'reader', async (subject, messages) => {
        seen.push({ subject, messages });
      });
      await transport.publish(one, batch('a', 'b'));
      await vi.waitFor(() => expect(seen).toHaveLength(1), TEN_SECONDS);
      expect(
        seen.flatMap(({ subject, messages }) => messages.map(({ id, payload }) => [subject, id, payload])),
      ).toEqual([
        [one, 'a', { id: 'a' }],
        [one, 'b', { id: 'b' }],
      ]);
    }));

  test(`${name}: batches of one subject arrive in the order they were published, one at a time`, () =>
    withTransport(async (transport) => {
      const subject = decisionsFor('pop', 'e1');
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 }), async (sizes) => {
          const seen: string[] = [];
          let running = 0;
          const subscription = transport.subscribe(subject, 'order', async (_, messages) => {
            expect(++running).toBe(1);
            await null;
            seen.push(...messages.map(({ id }) => id));
            running--;
          });
          const run = runs++;
          let count = 0;
          const batches = sizes.map((size) => batch(...Array.from({ length: size }, () => `m${run}.${count++}`)));
          await Promise.all(batches.map((messages) => transport.publish(subject, messages)));
          await vi.waitFor(() => expect(seen).toHaveLength(count), TEN_SECONDS);
          expect(seen).toEqual(batches.flat().map(({ id }) => id));
          await subscription.close();
        }),
        { numRuns: 20 },
      );
    }));

  test(`${name}: a batch whose handler rejects comes again before the ones behind it`, () =>
    withTransport(async (transport) => {
      const tries: string[] = [];
      transport.subscribe(one, 'reader', async (_, messages) => {
        const ids = messages.map(({ id }) => id).join();
        tries.push(ids);
        if (tries.filter((other) => other === ids).length < 3) throw new Error('not now');
      });
      await Promise.all(['a', 'b', 'c'].map((id) => transport.publish(one, batch(id))));
      await vi.waitFor(() => expect(tries).toHaveLength(9), TEN_SECONDS);
      expect(tries).toEqual(['a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c']);
    }));

  test(`${name}: what was published before there was a subscriber arrives when there is one`, () =>
    withTransport(async (transport) => {
      const seen: string[] = [];
      const published = transport.publish(one, batch('a'));
      transport.subscribe('acs.v1.event.fact.*.*', 'late', async (_, messages) => {
        seen.push(...messages.map(({ id }) => id));
      });
      await published;
      await vi.waitFor(() => expect(seen).toEqual(['a']), TEN_SECONDS);
    }));

  test(`${name}: a subscription gets only what its pattern names`, () =>
    withTransport(async (transport) => {
      const seen: string[] = [];
      transport.subscribe('acs.v1.event.fact.north.*', 'north', async (subject) => {
        seen.push(`north ${subject}`);
      });
      transport.subscribe('acs.v1.event.fact.south.*', 'south', async (subject) => {
        seen.push(`south ${subject}`);
      });
      await transport.publish(factsOf('north', 'e1'), batch('a'));
      await transport.publish(factsOf('south', 'e1'), batch('a'));
      await vi.waitFor(() => expect(seen).toHaveLength(2), TEN_SECONDS);
      expect(seen.sort()).toEqual([`north ${factsOf('north', 'e1')}`, `south ${factsOf('south', 'e1')}`]);
    }));

  test(`${name}: one subject does not wait for another whose handler is slow`, () =>
    withTransport(async (transport) => {
      const seen: string[] = [];
      let finish = (): void => {};
      const gate = new Promise<void>((resolve) => {
        finish = resolve;
      });
      for (const pop of ['slow', 'quick']) {
        transport.subscribe(`acs.v1.event.fact.${pop}.*`, pop, async () => {
          if (pop === 'slow') await gate;
          seen.push(pop);
        });
      }
      const slow = transport.publish(factsOf('slow', 'e1'), batch('a'));
      await transport.publish(factsOf('quick', 'e1'), batch('a'));
      await vi.waitFor(() => expect(seen).toEqual(['quick']), TEN_SECONDS);
      finish();
      await slow;
      await vi.waitFor(() => expect(seen).toEqual(['quick', 'slow']), TEN_SECONDS);
    }));

  test(`${name}: a subject that may not be taken waits until it may`, () =>
    withTransport(async (transport) => {
      const seen: string[] = [];
      let asked = 0;
      let may = false;
      transport.subscribe(
        'acs.v1.event.fact.*.*',
        'reader',
        async (_, messages) => {
          seen.push(...messages.map(({ id }) => id));
        },
        (subject) => {
          expect(subject).toBe(one);
          asked++;
          return may;
        },
      );
      const published = transport.publish(one, batch('a'));
      await vi.waitFor(() => expect(asked).toBeGreaterThan(1), TEN_SECONDS);
      expect(seen).toEqual([]);
      may = true;
      await published;
      await vi.waitFor(() => expect(seen).toEqual(['a']), TEN_SECONDS);
    }));

  test(`${name}: of subscriptions of one name that may not all take a subject, the one that may gets it; while none may it waits`, () =>
    withTransport(async (transport) => {
      let holder = '';
      const asked = new Set<string>();
      const seen: string[] = [];
      for (const control of ['one', 'two']) {
        const handler = async (_: string, messages: BusMessage[]): Promise<void> => {
          seen.push(...messages.map(({ id }) => `${control} ${id}`));
        };
        transport.subscribe('acs.v1.event.fact.*.*', 'control', handler, () => {
          asked.add(control);
          return holder === control;
        });
      }
      const published = transport.publish(one, batch('a'));
      await expect.poll(() => [...asked].sort(), { timeout: 10_000 }).toEqual(['one', 'two']);
      expect(seen).toEqual([]);
      holder = 'two';
      await published;
      await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['two a']);
      holder = 'one';
      await transport.publish(one, batch('b'));
      await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['two a', 'one b']);
    }));

  test(`${name}: closing a subscription waits for the batch in hand and takes no more`, () =>
    withTransport(async (transport) => {
      let begun = (): void => {};
      let finish = (): void => {};
      const handling = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const gate = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const seen: string[] = [];
      const subscription = transport.subscribe(one, 'reader', async (_, messages) => {
        begun();
        await gate;
        seen.push(...messages.map(({ id }) => id));
      });
      const published = transport.publish(one, batch('a'));
      await handling;
      const closed = subscription.close().then(() => seen.push('closed'));
      finish();
      await Promise.all([published, closed]);
      expect(seen).toEqual(['a', 'closed']);
    }));

  test(`${name}: what is told is heard by whoever listens then, until they stop`, () =>
    withTransport(async (transport) => {
      const subject = marksFor('pop', 'e1');
      const heard: string[] = [];
      const hearing = transport.hear(subject, (text) => void heard.push(text));
      transport.hear(marksFor('pop', 'e2'), (text) => void heard.push(`not for us: ${text}`));
      await vi.waitFor(() => {
        transport.tell(subject, 'now');
        expect(heard).toContain('now');
      }, TEN_SECONDS);
      await hearing.close();
      const count = heard.length;
      transport.subscribe(one, 'reader', async () => {});
      transport.tell(subject, 'later');
      // Behind what was told.
      await transport.publish(one, batch('a'));
      expect(heard.slice(count)).toEqual([]);
    }));

  test(`${name}: what was stored on the way has numbers that rise, where it is stored`, () =>
    withTransport(async (transport) => {
      const subject = decisionsFor('pop', 'e1');
      transport.subscribe(subject, 'reader', async () => {});
      await transport.publish(subject, batch('a'));
      const first = { given: transport.given(subject), last: await transport.lastStored(subject) };
      await transport.publish(subject, batch('b'));
      const second = { given: transport.given(subject), last: await transport.lastStored(subject) };
      if (transport.publishes === 'handled') {
        expect([first, second]).toEqual(Array.from({ length: 2 }, () => ({ given: 0, last: null })));
        return;
      }
      const { given } = first;
      expect(first.last).toEqual({ lowest: given, now: given });
      expect(second).toEqual({ given: given + 1, last: { lowest: given + 1, now: given + 1 } });
    }));

  test(`${name}: publishing on a closed transport rejects`, async () => {
    const transport = await open();
    await transport.close();
    await expect(transport.publish(one, batch('a'))).rejects.toThrow();
  });
}
