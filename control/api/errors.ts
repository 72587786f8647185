// Every error of the API has one shape, `{ error: { code, message, details? } }`, and leaves through this file. Messages say what to do
// next; what only we need to know goes to the log.

import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { Refused } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { isDatabaseAway } from '../store/postgres.ts';
import { issueText } from './issue-text.ts';

export const errorBody = z
  .object({
    error: z.object({
      code: z
        .string()
        .openapi({ description: 'Short reason in kebab-case, stable: match on this one.', example: 'not-found' }),
      message: z.string().openapi({ description: 'What is wrong and what to do, for a person.' }),
      details: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    }),
  })
  .openapi('Error');
export type ErrorBody = z.infer<typeof errorBody>;
export type ErrorDetail = NonNullable<ErrorBody['error']['details']>[number];

/** A request the API itself refuses; `headers` go out with the answer (Allow, Retry-After, WWW-Authenticate). */
export class ApiError extends Refused {
  override name = 'ApiError';
  readonly details: ErrorDetail[] | undefined;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    code: string,
    message: string,
    options: { details?: ErrorDetail[]; headers?: Record<string, string> } = {},
  ) {
    super(status, code, message);
    this.details = options.details;
    this.headers = options.headers ?? {};
  }
}

/** One line per thing that is wrong, each with the field it is about: `values.wifi.2g.ssid`, or `(body)` for the whole. */
export function detailsOf(error: z.ZodError, whole: string): ErrorDetail[] {
  return error.issues.flatMap((issue) => {
    const at = issue.path.map(String);
    if (issue.code !== 'unrecognized_keys') return [{ field: at.join('.') || whole, message: issueText(issue) }];
    return issue.keys.map((key) => ({
      field: [...at, key].join('.'),
      message: 'unknown field: remove it or correct its name',
    }));
  });
}

/** A body that is JSON but not what the route takes: 422. `details` names every field that is wrong. */
export function invalidBody(error: z.ZodError): ApiError {
  const details = detailsOf(error, '(body)');
  const first = details[0];
  return new ApiError(422, 'invalid-body', `The body was not accepted: ${first?.field}: ${first?.message}.`, {
    details,
  });
}

/** A path, query or header value that cannot be read: 400. */
export function invalidRequest(error: z.ZodError, where: string): ApiError {
  const details = detailsOf(error, `(${where})`);
  const first = details[0];
  return new ApiError(400, `invalid-${where}`, `The ${where} was not accepted: ${first?.field}: ${first?.message}.`, {
    details,
  });
}

/**
 * Turns whatever a handler threw into an answer. A Refused speaks for itself; anything else is a bug or an outage of ours: it is
 * logged here, once, and the caller learns only that it was us.
 */
export function errorResponse(error: unknown, c: Context, log: Log): Response {
  if (error instanceof Refused) {
    const headers = error instanceof ApiError ? error.headers : {};
    const details = error instanceof ApiError ? error.details : undefined;
    return respond(c, error.status, { code: error.code, message: error.message, details }, headers);
  }
  // Hono's own refusals. Its texts are written for programmers, so they are said again here.
  if (error instanceof HTTPException && error.status < 500) {
    return respond(
      c,
      error.status,
      { code: 'bad-request', message: `The request could not be read: ${error.message}.` },
      {},
    );
  }
  log.error({ err: error, method: c.req.method, path: c.req.path }, 'api request failed');
  if (isDatabaseAway(error)) {
    const message =
      'The database of this Starling does not answer; GET /healthz says when it does. Repeat the request then, a POST with the same Idempotency-Key.';
    return respond(c, 503, { code: 'database-away', message }, { 'Retry-After': '5' });
  }
  const message =
    'Starling could not do this because of a fault of its own; its log has the details. Repeat the request later, a POST with the same Idempotency-Key.';
  return respond(c, 500, { code: 'internal', message }, {});
}

function respond(c: Context, status: number, error: ErrorBody['error'], headers: Record<string, string>): Response {
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  return c.json({ error } satisfies ErrorBody, status as ContentfulStatusCode);
}
