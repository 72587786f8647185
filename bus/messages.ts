// Every message that crosses between edge and control, versioned, with its schema. Facts go up (edge → control), decisions go down.
//
// History of MESSAGE_VERSION
//   1  first form; since then the decisions `taken`, `withdraw` and `record`, which an edge that does not know them leaves out, `held` of `inform`, and the
//      fact `recording`
//
// A reader accepts its own version; unknown fields are dropped, unknown types are parked by control with a count, never lost, and taken when
// it was upgraded (control/ingest/unpark.ts). So a new type, or a new member that may be left out, needs no new version, and edges one
// version older or newer than control go on. Where the number has to rise, a reader takes the number before it as well.
//
// A decision is a message of its own. Facts come as they lie in the outbox, several to a message: its payload is the JSON text of a list of
// them, each with its version and its place in the order, and each is taken or parked for itself.

import { z } from 'zod';

export const MESSAGE_VERSION = 1;

const parameterValue = z.object({ Name: z.string(), Value: z.string(), Type: z.string() });
const faultStruct = z.object({ FaultCode: z.number(), FaultString: z.string() });
const deviceId = z.object({
  Manufacturer: z.string(),
  OUI: z.string(),
  ProductClass: z.string(),
  SerialNumber: z.string(),
});

/** What is known of a CPE from its Inform; sent whole with every inform fact, it is small. */
const cpeFacts = z.object({
  device: deviceId,
  /** `Device.` or `InternetGatewayDevice.`; '' while no parameter told. */
  root: z.string(),
  /** cwmp namespace as the CPE writes it and the version agreed on. */
  namespace: z.string(),
  version: z.string(),
  /** Source address as the edge saw it. */
  address: z.string(),
  /** Id of the profile the edge chose. */
  profile: z.string(),
});
export type CpeFacts = z.infer<typeof cpeFacts>;

const rpcRecord = z.object({
  at: z.number(),
  method: z.string(),
  /** Arguments as sent, secrets redacted. */
  args: z.record(z.string(), z.unknown()),
  /** Answer: 'response', a fault, or what else became of it. */
  answer: z.enum(['response', 'fault', 'none']),
  result: z.record(z.string(), z.unknown()).optional(),
  fault: z
    .object({
      FaultCode: z.number(),
      FaultString: z.string(),
      SetParameterValuesFault: z.array(
        z.object({ ParameterName: z.string(), FaultCode: z.number(), FaultString: z.string() }),
      ),
    })
    .optional(),
  durationMs: z.number(),
  sessionId: z.string(),
});
/** One RPC of an action as it happened: the transcript that becomes evidence. */
export type RpcRecord = z.infer<typeof rpcRecord>;

export const OUTCOMES = [
  'done',
  'applied',
  'partial',
  'unsupported',
  'refused',
  'failed',
  'cancelled',
  'expired',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

const actionResult = z.object({
  /** done: verified by read-back or by its own event; applied: accepted, could not be read back. */
  outcome: z.enum(OUTCOMES),
  /** One sentence for a support person. */
  why: z.string(),
  /** True when what the CPE did is not known: somebody has to look at it. Left out otherwise. */
  unknown: z.boolean().optional(),
  /** Values before and after, as read from the CPE; names are paths, secrets redacted. */
  before: z.array(parameterValue),
  after: z.array(parameterValue),
  /** Per parameter or object: what became of it, when they differ. */
  items: z.array(
    z.object({ name: z.string(), status: z.string(), faultCode: z.number().optional(), text: z.string().optional() }),
  ),
  fault: faultStruct.optional(),
  /** Kind-specific results: InstanceNumber, transfer times, diagnostics results, MethodList. */
  data: z.record(z.string(), z.unknown()),
  rpcs: z.array(rpcRecord),
  startedAt: z.number(),
  endedAt: z.number(),
});
export type ActionResult = z.infer<typeof actionResult>;

const facts = {
  /** An edge came up: control re-sends what it must know. */
  hello: z.object({ version: z.string(), threads: z.number(), startedAt: z.number() }),
  /** Batched last contact of quiet devices. */
  seen: z.object({ devices: z.array(z.object({ cpeId: z.string(), at: z.number() })) }),
  /** An Inform that was not quiet: any event but 2 PERIODIC and 6 CONNECTION REQUEST, changed values, or a device new to this edge. */
  inform: z.object({
    cpeId: z.string(),
    sessionId: z.string(),
    cpe: cpeFacts,
    events: z.array(z.object({ EventCode: z.string(), CommandKey: z.string() })),
    retryCount: z.number(),
    currentTime: z.string(),
    /** Parameters that are new or differ from the shadow; all of them for a new device or after 0 BOOTSTRAP. */
    changed: z.array(parameterValue),
    /** True when cached state of the device is to be dropped first: 0 BOOTSTRAP (CWMP 1.9). */
    reset: z.boolean(),
    /** True when the CPE's first empty POST waits until control has taken this: see the decision `taken`. Left out otherwise. */
    held: z.boolean().optional(),
    tolerances: z.array(z.string()),
  }),
  /** Values read from the CPE by GetParameterValues, or written and read back. */
  values: z.object({ cpeId: z.string(), sessionId: z.string(), values: z.array(parameterValue) }),
  /** What GetParameterNames said: under `path`, completely (everything else below it is gone) or not. */
  names: z.object({
    cpeId: z.string(),
    sessionId: z.string(),
    path: z.string(),
    complete: z.boolean(),
    names: z.array(z.object({ Name: z.string(), Writable: z.boolean() })),
  }),
  attributes: z.object({
    cpeId: z.string(),
    sessionId: z.string(),
    attributes: z.array(z.object({ Name: z.string(), Notification: z.number(), AccessList: z.array(z.string()) })),
  }),
  /** A request of the CPE other than Inform: TransferComplete, AutonomousTransferComplete, RequestDownload, Kicked, DU…, by its method. */
  request: z.object({
    cpeId: z.string(),
    sessionId: z.string(),
    method: z.string(),
    args: z.record(z.string(), z.unknown()),
  }),
  /** An action began to run on the CPE, or waits for something of the CPE's. */
  progress: z.object({
    cpeId: z.string(),
    actionId: z.string(),
    generation: z.number(),
    state: z.enum(['running', 'verifying', 'waiting']),
    why: z.string(),
  }),
  result: z.object({ cpeId: z.string(), actionId: z.string(), generation: z.number(), result: actionResult }),
  /** How a session that did something, or failed, ended. */
  session: z.object({
    cpeId: z.string(),
    sessionId: z.string(),
    why: z.string(),
    ok: z.boolean(),
    startedAt: z.number(),
    endedAt: z.number(),
    rpcs: z.number(),
  }),
  /** Outcome of a connection request. */
  wake: z.object({
    cpeId: z.string(),
    outcome: z.enum(['accepted', 'busy', 'unauthorized', 'unreachable', 'refused', 'no-url']),
    method: z.enum(['http']),
    why: z.string(),
    durationMs: z.number(),
  }),
  /** A file the CPE uploaded is complete on the edge's disk. */
  upload: z.object({
    cpeId: z.string(),
    actionId: z.string(),
    fileId: z.string(),
    bytes: z.number(),
    sha256: z.string(),
  }),
  /** A recording that control asked for is over; what there is of it is a file on the edge's disk, null when there is nothing. */
  recording: z.object({
    cpeId: z.string(),
    recordingId: z.string(),
    fileId: z.string().nullable(),
    bytes: z.number(),
    sha256: z.string(),
    sessions: z.number(),
    exchanges: z.number(),
    /** It grew too large: what came later is missing. */
    cut: z.boolean(),
    why: z.string(),
  }),
} as const;

export type FactType = keyof typeof facts;
export type FactBody<T extends FactType> = z.infer<(typeof facts)[T]>;
export type AnyFactBody = { [T in FactType]: { type: T; body: FactBody<T> } }[FactType];

/** One fact as it lies in the outbox and travels: sequence rises within a lane, and with both it has its place. */
export type Fact = AnyFactBody & {
  v: number;
  edgeId: string;
  pop: string;
  /** Each writer of the outbox (session thread, relay) has its own lane, so that order needs no lock between threads. */
  lane: number;
  sequence: number;
  at: number;
};

/** A place in the order of one lane. */
export interface LanePlace {
  lane: number;
  sequence: number;
}

/** Id of a fact: unique among all of all edges, and the same when it is published again. */
export function factMessageId(fact: LanePlace & { edgeId: string }): string {
  return `${fact.edgeId}.${fact.lane}:${fact.sequence}`;
}

/** Id of a message of facts: that of its first one, and where it ends when that is elsewhere. */
export function recordMessageId(record: { edgeId: string; lane: number; first: number; last: number }): string {
  const { edgeId, lane, first, last } = record;
  return `${edgeId}.${lane}:${first}${last === first ? '' : `-${last}`}`;
}

/** Where the message of this id ends; null when it does not say. */
export function endOfMessage(id: string): (LanePlace & { edgeId: string }) | null {
  const [, edgeId, lane, first, last = first] = /^(.+)\.(\d{1,9}):(\d{1,16})(?:-(\d{1,16}))?$/.exec(id) ?? [];
  return edgeId === undefined ? null : { edgeId, lane: Number(lane), sequence: Number(last) };
}

const factMarks = z.object({
  v: z.literal(MESSAGE_VERSION),
  marks: z.array(z.tuple([z.number(), z.number()])),
  again: z.boolean().optional(),
  idle: z.boolean().optional(),
});
/** How far control has taken the facts of an edge, told after each batch, and when nothing has come for a while. */
export interface FactMarks {
  /** Per lane the last sequence that control has taken, for lanes of the batch it is told for, or all of them. */
  marks: [lane: number, sequence: number][];
  /** What lies behind the marks is to be published again: something that was before it is missing. */
  again?: boolean;
  /** Nothing of this edge is left on the road: what was published and is not within the marks is lost. */
  idle?: boolean;
}

export const marksText = (told: FactMarks): string => JSON.stringify({ v: MESSAGE_VERSION, ...told });

/** Null for what is none, or of another version. Never throws. */
export function parseMarks(text: string): FactMarks | null {
  try {
    const parsed = factMarks.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

const factEnvelope = z.object({
  v: z.number(),
  edgeId: z.string().min(1),
  pop: z.string().min(1),
  lane: z.number().int(),
  sequence: z.number().int(),
  at: z.number(),
  type: z.string(),
  body: z.unknown(),
});

export type ParsedFact =
  | { type: 'ok'; fact: Fact }
  /** The envelope is readable, so its place in the order is known; the body is not for us. Park it. */
  | { type: 'unknown'; edgeId: string; pop: string; lane: number; sequence: number; why: string }
  | { type: 'garbage'; why: string };

/** One entry of a message of facts: as it came, and what there is in it. */
export interface ReceivedFact {
  raw: unknown;
  parsed: ParsedFact;
}

/** Reads a message of facts as it arrives at control. One that is no text of a list is one piece of garbage. Never throws. */
export function parseFacts(payload: unknown): ReceivedFact[] {
  const garbage = (why: string): ReceivedFact[] => [{ raw: payload, parsed: { type: 'garbage', why } }];
  if (typeof payload !== 'string') return garbage('no text');
  let list: unknown;
  try {
    list = JSON.parse(payload);
  } catch {
    // V8's message quotes the text, and nobody knows what is in it.
    return garbage('no JSON');
  }
  return Array.isArray(list) ? list.map((raw) => ({ raw, parsed: parseFact(raw) })) : garbage('no list');
}

function parseFact(raw: unknown): ParsedFact {
  const envelope = factEnvelope.safeParse(raw);
  if (!envelope.success) return { type: 'garbage', why: z.prettifyError(envelope.error) };
  const { edgeId, pop, lane, sequence, type, v } = envelope.data;
  const unknown = (why: string): ParsedFact => ({ type: 'unknown', edgeId, pop, lane, sequence, why });
  if (v !== MESSAGE_VERSION) return unknown(`message version ${v}, this control reads ${MESSAGE_VERSION}`);
  if (!Object.hasOwn(facts, type)) return unknown(`fact type ${type}`);
  const body = facts[type as FactType].safeParse(envelope.data.body);
  if (!body.success) return unknown(`${type}: ${z.prettifyError(body.error)}`);
  return { type: 'ok', fact: { ...envelope.data, type, body: body.data } as Fact };
}

// ── Decisions: control → edge ───────────────────────────────────────────────────────────────────────────────────────────

export const ACTION_KINDS = [
  'get',
  'set',
  'refresh',
  'add',
  'delete',
  'reboot',
  'factory-reset',
  'download',
  'upload',
  'diagnose',
  'schedule-inform',
  'rpc',
] as const;
export type ActionKind = (typeof ACTION_KINDS)[number];

const work = z.object({
  actionId: z.string(),
  /** A newer generation of the same action replaces an older one; the older one's results are ignored. */
  generation: z.number(),
  cpeId: z.string(),
  kind: z.enum(ACTION_KINDS),
  /** Arguments of the kind with canonical names already resolved to paths. */
  args: z.record(z.string(), z.unknown()),
  /** Higher runs first: 90 operator waiting, 50 operator, 30 policy, 10 bulk. */
  priority: z.number(),
  /** ≤ 32 characters, safe charset: CommandKey and ParameterKey of its RPCs (CWMP T8). */
  commandKey: z.string().max(32),
  createdAt: z.number(),
  expiresAt: z.number(),
});
/** One action as the edge executes it. */
export type Work = z.infer<typeof work>;

const credentials = z.object({ username: z.string(), password: z.string() });
const deviceSettings = z.object({
  /** How the CPE proves itself to us; null: the shared bootstrap secret, if one is configured. */
  cpe: credentials.nullable(),
  /** How we prove ourselves in a connection request, tried in order (FIELD 40). */
  connectionRequest: z.array(credentials),
});
export type DeviceSettings = z.infer<typeof deviceSettings>;

const decisions = {
  work,
  cancel: z.object({ cpeId: z.string(), actionId: z.string() }),
  /** The action has ended through another edge: this one forgets its copy, and tells nothing. */
  withdraw: z.object({ cpeId: z.string(), actionId: z.string(), generation: z.number() }),
  wake: z.object({ cpeId: z.string(), why: z.string() }),
  /** `changedAt` rises with every change of a device's settings; an edge keeps the newest, whatever order they come in. */
  device: z.object({ cpeId: z.string(), settings: deviceSettings, changedAt: z.number().optional() }),
  /**
   * Control has taken this fact and those before it, and what it had to hand over for them went before this. Sent over a transport whose
   * publish says nothing of control, and only for facts that are `held`.
   */
  taken: z.object({ lane: z.number().int().nonnegative(), sequence: z.number().int() }),
  /** Sessions of this CPE are to be recorded, redacted: so many, those that begin until then. The fact `recording` ends it. */
  record: z.object({
    cpeId: z.string(),
    recordingId: z.string(),
    untilMs: z.number(),
    sessions: z.number().int().positive(),
  }),
} as const;

export type DecisionType = keyof typeof decisions;
export type DecisionBody<T extends DecisionType> = z.infer<(typeof decisions)[T]>;
export type Decision = { v: number } & { [T in DecisionType]: { type: T; body: DecisionBody<T> } }[DecisionType];

/** Made once: zod compiles a schema when it first meets it, which takes longer than all else that an edge does with a decision. */
const decisionEnvelope = z.object({ v: z.number(), type: z.string(), body: z.unknown() });

/** Checks one decision as it arrives at an edge. Never throws. */
export function parseDecision(raw: unknown): { type: 'ok'; decision: Decision } | { type: 'unknown'; why: string } {
  const envelope = decisionEnvelope.safeParse(raw);
  if (!envelope.success) return { type: 'unknown', why: z.prettifyError(envelope.error) };
  const { v, type } = envelope.data;
  if (v !== MESSAGE_VERSION || !Object.hasOwn(decisions, type))
    return { type: 'unknown', why: `decision ${type} v${v}` };
  const body = decisions[type as DecisionType].safeParse(envelope.data.body);
  if (!body.success) return { type: 'unknown', why: `${type}: ${z.prettifyError(body.error)}` };
  return { type: 'ok', decision: { v, type, body: body.data } as Decision };
}
