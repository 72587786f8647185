// The messages of CWMP as values: what both readers return and what step() takes. Names on the wire keep the spelling of the XSD.

import type { DeviceIdStruct } from '../base/ids.ts';

/** One entry of a ParameterList. `Type` is the xsi:type as `xsd:<local name>`; `xsd:string` when the CPE sent none (FIELD 9). */
export interface ParameterValue {
  Name: string;
  Value: string;
  Type: string;
}

export interface EventStruct {
  EventCode: string;
  CommandKey: string;
}

export interface ParameterInfo {
  Name: string;
  Writable: boolean;
}

export interface ParameterAttribute {
  Name: string;
  Notification: number;
  AccessList: string[];
}

export interface FaultStruct {
  FaultCode: number;
  FaultString: string;
}

export interface Inform {
  DeviceId: DeviceIdStruct;
  Event: EventStruct[];
  MaxEnvelopes: number;
  CurrentTime: string;
  RetryCount: number;
  ParameterList: ParameterValue[];
}

export interface TransferComplete {
  CommandKey: string;
  FaultStruct: FaultStruct; // FaultCode 0 means success.
  StartTime: string; // '' or Unknown Time become 0001-01-01T00:00:00Z.
  CompleteTime: string;
}

/** A fault of the CPE in answer to a request of ours. `FaultCode` 9000–9032 or a vendor's 9800–9899; other values are kept. */
export interface CpeFault extends FaultStruct {
  SetParameterValuesFault: { ParameterName: string; FaultCode: number; FaultString: string }[];
}

/** What the SOAP header and the envelope said. */
export interface EnvelopeInfo {
  /** cwmp:ID trimmed; null when there was none, '' when it was empty (CWMP E7). */
  id: string | null;
  /** The cwmp namespace literally as the CPE wrote it (V4). */
  namespace: string;
  holdRequests: boolean;
  noMoreRequests: boolean;
  /** Seconds, from cwmp:SessionTimeout; null when absent. */
  sessionTimeoutSeconds: number | null;
  /** From cwmp:SupportedCWMPVersions, e.g. ['1.0', '1.4']; null when absent. */
  supportedVersions: string[] | null;
}

/** Plain data of a method whose shape the RPC table describes: strings, numbers, booleans, lists and structs. */
export type Args = Record<string, unknown>;

export type CpeMessage =
  | { type: 'empty' }
  | { type: 'inform'; envelope: EnvelopeInfo; inform: Inform }
  /** A request of the CPE other than Inform: `method` as on the wire, known or not; `args` is {} for unknown ones. */
  | { type: 'request'; envelope: EnvelopeInfo; method: string; args: Args }
  /** An answer to a request of ours: `method` without the `Response` ending. */
  | { type: 'response'; envelope: EnvelopeInfo; method: string; result: Args }
  | { type: 'fault'; envelope: EnvelopeInfo; fault: CpeFault };

/**
 * A tolerated deviation: counted in metrics by its name, kept with the session. The closed list is in tolerances.ts.
 */
export type Tolerances = readonly string[];

export type RefusalReason =
  | 'not-well-formed'
  | 'truncated'
  | 'doctype'
  | 'too-deep'
  | 'too-large'
  | 'too-many'
  | 'encoding'
  | 'not-soap'
  | 'soap-version'
  | 'not-cwmp'
  | 'no-body'
  | 'several-bodies'
  | 'bad-device-id'
  | 'no-fault-detail';

export type ReadResult =
  | { type: 'ok'; message: CpeMessage; tolerances: Tolerances }
  /** Refused: `status` is the HTTP status (400, 413, 415), `text` may be shown to the CPE's owner. */
  | { type: 'refused'; reason: RefusalReason; status: number; text: string };
