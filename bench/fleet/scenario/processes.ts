// The processes of a run: started from the build, spoken to, closed. One that ends unasked is an error, told by `gone`.

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Time a process gets to end by itself. */
const CLOSE_MS = 15_000;

export class Forked<Asked extends object, Said extends { type: string }> {
  readonly pid: number;
  /** Rejects when the process ends unasked. */
  readonly gone: Promise<never>;
  readonly #process: ChildProcess;
  #isClosing = false;
  #listener: (message: Said) => void = () => {};

  /**
   * Forks a file of this folder.
   * @throws Error when the build is missing.
   */
  constructor(file: 'server' | 'generator', args: string[], execArgv: string[] = []) {
    const fromSource = import.meta.url.endsWith('.ts');
    const built = new URL(
      fromSource ? `../../../dist/bench/fleet/scenario/${file}.js` : `./${file}.js`,
      import.meta.url,
    );
    const path = fileURLToPath(built);
    if (!existsSync(path)) throw new Error(`${path} is missing: run \`npm run build\` first.`);
    this.#process = fork(path, args, { execArgv });
    this.pid = this.#process.pid!;
    this.#process.on('message', (message) => this.#listener(message as Said));
    this.gone = new Promise((_, reject) => {
      this.#process.once('exit', (code) => {
        if (!this.#isClosing) reject(new Error(`${file} ${args.join(' ')} ended with ${code}`));
      });
    });
    this.gone.catch(() => {});
  }

  /** Every message from now on goes there. */
  listen(listener: (message: Said) => void): void {
    this.#listener = listener;
  }

  send(message: Asked): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** The next message of a type; others still go to the listener. Rejects when the process ends. */
  heard<T extends Said['type']>(type: T): Promise<Extract<Said, { type: T }>> {
    const message = new Promise<Extract<Said, { type: T }>>((resolve) => {
      const look = (one: unknown): void => {
        if ((one as Said).type !== type) return;
        this.#process.off('message', look);
        resolve(one as Extract<Said, { type: T }>);
      };
      this.#process.on('message', look);
    });
    return Promise.race([message, this.gone]);
  }

  ask<T extends Said['type']>(asked: Asked, type: T): Promise<Extract<Said, { type: T }>> {
    const heard = this.heard(type);
    this.send(asked);
    return heard;
  }

  /** Asks it to end and waits until it has; one that does not is killed. */
  async close(asked: Asked): Promise<void> {
    this.#isClosing = true;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    // The channel's end comes behind its last message, which the exit does not.
    const ended = Promise.all([
      new Promise((resolve) => this.#process.once('exit', resolve)),
      new Promise((resolve) => this.#process.once('disconnect', resolve)),
    ]);
    this.send(asked);
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }
}
