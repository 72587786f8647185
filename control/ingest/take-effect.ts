// What facts that are to count do to the database, within the transaction of whoever says that they count: everything but their marks, and
// the record of what happened, which is the last statement of a transaction.

import type { Fact, FactBody } from '../../bus/messages.ts';
import { copyToEdge, copyToTheirEdge } from '../actions/copies.ts';
import { applyActionEffects } from '../actions/finish.ts';
import { insertActions } from '../actions/insert.ts';
import { askBack } from '../actions/moves.ts';
import type { ControlContext } from '../context.ts';
import type { NewEvent, NewEvidence } from '../evidence/record.ts';
import { writeUploads } from '../operations/files.ts';
import { writeRecordings } from '../operations/recordings.ts';
import { planConnectionRequestCredentials } from '../policy/connection-request.ts';
import { writeTrees } from '../registry/parameters.ts';
import { lockDevices, type Prior, readDevices, writeDevices } from '../registry/write-devices.ts';
import { type Sql, together } from '../store/postgres.ts';
import { Effects } from './effects.ts';
import { fold } from './fold.ts';

export interface EffectOptions {
  manageConnectionRequest: boolean;
  /** Edges share their disk of files with this control. */
  sharesFiles: boolean;
  /** Several edges of a POP may have the same work. */
  sharesWork: boolean;
}

export interface Taken {
  events: NewEvent[];
  evidence: NewEvidence[];
  hellos: { edgeId: string; body: FactBody<'hello'> }[];
  /** Work or settings for edges were made. */
  handOver: boolean;
}

/** Writes what `facts` tell, in their order. @param priors as readPriors gave them, in this transaction. */
export async function takeEffect(
  tx: Sql,
  context: ControlContext,
  { manageConnectionRequest, sharesFiles, sharesWork }: EffectOptions,
  facts: Fact[],
  priors: ReadonlyMap<string, Prior>,
): Promise<Taken> {
  const isSecret = (id: string, path: string): boolean =>
    context.book.isSecret(effects.devices.get(id)?.cpe?.profile ?? priors.get(id)?.profile ?? '', path);
  const effects = new Effects(isSecret);
  for (const fact of facts) fold(effects, fact);
  const devices = [...effects.devices.values()];

  await together([
    writeDevices(tx, devices, priors),
    writeTrees(tx, context, devices, isSecret),
    writeUploads(tx, effects.uploads, sharesFiles),
    writeRecordings(tx, effects.recordings, sharesFiles),
  ]);
  const finished = await applyActionEffects(tx, context, effects.actions, (id) => effects.isSecretOf(id));
  const news = newDevices(effects, priors);
  const wanted = manageConnectionRequest ? news.needCredentials : [];
  const made = await insertActions(tx, context, await planConnectionRequestCredentials(tx, context, wanted));
  await moveSettings(tx, news.moved);
  const moved = [...news.moved, ...(await moveQuietly(tx, effects, priors))];
  await together([
    askBack(tx, moved, context.clock.now()),
    ...(sharesWork ? [copyToTheirEdge(tx, moved), ...effects.hellos.map(({ edgeId }) => copyToEdge(tx, edgeId))] : []),
  ]);
  return {
    events: [...effects.events, ...news.events, ...finished.events, ...made.events],
    evidence: [...finished.evidence, ...made.evidence],
    hellos: effects.hellos,
    handOver: made.ids.size > 0 || moved.length > 0 || news.known.length > 0 || finished.handOver,
  };
}

/** What is stored of the devices of a batch. Rows that it will write are locked; a contact alone touches none of them. */
export async function readPriors(tx: Sql, facts: Fact[]): Promise<Map<string, Prior>> {
  const heard = new Set<string>();
  const told = new Set<string>();
  for (const fact of facts) {
    if (fact.type === 'hello') continue;
    if (fact.type === 'seen') for (const { cpeId } of fact.body.devices) heard.add(cpeId);
    else if (fact.type === 'session') heard.add(fact.body.cpeId);
    else told.add(fact.body.cpeId);
  }
  for (const id of told) heard.delete(id);
  const [known, locked] = await together([readDevices(tx, [...heard]), lockDevices(tx, [...told])]);
  return new Map([...known, ...locked]);
}

/** What first contacts, bootstraps, moves and refused connection requests of the batch ask for. */
function newDevices(effects: Effects, priors: ReadonlyMap<string, Prior>) {
  const needCredentials: string[] = [];
  const moved: string[] = [];
  /** Registered before, now reachable: their settings and actions have waited for an edge. */
  const known: string[] = [];
  const events: NewEvent[] = [];
  for (const device of effects.devices.values()) {
    if (device.informAt === undefined) continue;
    const prior = priors.get(device.id);
    const isNew = !prior?.seen;
    if (isNew || device.reset) needCredentials.push(device.id);
    if (prior && prior.edgeId !== device.edgeId) moved.push(device.id);
    if (prior && isNew) known.push(device.id);
    if (!isNew) continue;
    const { cpe } = device;
    const body = { edgeId: device.edgeId, pop: device.pop, profile: cpe?.profile, address: cpe?.address };
    const summary = `First contact: ${cpe?.device.Manufacturer} ${cpe?.device.ProductClass} ${cpe?.device.SerialNumber}`;
    events.push({ deviceId: device.id, actionId: null, at: device.informAt, kind: 'device.new', summary, body });
  }
  for (const id of effects.unauthorized) if (!needCredentials.includes(id)) needCredentials.push(id);
  return { needCredentials, moved, known, events };
}

/**
 * Quiet devices that came to another POP, which knew them: no Inform told it. Within one POP nobody needs to know, for what is there for a
 * device lies with all edges of it. Returns those that moved; one whose last Inform is newer, at another edge, did not.
 */
async function moveQuietly(tx: Sql, { seen }: Effects, priors: ReadonlyMap<string, Prior>): Promise<string[]> {
  const moved: string[] = [];
  for (const [id, { edgeId, pop, at }] of seen) {
    const prior = priors.get(id);
    if (!prior?.seen || prior.pop === pop) continue;
    // Whoever writes an Inform of it has it locked: what that one told is seen by the statement behind the lock.
    await tx`select from device where id = ${id} for no key update`;
    const rows = await tx`
      update device d set edge_id = ${edgeId}, pop = ${pop} from device_seen s
      where d.id = ${id} and d.pop <> ${pop} and s.device_id = d.id and s.last_inform_at < ${new Date(at)}
      returning d.id`;
    if (rows.length > 0) moved.push(id);
  }
  await moveSettings(tx, moved);
  return moved;
}

/** Settings of devices that came to another edge go there. */
async function moveSettings(tx: Sql, ids: string[]): Promise<void> {
  if (ids.length > 0) await tx`update device_credential set sent_at = null where device_id = any(${ids})`;
}

/**
 * Errors that come again however often the same fact is tried: PostgreSQL's classes 21 to 23 (the data), 54 (its size), and our own
 * mistakes. Everything else (connection, disk, deadlock) passes, and the bus repeats.
 */
export function isPoison(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return /^(2[123]|54)/.test(code);
  return error instanceof TypeError || error instanceof RangeError;
}
