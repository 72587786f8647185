// A line that counts: a TCP proxy on loopback between a leaf and its hub. Bytes are those both sides wrote; what TCP and IP add to them on a
// real line is reckoned from how they came, as loopback has segments of 64 kB.

import { connect, createServer, type Server, type Socket } from 'node:net';

/** Bytes of TCP in one segment on Ethernet, with timestamps, and what IP and TCP add to each. */
const SEGMENT_BYTES = 1_448;
const HEAD_BYTES = 52;

export interface LineCount {
  /** What the leaf said to the hub, and the hub to the leaf. */
  upBytes: number;
  downBytes: number;
  /** Heads of the segments that carry them, and of one acknowledgement for each: TCP sends fewer. */
  headBytes: number;
}

export const totalOf = ({ upBytes, downBytes, headBytes }: LineCount): number => upBytes + downBytes + headBytes;

export class CountingLine {
  /** Where the leaf connects. */
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #count: LineCount = { upBytes: 0, downBytes: 0, headBytes: 0 };

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
  }

  /** Listens, and connects whoever comes with `port`. */
  static async open(port: number): Promise<CountingLine> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const line = new CountingLine(server);
    server.on('connection', (leaf) => {
      const hub = connect({ port, host: '127.0.0.1', noDelay: true });
      line.#join(leaf, hub, 'upBytes');
      line.#join(hub, leaf, 'downBytes');
    });
    return line;
  }

  /** What went over it since it was opened. */
  count(): LineCount {
    return { ...this.#count };
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(from: Socket, to: Socket, way: 'upBytes' | 'downBytes'): void {
    this.#sockets.add(from);
    from.on('data', (bytes) => {
      this.#count[way] += bytes.length;
      this.#count.headBytes += 2 * HEAD_BYTES * Math.ceil(bytes.length / SEGMENT_BYTES);
      if (!to.write(bytes)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

/** What was counted between two looks. */
export function between(before: LineCount, after: LineCount): LineCount {
  return {
    upBytes: after.upBytes - before.upBytes,
    downBytes: after.downBytes - before.downBytes,
    headBytes: after.headBytes - before.headBytes,
  };
}
