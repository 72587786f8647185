// When quiet devices were last heard of: gathered and told in batches. It can be learned again, so nothing waits for the disk.
//
// Over a line between places a batch of a few costs more for itself than for its devices: few devices wait for others there, for a minute
// at most. A device that somebody wanted to hear of waits for nobody.

import type { Clock } from '../base/clock.ts';
import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { systemTimers, type Timers } from '../base/timers.ts';
import type { EdgeStore } from './store/store.ts';

export interface LastContactsOptions {
  store: Pick<EdgeStore, 'appendFacts'>;
  clock: Clock;
  timers?: Timers;
  log: Log;
  /** Control is elsewhere: see above. */
  isFar: boolean;
  nudge(): void;
}

export class LastContacts {
  readonly #o: LastContactsOptions;
  readonly #timers: Timers;
  #seen: { cpeId: CpeId; at: number }[] = [];
  /** Looks that may still find too few; meaningful while there is a timer. */
  #looksLeft = 0;
  #isWanted = false;
  /** Non-null exactly while something is gathered. */
  #cancelLook: (() => void) | null = null;

  constructor(options: LastContactsOptions) {
    this.#o = options;
    this.#timers = options.timers ?? systemTimers;
  }

  /** @param isWanted the device came because it was asked to: somebody may be waiting to see it. */
  mark(cpeId: CpeId, at: number, isWanted = false): void {
    this.#seen.push({ cpeId, at });
    if (isWanted) this.#isWanted = true;
    if (this.#seen.length >= LIMITS.lastContactsMax) this.flush();
    else if (this.#cancelLook === null) {
      this.#looksLeft = this.#o.isFar ? LIMITS.lastContactsFewMs / LIMITS.lastContactsMs : 0;
      this.#lookLater();
    }
  }

  /** Puts what was gathered into the outbox. */
  flush(): void {
    this.#cancelLook?.();
    this.#cancelLook = null;
    this.#isWanted = false;
    if (this.#seen.length === 0) return;
    const { store, clock, log, nudge } = this.#o;
    const devices = this.#seen;
    this.#seen = [];
    const { durable } = store.appendFacts([{ type: 'seen', body: { devices } }], clock.now());
    durable.catch((error: unknown) => log.error({ err: error }, 'last contacts could not be stored'));
    nudge();
  }

  #lookLater(): void {
    this.#cancelLook = this.#timers.after(LIMITS.lastContactsMs, () => {
      this.#looksLeft--;
      if (this.#looksLeft > 0 && !this.#isWanted && this.#seen.length < LIMITS.lastContactsFew) this.#lookLater();
      else this.flush();
    });
  }
}
