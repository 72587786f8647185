// When quiet devices were last heard of: gathered and told in batches. It can be learned again, so nothing waits for the disk.

import type { Clock } from '../base/clock.ts';
import type { CpeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { EdgeStore } from './store/store.ts';

const BATCH_MS = 1_000;
/** Half a second of what a thread serves at most: each batch is a commit here and one in the relay. */
const BATCH_DEVICES = 2_000;

export interface LastContactsOptions {
  store: Pick<EdgeStore, 'appendFacts'>;
  clock: Clock;
  log: Log;
  nudge(): void;
}

export class LastContacts {
  readonly #o: LastContactsOptions;
  #seen: { cpeId: CpeId; at: number }[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LastContactsOptions) {
    this.#o = options;
  }

  mark(cpeId: CpeId, at: number): void {
    this.#seen.push({ cpeId, at });
    if (this.#seen.length >= BATCH_DEVICES) this.flush();
    else if (this.#timer === null) this.#timer = setTimeout(() => this.flush(), BATCH_MS);
  }

  /** Puts what was gathered into the outbox. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#seen.length === 0) return;
    const { store, clock, log, nudge } = this.#o;
    const devices = this.#seen;
    this.#seen = [];
    const { durable } = store.appendFacts([{ type: 'seen', body: { devices } }], clock.now());
    durable.catch((error: unknown) => log.error({ err: error }, 'last contacts could not be stored'));
    nudge();
  }
}
