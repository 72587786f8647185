// The contract of the road between edge and control. Two transports keep it: in-process, and NATS JetStream.
// At least once, in order per subject; what makes effects happen once is the high-water mark that control keeps with them.

import type { LanePlace } from './messages.ts';

export interface BusMessage {
  /** Message id for de-duplication; see factMessageId. */
  id: string;
  /** See bus/messages.ts: a decision, or the text of a list of facts. */
  payload: unknown;
  /**
   * Of facts: where the message ended that was published before it, left out when that was taken. Whoever has not taken so far takes this
   * one neither: what was lost in between would come behind it, or count as taken.
   */
  after?: LanePlace;
}

export interface Subscription {
  /** Stops taking messages; those in hand finish first. */
  close(): Promise<void>;
}

/** Asked before anything of `subject` is taken, and again from time to time: what it says no to is left to others, until it says yes. */
export type MayTake = (subject: string) => boolean;

export interface BusTransport {
  /**
   * What a resolved publish says: the other side's handler has resolved, or the batch is stored for it. With `stored` nobody knows from
   * publishing alone how far the other side has come.
   */
  readonly publishes: 'handled' | 'stored';
  /**
   * Hands over a batch in order. Resolves when the other side has it durably (see `publishes`); rejects when it does not, and then the
   * caller publishes the same batch again.
   * @param round another number stores again what was stored before, and may be lost: with the same one it counts as there.
   */
  publish(subject: string, messages: BusMessage[], round?: number): Promise<void>;
  /**
   * `handler` gets the batches of one subject in order, one at a time; those of different subjects perhaps side by side. Resolving
   * acknowledges the batch, rejecting makes it come again. A subject belongs to the subscriptions of one name: other patterns do not overlap.
   * @param mayTake asked before each delivery of a subject, and again while it says no; it must not block or throw. Batches of a subject
   * wait until some subscription of this name may take them. It is not asked while the road to the subject is cut: what is not asked for
   * is let go after a while.
   * @param idle called where `publishes` is `stored`, when everything that is there of a subject was taken and nothing has come for some
   * seconds; and again about every minute in which nothing does.
   */
  subscribe(
    pattern: string,
    name: string,
    handler: (subject: string, messages: BusMessage[]) => Promise<void>,
    mayTake?: MayTake,
    idle?: (subject: string) => Promise<void>,
  ): Subscription;
  /** Says that something was published on `subject`, to whoever takes it and may not know of the subject. */
  knock(subject: string): void;
  /** Where `publishes` is `stored`: the number of what was stored last from here, on the road of `subject`. 0 where nothing is stored. */
  given(subject: string): number;
  /**
   * The number of what was stored there last, by anybody: now, and the lowest since this was asked before, which is less when the road came
   * back with less than it had given. Lower than one that was given before it was asked: what had numbers behind it is lost. null where
   * nothing is stored. Rejects with BusError when nobody can tell.
   */
  lastStored(subject: string): Promise<{ lowest: number; now: number } | null>;
  /** Says something to whoever hears `subject` now. Nothing of it is kept: what must arrive is said again. */
  tell(subject: string, text: string): void;
  /** Hears what is told on `subject`; the handler must not throw. */
  hear(subject: string, handler: (text: string) => void): Subscription;
  /** The entries that the edges of one place share under this name; null where an edge has nobody to share them with. */
  bucket(name: string): Bucket | null;
  close(): Promise<void>;
}

/** Entries that several processes write, each only over what it has seen: of two that saw the same, one comes through. */
export interface Bucket {
  /** The entry as it is now; null when there is none. Rejects with BusError when nobody can tell. */
  get(key: string): Promise<{ value: string; revision: number } | null>;
  /**
   * Writes an entry whose revision is still this one, 0 for none yet. Resolves with its new revision, or null when another was faster.
   * Rejects with BusError when nobody can tell: it may have been written.
   */
  put(key: string, value: string, revision: number): Promise<number | null>;
}

/** Questions between processes, beside the road of facts and decisions: nothing of them is kept. */
export interface BusQuestions {
  /** Asks whoever answers on `subject`; rejects when nobody does in time, and the caller asks again. */
  ask(subject: string, question: Uint8Array): Promise<Uint8Array>;
  /** Answers what is asked on `pattern`, some at once. null, as a rejection, is no answer: somebody else may have one. */
  answer(pattern: string, handler: (subject: string, question: Uint8Array) => Promise<Uint8Array | null>): Subscription;
}
