// The event stream: timeline entries of all devices as server-sent events, resumable with Last-Event-ID. A slow reader costs a bounded
// queue; what does not fit is read again from the store, so nothing is skipped and nothing is sent twice.

import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import type { EventFilter, EventService, TimelineEntry } from '../services.ts';
import { may } from './auth.ts';
import type { OpenRequest, OpenRequests } from './open-requests.ts';
import { type Api, about, FAILURES, queryText, TOO_MANY } from './routes.ts';

export interface EventRouteNeeds {
  events: EventService;
  /** Places for streams. */
  streams: OpenRequests;
  heartbeatMs: number;
  log: Log;
}

/** Registers GET /events on `api`. */
export function eventRoutes(api: Api, { events, streams, heartbeatMs, log }: EventRouteNeeds): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/events',
      ...about(
        'Events',
        'Follow what happens',
        'read',
        'Server-sent events: `id`, `event` (its kind) and `data` (a TimelineEntry). Without Last-Event-ID the stream starts now.',
      ),
      middleware: [may('read')],
      request: {
        headers: z.object({
          'last-event-id': z
            .string()
            .regex(/^\d{1,18}$/, 'must be the id of an event of this stream')
            .optional()
            .openapi({ description: 'Go on after this event; clients that reconnect send it by themselves.' }),
        }),
        query: z.strictObject({
          deviceId: queryText.optional(),
          actionId: queryText.optional(),
          kind: queryText.optional().openapi({ description: 'One kind, or a beginning with its dot (`action.`).' }),
        }),
      },
      responses: {
        200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string() } } },
        ...FAILURES,
        ...TOO_MANY,
      },
    }),
    async (c) => {
      // X-Accel-Buffering keeps an nginx in front from collecting events.
      const headers = { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' };
      // Nobody would read, and so nobody would end, a stream made for HEAD.
      if (c.req.method === 'HEAD') return c.body(null, 200, headers);
      const place = streams.enter(c.req.raw.signal);
      try {
        const after = c.req.valid('header')['last-event-id'] ?? (await events.last());
        const stream = eventStream(follow(events, c.req.valid('query'), after, place.signal), heartbeatMs, place, log);
        return c.body(stream, 200, headers);
      } catch (error) {
        place.leave();
        throw error;
      }
    },
  );
}

/**
 * The bytes of one stream. It ends when the caller goes away, the server drains or the store fails; its place is given back then, and
 * the caller comes again with Last-Event-ID.
 */
function eventStream(
  source: AsyncGenerator<TimelineEntry, void, undefined>,
  heartbeatMs: number,
  place: OpenRequest,
  log: Log,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  const end = () => {
    clearInterval(heartbeat);
    place.leave();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode('retry: 2000\n\n'));
      // A reader that does not even take heartbeats has its queue full: no further ones are piled up.
      heartbeat = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': heartbeat\n\n'));
      }, heartbeatMs);
      heartbeat.unref();
    },
    async pull(controller) {
      const next = await source.next().catch((error: unknown) => {
        log.error({ err: error }, 'event stream ended: the store could not be read');
        return { done: true, value: undefined } as const;
      });
      if (next.done) {
        end();
        controller.close();
      } else {
        controller.enqueue(encoder.encode(frame(next.value)));
      }
    },
    async cancel() {
      end();
      await source.return();
    },
  });
}

/** One event on the wire. JSON.stringify leaves no line break in `data`; kinds are ours and hold none. */
function frame(entry: TimelineEntry): string {
  return `id: ${entry.id}\nevent: ${entry.kind}\ndata: ${JSON.stringify(entry)}\n\n`;
}

/**
 * Every event after `after` in the order of ids, first from the store, then live. Live events wait in a bounded queue while the store
 * is read or the reader is slow; when it overflows it is dropped and the store is read again from the last event given.
 */
async function* follow(
  events: EventService,
  filter: EventFilter,
  after: string,
  signal: AbortSignal,
): AsyncGenerator<TimelineEntry, void, undefined> {
  let last = BigInt(after);
  let queue: TimelineEntry[] = [];
  let behind = true;
  let wake = () => {};
  signal.addEventListener('abort', () => wake(), { once: true });
  const unsubscribe = events.subscribe(filter, (entry) => {
    if (behind) return;
    if (queue.length >= LIMITS.eventQueueMax) {
      queue = [];
      behind = true;
    } else {
      queue.push(entry);
    }
    wake();
  });
  try {
    while (!signal.aborted) {
      if (behind) {
        // Listening begins before the store is read: what is committed in between is then in one of the two, or in both.
        behind = false;
        for (;;) {
          const page = await events.since(String(last), filter, LIMITS.pageRowsMax);
          for (const entry of page) {
            if (signal.aborted) return;
            last = BigInt(entry.id);
            yield entry;
          }
          if (page.length < LIMITS.pageRowsMax) break;
        }
      }
      const entry = queue.shift();
      if (entry === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (signal.aborted || queue.length > 0 || behind) resolve();
        });
      } else if (BigInt(entry.id) > last) {
        last = BigInt(entry.id);
        yield entry;
      }
    }
  } finally {
    unsubscribe();
  }
}
