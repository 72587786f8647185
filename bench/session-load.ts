// CPEs for the session bench, as cheap as they can be: whole sessions over plain sockets, each on a connection of its own, some at once.
// Not a simulated CPE: it sends the same bytes again and again and looks only at status, length and cookie of what comes back.

import { connect } from 'node:net';

export interface Load {
  port: number;
  /** Body of the Inform of session `n`. */
  inform(n: number): Buffer;
  sessions: number;
  atOnce: number;
}

/** Runs the sessions; resolves with how many ended with 204. Rejects when an answer is anything else. */
export async function runSessions(load: Load): Promise<number> {
  let begun = 0;
  let ended = 0;
  const runner = async (): Promise<void> => {
    while (begun < load.sessions) {
      await oneSession(load.port, load.inform(begun++));
      ended++;
    }
  };
  await Promise.all(Array.from({ length: load.atOnce }, runner));
  return ended;
}

function oneSession(port: number, inform: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    let informed = false;
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`${why}: ${text.slice(0, 300)}`));
    };
    const head = (bytes: number, more: string): string =>
      `POST / HTTP/1.1\r\nHost: acs\r\nContent-Type: text/xml; charset="utf-8"\r\nSOAPAction: \r\n${more}Content-Length: ${bytes}\r\n\r\n`;
    socket.once('connect', () => socket.write(Buffer.concat([Buffer.from(head(inform.length, '')), inform])));
    socket.once('error', (error) => fail(error.message));
    socket.once('close', () => fail('closed in mid-session'));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const status = text.slice(9, 12);
      if (!informed) {
        const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
        if (text.length < end + 4 + length) return;
        if (status !== '200') return fail('an Inform was not accepted');
        informed = true;
        const cookie = /^set-cookie: ([^;\r]+)/im.exec(text)?.[1] ?? '';
        text = '';
        socket.write(head(0, `Cookie: ${cookie}\r\n`));
      } else if (status === '204') {
        socket.removeAllListeners('close');
        socket.end(() => resolve());
      } else fail('the session did not end with 204');
    });
  });
}
