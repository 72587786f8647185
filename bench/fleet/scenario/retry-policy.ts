// When a CPE comes again after a session that failed or was refused (TR-069 §3.2.1.1; CWMP 1.12), and which CPEs let the ACS say it with
// Retry-After, of which TR-069 knows nothing. Pure: the chance is handed in.

import { retryWaitMs } from '../events.ts';

export interface RetryPolicy {
  /** CWMPRetryMinimumWaitInterval, m. */
  minimumSeconds: number;
  /** CWMPRetryIntervalMultiplier, k, in thousandths. */
  multiplier: number;
  /** Part of the CPEs that wait as long as Retry-After says instead. */
  obeyRetryAfterShare: number;
}

/** The defaults of the data model: 5–10 s, 10–20 s, … from the 10th try on 2,560–5,120 s. HTTP libraries of some CPEs obey Retry-After. */
export const TR069_RETRY: RetryPolicy = { minimumSeconds: 5, multiplier: 2_000, obeyRetryAfterShare: 0.3 };

/** Between two calls of an operator's connection request to a CPE that was told to come later. */
const OPERATOR_RETRY_MS = [200, 1_000] as const;

/** The CPE's trait: the same in every run, spread evenly over neighbouring numbers. */
export function obeysRetryAfter(cpe: number, { obeyRetryAfterShare }: RetryPolicy): boolean {
  // Fibonacci hashing: the upper bits of the product are as good as random.
  return (Math.imul(cpe + 1, 0x9e3779b1) >>> 0) / 2 ** 32 < obeyRetryAfterShare;
}

/**
 * Wait of a CPE in milliseconds.
 * @param failures failed or refused sessions in a row, this one included.
 * @param retryAfterSeconds of the answer; 0 when there was none.
 * @param random from 0 up to 1.
 */
export function waitMs(
  policy: RetryPolicy,
  cpe: number,
  failures: number,
  retryAfterSeconds: number,
  random: number,
): number {
  if (retryAfterSeconds > 0 && obeysRetryAfter(cpe, policy)) return retryAfterSeconds * 1_000;
  return retryWaitMs(failures, policy.minimumSeconds, policy.multiplier, random);
}

/** Wait before the operator's wake is repeated. */
export function operatorWaitMs(random: number): number {
  const [least, most] = OPERATOR_RETRY_MS;
  return least + random * (most - least);
}
