// deploy/try/two-pops.sh with what docs/operating/pop.md shows of it: two POPs and a centre in network namespaces, as the configurations of
// deploy/ have them, TLS between leaf and hub and towards CPEs. One POP loses its line; the other one must not notice.

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { REPOSITORY } from '../corpus.ts';

const WITHIN = { timeout: 60_000, interval: 200 };
const run = promisify(execFile);
const SCRIPT = join(REPOSITORY, 'deploy/try/two-pops.sh');
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

/** What is missing here; null when nothing is. In CI nothing is skipped, so there it throws. */
function missing(): string | null {
  const looked: [string, string[], string][] = [
    ['unshare', ['--net', 'true'], 'root, and a kernel that gives it network namespaces'],
    ['ip', ['-V'], 'iproute2'],
    ['nats-server', ['--version'], 'nats-server'],
    ['haproxy', ['-v'], 'haproxy'],
    ['openssl', ['version'], 'openssl'],
    ['curl', ['--version'], 'curl'],
  ];
  const found = looked.find(([command, args]) => spawnSync(command, args, { env: { PATH } }).status !== 0);
  if (found === undefined) return null;
  const why = `two POPs and a centre need ${found[2]} (Debian: apt-get install iproute2 nats-server haproxy openssl curl)`;
  if (process.env['STARLING_TEST_FULL'] === '1') throw new Error(why);
  process.stderr.write(`skipped: ${why}\n`);
  return why;
}

interface Device {
  id: string;
  pop: string;
  edgeId: string;
  serialNumber: string;
}

describe.skipIf(missing() !== null)('two POPs and a centre', () => {
  let script: ChildProcess;
  let log = '';
  /** What the script gives to the command it runs. */
  let env: NodeJS.ProcessEnv;
  const name = `test-${process.pid}`;

  beforeAll(async () => {
    // `cat` ends with its input: also when this process is killed everything is taken down.
    script = spawn(SCRIPT, ['sh', '-c', 'env; echo stands; exec cat'], {
      env: { ...process.env, PATH, TRY_NAME: name },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let out = '';
    script.stdout?.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    script.stderr?.on('data', (chunk: Buffer) => {
      log += chunk;
    });
    await vi.waitUntil(() => out.includes('\nstands\n') || script.exitCode !== null, { timeout: 90_000 });
    if (script.exitCode !== null) throw new Error(`two-pops.sh ended with ${script.exitCode}:\n${log}`);
    env = Object.fromEntries([...out.matchAll(/^(\w+)=(.*)$/gm)].map(([, key, text]) => [key!, text!]));
  }, 120_000);

  afterAll(async () => {
    const ended = new Promise((done) => script.once('exit', done));
    script.stdin?.end();
    if (script.exitCode === null) await ended;
    const { stdout } = await run('ip', ['netns', 'list'], { env: { PATH } });
    expect(stdout).not.toContain(name);
  }, 60_000);

  const at = async (machine: string, ...command: string[]): Promise<string> =>
    (await run('at', [machine, ...command], { env, cwd: REPOSITORY })).stdout;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes
  const api = async (path: string, body?: unknown): Promise<any> =>
    JSON.parse(
      (await run('api', [`${env['API']}${path}`, ...(body === undefined ? [] : ['-d', JSON.stringify(body)])], { env }))
        .stdout,
    );
  const devices = async (): Promise<Device[]> => (await api('/devices')).items;
  const metric = async (pop: string, metricName: string): Promise<number> => {
    const page = await at(pop, 'curl', '-s', 'http://127.0.0.1:7548/metrics');
    return Number(new RegExp(`^${metricName} (\\S+)$`, 'm').exec(page)?.[1]);
  };
  /** Lives until the namespaces are taken down. */
  const cpes = (pop: string, count: number, ...more: string[]): ChildProcess =>
    spawn('cpes', [pop, String(count), ...more], { env, stdio: 'ignore' });
  const of = async (pop: string): Promise<Device> => {
    const found = (await devices()).find((device) => device.pop === pop);
    expect(found).toBeDefined();
    return found!;
  };
  const set = (id: string, ssid: string, wait: number) =>
    api(`/devices/${id}/actions?wait=${wait}`, { kind: 'set', values: { 'wifi.2g.ssid': ssid }, wake: true });

  test('CPEs of both are listed with their POP, over TLS from CPE to front and from leaf to hub', async () => {
    cpes('north', 1);
    cpes('south', 1);
    await vi.waitFor(async () => {
      const listed = (await devices()).map(({ pop, edgeId, serialNumber }) => [pop, edgeId, serialNumber[0]]);
      expect(listed.sort()).toEqual([
        ['north', 'edge-1', 'N'],
        ['south', 'edge-2', 'S'],
      ]);
    }, WITHIN);
    expect((await api('/connectors')).items[0].edges).toHaveLength(2);
  }, 90_000);

  test.each(['north', 'south'])(
    'an action of %s is done, by a wake, and shows its evidence',
    async (pop) => {
      const { id } = await of(pop);
      const action = await set(id, `Harbour ${pop}`, 30);
      expect([action.state, action.outcome]).toEqual(['done', 'done']);
      const { evidence } = await api(`/actions/${action.id}`);
      expect(evidence.map(({ kind }: { kind: string }) => kind)).toEqual(expect.arrayContaining(['planned', 'result']));
    },
    60_000,
  );

  test('the line of north is cut: its sessions go on, south does not notice, and all that waited arrives', async () => {
    const [north, south] = [await of('north'), await of('south')];
    await at('north', 'ip', 'link', 'set', 'wan', 'down');
    const sessions = await metric('north', 'starling_sessions_started_total');
    const late = cpes('north', 2, '--serial-prefix', 'LATE');
    const waiting = await set(north.id, 'Harbour later', 1);
    expect(waiting.state).toBe('ready');
    expect((await set(south.id, 'Harbour south too', 30)).state).toBe('done');
    await vi.waitFor(async () => {
      expect(await metric('north', 'starling_sessions_started_total')).toBeGreaterThan(sessions + 2);
      expect(await metric('north', 'starling_outbox_facts')).toBeGreaterThan(1);
    }, WITHIN);
    expect((await devices()).filter(({ serialNumber }) => serialNumber.startsWith('LATE'))).toEqual([]);
    // What its CPEs tell goes out as ever.
    await vi.waitFor(async () => expect(await metric('south', 'starling_outbox_facts')).toBe(0), WITHIN);

    await at('north', 'ip', 'link', 'set', 'wan', 'up');
    await vi.waitFor(async () => {
      const listed = (await devices()).filter(({ serialNumber }) => serialNumber.startsWith('LATE'));
      expect(listed.map(({ pop }) => pop)).toEqual(['north', 'north']);
    }, WITHIN);
    await vi.waitFor(async () => expect((await api(`/actions/${waiting.id}`)).state).toBe('done'), WITHIN);
    expect((await api('/connectors')).items[0]).toMatchObject({ state: 'ok', parkedMessages: 0 });
    late.kill('SIGTERM');
  }, 180_000);

  const publish = (user: string, password: string, subject: string): string => `
    import { connect } from '@nats-io/transport-node';
    const nats = await connect({ servers: '127.0.0.1:4222', user: '${user}', pass: '${password}', inboxPrefix: 'acs.v1.inbox.edge.north.edge-1' });
    const said = await nats.request('${subject}', 'x', { timeout: 2000 }).then((answer) => answer.string(), (error) => error.message);
    console.log(said);
    await nats.close();`;
  test.each([
    ['its edge, at its leaf', 'north', 'edge-1', 'EDGE_1'],
    ['its leaf, at the hub', 'centre', 'pop-north', 'NORTH'],
  ])(
    'what north says for south is refused: %s',
    async (_, machine, user, password) => {
      const say = (subject: string): Promise<string> =>
        at(machine, 'node', '--input-type=module', '-e', publish(user, env[password]!, subject));
      expect(await say('acs.v1.event.fact.south.edge-2')).toMatch(/permissions violation/i);
      expect(await say('acs.v1.event.fact.north.edge-1')).toContain('STARLING_FACTS');
    },
    30_000,
  );

  test('a leaf whose certificate is of another authority does not come in, with the right password', async () => {
    const dir = env['TRY_DIR']!;
    const [key, cert, conf] = ['stranger.key', 'stranger.pem', 'stranger.conf'].map((file) => join(dir, file));
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=leaf-north.example.net'];
    await run('openssl', [...request, '-keyout', key!, '-out', cert!]);
    const remote = `url: "tls://pop-north:${env['NORTH']}@hub.example.net:7422", account: A`;
    const tls = `tls { ca_file: "${dir}/ca/ca.pem", cert_file: "${cert}", key_file: "${key}" }`;
    const accounts = 'accounts {\n  A { users: [ { user: a, password: a } ] }\n}\n';
    writeFileSync(conf!, `listen: "127.0.0.1:4333"\nleafnodes { remotes: [ { ${remote}, ${tls} } ] }\n${accounts}`);
    const leaf = spawn('at', ['north', 'nats-server', '-c', conf!], { env, stdio: 'ignore' });
    try {
      const hub = join(dir, 'centre/nats-server.log');
      await vi.waitFor(
        () => expect(readFileSync(hub, 'utf8')).toMatch(/TLS leafnode handshake error.*certificate/),
        WITHIN,
      );
      // Who it says it is never came up.
      expect(readFileSync(hub, 'utf8')).not.toMatch(/authorization/i);
    } finally {
      leaf.kill('SIGKILL');
    }
  }, 90_000);
});
