// Where the PostgreSQL binaries are, and as whom they can be run: PostgreSQL refuses root, so root runs them in a user namespace, or as
// an unprivileged user. Finding out is all this file does.

import { spawn } from 'node:child_process';
import { chownSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { ConfigError } from '../../base/errors.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
}

export interface Launcher {
  /** The command line that runs `binary` with `args` as a user PostgreSQL accepts. */
  command(binary: string, args: string[]): string[];
  /** For spawn: the user to run as, when that is how it is done. */
  identity: { uid?: number; gid?: number };
  /** Gives a path to the user that PostgreSQL will run as. */
  own(path: string): void;
}

const DIRECT: Launcher = { command: (binary, args) => [binary, ...args], identity: {}, own: () => {} };

/** Finds the binaries of this platform's package. Throws ConfigError when there is none. */
export function findBinaries(): Binaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let native: string;
  try {
    // The platform package is a dependency of embedded-postgres, so it is looked up from there; its main file lies in dist/.
    const main = createRequire(import.meta.url).resolve('embedded-postgres');
    native = join(dirname(dirname(resolveFrom(main, name))), 'native');
  } catch (cause) {
    const message = `No PostgreSQL binaries for ${platform}-${process.arch} (package ${name}). Set STARLING_DATABASE_URL to a PostgreSQL of your own.`;
    throw new ConfigError('embedded-postgres', message, { cause });
  }
  linkLibraries(native);
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

const resolveFrom = (from: string, name: string): string => createRequire(from).resolve(name);

/** npm packages hold no symbolic links; the package's install script makes them, unless scripts are off. Then we do. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(native, '..', target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(basename(source), path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      const message = `PostgreSQL needs the link ${path}, which cannot be made. Run npm rebuild in the installation folder, or set STARLING_DATABASE_URL.`;
      throw new ConfigError('embedded-postgres', message, { cause });
    }
  }
}

/**
 * Chooses how to run PostgreSQL here by trying: as ourselves; as root in a user namespace; as root with the identity of an
 * unprivileged user. Throws ConfigError when none works.
 */
export async function findLauncher(binaries: Binaries, dataDir: string): Promise<Launcher> {
  if (process.getuid?.() !== 0) return DIRECT;
  const user = unprivilegedUser();
  const tried: string[] = [];
  for (const [name, launcher] of [
    ['user namespace', namespace(user)],
    [`user ${user.uid}`, identity(user)],
  ] as const) {
    // The probe also shows whether that user can reach the binaries and the data folder.
    const probe = await runToEnd(launcher, '/bin/sh', ['-c', '"$0" --version && cd "$1"', binaries.postgres, dataDir]);
    if (probe.code === 0) return launcher;
    tried.push(`${name}: ${probe.stderr.trim().split('\n').at(-1)}`);
  }
  const message =
    'PostgreSQL refuses to run as root, and neither a user namespace nor an unprivileged user works here. ' +
    'Run Starling as another user, or set STARLING_DATABASE_URL to a PostgreSQL of your own.';
  throw new ConfigError('embedded-postgres-root', message, { detail: tried.join('; ') });
}

/** Inside the namespace we are a user that /etc/passwd knows (initdb looks it up); outside, and for files, we stay root. */
function namespace(user: { uid: number; gid: number }): Launcher {
  const prefix = ['unshare', '-U', `--map-user=${user.uid}`, `--map-group=${user.gid}`];
  return { command: (binary, args) => [...prefix, binary, ...args], identity: {}, own: () => {} };
}

function identity(user: { uid: number; gid: number }): Launcher {
  return { ...DIRECT, identity: user, own: (path) => chownSync(path, user.uid, user.gid) };
}

/** `nobody` where there is one, else the first user that is not root. */
function unprivilegedUser(): { uid: number; gid: number } {
  const users = existsSync('/etc/passwd')
    ? readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
        .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
        .filter(({ uid, gid }) => uid > 0 && gid > 0)
    : [];
  const { uid, gid } = users.find((user) => user.name === 'nobody') ?? users[0] ?? { uid: 65_534, gid: 65_534 };
  return { uid, gid };
}

/** Runs a program to its end. Never throws: what cannot be started ends with code 127. */
export function runToEnd(
  launcher: Launcher,
  binary: string,
  args: string[],
): Promise<{ code: number; stderr: string }> {
  const [command, ...rest] = launcher.command(binary, args);
  return new Promise((done) => {
    const child = spawn(command!, rest, { ...launcher.identity, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-16_384);
    });
    child.once('error', (error) => done({ code: 127, stderr: error.message }));
    child.once('close', (code) => done({ code: code ?? 128, stderr }));
  });
}
