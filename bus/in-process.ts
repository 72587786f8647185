// The transport inside one process: `starling up`, and tests. A queue per subscription, nothing on disk: the publisher keeps a batch until
// publish resolves, which is when the handlers have resolved. Payloads are handed over as they are; nobody changes one after publishing it.
//
// A batch goes to every subscription whose pattern matches. Each takes its batches one at a time, in the order they were published; one
// whose handler rejects comes again, ahead of all others, after a pause; after busDeliveriesMax tries its publish rejects and it is
// dropped here, because the publisher has it and publishes it again. A subscription that may not take the subject is passed over; when no
// other is there the publisher waits, and asks again.

import { BusError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { systemTimers, type Timers } from '../base/timers.ts';
import { subjectMatches } from './subjects.ts';
import type { BusMessage, BusTransport, MayTake, Subscription } from './transport.ts';

type Handler = (subject: string, messages: BusMessage[]) => Promise<void>;

const always: MayTake = () => true;

interface Batch {
  subject: string;
  messages: BusMessage[];
  taken: () => void;
  refused: (error: BusError) => void;
}

/** Keeps the contract of transport.ts within one process. */
export class InProcessTransport implements BusTransport {
  readonly publishes = 'handled';
  readonly #timers: Timers;
  readonly #subscribers = new Set<Subscriber>();
  readonly #hearers = new Set<{ subject: string; handler: (text: string) => void }>();
  /** Publishers that wait for a subscriber; each looks again when one comes. */
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(timers: Timers = systemTimers) {
    this.#timers = timers;
  }

  async publish(subject: string, messages: BusMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const subscribers = await this.#subscribersOf(subject);
    await Promise.all(subscribers.map((subscriber) => subscriber.take(subject, messages)));
  }

  subscribe(pattern: string, name: string, handler: Handler, mayTake: MayTake = always): Subscription {
    if (this.#closed) throw closed();
    const subscriber = new Subscriber(pattern, name, handler, mayTake, this.#timers);
    this.#subscribers.add(subscriber);
    for (const look of [...this.#waiting]) look();
    return {
      close: () => {
        this.#subscribers.delete(subscriber);
        return subscriber.close();
      },
    };
  }

  /** Whoever subscribes here finds what waits. */
  knock(): void {}

  given(): number {
    return 0;
  }
  async lastStored(): Promise<null> {
    return null;
  }

  tell(subject: string, text: string): void {
    for (const hearer of this.#hearers) if (subjectMatches(hearer.subject, subject)) hearer.handler(text);
  }

  hear(subject: string, handler: (text: string) => void): Subscription {
    const hearer = { subject, handler };
    this.#hearers.add(hearer);
    return { close: async () => void this.#hearers.delete(hearer) };
  }

  bucket(): null {
    return null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const look of [...this.#waiting]) look();
    const subscribers = [...this.#subscribers];
    this.#subscribers.clear();
    await Promise.all(subscribers.map((subscriber) => subscriber.close()));
  }

  /** Waits for the first subscriber, for as long as both sides may take to start. */
  async #subscribersOf(subject: string): Promise<Subscriber[]> {
    const matching = (): Subscriber[] =>
      [...this.#subscribers].filter(({ pattern, mayTake }) => subjectMatches(pattern, subject) && mayTake(subject));
    if (this.#closed) throw closed();
    const now = matching();
    if (now.length > 0) return now;
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        this.#waiting.delete(look);
        cancel();
        cancelAsk();
        end();
      };
      const look = (): void => {
        const subscribers = matching();
        if (this.#closed) settle(() => reject(closed()));
        else if (subscribers.length > 0) settle(() => resolve(subscribers));
      };
      // Whoever said no may have got the right to say yes.
      const askAgain = (): (() => void) =>
        this.#timers.after(LIMITS.busMayTakeMs, () => {
          cancelAsk = askAgain();
          look();
        });
      let cancelAsk = askAgain();
      const cancel = this.#timers.after(LIMITS.busSubscriberWaitMs, () => {
        const waited = `${LIMITS.busSubscriberWaitMs / 1000} s`;
        settle(() =>
          reject(new BusError('no-subscriber', `Nobody took ${subject} within ${waited}. Is the other side running?`)),
        );
      });
      this.#waiting.add(look);
    });
  }
}

/** One subscription: its queue, bounded in messages, and the one batch in hand. */
class Subscriber {
  readonly pattern: string;
  readonly mayTake: MayTake;
  readonly #name: string;
  readonly #handler: Handler;
  readonly #timers: Timers;
  readonly #queue: Batch[] = [];
  /** Resolves when every publisher before has its batch in the queue: a small batch does not overtake a large one that waits. */
  #turn: Promise<void> = Promise.resolve();
  /** Lets the publisher whose turn it is look again whether its batch fits. */
  #room: (() => void) | null = null;
  #messages = 0;
  /** The loop over the queue; null while it is empty. */
  #running: Promise<void> | null = null;
  #closed = false;
  /** Ends the pause before another try; non-null exactly during one. */
  #wake: (() => void) | null = null;

  constructor(pattern: string, name: string, handler: Handler, mayTake: MayTake, timers: Timers) {
    this.pattern = pattern;
    this.mayTake = mayTake;
    this.#name = name;
    this.#handler = handler;
    this.#timers = timers;
  }

  async take(subject: string, messages: BusMessage[]): Promise<void> {
    const before = this.#turn;
    let next = (): void => {};
    this.#turn = new Promise((resolve) => {
      next = resolve;
    });
    await before;
    // A batch larger than the bound is taken when nothing else is there, or it would wait for ever.
    while (!this.#closed && this.#messages > 0 && this.#messages + messages.length > LIMITS.busInFlightMax) {
      await new Promise<void>((resolve) => {
        this.#room = resolve;
      });
    }
    next();
    if (this.#closed) throw closed();
    this.#messages += messages.length;
    await new Promise<void>((taken, refused) => {
      this.#queue.push({ subject, messages, taken, refused });
      this.#running ??= this.#run();
    });
  }

  /** The batch in hand is finished, or left after its present try; those behind it are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    for (const batch of this.#queue.splice(1)) batch.refused(closed());
    this.#room?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    // The publisher's turn ends first: a handler never runs inside the call that published.
    await null;
    for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
      await this.#deliver(batch);
      this.#queue.shift();
      this.#messages -= batch.messages.length;
      this.#room?.();
    }
    this.#running = null;
  }

  async #deliver(batch: Batch): Promise<void> {
    let pauseMs: number = LIMITS.busRedeliverMsMin;
    for (let delivery = 1; ; delivery++) {
      if (!this.mayTake(batch.subject)) {
        const text = `${this.#name} may not take ${batch.subject} any more. Publish it again, for whoever may.`;
        batch.refused(new BusError('not-taken', text));
        return;
      }
      try {
        await this.#handler(batch.subject, batch.messages);
        batch.taken();
        return;
      } catch (cause) {
        if (this.#closed || delivery >= LIMITS.busDeliveriesMax) {
          const text = `${this.#name} did not take a batch of ${batch.messages.length} from ${batch.subject}`;
          batch.refused(
            new BusError('not-taken', `${text} after ${delivery} tries. See its log; publish it again.`, { cause }),
          );
          return;
        }
      }
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LIMITS.busRedeliverMsMax);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#wake = null;
        resolve();
      };
      const cancel = this.#timers.after(ms, end);
      this.#wake = end;
    });
  }
}

function closed(): BusError {
  return new BusError('closed', 'The bus is closed: this process is stopping.');
}
