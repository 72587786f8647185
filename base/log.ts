// The one logger. Structured, asynchronous, to standard error, so that standard output stays for what a command prints.

import { type Logger, pino } from 'pino';

export type Log = Logger;

/** Opens the process logger. `level` is one of pino's level names. */
export function openLog(level: string): Log {
  const destination = pino.destination({ dest: 2, sync: false });
  return pino({ level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** A logger that says nothing, for tests. */
export const silentLog: Log = pino({ level: 'silent' });
