import { defineConfig } from 'vitest/config';

// Two cores: a few files at a time, and room for the tests that start whole processes.
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', 'data/**'],
    pool: 'forks',
    maxWorkers: 2,
    // Tests marked concurrent wait for real time-outs: all of a file's at once.
    maxConcurrency: 64,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
