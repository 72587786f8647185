import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataFolder } from './data-folder.ts';
import { ConfigError } from './errors.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'starling-lock-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function refusalOf(dir: string): Promise<ConfigError> {
  const error = await lockDataFolder(dir).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return error as ConfigError;
}

test('a second lock on the same folder is refused and names the process that has it', async () => {
  const dir = join(root, 'data');
  const release = await lockDataFolder(dir);
  const refusal = await refusalOf(dir);
  expect(refusal.code).toBe('data-folder-in-use');
  expect(refusal.message).toContain(`process ${process.pid}`);
  expect(refusal.message).toContain('STARLING_DATA_DIR');
  await release();
});

test('a folder that was released can be locked again, and its pid file is gone in between', async () => {
  const dir = join(root, 'data');
  await (await lockDataFolder(dir))();
  expect(() => readFileSync(join(dir, 'starling.pid'))).toThrow();
  await (await lockDataFolder(dir))();
});

test('another path to the same folder is the same folder; another folder is not', async () => {
  const release = await lockDataFolder(join(root, 'data'));
  symlinkSync(join(root, 'data'), join(root, 'alias'));
  expect((await refusalOf(join(root, 'alias'))).code).toBe('data-folder-in-use');
  await (await lockDataFolder(join(root, 'other')))();
  await release();
});

test('a path longer than a socket address can be locked', async () => {
  const dir = join(root, ...Array.from({ length: 6 }, () => 'a-folder-with-a-long-name'.repeat(2)));
  const release = await lockDataFolder(dir);
  expect((await refusalOf(dir)).code).toBe('data-folder-in-use');
  await release();
});

test('the data folder is for this user alone', async () => {
  const dir = join(root, 'data');
  const release = await lockDataFolder(dir);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  await release();
});

test('a path that cannot be a folder is refused with what to do', async () => {
  writeFileSync(join(root, 'file'), '');
  const refusal = await refusalOf(join(root, 'file', 'data'));
  expect(refusal.code).toBe('data-folder');
  expect(refusal.message).toContain('STARLING_DATA_DIR');
});

test.runIf(process.platform === 'linux')(
  'a holder that is killed leaves no stale lock, though its pid file stays',
  async () => {
    const dir = join(root, 'data');
    await (await lockDataFolder(dir))();
    const { dev, ino } = statSync(dir, { bigint: true });
    // The child holds the very name that lockDataFolder takes, as a Starling of its own would.
    const name = JSON.stringify(`\0starling-data-${dev}-${ino}`);
    const script = `require('node:net').createServer().listen(${name}, () => console.log('held'))`;
    const child: ChildProcess = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout!, 'data');
    writeFileSync(join(dir, 'starling.pid'), `${child.pid}\n`);
    expect((await refusalOf(dir)).message).toContain(`process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await lockDataFolder(dir))();
  },
);
