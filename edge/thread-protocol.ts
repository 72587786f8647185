// What the edge's main thread and its session threads say to each other: plain data over the worker's port, nothing else.

import type { Config } from '../base/config.ts';
import type { Ended } from './claims/claim.ts';
import type { Taken } from './claims/claims.ts';

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
  /** Files may be on their way from a control elsewhere; otherwise this disk is that of control. */
  fetchesFiles: boolean;
  /** Largest body a session thread deals with by itself. */
  inlineBytesMax: number;
  /** Name of the channels on which claims are asked for; null where none are needed. */
  claims: string | null;
}

export type ToThread = { type: 'drain'; ms: number } | { type: 'metrics'; id: number };

export type FromThread =
  | { type: 'listening'; port: number }
  | { type: 'failed'; message: string }
  | { type: 'nudge' }
  /** prom-client metrics as JSON. */
  | { type: 'metrics'; id: number; metrics: object[] }
  | { type: 'drained'; openSessions: number };

/** About claims on work (edge/claims), on a channel of its own for each lane. What has an id is answered. */
export type ClaimQuestion =
  | { type: 'take'; id: number; cpeId: string; token: string; actionId: string | null }
  | { type: 'begun'; id: number; cpeId: string; actionIds: readonly string[] }
  | { type: 'keep'; id: number; cpeId: string; token: string; actionId: string }
  | { type: 'over'; cpeId: string; actionId: string; generation: number; ended: Ended }
  | { type: 'release'; cpeId: string; token: string };

export type ClaimAnswer =
  | { type: 'taken'; id: number; taken: Taken }
  | { type: 'begun'; id: number; elsewhere: boolean }
  | { type: 'kept'; id: number; untilMs: number };
