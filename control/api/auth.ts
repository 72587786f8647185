// Who may do what over the API: the bearer token of a request becomes a Principal, and each route names the permission it needs.
// How tokens are kept is the business of TokenService; what an action may do to a device is judged by its plan.

import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import type { Counter } from 'prom-client';
import { isPermitted, type Permission, rolesWith } from '../permissions.ts';
import type { Authentication, Principal, TokenService } from '../services.ts';
import { ApiError } from './errors.ts';

/** What middlewares hand on to the handlers of a request. */
export interface ApiEnv {
  Bindings: HttpBindings;
  Variables: {
    /** Set for every route below /api/v1. */
    principal: Principal;
    /** The parsed body; set by jsonBody, for the fingerprint of an Idempotency-Key. */
    body: unknown;
  };
}

/**
 * Demands one of these permissions of a caller.
 * @throws ApiError 403 `forbidden` naming the roles that may, or `out-of-scope` naming what the scope of the token lacks.
 */
export function demand(principal: Principal, ...anyOf: [Permission, ...Permission[]]): void {
  if (anyOf.some((permission) => isPermitted(principal, permission))) return;
  const held = anyOf.filter((permission) => isPermitted({ ...principal, scope: null }, permission));
  if (held.length === 0) {
    const roles = rolesWith(anyOf).join(' or ');
    const message = `Role '${principal.role}' may not do this; it takes ${roles}. Use a token of such a role.`;
    throw new ApiError(403, 'forbidden', message);
  }
  const message = `This token is narrowed and lacks the permission ${held.join(' or ')}. Use one whose scope has it.`;
  throw new ApiError(403, 'out-of-scope', message);
}

/** Middleware for a route: refuses whoever has none of these permissions before the body is read. */
export function may(...anyOf: [Permission, ...Permission[]]): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    demand(c.get('principal'), ...anyOf);
    await next();
  };
}

/** Middleware for all of /api/v1: RFC 6750 bearer tokens in the Authorization header, nowhere else. Each is counted in `outcomes`. */
export function bearer(tokens: TokenService, outcomes: Counter<'outcome'>): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const header = c.req.header('authorization');
    if (header === undefined) {
      outcomes.inc({ outcome: 'none' });
      throw unauthorized(
        'no-token',
        'Send `Authorization: Bearer <token>`. `starling up` prints the first token at its first start.',
        '',
      );
    }
    const token = /^bearer +(\S+) *$/i.exec(header)?.[1];
    const found: Authentication = token === undefined ? { type: 'unknown' } : await tokens.authenticate(token);
    outcomes.inc({ outcome: found.type });
    if (found.type !== 'ok') throw refusal(found);
    c.set('principal', found.principal);
    await next();
  };
}

/**
 * Whoever shows a token that was made here holds it, and learns why it ended. But a revoked one looks like none: it may be revoked because
 * it was stolen, and then its holder need not know that this was noticed.
 */
function refusal(found: Exclude<Authentication, { type: 'ok' }>): ApiError {
  const suffix = ', error="invalid_token"';
  switch (found.type) {
    case 'expired':
      return unauthorized('token-expired', `This token expired at ${found.at}. Ask an admin for a new one.`, suffix);
    case 'disabled':
      return unauthorized(
        'person-disabled',
        'The person this token belongs to is disabled. Ask an admin to enable the person.',
        suffix,
      );
    case 'revoked':
    case 'unknown':
      return unauthorized('bad-token', 'This token is unknown or revoked. Ask an admin for a new one.', suffix);
  }
}

function unauthorized(code: string, message: string, suffix: string): ApiError {
  return new ApiError(401, code, message, { headers: { 'WWW-Authenticate': `Bearer realm="starling"${suffix}` } });
}
