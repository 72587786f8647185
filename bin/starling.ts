// The commands. Each wires one role and decides nothing; `up` is edge and control in one process tree on embedded defaults.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { flagOf, loadConfig, OPTIONS, printConfigDoc } from '../base/config.ts';
import { StarlingError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { fleetCommand } from '../bench/fleet/command.ts';
import { control } from './control.ts';
import { edge } from './edge.ts';
import { evidenceCommand } from './evidence.ts';
import { secretsCommand } from './secrets.ts';
import { sessionCommand } from './session.ts';
import { up } from './up.ts';

const packageFile = new URL(
  import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json',
  import.meta.url,
);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };

// Read by uWebSockets.js when it is loaded: headers of 12 kB are real (ECOSYSTEM, first section).
process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(LIMITS.headerBytesMax);

const program = new Command('starling').version(version).description('A TR-069 ACS for large ISPs.');

const ROLES = {
  up: { run: up, text: 'edge and control in one process tree, with embedded defaults' },
  edge: { run: edge, text: 'the data plane of a POP alone; control is elsewhere, over NATS' },
  control: { run: control, text: 'the control plane alone; edges are elsewhere, over NATS' },
};

for (const [role, { run, text }] of Object.entries(ROLES)) {
  const command = program.command(role).description(text).option('--config <file>', 'JSON file of options');
  for (const [name, option] of Object.entries(OPTIONS)) command.option(`${flagOf(name)} <value>`, option.text);
  command.action(async (flags: Record<string, string>) => {
    const config = loadConfig(flags, process.env, flags['config'] ?? process.env['STARLING_CONFIG'] ?? null);
    await run(config, version);
  });
}

program
  .command('config')
  .description('print the table of options')
  .action(() => {
    process.stdout.write(printConfigDoc());
  });

program.addCommand(fleetCommand());
program.addCommand(evidenceCommand());
program.addCommand(sessionCommand());
program.addCommand(secretsCommand());

try {
  await program.parseAsync();
} catch (error) {
  // Configuration and refusals are said in one sentence, with what was seen below it; anything else is our bug and shows where.
  const ours = error instanceof StarlingError;
  process.stderr.write(`starling: ${ours ? error.message : (error as Error).stack}\n`);
  if (ours && error.detail) process.stderr.write(`${error.detail}\n`);
  process.exit(1);
}
