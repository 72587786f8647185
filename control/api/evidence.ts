// Evidence as a file that proves itself (docs/operating/evidence.md), and the key by which its signatures are known.

import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import type { EvidenceService } from '../services.ts';
import { may } from './auth.ts';
import { type Api, about, FAILURES, json, queryText, time } from './routes.ts';

export function evidenceRoutes(api: Api, evidence: EvidenceService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/evidence/key',
      ...about(
        'Evidence',
        'The key that signs',
        'read',
        'What `starling evidence verify` shows must be this fingerprint.',
      ),
      middleware: [may('read')],
      responses: {
        200: json(
          z.object({
            key: z.string().openapi({ description: 'Ed25519, 32 bytes in base64.' }),
            fingerprint: z.string(),
          }),
          'The public key.',
        ),
        ...FAILURES,
      },
    }),
    (c) => c.json(evidence.key(), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/evidence/export',
      ...about(
        'Evidence',
        'Export evidence',
        'audit',
        `All records, or those of a device, an action, or a time, from the first to the last of them: of others between them only their place
in the chain. Verify the file with \`starling evidence verify\`, anywhere.`,
      ),
      middleware: [may('audit')],
      request: {
        query: z.object({
          deviceId: queryText.optional(),
          actionId: queryText.optional(),
          from: time.optional().openapi({ description: 'Records from then on.' }),
          to: time.optional().openapi({ description: 'Records before then.' }),
        }),
      },
      responses: {
        200: {
          description: 'A line of JSON for each record.',
          content: { 'application/x-ndjson': { schema: z.string() } },
        },
        ...FAILURES,
      },
    }),
    (c) => {
      const { deviceId, actionId, from, to } = c.req.valid('query');
      const filter = {
        ...(deviceId === undefined ? {} : { deviceId }),
        ...(actionId === undefined ? {} : { actionId }),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      };
      const type = { 'Content-Type': 'application/x-ndjson' };
      if (c.req.method === 'HEAD') return c.body(null, 200, type) as never;
      return c.body(streamOf(evidence.export(filter)), 200, type) as never;
    },
  );
}

/** Reads on as its reader does. Of one that is gone, or has stopped to read, the snapshot must not stay open. */
function streamOf(lines: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const text = new TextEncoder();
  let stalled: NodeJS.Timeout | undefined;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(stalled);
      const { done, value } = await lines.next();
      if (done) {
        controller.close();
        return;
      }
      controller.enqueue(text.encode(value));
      stalled = setTimeout(() => {
        controller.error(new Error('nobody reads this export'));
        void lines.return(undefined);
      }, LIMITS.evidenceStallMs);
    },
    async cancel() {
      clearTimeout(stalled);
      await lines.return(undefined);
    },
  });
}
