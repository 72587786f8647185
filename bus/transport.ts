// The contract of the road between edge and control. Two transports keep it: in-process, and (from the issue of POPs on) NATS JetStream.
// At least once, in order per subject; what makes effects happen once is the high-water mark that control keeps with them.

export interface BusMessage {
  /** Message id for de-duplication; see factMessageId. */
  id: string;
  /** See bus/messages.ts: a decision, or the text of a list of facts. */
  payload: unknown;
}

export interface Subscription {
  /** Stops taking messages; those in hand finish first. */
  close(): Promise<void>;
}

export interface BusTransport {
  /**
   * Hands over a batch in order. Resolves when the other side has it durably (in-process: when the subscriber's handler has
   * resolved); rejects when it does not, and then the caller publishes the same batch again.
   */
  publish(subject: string, messages: BusMessage[]): Promise<void>;
  /** `handler` gets batches in order, one at a time; resolving acknowledges the batch, rejecting makes it come again. */
  subscribe(
    pattern: string,
    name: string,
    handler: (subject: string, messages: BusMessage[]) => Promise<void>,
  ): Subscription;
  close(): Promise<void>;
}
