// `starling secrets`: rotates the key that stored secrets are sealed under. What is sealed is the business of control, which is asked over its
// API; this command has the key file in its hands, and nobody else writes it.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { loadConfig } from '../base/config.ts';
import { ConfigError } from '../base/errors.ts';
import { fingerprintOfKey, readKeyFile, withNewestAlone, withNewKey, writeKeyFile } from '../base/key-file.ts';
import type { RotationView } from '../control/services.ts';

const LOOK_MS = 1_000;

interface Flags {
  api: string;
  token?: string;
  keyFile?: string;
}

/** The `secrets` command, to be mounted under `starling`. */
export function secretsCommand(): Command {
  const command = new Command('secrets').description('rotate the key that secrets in the database are sealed under');
  const sub = (name: string, text: string, run: (flags: Flags) => Promise<void>): void => {
    command
      .command(name)
      .description(text)
      .option('--api <url>', 'where the API is', 'http://127.0.0.1:8080')
      .option('--token <token>', 'of an admin; STARLING_TOKEN when not given')
      .option(
        '--key-file <file>',
        'STARLING_INSTALLATION_KEY_FILE, or installation.key in STARLING_DATA_DIR, when not given',
      )
      .action(run);
  };
  sub('rotate', 'add a key to the key file, and seal everything anew under it', rotate);
  sub('status', 'show which key seals, which control has which, and how far a rotation is', status);
  sub('retire', 'take the older keys out of the key file, when nothing is sealed under them any more', retire);
  return command;
}

async function rotate(flags: Flags): Promise<void> {
  const file = keyFileOf(flags);
  let view = await ask(flags, 'GET');
  if (view.rotation !== null && view.rotation.state !== 'ended') {
    say(`A rotation to key ${view.rotation.key} is under way.`);
  } else {
    const key = keyToUse(file, view.sealing);
    view = await ask(flags, 'POST', { key });
    say(`Key ${key} seals from now on. What lies under older ones is sealed anew in the background.`);
  }
  await follow(flags, view);
  say('When every control has this file, `starling secrets retire` takes the older keys out of it.');
}

/** The newest key of the file, made now unless the last try left one that is not in use yet. */
function keyToUse(file: string, sealing: string): string {
  const set = readKeyFile(file, 'refuse');
  const held = set.keys.map(fingerprintOfKey);
  const [newest = ''] = held;
  if (!held.includes(sealing)) {
    const message = `Key ${sealing} seals, and ${file} does not have it: this is not the file of a control that runs. Name that one with --key-file.`;
    throw new ConfigError('other-key', message);
  }
  if (newest !== sealing) {
    say(`${file} has key ${newest}, which is not in use yet.`);
    return newest;
  }
  const longer = withNewKey(set);
  writeKeyFile(file, longer);
  const made = fingerprintOfKey(longer.keys[0]!);
  say(`Key ${made} was added to ${file}.`);
  return made;
}

/** Shows how far it is until it has ended. Whoever stops looking stops nothing. */
async function follow(flags: Flags, begun: RotationView): Promise<void> {
  let view = begun;
  let shown = '';
  for (;;) {
    const text = progressText(view);
    if (text !== shown) say(text);
    shown = text;
    if (view.rotation === null || view.rotation.state === 'ended') return;
    await sleep(LOOK_MS);
    view = await ask(flags, 'GET');
  }
}

function progressText({ rotation, controls }: RotationView): string {
  if (rotation === null) return 'There was no rotation yet.';
  const { state, key, walk, columns } = rotation;
  if (state === 'waiting-for-controls') {
    const late = controls.filter(({ sealing }) => sealing !== key).map(({ host }) => host);
    return `waits until all controls seal under key ${key}: ${late.join(', ')}`;
  }
  if (state === 'settling') return 'all controls have switched; begins in some seconds';
  const rows = columns.map(({ name, part, resealed, unopened }) => {
    const failed = unopened === 0 ? '' : `   ${unopened} open with no key: see the log of control`;
    return `  ${name.padEnd(30)}${String(Math.round(100 * part)).padStart(4)} %   ${resealed} sealed anew${failed}`;
  });
  return [state === 'ended' ? `ended after ${walk} walks` : `walk ${walk}`, ...rows].join('\n');
}

async function status(flags: Flags): Promise<void> {
  const view = await ask(flags, 'GET');
  say(`key ${view.sealing} seals`);
  for (const { host, held, sealing } of view.controls) {
    say(
      `  control on ${host} seals under ${sealing ?? 'it has not told'}; its file has ${held.join(', ') || 'it has not told'}`,
    );
  }
  say(progressText(view));
}

async function retire(flags: Flags): Promise<void> {
  const file = keyFileOf(flags);
  const { rotation, sealing } = await ask(flags, 'GET');
  if (rotation === null)
    throw new ConfigError('no-rotation', 'There was no rotation yet: `starling secrets rotate` first.');
  if (rotation.state !== 'ended') {
    throw new ConfigError(
      'rotation-running',
      `The rotation to key ${rotation.key} has not ended: older keys are needed.`,
    );
  }
  const set = readKeyFile(file, 'refuse');
  const newest = fingerprintOfKey(set.keys[0]!);
  if (newest !== sealing) {
    const message = `Key ${sealing} seals, and the newest in ${file} is ${newest}: run \`starling secrets rotate\`, or copy the key file from a control that has it.`;
    throw new ConfigError('other-key', message);
  }
  const retired = set.keys.slice(1).map(fingerprintOfKey);
  if (retired.length === 0) {
    say(`${file} has key ${sealing} alone.`);
    return;
  }
  writeKeyFile(file, withNewestAlone(set));
  say(
    `Retired: ${retired.join(', ')}. ${file} has key ${sealing} alone, and what digests and signatures are derived from.`,
  );
  say('Copies of the file with other controls have the older keys still, and so have its backups.');
}

function keyFileOf({ keyFile }: Flags): string {
  if (keyFile !== undefined) return keyFile;
  const { installationKeyFile, dataDir } = loadConfig({}, process.env);
  return installationKeyFile ?? join(dataDir, 'installation.key');
}

async function ask(flags: Flags, method: 'GET' | 'POST', body?: { key: string }): Promise<RotationView> {
  const { api, token = process.env['STARLING_TOKEN'] } = flags;
  if (token === undefined || token === '')
    throw new ConfigError('no-token', 'Give --token, or STARLING_TOKEN: that of an admin.');
  const answer = await fetch(new URL('/api/v1/secrets/rotation', api), {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    const message = `Nothing answers at ${api}: is control running there? --api names another place.`;
    throw new ConfigError('no-api', message, { cause });
  });
  const said = (await answer.json().catch(() => ({}))) as RotationView & { error?: { message?: string } };
  if (!answer.ok) throw new ConfigError('refused', `${answer.status}: ${said.error?.message ?? answer.statusText}`);
  return said;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
