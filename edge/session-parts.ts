// What speaks CWMP on a thread, put together: the store, the sessions and the handler of POSTs. A session thread has one beside its sockets,
// and the pool thread for big documents has one of its own: sessions go on on any of them.

import { type Clock, systemClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { deriveKey, loadInstallationSecret } from '../base/secret-file.ts';
import { read } from '../cwmp/read.ts';
import { ProfileChooser } from '../profiles/choose.ts';
import { loadProfiles } from '../profiles/load.ts';
import { secretsOfAny } from '../profiles/resolve.ts';
import { AskedClaims } from './claims/asking.ts';
import { CwmpHandler, type CwmpHandlerOptions } from './cwmp-handler.ts';
import type { SessionMetrics } from './edge-metrics.ts';
import { filesOnDisk } from './file-fetcher.ts';
import { FileUrls } from './file-urls.ts';
import { openFileStore } from './files.ts';
import { LastContacts } from './last-contacts.ts';
import { QuietInforms } from './quiet-informs.ts';
import { growingFile } from './recording/keeper.ts';
import { Recorder } from './recording/recorder.ts';
import { SessionCookies } from './session-cookie.ts';
import type { SessionTable } from './session-table.ts';
import { Sessions } from './sessions.ts';
import { type LmdbEdgeStore, openEdgeStore } from './store/lmdb-store.ts';
import { storeKeyOf } from './store/seal.ts';
import { Stamps } from './store/stamps.ts';
import type { ThreadData } from './thread-protocol.ts';

export interface SessionParts {
  secret: Buffer;
  clock: Clock;
  stamps: Stamps;
  store: LmdbEdgeStore;
  sessions: Sessions;
  lastContacts: LastContacts;
  fileUrls: FileUrls;
  cwmp: CwmpHandler;
  /** Null where none are needed. */
  claims: AskedClaims | null;
}

/** What the handler needs of the thread it runs on. */
export type OfThread = Pick<
  CwmpHandlerOptions,
  'admission' | 'waits' | 'big' | 'unproven' | 'nudge' | 'provesIdentity'
> & { metrics: SessionMetrics; log: Log };

/** Opens the parts of one thread; its lane is among `data`. Throws ConfigError when store, secret or profiles cannot be used. */
export function openSessionParts(data: ThreadData, table: SessionTable, ofThread: OfThread): SessionParts {
  const { config, lane, incarnation } = data;
  const clock = systemClock;
  const secret = loadInstallationSecret(config.dataDir);
  const stamps = new Stamps(data.stampMemory);
  const known = loadProfiles(config.profilesDir);
  const store = openEdgeStore({
    ...{ dir: data.storeDir, edgeId: config.edgeId, pop: config.pop, lane, stamps },
    ...{ key: storeKeyOf(secret), isSecret: secretsOfAny(known.values()) },
  });
  const acked = new BigInt64Array(data.ackedMemory);
  const fileUrls = new FileUrls({ key: deriveKey(secret, 'file-urls'), baseUrl: data.publicUrl });
  const files = openFileStore(data.filesDir);
  const { metrics, log, nudge } = ofThread;
  const cookies = new SessionCookies(deriveKey(secret, 'session-cookie'));
  const sessions = new Sessions({ store, table, cookies, metrics, clock, log, incarnation, lane });
  const lastContacts = new LastContacts({ store, clock, log, nudge, isFar: config.natsUrl !== null });
  const profiles = new ProfileChooser(known);
  const claims = data.claims === null ? null : new AskedClaims(data.claims, lane);
  const options: CwmpHandlerOptions = {
    ...ofThread,
    read,
    recorder: null,
    claims,
    store,
    sessions,
    quiet: new QuietInforms({ store, sessions, lastContacts, metrics, profiles, clock }),
    lastContacts,
    profiles,
    clock,
    inlineBytesMax: data.inlineBytesMax,
    downloadUrl: (_cpeId, fileId) => fileUrls.download(fileId, clock.now() + LIMITS.fileUrlMs),
    files: data.fetchesFiles ? files : filesOnDisk(files),
    uploadUrl: (cpeId, actionId) => fileUrls.upload(cpeId, actionId, clock.now() + LIMITS.fileUrlMs),
    // One counter numbers the facts of all lanes, and the relay hands them over in its order, so the highest one speaks for all before it.
    ackedSequence: () => acked.reduce((highest, _, of) => Math.max(highest, Number(Atomics.load(acked, of))), 0),
  };
  const fileOf = (recordingId: string): string => growingFile(data.storeDir, recordingId);
  const cwmp = new CwmpHandler({ ...options, recorder: new Recorder({ handler: options, fileOf, lane }) });
  return { secret, clock, stamps, store, sessions, lastContacts, fileUrls, cwmp, claims };
}
