import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Waits for a slow line for a quarter of an hour, with next to no work: begun first, it is over when the rest is. */
const LONGEST = /slow-full\.test\.ts$/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [
      ...sorted.filter(({ moduleId }) => LONGEST.test(moduleId)),
      ...sorted.filter(({ moduleId }) => !LONGEST.test(moduleId)),
    ];
  }
}

// Two cores: a few files at a time, and room for the tests that start whole processes.
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', 'data/**'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // Tests marked concurrent wait for real time-outs: all of a file's at once.
    maxConcurrency: 64,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is waited for tells nothing about speed: a busy machine may take its time. Tests about time say their own.
    expect: { poll: { timeout: 10_000 } },
  },
});
