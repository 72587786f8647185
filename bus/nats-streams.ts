// The two streams at the hub, made and checked by control. Work-queue retention: a message leaves when its one consumer has acknowledged
// it, so that what lies there is what waits, and a subject can have one consumer only. A full stream takes nothing new instead of dropping
// what is old: facts then wait on their edges. Only what nats-server 2.9 knows is asked for.

import { JetStreamApiError, type JetStreamManager, type StreamConfig, type StreamInfo } from '@nats-io/jetstream';
import { ConfigError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { mendConsumers, mendStream } from './nats-mend.ts';
import { ALL_COMMANDS, ALL_EVENTS, subjectMatches } from './subjects.ts';

export const FACTS_STREAM = 'STARLING_FACTS';
export const DECISIONS_STREAM = 'STARLING_DECISIONS';

const NANOS_PER_MS = 1_000_000;

const common = {
  retention: 'workqueue',
  storage: 'file',
  discard: 'new',
  max_msgs: -1,
  max_msgs_per_subject: -1,
  duplicate_window: LIMITS.natsDuplicateMs * NANOS_PER_MS,
} as const;

/** What the streams must be. Size and replicas are the operator's: checked only to be there. */
const STREAMS = {
  [FACTS_STREAM]: { ...common, subjects: [ALL_EVENTS], max_age: 0 },
  // An action lives no longer, and settings are sent again to an edge that comes up: nothing that is older is wanted.
  [DECISIONS_STREAM]: { ...common, subjects: [ALL_COMMANDS], max_age: LIMITS.actionLifeMsMax * NANOS_PER_MS },
} as const;

const BYTES_MAX = { [FACTS_STREAM]: LIMITS.natsFactsBytesMax, [DECISIONS_STREAM]: LIMITS.natsDecisionsBytesMax };

export type StreamName = keyof typeof STREAMS;

/** The stream that keeps what is published on `subject`, a pattern perhaps. */
export function streamOf(subject: string): StreamName {
  return subjectMatches(ALL_EVENTS, subject) ? FACTS_STREAM : DECISIONS_STREAM;
}

/**
 * How many messages of one subject may be out at a time. Of facts one: a record of the relay holds hundreds, control is beside the hub, and
 * two controls may come to a subject one after the other. Decisions cross the WAN in small messages: with one at a time a round trip of
 * 300 ms let 2.7 a second through, and an operator's click waited behind those of a minute.
 */
export const windowOf = (stream: StreamName): number => (stream === DECISIONS_STREAM ? LIMITS.natsDecisionsWindow : 1);

/** Only facts come in parts: a decision is bounded by the body of an API request, and its reader may look at nothing else in the stream. */
export const hasParts = (stream: StreamName): boolean => stream === FACTS_STREAM;

/**
 * Makes the streams that are missing and checks those that are there. Resolves with the number of the last message that each has stored.
 * @throws ConfigError `nats-stream` for one that differs, naming field, is and should be; `nats-jetstream` when the account has none.
 * Whatever else JetStream answers is thrown as it is, and passes.
 */
export async function makeStreams(jsm: JetStreamManager, replicas: number): Promise<Map<StreamName, number>> {
  const last = new Map<StreamName, number>();
  for (const name of Object.keys(STREAMS) as StreamName[]) {
    const { config, state } = (await find(jsm, name)) ?? (await make(jsm, name, replicas));
    check(name, config);
    last.set(name, state.last_seq);
    await mendStream(jsm, name);
  }
  return last;
}

/** Sets right consumers that a killed hub left stuck; see nats-mend.ts. */
export async function mendAllConsumers(jsm: JetStreamManager): Promise<void> {
  for (const name of Object.keys(STREAMS)) await mendConsumers(jsm, name);
}

async function find(jsm: JetStreamManager, name: StreamName): Promise<StreamInfo | null> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return null;
    throw refusalOf(error);
  }
}

async function make(jsm: JetStreamManager, name: StreamName, replicas: number): Promise<StreamInfo> {
  const wanted = { ...STREAMS[name], subjects: [...STREAMS[name].subjects] };
  try {
    return await jsm.streams.add({ name, ...wanted, max_bytes: BYTES_MAX[name], num_replicas: replicas });
  } catch (error) {
    throw refusalOf(error);
  }
}

/** Error codes of JetStream's API. */
const STREAM_NOT_FOUND = 10059;
const NOT_ENABLED = [10076, 10039];
const NO_ROOM = [10047, 10028, 10023];

function refusalOf(cause: unknown): unknown {
  if (!(cause instanceof JetStreamApiError)) return cause;
  if (NOT_ENABLED.includes(cause.code)) {
    const text = 'JetStream is not enabled for this account of the NATS server: see deploy/nats/hub.conf.';
    return new ConfigError('nats-jetstream', text, { cause });
  }
  if (NO_ROOM.includes(cause.code)) {
    const bytes = LIMITS.natsFactsBytesMax + LIMITS.natsDecisionsBytesMax;
    const text = `JetStream has no room for the streams of Starling (${bytes} bytes): ${cause.message}. Raise max_file_store.`;
    return new ConfigError('nats-room', text, { cause });
  }
  return cause;
}

function check(name: StreamName, is: StreamConfig): void {
  for (const [field, wanted] of Object.entries(STREAMS[name])) {
    const found: unknown = is[field as keyof StreamConfig];
    if (JSON.stringify(found) === JSON.stringify(wanted)) continue;
    const both = `is ${JSON.stringify(found)} and should be ${JSON.stringify(wanted)}`;
    const what = 'Set it back with the nats command, or remove the stream when it is empty.';
    throw new ConfigError('nats-stream', `The stream ${name} was changed: its ${field} ${both}. ${what}`);
  }
  if (is.max_bytes > 0) return;
  const text = `The stream ${name} has no bound: its max_bytes is ${is.max_bytes} and should be more than 0.`;
  throw new ConfigError('nats-stream', text);
}
