// What `starling fleet` shows: a table that redraws itself on a terminal, plain lines anywhere else. It only reads.

import { cpeIdOf } from '../../base/ids.ts';
import type { SimulatedCpe } from './cpe.ts';
import type { Fleet } from './fleet.ts';
import type { SessionSummary } from './session-run.ts';

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
    // A terminal that does not know its size says 0.
    const width = this.#screen.columns || 100;
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
    const cells = cpes.slice(0, ROWS).map((cpe) => {
      const last = cpe.sessions.at(-1);
      const events = last?.events.map((event) => event.EventCode).join(', ') ?? '';
      // What the ACS did stays in sight when only periodic sessions follow.
      const busy = cpe.sessions.findLast(({ requests }) => requests.length > 0);
      const outcome = cpe.isUp ? (last?.outcome ?? 'not started') : 'restarting';
      return [cpeIdOf(cpe.device), ssidOf(cpe), String(last?.session ?? 0), outcome, events, rpcsOf(busy)];
    });
    const rows = table([['CPE', '2.4 GHz SSID', 'sessions', 'last', 'events', 'latest RPCs'], ...cells]);
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
          const parts = [cpeIdOf(cpe.device), `session ${one.session} ${one.outcome}`, events, rpcsOf(one), one.why];
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

/** The network name a person sees change when the ACS writes it. */
function ssidOf({ tree, kind }: SimulatedCpe): string {
  const path = kind.model === 'tr098' ? 'LANDevice.1.WLANConfiguration.1.SSID' : 'WiFi.SSID.1.SSID';
  return tree.value(tree.root + path) ?? '';
}

function rpcsOf(session: SessionSummary | undefined): string {
  const names =
    session?.requests.map(({ method, faultCode }) => method + (faultCode === 0 ? '' : ` ${faultCode}`)) ?? [];
  return names.join(', ');
}

/** Lines with columns of one width each; control characters of values, which an ACS may have written, are shown as `?`. */
function table(rows: string[][]): string[] {
  const shown = rows.map((cells) => cells.map((cell) => cell.replace(/\p{Cc}/gu, '?')));
  const widths = shown[0]!.map((_, column) => Math.max(...shown.map((cells) => cells[column]!.length)));
  return shown.map((cells) => `  ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd());
}
