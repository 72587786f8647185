// The private PostgreSQL cluster of `starling up`: made at first start in the data folder, started as a process group of its own, stopped
// with us. When a killed parent left it running, it is adopted. It is not a way to run PostgreSQL at scale: a large ISP brings its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import postgres from 'postgres';
import { ConfigError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import { type Binaries, findBinaries, findLauncher, type Launcher, runToEnd } from './postgres-binaries.ts';

const USER = 'starling';
const DATABASE = 'starling';

/** A small footprint beside the edge in one machine. Durability (fsync, synchronous_commit) is not here: it stays as PostgreSQL ships it. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '40',
  shared_buffers: '64MB',
  // Each checkpoint makes the next writes of all pages larger: with half of this the ingest was a tenth slower.
  max_wal_size: '1GB',
  // Nobody replicates a private cluster: less WAL, and fewer processes.
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  io_method: 'sync',
  max_parallel_workers_per_gather: '0', // /dev/shm is small in containers.
  jit: 'off',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
  log_min_duration_statement: '5000',
} as const;

export interface EmbeddedPostgres {
  /** postgres:// URL with its password; never to be logged. */
  url: string;
  pid: number;
  port: number;
  /** True when a cluster that was running already was taken over. */
  adopted: boolean;
  /** Fast shutdown: transactions under way are rolled back, everything committed is on the disk. */
  stop(): Promise<void>;
}

/** What we need of PostgreSQL's postmaster.pid. */
interface PidFile {
  pid: number;
  /** 0 while the server has not come so far. */
  port: number;
}

/**
 * Starts (or adopts) the cluster of this data folder. The caller holds the lock of the data folder.
 * @param onExit called when the server ends without `stop`.
 * Throws ConfigError with what to set instead when PostgreSQL cannot run here.
 */
export async function startEmbeddedPostgres(
  dataDir: string,
  log: Log,
  onExit: (why: string) => void = () => {},
): Promise<EmbeddedPostgres> {
  mkdirSync(dataDir, { recursive: true });
  const folder = realpathSync(dataDir); // Compared with what the kernel says of a running server.
  const clusterDir = join(folder, 'postgres');
  const password = readOrMakePassword(join(folder, 'postgres.password'));

  const adopted = existsSync(clusterDir) ? await adopt(clusterDir, password, log) : null;
  if (adopted) return adopted;

  const binaries = findBinaries();
  const launcher = await findLauncher(binaries, folder);
  if (!existsSync(clusterDir)) await initialise(folder, clusterDir, binaries, launcher);
  return await launch(folder, clusterDir, password, binaries, launcher, log, onExit);
}

function readOrMakePassword(file: string): string {
  if (!existsSync(file)) {
    const draft = `${file}.new`;
    rmSync(draft, { force: true });
    writeFileSync(draft, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(draft, file);
  }
  return readFileSync(file, 'utf8').trim();
}

/** Made beside and renamed into place, so that a start that was killed half way leaves nothing that looks like a cluster. */
async function initialise(folder: string, clusterDir: string, binaries: Binaries, launcher: Launcher): Promise<void> {
  const draft = `${clusterDir}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  launcher.own(draft);
  // The password goes by a file readable by the user that initdb runs as; arguments can be read by everyone on the machine.
  const passwordFile = join(folder, 'postgres.password.initdb');
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, readFileSync(join(folder, 'postgres.password')), { mode: 0o600 });
  launcher.own(passwordFile);
  try {
    const args = [
      '-D',
      draft,
      '-U',
      USER,
      '-A',
      'scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
    ];
    const unicode = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions'];
    const ended = await runToEnd(launcher, binaries.initdb, [...args, ...unicode]);
    if (ended.code !== 0)
      throw cannotRun(`initdb ended with code ${ended.code}: ${lastLine(ended.stderr)}`, ended.stderr);
    renameSync(draft, clusterDir);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

async function launch(
  folder: string,
  clusterDir: string,
  password: string,
  binaries: Binaries,
  launcher: Launcher,
  log: Log,
  onExit: (why: string) => void,
): Promise<EmbeddedPostgres> {
  const logFile = join(folder, 'postgres.log');
  if (existsSync(logFile) && statSync(logFile).size > LIMITS.postgresLogBytesMax) renameSync(logFile, `${logFile}.1`);
  const deadline = Date.now() + LIMITS.postgresStartMs;
  for (;;) {
    const port = await freePort();
    const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
    const child = spawnServer(clusterDir, port, logFile, binaries, launcher);
    let ended: string | null = null;
    child.once('exit', (code, signal) => {
      ended = signal ? `signal ${signal}` : `code ${code}`;
    });
    child.once('error', (error) => {
      ended = error.message;
    });
    const url = urlOf(password, port);
    while (ended === null && Date.now() < deadline) {
      const pidFile = readPidFile(clusterDir);
      if (pidFile !== null && pidFile.pid === child.pid && pidFile.port === port && (await answers(url, clusterDir))) {
        await makeDatabase(url);
        let stopping = false;
        child.once('exit', (code, signal) => {
          if (!stopping) onExit(`PostgreSQL ended by itself (${signal ?? `code ${code}`}); its log is ${logFile}`);
        });
        return running(url, child.pid!, port, false, log, () => {
          stopping = true;
        });
      }
      await pause(20);
    }
    if (ended === null) {
      child.kill('SIGQUIT');
      throw cannotRun(`it did not answer within ${LIMITS.postgresStartMs} ms; its log is ${logFile}`, '');
    }
    // Another process took the port, or orphans of a killed server still hold the shared memory: both pass by trying again.
    const said = readFileSync(logFile).subarray(logStart).toString('utf8');
    const passing = /could not bind|still in use|could not create any TCP/.test(said);
    if (!passing || Date.now() > deadline) throw cannotRun(`postgres ended with ${ended}: ${lastLine(said)}`, said);
    await pause(200);
  }
}

/** A process that ends without `stop` (a refused start, an uncaught error) still asks its server to end. */
function running(
  url: string,
  pid: number,
  port: number,
  adopted: boolean,
  log: Log,
  onStop: () => void,
): EmbeddedPostgres {
  const last = (): void => sendSignal(pid, 'SIGINT');
  process.once('exit', last);
  const stop = async (): Promise<void> => {
    process.off('exit', last);
    onStop();
    await stopProcess(pid, log);
  };
  return { url, pid, port, adopted, stop };
}

function spawnServer(
  clusterDir: string,
  port: number,
  logFile: string,
  binaries: Binaries,
  launcher: Launcher,
): ChildProcess {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [command, ...args] = launcher.command(binaries.postgres, ['-D', clusterDir, '-p', String(port), ...settings]);
  const out = openSync(logFile, 'a', 0o600);
  try {
    // A process group of its own: Ctrl-C reaches us alone, and we stop the server when our last fact is in.
    const child = spawn(command!, args, { ...launcher.identity, detached: true, stdio: ['ignore', out, out] });
    child.unref();
    return child;
  } finally {
    closeSync(out);
  }
}

/**
 * Deals with what a killed parent left. A live server of this very cluster is taken over. A pid file whose process is gone, or is another
 * program that got the same number since, is removed: PostgreSQL itself would refuse to start beside the second kind.
 */
async function adopt(clusterDir: string, password: string, log: Log): Promise<EmbeddedPostgres | null> {
  const found = readPidFile(clusterDir);
  if (!found) return null;
  if (!runsCluster(found.pid, clusterDir)) {
    rmSync(join(clusterDir, 'postmaster.pid'), { force: true });
    return null;
  }
  const url = urlOf(password, found.port);
  if (found.port > 0 && (await answers(url, clusterDir))) {
    await makeDatabase(url);
    log.info({ pid: found.pid, port: found.port }, 'took over the PostgreSQL that an earlier process left running');
    return running(url, found.pid, found.port, true, log, () => {});
  }
  // It is ours but starting, stopping or hung: end it and start afresh; committed data is safe with it.
  await stopProcess(found.pid, log);
  return null;
}

function readPidFile(clusterDir: string): PidFile | null {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number.parseInt(lines[0] ?? '', 10);
    if (!Number.isInteger(pid) || pid <= 0) return null;
    return { pid, port: Number(lines[3]) || 0 };
  } catch {
    return null;
  }
}

/** Whether process `pid` is a PostgreSQL server of this folder: a server's working directory is its cluster. */
function runsCluster(pid: number, clusterDir: string): boolean {
  if (!alive(pid)) return false;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === clusterDir;
  } catch (error) {
    // Without /proc (macOS) we cannot tell; leaving the pid file to PostgreSQL is the safe side.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? !existsSync('/proc/self/cwd') : false;
  }
}

/** True when the server at `url` lets us in and serves this very folder. */
async function answers(url: string, clusterDir: string): Promise<boolean> {
  const sql = postgres(`${url.slice(0, url.lastIndexOf('/'))}/postgres`, {
    max: 1,
    connect_timeout: 2,
    onnotice: () => {},
  });
  try {
    const [row] = await sql`select current_setting('data_directory') as folder`;
    return row!['folder'] === clusterDir;
  } catch {
    return false; // Starting up, or another program on that port.
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function makeDatabase(url: string): Promise<void> {
  const sql = postgres(`${url.slice(0, url.lastIndexOf('/'))}/postgres`, { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (found.length === 0) await sql.unsafe(`create database ${DATABASE}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** SIGINT is PostgreSQL's fast shutdown; after the grace SIGQUIT, from which it recovers at the next start. */
async function stopProcess(pid: number, log: Log): Promise<void> {
  sendSignal(pid, 'SIGINT');
  const graceEnds = Date.now() + LIMITS.postgresStopMs;
  while (alive(pid) && Date.now() < graceEnds) await pause(10);
  if (!alive(pid)) return;
  log.warn({ pid }, 'PostgreSQL did not stop in time, ending it at once');
  sendSignal(pid, 'SIGQUIT');
  const end = Date.now() + LIMITS.postgresStopMs;
  while (alive(pid) && Date.now() < end) await pause(10);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {} // Gone already.
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function cannotRun(why: string, detail: string): ConfigError {
  const message = `The private PostgreSQL cannot run here: ${why}. Set STARLING_DATABASE_URL to a PostgreSQL of your own.`;
  return new ConfigError('embedded-postgres', message, { detail });
}

const urlOf = (password: string, port: number): string =>
  `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;
const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
