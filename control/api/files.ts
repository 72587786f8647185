// Routes of files for CPEs: given to us as a raw stream, never held whole in memory. CPEs fetch them from an edge under signed URLs,
// not from here.

import { createHash } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import type { FileService, IdempotencyService } from '../services.ts';
import { may } from './auth.ts';
import { isStorable } from './body.ts';
import { ApiError } from './errors.ts';
import { claimKey, idempotencyHeader, keyConflict } from './idempotency.ts';
import { type Api, about, BODY_FAILURES, CONFLICT, FAILURES, idParams, json, NOT_FOUND, page } from './routes.ts';
import { fileView, pageOf } from './views.ts';

const newFile = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^/\\\p{Cc}]+$/u, 'must be a plain file name: no slash, backslash or control character')
    .refine(isStorable, 'holds half of a surrogate pair')
    .openapi({ description: 'File name as people and CPEs see it.', example: 'hg8245-v5.bin' }),
  fileType: z
    .string()
    .regex(/^[\x20-\x7e]{1,64}$/, 'use a FileType of TR-069 A.3.2.8')
    .openapi({ description: 'FileType of TR-069 A.3.2.8.', example: '1 Firmware Upgrade Image' }),
});

/** Registers the routes of files on `api`. */
export function fileRoutes(api: Api, files: FileService, idempotency: IdempotencyService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/files',
      ...about('Files', 'List files', 'read', 'Files of operators and uploads of CPEs, newest first.'),
      middleware: [may('read')],
      request: { query: z.strictObject(page) },
      responses: { 200: json(pageOf(fileView, 'FilePage'), 'One page.'), ...FAILURES },
    }),
    async (c) => c.json(await files.list(c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/files/{id}',
      ...about('Files', 'Read about one file', 'read'),
      middleware: [may('read')],
      request: { params: idParams },
      responses: { 200: json(fileView, 'The file.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await files.get(c.req.valid('param').id), 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/files',
      ...about('Files', 'Give Starling a file', 'files', 'The body is the file itself, as application/octet-stream.'),
      middleware: [may('files')],
      request: {
        headers: idempotencyHeader,
        query: newFile,
        body: {
          content: { 'application/octet-stream': { schema: z.string().openapi({ format: 'binary' }) } },
          required: true,
        },
      },
      responses: {
        200: json(fileView, 'An earlier request with the same Idempotency-Key gave the same file.'),
        201: json(fileView, 'Stored.'),
        ...FAILURES,
        ...CONFLICT,
        ...BODY_FAILURES,
      },
    }),
    async (c) => {
      const meta = c.req.valid('query');
      const principal = c.get('principal');
      const type = c.req.header('content-type') ?? '';
      if (!/^application\/octet-stream\s*(;|$)/i.test(type)) {
        const message = `Send the file itself as application/octet-stream (curl: --data-binary @file); this body says '${type}'.`;
        throw new ApiError(415, 'not-a-file', message);
      }
      if (Number(c.req.header('content-length') ?? 0) > LIMITS.fileBytesMax) {
        throw new ApiError(413, 'file-too-large', `The file is larger than ${LIMITS.fileBytesMax} bytes.`);
      }
      const stream = c.req.raw.body;
      if (stream === null) throw new ApiError(422, 'no-file', 'The body is empty: send the file in it.');
      const claim = await claimKey(c, idempotency, meta);
      if (claim.type === 'replay') {
        const stored = fileView.parse(claim.body);
        // Only the bytes tell whether this is the same request, and they were not part of the claim.
        if ((await sha256(stream)) !== stored.sha256) throw keyConflict();
        return c.json(stored, 200);
      }
      try {
        const view = await files.add(stream, meta, principal);
        if (claim.type === 'new') await idempotency.finish(principal.tokenId, claim.key, 200, view);
        c.header('Location', `/api/v1/files/${view.id}`);
        return c.json(view, 201);
      } catch (error) {
        if (claim.type === 'new') await idempotency.release(principal.tokenId, claim.key);
        throw error;
      }
    },
  );
}

async function sha256(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}
