// What every role has in common as a process: signals, the order of starting and ending, the word that it is ready. It knows no role.

import type { Config } from '../base/config.ts';
import { type Log, openLog } from '../base/log.ts';

/** What was started, in order: ended the other way round, at the end as after a failed start. */
export type Started = (() => Promise<void>)[];

/** Starts the parts of a role, each with its end pushed on `started`. Returns what to tell the person who started it. */
export type StartRole = (log: Log, started: Started) => Promise<string[]>;

/**
 * Runs a role and says on standard output where it listens. SIGTERM and SIGINT drain it: no new sessions, open ones finish, the outbox is
 * handed over, the database closes, exit code 0.
 * @throws ConfigError with what to do, before anything listens.
 */
export async function runRole(config: Config, version: string, start: StartRole): Promise<void> {
  const startedAt = performance.now();
  const log = openLog(config.logLevel);
  const started: Started = [];
  const endAll = async (): Promise<void> => {
    for (let end = started.pop(); end !== undefined; end = started.pop()) await end();
  };
  let ready = false;
  let ending = false;
  const end = async (): Promise<void> => {
    try {
      await endAll();
      log.info('ended');
      log.flush();
      process.exit(0);
    } catch (error) {
      log.fatal({ err: error }, 'draining failed');
      log.flush();
      process.exit(70);
    }
  };
  const onSignal = (signal: string): void => {
    if (ending) return;
    ending = true;
    log.info({ signal }, ready ? 'draining' : 'ends as soon as what is being started can be ended');
    if (ready) void end();
  };
  // From the first moment on: a process that went while it starts would leave its PostgreSQL behind.
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  process.on('SIGINT', () => onSignal('SIGINT'));

  let lines: string[];
  try {
    lines = await start(log, started);
  } catch (error) {
    await endAll();
    throw error;
  }
  ready = true;
  if (ending) return end();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(
    `starling ${version} is ready after ${seconds} s\n${lines.map((line) => `  ${line}\n`).join('')}`,
  );
}
