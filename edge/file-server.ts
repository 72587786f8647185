// Files for CPEs on the CWMP port: Download (GET, HEAD, ranges) and Upload (PUT, POST) under signed URLs, streamed both ways at the CPE's
// pace and never whole in memory. Which file, and whether, is the signature's to say (file-urls.ts); CWMP and its sessions are not known
// here. Plans and sinks decide; this file moves their bytes through uWebSockets.js with its back-pressure.

import { once } from 'node:events';
import type { Clock } from '../base/clock.ts';
import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { systemTimers } from '../base/timers.ts';
import { planDownload } from './download-plan.ts';
import { streamFile } from './file-stream.ts';
import type { FileUrls } from './file-urls.ts';
import type { FileStore } from './files.ts';
import { type HttpExchange, keepsPace, REARM_MS, rearm, send } from './http.ts';
import { UploadSink } from './upload-sink.ts';

/** An upload that is complete on the disk. */
export interface ReceivedUpload {
  cpeId: CpeId;
  actionId: string;
  fileId: string;
  bytes: number;
  sha256: string;
}

export interface FileServerOptions {
  store: FileStore;
  urls: FileUrls;
  clock: Clock;
  log: Log;
  /** Counts one finished transfer by how it ended: 'sent', 'stored', 'aborted', 'stalled', 'short', 'too-slow', 'failed' or a status. */
  counted(kind: 'download' | 'upload', outcome: string): void;
  /** Makes the upload known; the CPE is answered when it resolves, so that what it was told is not lost. */
  uploaded(upload: ReceivedUpload): Promise<void>;
}

const PLAIN = 'text/plain; charset="utf-8"';
/** What is read of a body that is refused, before the connection is closed: a CPE that is still sending would not see the answer. */
const REFUSED_BODY_BYTES_MAX = 1024 * 1024;
const STATUS_LINES = {
  413: '413 Payload Too Large',
  500: '500 Internal Server Error',
  507: '507 Insufficient Storage',
} as const;

export class FileServer {
  readonly #o: FileServerOptions;
  #transfers = 0;

  constructor(options: FileServerOptions) {
    this.#o = options;
  }

  /** Transfers under way. */
  get transfers(): number {
    return this.#transfers;
  }

  /** Answers an exchange whose path begins with /files/. */
  take(exchange: HttpExchange): void {
    const verdict = this.#o.urls.judge(exchange.path, this.#o.clock.now());
    const { method } = exchange;
    if (verdict.type === 'refused') {
      refuse(exchange, verdict.status === 403 ? '403 Forbidden' : '404 Not Found', verdict.text);
    } else if (this.#transfers >= LIMITS.fileTransfersMax) {
      refuse(exchange, '503 Service Unavailable', 'Too many transfers are under way.', [['Retry-After', '60']]);
    } else if (verdict.type === 'download') {
      if (method === 'GET' || method === 'HEAD') {
        this.#follow('download', exchange, this.#download(exchange, method, verdict.fileId));
      } else refuse(exchange, '405 Method Not Allowed', 'This URL is for GET and HEAD.', [['Allow', 'GET, HEAD']]);
    } else if (method !== 'PUT' && method !== 'POST') {
      refuse(exchange, '405 Method Not Allowed', 'This URL is for PUT and POST.', [['Allow', 'PUT, POST']]);
    } else if (exchange.contentLength > LIMITS.fileBytesMax) {
      refuse(exchange, STATUS_LINES[413], `The file is larger than ${LIMITS.fileBytesMax} bytes.`);
    } else if (!isWhole(exchange.contentRange)) {
      // A part stored as if it were the whole would be a damaged file that looks good (RFC 9110 §14.5).
      refuse(exchange, '400 Bad Request', 'Uploads in parts are not taken: send the whole file.');
    } else this.#follow('upload', exchange, this.#upload(exchange, verdict));
  }

  /** Counts a transfer while it runs, and by how it ended. */
  #follow(kind: 'download' | 'upload', exchange: HttpExchange, transfer: Promise<string>): void {
    this.#transfers++;
    transfer
      .catch((error: unknown) => {
        // Without the path: its signature is a permission.
        this.#o.log.error({ err: error, kind, address: exchange.address }, 'a file transfer failed');
        reply(exchange, STATUS_LINES[500], 'The transfer failed here. Try again later.');
        return 'failed';
      })
      .then((outcome) => {
        this.#transfers--;
        this.#o.counted(kind, outcome);
      });
  }

  async #download(exchange: HttpExchange, method: 'GET' | 'HEAD', fileId: string): Promise<string> {
    const { store } = this.#o;
    const { res } = exchange;
    const gone = goneOf(exchange);
    const meta = await store.meta(fileId);
    const data = meta === null ? null : await store.openData(meta);
    if (meta === null || data === null) {
      reply(exchange, '404 Not Found', 'This file is gone.');
      return '404';
    }
    try {
      if (gone.aborted) return 'aborted';
      const plan = planDownload({ method, range: exchange.range, ifRange: exchange.ifRange }, meta);
      const bodyFollows = plan.sendBody && plan.bytes > 0;
      if (!bodyFollows) exchange.aborted = true; // Answered: uWS forbids touching the response again.
      res.cork(() => {
        res.writeStatus(plan.status);
        for (const [name, value] of plan.headers) res.writeHeader(name, value);
        // A length without a body is what HEAD wants; elsewhere it is 0.
        if (!bodyFollows) res.endWithoutBody(plan.bytes);
      });
      if (!bodyFollows) return plan.status.slice(0, 3);
      // A CPE that writes to its flash, or a slow link under a large socket buffer, takes nothing for longer than uWS allows.
      const rearmed = setInterval(() => {
        if (!exchange.aborted) rearm(res);
      }, REARM_MS);
      const outcome = await streamFile(data, plan.start, plan.bytes, res, gone, systemTimers).finally(() =>
        clearInterval(rearmed),
      );
      exchange.aborted = true;
      // A body cut short is the only way left to say that it is not the whole.
      if (outcome === 'stalled' || outcome === 'short') res.close();
      return outcome;
    } finally {
      await data.close();
    }
  }

  async #upload(exchange: HttpExchange, { actionId, cpeId }: { actionId: string; cpeId: CpeId }): Promise<string> {
    const { store, clock, log } = this.#o;
    const { res } = exchange;
    const ended = new AbortController();
    // The first reason counts.
    const end = (why: 'complete' | 'too-slow' | 'failed' | 'aborted'): void => ended.abort(why);
    goneOf(exchange).addEventListener('abort', () => end('aborted'));
    let paused = false;
    // The file of an upload has the id of its action: a CPE that delivers again replaces it, and cannot fill the disk.
    const sink = new UploadSink(store.create(actionId), () => {
      if (exchange.aborted) return;
      if (sink.failure !== null) end('failed');
      else if (paused) {
        paused = false;
        res.resume();
      }
    });
    const startedAt = clock.now();
    let bytes = 0;
    res.onData((chunk, isLast) => {
      if (ended.signal.aborted) return;
      bytes += chunk.byteLength;
      // The chunk is only valid during this call.
      sink.push(new Uint8Array(chunk.slice(0)));
      if (isLast) end('complete');
      else {
        res.pause();
        paused = sink.full;
        if (!paused) res.resume(); // Re-arms the time-out of a slow body.
      }
    });
    const pace = setInterval(() => {
      if (paused || exchange.aborted) return; // We are the slow side.
      if (keepsPace(clock.now() - startedAt, bytes)) rearm(res);
      else end('too-slow');
    }, REARM_MS);
    if (!ended.signal.aborted) await once(ended.signal, 'abort');
    clearInterval(pace);

    const why: Parameters<typeof end>[0] = ended.signal.reason;
    if (why === 'aborted' || why === 'too-slow') {
      await sink.abort();
      reply(exchange, '408 Request Timeout', 'The file did not arrive in time.');
      return why;
    }
    const createdAt = clock.now();
    const result = await sink.finish({
      fileId: actionId,
      name: actionId,
      fileType: '',
      createdAt,
      source: 'cpe',
      actionId,
    });
    if (result.type === 'aborted') return 'aborted';
    if (result.type === 'failed') {
      const { status, text, cause } = result.failure;
      if (cause !== undefined) log.error({ err: cause, actionId, cpeId }, 'an upload could not be stored');
      reply(exchange, STATUS_LINES[status], text);
      return String(status);
    }
    const { fileId, sha256 } = result.meta;
    await this.#o.uploaded({ cpeId, actionId, fileId, bytes: result.meta.bytes, sha256 });
    send(exchange, { status: '201 Created', body: '' });
    return 'stored';
  }
}

/** A signal of the CPE's closing the connection. Takes the place of the handler that only marks the exchange. */
function goneOf(exchange: HttpExchange): AbortSignal {
  const controller = new AbortController();
  exchange.res.onAborted(() => {
    exchange.aborted = true;
    controller.abort();
  });
  return controller.signal;
}

/** True for no Content-Range, and for one that says that the body is everything. */
function isWhole(contentRange: string): boolean {
  if (contentRange === '') return true;
  const match = /^\s*bytes\s+0-(\d+)\/(\d+)\s*$/i.exec(contentRange);
  return match !== null && Number(match[1]) + 1 === Number(match[2]);
}

/** Reads what comes of a body, within bounds, then answers and closes. */
function refuse(exchange: HttpExchange, status: string, text: string, headers: [string, string][] = []): void {
  let bytes = 0;
  const timer = setTimeout(() => reply(exchange, status, text, headers), REARM_MS);
  exchange.res.onAborted(() => {
    exchange.aborted = true;
    clearTimeout(timer);
  });
  exchange.res.onData((chunk, isLast) => {
    bytes += chunk.byteLength;
    if (!isLast && bytes <= REFUSED_BODY_BYTES_MAX) return;
    clearTimeout(timer);
    reply(exchange, status, text, headers);
  });
}

/** Answers in plain text, once, and closes: the rest of a body may not have been read. */
function reply(exchange: HttpExchange, status: string, text: string, headers: [string, string][] = []): void {
  send(exchange, { status, body: `${text}\n`, contentType: PLAIN, headers, close: true });
}
