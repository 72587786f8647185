// What a caller may ask to be done to a device: the body of POST /devices/{id}/actions, by kind, checked field by field.
// The API, and every later caller that is not a person at the API, validates with this one schema. It resolves no names: plan.ts does.

import { z } from 'zod';
import { LIMITS } from '../../base/limits.ts';
import type { ActionKind } from '../../bus/messages.ts';

/** A path (`Device.WiFi.SSID.1.SSID`) or a canonical name of the device's profile (`wifi.2g.ssid`). */
const name = z.string().trim().min(1).max(LIMITS.parameterNameCharsMax);
/** Values travel as text; numbers and booleans are accepted for the caller's comfort and written in their XML form. */
const value = z.union([z.string().max(LIMITS.valueCharsMax), z.number(), z.boolean()]);
const values = z
  .record(name, value)
  .refine(
    (v) => Object.keys(v).length <= LIMITS.actionNamesMax,
    `at most ${LIMITS.actionNamesMax} values in one action`,
  );
/** `1 Firmware Upgrade Image`, `3 Vendor Configuration File`, `X <OUI> …` (A.3.2.8). */
const fileType = z.string().trim().min(1).max(64);

const common = {
  /** Why, in the words of the person who asks; kept in evidence. */
  reason: z.string().max(1_000).optional(),
  /** Ticket or order this belongs to. */
  reference: z.string().max(200).optional(),
  /** Ask the CPE to connect at once instead of waiting for its next periodic Inform. */
  wake: z.boolean().optional(),
  /** ISO 8601 time after which the action must not start any more. */
  expiresAt: z.iso.datetime({ offset: true }).optional(),
  /** Plan only: nothing happens before the plan is submitted with its hash. */
  preview: z.boolean().optional(),
};

const kinds = [
  z.strictObject({ kind: z.literal('get'), ...common, names: z.array(name).min(1).max(LIMITS.actionNamesMax) }),
  z.strictObject({
    kind: z.literal('set'),
    ...common,
    values: values.refine((v) => Object.keys(v).length > 0, 'name at least one value to set'),
  }),
  z.strictObject({ kind: z.literal('refresh'), ...common, name: name.optional() }),
  z.strictObject({ kind: z.literal('add'), ...common, name, values: values.optional() }),
  z.strictObject({ kind: z.literal('delete'), ...common, name }),
  z.strictObject({ kind: z.literal('reboot'), ...common }),
  z.strictObject({ kind: z.literal('factory-reset'), ...common }),
  z
    .strictObject({
      kind: z.literal('download'),
      ...common,
      fileType,
      /** Id of a file of ours (GET /files), or … */
      file: z.string().min(1).max(64).optional(),
      /** … an address outside; exactly one of the two. */
      url: z.url().max(256).optional(),
      username: z.string().max(256).optional(),
      password: z.string().max(256).optional(),
      targetFileName: z.string().max(256).optional(),
      delaySeconds: z.int().min(0).max(86_400).optional(),
    })
    .refine((a) => (a.file === undefined) !== (a.url === undefined), 'give either file or url'),
  z.strictObject({ kind: z.literal('upload'), ...common, fileType }),
  /** `test` is IPPing, TraceRoute, Download, Upload or NSLookup; its further fields are that test's inputs (`Host`, `NumberOfRepetitions`, …). */
  z.object({ kind: z.literal('diagnose'), ...common, test: z.string().min(1).max(32) }).catchall(value),
  z.strictObject({ kind: z.literal('schedule-inform'), ...common, delaySeconds: z.int().min(1).max(2_592_000) }),
  z.strictObject({
    kind: z.literal('rpc'),
    ...common,
    method: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/),
    arguments: z.record(z.string(), z.unknown()).default({}),
  }),
] as const;

export const actionRequest = z.discriminatedUnion('kind', kinds);
export type ActionRequest = z.infer<typeof actionRequest>;
export type ActionRequestOf<K extends ActionKind> = Extract<ActionRequest, { kind: K }>;
