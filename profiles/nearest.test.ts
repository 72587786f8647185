import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

test('nearest keeps to the number asked for', () => {
  expect(nearest('a', ['abc', 'ab', 'a', 'b'], 2)).toEqual(['a', 'ab']);
  expect(nearest('a', [])).toEqual([]);
});
