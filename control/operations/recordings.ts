// Recordings of sessions, as control knows them: asks the edges of a device for them, and keeps what comes. An edge tells of its part with a
// fact, and its file comes as those of uploads do. What is in a file is the edge's business (edge/recording): here it is bytes.

import { Refused } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import { aliveSince } from '../actions/copies.ts';
import type { Dispatcher } from '../actions/dispatch.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import type { RecordingEffect } from '../ingest/effects.ts';
import { keyOf, pageOf, rowsOf } from '../registry/cursor.ts';
import type { FileStore, Principal, RecordingService, RecordingView } from '../services.ts';
import { type Fragment, iso, isoOrNull, jsonText, type Sql } from '../store/postgres.ts';

interface RecordingRow {
  id: string;
  device_id: string;
  asked_by: string;
  asked_at: Date;
  until: Date;
  sessions_max: number;
  parts: number;
  parts_ended: number;
  /** Parts that are files, and those of them that are here. */
  parts_filed: number;
  parts_here: number;
  sessions: number;
  exchanges: number;
  bytes: string;
  cut: boolean;
  why: string;
  ended_at: Date | null;
}

interface Edge {
  edgeId: string;
  pop: string;
}

/** What edges told of recordings they were asked for; the first word counts, and one about a recording that is not known here is dropped. */
export async function writeRecordings(tx: Sql, recordings: RecordingEffect[], isHere: boolean): Promise<void> {
  if (recordings.length === 0) return;
  const rows = recordings.map(({ at, edgeId, pop, body }) => ({ ...body, edgeId, pop, at: new Date(at) }));
  await tx`
    with told as (
      select * from jsonb_to_recordset(${jsonText(rows)}::text::jsonb)
        as t("recordingId" text, "cpeId" text, "edgeId" text, pop text, at timestamptz, "fileId" text, bytes bigint, sha256 text,
          sessions int, exchanges int, cut boolean, why text)),
    ended as (
      update recording_part p set ended_at = t.at, file_id = t."fileId", bytes = t.bytes, sessions = t.sessions,
        exchanges = t.exchanges, cut = t.cut, why = t.why
      from told t where p.recording_id = t."recordingId" and p.edge_id = t."edgeId" and p.ended_at is null
      returning t.*)
    insert into file (id, name, file_type, bytes, sha256, source, device_id, created_at, edge_id, pop, stored_at)
    select "fileId", "cpeId" || '.jsonl', 'recording', bytes, sha256, 'device', "cpeId", at, "edgeId", pop, ${isHere ? new Date() : null}
    from ended where "fileId" is not null
    on conflict (id) do nothing`;
}

export interface RecordingOptions {
  /** Where the bytes are; null: this control has none. */
  files: FileStore | null;
  /** A device may come to any edge of its POP. */
  popShared: boolean;
}

/** RecordingService. */
export function recordingService(
  context: ControlContext,
  dispatcher: Dispatcher,
  { files, popShared }: RecordingOptions,
): RecordingService {
  const { sql, clock, live, log } = context;
  const viewOf = (row: RecordingRow): RecordingView => view(row, clock.now());

  async function edgesOf(deviceId: string): Promise<Edge[]> {
    const [device] = await sql<{ edge_id: string | null; pop: string | null }[]>`
      select edge_id, pop from device where id = ${deviceId}`;
    if (!device)
      throw new Refused(
        404,
        'unknown-device',
        `There is no device ${deviceId}. GET /devices lists those that are known.`,
      );
    const { edge_id: edgeId, pop } = device;
    if (edgeId === null || pop === null)
      throw new Refused(
        409,
        'no-edge',
        `Device ${deviceId} has not informed yet, so nobody knows which edge it comes to.`,
      );
    const others = popShared
      ? await sql<Edge[]>`
          select edge_id as "edgeId", pop from edge
          where pop = ${pop} and edge_id <> ${edgeId} and last_fact_at > ${aliveSince(clock.now())} order by edge_id`
      : [];
    return [{ edgeId, pop }, ...others];
  }

  /** Written before any edge can have it: what one tells of it finds its place. */
  async function write(
    view: { id: string; deviceId: string; until: Date; sessions: number },
    edges: Edge[],
    by: Principal,
  ) {
    const { id, deviceId, until, sessions } = view;
    const at = clock.now();
    const seq = await sql.begin(async (tx) => {
      // Two that ask at once come one after the other.
      await tx`select from device where id = ${deviceId} for no key update`;
      const [on] = await tx<{ id: string }[]>`
        select r.id from recording r where r.device_id = ${deviceId} and r.until > ${new Date(at)}
          and exists (select from recording_part p where p.recording_id = r.id and p.ended_at is null) limit 1`;
      if (on) {
        const message = `Device ${deviceId} is being recorded already, as ${on.id}. Wait for its end, or take that one.`;
        throw new Refused(409, 'being-recorded', message);
      }
      await tx`
        insert into recording (id, device_id, asked_by, asked_at, until, sessions_max)
        values (${id}, ${deviceId}, ${by.name}, ${new Date(at)}, ${until}, ${sessions})`;
      await tx`
        insert into recording_part (recording_id, edge_id)
        select ${id}, edge_id from unnest(${edges.map(({ edgeId }) => edgeId)}::text[]) as e(edge_id)`;
      const body = { recordingId: id, deviceId, sessions, until: until.toISOString(), by: by.name, role: by.role };
      const summary = `${by.name} asked to record ${sessions === 1 ? '1 session' : `up to ${sessions} sessions`}`;
      return await record(
        tx,
        [{ deviceId, actionId: null, at, kind: 'recording.asked', summary, body }],
        [{ actionId: '', at, kind: 'recording', body }],
      );
    });
    live.committed(seq);
  }

  async function get(id: string): Promise<RecordingRow> {
    const [row] = await rowsBy(sql, sql`r.id = ${id}`, 1);
    if (!row) throw new Refused(404, 'unknown-recording', `There is no recording ${id}. GET /recordings lists them.`);
    return row;
  }

  return {
    async start(deviceId, { sessions, minutes, wake }, principal) {
      const edges = await edgesOf(deviceId);
      const id = newId(clock.now());
      const untilMs = clock.now() + minutes * 60_000;
      await write({ id, deviceId, until: new Date(untilMs), sessions }, edges, principal);
      const body = { cpeId: deviceId, recordingId: id, untilMs, sessions };
      const sent = await Promise.all(
        edges.map((edge) => dispatcher.send(edge, `record:${id}:${edge.edgeId}`, 'record', body)),
      );
      const away = edges.filter((_, index) => sent[index]!.type === 'away');
      for (const { edgeId } of away) {
        await sql`
          update recording_part set ended_at = ${new Date(clock.now())}, why = 'the edge did not answer'
          where recording_id = ${id} and edge_id = ${edgeId} and ended_at is null`;
      }
      if (away.length === edges.length) {
        const message = `Edge ${edges[0]!.edgeId} does not answer, so nothing is recorded. Try again when it does.`;
        throw new Refused(503, 'edge-away', message);
      }
      if (wake) {
        const why = `to be recorded for ${principal.name}`;
        const woken = await dispatcher.send(edges[0]!, `wake:${deviceId}:${clock.now()}`, 'wake', {
          cpeId: deviceId,
          why,
        });
        if (woken.type === 'away') log.warn({ deviceId, why: woken.why }, 'a device to be recorded could not be woken');
      }
      return viewOf(await get(id));
    },
    async list({ cursor, limit: wanted, deviceId }) {
      const limit = rowsOf(wanted);
      const [at = null, id = ''] = keyOf(cursor, /^\d{13}\|[^\0]+$/)?.split('|') ?? [];
      const before = at === null ? null : new Date(Number(at));
      const where = sql`
        (${deviceId ?? null}::text is null or r.device_id = ${deviceId ?? null})
        and (${before}::timestamptz is null or (r.asked_at, r.id) < (${before}, ${id}))`;
      const rows = await rowsBy(sql, where, limit + 1);
      return pageOf(rows, limit, viewOf, (row) => `${row.asked_at.getTime()}|${row.id}`);
    },
    async read(id) {
      const { state, why } = viewOf(await get(id));
      if (state === 'recording' || state === 'fetching')
        throw new Refused(409, 'recording-on', `Recording ${id} is not whole yet: ${why} Ask again later.`);
      if (files === null)
        throw new Refused(503, 'no-file-store', 'This control has no file store, and so no recordings.');
      const parts = await sql<{ file_id: string }[]>`
        select file_id from recording_part where recording_id = ${id} and file_id is not null order by edge_id`;
      if (parts.length === 0) throw new Refused(404, 'empty-recording', `Recording ${id} holds no session: ${why}`);
      return bytesOf(
        files,
        parts.map(({ file_id }) => file_id),
      );
    },
  };
}

/** The parts behind each other: each begins with a head of its own. */
async function* bytesOf(files: FileStore, ids: string[]): AsyncGenerator<Uint8Array> {
  for (const id of ids) {
    for (let offset = 0; ; ) {
      const chunk = await files.read(id, offset, LIMITS.recordingChunkBytes);
      if (chunk === null)
        throw new Refused(
          503,
          'file-away',
          `The file ${id} of this recording is not in the file store of this control.`,
        );
      if (chunk.bytes.length === 0) break;
      offset += chunk.bytes.length;
      yield chunk.bytes;
    }
  }
}

async function rowsBy(sql: Sql, where: Fragment, limit: number): Promise<RecordingRow[]> {
  return await sql<RecordingRow[]>`
    select r.*, p.* from recording r cross join lateral (
      select count(*)::int as parts, count(p.ended_at)::int as parts_ended, count(p.file_id)::int as parts_filed,
        count(f.stored_at)::int as parts_here, coalesce(sum(p.sessions), 0)::int as sessions,
        coalesce(sum(p.exchanges), 0)::int as exchanges, coalesce(sum(p.bytes), 0) as bytes, coalesce(bool_or(p.cut), false) as cut,
        coalesce(string_agg(distinct nullif(p.why, ''), '; '), '') as why, max(p.ended_at) as ended_at
      from recording_part p left join file f on f.id = p.file_id where p.recording_id = r.id) p
    where ${where} order by r.asked_at desc, r.id desc limit ${limit}`;
}

function view(row: RecordingRow, nowMs: number): RecordingView {
  const isOver = row.parts_ended === row.parts;
  const isLost = !isOver && row.until.getTime() + LIMITS.recordingLostMs < nowMs;
  const state = stateOf(row, isOver, isLost);
  return {
    id: row.id,
    deviceId: row.device_id,
    askedBy: row.asked_by,
    askedAt: iso(row.asked_at),
    until: iso(row.until),
    sessionsMax: row.sessions_max,
    state,
    why: whyOf(row, state),
    sessions: row.sessions,
    exchanges: row.exchanges,
    bytes: Number(row.bytes),
    cut: row.cut,
    endedAt: isOver ? isoOrNull(row.ended_at) : null,
  };
}

function stateOf(row: RecordingRow, isOver: boolean, isLost: boolean): RecordingView['state'] {
  if (!isOver && !isLost) return 'recording';
  if (row.parts_here < row.parts_filed) return 'fetching';
  if (row.parts_filed > 0) return 'done';
  return isLost ? 'lost' : 'empty';
}

function whyOf(row: RecordingRow, state: RecordingView['state']): string {
  switch (state) {
    case 'recording':
      return `It waits for sessions of the device, until ${iso(row.until)}, or for its edge to tell of them.`;
    case 'fetching':
      return 'It is being fetched from the edge.';
    case 'lost':
      return 'Its edge has told nothing of it.';
    default:
      return row.why === '' ? 'It is over.' : `It is over: ${row.why}.`;
  }
}
