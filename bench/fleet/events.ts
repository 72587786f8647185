// Events a CPE has to deliver, and when each counts as delivered (CWMP 1.9). Memory only: what survives a reboot is decided by the
// methods that the reboot calls.

import { LIMITS } from '../../base/limits.ts';
import type { EventStruct } from '../../cwmp/message.ts';

/** What takes an event off the queue: the InformResponse, or the answer to the CPE's own request that belongs to it. */
type DeliveredBy = 'InformResponse' | 'TransferComplete' | 'other';

function deliveredBy(code: string): DeliveredBy {
  if (code === '7 TRANSFER COMPLETE' || /^M (Download|Upload|ScheduleDownload)$/.test(code)) return 'TransferComplete';
  if (/^(5|9|10|11|12) /.test(code) || code === 'M ChangeDUState') return 'other';
  return 'InformResponse';
}

export class EventQueue {
  #events: EventStruct[] = [];
  /** Those in the Inform of the session that is open: what is added meanwhile is another event, even of the same code. */
  #inFlight = new Set<EventStruct>();

  /** Events waiting, oldest first. */
  get pending(): readonly EventStruct[] {
    return this.#events;
  }

  /** True when something waits that the last session did not carry. */
  get hasNew(): boolean {
    return this.#events.some((event) => !this.#inFlight.has(event));
  }

  /** The events of a new session. */
  take(): EventStruct[] {
    this.#merge();
    this.#inFlight = new Set(this.#events);
    return [...this.#events];
  }

  /** Adds one; single events are there at most once, multiple ones once per CommandKey (E-1). */
  add(EventCode: string, CommandKey = ''): void {
    const event = { EventCode, CommandKey };
    if (this.#events.some((other) => !this.#inFlight.has(other) && isSame(event, other))) return;
    this.#events.push(event);
    if (this.#events.length > LIMITS.eventsMax) {
      // E-5: the oldest M event goes; BOOTSTRAP never.
      const oldest = this.#events.findIndex((event) => event.EventCode.startsWith('M '));
      this.#events.splice(oldest === -1 ? this.#events.length - 1 : oldest, 1);
    }
  }

  /** The InformResponse for these events has arrived. */
  informed(events: readonly EventStruct[]): void {
    this.#drop((event) => events.includes(event) && deliveredBy(event.EventCode) === 'InformResponse');
  }

  /** A TransferComplete was answered: its M event is delivered, and 7 with the last one. */
  transferCompleted(CommandKey: string, othersWaiting: boolean): void {
    this.#drop((event) => {
      if (deliveredBy(event.EventCode) !== 'TransferComplete') return false;
      return event.EventCode === '7 TRANSFER COMPLETE' ? !othersWaiting : event.CommandKey === CommandKey;
    });
  }

  /** A request of the CPE with an event of its own was answered (5, 9, 10, 11, 12). */
  answered(events: readonly EventStruct[]): void {
    this.#drop((event) => events.some((other) => isSame(event, other)));
  }

  /** However a session ended, 6 CONNECTION REQUEST is not retried (CWMP 1.9). */
  sessionEnded(): void {
    this.#drop((event) => event.EventCode === '6 CONNECTION REQUEST' && this.#inFlight.has(event));
  }

  /** Power-up: 1 BOOT and 4 VALUE CHANGE are not kept over a reboot, then there is a new 1 BOOT. */
  booted(): void {
    this.#drop((event) => event.EventCode === '1 BOOT' || event.EventCode === '4 VALUE CHANGE');
    this.add('1 BOOT');
  }

  /** A first contact with an ACS: everything else undelivered is dropped. */
  bootstrapped(): void {
    this.#events = [];
    this.add('0 BOOTSTRAP');
  }

  /** An event that failed to be delivered and has happened again meanwhile is one. */
  #merge(): void {
    this.#events = this.#events.filter((event, at) => this.#events.findIndex((other) => isSame(event, other)) === at);
  }

  #drop(matches: (event: EventStruct) => boolean): void {
    this.#events = this.#events.filter((event) => !matches(event));
  }
}

function isSame(one: EventStruct, other: EventStruct): boolean {
  return one.EventCode === other.EventCode && one.CommandKey === other.CommandKey;
}

/**
 * Wait before the next try after `failures` failed sessions, in milliseconds (TR-069 §3.2.1.1; CWMP 1.12): random between
 * m·(k/1000)^(n−1) and m·(k/1000)^n, with n no larger than 10.
 */
export function retryWaitMs(failures: number, minimumSeconds: number, multiplier: number, random: number): number {
  const n = Math.min(Math.max(failures, 1), 10);
  const low = minimumSeconds * 1_000 * (multiplier / 1_000) ** (n - 1);
  return low + random * (low * (multiplier / 1_000) - low);
}
