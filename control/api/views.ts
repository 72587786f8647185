// What the API answers with, as schemas: openapi.json is printed from them, and the compiler holds them against the views of
// services.ts. Answers are not checked at run time; control made them.

import { z } from '@hono/zod-openapi';
import { ACTION_KINDS, type ActionResult, OUTCOMES } from '../../bus/messages.ts';
import { batchPace, batchSelection } from '../batches/request.ts';
import { PERMISSION_NAMES, ROLES } from '../permissions.ts';
import { APPROVAL_NEEDS } from '../policy/approval-matrix.ts';
import {
  ACTION_STATES,
  type ActionDetail,
  type ActionExplanation,
  type ActionView,
  BATCH_STATES,
  type BatchDetail,
  type BatchProof,
  type BatchView,
  type ConnectorView,
  type CredentialsView,
  type DeviceView,
  type FileView,
  type HealthView,
  type ParameterExplanation,
  type ParameterView,
  type PersonView,
  type QueueEntry,
  type RecordingView,
  type RotationView,
  type SecretView,
  type TimelineEntry,
  type TokenView,
} from '../services.ts';

const time = z.string().openapi({ format: 'date-time', description: 'RFC 3339, UTC.' });
const facts = z.record(z.string(), z.unknown());
const parameterValue = z.object({ Name: z.string(), Value: z.string(), Type: z.string() });

/** A keyset page of `item`, named for openapi.json. */
export function pageOf<T extends z.ZodType>(item: T, name: string) {
  const next = z
    .string()
    .nullable()
    .openapi({ description: 'Hand it back as `cursor` for the following page; null on the last.' });
  return z.object({ items: z.array(item), next }).openapi(name);
}

export const deviceView = z
  .object({
    id: z
      .string()
      .openapi({ description: 'OUI-ProductClass-SerialNumber, escaped once.', example: '00259E-HG8245-48575443A1B2' }),
    manufacturer: z.string(),
    oui: z.string(),
    productClass: z.string(),
    serialNumber: z.string(),
    root: z.string().openapi({ description: "`Device.` or `InternetGatewayDevice.`; '' before the first Inform." }),
    modelName: z.string(),
    hardwareVersion: z.string(),
    softwareVersion: z.string(),
    profile: z.string(),
    cwmpVersion: z.string(),
    address: z.string(),
    connectionRequestUrl: z.string(),
    edgeId: z.string().nullable(),
    pop: z.string().nullable(),
    tags: z.array(z.string()),
    firstSeenAt: time.nullable(),
    lastSeenAt: time.nullable(),
    lastInformAt: time.nullable(),
    lastBootAt: time.nullable(),
    lastBootstrapAt: time.nullable(),
    openActions: z.number(),
  })
  .openapi('Device') satisfies z.ZodType<DeviceView>;

export const parameterView = z
  .object({
    name: z.string(),
    canonical: z.string().nullable(),
    value: z.string().nullable().openapi({
      description: "null: never read, or not kept. '••••' for secrets, '' for a secret that the device does not show.",
    }),
    type: z.string(),
    writable: z.boolean().nullable(),
    notification: z.number().nullable(),
    secret: z.boolean(),
    readAt: time.nullable().openapi({ description: 'When the value was last told or read.' }),
  })
  .openapi('Parameter') satisfies z.ZodType<ParameterView>;

export const timelineEntry = z
  .object({
    id: z.string(),
    at: time,
    deviceId: z.string().nullable(),
    actionId: z.string().nullable(),
    kind: z.string(),
    summary: z.string(),
    body: facts,
  })
  .openapi('TimelineEntry') satisfies z.ZodType<TimelineEntry>;

const redactedPair = z.object({ username: z.string(), password: z.literal('••••') });
export const credentialsView = z
  .object({ cpe: redactedPair.nullable(), connectionRequest: z.array(redactedPair) })
  .openapi('Credentials') satisfies z.ZodType<CredentialsView>;

export const actionView = z
  .object({
    id: z.string(),
    kind: z.enum(ACTION_KINDS),
    state: z.enum(ACTION_STATES),
    outcome: z.enum(OUTCOMES).nullable(),
    why: z.string().openapi({ description: 'The latest sentence about it: what it waits for, or how it ended.' }),
    owner: z.object({
      kind: z.enum(['person', 'policy', 'campaign', 'agent']),
      name: z.string(),
      role: z.string(),
      reason: z.string().nullable(),
      reference: z.string().nullable(),
    }),
    object: z.object({
      connector: z.literal('cwmp'),
      ref: z.string(),
      externalId: z.string().nullable(),
      customer: z.string().nullable(),
      site: z.string().nullable(),
    }),
    request: facts,
    generation: z.number(),
    priority: z.number(),
    commandKey: z.string(),
    wake: z.boolean(),
    createdAt: time,
    expiresAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    recovers: z.string().nullable().openapi({ description: 'The action that this one takes back.' }),
    batchId: z.string().nullable().openapi({ description: 'The batch that it is part of.' }),
    closed: z
      .object({ at: time, by: z.string(), note: z.string() })
      .nullable()
      .openapi({ description: 'Who looked at what did not end well.' }),
  })
  .openapi('Action') satisfies z.ZodType<ActionView>;

const faultCode = z.number().openapi({ description: 'CWMP fault code, A.5.' });
const actionResult = z
  .object({
    outcome: z.enum(OUTCOMES),
    why: z.string(),
    unknown: z.boolean().optional().openapi({ description: 'True when what the device did is not known.' }),
    before: z.array(parameterValue),
    after: z.array(parameterValue),
    items: z.array(
      z.object({ name: z.string(), status: z.string(), faultCode: faultCode.optional(), text: z.string().optional() }),
    ),
    fault: z.object({ FaultCode: faultCode, FaultString: z.string() }).optional(),
    data: facts,
    rpcs: z.array(
      z.object({
        at: z.number(),
        method: z.string(),
        args: facts,
        answer: z.enum(['response', 'fault', 'none']),
        result: facts.optional(),
        fault: z
          .object({
            FaultCode: faultCode,
            FaultString: z.string(),
            SetParameterValuesFault: z.array(
              z.object({ ParameterName: z.string(), FaultCode: faultCode, FaultString: z.string() }),
            ),
          })
          .optional(),
        durationMs: z.number(),
        sessionId: z.string(),
      }),
    ),
    startedAt: z.number(),
    endedAt: z.number(),
  })
  .openapi('ActionResult') satisfies z.ZodType<ActionResult>;

const recovery = z.object({ possible: z.boolean(), text: z.string() });

export const actionDetail = actionView
  .extend({
    plan: z.object({
      hash: z.string().openapi({ description: 'sha256 of the plan: what an approval is bound to.' }),
      rpcs: z.array(z.object({ method: z.string(), args: facts, note: z.string().optional() })),
      diff: z.array(
        z.object({
          name: z.string(),
          canonical: z.string().nullable(),
          from: z.string().nullable(),
          to: z.string().nullable(),
          readAt: time.nullable(),
          ageSeconds: z.number().nullable(),
        }),
      ),
      words: z.string().openapi({ description: 'What will happen, for people.' }),
      impact: z.object({ reboot: z.boolean(), serviceCut: z.boolean(), customers: z.number(), text: z.string() }),
      risk: z.enum(['none', 'low', 'medium', 'high']),
      expected: z.string(),
      recovery,
      createdAt: time,
    }),
    needs: z
      .object({ need: z.enum(APPROVAL_NEEDS), approvers: z.array(z.enum(ROLES)), why: z.string() })
      .nullable()
      .openapi({ description: 'Who has to approve it, while it waits for that.' }),
    approvals: z.array(
      z.object({
        decision: z.enum(['auto', 'approved', 'rejected']),
        by: z.string(),
        role: z.string().nullable(),
        planHash: z.string(),
        at: time,
        until: time.nullable(),
        why: z.string(),
      }),
    ),
    result: actionResult.nullable(),
    recovery: recovery.extend({
      state: z.enum(['not-run', 'running', 'done', 'failed']),
      actionId: z.string().nullable().openapi({ description: 'The action that took it back, or tried to last.' }),
    }),
    evidence: z.array(
      z.object({
        seq: z.string(),
        at: time,
        kind: z.string(),
        body: facts,
        agedOut: z.boolean().openapi({
          description: 'Older than evidence is kept: the body was dropped, its digest stays in the chain.',
        }),
      }),
    ),
  })
  .openapi('ActionDetail') satisfies z.ZodType<ActionDetail>;

export const queueEntry = z
  .object({
    action: actionView,
    faults: z.array(z.object({ code: faultCode, text: z.string() })),
    isKnown: z.boolean().openapi({ description: 'False: what the device did is not known, and somebody has to look.' }),
    nextStep: z.string(),
    ageSeconds: z.number().openapi({ description: 'Since it ended.' }),
  })
  .openapi('QueueEntry') satisfies z.ZodType<QueueEntry>;

const batchCounts = z.object({
  selected: z.number(),
  excluded: z.number(),
  unplannable: z.number(),
  actions: z.number(),
  counts: z.record(z.string(), z.number()).openapi({ description: 'Actions by state.' }),
  reconciles: z.boolean().openapi({ description: 'selected = excluded + unplannable + actions.' }),
});
export const batchView = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: z.enum(BATCH_STATES),
    why: z.string(),
    owner: actionView.shape.owner,
    selection: batchSelection,
    request: facts,
    pace: batchPace,
    risk: z.enum(['none', 'low', 'medium', 'high']).nullable(),
    root: z.string().nullable().openapi({ description: 'Over the hashes of all plans: what an approval is bound to.' }),
    devices: z.number(),
    createdAt: time,
    expiresAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
  })
  .openapi('Batch') satisfies z.ZodType<BatchView>;
export const batchDetail = batchView
  .extend({
    counts: batchCounts,
    refusals: z
      .record(z.string(), z.number())
      .openapi({ description: 'Devices that could not be planned, by reason.' }),
    needs: actionDetail.shape.needs,
    approvals: z.array(
      z.object({
        decision: z.enum(['auto', 'approved', 'rejected']),
        by: z.string(),
        role: z.string().nullable(),
        root: z.string(),
        at: time,
        why: z.string(),
      }),
    ),
    evidence: actionDetail.shape.evidence,
  })
  .openapi('BatchDetail') satisfies z.ZodType<BatchDetail>;
export const batchRefusal = z
  .object({ deviceId: z.string(), code: z.string(), message: z.string() })
  .openapi('BatchRefusal');
export const batchProof = z
  .object({
    root: z.string(),
    deviceId: z.string(),
    planHash: z.string(),
    leaf: z.string(),
    steps: z.array(z.object({ hash: z.string(), ours: z.enum(['left', 'right']) })),
  })
  .openapi('BatchProof') satisfies z.ZodType<BatchProof>;
const owner = actionView.shape.owner;
export const parameterExplanation = z
  .object({
    name: z.string(),
    canonical: z.string().nullable(),
    value: parameterView.shape.value,
    type: z.string(),
    writable: z.boolean().nullable(),
    secret: z.boolean(),
    readAt: time.nullable(),
    source: z.object({
      kind: z.enum(['action', 'policy', 'cpe', 'factory', 'unknown']).openapi({
        description: 'cpe: the device itself, or somebody at it; factory: nobody since the device forgot its settings.',
      }),
      at: time.nullable(),
      actionId: z.string().nullable(),
      by: owner.nullable(),
    }),
    history: z
      .array(
        z.object({
          at: time,
          kind: z.enum([...ACTION_KINDS, 'told', 'read', 'bootstrap']),
          by: owner.nullable().openapi({ description: 'null: the device itself, or somebody at it.' }),
          actionId: z.string().nullable(),
          from: z.string().nullable(),
          to: z.string().nullable(),
          approvals: z.array(
            z.object({ decision: z.enum(['auto', 'approved', 'rejected']), by: z.string(), at: time }),
          ),
          outcome: z.enum(OUTCOMES).nullable(),
          text: z.string(),
        }),
      )
      .openapi({ description: 'Newest first.' }),
    text: z.string(),
  })
  .openapi('ParameterExplanation') satisfies z.ZodType<ParameterExplanation>;

export const actionExplanation = z
  .object({
    text: z.string().openapi({ description: 'For staff.' }),
    forCustomer: z.string().openapi({ description: 'To be read out: no paths, codes or names of staff.' }),
  })
  .openapi('ActionExplanation') satisfies z.ZodType<ActionExplanation>;

const keyFingerprint = z
  .string()
  .openapi({ description: 'Of a key; nothing can be found from it.', example: '3f09c1d2a4b5' });
export const rotationView = z
  .object({
    sealing: keyFingerprint,
    controls: z.array(
      z.object({ host: z.string(), held: z.array(keyFingerprint), sealing: keyFingerprint.nullable() }),
    ),
    rotation: z
      .object({
        key: keyFingerprint,
        state: z.enum(['waiting-for-controls', 'settling', 'walking', 'ended']),
        begunAt: time,
        begunBy: z.string(),
        endedAt: time.nullable(),
        walk: z
          .number()
          .openapi({ description: 'Counts the goes over all columns; the last one found nothing to do.' }),
        columns: z.array(
          z.object({
            name: z.string(),
            part: z.number().openapi({ description: 'How far the present walk has come, 0 to 1.' }),
            resealed: z.number().openapi({ description: 'In all walks.' }),
            unopened: z
              .number()
              .openapi({ description: 'Texts that open with no key that is here; they stay as they are.' }),
          }),
        ),
      })
      .nullable(),
  })
  .openapi('Rotation') satisfies z.ZodType<RotationView>;

export const secretView = z
  .object({
    name: z.string().openapi({ description: 'The path.' }),
    value: z.string(),
    source: z.enum(['device', 'action']).openapi({
      description: 'The device told it; or it hides it, and this is what the last action that set it has set.',
    }),
    actionId: z.string().nullable(),
    asOf: time.openapi({
      description: 'When it was told, or set. A customer may have changed it on the device since.',
    }),
  })
  .openapi('Secret') satisfies z.ZodType<SecretView>;

export const fileView = z
  .object({
    id: z.string(),
    name: z.string(),
    fileType: z.string(),
    bytes: z.number(),
    sha256: z.string(),
    source: z.enum(['operator', 'device']),
    deviceId: z.string().nullable(),
    actionId: z.string().nullable(),
    createdBy: z.string().nullable(),
    createdAt: time,
  })
  .openapi('File') satisfies z.ZodType<FileView>;

const personRef = z.object({ id: z.string(), name: z.string() });
const role = z.enum(ROLES);
export const recordingView = z
  .object({
    id: z.string(),
    deviceId: z.string(),
    askedBy: z.string(),
    askedAt: time,
    until: time.openapi({ description: 'Sessions that begin later are not recorded.' }),
    sessionsMax: z.number(),
    state: z.enum(['recording', 'fetching', 'done', 'empty', 'lost']),
    why: z.string(),
    sessions: z.number(),
    exchanges: z.number(),
    bytes: z.number(),
    cut: z.boolean().openapi({ description: 'It grew too large: what came later is missing.' }),
    endedAt: time.nullable(),
  })
  .openapi('Recording') satisfies z.ZodType<RecordingView>;

export const tokenView = z
  .object({
    id: z.string(),
    name: z.string(),
    role: role.openapi({ description: "The person's as it is now, or the token's own when it is a program's." }),
    person: personRef.nullable().openapi({ description: "Whose it is; null for a program's." }),
    scope: z
      .array(z.enum(PERMISSION_NAMES))
      .nullable()
      .openapi({ description: 'What it is narrowed to; null: all that the role may.' }),
    hint: z.string().openapi({ description: 'First characters of the token, to tell tokens apart.' }),
    createdAt: time,
    createdBy: z.string(),
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
    revokedAt: time.nullable(),
  })
  .openapi('Token') satisfies z.ZodType<TokenView>;

export const personView = z
  .object({
    id: z.string(),
    name: z.string(),
    role,
    email: z.string().nullable(),
    createdAt: time,
    createdBy: z.string(),
    disabledAt: time.nullable().openapi({ description: 'Since when all tokens of the person are refused.' }),
  })
  .openapi('Person') satisfies z.ZodType<PersonView>;

export const whoamiView = z
  .object({
    name: z.string().openapi({ description: 'What the caller is recorded under: of the person, or of the token.' }),
    role,
    person: personRef.nullable(),
    permissions: z
      .array(z.enum(PERMISSION_NAMES))
      .openapi({ description: 'What the token may: of the role, as far as its scope goes.' }),
    token: z.object({ id: z.string(), name: z.string(), hint: z.string(), expiresAt: time.nullable() }),
  })
  .openapi('Whoami');

export const connectorView = z
  .object({
    id: z.string(),
    kind: z.literal('cwmp'),
    state: z.enum(['ok', 'degraded', 'down']),
    text: z.string(),
    pathsOnline: z.number(),
    pathsKnown: z.number(),
    actionsQueued: z.number(),
    actionsRunning: z.number(),
    criticalFails: z.number(),
    edges: z.array(
      z.object({ edgeId: z.string(), pop: z.string(), version: z.string(), lastFactAt: time, devices: z.number() }),
    ),
    parkedMessages: z.number(),
  })
  .openapi('Connector') satisfies z.ZodType<ConnectorView>;

export const healthView = z
  .object({ ok: z.boolean(), checks: z.array(z.object({ name: z.string(), ok: z.boolean(), text: z.string() })) })
  .openapi('Health') satisfies z.ZodType<HealthView>;
