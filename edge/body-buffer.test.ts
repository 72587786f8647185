import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { BodyBuffer } from './body-buffer.ts';

const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 600 }), { maxLength: 40 });

test('whatever the pieces, the whole is what they are one behind the other, and costs were told before', () => {
  fc.assert(
    fc.property(pieces, fc.option(fc.integer({ min: -1, max: 30_000 })), (list, announced) => {
      const all = Buffer.concat(list);
      const body = new BodyBuffer(announced ?? all.length);
      for (const piece of list) {
        const told = body.costWith(piece.length);
        body.add(piece);
        expect(body.cost).toBe(told);
      }
      expect(body.whole().equals(all)).toBe(true);
    }),
  );
});

test('memory stays within eight times of what arrived and within what was announced, and nothing is taken before the first byte', () => {
  const body = new BodyBuffer(32 * 1024 * 1024);
  expect(body.cost).toBe(0);
  let arrived = 0;
  for (let i = 0; i < 100; i++) {
    body.add(Buffer.alloc(1_400));
    arrived += 1_400;
    expect(body.cost - LIMITS.bodyCostBytes).toBeLessThanOrEqual(arrived * 8);
  }
  const short = new BodyBuffer(2_000);
  short.add(Buffer.alloc(1_000));
  expect(short.cost).toBe(1_000 + LIMITS.bodyCostBytes);
  short.add(Buffer.alloc(500));
  expect(short.cost).toBe(2_000 + LIMITS.bodyCostBytes);
  short.add(Buffer.alloc(500));
  expect(short.whole().buffer.byteLength).toBe(2_000);
});

test('a length that cannot be true is as good as none', () => {
  for (const announced of [Number.NaN, -1, 3, 2 ** 60]) {
    const body = new BodyBuffer(announced);
    body.add(Buffer.from('hello '));
    body.add(Buffer.from('world'));
    expect(body.whole().toString()).toBe('hello world');
  }
});
