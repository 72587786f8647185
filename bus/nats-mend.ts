// What a hub that was killed may leave behind, set right by control when it is linked, before it goes on, and every few seconds: one of a cluster
// may be killed that control is not connected to, and a consumer was seen to get stuck a moment after the link. A nats-server writes the
// messages of a stream and how far a consumer has come to different files, each in its own time, so after a kill one may be older than the
// other. Whoever had a consumer that is removed here makes it again, from the beginning of what is there.

import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { subjectOf } from './subjects.ts';

/** Mends stream `name` and its consumers; throws what JetStream answers. */
export async function mendStream(jsm: JetStreamManager, name: string): Promise<void> {
  const consumers = await consumersOf(jsm, name);
  // Asked for behind the consumers: it rises, and so do they.
  const { last_seq: last } = (await jsm.streams.info(name)).state;
  for (const consumer of consumers) {
    if (consumer.delivered.stream_seq > last) await removeAhead(jsm, consumer);
    else await dropTaken(jsm, consumer);
  }
  await mendConsumers(jsm, name);
}

/** What may go wrong while nobody is linked anew: cheap, to be done often. Throws what JetStream answers. */
export async function mendConsumers(jsm: JetStreamManager, name: string): Promise<void> {
  for (const consumer of await consumersOf(jsm, name)) await removeStuck(jsm, consumer);
}

async function consumersOf(jsm: JetStreamManager, name: string): Promise<ConsumerInfo[]> {
  const consumers: ConsumerInfo[] = [];
  for await (const consumer of jsm.consumers.list(name)) consumers.push(consumer);
  return consumers;
}

/**
 * The stream lost what it had stored, on a disk that was full perhaps, and what is stored next under the same numbers would be passed over.
 */
async function removeAhead(jsm: JetStreamManager, { stream_name, name }: ConsumerInfo): Promise<void> {
  await jsm.consumers.delete(stream_name, name);
}

/** Messages that were acknowledged and are there still: nobody gets them again, and they would lie there for ever. */
async function dropTaken(jsm: JetStreamManager, { stream_name, name, ack_floor }: ConsumerInfo): Promise<void> {
  const filter = subjectOf(name);
  const oldest = { seq: 1, next_by_subj: filter };
  const first = await jsm.streams.getMessage(stream_name, oldest);
  if (first === null || first.seq > ack_floor.stream_seq) return;
  await jsm.streams.purge(stream_name, { filter, seq: ack_floor.stream_seq + 1 });
}

/**
 * A consumer that waits for the answer to a message which the stream has no more. Where one message may be out at a time, a nats-server
 * (2.9.10) delivers nothing then, for ever; it is the last one that was delivered. Where several may, the rest goes on, and the reader makes
 * the consumer anew when it hears nothing of a hub that was killed.
 */
async function removeStuck(jsm: JetStreamManager, before: ConsumerInfo): Promise<void> {
  const { stream_name, name, delivered } = before;
  if (before.num_ack_pending === 0) return;
  if ((await jsm.streams.getMessage(stream_name, { seq: delivered.stream_seq })) !== null) return;
  // Not when it was acknowledged just now, which takes it out of the stream too.
  const now = await jsm.consumers.info(stream_name, name);
  if (now.num_ack_pending === 0 || now.delivered.stream_seq !== delivered.stream_seq) return;
  await jsm.consumers.delete(stream_name, name);
}
