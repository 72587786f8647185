// Records the sessions of CPEs that are to be recorded, on the thread that answers them: a handler of its own for each POST, the same as all
// others, but listened to (asks.ts). What is made of it is redacted and appended to the recording's file before the answer leaves; a file
// that cannot be written ends the recording, never a session.
//
// The quiet path does not know of it. A recording takes the mark of its CPE (Stamps.recordingBegan), and a session that is recorded leaves
// none behind, so that the Informs of this CPE are read; and where one was read, a number in shared memory says whether there is any recording.

import { appendFile, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CpeId, cpeIdOf } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { CpeMessage } from '../../cwmp/message.ts';
import type { Read } from '../../cwmp/read.ts';
import type { Profile } from '../../profiles/profile.ts';
import { isSecret } from '../../profiles/resolve.ts';
import type { Identity } from '../auth.ts';
import { CwmpHandler, type CwmpHandlerOptions } from '../cwmp-handler.ts';
import type { CwmpExchange, HttpReply } from '../http.ts';
import type { Recording } from '../store/store.ts';
import { Heard, listening } from './asks.ts';
import { maskBody } from './document-masks.ts';
import { lineOf, type RecordedExchange } from './format.ts';
import { Masks } from './masks.ts';
import { identityOf, maskedHeaders, responseOf, said } from './wording.ts';

export interface SessionRecorder {
  /**
   * Answers a POST whose CPE is recorded; null when it is not.
   * @param body only valid until the first await. @param done what was read of it; null of an empty one.
   */
  take(
    exchange: CwmpExchange,
    identity: Identity | null,
    body: Uint8Array,
    done: Read | null,
  ): Promise<HttpReply> | null;
}

export interface RecorderOptions {
  /** Of the handler of this thread; its `recorder` is not asked for. */
  handler: CwmpHandlerOptions;
  /** Where the file of a recording lies while it grows. */
  fileOf(recordingId: string): string;
  lane: number;
}

export class Recorder implements SessionRecorder {
  readonly #o: RecorderOptions;
  /** Profiles that this thread has written into recordings, by both ids; few, as recordings are. */
  readonly #told = new Set<string>();

  constructor(options: RecorderOptions) {
    this.#o = options;
  }

  take(
    exchange: CwmpExchange,
    identity: Identity | null,
    body: Uint8Array,
    done: Read | null,
  ): Promise<HttpReply> | null {
    const { store, clock } = this.#o.handler;
    if (store.recordingCount() === 0) return null;
    const cpeId = this.#whose(exchange, identity, body, done);
    const recording = cpeId === null ? undefined : store.recordingOf(cpeId);
    if (recording === undefined || recording.over !== null) return null;
    const begins = done !== null && done.result.type === 'ok' && done.result.message.type === 'inform';
    if (begins && (recording.sessions >= recording.sessionsMax || clock.now() > recording.untilMs)) return null;
    return this.#answer(recording, exchange, identity, Buffer.from(body), done);
  }

  #whose(exchange: CwmpExchange, identity: Identity | null, body: Uint8Array, done: Read | null): CpeId | null {
    const { sessions, store } = this.#o.handler;
    const message = done?.result.type === 'ok' ? done.result.message : null;
    if (message?.type === 'inform') return cpeIdOf(message.inform.DeviceId);
    const byCookie = sessions.whose(exchange, identity);
    if (byCookie !== null || done === null || message !== null) return byCookie;
    // No reader takes it, and it belongs to no session: perhaps an Inform that names itself all the same.
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    return store.recordings().find(({ cpeId }) => bytes.includes(identityOf(cpeId).at(-1)!))?.cpeId ?? null;
  }

  async #answer(
    recording: Recording,
    exchange: CwmpExchange,
    identity: Identity | null,
    body: Buffer,
    done: Read | null,
  ): Promise<HttpReply> {
    const { handler: options, lane } = this.#o;
    const heard = new Heard();
    // It was read before it was known whose it is, and is not read again.
    const read = done === null ? options.read : () => done;
    if (options.claims !== null) heard.note('claiming', true);
    const handler = new CwmpHandler({ ...listening(options, heard), read });
    const at = options.clock.now();
    const startedAt = performance.now();
    let reply: HttpReply | null = null;
    let failure: { error: unknown } | null = null;
    try {
      reply = await handler.postUnpacked(exchange, identity, body);
    } catch (error) {
      failure = { error };
    }
    if (exchange.aborted) heard.note('aborted', true);
    const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
    const profile = heard.profile ?? this.#profileOf(recording.cpeId);
    const masks = new Masks(
      Buffer.from(recording.key, 'base64'),
      (path) => profile !== null && isSecret(profile, path),
      identityOf(recording.cpeId),
    );
    // What was asked first: the documents may quote secrets that stand there.
    const inputs = masks.value(heard.inputs);
    meet(done, masks);
    const requestBody = maskBody(body, masks);
    const line: RecordedExchange = {
      ...{ type: 'exchange', at, durationMs, thread: lane, sessionId: heard.sessionId },
      said: said(done, reply),
      request: {
        address: exchange.address,
        headers: maskedHeaders(exchange, masks),
        identity,
        body: requestBody,
      },
      ...{ reader: done?.parsePath ?? 'fast', tolerances: heard.tolerances, inputs },
      response: reply === null ? null : responseOf(reply, masks),
      ...(failure === null ? {} : { error: masks.text(String(failure.error)) }),
      ...{ outcomes: masks.value(heard.outcomes), ended: heard.ended },
    };
    await this.#append(recording, line, profile, heard);
    if (failure !== null) throw failure.error;
    return reply as HttpReply;
  }

  #profileOf(cpeId: CpeId): Profile | null {
    const { store, profiles } = this.#o.handler;
    const device = store.getDevice(cpeId);
    return device === undefined ? null : profiles.byId(device.cpe.profile);
  }

  async #append(
    { recordingId, cpeId }: Recording,
    exchange: RecordedExchange,
    profile: Profile | null,
    heard: Heard,
  ): Promise<void> {
    const { handler: options, fileOf } = this.#o;
    const { store, log } = options;
    let over: string | null = null;
    let isCut = false;
    // Handed over meanwhile.
    if (store.recordingOf(cpeId)?.recordingId !== recordingId) return;
    try {
      const file = fileOf(recordingId);
      const told = `${recordingId} ${profile?.id}`;
      const isNews = profile !== null && !this.#told.has(told);
      const text = (isNews ? lineOf({ type: 'profile', profile }) : '') + lineOf(exchange);
      isCut = (await bytesOf(file)) + Buffer.byteLength(text) > LIMITS.recordingBytesMax;
      if (isCut) over = `it reached ${LIMITS.recordingBytesMax} bytes`;
      else {
        await mkdir(dirname(file), { recursive: true, mode: 0o700 });
        await appendFile(file, text, { mode: 0o600 });
        if (this.#told.size >= LIMITS.recordingsMax) this.#told.clear();
        if (isNews) this.#told.add(told);
      }
    } catch (error) {
      log.error({ err: error, cpeId, recordingId }, 'a recording could not be written, and ends');
      over = 'the disk of the edge did not take it';
    }
    try {
      await store.changeRecording(cpeId, recordingId, (before) => after(before, exchange.at, heard, isCut, over));
    } catch (error) {
      log.error({ err: error, cpeId, recordingId }, 'how far a recording has come could not be stored');
    }
  }
}

function after(
  before: Recording,
  lastAt: number,
  { began, ended }: Heard,
  isCut: boolean,
  over: string | null,
): Recording {
  const sessions = before.sessions + (began ? 1 : 0);
  const exchanges = before.exchanges + (over === null ? 1 : 0);
  const isOpen = (began || before.isOpen) && ended === null;
  const isEnough = sessions >= before.sessionsMax && !isOpen;
  const why = before.over ?? over ?? (isEnough ? 'all sessions that were asked for' : null);
  return { ...before, sessions, exchanges, isOpen, lastAt, isCut: before.isCut || isCut, over: why };
}

/** Tells the masks the secrets of a document that was read, for where they are quoted or written strangely. */
function meet(done: Read | null, masks: Masks): void {
  const message: CpeMessage | null = done?.result.type === 'ok' ? done.result.message : null;
  if (message !== null) masks.value(message);
}

async function bytesOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
