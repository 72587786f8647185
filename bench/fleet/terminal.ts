// What `starling fleet` shows: a table that redraws itself on a terminal, plain lines anywhere else. It only reads.

import { cpeIdOf } from '../../base/ids.ts';
import type { Fleet } from './fleet.ts';

/** CPEs shown with a row of their own. */
const ROWS = 12;

/** Where it writes; process.stdout fits. */
export interface Screen {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

export class FleetView {
  readonly #fleet: Fleet;
  readonly #screen: Screen;
  #linesDrawn = 0;
  #lastLine = '';
  readonly #seen = new Map<number, number>();

  constructor(fleet: Fleet, screen: Screen) {
    this.#fleet = fleet;
    this.#screen = screen;
  }

  /** Shows the present state; without a terminal only what is new since the last call. */
  refresh(): void {
    if (this.#screen.isTTY) this.#redraw();
    else this.#printNew();
  }

  #redraw(): void {
    const width = this.#screen.columns ?? 100;
    const lines = [
      totals(this.#fleet),
      ...this.#rows(),
      this.#fleet.counts.lastError && `last error  ${this.#fleet.counts.lastError}`,
    ];
    const text = lines.filter((line) => line !== '').map((line) => `${line.slice(0, width - 1)}\u001b[K\n`);
    // Up over what was drawn before, then down to the end of the screen cleared.
    this.#screen.write(`${this.#linesDrawn > 0 ? `\u001b[${this.#linesDrawn}A` : ''}${text.join('')}\u001b[J`);
    this.#linesDrawn = text.length;
  }

  #rows(): string[] {
    const { cpes } = this.#fleet;
    const rows = cpes.slice(0, ROWS).map((cpe) => {
      const last = cpe.sessions.at(-1);
      const events = last?.events.map((event) => event.EventCode).join(', ') ?? 'not started';
      const rpcs =
        last?.requests.map((one) => one.method + (one.faultCode === 0 ? '' : ` ${one.faultCode}`)).join(', ') ?? '';
      return `  ${cpeIdOf(cpe.device)}  ${last?.outcome ?? '-'}  ${events}  ${rpcs}`;
    });
    if (cpes.length > ROWS) rows.push(`  and ${cpes.length - ROWS} more`);
    return rows;
  }

  #printNew(): void {
    // Few CPEs: each session is a line; many: only the totals.
    const { cpes } = this.#fleet;
    if (cpes.length <= ROWS) {
      cpes.forEach((cpe, index) => {
        for (const one of cpe.sessions.filter((session) => session.session > (this.#seen.get(index) ?? 0))) {
          const events = one.events.map((event) => event.EventCode).join(', ');
          const rpcs = one.requests
            .map((rpc) => rpc.method + (rpc.faultCode === 0 ? '' : ` ${rpc.faultCode}`))
            .join(', ');
          const parts = [cpeIdOf(cpe.device), `session ${one.session} ${one.outcome}`, events, rpcs, one.why];
          this.#screen.write(`${parts.filter((part) => part !== '').join('  ')}\n`);
          this.#seen.set(index, one.session);
        }
      });
    }
    const line = totals(this.#fleet);
    if (line === this.#lastLine) return;
    this.#lastLine = line;
    this.#screen.write(`${line}\n`);
    if (cpes.length > ROWS && this.#fleet.counts.lastError !== '')
      this.#screen.write(`last error  ${this.#fleet.counts.lastError}\n`);
  }
}

function totals({ counts }: Fleet): string {
  const { cpes, started, sessions, failed, rpcs, faults, complaints } = counts;
  return `CPEs ${started}/${cpes}  sessions ${sessions}  failed ${failed}  RPCs ${rpcs}  faults ${faults}  complaints ${complaints}`;
}
