// One subject's durable consumer, whose messages are handled one by one and in order. A pull request is always with the server while there is
// nothing in hand: what is published arrives without being asked for.
//
//   resting ─may take─▶ pulling ─message─▶ in hand ─taken: ack, rejected: nak with a pause─▶ pulling
//      ▲                   └─────────────── may not, or link lost ──────────────────────────────┘ └─▶ resting
//
// Where one message may be out at a time, to whatever process, nothing can overtake. Where several may, one could be lost on the way while
// the next ones arrive. So such a consumer has one reader, who makes it anew, from the first message that is not acknowledged, whenever it
// begins to read, a number of the server is missing, or a message was rejected.

import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import type { Msg, Subscription as NatsSubscription } from '@nats-io/transport-node';
import { createInbox } from '@nats-io/transport-node';
import { BusError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Link, NatsRoad } from './nats-connection.ts';
import type { NatsMetrics } from './nats-metrics.ts';
import { hasParts, type StreamName, windowOf } from './nats-streams.ts';
import { decode, garbage, type Part, readPart } from './nats-wire.ts';
import { consumerOf } from './subjects.ts';
import type { BusMessage } from './transport.ts';

export interface PartitionOptions {
  road: NatsRoad;
  log: Log;
  metrics: NatsMetrics;
  stream: StreamName;
  subject: string;
  /** Where answers to this process arrive: see inboxOf. */
  inbox: string;
  mayTake(subject: string): boolean;
  handler(subject: string, messages: BusMessage[]): Promise<void>;
  /** Null where nobody asks: the consumer is then not looked at, which an edge may not. */
  idle: ((subject: string) => Promise<void>) | null;
}

const NANOS_PER_MS = 1_000_000;

export class Partition {
  readonly #o: PartitionOptions;
  readonly #running: Promise<void>;
  #closing = false;
  /** Ends whatever is being waited for, to look anew; non-null exactly while something is. */
  #look: (() => void) | null = null;
  /** Since when the batch in hand is rejected; null while batches are taken. */
  #rejectedSince: number | null = null;
  #rejections = 0;
  /** The consumer could not be had, which was said. */
  #isTroubled = false;

  constructor(options: PartitionOptions) {
    this.#o = options;
    this.#running = this.#run();
  }

  /** To be called from time to time: whether this subject may be taken is asked for again. */
  tick(): void {
    this.#look?.();
  }

  /** Takes nothing more; the batch in hand is finished. */
  close(): Promise<void> {
    this.#closing = true;
    this.#look?.();
    return this.#running;
  }

  #mayGoOn(link: Link): boolean {
    return !this.#closing && !link.lost.aborted && this.#o.mayTake(this.#o.subject);
  }

  async #run(): Promise<void> {
    const { road, subject, log } = this.#o;
    while (!this.#closing) {
      const link = road.link();
      if (link === null || !this.#o.mayTake(subject)) {
        await this.#pause(LIMITS.busAskAgainMs);
        continue;
      }
      try {
        await this.#makeConsumer(link);
        await this.#pullAll(link);
      } catch (error) {
        if (error instanceof Anew) {
          if (error.pauseMs > 0) await this.#pause(error.pauseMs);
          continue;
        }
        // Once: a hub may be away from a leaf for a day.
        if (!link.lost.aborted && !this.#isTroubled) {
          this.#isTroubled = true;
          log.warn({ err: error, subject }, 'what was published here cannot be taken now');
        }
        await this.#pause(LIMITS.natsCheckAgainMs);
      }
    }
  }

  /** The same one however often it is made; a deleted one comes back with what is not acknowledged yet. */
  async #makeConsumer({ jsm }: Link): Promise<void> {
    const { stream, subject } = this.#o;
    const window = windowOf(stream);
    if (window > 1) await removeIfThere(jsm, stream, consumerOf(subject));
    await jsm.consumers.add(stream, {
      durable_name: consumerOf(subject),
      filter_subject: subject,
      ack_policy: 'explicit',
      deliver_policy: 'all',
      max_ack_pending: window,
      ack_wait: LIMITS.natsAckWaitMs * NANOS_PER_MS,
      max_deliver: -1,
    });
    if (this.#isTroubled) this.#o.log.info({ subject }, 'what is published here can be taken again');
    this.#isTroubled = false;
  }

  async #pullAll(link: Link): Promise<void> {
    const pull = new Pull(link, this.#o, () => void this.#lookIfIdle(link));
    link.lost.addEventListener('abort', pull.wake, { once: true });
    this.#look = pull.wake;
    try {
      // Nothing is heard of a request to a consumer that is gone, with the disk of the hub perhaps: it is made again.
      while (this.#mayGoOn(link) && !pull.isSilent) {
        const message = await pull.next();
        if (message === null) continue;
        if (!this.#mayGoOn(link)) message.respond('-NAK');
        // Delivered again because the server did not hear in time that it was taken.
        else if (!pull.isInOrder(message)) pull.acknowledge(message);
        else await this.#take(link, pull, message);
      }
    } finally {
      this.#look = null;
      link.lost.removeEventListener('abort', pull.wake);
      await pull.end();
    }
  }

  /** Nothing comes: because nothing is there, or because somebody who is gone has it, for as long as his time to answer lasts. */
  async #lookIfIdle({ jsm, lost }: Link): Promise<void> {
    const { stream, subject, log, idle } = this.#o;
    if (idle === null) return;
    try {
      const { num_pending, num_ack_pending } = await jsm.consumers.info(stream, consumerOf(subject));
      if (num_pending + num_ack_pending === 0) await idle(subject);
    } catch (error) {
      if (!lost.aborted) log.warn({ err: error, subject }, 'whether all that was published here is taken is not known');
    }
  }

  async #take(link: Link, pull: Pull, message: Msg): Promise<void> {
    const { metrics, subject } = this.#o;
    metrics.messages.inc('in');
    metrics.bytes.inc('in', message.data.length);
    const working = setInterval(() => {
      if (!link.lost.aborted) for (const waiting of [message, ...pull.arrived]) waiting.respond('+WPI');
    }, LIMITS.natsWorkingMs);
    try {
      const batch = await this.#batch(link, message);
      if (batch !== null) await this.#o.handler(subject, batch);
      pull.acknowledge(message);
      this.#taken();
    } catch (error) {
      const pauseMs = Math.min(LIMITS.busRedeliverMsMin * 2 ** this.#rejections, LIMITS.busRedeliverMsMax);
      this.#wasRejected(error);
      if (pull.window > 1) throw new Anew('a message was rejected', pauseMs);
      message.respond(`-NAK ${JSON.stringify({ delay: pauseMs * NANOS_PER_MS })}`);
    } finally {
      clearInterval(working);
    }
  }

  /** What is to be handled; null for what was handled already or comes again as something else. Throws when a part is not there yet. */
  async #batch(link: Link, message: Msg): Promise<BusMessage[] | null> {
    const { metrics, log, subject, stream } = this.#o;
    const part = hasParts(stream) ? readPart(message.data) : null;
    if (part !== null && part.index > 0) return null;
    const whole = part === null ? message.data : await this.#join(link, message, part);
    if (whole === null) return null;
    const batch = await decode(whole);
    if (batch !== null) return batch;
    metrics.unreadable.inc();
    const { streamSequence } = placeOf(message);
    log.error(
      { subject, stream, streamSequence, bytes: whole.length },
      'a message on the bus is no batch; it is handed on as it came',
    );
    return garbage(`${stream} ${streamSequence}`, whole);
  }

  /**
   * Reads the other parts from the stream, where they lie behind the first one: this one is acknowledged when all of them took effect, and
   * they themselves when their turn comes. Parts are stored one after the other, so something else among them means that their publisher
   * gave up, and publishes the batch anew. Null then.
   */
  async #join({ jsm }: Link, message: Msg, first: Part): Promise<Uint8Array | null> {
    const { stream, subject, log } = this.#o;
    const parts = [first.bytes];
    let { streamSequence: at } = placeOf(message);
    let others = 0;
    while (parts.length < first.count) {
      const next = { seq: at + 1, next_by_subj: subject };
      const found = await jsm.streams.getMessage(stream, next);
      if (found === null) {
        if (others > 0 && placeOf(message).deliveries > LIMITS.natsPartTriesMax) {
          log.warn({ subject, parts: first.count, found: parts.length }, 'a batch in parts was begun and not finished');
          return null;
        }
        throw new BusError('not-taken', `Part ${parts.length + 1} of ${first.count} is not there yet.`);
      }
      at = found.seq;
      const part = readPart(found.data);
      if (part !== null && part.whole === first.whole && part.index === parts.length) parts.push(part.bytes);
      else others++;
    }
    return Buffer.concat(parts);
  }

  #taken(): void {
    this.#rejections = 0;
    if (this.#rejectedSince === null) return;
    const { log, subject } = this.#o;
    log.info({ subject, rejectedMs: Date.now() - this.#rejectedSince }, 'batches are taken again');
    this.#rejectedSince = null;
  }

  #wasRejected(error: unknown): void {
    this.#rejections++;
    this.#o.metrics.rejected.inc();
    if (this.#rejectedSince !== null) return;
    this.#rejectedSince = Date.now();
    this.#o.log.warn({ err: error, subject: this.#o.subject }, 'a batch was not taken; it comes again');
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#look = null;
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#look = end;
    });
  }
}

/** The consumer is to be made anew, behind a pause. */
class Anew extends Error {
  readonly pauseMs: number;

  constructor(why: string, pauseMs: number) {
    super(why);
    this.pauseMs = pauseMs;
  }
}

async function removeIfThere(jsm: JetStreamManager, stream: StreamName, name: string): Promise<void> {
  try {
    await jsm.consumers.delete(stream, name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== CONSUMER_NOT_FOUND) throw error;
  }
}
/** Error code of JetStream's API. */
const CONSUMER_NOT_FOUND = 10014;

/** Keeps one pull request with the server, on an inbox of its own. */
class Pull {
  readonly #link: Link;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #subscription: NatsSubscription;
  readonly #silence: NodeJS.Timeout;
  /** How many messages may be out, and so may be asked for at once. */
  readonly window: number;
  /** What arrived and nobody has taken; beyond the window when a request counted as lost and was not. */
  readonly arrived: Msg[] = [];
  #wake: (() => void) | null = null;
  /** A request was not answered in any way. */
  isSilent = false;
  #isOut = false;
  /** Messages that the request that is out still brings. */
  #toCome = 0;
  /** Where the last acknowledgement went. */
  #acknowledged: string | null = null;
  /** Of the message handed out last. */
  #last: Place | null = null;
  /** It was said of the request that is out that nothing comes. */
  #isQuiet = false;
  #heardAt = 0;
  #failure: BusError | null = null;
  readonly #quiet: () => void;

  /** @param quiet called when nothing has come on a request for some seconds, once for each. */
  constructor(link: Link, { stream, subject, inbox }: PartitionOptions, quiet: () => void) {
    this.#link = link;
    this.#quiet = quiet;
    this.window = windowOf(stream);
    this.#subject = `${link.api}.CONSUMER.MSG.NEXT.${stream}.${consumerOf(subject)}`;
    this.#inbox = createInbox(inbox);
    this.#subscription = link.nats.subscribe(this.#inbox, { callback: (error, message) => this.#hear(error, message) });
    this.#silence = setInterval(() => {
      if (!this.#isOut || performance.now() - this.#heardAt < LIMITS.natsPullSilenceMs) return;
      this.isSilent = true;
      this.wake();
    }, LIMITS.natsPullSilenceMs / 4);
  }

  /** Ends the wait of `next`. */
  readonly wake = (): void => this.#wake?.();

  /** The next message; null when there was a reason to look around. Throws BusError when the consumer is gone. */
  async next(): Promise<Msg | null> {
    if (!this.#isOut && (this.window > 1 || this.arrived.length === 0)) this.#ask();
    if (this.arrived.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    if (this.#failure !== null) throw this.#failure;
    return this.arrived.shift() ?? null;
  }

  /**
   * False for what was handed out before. Throws Anew when something before it is missing: there can be but one reader of several messages
   * that are out, and the server numbers what it delivers to him.
   */
  isInOrder(message: Msg): boolean {
    if (this.window === 1) return true;
    const place = placeOf(message);
    if (place.delivery !== (this.#last?.delivery ?? 0) + 1) throw new Anew('a message was lost on the way', 0);
    const isNew = place.streamSequence > (this.#last?.streamSequence ?? 0);
    this.#last = { ...place, streamSequence: Math.max(place.streamSequence, this.#last?.streamSequence ?? 0) };
    return isNew;
  }

  acknowledge(message: Msg): void {
    message.respond('+ACK');
    this.#acknowledged = message.reply!;
  }

  /** Resolves when the server knows all that was acknowledged: whoever makes the consumer anew then gets none of it again. */
  async end(): Promise<void> {
    clearInterval(this.#silence);
    this.#subscription.unsubscribe();
    const { lost, nats } = this.#link;
    if (lost.aborted) return;
    // What came in the last moment goes to whoever is next, at once.
    for (const message of this.arrived) message.respond('-NAK');
    if (this.window > 1 && this.#acknowledged !== null) {
      await nats.request(this.#acknowledged, '+ACK', { timeout: LIMITS.natsCheckAgainMs }).catch(() => {});
    }
  }

  #ask(): void {
    this.#isOut = true;
    this.#toCome = this.window;
    this.#isQuiet = false;
    this.#heardAt = performance.now();
    const heartbeat = (LIMITS.natsPullSilenceMs / 2) * NANOS_PER_MS;
    const request = { batch: this.window, expires: LIMITS.natsPullMs * NANOS_PER_MS, idle_heartbeat: heartbeat };
    this.#link.nats.publish(this.#subject, JSON.stringify(request), { reply: this.#inbox });
  }

  #hear(error: Error | null, message: Msg): void {
    if (error !== null) {
      this.#failure = new BusError('not-taken', `Answers do not arrive: ${error.message}`, { cause: error });
      this.wake();
      return;
    }
    this.#heardAt = performance.now();
    // Messages of a stream have a place to answer to; what has none is the server's word on the request.
    if (message.reply !== undefined && message.reply !== '') {
      this.#toCome--;
      if (this.#toCome <= 0) this.#isOut = false;
      this.arrived.push(message);
      this.wake();
      return;
    }
    const code = message.headers?.code ?? 0;
    if (code === HEARTBEAT) {
      if (!this.#isQuiet) this.#quiet();
      this.#isQuiet = true;
      return;
    }
    this.#isOut = false;
    if (code !== REQUEST_OVER) {
      // The consumer is gone, the hub is, or another of its servers leads now: all of it is asked for from the beginning.
      const why = code === NO_RESPONDERS ? 'the hub is away, or has no such consumer' : message.headers?.description;
      this.#failure = new BusError('not-taken', `There is nothing to be had: ${why}.`);
    }
    this.wake();
  }
}

/** What the server says of a pull request. */
const HEARTBEAT = 100;
const REQUEST_OVER = 408;
const NO_RESPONDERS = 503;

interface Place {
  deliveries: number;
  streamSequence: number;
  /** Counted by the server for this consumer, from 1. */
  delivery: number;
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.…`, of newer servers with domain and account before the stream. */
function placeOf({ reply = '' }: Msg): Place {
  const tokens = reply.split('.');
  const at = tokens.length > 9 ? 6 : 4;
  const [deliveries, streamSequence, delivery] = tokens.slice(at, at + 3).map(Number);
  return { deliveries: deliveries!, streamSequence: streamSequence!, delivery: delivery! };
}
