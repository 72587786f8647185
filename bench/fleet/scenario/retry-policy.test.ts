import { expect, test } from 'vitest';
import { obeysRetryAfter, operatorWaitMs, TR069_RETRY, waitMs } from './retry-policy.ts';

const NOBODY = { ...TR069_RETRY, obeyRetryAfterShare: 0 };
const EVERYBODY = { ...TR069_RETRY, obeyRetryAfterShare: 1 };

test.each([
  [1, 5, 10],
  [2, 10, 20],
  [3, 20, 40],
  [4, 40, 80],
  [5, 80, 160],
  [6, 160, 320],
  [7, 320, 640],
  [8, 640, 1_280],
  [9, 1_280, 2_560],
  [10, 2_560, 5_120],
  [11, 2_560, 5_120],
  [99, 2_560, 5_120],
])('CWMP 1.12: before retry %i a CPE waits %i to %i s', (failures, least, most) => {
  expect(waitMs(NOBODY, 1, failures, 0, 0)).toBe(least * 1_000);
  expect(waitMs(NOBODY, 1, failures, 0, 0.5)).toBe((least + most) * 500);
  expect(waitMs(NOBODY, 1, failures, 0, 1)).toBe(most * 1_000);
});

test('minimum and multiplier of the data model are obeyed', () => {
  const policy = { ...NOBODY, minimumSeconds: 2, multiplier: 3_000 };
  expect(waitMs(policy, 1, 2, 0, 0)).toBe(6_000);
  expect(waitMs(policy, 1, 2, 0, 1)).toBe(18_000);
});

test('Retry-After counts for those CPEs alone that obey it', () => {
  expect(waitMs(EVERYBODY, 1, 1, 33, 0)).toBe(33_000);
  expect(waitMs(NOBODY, 1, 1, 33, 0)).toBe(5_000);
  expect(waitMs(EVERYBODY, 1, 1, 0, 0)).toBe(5_000);
});

test('the share of CPEs that obey Retry-After is as asked for, and each stays as it is', () => {
  const cpes = Array.from({ length: 10_000 }, (_, cpe) => cpe);
  const obeying = cpes.filter((cpe) => obeysRetryAfter(cpe, TR069_RETRY));
  expect(obeying.length / cpes.length).toBeCloseTo(TR069_RETRY.obeyRetryAfterShare, 2);
  expect(cpes.filter((cpe) => obeysRetryAfter(cpe, TR069_RETRY))).toEqual(obeying);
});

test("an operator's wake is repeated after 0.2 to 1 s", () => {
  expect([operatorWaitMs(0), operatorWaitMs(1)]).toEqual([200, 1_000]);
});
