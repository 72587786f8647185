// The diagnostics of one CPE (CWMP 1.17): IPPing, TraceRoute, Download, Upload and NSLookup, on either data model. Results are plausible
// and computed, except that transfers to and from loopback really happen.
//
//   None ─Requested written─▶ Requested ─session over, test done─▶ Complete | Completed | Error_… ─▶ 8 DIAGNOSTICS COMPLETE
//     ▲                          │
//     └─ an input written ───────┘   a running test is given up

import { LIMITS } from '../../base/limits.ts';
import type { DataTree } from './data-tree.ts';
import { fetchFile, putFile, type TransferTimes } from './file-transfer.ts';
import type { Kind } from './kinds.ts';
import { preciseDateTime, type Timers } from './timers.ts';

export interface DiagnosticsHost {
  tree: DataTree;
  kind: Kind;
  timers: Timers;
  /** 0 ≤ n < 1. */
  random: () => number;
  /** How long a computed test takes. */
  diagnosticMs: number;
  completed(): void;
}

type Test = keyof Kind['diagnostics'];

const NO_CREDENTIALS = { username: '', password: '' };

export class Diagnostics {
  readonly #host: DiagnosticsHost;
  /** Objects whose state is Requested and that wait for the end of the session (D3). */
  readonly #requested = new Set<Test>();
  /** What gives a running test up. */
  readonly #running = new Map<Test, AbortController>();

  constructor(host: DiagnosticsHost) {
    this.#host = host;
  }

  /** True when the value may not be written to this path although type and rule allow it: only Requested (and Canceled) may (D2). */
  refuses(path: string, value: string): boolean {
    if (this.#testOf(path) === null || !path.endsWith('.DiagnosticsState')) return false;
    return value !== 'Requested' && !(value === 'Canceled' && this.#host.kind.model === 'tr181');
  }

  /** The ACS has written these paths with one SPV. */
  written(paths: readonly string[]): void {
    const { tree } = this.#host;
    for (const test of Object.keys(this.#host.kind.diagnostics) as Test[]) {
      const touched = paths.filter((path) => this.#testOf(path) === test);
      if (touched.length === 0) continue;
      this.#running.get(test)?.abort();
      this.#running.delete(test);
      const state = `${this.#base(test)}DiagnosticsState`;
      const requested = touched.includes(state) && tree.value(state) === 'Requested';
      if (requested) this.#requested.add(test);
      else {
        // D6: a write to an input, or Canceled, leaves None.
        this.#requested.delete(test);
        tree.set(state, 'None');
      }
    }
  }

  /** The session is over: tests that wait begin. */
  sessionEnded(): void {
    for (const test of this.#requested) {
      this.#requested.delete(test);
      const abort = new AbortController();
      this.#running.set(test, abort);
      void this.#run(test, abort.signal);
    }
  }

  /** A reboot: nothing runs any more, states are None (D7). */
  clear(): void {
    for (const abort of this.#running.values()) abort.abort();
    this.#running.clear();
    this.#requested.clear();
    for (const test of Object.keys(this.#host.kind.diagnostics) as Test[])
      if (this.#host.tree.def(`${this.#base(test)}DiagnosticsState`) !== undefined)
        this.#host.tree.set(`${this.#base(test)}DiagnosticsState`, 'None');
  }

  #base(test: Test): string {
    return this.#host.tree.root + this.#host.kind.diagnostics[test];
  }

  #testOf(path: string): Test | null {
    const tests = Object.keys(this.#host.kind.diagnostics) as Test[];
    return tests.find((test) => path.startsWith(this.#base(test))) ?? null;
  }

  async #run(test: Test, signal: AbortSignal): Promise<void> {
    const { timers, diagnosticMs, completed, tree } = this.#host;
    await new Promise<void>((resolve) => timers.after(diagnosticMs, resolve));
    const state = signal.aborted ? null : await this.#measure(test, signal);
    // A second request may have begun meanwhile; this one's results are then nobody's.
    if (state === null || signal.aborted) return;
    this.#running.delete(test);
    tree.set(`${this.#base(test)}DiagnosticsState`, state);
    completed();
  }

  #measure(test: Test, signal: AbortSignal): string | Promise<string> {
    if (test === 'ping') return this.#ping();
    if (test === 'traceRoute') return this.#traceRoute();
    if (test === 'nsLookup') return this.#nsLookup();
    return this.#transfer(test, signal);
  }

  #input(test: Test, name: string): string {
    return this.#host.tree.value(this.#base(test) + name) ?? '';
  }

  /** Sets results; names that the data model of this CPE lacks are left out. */
  #results(test: Test, results: Record<string, string | number>): void {
    for (const [name, value] of Object.entries(results))
      if (this.#host.tree.def(this.#base(test) + name) !== undefined)
        this.#host.tree.set(this.#base(test) + name, String(value));
  }

  #ping(): string {
    const host = this.#input('ping', 'Host');
    if (isUnresolvable(host)) return 'Error_CannotResolveHostName';
    const repetitions = Number(this.#input('ping', 'NumberOfRepetitions'));
    const minimum = 4 + Math.floor(this.#host.random() * 12);
    const average = minimum + 1 + Math.floor(this.#host.random() * 5);
    const maximum = average + 1 + Math.floor(this.#host.random() * 9);
    this.#results('ping', {
      SuccessCount: repetitions,
      FailureCount: 0,
      AverageResponseTime: average,
      MinimumResponseTime: minimum,
      MaximumResponseTime: maximum,
      AverageResponseTimeDetailed: average * 1_000,
      MinimumResponseTimeDetailed: minimum * 1_000,
      MaximumResponseTimeDetailed: maximum * 1_000,
      IPAddressUsed: this.#wanAddress(),
    });
    return 'Complete';
  }

  #traceRoute(): string {
    const host = this.#input('traceRoute', 'Host');
    if (isUnresolvable(host)) return 'Error_CannotResolveHostName';
    const hops = 3 + Math.floor(this.#host.random() * 4);
    const hopsMax = Number(this.#input('traceRoute', 'MaxHopCount'));
    const tries = Number(this.#input('traceRoute', 'NumberOfTries'));
    const tr181 = this.#host.kind.model === 'tr181';
    const rows = Array.from({ length: Math.min(hops, hopsMax) }, (_, index) => {
      const last = index === hops - 1;
      const times = Array.from({ length: tries }, () => 2 + index * 3 + Math.floor(this.#host.random() * 4)).join(',');
      // D13: TR-098 and TR-181 name the same four columns differently.
      const [name, address, error, rtt] = tr181
        ? ['Host', 'HostAddress', 'ErrorCode', 'RTTimes']
        : ['HopHost', 'HopHostAddress', 'HopErrorCode', 'HopRTTimes'];
      return {
        [name!]: { type: 'string' as const, value: last ? host : `hop-${index + 1}.isp.example` },
        [address!]: { type: 'string' as const, value: `203.0.113.${index + 1}` },
        [error!]: { type: 'unsignedInt' as const, value: '0' },
        [rtt!]: { type: 'string' as const, value: times },
      };
    });
    this.#host.tree.setRows(`${this.#base('traceRoute')}RouteHops.`, rows);
    this.#results('traceRoute', {
      ResponseTime: 2 + hops * 3,
      RouteHopsNumberOfEntries: rows.length,
      IPAddressUsed: this.#wanAddress(),
    });
    return hops > hopsMax ? 'Error_MaxHopCountExceeded' : 'Complete';
  }

  #nsLookup(): string {
    const name = this.#input('nsLookup', 'HostName');
    const server = this.#input('nsLookup', 'DNSServer') || '192.0.2.53';
    if (isUnresolvable(server)) return 'Error_DNSServerNotResolved';
    const repetitions = Number(this.#input('nsLookup', 'NumberOfRepetitions'));
    const found = !isUnresolvable(name);
    const rows = Array.from({ length: Math.min(repetitions, 16) }, () => ({
      Status: { type: 'string' as const, value: found ? 'Success' : 'Error_HostNameNotResolved' },
      AnswerType: { type: 'string' as const, value: found ? 'NonAuthoritative' : 'None' },
      HostNameReturned: { type: 'string' as const, value: found ? name : '' },
      IPAddresses: { type: 'string' as const, value: found ? '198.51.100.7' : '' },
      DNSServerIP: { type: 'string' as const, value: server },
      ResponseTime: { type: 'unsignedInt' as const, value: String(3 + Math.floor(this.#host.random() * 20)) },
    }));
    this.#host.tree.setRows(`${this.#base('nsLookup')}Result.`, rows);
    this.#results('nsLookup', { SuccessCount: found ? repetitions : 0, ResultNumberOfEntries: rows.length });
    return 'Complete';
  }

  /** TR-143. Loopback URLs are really fetched or written; any other is only imagined, at 50 Mbit/s. */
  async #transfer(test: 'download' | 'upload', signal: AbortSignal): Promise<string> {
    const url = this.#input(test, test === 'download' ? 'DownloadURL' : 'UploadURL');
    const length = Number(this.#input('upload', 'TestFileLength') || 0);
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) return 'Error_InitConnectionFailed';
    const hostname = new URL(url).hostname;
    if (isUnresolvable(hostname)) {
      return this.#host.kind.model === 'tr181' ? 'Error_CannotResolveHostName' : 'Error_InitConnectionFailed';
    }
    let bytes = test === 'upload' ? length : 1_048_576;
    let times: TransferTimes;
    if (/^(127\.|localhost$|\[::1\]$)/.test(hostname)) {
      const bytesMax = LIMITS.fleetDiagnosticBytesMax;
      const fetching = { url, credentials: NO_CREDENTIALS, timeoutMs: 30_000, bytesMax, breakAfterBytes: null, signal };
      const outcome =
        test === 'download'
          ? await fetchFile(fetching)
          : await putFile(url, Buffer.alloc(Math.min(length, bytesMax), 0x55), NO_CREDENTIALS, 30_000, signal);
      if (!outcome.ok)
        return outcome.code === 9015
          ? 'Error_InitConnectionFailed'
          : outcome.code === 9012
            ? 'Error_LoginFailed'
            : 'Error_TransferFailed';
      bytes = outcome.bytes;
      times = outcome.times;
    } else {
      const now = this.#host.timers.now();
      times = { requestMs: now - 30, connectedMs: now - 15, firstByteMs: now, endMs: now + Math.ceil(bytes / 6_250) };
    }
    this.#results(test, {
      TCPOpenRequestTime: preciseDateTime(times.requestMs),
      TCPOpenResponseTime: preciseDateTime(times.connectedMs),
      ROMTime: preciseDateTime(times.connectedMs),
      BOMTime: preciseDateTime(times.firstByteMs),
      EOMTime: preciseDateTime(times.endMs),
      ...(test === 'download'
        ? { TestBytesReceived: bytes, TotalBytesReceived: bytes + Math.ceil(bytes * 0.03) }
        : { TestBytesSent: bytes, TotalBytesSent: bytes + Math.ceil(bytes * 0.03) }),
      IPAddressUsed: this.#wanAddress(),
    });
    // D5: TR-143 spells it Completed in the older model.
    return this.#host.kind.model === 'tr181' ? 'Complete' : 'Completed';
  }

  #wanAddress(): string {
    return this.#host.tree.value(`${this.#host.tree.root}IP.Interface.2.IPv4Address.1.IPAddress`) ?? '';
  }
}

/** RFC 6761: .invalid never resolves; an empty name neither. */
function isUnresolvable(host: string): boolean {
  return host === '' || /(^|\.)invalid\.?$/i.test(host);
}
