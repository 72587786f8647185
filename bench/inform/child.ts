// The processes of a bench: started from the build, asked one thing at a time, closed. A process that ends unasked is an error.

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export class Child<Asked extends object, Said extends { type: string }> {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #gone: Promise<never>;
  #closing = false;

  /**
   * Forks `file` (a path below bench/, without its ending).
   * @throws Error when the build is missing.
   */
  constructor(file: string, args: string[], execArgv: string[] = []) {
    const built = import.meta.url.endsWith('.ts') ? `../../dist/bench/${file}.js` : `../${file}.js`;
    const path = fileURLToPath(new URL(built, import.meta.url));
    if (!existsSync(path)) throw new Error(`${path} is missing: run \`npm run build\` first.`);
    this.#name = file;
    this.#process = fork(path, args, { execArgv });
    this.pid = this.#process.pid!;
    this.#gone = new Promise((_, reject) => {
      this.#process.once('exit', (code) => {
        if (!this.#closing) reject(new Error(`${file} ${args.join(' ')} ended with ${code}`));
      });
    });
    this.#gone.catch(() => {});
  }

  /** The next message. Throws Error when it is of another type, or the process ends. */
  async heard<T extends Said['type']>(type: T): Promise<Extract<Said, { type: T }>> {
    const message = new Promise<Said>((resolve) => this.#process.once('message', (one) => resolve(one as Said)));
    const first = await Promise.race([message, this.#gone]);
    if (first.type !== type) throw new Error(`${this.#name} said ${first.type} instead of ${type}`);
    return first as Extract<Said, { type: T }>;
  }

  /** What has no answer. */
  send(asked: Asked): void {
    this.#process.send(asked);
  }

  ask<T extends Said['type']>(asked: Asked, type: T): Promise<Extract<Said, { type: T }>> {
    const heard = this.heard(type);
    this.send(asked);
    return heard;
  }

  /** Asks it to end with `{type: 'close'}`, and waits until it has. */
  async close(): Promise<void> {
    this.#closing = true;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.send({ type: 'close' });
    await ended;
  }
}
