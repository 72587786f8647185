// Routes of people, and of who the caller is. People are changed and disabled, never deleted: evidence names them.

import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import { permissionsOf, ROLES } from '../permissions.ts';
import type { Services } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import { idempotencyHeader, once } from './idempotency.ts';
import {
  type Api,
  about,
  BODY_FAILURES,
  body,
  CONFLICT,
  FAILURES,
  idParams,
  json,
  NOT_FOUND,
  page,
  personName,
} from './routes.ts';
import { pageOf, personView, whoamiView } from './views.ts';

const name = personName.openapi({
  description: 'Of one person only, whatever its case: the owner of what the person does.',
});
const email = z.email('must be an address such as ada@example.net').max(LIMITS.emailCharsMax);
const newPerson = z.strictObject({ name, role: z.enum(ROLES), email: email.optional() });
const personChange = z
  .strictObject({
    name: name.optional(),
    role: z.enum(ROLES).optional(),
    email: email.nullable().optional().openapi({ description: 'null takes it away.' }),
    disabled: z.boolean().optional().openapi({ description: 'While true, all tokens of the person are refused.' }),
  })
  .refine((given) => Object.keys(given).length > 0, 'give name, role, email or disabled');

/** Registers the routes of people on `api`. */
export function personRoutes(
  api: Api,
  { people, tokens, idempotency }: Pick<Services, 'people' | 'tokens' | 'idempotency'>,
): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/people',
      ...about('People', 'List people', ['people', 'audit'], 'Disabled ones included, in the order of names.'),
      middleware: [may('people', 'audit')],
      request: { query: z.strictObject(page) },
      responses: { 200: json(pageOf(personView, 'PersonPage'), 'One page.'), ...FAILURES },
    }),
    async (c) => c.json(await people.list(c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/people/{id}',
      ...about('People', 'Read one person', ['people', 'audit']),
      middleware: [may('people', 'audit')],
      request: { params: idParams },
      responses: { 200: json(personView, 'The person.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await people.get(c.req.valid('param').id), 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/v1/people',
      ...about(
        'People',
        'Make a person',
        'people',
        'Who can do nothing yet: POST /api/v1/tokens makes a token for the person.',
      ),
      middleware: [may('people'), jsonBody, once(idempotency)],
      request: { headers: idempotencyHeader, body: body(newPerson) },
      responses: { 201: json(personView, 'Made.'), ...FAILURES, ...CONFLICT, ...BODY_FAILURES },
    }),
    async (c) => {
      const person = await people.create(c.req.valid('json'), c.get('principal'));
      c.header('Location', `/api/v1/people/${person.id}`);
      return c.json(person, 201);
    },
  );

  api.openapi(
    createRoute({
      method: 'patch',
      path: '/api/v1/people/{id}',
      ...about(
        'People',
        'Change, disable or enable a person',
        'people',
        'What is left out stays. It holds for all tokens of the person from their next request on. 409 when no enabled admin would be left.',
      ),
      middleware: [may('people'), jsonBody],
      request: { params: idParams, body: body(personChange) },
      responses: {
        200: json(personView, 'The person as it is now.'),
        ...FAILURES,
        ...NOT_FOUND,
        ...CONFLICT,
        ...BODY_FAILURES,
      },
    }),
    async (c) => c.json(await people.change(c.req.valid('param').id, c.req.valid('json'), c.get('principal')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/whoami',
      ...about('People', 'Who the token of this request is', 'read', 'And what is left to it after its scope.'),
      middleware: [may('read')],
      responses: { 200: json(whoamiView, 'The caller.'), ...FAILURES },
    }),
    async (c) => {
      const principal = c.get('principal');
      const { id, name, hint, expiresAt, person } = await tokens.get(principal.tokenId);
      const permissions = permissionsOf(principal);
      const token = { id, name, hint, expiresAt };
      return c.json({ name: principal.name, role: principal.role, person, permissions, token }, 200);
    },
  );
}
