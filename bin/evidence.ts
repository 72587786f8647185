// `starling evidence export` and `starling evidence verify`: evidence as a file, and whether such a file is whole. Verifying needs nothing but it.

import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { ConfigError } from '../base/errors.ts';
import type { Broken, Verified } from '../control/evidence/verify.ts';
import { verifyFile } from '../control/evidence/verify-file.ts';

const PROGRESS_MS = 500;

interface ExportFlags {
  api: string;
  token?: string;
  device?: string;
  action?: string;
  from?: string;
  to?: string;
  output: string;
}

/** The `evidence` command, to be mounted under `starling`. */
export function evidenceCommand(): Command {
  const command = new Command('evidence').description('export evidence to a file, and verify such a file');
  command
    .command('export')
    .description('write evidence, all of it or a part, to a file that proves itself')
    .option('--api <url>', 'where the API is', 'http://127.0.0.1:8080')
    .option('--token <token>', 'of an auditor or admin; STARLING_TOKEN when not given')
    .option('--device <id>', 'of this device alone')
    .option('--action <id>', 'of this action alone')
    .option('--from <time>', 'from then on, like 2026-01-31T12:00:00Z')
    .option('--to <time>', 'before then')
    .requiredOption('--output <file>', 'where it is written')
    .action((flags: ExportFlags) => exportTo(flags));
  command
    .command('verify')
    .description('verify an export, without database or network; ends with 1 and names the first record that is wrong')
    .argument('<file>')
    .option('--key <fingerprint>', 'it must be signed with this key (GET /api/v1/evidence/key)')
    .action(async (file: string, { key }: { key?: string }) => {
      const verified = await verifyFile(file, key ?? null, progress());
      process.stdout.write(report(verified, key !== undefined));
      if ('why' in verified) process.exitCode = 1;
    });
  return command;
}

async function exportTo({ api, token = process.env['STARLING_TOKEN'], output, ...filter }: ExportFlags): Promise<void> {
  if (token === undefined || token === '')
    throw new ConfigError('no-token', 'Give --token, or STARLING_TOKEN: that of an auditor or admin.');
  const url = new URL('/api/v1/evidence/export', api);
  const { device, action, from, to } = filter;
  for (const [name, value] of Object.entries({ deviceId: device, actionId: action, from, to })) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } }).catch((cause: unknown) => {
    throw new ConfigError('no-api', `Nothing answers at ${api}: is control running there? --api names another place.`, {
      cause,
    });
  });
  if (!answer.ok || answer.body === null) {
    const { error } = (await answer.json().catch(() => ({}))) as { error?: { message?: string } };
    throw new ConfigError('refused', `${answer.status}: ${error?.message ?? answer.statusText}`);
  }
  await pipeline(Readable.fromWeb(answer.body as never), createWriteStream(output, { mode: 0o600 }));
  // What was cut on the way is known now, and not when somebody needs it.
  const verified = await verifyFile(output, null, progress());
  process.stdout.write(`${output}\n${report(verified, false)}`);
  if ('why' in verified) process.exitCode = 1;
}

function report(verified: Verified | Broken, isKeyKnown: boolean): string {
  if ('why' in verified) {
    const where = verified.seq === null ? '' : `record ${verified.seq}, `;
    return `NOT WHOLE: ${where}line ${verified.line}: ${verified.why}.\n`;
  }
  const { records, skipped, aged, heads, firstSeq, lastSeq, signedAt, fingerprint } = verified;
  const rows = [
    ['records', String(records)],
    ['of others between', String(skipped)],
    ...(aged === 0 ? [] : [['aged out', `${aged}   (older than evidence is kept: their place in the chain alone)`]]),
    ['numbers', records + skipped + aged === 0 ? 'none' : `${firstSeq} to ${lastSeq}`],
    ['signatures', String(heads)],
    ['signed last', signedAt],
    ['key', `${fingerprint}${isKeyKnown ? '' : '   (compare it with GET /api/v1/evidence/key, or give --key)'}`],
  ];
  return `whole\n${rows.map(([name, value]) => `  ${name!.padEnd(18)}${value}\n`).join('')}`;
}

/** Shows on a terminal how far a long file is read. */
function progress(): (part: number) => void {
  if (!process.stderr.isTTY) return () => {};
  let shownAt = performance.now();
  return (part) => {
    if (part < 1 && performance.now() - shownAt < PROGRESS_MS) return;
    shownAt = performance.now();
    process.stderr.write(part < 1 ? `\r${Math.round(100 * part)} % ` : '\r      \r');
  };
}
