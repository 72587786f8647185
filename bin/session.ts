// `starling session record` and `starling session replay`: sessions of a device as a file, and whether this program would say the same again.
// Replaying needs nothing but the file.

import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { ConfigError, Refused } from '../base/errors.ts';
import { read } from '../cwmp/read.ts';
import { readMessage as readSecond } from '../cwmp/xmldom-reader.ts';
import { type Part, parseRecording } from '../edge/recording/format.ts';
import { type Difference, type Replayed, replayExchange } from '../edge/recording/replay.ts';
import { difference } from '../edge/recording/xml-difference.ts';
import { loadProfiles } from '../profiles/load.ts';

interface RecordFlags {
  api: string;
  token?: string;
  device: string;
  sessions: string;
  minutes: string;
  wake?: boolean;
  out?: string;
}

interface ReplayFlags {
  from: string;
  reader: string;
  verbose?: boolean;
}

const LOOK_MS = 1_000;

/** The `session` command, to be mounted under `starling`. */
export function sessionCommand(): Command {
  const command = new Command('session').description('record sessions of a device, and replay such a recording');
  command
    .command('record')
    .description('record the next sessions of a device, redacted, and write them to a file')
    .requiredOption('--device <id>', 'OUI-ProductClass-SerialNumber')
    .option('--sessions <number>', 'so many of the next ones', '1')
    .option('--minutes <number>', 'those that begin within so many minutes', '60')
    .option('--wake', 'have the device come now')
    .option('--out <file>', 'where it is written; <device>.jsonl when not given')
    .option('--api <url>', 'where the API is', 'http://127.0.0.1:8080')
    .option('--token <token>', 'of noc, engineer or admin; STARLING_TOKEN when not given')
    .action((flags: RecordFlags) => recordTo(flags));
  command
    .command('replay')
    .description('have this program answer a recording again, and compare; ends with 1 when anything differs')
    .argument('<file>')
    .option('--from <number>', 'begin with this exchange', '1')
    .option(
      '--reader <which>',
      'fast (and the second one for what is not well-formed), or second for everything',
      'fast',
    )
    .option('--verbose', 'also what was said in exchanges that are the same')
    .action((file: string, flags: ReplayFlags) => replay(file, flags));
  return command;
}

// ── record ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function recordTo(flags: RecordFlags): Promise<void> {
  const { device, out = `${device}.jsonl`, wake = false } = flags;
  const wanted = { sessions: numberOf(flags.sessions, 'sessions'), minutes: numberOf(flags.minutes, 'minutes'), wake };
  const asked = await call(flags, `/api/v1/devices/${device}/recordings`, wanted);
  const { id, until } = (await asked.json()) as { id: string; until: string };
  process.stderr.write(`recording ${id} is on until ${until}; it goes on when this command is ended\n`);
  for (;;) {
    const answer = await call(flags, `/api/v1/recordings/${id}`, null, [409]);
    if (answer.ok && answer.body !== null) {
      await pipeline(Readable.fromWeb(answer.body as never), createWriteStream(out, { mode: 0o600 }));
      break;
    }
    // Its connection is used again.
    await answer.arrayBuffer();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  for (const part of parseRecording(await readFile(out, 'utf8'))) process.stdout.write(`${out}: ${headOf(part)}\n`);
}

/** @throws ConfigError when nobody answers, or with what the API says; statuses among `bearable` are left to the caller. */
async function call(
  { api, token = process.env['STARLING_TOKEN'] }: RecordFlags,
  path: string,
  body: object | null,
  bearable: readonly number[] = [],
): Promise<Response> {
  if (token === undefined || token === '')
    throw new ConfigError('no-token', 'Give --token, or STARLING_TOKEN: that of a noc, engineer or admin.');
  const answer = await fetch(new URL(path, api), {
    method: body === null ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, ...(body === null ? {} : { 'content-type': 'application/json' }) },
    body: body === null ? null : JSON.stringify(body),
  }).catch((cause: unknown) => {
    throw new ConfigError('no-api', `Nothing answers at ${api}: is control running there? --api names another place.`, {
      cause,
    });
  });
  if (answer.ok || bearable.includes(answer.status)) return answer;
  const { error } = (await answer.json().catch(() => ({}))) as { error?: { message?: string } };
  throw new ConfigError('refused', `${answer.status}: ${error?.message ?? answer.statusText}`);
}

function numberOf(text: string, name: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new ConfigError('bad-number', `--${name} must be a whole number, not '${text}'.`);
  return Number(text);
}

// ── replay ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function replay(file: string, flags: ReplayFlags): Promise<void> {
  const from = numberOf(flags.from, 'from');
  if (flags.reader !== 'fast' && flags.reader !== 'second')
    throw new ConfigError('bad-reader', `--reader is fast or second, not '${flags.reader}'.`);
  const isSecond = flags.reader === 'second';
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ConfigError('no-file', `${file} cannot be read: ${(cause as Error).message}.`, { cause });
  });
  const options = {
    profiles: loadProfiles(),
    read: isSecond
      ? (bytes: Uint8Array, contentType: string | null) =>
          ({ result: readSecond(bytes, contentType), parsePath: 'second' }) as const
      : read,
  };
  let number = 0;
  let differing = 0;
  for (const part of parseRecording(text)) {
    process.stdout.write(`${headOf(part)}\n`);
    for (const exchange of part.exchanges) {
      if (++number < from) continue;
      const replayed = await replayExchange(part, exchange, options);
      // Another reader was asked for: that it is another one is no difference.
      if (isSecond) replayed.differences = replayed.differences.filter(({ what }) => what !== 'reader');
      if (replayed.differences.length > 0) differing++;
      process.stdout.write(`${reportOf(number, replayed, flags.verbose === true)}\n`);
    }
  }
  if (number < from)
    throw new Refused(422, 'no-exchange', `The recording has ${number} exchanges; --from asks for ${from}.`);
  const count = number - Math.max(from, 1) + 1;
  process.stdout.write(
    differing === 0
      ? `${count} exchanges, all the same\n`
      : `${count} exchanges, ${differing} of them ${differing === 1 ? 'differs' : 'differ'}\n`,
  );
  if (differing > 0) process.exitCode = 1;
}

function headOf({ header, exchanges, end }: Part): string {
  const { deviceId, edgeId, starling, startedAt } = header;
  const at = new Date(startedAt).toISOString();
  let over = 'cut off: its end is missing';
  if (end !== null) over = end.cut ? `cut: ${end.why}` : end.why;
  return `${deviceId} at edge ${edgeId}, recorded by Starling ${starling} from ${at} on; ${exchanges.length} exchanges (${over})`;
}

function reportOf(number: number, { exchange, reader, tolerances, differences }: Replayed, isVerbose: boolean): string {
  const verdict = differences.length === 0 ? 'same' : 'DIFFERS';
  const how = [
    ...(reader === 'fast' ? [] : ['second reader']),
    ...(tolerances.length === 0 ? [] : [`tolerated: ${tolerances.join(', ')}`]),
    ...(exchange.ended === null ? [] : [`session ended: ${exchange.ended}`]),
  ];
  const lines = [
    `${String(number).padStart(4)}  ${verdict.padEnd(7)}  ${exchange.said}${how.length === 0 ? '' : `   (${how.join('; ')})`}`,
  ];
  for (const one of differences) lines.push(...explain(one));
  if (isVerbose) lines.push(...inWords(exchange));
  return lines.join('\n');
}

function explain({ what, recorded, replayed }: Difference): string[] {
  if (what === 'asked') {
    const asked = replayed.split('\n').join(', ');
    return [`      this program also asks for what the recording does not hold: ${asked}`];
  }
  return [`      ${what}: - recorded, + replayed`, ...difference(recorded, replayed).map((line) => `      ${line}`)];
}

function inWords({ at, durationMs, thread, sessionId, request, response, outcomes }: Replayed['exchange']): string[] {
  const show = (title: string, body: { text: string } | { base64: string }): string[] => {
    const text = 'text' in body ? body.text : `base64 ${body.base64}`;
    return text === ''
      ? []
      : [
          `      ${title}`,
          ...text
            .replace(/></g, '>\n<')
            .split('\n')
            .map((line) => `        ${line}`),
        ];
  };
  return [
    `      ${new Date(at).toISOString()}, ${durationMs} ms on thread ${thread}, session ${sessionId ?? 'none'}, from ${request.address}`,
    ...show('asked', request.body),
    ...(response === null ? [] : show(`answered ${response.status}`, response.body)),
    ...outcomes.map(({ actionId, outcome, why }) => `      action ${actionId} ended ${outcome}: ${why}`),
  ];
}
