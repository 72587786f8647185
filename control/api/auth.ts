// Who may do what over the API: the bearer token of a request becomes a Principal, and each route names the permission it needs.
// How tokens are kept is the business of TokenService; what an action may do to a device is judged by its plan.

import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import { PERMISSIONS, type Permission, type Role } from '../permissions.ts';
import type { Principal, TokenService } from '../services.ts';
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

/** @throws ApiError 403 naming the roles that may. */
export function demand(principal: Principal, permission: Permission): void {
  const roles: readonly Role[] = PERMISSIONS[permission];
  if (roles.includes(principal.role)) return;
  throw new ApiError(
    403,
    'forbidden',
    `Role '${principal.role}' may not do this; it takes ${roles.join(' or ')}. Use a token of such a role.`,
  );
}

/** Middleware for a route: refuses whoever lacks the permission before the body is read. */
export function may(permission: Permission): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    demand(c.get('principal'), permission);
    await next();
  };
}

/** Middleware for all of /api/v1: RFC 6750 bearer tokens in the Authorization header, nowhere else. */
export function bearer(tokens: TokenService): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const header = c.req.header('authorization');
    if (header === undefined) {
      throw unauthorized(
        'no-token',
        'Send `Authorization: Bearer <token>`. `starling up` prints the first token at its first start.',
        '',
      );
    }
    const token = /^bearer +(\S+) *$/i.exec(header)?.[1];
    const principal = token === undefined ? null : await tokens.authenticate(token);
    if (principal === null) {
      throw unauthorized(
        'bad-token',
        'This token is unknown, expired or revoked. Ask an admin for a new one.',
        ', error="invalid_token"',
      );
    }
    c.set('principal', principal);
    await next();
  };
}

function unauthorized(code: string, message: string, suffix: string): ApiError {
  return new ApiError(401, code, message, { headers: { 'WWW-Authenticate': `Bearer realm="starling"${suffix}` } });
}
