// What the routes of all resources share: pieces of their OpenAPI descriptions, and the instance they register on.

import { OpenAPIHono, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import { type Permission, rolesWith } from '../permissions.ts';
import type { ApiEnv } from './auth.ts';
import { isStorable } from './body.ts';
import { ApiError, errorBody, invalidBody, invalidRequest } from './errors.ts';

export type Api = OpenAPIHono<ApiEnv>;

/** An empty API whose validators answer in the one error shape. */
export function newApi(): Api {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      if (result.target === 'json') throw invalidBody(result.error);
      // An id of the wrong form names nothing that could exist.
      if (result.target === 'param') {
        throw new ApiError(
          404,
          'not-found',
          'No id has this form. Take ids from the lists, escaped as they are there.',
        );
      }
      throw invalidRequest(result.error, result.target);
    },
  });
}

/** A JSON body, or answer, of this schema, as OpenAPI describes it. */
export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});
const failure = (description: string) => json(errorBody, description);

/** Failures any route may answer with. */
export const FAILURES = {
  400: failure('The request cannot be read.'),
  401: failure('No live bearer token.'),
  403: failure('The role of the token may not do this, or its scope does not have it.'),
  500: failure('A fault of Starling, logged there.'),
  503: failure('The database does not answer, or this Starling is stopping; Retry-After says when to come again.'),
} as const;
export const NOT_FOUND = { 404: failure('There is no such thing.') } as const;
export const CONFLICT = {
  409: failure('The state of the thing does not allow it, or the same request is still under way.'),
} as const;
export const BODY_FAILURES = {
  413: failure('The body is too large.'),
  415: failure('The body is of another type than the route takes.'),
  422: failure('The body is not what the route takes, or the Idempotency-Key belongs to another request.'),
} as const;
export const TOO_MANY = { 429: failure('Too many at once; Retry-After says when to come again.') } as const;

/**
 * Description and security of a route: what it does, and who may. A list of permissions means any of them. Programs read them in `security`:
 * in OpenAPI 3.1 the list of a bearer scheme names what is demanded of the caller.
 */
export function about(
  tag: string,
  summary: string,
  permission: Permission | readonly [Permission, ...Permission[]],
  description?: string,
) {
  const anyOf = typeof permission === 'string' ? [permission] : permission;
  const roles = `Roles: ${rolesWith(anyOf).join(', ')}. Scope: ${anyOf.join(' or ')}.`;
  return {
    tags: [tag],
    summary,
    description: description === undefined ? roles : `${description}\n\n${roles}`,
    security: anyOf.map((each) => ({ bearer: [each as string] })),
  };
}

/** A route below /api/v1 as it is described: who may call it. */
export interface RouteRule {
  method: string;
  path: string;
  summary: string;
  /** Any of them is enough; none of them is a mistake that a test finds. */
  anyOf: readonly Permission[];
}

/** The rules of all routes of `api` below /api/v1, in the order in which they were registered. */
export function routeRules(api: Api): RouteRule[] {
  return api.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== 'route' || !definition.route.path.startsWith('/api/v1/')) return [];
    const { method, path, summary = '', security = [] } = definition.route;
    const anyOf = security.flatMap(({ bearer = [] }) => bearer) as Permission[];
    return [{ method: method.toUpperCase(), path, summary, anyOf }];
  });
}

/** The body of a route, as JSON; validated because it is required, even when the caller sent none. */
export const body = <T extends z.ZodType>(schema: T) => ({
  content: { 'application/json': { schema } },
  required: true,
});

/** A query value PostgreSQL can hold; the longest are device ids. */
export const queryText = z.string().min(1).max(LIMITS.cpeIdCharsMax).refine(isStorable, 'holds a NUL character');
const isBeyond = (year: number): boolean => year < 1 || year > 9999;

/** A time PostgreSQL can hold in the form we write: its year has four digits, in UTC too. */
export const time = z.iso
  .datetime({ offset: true })
  .refine((text) => !isBeyond(new Date(text).getUTCFullYear()), 'must be in the years 0001 to 9999')
  .openapi({ example: '2026-01-31T12:00:00Z' });

/** `cursor` and `limit` of every list. */
export const page = {
  cursor: queryText.optional().openapi({ description: 'The `next` of the page before.' }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.pageRowsMax)
    .optional()
    .openapi({ description: `Rows in the page, 1 to ${LIMITS.pageRowsMax}; ${LIMITS.pageRows} when not given.` }),
};

/** Ids are made of characters that need no escaping in a URL (base/ids.ts). */
export const id = z
  .string()
  .regex(/^[A-Za-z0-9_~.-]+$/)
  .max(LIMITS.cpeIdCharsMax);
export const deviceParams = z.object({
  id: id.openapi({
    description: 'Device id: OUI-ProductClass-SerialNumber, escaped once.',
    example: '00259E-HG8245-48575443A1B2',
  }),
});
export const idParams = z.object({ id });

/** A name that people know each other by: what cannot be seen, or turns the text around, could make it look like another one. */
export const personName = z
  .string()
  .normalize('NFC')
  .trim()
  .min(1)
  .max(LIMITS.personNameCharsMax)
  .regex(/^\P{C}*$/u, 'must not hold control or invisible characters');
