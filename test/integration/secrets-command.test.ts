// `starling secrets` against a whole Starling that is killed in the midst of it: the key file, the rotation, and what can be read afterwards.

import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fingerprintOfKey, readKeyFile } from '../../base/key-file.ts';
import { REPOSITORY } from '../corpus.ts';
import { HandCpe } from '../faults/hand-cpe.ts';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';

const PASSWORD = 'InternetGatewayDevice.ManagementServer.Password';
const cpe = new HandCpe('ROTATED');
const dataDir = mkdtempSync(join(tmpdir(), 'starling-rotated-'));
const keyFile = join(dataDir, 'installation.key');
let starling: TestStarling;
beforeAll(async () => {
  starling = await startStarling({}, dataDir);
});
afterAll(async () => {
  await starling.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Runs the command to its end. `saw` gets its output so far. */
function secrets(name: string, saw: (out: string) => void = () => {}): Promise<{ code: number; out: string }> {
  const args = [
    join(REPOSITORY, 'bin/starling.mjs'),
    'secrets',
    name,
    '--api',
    starling.httpUrl,
    '--key-file',
    keyFile,
  ];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...args, '--token', starling.token], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), out: stdout + stderr });
    });
    let out = '';
    child.stdout?.on('data', (text: string) => {
      out += text;
      saw(out);
    });
  });
}
const held = (): string[] => readKeyFile(keyFile, 'refuse').keys.map(fingerprintOfKey);
const read = () => starling.api('POST', `/devices/${cpe.id}/secrets/read`, { name: PASSWORD, reason: 'a test' });

test('the key is rotated over a kill, the old one retired, and what was sealed before can be read', {
  timeout: 120_000,
}, async () => {
  await cpe.inform(starling.cwmpUrl, ['1 BOOT'], { [PASSWORD]: 'from-before' });
  await vi.waitFor(async () => expect((await read()).status).toBe(200), { timeout: 10_000 });
  const [original = ''] = held();
  expect(await secrets('retire')).toMatchObject({ code: 1, out: expect.stringContaining('There was no rotation yet') });

  // Killed when the new key has begun to seal and nothing was sealed anew.
  let killed: Promise<void> | null = null;
  const cut = await secrets('rotate', (out) => {
    if (out.includes('seals from now on')) killed ??= starling.kill();
  });
  await killed;
  expect(cut).toMatchObject({ code: 1, out: expect.stringContaining('Nothing answers') });
  const [newest = '', ...older] = held();
  expect(older).toEqual([original]);
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  const withBoth = `${keyFile}.both`;
  copyFileSync(keyFile, withBoth);

  starling = await startStarling({}, dataDir);
  expect((await read()).body.value).toBe('from-before');
  expect(await secrets('retire')).toMatchObject({ code: 1, out: expect.stringContaining('older keys are needed') });
  // The same command again goes on with it, and makes no further key.
  const done = await secrets('rotate');
  expect(done, done.out).toMatchObject({ code: 0, out: expect.stringMatching(/ended after \d walks/) });
  expect(held()).toEqual([newest, original]);
  const { body: view } = await starling.api('GET', '/secrets/rotation');
  expect(view).toMatchObject({ sealing: newest, rotation: { state: 'ended' } });
  expect(view.controls).toMatchObject([{ held: [newest, original], sealing: newest }]);

  const fingerprint = async () => (await starling.api('GET', '/evidence/key')).body.fingerprint;
  const before = await fingerprint();
  expect(await secrets('retire')).toMatchObject({ code: 0, out: expect.stringContaining(`Retired: ${original}.`) });
  expect(readFileSync(keyFile, 'utf8')).not.toContain(readFileSync(withBoth, 'utf8').split('\n')[1]);
  expect(await starling.stop()).toBe(0);
  starling = await startStarling({}, dataDir);
  expect(held()).toEqual([newest]);
  expect((await read()).body.value).toBe('from-before');
  expect(await fingerprint()).toBe(before);
  expect(
    readdirSync(dataDir)
      .filter((name) => name.startsWith('installation.key'))
      .sort(),
  ).toEqual(['installation.key', 'installation.key.both']);
  expect(await secrets('retire')).toMatchObject({ code: 0, out: expect.stringContaining('alone') });
});
