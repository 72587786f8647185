// The diagnostics of TR-181, TR-098 and TR-143 as data: where their objects are, what goes in, what comes out and how older models
// spell it (CWMP 1.17, Appendix A). Pure: writing, waiting and reading are the work of edge/tasks/diagnose.ts.

import type { ParameterValue } from '../cwmp/message.ts';

export const DIAGNOSTIC_TESTS = ['IPPing', 'TraceRoute', 'Download', 'Upload', 'NSLookup'] as const;
export type DiagnosticTest = (typeof DIAGNOSTIC_TESTS)[number];

export interface DiagnosticInput {
  name: string;
  type: 'xsd:string' | 'xsd:unsignedInt' | 'xsd:unsignedLong';
  required: boolean;
}

/** One diagnostics object of one data model. */
export interface Diagnostic {
  test: DiagnosticTest;
  /** Path of the object, with its dot. Reading it as a partial path brings state, results and table at once (CWMP D15). */
  object: string;
  inputs: readonly DiagnosticInput[];
  /** Plain name (that of TR-181) → spellings below `object`; the first that the CPE sent is meant. */
  results: Readonly<Record<string, readonly string[]>>;
  /** The result table, one row an instance; null when the test has none. */
  table: { name: string; columns: Readonly<Record<string, readonly string[]>> } | null;
}

/** Name of the state parameter below every object here. */
export const STATE_PARAMETER = 'DiagnosticsState';

const text = (name: string, required = false): DiagnosticInput => ({ name, type: 'xsd:string', required });
const count = (name: string): DiagnosticInput => ({ name, type: 'xsd:unsignedInt', required: false });

function same(...names: string[]): Record<string, readonly string[]> {
  return Object.fromEntries(names.map((name) => [name, [name]]));
}

const PING_INPUTS = [
  text('Host', true),
  text('Interface'),
  count('NumberOfRepetitions'),
  count('Timeout'),
  count('DataBlockSize'),
  count('DSCP'),
];
const PING_RESULTS = {
  ...same('SuccessCount', 'FailureCount', 'AverageResponseTime'),
  // TR-098 1.0 published the misspelt name, and CPEs implement it (CWMP D13).
  MinimumResponseTime: ['MinimumResponseTime', 'MinimumResponseTmie'],
  MaximumResponseTime: ['MaximumResponseTime'],
};

const TRACE_INPUTS = [
  text('Host', true),
  text('Interface'),
  count('NumberOfTries'),
  count('Timeout'),
  count('DataBlockSize'),
  count('DSCP'),
  count('MaxHopCount'),
];
// TR-098 writes HopHost where TR-181 writes Host; some TR-098 firmwares already use the newer spelling, so both are looked for.
const HOP_COLUMNS = {
  Host: ['Host', 'HopHost'],
  HostAddress: ['HostAddress', 'HopHostAddress'],
  ErrorCode: ['ErrorCode', 'HopErrorCode'],
  RTTimes: ['RTTimes', 'HopRTTimes'],
};
const TRACE_RESULTS = {
  ResponseTime: ['ResponseTime'],
  RouteHopsNumberOfEntries: ['RouteHopsNumberOfEntries', 'NumberOfRouteHops'],
};

const TRANSFER_TIMES = same('ROMTime', 'BOMTime', 'EOMTime', 'TCPOpenRequestTime', 'TCPOpenResponseTime');
const DOWNLOAD_INPUTS = [text('DownloadURL', true), text('Interface'), count('DSCP'), count('EthernetPriority')];
const DOWNLOAD_RESULTS = { ...TRANSFER_TIMES, ...same('TestBytesReceived', 'TotalBytesReceived', 'TotalBytesSent') };
const UPLOAD_RESULTS = { ...TRANSFER_TIMES, ...same('TestBytesSent', 'TotalBytesSent', 'TotalBytesReceived') };
const uploadInputs = (length: DiagnosticInput['type']): DiagnosticInput[] => [
  text('UploadURL', true),
  { name: 'TestFileLength', type: length, required: true },
  text('Interface'),
  count('DSCP'),
  count('EthernetPriority'),
];

const LOOKUP_INPUTS = [
  text('HostName', true),
  text('DNSServer'),
  text('Interface'),
  count('NumberOfRepetitions'),
  count('Timeout'),
];
const LOOKUP_COLUMNS = same('Status', 'AnswerType', 'HostNameReturned', 'IPAddresses', 'DNSServerIP', 'ResponseTime');
const LOOKUP_RESULTS = same('SuccessCount', 'ResultNumberOfEntries');

const ipVersion = text('ProtocolVersion');

function ping(object: string, inputs = PING_INPUTS): Diagnostic {
  return { test: 'IPPing', object, inputs, results: PING_RESULTS, table: null };
}
function trace(object: string, inputs = TRACE_INPUTS): Diagnostic {
  const table = { name: 'RouteHops', columns: HOP_COLUMNS };
  return { test: 'TraceRoute', object, inputs, results: TRACE_RESULTS, table };
}
function download(object: string, inputs = DOWNLOAD_INPUTS): Diagnostic {
  return { test: 'Download', object, inputs, results: DOWNLOAD_RESULTS, table: null };
}
function upload(object: string, inputs: DiagnosticInput[]): Diagnostic {
  return { test: 'Upload', object, inputs, results: UPLOAD_RESULTS, table: null };
}
function lookup(object: string): Diagnostic {
  const table = { name: 'Result', columns: LOOKUP_COLUMNS };
  return { test: 'NSLookup', object, inputs: LOOKUP_INPUTS, results: LOOKUP_RESULTS, table };
}

/** Candidates of each data model: the standard object first, then where else it has been found. */
export const DIAGNOSTICS: Readonly<Record<'Device.' | 'InternetGatewayDevice.', readonly Diagnostic[]>> = {
  'Device.': [
    ping('Device.IP.Diagnostics.IPPing.', [...PING_INPUTS, ipVersion]),
    trace('Device.IP.Diagnostics.TraceRoute.', [...TRACE_INPUTS, ipVersion]),
    download('Device.IP.Diagnostics.DownloadDiagnostics.', [
      ...DOWNLOAD_INPUTS,
      ipVersion,
      count('NumberOfConnections'),
    ]),
    upload('Device.IP.Diagnostics.UploadDiagnostics.', [
      ...uploadInputs('xsd:unsignedLong'),
      ipVersion,
      count('NumberOfConnections'),
    ]),
    lookup('Device.DNS.Diagnostics.NSLookupDiagnostics.'),
    // Device:1 (TR-106 with TR-143): set-top boxes and adapters. Its ping and trace take no Interface.
    ping(
      'Device.LAN.IPPingDiagnostics.',
      PING_INPUTS.filter((input) => input.name !== 'Interface'),
    ),
    trace(
      'Device.LAN.TraceRouteDiagnostics.',
      TRACE_INPUTS.filter((input) => input.name !== 'Interface' && input.name !== 'NumberOfTries'),
    ),
    download('Device.DownloadDiagnostics.'),
    upload('Device.UploadDiagnostics.', uploadInputs('xsd:unsignedInt')),
  ],
  'InternetGatewayDevice.': [
    ping('InternetGatewayDevice.IPPingDiagnostics.'),
    trace('InternetGatewayDevice.TraceRouteDiagnostics.'),
    download('InternetGatewayDevice.DownloadDiagnostics.'),
    upload('InternetGatewayDevice.UploadDiagnostics.', uploadInputs('xsd:unsignedInt')),
    lookup('InternetGatewayDevice.NSLookupDiagnostics.'),
    // Huawei EG8145V5 keeps the TR-181 place below the TR-098 root.
    lookup('InternetGatewayDevice.DNS.Diagnostics.NSLookupDiagnostics.'),
  ],
};

/**
 * The diagnostics object to use on a device.
 * @param root `Device.` or `InternetGatewayDevice.`.
 * @param exists whether the device is known to have a parameter of this path.
 * @returns the first candidate that exists, or the standard one while nothing is known; null when the model has no such test.
 */
export function findDiagnostic(
  test: DiagnosticTest,
  root: string,
  exists: (path: string) => boolean,
): Diagnostic | null {
  if (root !== 'Device.' && root !== 'InternetGatewayDevice.') return null;
  const candidates = DIAGNOSTICS[root].filter((diagnostic) => diagnostic.test === test);
  return candidates.find(({ object }) => exists(object + STATE_PARAMETER)) ?? candidates[0] ?? null;
}

export type DiagnosticRequest = { type: 'ok'; values: ParameterValue[] } | { type: 'bad'; why: string };

/**
 * The one SetParameterValues that starts a test: inputs, then the state (CWMP D1).
 * @param parameters input name → value, as the operator gave them.
 */
export function diagnosticRequest(diagnostic: Diagnostic, parameters: Record<string, string>): DiagnosticRequest {
  const { test, object, inputs } = diagnostic;
  for (const name of Object.keys(parameters)) {
    if (inputs.some((input) => input.name === name)) continue;
    return { type: 'bad', why: `${test} has no input ${name}; it takes ${inputs.map((i) => i.name).join(', ')}` };
  }
  const values: ParameterValue[] = [];
  for (const { name, type, required } of inputs) {
    const value = parameters[name];
    if (value === undefined || value === '') {
      if (required) return { type: 'bad', why: `${test} needs ${name}` };
      continue;
    }
    if (type !== 'xsd:string' && !/^\d+$/.test(value))
      return { type: 'bad', why: `${name} is a whole number, not ${value}` };
    values.push({ Name: object + name, Value: value, Type: type });
  }
  values.push({ Name: object + STATE_PARAMETER, Value: 'Requested', Type: 'xsd:string' });
  return { type: 'ok', values };
}

export type DiagnosticState =
  | { type: 'idle' }
  | { type: 'requested' }
  | { type: 'cancelled' }
  | { type: 'complete' }
  | { type: 'error'; code: string; text: string };

/** Final failures in words. Some vendors write the first one for every failure, so the wording stays careful. */
const ERROR_TEXTS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Error_CannotResolveHostName: 'the CPE could not resolve the host name',
    Error_NoRouteToHost: 'the CPE has no route to the host',
    Error_MaxHopCountExceeded: 'the host was not reached within the allowed hops',
    Error_InitConnectionFailed: 'the CPE could not connect to the server',
    Error_NoResponse: 'the server did not respond',
    Error_TransferFailed: 'the transfer broke off',
    Error_PasswordRequestFailed: 'the server did not ask for the password as expected',
    Error_LoginFailed: 'the server refused the login',
    Error_NoTransferMode: 'the server refused the transfer mode',
    Error_NoPASV: 'the server refused passive mode',
    Error_NoCWD: 'the server refused to change the folder',
    Error_NoSTOR: 'the server refused to store the file',
    Error_NoTransferComplete: 'the server did not confirm the transfer',
    Error_IncorrectSize: 'the file has another size than expected',
    Error_Timeout: 'the test ran out of time',
    Error_DNSServerNotResolved: 'the CPE could not resolve the DNS server',
    Error_Internal: 'the CPE had an internal error',
    Error_Other: 'the CPE gave no reason',
    Error: 'the CPE gave no reason',
  }),
);

/** What a DiagnosticsState means (CWMP D5, Appendix A): `Completed` is the older spelling, any unknown `Error…` is a failure. */
export function diagnosticState(value: string): DiagnosticState {
  const state = value.trim();
  if (state === 'Complete' || state === 'Completed') return { type: 'complete' };
  if (state === 'Requested') return { type: 'requested' };
  if (state === 'Canceled') return { type: 'cancelled' };
  if (state === '' || state === 'None') return { type: 'idle' };
  return { type: 'error', code: state, text: ERROR_TEXTS.get(state) ?? `the CPE reports ${state}` };
}

export interface DiagnosticReading {
  state: DiagnosticState;
  /** Plain name → value as sent. */
  results: Record<string, string>;
  /** Rows of the result table by instance number. */
  rows: Record<string, string>[];
}

/** Reads what GetParameterValues of `diagnostic.object` brought. Parameters that are not part of the test are left aside. */
export function readDiagnostic(diagnostic: Diagnostic, values: readonly ParameterValue[]): DiagnosticReading {
  const { object, results: spellings, table } = diagnostic;
  const byName = new Map<string, string>();
  for (const { Name, Value } of values) if (Name.startsWith(object)) byName.set(Name.slice(object.length), Value);

  const results = pick(spellings, (name) => byName.get(name));
  const rows: Record<string, string>[] = [];
  if (table !== null) {
    const instances = new Set<number>();
    const pattern = new RegExp(`^${table.name}\\.(\\d+)\\.`);
    for (const name of byName.keys()) {
      const match = pattern.exec(name);
      if (match !== null) instances.add(Number(match[1]));
    }
    for (const instance of [...instances].sort((a, b) => a - b)) {
      rows.push(pick(table.columns, (name) => byName.get(`${table.name}.${instance}.${name}`)));
    }
  }
  return { state: diagnosticState(byName.get(STATE_PARAMETER) ?? ''), results, rows };
}

function pick(
  spellings: Readonly<Record<string, readonly string[]>>,
  sent: (name: string) => string | undefined,
): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const [plain, names] of Object.entries(spellings)) {
    for (const name of names) {
      const value = sent(name);
      if (value === undefined) continue;
      picked[plain] = value;
      break;
    }
  }
  return picked;
}
