// The port CPEs come to. SO_REUSEPORT lets our own threads share it, and would let a second Starling share it as well, unseen: each would
// then serve every other session of CPEs that only one of them knows the work of.
//
// A plain listener cannot be opened on a port that anybody has, so that is the question asked first. It is closed again before the threads
// open theirs, and in between another Starling may ask the same question. So the port is also held under a name, as long as it is used.

import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import { ConfigError } from '../base/errors.ts';

export interface TakenPort {
  port: number;
  /** Another may take it. */
  release(): void;
}

/**
 * Takes a port for this process.
 * @param port 0: any that is free.
 * @throws ConfigError when somebody has it, or it cannot be opened.
 */
export async function takePort(host: string, port: number): Promise<TakenPort> {
  for (;;) {
    const found = await freePort(host, port);
    const held = await hold(host, found);
    if (held !== null) return { port: found, release: () => void held.close() };
    if (port !== 0) throw refused(host, port, 'another Starling has it');
  }
}

async function freePort(host: string, port: number): Promise<number> {
  try {
    const probe = await listen({ host, port, exclusive: true });
    const { port: found } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    return found;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refused(host, port, code === 'EADDRINUSE' ? 'another program listens there' : message, error);
  }
}

/** Null when another process holds it. The name is in no file system: it goes with the process, and is of one network namespace, as ports are. */
async function hold(host: string, port: number): Promise<Server | null> {
  try {
    const held = await listen({ path: `\0starling-cwmp-${host}:${port}` });
    return held.unref();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw refused(host, port, `it cannot be held: ${(error as Error).message}`, error);
  }
}

function listen(options: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(options, () => resolve(server));
  });
}

function refused(host: string, port: number, why: string, cause?: unknown): ConfigError {
  const text = `The CWMP port ${host}:${port} cannot be opened: ${why}. Choose another with STARLING_CWMP_PORT.`;
  return new ConfigError('cwmp-port', text, { cause });
}
