// A line between two programs as a port on this machine: it stays while what is behind it comes and goes, can be cut, and can be made slow. What
// it cannot do is lose bytes, for TCP does not either: a lost packet is a wait for its repetition, and so it is here.

import { connect, createServer, type Server, type Socket } from 'node:net';

/** A line that is no local one. */
export interface Line {
  /** There and back. */
  roundTripMs: number;
  /** Share of packets that are lost once. */
  loss: number;
}

/** Bytes of a packet on most lines, for counting how many of them may be lost. */
const PACKET_BYTES = 1_448;
/** What may be under way in one direction before its sender is held up. */
const UNDER_WAY_BYTES_MAX = 4 * 1024 * 1024;

export class PortProxy {
  port = 0;
  target = 0;
  targetHost = '127.0.0.1';
  /** null: as fast as it goes. Holds for what comes from now on. */
  line: Line | null = null;
  bytes = 0;
  /** Waits for a packet that was lost. */
  stalls = 0;
  readonly #random: () => number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(random: () => number) {
    this.#random = random;
    this.#server = createServer((inside) => {
      if (this.#isCut) return void inside.on('error', () => {}).destroy();
      const outside = connect(this.target, this.targetHost);
      this.#carry(inside, outside);
      this.#carry(outside, inside);
    });
  }

  /** @param random of a seed, for the packets that are lost. */
  static async open(random: () => number = Math.random, host = '127.0.0.1'): Promise<PortProxy> {
    const proxy = new PortProxy(random);
    await new Promise<void>((done) => proxy.#server.listen(0, host, done));
    proxy.port = (proxy.#server.address() as { port: number }).port;
    return proxy;
  }

  /** Silence: connections stay as they are and carry nothing, as behind a line that was cut; new ones come to nothing. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** The line is back. What was connected before is not: nobody on the way remembers it. */
  heal(): void {
    this.#isCut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Another way from now on; what goes the old one is broken off. */
  lead(port: number, host: string): void {
    this.target = port;
    this.targetHost = host;
    this.heal();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(from: Socket, to: Socket): void {
    /** Milliseconds until which the newest bytes are under way: nothing overtakes on a connection. */
    let arrivesAt = 0;
    let underWay = 0;
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      this.bytes += chunk.length;
      const line = this.line;
      const now = performance.now();
      if (line === null && arrivesAt <= now) {
        if (!to.write(chunk)) from.pause();
        return;
      }
      arrivesAt = Math.max(arrivesAt, now + (line === null ? 0 : this.#delayMs(line, chunk.length)));
      underWay += chunk.length;
      if (underWay > UNDER_WAY_BYTES_MAX) from.pause();
      setTimeout(() => {
        underWay -= chunk.length;
        if (this.#isCut) return;
        if (to.writable) to.write(chunk);
        if (underWay <= UNDER_WAY_BYTES_MAX) from.resume();
      }, arrivesAt - now);
    });
    to.on('drain', () => {
      if (!this.#isCut && underWay <= UNDER_WAY_BYTES_MAX) from.resume();
    });
    // What is still under way arrives before the end does.
    from.on('end', () => setTimeout(() => to.end(), Math.max(0, arrivesAt - performance.now())));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      setTimeout(() => to.destroy(), Math.max(0, arrivesAt - performance.now()));
    });
  }

  /** One way, and a round trip more when a packet has to be sent again. */
  #delayMs({ roundTripMs, loss }: Line, bytes: number): number {
    const isLost = this.#random() > (1 - loss) ** Math.ceil(bytes / PACKET_BYTES);
    if (isLost) this.stalls++;
    return roundTripMs / 2 + (isLost ? roundTripMs : 0);
  }
}
