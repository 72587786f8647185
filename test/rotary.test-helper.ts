// A balancer that gives each session of its CPE to the next edge: what a sticky one does at worst. It looks into the first bytes of a connection
// alone: an Inform begins a session, anything else goes where the last one did.

import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Rotary {
  url: string;
  /** Sessions given to each edge. */
  readonly counts: number[];
  close(): Promise<void>;
}

/** @param ports of the edges, read anew for each session. */
export async function startRotary(ports: () => number[], first = 0): Promise<Rotary> {
  const counts: number[] = [];
  const open = new Set<Socket>();
  let at = first - 1;
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket)).on('error', () => {});
    let head = Buffer.alloc(0);
    const look = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const text = head.toString('latin1');
      const body = text.indexOf('\r\n\r\n');
      const isInform = /<\w+:Inform[ >]/.test(text);
      const isEmpty = body >= 0 && /\r\ncontent-length: *0\r\n/i.test(text);
      const isOther = body >= 0 && text.length - body > 2_000;
      if (!isInform && !isEmpty && !isOther) return;
      socket.off('data', look).pause();
      const all = ports();
      if (isInform) at = (at + 1) % all.length;
      const chosen = Math.max(0, at) % all.length;
      if (isInform) counts[chosen] = (counts[chosen] ?? 0) + 1;
      const edge = connect(all[chosen]!, '127.0.0.1', () => {
        edge.write(head);
        socket.pipe(edge).pipe(socket);
      });
      edge.on('error', () => socket.destroy()).once('close', () => socket.destroy());
      socket.once('close', () => edge.destroy());
    };
    socket.on('data', look);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    counts,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
