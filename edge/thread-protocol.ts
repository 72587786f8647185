// What the edge's main thread and its session threads say to each other: plain data over the worker's port, nothing else.

import type { Config } from '../base/config.ts';

/** Everything a session thread is born with. */
export interface ThreadData {
  config: Config;
  /** Folder of the LMDB environment and of the files for CPEs. */
  storeDir: string;
  filesDir: string;
  /** 0 is the relay's, then the session threads', then those of their pool threads for big documents. */
  lane: number;
  incarnation: number;
  /** See edge/store/stamps.ts: the counter behind outbox sequences. */
  stampMemory: SharedArrayBuffer;
  /** See edge/session-table.ts. */
  sessionMemory: SharedArrayBuffer;
  /** One BigInt64 per lane: the highest sequence control has acknowledged. */
  ackedMemory: SharedArrayBuffer;
  /** Port to listen on; never 0. */
  port: number;
  /** Base URL of files for CPEs, without a slash at its end. */
  publicUrl: string;
  /** Largest body a session thread deals with by itself. */
  inlineBytesMax: number;
}

export type ToThread = { type: 'drain'; ms: number } | { type: 'metrics'; id: number };

export type FromThread =
  | { type: 'listening'; port: number }
  | { type: 'failed'; message: string }
  | { type: 'nudge' }
  /** prom-client metrics as JSON. */
  | { type: 'metrics'; id: number; metrics: object[] }
  | { type: 'drained'; openSessions: number };
