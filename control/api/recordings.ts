// Routes of recordings: sessions of a device as they happened, redacted, for `starling session replay` (docs/operating/recordings.md).

import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import type { IdempotencyService, RecordingService } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import { idempotencyHeader, once } from './idempotency.ts';
import {
  type Api,
  about,
  BODY_FAILURES,
  body,
  CONFLICT,
  deviceParams,
  FAILURES,
  idParams,
  json,
  NOT_FOUND,
  page,
  queryText,
} from './routes.ts';
import { pageOf, recordingView } from './views.ts';

const asked = z
  .strictObject({
    sessions: z.number().int().min(1).max(LIMITS.recordingSessionsMax).default(1),
    minutes: z.number().int().min(1).max(LIMITS.recordingMinutesMax).default(60),
    wake: z.boolean().default(false),
  })
  .openapi('NewRecording');

/** Registers the routes of recordings on `api`. */
export function recordingRoutes(api: Api, recordings: RecordingService, idempotency: IdempotencyService): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/devices/{id}/recordings',
      ...about(
        'Recordings',
        'Record sessions of a device',
        'record',
        'So many of the next sessions, of those that begin within so many minutes. Secrets are masked on the edge; it is evidence who asked.',
      ),
      middleware: [may('record'), jsonBody, once(idempotency)],
      request: { params: deviceParams, headers: idempotencyHeader, body: body(asked) },
      responses: {
        201: json(recordingView, 'The edges of the device record.'),
        ...FAILURES,
        ...NOT_FOUND,
        ...CONFLICT,
        ...BODY_FAILURES,
      },
    }),
    async (c) => {
      const view = await recordings.start(c.req.valid('param').id, c.req.valid('json'), c.get('principal'));
      c.header('Location', `/api/v1/recordings/${view.id}`);
      return c.json(view, 201);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/recordings',
      ...about('Recordings', 'List recordings', 'record', 'Newest first.'),
      middleware: [may('record')],
      request: { query: z.strictObject({ ...page, deviceId: queryText.optional() }) },
      responses: { 200: json(pageOf(recordingView, 'RecordingPage'), 'One page.'), ...FAILURES },
    }),
    async (c) => {
      const { deviceId, ...rest } = c.req.valid('query');
      return c.json(await recordings.list(deviceId === undefined ? rest : { ...rest, deviceId }), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/recordings/{id}',
      ...about(
        'Recordings',
        'Download a recording',
        'record',
        'A line of JSON for each exchange. 409 `recording-on` until it is over and whole here.',
      ),
      middleware: [may('record')],
      request: { params: idParams },
      responses: {
        200: { description: 'The file.', content: { 'application/x-ndjson': { schema: z.string() } } },
        ...FAILURES,
        ...NOT_FOUND,
        ...CONFLICT,
      },
    }),
    async (c) => {
      const bytes = await recordings.read(c.req.valid('param').id);
      const type = { 'Content-Type': 'application/x-ndjson' };
      if (c.req.method === 'HEAD') return c.body(null, 200, type) as never;
      return c.body(streamOf(bytes), 200, type) as never;
    },
  );
}

/** Reads on as its reader does. */
function streamOf(bytes: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await bytes.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await bytes.return(undefined);
    },
  });
}
