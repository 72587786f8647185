// What the parts of control share: handed in, never reached for. Made once by main.ts, or by a test.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { SecretBox } from '../base/secret-box.ts';
import type { LiveEvents } from './live-events.ts';
import type { ControlMetrics } from './metrics.ts';
import type { ProfileBook } from './registry/profile-book.ts';
import type { Database } from './store/postgres.ts';

export interface ControlContext {
  /** The number of this process among those on its database (store/leases.ts). */
  member: number;
  sql: Database;
  box: SecretBox;
  book: ProfileBook;
  clock: Clock;
  log: Log;
  live: LiveEvents;
  metrics: ControlMetrics;
}
