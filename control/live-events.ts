// Live events: reads the timeline behind the commits, of this control and of others, and hands it to whoever listens, in order, each once.
// Nothing is buffered per listener; one that fell away resumes by number from the table.

import { Refused } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { EVENT_CHANNEL } from './evidence/record.ts';
import type { EventFilter, EventService, TimelineEntry } from './services.ts';
import { type Database, iso } from './store/postgres.ts';

interface EventRow {
  seq: string;
  device_id: string | null;
  action_id: string | null;
  at: Date;
  kind: string;
  summary: string;
  body: Record<string, unknown>;
}

/** A row of the timeline as callers see it. */
export function timelineEntry(row: EventRow): TimelineEntry {
  const { seq, device_id, action_id, at, kind, summary, body } = row;
  return { id: seq, at: iso(at), deviceId: device_id, actionId: action_id, kind, summary, body };
}

/** EventService over the table of events; `committed` makes it look for new ones. */
export class LiveEvents implements EventService {
  readonly #sql: Database;
  readonly #log: Log;
  readonly #listeners = new Set<{ filter: EventFilter; listener: (event: TimelineEntry) => void }>();
  /** Everything up to here is delivered, or was committed while nobody listened. */
  #delivered = 0n;
  #committed = 0n;
  #running: Promise<void> | null = null;

  constructor(sql: Database, log: Log) {
    this.#sql = sql;
    this.#log = log;
  }

  /**
   * To be called once, before anybody listens: what was committed before is history, to be had by `since` and not delivered. From here on
   * PostgreSQL tells what other processes commit.
   */
  async begin(): Promise<void> {
    this.#committed = BigInt(await this.last());
    this.#delivered = this.#committed;
    // Again after each reconnect: what was committed meanwhile was told to nobody.
    const resumed = (): void => {
      this.pass().catch((error) => this.#log.warn({ err: error }, 'live events wait for the database'));
    };
    const told = (seq: string): void => this.committed(seq);
    await this.#sql.listen(EVENT_CHANNEL, told, resumed);
  }

  /** Looks for itself, should nobody tell. Returns what it found, in words. */
  async pass(): Promise<string> {
    if (this.#listeners.size === 0) return 'nobody listens';
    const before = this.#committed;
    this.committed(await this.last());
    return `${this.#committed - before} events that nobody told of`;
  }

  /** To be called after each commit with the highest number `record` returned. */
  committed(seq: string | null): void {
    if (seq === null || BigInt(seq) <= this.#committed) return;
    this.#committed = BigInt(seq);
    if (this.#listeners.size === 0 && !this.#running) this.#delivered = this.#committed;
    else this.#run();
  }

  /** Listens from now on. Returns how to stop. */
  subscribe(filter: EventFilter, listener: (event: TimelineEntry) => void): () => void {
    const entry = { filter, listener };
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Events after number `seq`, oldest first. Throws Refused 400 for what is no number. */
  async since(seq: string, filter: EventFilter, limit: number): Promise<TimelineEntry[]> {
    if (!/^\d{1,18}$/.test(seq))
      throw new Refused(400, 'bad-event-id', 'Event ids are decimal numbers, as the stream gave them.');
    const { deviceId = null, actionId = null, kind = null } = filter;
    const prefix = kind?.endsWith('.') ? kind : null;
    const rows = await this.#sql<EventRow[]>`
      select seq, device_id, action_id, at, kind, summary, body from event
      where seq > ${seq}
        and (${deviceId}::text is null or device_id = ${deviceId})
        and (${actionId}::text is null or action_id = ${actionId})
        and (${kind}::text is null or kind = ${kind} or starts_with(kind, ${prefix}))
      order by seq limit ${limit}`;
    return rows.map(timelineEntry);
  }

  async last(): Promise<string> {
    const [row] = await this.#sql<{ seq: string }[]>`select coalesce(max(seq), 0) as seq from event`;
    return row!.seq;
  }

  /** Resolves when what is under way is delivered. Being told ends with the pool. */
  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#running;
  }

  #run(): void {
    this.#running ??= this.#deliver()
      .catch((error) => this.#log.warn({ err: error }, 'live events wait for the database'))
      .then((delivered) => {
        this.#running = null;
        // A commit may have come between the last look and here.
        if (delivered === true && this.#behind()) this.#run();
      });
  }

  #behind(): boolean {
    return this.#delivered < this.#committed && this.#listeners.size > 0;
  }

  async #deliver(): Promise<true> {
    while (this.#behind()) {
      const target = this.#committed;
      const page = await this.since(String(this.#delivered), {}, LIMITS.livePageRows);
      for (const event of page) {
        for (const { filter, listener } of this.#listeners) if (passes(filter, event)) listener(event);
      }
      this.#delivered =
        page.length === LIMITS.livePageRows ? BigInt(page.at(-1)!.id) : maxOf(target, BigInt(page.at(-1)?.id ?? '0'));
    }
    if (this.#listeners.size === 0) this.#delivered = this.#committed;
    return true;
  }
}

const maxOf = (a: bigint, b: bigint): bigint => (a > b ? a : b);

function passes({ deviceId, actionId, kind }: EventFilter, event: TimelineEntry): boolean {
  if (deviceId !== undefined && event.deviceId !== deviceId) return false;
  if (actionId !== undefined && event.actionId !== actionId) return false;
  if (kind === undefined) return true;
  return kind.endsWith('.') ? event.kind.startsWith(kind) : event.kind === kind;
}
