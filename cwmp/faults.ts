// Every fault code of CWMP in one table: who sends it, what it means, what to do next. Docs and texts of the console come from it;
// what a task does about one particular fault is the task's own business.

export interface FaultRow {
  code: number;
  /** Who sends it. */
  side: 'cpe' | 'acs';
  /** FaultString of the specification; of ours when `side` is 'acs'. */
  text: string;
  /**
   * When the same request may be tried again: `at-once` in the same session, in the `next-session`, later with `backoff` because
   * something outside must change first, or `never`: it will fail the same way.
   */
  next: 'never' | 'at-once' | 'next-session' | 'backoff';
  /** One sentence for the person who reads it. */
  advice: string;
}

type Next = FaultRow['next'];
const acs = (code: number, text: string, next: Next, advice: string): FaultRow => ({
  code,
  side: 'acs',
  text,
  next,
  advice,
});
const cpe = (code: number, text: string, next: Next, advice: string): FaultRow => ({
  code,
  side: 'cpe',
  text,
  next,
  advice,
});

/** In order of code (cwmp-1-4.xsd, ACSFaultCodeType; cwmp-1-2.xsd, CPEFaultCodeType; TR-069 A.5). */
export const FAULTS: readonly FaultRow[] = [
  acs(8000, 'Method not supported', 'never', 'The CPE called a method this ACS does not have.'),
  acs(8001, 'Request denied', 'never', 'The ACS does not do this for this CPE.'),
  acs(8002, 'Internal error', 'backoff', 'Something failed inside the ACS; its log says what.'),
  acs(8003, 'Invalid arguments', 'never', 'The arguments of the CPE could not be understood.'),
  acs(8004, 'Resources exceeded', 'backoff', 'The ACS is overloaded.'),
  acs(8005, 'Retry request', 'at-once', 'The CPE is asked to send the same request again in this session.'),
  acs(8006, 'ACS version incompatible with CPE', 'never', 'CPE and ACS have no CWMP version in common.'),
  cpe(9000, 'Method not supported', 'never', 'This CPE does not have the method.'),
  cpe(9001, 'Request denied', 'next-session', 'The CPE refused without a reason; it may be busy or locked.'),
  cpe(9002, 'Internal error', 'next-session', 'Something failed inside the CPE; asking for less at once can help.'),
  cpe(
    9003,
    'Invalid arguments',
    'never',
    'The CPE does not accept these arguments; see the faults of single parameters.',
  ),
  cpe(9004, 'Resources exceeded', 'next-session', 'Too much at once for this CPE, or its table is full.'),
  cpe(9005, 'Invalid parameter name', 'never', 'The CPE has no such parameter or object; refresh its tree.'),
  cpe(9006, 'Invalid parameter type', 'never', 'The parameter has another type than was sent.'),
  cpe(9007, 'Invalid parameter value', 'never', 'The CPE does not accept this value, at least in its present state.'),
  cpe(9008, 'Attempt to set a non-writable parameter', 'never', 'The parameter is read-only on this CPE.'),
  cpe(9009, 'Notification request rejected', 'never', 'The CPE does not allow this notification for the parameter.'),
  cpe(9010, 'File transfer failure (download)', 'backoff', 'The download failed without a closer reason.'),
  cpe(9011, 'File transfer failure (upload)', 'backoff', 'The upload failed without a closer reason.'),
  cpe(9012, 'File server authentication failure', 'backoff', 'The file server refused the credentials; check them.'),
  cpe(
    9013,
    'Unsupported protocol for file transfer',
    'never',
    'The CPE cannot transfer over the protocol of this URL.',
  ),
  cpe(9014, 'Unable to join multicast group', 'backoff', 'The CPE could not join the multicast group.'),
  cpe(
    9015,
    'Unable to contact file server',
    'backoff',
    'The CPE cannot reach the file server: name, route or firewall.',
  ),
  cpe(9016, 'Unable to access file', 'backoff', 'The file server answered, but did not give the file.'),
  cpe(9017, 'Unable to complete download', 'backoff', 'The download broke off.'),
  cpe(
    9018,
    'File corrupted or otherwise unusable',
    'never',
    'The CPE got the file and cannot use it; check model and version.',
  ),
  cpe(9019, 'File authentication failure', 'never', 'The signature of the file was not accepted.'),
  cpe(
    9020,
    'Download not completed within time windows',
    'backoff',
    'The time windows passed before the download was done.',
  ),
  cpe(9021, 'Cancellation not permitted in current state', 'never', 'The transfer has gone too far to be cancelled.'),
  cpe(9022, 'Invalid UUID format', 'never', 'The UUID of the deployment unit is malformed.'),
  cpe(9023, 'Unknown execution environment', 'never', 'The CPE has no such execution environment.'),
  cpe(9024, 'Disabled execution environment', 'backoff', 'Enable the execution environment first.'),
  cpe(
    9025,
    'Deployment unit incompatible with execution environment',
    'never',
    'The unit was made for another environment.',
  ),
  cpe(9026, 'Duplicate deployment unit', 'never', 'The unit is installed already.'),
  cpe(9027, 'System resources exceeded', 'backoff', 'Not enough storage or memory for the unit.'),
  cpe(9028, 'Unknown deployment unit', 'never', 'The CPE has no such unit.'),
  cpe(9029, 'Invalid deployment unit state', 'backoff', 'The unit is in a state that does not allow this.'),
  cpe(9030, 'Downgrade not permitted', 'never', 'The CPE does not go back to an older version of the unit.'),
  cpe(9031, 'Version not specified', 'never', 'The update needs a version.'),
  cpe(9032, 'Version already exists', 'never', 'This version of the unit is installed already.'),
];

const BY_CODE: ReadonlyMap<number, FaultRow> = new Map(FAULTS.map((row) => [row.code, row]));

/** Ranges without rows of their own (cwmp-1-2.xsd). */
export const FAULT_RANGES = [
  { from: 8800, to: 8899, side: 'acs', text: 'Vendor fault of the ACS' },
  { from: 9033, to: 9799, side: 'cpe', text: 'Reserved fault' },
  { from: 9800, to: 9899, side: 'cpe', text: 'Vendor fault' },
] as const;

/**
 * The row of a fault code. Codes of the ranges, and such as no specification knows, get a row of their own making: they are tried
 * again in the next session, because nothing says that they are final.
 */
export function faultRow(code: number): FaultRow {
  const row = BY_CODE.get(code);
  if (row !== undefined) return row;
  const range = FAULT_RANGES.find(({ from, to }) => code >= from && code <= to);
  const text = range === undefined ? `Unknown fault ${code}` : `${range.text} ${code}`;
  return {
    code,
    side: range?.side ?? 'cpe',
    text,
    next: 'next-session',
    advice: 'Only the maker of the CPE knows what it means.',
  };
}
