// Makes a fresh clone ready with nothing but Node: installs the locked dependencies when they are missing or stale, then builds what
// changed. Plain JavaScript without imports of ours or others: it runs before there is anything else.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sourceFolders = ['base', 'cwmp', 'profiles', 'bus', 'workers', 'edge', 'control', 'bench', 'bin', 'test'];
// Files beside the code that the built program reads.
const assets = /\.(sql|yaml|json|txt|xml)$/;

/** What is mended in the installed `postgres` (CONTRIBUTING, Known gotchas): what stands there, and what is put in its place. */
const SOCKET_WRITE = '    const x = socket.write(chunk, fn)\n';
const MENDS = [
  // A write that a timer makes after the socket has gone.
  [
    SOCKET_WRITE,
    `    if (socket === null) {
      clearImmediate(nextWriteTimer)
      chunk = nextWriteTimer = null
      error(Errors.connection('CONNECTION_CLOSED', options, socket))
      return true
    }
${SOCKET_WRITE}`,
  ],
  // A connection that is lost while the driver asks for the types of arrays: nobody waits for that answer but the connection itself.
  ['        return fetchArrayTypes()\n', '        return fetchArrayTypes().catch(() => {})\n'],
];

let unlock = null;
checkNode();
unlock = await lock();
try {
  install();
  mend();
  build();
} finally {
  unlock();
}

/** Two commands started at once take turns: `npm ci` begins by removing what the other one is using. */
async function lock() {
  const path = join(root, '.starling-setup.lock');
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`cannot write ${path}: ${error.message}`);
    }
    if (!isAlive(path)) rmSync(path, { force: true });
    else if (!waited) say('waiting for another setup of this folder');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function isAlive(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    // Written in two steps: an empty file belongs to somebody who is just writing it.
    if (pid > 0) process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Starling needs Node 20.19 or newer; this is ${process.version}.`);
}

function install() {
  const want = hash([readFileSync(join(root, 'package-lock.json')), process.version]);
  const stamp = join(root, 'node_modules', '.starling-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('installing locked dependencies (npm ci)');
  // No install scripts: every native part comes prebuilt in its package.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, want);
}

/**
 * The driver `postgres` 3.4.9 ends the whole process when a database goes away in the middle of a transaction: it writes the rollback to a
 * connection that is closed already, from a timer, where nobody can catch the TypeError (its issues #1154 and #1208, open). Here that write
 * fails the queries of the connection instead. test/faults/database-lost.test.ts would see it missing; a release that has its own
 * guard makes this unnecessary.
 */
function mend() {
  const file = join(root, 'node_modules', 'postgres', 'src', 'connection.js');
  const installed = readFileSync(file, 'utf8');
  let text = installed;
  for (const [broken, mended] of MENDS) {
    if (text.includes(mended)) continue;
    if (!text.includes(broken)) fail(`${file} is not the version that is mended here: look whether it still needs it.`);
    text = text.replace(broken, () => mended);
  }
  if (text === installed) return;
  // Beside and renamed: another process may be loading it.
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

function build() {
  const files = sourceFolders.flatMap((folder) => walk(join(root, folder)));
  const parts = [readFileSync(join(root, 'tsconfig.json')), readFileSync(join(root, 'package-lock.json'))];
  for (const file of files) parts.push(relative(root, file), readFileSync(file));
  const want = hash(parts);
  const stamp = join(root, 'dist', '.starling-built');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('building');
  rmSync(stamp, { force: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  // Types are checked by `npm run check`; starting only needs them stripped.
  run(process.execPath, [tsc, '-p', root, '--noCheck']);
  for (const file of files) {
    if (!assets.test(file)) continue;
    const target = join(root, 'dist', relative(root, file));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(file, target);
  }
  writeFileSync(stamp, want);
}

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.name !== 'findings')
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? walk(path) : statSync(path).isFile() ? [path] : [];
    })
    .sort();
}

function hash(parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex');
}

function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (done.error) fail(`${command} cannot be run: ${done.error.message}`);
  if (done.status !== 0) fail(`${command} ${args.join(' ')} failed with exit code ${done.status}.`);
}

function say(text) {
  process.stderr.write(`starling: ${text} …\n`);
}

function fail(text) {
  process.stderr.write(`starling: ${text}\n`);
  unlock?.();
  process.exit(1);
}
