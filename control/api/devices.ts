// Routes of devices: the registry as seen from outside. Actions on a device are in actions.ts.

import { createRoute, z } from '@hono/zod-openapi';
import { LIMITS } from '../../base/limits.ts';
import type { DeviceService } from '../services.ts';
import { may } from './auth.ts';
import { jsonBody } from './body.ts';
import {
  type Api,
  about,
  BODY_FAILURES,
  body,
  deviceParams,
  FAILURES,
  json,
  NOT_FOUND,
  page,
  queryText,
  time,
} from './routes.ts';
import { credentialsView, deviceView, pageOf, parameterView, timelineEntry } from './views.ts';

// Both ends carry these in HTTP headers and XML, where control characters have no place.
const credential = z
  .string()
  .min(1)
  .max(256)
  .regex(/^\P{Cc}*$/u, 'must not hold control characters');
const pair = z.strictObject({
  // RFC 7617 §2: a user-id in Basic cannot hold a colon.
  username: credential.regex(/^[^:]*$/, 'must not hold a colon'),
  password: credential,
});
const newCredentials = z
  .strictObject({
    cpe: pair
      .nullable()
      .optional()
      .openapi({ description: 'How the CPE proves itself; null takes it away. Left out: unchanged.' }),
    connectionRequest: z
      .array(pair)
      .max(LIMITS.connectionRequestCredentialsMax)
      .optional()
      .openapi({ description: 'What connection requests use, tried in order. Left out: unchanged.' }),
  })
  .refine(
    (given) => given.cpe !== undefined || given.connectionRequest !== undefined,
    'give cpe, connectionRequest or both',
  );

const newTags = z.strictObject({
  tags: z
    .array(z.string().min(1).max(LIMITS.tagCharsMax))
    .max(LIMITS.tagsMax)
    .openapi({ description: 'All tags the device shall have.' }),
});

/** Registers the routes of devices on `api`. */
export function deviceRoutes(api: Api, devices: DeviceService): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/devices',
      ...about('Devices', 'List devices', 'read', 'All filters must hold at once.'),
      middleware: [may('read')],
      request: {
        query: z.strictObject({
          q: queryText
            .optional()
            .openapi({ description: 'Part of the id, serial number, address or model name, in any case.' }),
          manufacturer: queryText.optional(),
          oui: queryText.optional(),
          productClass: queryText.optional(),
          softwareVersion: queryText.optional(),
          profile: queryText.optional(),
          tag: queryText.optional(),
          edgeId: queryText.optional(),
          seenSince: time.optional().openapi({ description: 'Heard from at or after this time.' }),
          silentSince: time.optional().openapi({ description: 'Not heard from since this time.' }),
          ...page,
        }),
      },
      responses: { 200: json(pageOf(deviceView, 'DevicePage'), 'One page.'), ...FAILURES },
    }),
    async (c) => c.json(await devices.list(c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/devices/{id}',
      ...about('Devices', 'Read one device', 'read'),
      middleware: [may('read')],
      request: { params: deviceParams },
      responses: { 200: json(deviceView, 'The device.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await devices.get(c.req.valid('param').id), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/devices/{id}/parameters',
      ...about(
        'Devices',
        'Read the last known parameters',
        'read',
        'Values are as of `readAt`; an action of kind `get` reads them anew. Secrets are redacted.',
      ),
      middleware: [may('read')],
      request: {
        params: deviceParams,
        query: z.strictObject({
          prefix: queryText.optional().openapi({
            description:
              'A path, partial with its dot (`Device.WiFi.`), or a canonical name or its beginning (`wifi.`).',
          }),
          ...page,
        }),
      },
      responses: {
        200: json(pageOf(parameterView, 'ParameterPage'), 'One page, ordered by path.'),
        ...FAILURES,
        ...NOT_FOUND,
      },
    }),
    async (c) => c.json(await devices.parameters(c.req.valid('param').id, c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/devices/{id}/timeline',
      ...about('Devices', 'Read what happened to a device', 'read'),
      middleware: [may('read')],
      request: { params: deviceParams, query: z.strictObject(page) },
      responses: {
        200: json(pageOf(timelineEntry, 'TimelinePage'), 'One page, newest first.'),
        ...FAILURES,
        ...NOT_FOUND,
      },
    }),
    async (c) => c.json(await devices.timeline(c.req.valid('param').id, c.req.valid('query')), 200),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/v1/devices/{id}/credentials',
      ...about('Devices', 'See which credentials a device has', 'credentials', 'Passwords are redacted.'),
      middleware: [may('credentials')],
      request: { params: deviceParams },
      responses: { 200: json(credentialsView, 'The credentials.'), ...FAILURES, ...NOT_FOUND },
    }),
    async (c) => c.json(await devices.credentials(c.req.valid('param').id), 200),
  );

  api.openapi(
    createRoute({
      method: 'put',
      path: '/api/v1/devices/{id}/credentials',
      ...about(
        'Devices',
        'Set the credentials of a device',
        'credentials',
        'Registers a device that has not been seen yet.',
      ),
      middleware: [may('credentials'), jsonBody],
      request: { params: deviceParams, body: body(newCredentials) },
      responses: {
        200: json(credentialsView, 'The credentials as they are now.'),
        ...FAILURES,
        ...NOT_FOUND,
        ...BODY_FAILURES,
      },
    }),
    async (c) =>
      c.json(await devices.setCredentials(c.req.valid('param').id, c.req.valid('json'), c.get('principal')), 200),
  );

  api.openapi(
    createRoute({
      method: 'put',
      path: '/api/v1/devices/{id}/tags',
      ...about('Devices', 'Set the tags of a device', 'act'),
      middleware: [may('act'), jsonBody],
      request: { params: deviceParams, body: body(newTags) },
      responses: { 200: json(deviceView, 'The device as it is now.'), ...FAILURES, ...NOT_FOUND, ...BODY_FAILURES },
    }),
    async (c) =>
      c.json(await devices.setTags(c.req.valid('param').id, c.req.valid('json').tags, c.get('principal')), 200),
  );
}
