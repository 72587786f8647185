// deploy/: what can be checked of it on a machine that is neither booted with systemd nor has a container engine. The TLS front runs for real in
// integration/tls-front*.test.ts.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../base/config.ts';
import { REPOSITORY } from './corpus.ts';

const deploy = join(REPOSITORY, 'deploy');
const read = (path: string): string => readFileSync(join(deploy, path), 'utf8');
const dir = mkdtempSync(join(tmpdir(), 'starling-deploy-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const units = readdirSync(join(deploy, 'systemd')).filter((name) => name.endsWith('.service'));

/** Why systemd-analyze is not there; null when it is. In CI nothing is skipped. */
function analyzeMissing(): string | null {
  if (spawnSync('systemd-analyze', ['--version']).status === 0) return null;
  const why = 'systemd-analyze is not installed (apt-get install systemd)';
  if (process.env['STARLING_TEST_FULL'] === '1') throw new Error(why);
  console.log(`skipped: units as systemd reads them, because ${why}`);
  return why;
}

test('there is a unit for each role, with its options beside it', () => {
  expect(units.sort()).toEqual(['starling-control.service', 'starling-edge.service', 'starling-up.service']);
  for (const name of units) {
    const role = name.slice('starling-'.length, -'.service'.length);
    expect(read(`systemd/${name}`)).toContain(`ExecStart=/usr/bin/env node /opt/starling/bin/starling.mjs ${role}\n`);
    expect(existsSync(join(deploy, `systemd/${role}.env`))).toBe(true);
  }
});

test.skipIf(analyzeMissing() !== null).each(units)('%s is what systemd understands', (name) => {
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(deploy, 'systemd', name)]);
  // Anything it says is a setting it did not take; units of other packages, of which it speaks as well, are not ours.
  const told = String(stderr)
    .split('\n')
    .filter((line) => line !== '' && !/^\/(usr\/)?lib\/systemd\//.test(line));
  expect([status, told]).toEqual([0, []]);
});

/** NAME=value lines, those behind a `#` without a blank as well: they are there to be taken in. */
function variablesOf(path: string): [string, string][] {
  return [...read(path).matchAll(/^#?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name!, value!]);
}

test.each(['edge', 'control', 'up'])('systemd/%s.env has options that exist, with values that are taken', (role) => {
  const variables = variablesOf(`systemd/${role}.env`);
  expect(variables.length).toBeGreaterThan(2);
  expect(() => loadConfig({}, Object.fromEntries(variables))).not.toThrow();
});

test.each(['hub', 'leaf'])(
  'nats/%s.env names what its configuration takes from the environment, and nothing else',
  (name) => {
    const configuration = read(`nats/${name}.conf`).replace(/#.*$/gm, '');
    const used = [...configuration.matchAll(/[^"]\$([A-Z][A-Z0-9_]*)/g)].map(([, variable]) => variable!);
    const named = variablesOf(`nats/${name}.env`).map(([variable]) => variable);
    expect([...new Set(used)].sort()).toEqual(named.sort());
  },
);

test('haproxy/default names variables of the configuration, and those without a default are there', () => {
  const configuration = read('haproxy/starling.cfg');
  const names = variablesOf('haproxy/default').map(([name]) => name);
  for (const name of names.filter((one) => one !== 'CONFIG')) expect(configuration).toContain(name);
  const preset = new Set([...configuration.matchAll(/presetenv (\w+)/g)].map(([, name]) => name));
  const used = new Set([...configuration.matchAll(/\$\{(\w+)|defined\((\w+)\)/g)].map(([, a, b]) => a ?? b!));
  used.delete('FRONT_VERIFY');
  for (const name of used) if (!preset.has(name)) expect([...names, 'FRONT_EDGE_3', 'FRONT_EDGE_4']).toContain(name);
});

test('Containerfile: everything it copies is there, and what the image holds is enough to start', {
  timeout: 60_000,
}, async () => {
  const [building = '', image = ''] = read('Containerfile')
    .split(/^FROM /m)
    .slice(1);
  for (const [, sources] of building.matchAll(/^COPY (.+) \S+$/gm)) {
    for (const source of sources!.split(' ')) expect(existsSync(join(REPOSITORY, source))).toBe(true);
  }
  const copied = [...image.matchAll(/^COPY --from=build \/opt\/starling\/(\S+) \.\/(\S+)$/gm)];
  expect(copied.length).toBe(4);
  for (const [, source, target] of copied) {
    expect(source).toBe(target);
    mkdirSync(dirname(join(dir, target!)), { recursive: true });
    // Hundreds of megabytes that nothing in them depends on being elsewhere.
    if (target === 'node_modules') symlinkSync(join(REPOSITORY, source!), join(dir, target));
    else cpSync(join(REPOSITORY, source!), join(dir, target!), { recursive: true });
  }
  const [, entry] = /^ENTRYPOINT \["node", "(.+)"\]$/m.exec(image) ?? [];
  const options = Object.fromEntries(
    [...image.matchAll(/(STARLING_\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!]),
  );
  const settings = (env: Record<string, string>) => ({
    cwd: dir,
    env: { PATH: process.env['PATH'], ...options, STARLING_DATA_DIR: join(dir, 'data'), ...env },
  });
  // The address is open to the network, so the way CPEs prove themselves has to be said.
  const refused = spawnSync(process.execPath, [entry!, 'up'], settings({}));
  expect([refused.status, String(refused.stderr)]).toEqual([1, expect.stringContaining('STARLING_CPE_AUTH')]);
  const free = { STARLING_CPE_AUTH: 'digest', STARLING_CWMP_PORT: '0', STARLING_HTTP_PORT: '0' };
  const started = spawn(process.execPath, [entry!, 'up'], settings(free));
  const ended = once(started, 'exit');
  let out = '';
  for await (const chunk of started.stdout) {
    out += chunk;
    if (out.includes('is ready')) started.kill('SIGTERM');
  }
  expect(out).toContain('is ready');
  expect((await ended)[0]).toBe(0);
});
