// What every transport must do, as tests: a transport's own test file calls this with a way to open it. In-process today, NATS with POPs.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BusMessage, BusTransport } from './transport.ts';

/** `open` makes a transport of its own, with nothing on it; the tests close it. */
export function transportContract(name: string, open: () => Promise<BusTransport>): void {
  const batch = (...ids: string[]): BusMessage[] => ids.map((id) => ({ id, payload: { id } }));

  async function withTransport(use: (transport: BusTransport) => Promise<void>): Promise<void> {
    const transport = await open();
    try {
      await use(transport);
    } finally {
      await transport.close();
    }
  }

  test(`${name}: a batch arrives whole, with ids, payloads and subject, before publish resolves`, () =>
    withTransport(async (transport) => {
      const seen: { subject: string; messages: BusMessage[] }[] = [];
      transport.subscribe('acs.v1.event.fact.*.*', 'reader', async (subject, messages) => {
        seen.push({ subject, messages });
      });
      await transport.publish('acs.v1.event.fact.pop.e1', batch('a', 'b'));
      expect(
        seen.flatMap(({ subject, messages }) => messages.map(({ id, payload }) => [subject, id, payload])),
      ).toEqual([
        ['acs.v1.event.fact.pop.e1', 'a', { id: 'a' }],
        ['acs.v1.event.fact.pop.e1', 'b', { id: 'b' }],
      ]);
    }));

  test(`${name}: publish does not resolve before the handler has`, () =>
    withTransport(async (transport) => {
      const order: string[] = [];
      let finish = (): void => {};
      let begun = (): void => {};
      const handling = new Promise<void>((resolve) => {
        begun = resolve;
      });
      transport.subscribe('s.*', 'reader', async () => {
        begun();
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        order.push('handled');
      });
      const published = transport.publish('s.1', batch('a')).then(() => order.push('published'));
      await handling;
      expect(order).toEqual([]);
      finish();
      await published;
      expect(order).toEqual(['handled', 'published']);
    }));

  test(`${name}: batches of one subject arrive in the order they were published, one at a time`, () =>
    withTransport(async (transport) => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 }), async (sizes) => {
          const seen: string[] = [];
          let running = 0;
          const subscription = transport.subscribe('s.order', 'order', async (_, messages) => {
            expect(++running).toBe(1);
            await null;
            seen.push(...messages.map(({ id }) => id));
            running--;
          });
          let count = 0;
          const batches = sizes.map((size) => batch(...Array.from({ length: size }, () => `m${count++}`)));
          await Promise.all(batches.map((messages) => transport.publish('s.order', messages)));
          expect(seen).toEqual(batches.flat().map(({ id }) => id));
          await subscription.close();
        }),
        { numRuns: 20 },
      );
    }));

  test(`${name}: a batch whose handler rejects comes again before the ones behind it`, () =>
    withTransport(async (transport) => {
      const tries: string[] = [];
      transport.subscribe('s.1', 'reader', async (_, messages) => {
        const ids = messages.map(({ id }) => id).join();
        tries.push(ids);
        if (tries.filter((other) => other === ids).length < 2) throw new Error('not now');
      });
      await Promise.all([transport.publish('s.1', batch('a')), transport.publish('s.1', batch('b'))]);
      expect(tries).toEqual(['a', 'a', 'b', 'b']);
    }));

  test(`${name}: what was published before there was a subscriber arrives when there is one`, () =>
    withTransport(async (transport) => {
      const seen: string[] = [];
      const published = transport.publish('s.late', batch('a'));
      transport.subscribe('s.*', 'late', async (_, messages) => {
        seen.push(...messages.map(({ id }) => id));
      });
      await published;
      expect(seen).toEqual(['a']);
    }));

  test(`${name}: a subscription gets only what its pattern names`, () =>
    withTransport(async (transport) => {
      const seen: string[] = [];
      transport.subscribe('s.*.one', 'one', async (subject) => {
        seen.push(`one ${subject}`);
      });
      transport.subscribe('s.>', 'all', async (subject) => {
        seen.push(`all ${subject}`);
      });
      await transport.publish('s.x.one', batch('a'));
      await transport.publish('s.x.two', batch('b'));
      expect(seen.sort()).toEqual(['all s.x.one', 'all s.x.two', 'one s.x.one']);
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
      const subscription = transport.subscribe('s.1', 'reader', async (_, messages) => {
        begun();
        await gate;
        seen.push(...messages.map(({ id }) => id));
      });
      const published = transport.publish('s.1', batch('a'));
      await handling;
      const closed = subscription.close().then(() => seen.push('closed'));
      finish();
      await Promise.all([published, closed]);
      expect(seen).toEqual(['a', 'closed']);
    }));

  test(`${name}: publishing on a closed transport rejects`, async () => {
    const transport = await open();
    await transport.close();
    await expect(transport.publish('s.1', batch('a'))).rejects.toThrow();
  });
}
