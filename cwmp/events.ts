// Event codes of an Inform (CWMP 1.9, TR-069 §3.7.1.5): what each means and which message delivers it. Unknown and vendor codes are
// kept as sent; an event is never a reason to fault an Inform.

export interface EventRow {
  code: string;
  /** Single events come at most once in an Inform, multiple ones once for each CommandKey. */
  kind: 'single' | 'multiple';
  /** The response that tells the CPE it is delivered. */
  deliveredBy:
    | 'InformResponse'
    | 'KickedResponse'
    | 'RequestDownloadResponse'
    | 'TransferCompleteResponse'
    | 'AutonomousTransferCompleteResponse'
    | 'DUStateChangeCompleteResponse'
    | 'AutonomousDUStateChangeCompleteResponse';
  since: '1.0' | '1.1' | '1.2' | '1.4';
  /** Losing it costs nothing: the next one says the same. Everything else is durable before it is acknowledged (DESIGN §3). */
  relearnable: boolean;
  text: string;
}

type Since = EventRow['since'];
type DeliveredBy = EventRow['deliveredBy'];

function single(code: string, since: Since, text: string, deliveredBy: DeliveredBy = 'InformResponse'): EventRow {
  const relearnable = code === '2 PERIODIC' || code === '6 CONNECTION REQUEST';
  return { code, kind: 'single', deliveredBy, since, relearnable, text };
}

function multiple(code: string, since: Since, text: string, deliveredBy: DeliveredBy): EventRow {
  return { code, kind: 'multiple', deliveredBy, since, relearnable: false, text };
}

export const EVENTS: readonly EventRow[] = [
  single(
    '0 BOOTSTRAP',
    '1.0',
    'First contact with this ACS URL, or after a factory reset: nothing known of the CPE holds any more.',
  ),
  single('1 BOOT', '1.0', 'The CPE was switched on or restarted.'),
  single('2 PERIODIC', '1.0', 'The periodic Inform.'),
  single('3 SCHEDULED', '1.0', 'An Inform asked for by ScheduleInform.'),
  single('4 VALUE CHANGE', '1.0', 'Parameters with notification changed; they are in the ParameterList.'),
  single('5 KICKED', '1.0', 'A user of the LAN asked for a kick.', 'KickedResponse'),
  single('6 CONNECTION REQUEST', '1.0', 'The ACS asked for the session.'),
  single('7 TRANSFER COMPLETE', '1.0', 'A transfer the ACS asked for has ended.', 'TransferCompleteResponse'),
  single('8 DIAGNOSTICS COMPLETE', '1.0', 'A diagnostic test has ended; its results are to be read.'),
  single('9 REQUEST DOWNLOAD', '1.0', 'The CPE asks for a file.', 'RequestDownloadResponse'),
  single(
    '10 AUTONOMOUS TRANSFER COMPLETE',
    '1.1',
    'A transfer the ACS did not ask for has ended.',
    'AutonomousTransferCompleteResponse',
  ),
  single('11 DU STATE CHANGE COMPLETE', '1.2', 'A ChangeDUState has ended.', 'DUStateChangeCompleteResponse'),
  single(
    '12 AUTONOMOUS DU STATE CHANGE COMPLETE',
    '1.2',
    'Deployment units changed without the ACS.',
    'AutonomousDUStateChangeCompleteResponse',
  ),
  single('13 WAKEUP', '1.4', 'The CPE woke up from standby.'),
  single('14 HEARTBEAT', '1.4', 'The heartbeat of HeartbeatPolicy.'),
  multiple('M Reboot', '1.0', 'The Reboot with this CommandKey was carried out.', 'InformResponse'),
  multiple('M ScheduleInform', '1.0', 'The ScheduleInform with this CommandKey is due.', 'InformResponse'),
  multiple('M Download', '1.0', 'The Download with this CommandKey has ended.', 'TransferCompleteResponse'),
  multiple(
    'M ScheduleDownload',
    '1.2',
    'The ScheduleDownload with this CommandKey has ended.',
    'TransferCompleteResponse',
  ),
  multiple('M Upload', '1.0', 'The Upload with this CommandKey has ended.', 'TransferCompleteResponse'),
  multiple(
    'M ChangeDUState',
    '1.2',
    'The ChangeDUState with this CommandKey has ended.',
    'DUStateChangeCompleteResponse',
  ),
];

const BY_CODE: ReadonlyMap<string, EventRow> = new Map(EVENTS.map((row) => [row.code, row]));
const BY_UPPER: ReadonlyMap<string, string> = new Map(EVENTS.map(({ code }) => [code.toUpperCase(), code]));
const BY_NUMBER: ReadonlyMap<number, string> = new Map(
  EVENTS.filter(({ kind }) => kind === 'single').map(({ code }) => [Number.parseInt(code, 10), code]),
);

/**
 * The code as the table spells it: `1 Boot` and `1` become `1 BOOT`, `m reboot` becomes `M Reboot` (CWMP E-4). Codes the table does
 * not know come back trimmed and otherwise as sent.
 */
export function normaliseEventCode(sent: string): string {
  if (BY_CODE.has(sent)) return sent;
  const code = sent.trim();
  const number = /^(\d{1,3})(?:\s|$)/.exec(code);
  if (number !== null) return BY_NUMBER.get(Number(number[1])) ?? code;
  return BY_UPPER.get(code.replace(/\s+/g, ' ').toUpperCase()) ?? code;
}

/** The row of a normalised code; undefined for vendor and unknown ones. */
export function eventRow(code: string): EventRow | undefined {
  return BY_CODE.get(code);
}

/** True only for `2 PERIODIC` and `6 CONNECTION REQUEST`: unknown codes may say something that never comes again. */
export function isRelearnable(code: string): boolean {
  return BY_CODE.get(code)?.relearnable === true;
}
