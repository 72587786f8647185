// A line that the kernel itself makes slow and lossy: through a network namespace behind a pair of veth, with netem on our side of it, so that
// what goes either way is late once. It takes root, iproute2 and the kernel's sch_netem; `netemMissing` says which is not there.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY } from './corpus.ts';
import { type Line, PortProxy } from './port-proxy.ts';

/** Of the range for benchmarks (RFC 2544): nobody lives there. */
const HERE = '198.18.77.1';
const BEYOND = '198.18.77.2';
const FORWARDER = join(REPOSITORY, 'dist/test/forward-child.js');

/** Why there is no netem here; null when there is. Leaves nothing behind. */
export function netemMissing(): string | null {
  const tried = spawnSync('unshare', ['-n', 'tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']);
  return tried.status === 0 ? null : (tried.error?.message ?? String(tried.stderr).trim());
}

export interface NetemLine {
  host: string;
  port: number;
  /** Packets so far, as the kernel counted them. */
  lost(): number;
  close(): void;
}

/** @param target a port on 127.0.0.1 that is reached through the line. @throws Error with what `ip` or `tc` said. */
export async function openNetem({ roundTripMs, loss }: Line, target: number): Promise<NetemLine> {
  const space = `starling-${process.pid}`;
  const [here, beyond] = [`stl${process.pid}a`, `stl${process.pid}b`];
  const inside = ['netns', 'exec', space, 'ip'];
  let forwarder: ChildProcess | null = null;
  let back: PortProxy | null = null;
  const close = (): void => {
    back?.close();
    forwarder?.kill('SIGKILL');
    spawnSync('ip', ['netns', 'del', space]); // Its end of the pair goes with it, and so does ours.
  };
  const lost = (): number => Number(/dropped (\d+)/.exec(run('tc', ['-s', 'qdisc', 'show', 'dev', here]))?.[1] ?? 0);
  try {
    run('ip', ['netns', 'add', space]);
    run('ip', ['link', 'add', here, 'type', 'veth', 'peer', 'name', beyond, 'netns', space]);
    run('ip', ['addr', 'add', `${HERE}/30`, 'dev', here]);
    run('ip', ['link', 'set', here, 'up']);
    run('ip', [...inside, 'addr', 'add', `${BEYOND}/30`, 'dev', beyond]);
    run('ip', [...inside, 'link', 'set', beyond, 'up']);
    const slow = ['delay', `${roundTripMs / 2}ms`, 'loss', `${loss * 100}%`, 'limit', '100000'];
    run('tc', ['qdisc', 'add', 'dev', here, 'root', 'netem', ...slow]);
    back = await PortProxy.open(Math.random, HERE);
    back.target = target;
    const args = ['netns', 'exec', space, process.execPath, FORWARDER, BEYOND, HERE, String(back.port)];
    const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    forwarder = child;
    const port = await new Promise<number>((ready, fail) => {
      child.stdout.once('data', (text: Buffer) => ready(Number(text)));
      child.once('exit', (code) => fail(new Error(`the forwarder ended with ${code}`)));
    });
    return { host: BEYOND, port, lost, close };
  } catch (error) {
    close();
    throw error;
  }
}

function run(command: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}
