import { expect, test } from 'vitest';
import { Population } from './population.ts';

test('the CPE that has been idle for longest is taken first, each once', () => {
  const population = new Population(4, 0, 0, 1);
  const taken = [0, 1, 2, 3].map(() => {
    const id = population.takeIdle();
    population.wants(id, 'periodic', 0, 0);
    return id;
  });
  expect(taken).toEqual([0, 1, 2, 3]);
  expect(population.takeIdle()).toBe(-1);
  population.done(2);
  population.done(0);
  expect([population.takeIdle(), population.takeIdle(), population.takeIdle()]).toEqual([2, 0, -1]);
});

test('one that was taken out of its turn is passed over, and comes back', () => {
  const population = new Population(2, 0, 0, 1);
  population.wants(0, 'boot', 0, 0);
  expect(population.takeIdle()).toBe(1);
  population.done(0);
  expect(population.takeIdle()).toBe(0);
});

test('reserved CPEs are never given away', () => {
  const population = new Population(3, 1, 0, 1);
  expect([population.takeIdle(), population.takeIdle(), population.takeIdle()]).toEqual([0, 1, -1]);
  population.wants(2, 'operator', 0, 0);
  population.done(2);
  expect(population.takeIdle()).toBe(-1);
});

test('those who want something are counted by the phase they began to want it in', () => {
  const population = new Population(3, 0, 0, 1);
  population.wants(0, 'periodic', 0, 0);
  population.wants(1, 'periodic', 1, 0);
  population.opened(0);
  expect(population.failed(0)).toBe(1);
  population.wantsInstead(0, 'boot');
  expect([population.wanting, population.wantingBefore(1), population.wantingBefore(2)]).toEqual([2, 1, 2]);
  expect([population.classOf(0), population.failuresOf(0)]).toEqual(['boot', 1]);
  population.done(0);
  expect([population.wanting, population.wantingBefore(1)]).toEqual([1, 0]);
});

test('generators share the numbers by turns', () => {
  const population = new Population(3, 0, 1, 2);
  expect([0, 1, 2].map((id) => population.numberOf(id))).toEqual([1, 3, 5]);
  expect(population.idOf(5)).toBe(2);
});
