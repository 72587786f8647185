// Takes again what an older program has parked because it did not know it, and this one reads: at start, before new facts are taken. What
// else is parked (garbage, what cannot be stored, what came from a wrong place) stays: it is no better today.
//
// Marks are no help here: they went past these facts when they were parked. What makes each count once is that its row leaves in the
// transaction of its effects. And what came after them has taken effect by now, so order is looked at by what a fact does:
//
//   adds to the record, or moves an action on by its guarded transition (request, session, wake, upload, seen, progress, result): at any time
//   says what a device is like (inform, values, names, attributes): while nothing newer of that device has taken effect. Otherwise it
//     would put old values over new ones; it stays parked, with that as the reason, and a `refresh` of the device brings what it said
//   hello: what it asks for is done, and what it says of its edge's start is not believed: that may be an older one than we know

import { LIMITS } from '../../base/limits.ts';
import { type Fact, type FactType, parseFacts } from '../../bus/messages.ts';
import { factsOf } from '../../bus/subjects.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { arrayText, type Database, type Sql } from '../store/postgres.ts';
import { sealedMessage } from './park.ts';
import { type EffectOptions, isPoison, readPriors, takeEffect } from './take-effect.ts';

interface Row {
  seq: string;
  subject: string;
  message_id: string;
  sealed: string;
}
/** A parked fact that can be read now. */
interface Readable {
  seq: string;
  fact: Fact;
}

const STATES: ReadonlySet<FactType> = new Set(['inform', 'values', 'names', 'attributes']);

/** One pass over all. Resolves with how many took effect, and how many stay as too old. */
export async function unpark(
  context: ControlContext,
  options: EffectOptions,
): Promise<{ taken: number; tooOld: number }> {
  const { sql, log, metrics, live } = context;
  const sum = { taken: 0, tooOld: 0 };
  for (let after = '0'; ; ) {
    const rows = await sql<Row[]>`
      select seq, subject, message_id, sealed from parked_message
      where seq > ${after} and why like 'unknown:%' order by seq limit ${LIMITS.unparkFacts}`;
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.seq;
    const readable = rows.flatMap((row) => readAgain(context, row));
    for (const batch of await inOneOrOneByOne(context, options, readable)) {
      live.committed(batch.event);
      for (const { type } of batch.taken) metrics.facts.inc({ type });
      sum.taken += batch.taken.length;
      sum.tooOld += batch.tooOld;
    }
  }
  if (sum.taken + sum.tooOld > 0) log.info(sum, 'parked facts that this version reads were looked at again');
  return sum;
}

function readAgain({ box, log }: ControlContext, { seq, subject, message_id, sealed }: Row): Readable[] {
  try {
    const [received] = parseFacts(`[${box.open(sealed, sealedMessage(subject, message_id))}]`);
    if (received?.parsed.type !== 'ok') return [];
    const { fact } = received.parsed;
    // Older versions did not look whose fact it was that they could not read.
    return factsOf(fact.pop, fact.edgeId) === subject ? [{ seq, fact }] : [];
  } catch (error) {
    log.warn({ err: error, seq }, 'a parked message does not open');
    return [];
  }
}

interface Batch {
  taken: Fact[];
  tooOld: number;
  event: string | null;
}

/** As the ingest does: one that cannot be stored is in nobody's way. It stays where it is. */
async function inOneOrOneByOne(context: ControlContext, options: EffectOptions, facts: Readable[]): Promise<Batch[]> {
  if (facts.length === 0) return [];
  try {
    return [await transaction(context, options, facts)];
  } catch (error) {
    if (!isPoison(error)) throw error;
    if (facts.length === 1) {
      context.log.warn({ err: error, seq: facts[0]!.seq }, 'a parked fact can be read now, and not be stored');
      return [];
    }
  }
  const batches: Batch[] = [];
  for (const fact of facts) batches.push(...(await inOneOrOneByOne(context, options, [fact])));
  return batches;
}

function transaction(context: ControlContext, options: EffectOptions, facts: Readable[]): Promise<Batch> {
  return (context.sql as Database).begin((tx) => take(tx, context, options, facts)) as Promise<Batch>;
}

async function take(tx: Sql, context: ControlContext, options: EffectOptions, all: Readable[]): Promise<Batch> {
  // The ingest of an edge locks its row too: between our look at what is newer and our writing nothing of these edges comes.
  const edges = [...new Set(all.map(({ fact }) => fact.edgeId))];
  await tx`select from edge where edge_id = any(${edges}) order by edge_id for update`;
  // A control that starts beside this one goes over the same rows.
  const claimed = await tx<{ seq: string }[]>`
    select seq from parked_message where seq = any(${all.map(({ seq }) => seq)}) order by seq for update skip locked`;
  const ours = new Set(claimed.map(({ seq }) => seq));
  const facts = all.filter(({ seq }) => ours.has(seq));
  const old = await tooOld(tx, facts);
  const fit = facts.filter(({ seq }) => !old.has(seq));
  const taken = fit.map(({ fact }) => fact);
  const greeted = taken.filter(({ type }) => type === 'hello').map(({ edgeId }) => edgeId);
  const telling = taken.filter(({ type }) => type !== 'hello');

  const effect = await takeEffect(tx, context, options, telling, await readPriors(tx, telling));
  await tx`update edge set greeted_at = null where edge_id = any(${greeted})`;
  await tx`delete from parked_message where seq = any(${fit.map(({ seq }) => seq)})`;
  const why = 'superseded: something newer of this device has taken effect; refresh the device, then delete this row';
  await tx`update parked_message set why = ${why} where seq = any(${[...old]})`;
  return { taken, tooOld: old.size, event: await record(tx, effect.events, effect.evidence) };
}

/** Which of them tell of a device what is newer by now: an Inform, a value, or an action, which may have changed the tree. */
async function tooOld(tx: Sql, facts: Readable[]): Promise<Set<string>> {
  const states = facts.filter(({ fact }) => STATES.has(fact.type));
  if (states.length === 0) return new Set();
  const ids = states.map(({ fact }) => (fact.type === 'hello' || fact.type === 'seen' ? '' : fact.body.cpeId));
  const rows = await tx<{ seq: string }[]>`
    select seq from unnest(${arrayText(states.map(({ seq }) => seq))}::text::bigint[], ${arrayText(ids)}::text::text[],
      ${arrayText(states.map(({ fact }) => new Date(fact.at)))}::text::timestamptz[]) as f(seq, id, at)
    where exists (select from device_seen s where s.device_id = f.id and s.last_inform_at > f.at)
      or exists (select from device_parameter p where p.device_id = f.id and p.read_at > f.at)
      or exists (select from action a where a.device_id = f.id and greatest(a.started_at, a.ended_at) > f.at)`;
  return new Set(rows.map(({ seq }) => seq));
}
