// `npm run fuzz -- --target edge`: throws changed XML in changed HTTP at a live Starling over sockets. A finding is: well-framed HTTP without
// an answer, a 5xx that says we failed, a process that ended or grew beyond its bound, or a good CPE that is not served meanwhile.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { ownCorpus, sharedCorpus } from '../corpus.ts';
import { mutate } from '../mutate.ts';
import { pick, randomFrom } from '../random.ts';
import { startStarling } from '../starling.test-helper.ts';

const DOCUMENT_BYTES_MAX = 20_000;
/** Requests under way at once. */
const AT_ONCE = 16;
/** Time for the answer to a well-framed request; generous, as the machine may be busy. */
const ANSWER_MS = 15_000;
/** Changed framing may leave the edge waiting for more, rightly: then we close. */
const PATIENCE_MS = 500;
const GROWTH_MIB_MAX = 400;
const CANARY_EVERY = 200;
const FINDINGS_MAX = 20;

export interface EdgeFuzzReport {
  runs: number;
  seed: number;
  /** Runs by HTTP status; `closed` and `waiting` are those of changed framing without a status. */
  statuses: Record<string, number>;
  findings: string[];
  residentMiB: { before: number; after: number };
}

interface Shot {
  bytes: Buffer;
  /** Whole HTTP with a right length: a status must come back. */
  framed: boolean;
}

/**
 * Starts a Starling of its own and runs until `seconds` have passed.
 * @param save gets the bytes and the text of each finding.
 */
export async function fuzzEdge(
  options: { seconds: number; seed: number; runsMax?: number },
  save: (input: Buffer, finding: string) => void,
): Promise<EdgeFuzzReport> {
  const starling = await startStarling({ STARLING_LOG_LEVEL: 'error' });
  const port = Number(new URL(starling.cwmpUrl).port);
  const pid = starling.process.pid!;
  const documents = [...ownCorpus(), ...(sharedCorpus() ?? [])]
    .map(({ bytes }) => bytes)
    .filter((bytes) => bytes.length < DOCUMENT_BYTES_MAX);
  const random = randomFrom(options.seed);
  const report: EdgeFuzzReport = {
    runs: 0,
    seed: options.seed,
    statuses: {},
    findings: [],
    residentMiB: { before: residentMiB(pid), after: 0 },
  };
  const found = (bytes: Buffer, text: string): void => {
    report.findings.push(text);
    save(bytes, text);
  };
  let ended: string | null = null;
  starling.process.once('exit', (code, signal) => {
    ended = `Starling ended with ${code ?? signal}:\n${starling.log()}`;
  });
  const stopAt = performance.now() + options.seconds * 1_000;
  const runsMax = options.runsMax ?? Number.POSITIVE_INFINITY;
  const goesOn = (): boolean =>
    performance.now() < stopAt && report.runs < runsMax && report.findings.length < FINDINGS_MAX && ended === null;
  let cookie = '';

  const shooter = async (): Promise<void> => {
    while (goesOn()) {
      const run = report.runs++;
      if (run % CANARY_EVERY === 0) {
        const reply = await exchange(port, { bytes: request('POST', ownInform(run)), framed: true });
        if (!reply.startsWith('HTTP/1.1 200'))
          found(Buffer.alloc(0), `a good Inform was answered: ${reply.slice(0, 200)}`);
        cookie = /^Set-Cookie: ([^;\r]+)/im.exec(reply)?.[1] ?? cookie;
        continue;
      }
      const shot = load(documents, random, cookie);
      const reply = await exchange(port, shot);
      const status = /^HTTP\/1\.1 (\d{3})/.exec(reply)?.[1] ?? reply;
      report.statuses[status] = (report.statuses[status] ?? 0) + 1;
      if (ended !== null) found(shot.bytes, ended);
      else if (shot.framed && !/^\d{3}$/.test(status)) found(shot.bytes, `no answer to well-framed HTTP: ${status}`);
      else if (/^50[0-4]$/.test(status)) found(shot.bytes, `answered ${status}:\n${starling.log()}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, shooter));
  if (ended === null) {
    report.residentMiB.after = residentMiB(pid);
    const grown = report.residentMiB.after - report.residentMiB.before;
    if (grown > GROWTH_MIB_MAX) found(Buffer.alloc(0), `resident memory grew by ${grown} MiB`);
    const code = await starling.stop();
    if (code !== 0) found(Buffer.alloc(0), `Starling ended with ${code} after SIGTERM`);
  }
  starling.clean();
  return report;
}

/** One request: changed XML, and now and then changed HTTP around it. */
function load(documents: readonly Buffer[], random: () => number, cookie: string): Shot {
  const document = pick(random, documents);
  let body = random() < 0.8 ? mutate(document, random) : document;
  const headers: string[] = [];
  if (random() < 0.5 && cookie !== '') headers.push(`Cookie: ${cookie}`);
  if (random() < 0.1)
    headers.push(
      pick(random, [
        'Content-Type: text/xml; charset=utf-16',
        'Content-Type: x',
        'Content-Type: text/html; charset=latin1',
      ]),
    );
  if (random() < 0.1) {
    headers.push(pick(random, ['Content-Encoding: gzip', 'Content-Encoding: deflate', 'Content-Encoding: br']));
    if (random() < 0.5) body = gzipSync(body);
  }
  if (random() < 0.05) headers.push('Authorization: Digest username="a, nonce=');
  const method = random() < 0.95 ? 'POST' : pick(random, ['GET', 'PUT', 'OPTIONS', 'X']);
  const bytes = request(method, body, headers, random() < 0.3 ? 1 + Math.floor(random() * body.length) : 0);
  if (random() < 0.75) return { bytes, framed: true };
  // Most of the change falls on the head: the body was changed above.
  const head = bytes.indexOf('\r\n\r\n') + 4;
  return { bytes: Buffer.concat([mutate(bytes.subarray(0, head), random), bytes.subarray(head)]), framed: false };
}

/** @param chunkBytes 0 sends a Content-Length, any other number chunks of that size. */
function request(method: string, body: Buffer, headers: readonly string[] = [], chunkBytes = 0): Buffer {
  const head = [`${method} / HTTP/1.1`, 'Host: acs', ...headers];
  if (chunkBytes === 0) {
    return Buffer.concat([Buffer.from(`${[...head, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n`), body]);
  }
  const parts: Buffer[] = [Buffer.from(`${[...head, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n`)];
  for (let at = 0; at < body.length; at += chunkBytes) {
    const piece = body.subarray(at, at + chunkBytes);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** Sends and returns the beginning of the answer; `closed` or `waiting` when there is none. */
function exchange(port: number, { bytes, framed }: Shot): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const done = (outcome: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => done('waiting'), framed ? ANSWER_MS : PATIENCE_MS);
    socket.once('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      // An interim answer is none.
      if (!text.startsWith('HTTP/1.1 100')) done(text);
    });
    socket.on('error', () => {});
    socket.on('close', () => done('closed'));
    socket.write(bytes);
  });
}

function ownInform(run: number): Buffer {
  const [document] = ownCorpus();
  return Buffer.from(document!.bytes.toString().replace(/<SerialNumber>[^<]*/, `<SerialNumber>CANARY${run}`));
}

function residentMiB(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024);
}
