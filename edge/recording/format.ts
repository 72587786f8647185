// A recording as a file: a line of JSON for each thing, readable by people (docs/operating/recordings.md). What the handler of POSTs was told
// besides the POST itself (time, records of the store, claims) stands with each exchange as a list of asks and answers: they are its inputs,
// and there are no others, so a replay that gives the same answers has to send the same bytes.
//
//   header, profile and exchanges as they happened, end; a POP of several edges has one such part for each of them

import { z } from 'zod';
import { Refused } from '../../base/errors.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { RecordedBody } from './document-masks.ts';

export const FORMAT = 'starling-recording';
/** Rises when a file can no longer be replayed by who replays the number before. */
export const FORMAT_VERSION = 1;

const header = z.object({
  type: z.literal('header'),
  format: z.literal(FORMAT),
  version: z.number(),
  /** That recorded. */
  starling: z.string(),
  recordingId: z.string(),
  deviceId: z.string(),
  edgeId: z.string(),
  pop: z.string(),
  /** Milliseconds since 1970, as all times here. */
  startedAt: z.number(),
});
export type Header = z.infer<typeof header>;

const body: z.ZodType<RecordedBody> = z.union([z.object({ text: z.string() }), z.object({ base64: z.string() })]);

/** What was asked, and the answer; without one it was that of the last time. */
const input = z.union([z.tuple([z.string(), z.unknown()]), z.tuple([z.string()])]);
export type Input = z.infer<typeof input>;

const response = z.object({
  /** As on the status line, like '200 OK'. */
  status: z.string(),
  headers: z.record(z.string(), z.string()),
  /** Ends the connection. */
  close: z.boolean(),
  body,
});
export type RecordedResponse = z.infer<typeof response>;

const outcome = z.object({ actionId: z.string(), outcome: z.string(), why: z.string() });
/** How an action ended by what the exchange said. */
export type RecordedOutcome = z.infer<typeof outcome>;

const exchange = z.object({
  type: z.literal('exchange'),
  at: z.number(),
  /** From the last byte of the POST to its answer. */
  durationMs: z.number(),
  thread: z.number(),
  /** Of the session it belongs to; null outside of any. */
  sessionId: z.string().nullable(),
  /** One line for people. */
  said: z.string(),
  request: z.object({
    address: z.string(),
    /** Those that count, under the names RFC 9110 gives them; what proves something is masked. */
    headers: z.record(z.string(), z.string()),
    /** Who it proved to be; null where nobody has to, or a cookie let it in. */
    identity: z
      .object({
        scheme: z.enum(['none', 'basic', 'digest', 'certificate']),
        username: z.string().nullable(),
        cpeId: z.string().nullable(),
      })
      .nullable(),
    /** Unpacked. */
    body,
  }),
  reader: z.enum(['fast', 'second']),
  tolerances: z.array(z.string()),
  inputs: z.array(input),
  /** null when answering failed by a fault of Starling, which `error` names. */
  response: response.nullable(),
  error: z.string().optional(),
  outcomes: z.array(outcome),
  /** Why the session ended with it; null while it went on. */
  ended: z.string().nullable(),
});
export type RecordedExchange = z.infer<typeof exchange>;

const end = z.object({
  type: z.literal('end'),
  at: z.number(),
  sessions: z.number(),
  exchanges: z.number(),
  /** It grew too large, and what came later is missing. */
  cut: z.boolean(),
  why: z.string(),
});
export type RecordingEnd = z.infer<typeof end>;

export interface ProfileLine {
  type: 'profile';
  profile: Profile;
}

/** One edge's part of a recording. */
export interface Part {
  header: Header;
  /** By their ids. */
  profiles: Map<string, Profile>;
  exchanges: RecordedExchange[];
  /** null when the file was cut off. */
  end: RecordingEnd | null;
}

export const lineOf = (line: Header | ProfileLine | RecordedExchange | RecordingEnd): string =>
  `${JSON.stringify(line)}\n`;

/**
 * Reads a recording.
 * @param text of the whole file.
 * @throws Refused 422 `not-a-recording`, `newer-recording` or `damaged-recording`, with the number of the line.
 */
export function parseRecording(text: string): Part[] {
  const parts: Part[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const value = parseLine(line, index + 1);
    const { type } = value as { type?: unknown };
    if (type === 'header') {
      const { version } = value as { version?: unknown };
      if (typeof version === 'number' && version > FORMAT_VERSION) {
        const message = `This recording has version ${version} of the format; this Starling replays up to ${FORMAT_VERSION}. Use the Starling that made it, or a newer one.`;
        throw new Refused(422, 'newer-recording', message);
      }
      parts.push({ header: checked(header, value, index + 1), profiles: new Map(), exchanges: [], end: null });
      continue;
    }
    const part = parts.at(-1);
    if (part === undefined)
      throw new Refused(422, 'not-a-recording', 'This file does not begin with the header of a recording.');
    if (type === 'exchange') part.exchanges.push(checked(exchange, value, index + 1));
    else if (type === 'end') part.end = checked(end, value, index + 1);
    else if (type === 'profile') {
      const { profile } = value as ProfileLine;
      part.profiles.set(profile.id, profile);
    }
  }
  if (parts.length === 0) throw new Refused(422, 'not-a-recording', 'This file is empty, and no recording.');
  return parts;
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    if (number === 1)
      throw new Refused(422, 'not-a-recording', 'This file is no recording: its first line is no JSON.');
    throw new Refused(422, 'damaged-recording', `Line ${number} of the recording is cut off or damaged.`, { cause });
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, number: number): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const what = z.prettifyError(result.error);
  throw new Refused(422, 'damaged-recording', `Line ${number} of the recording is not what it should be.`, {
    detail: what,
  });
}
