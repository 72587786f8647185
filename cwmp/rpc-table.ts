// Every method of CWMP 1.0–1.4 in both directions, one row each, named, ordered and spelt as in the XSDs (cwmp-1-2.xsd holds all of
// them). Writer, generic reader, types, docs/rpc.md and change control read this table. It holds no behaviour of any method.

import type { ParameterValue } from './message.ts';

export type CwmpVersion = '1.0' | '1.1' | '1.2' | '1.3' | '1.4';

interface FieldFlags {
  /** minOccurs="0": left out on output when there is no value. */
  optional?: boolean;
  /** Redacted wherever arguments are shown or kept. */
  secret?: boolean;
}

export type FieldType = FieldFlags &
  (
    | { kind: 'string' | 'int' | 'unsignedInt' | 'boolean' | 'dateTime' | 'base64'; charsMax?: number }
    /** With `variants` the XSD's type is abstract: the value names its variant in `type`, written as xsi:type. */
    | {
        kind: 'struct';
        typeName: string;
        fields: Record<string, FieldType>;
        variants?: Record<string, Record<string, FieldType>>;
      }
    /** A SOAP array: `itemName` is the element name on output and ignored on input. */
    | { kind: 'list'; itemName: string; arrayType: string; item: FieldType; itemsMax?: number }
    /** The element itself occurs again and again (maxOccurs), without an array around it. */
    | { kind: 'repeated'; item: FieldType }
    /** ParameterValue[]: the one place where values carry their own type. */
    | { kind: 'parameterValues' }
  );

export interface MethodRow {
  /** Where TR-069 Issue 1 Amendment 6 defines it. */
  clause: string;
  /** First version of CWMP that has it. */
  since: CwmpVersion;
  /** Whether the receiver must support it. */
  required: boolean;
  /** May be sent again when its response got lost. */
  idempotent: boolean;
  /** What it does to the CPE; change control asks for approval by it. */
  effect: 'reads' | 'writes' | 'disrupts';
  args: Record<string, FieldType>;
  result: Record<string, FieldType>;
  text: string;
}

// ── Types of the XSD ─────────────────────────────────────────────────────────────────────────────────────────────────────
const text = { kind: 'string' } as const;
const text32 = { kind: 'string', charsMax: 32 } as const;
const text64 = { kind: 'string', charsMax: 64 } as const;
const text256 = { kind: 'string', charsMax: 256 } as const;
const text1024 = { kind: 'string', charsMax: 1024 } as const;
const secret256 = { kind: 'string', charsMax: 256, secret: true } as const;
const int = { kind: 'int' } as const;
const unsignedInt = { kind: 'unsignedInt' } as const;
const boolean = { kind: 'boolean' } as const;
const dateTime = { kind: 'dateTime' } as const;
const parameterValues = { kind: 'parameterValues' } as const;

function struct<const Fields extends Record<string, FieldType>>(typeName: string, fields: Fields) {
  return { kind: 'struct', typeName, fields } as const;
}

function structList<const Fields extends Record<string, FieldType>>(
  typeName: string,
  fields: Fields,
  itemsMax?: number,
) {
  const item = struct(typeName, fields);
  return { kind: 'list', itemName: typeName, arrayType: `cwmp:${typeName}`, item, itemsMax } as const;
}

function textList(charsMax: number) {
  const item = { kind: 'string', charsMax } as const;
  return { kind: 'list', itemName: 'string', arrayType: 'xsd:string', item } as const;
}

function optional<const Type extends FieldType>(type: Type) {
  return { ...type, optional: true } as const;
}

const parameterNames = textList(256);
const accessList = textList(64);
const faultStruct = struct('TransferCompleteFaultStruct', { FaultCode: unsignedInt, FaultString: text256 });

const opResult = {
  UUID: text,
  DeploymentUnitRef: text,
  Version: text32,
  CurrentState: text,
  Resolved: boolean,
  ExecutionUnitRefList: text,
  StartTime: dateTime,
  CompleteTime: dateTime,
  Fault: struct('DeploymentUnitFaultStruct', { FaultCode: unsignedInt, FaultString: optional(text) }),
} as const;

const operations = {
  kind: 'struct',
  typeName: 'OperationStruct',
  fields: {},
  variants: {
    InstallOpStruct: {
      URL: text1024,
      UUID: optional(text),
      Username: optional(text256),
      Password: optional(secret256),
      ExecutionEnvRef: optional(text256),
    },
    UpdateOpStruct: {
      UUID: optional(text),
      Version: optional(text32),
      URL: optional(text1024),
      Username: optional(text256),
      Password: optional(secret256),
    },
    UninstallOpStruct: { UUID: text, Version: optional(text32), ExecutionEnvRef: optional(text256) },
  },
} as const;

const queuedTransfer = { CommandKey: text32, State: int } as const;

// ── ACS → CPE ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const CPE_METHODS = {
  GetRPCMethods: {
    clause: 'A.3.1.1',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: {},
    result: { MethodList: textList(64) },
    text: 'Lists the methods the CPE supports.',
  },
  SetParameterValues: {
    clause: 'A.3.2.1',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'writes',
    args: { ParameterList: parameterValues, ParameterKey: text32 },
    result: { Status: int },
    text: 'Sets values, all or none. Status 0: applied; 1: accepted, applied later.',
  },
  GetParameterValues: {
    clause: 'A.3.2.2',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: { ParameterNames: parameterNames },
    result: { ParameterList: parameterValues },
    text: 'Reads values by full names or partial paths.',
  },
  GetParameterNames: {
    clause: 'A.3.2.3',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: { ParameterPath: text256, NextLevel: boolean },
    result: { ParameterList: structList('ParameterInfoStruct', { Name: text256, Writable: boolean }) },
    text: 'Lists names below a path: the next level, or everything.',
  },
  SetParameterAttributes: {
    clause: 'A.3.2.4',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'writes',
    args: {
      ParameterList: structList('SetParameterAttributesStruct', {
        Name: text256,
        NotificationChange: boolean,
        Notification: int,
        AccessListChange: boolean,
        AccessList: accessList,
      }),
    },
    result: {},
    text: 'Sets notification and access list, all or none.',
  },
  GetParameterAttributes: {
    clause: 'A.3.2.5',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: { ParameterNames: parameterNames },
    result: {
      ParameterList: structList('ParameterAttributeStruct', {
        Name: text256,
        Notification: int,
        AccessList: accessList,
      }),
    },
    text: 'Reads notification and access list.',
  },
  AddObject: {
    clause: 'A.3.2.6',
    since: '1.0',
    required: true,
    idempotent: false,
    effect: 'writes',
    args: { ObjectName: text256, ParameterKey: text32 },
    result: { InstanceNumber: unsignedInt, Status: int },
    text: 'Makes an instance of a multi-instance object, with default values.',
  },
  DeleteObject: {
    clause: 'A.3.2.7',
    since: '1.0',
    required: true,
    idempotent: false,
    effect: 'writes',
    args: { ObjectName: text256, ParameterKey: text32 },
    result: { Status: int },
    text: 'Removes one instance with everything below it.',
  },
  Download: {
    clause: 'A.3.2.8',
    since: '1.0',
    required: true,
    idempotent: false,
    effect: 'disrupts',
    args: {
      CommandKey: text32,
      FileType: text64,
      URL: text256,
      Username: text256,
      Password: secret256,
      FileSize: unsignedInt,
      TargetFileName: text256,
      DelaySeconds: unsignedInt,
      SuccessURL: text256,
      FailureURL: text256,
    },
    result: { Status: int, StartTime: dateTime, CompleteTime: dateTime },
    text: 'Makes the CPE fetch a file. Status 0: done and applied; 1: TransferComplete follows.',
  },
  Reboot: {
    clause: 'A.3.2.9',
    since: '1.0',
    required: true,
    idempotent: false,
    effect: 'disrupts',
    args: { CommandKey: text32 },
    result: {},
    text: 'Restarts the CPE after the session.',
  },
  GetQueuedTransfers: {
    clause: 'A.4.1.1',
    since: '1.0',
    required: false,
    idempotent: true,
    effect: 'reads',
    args: {},
    result: { TransferList: structList('QueuedTransferStruct', queuedTransfer, 16) },
    text: 'Lists transfers asked for by the ACS. Deprecated by GetAllQueuedTransfers.',
  },
  ScheduleInform: {
    clause: 'A.4.1.2',
    since: '1.0',
    required: false,
    // Sent twice it costs one Inform more, with the same CommandKey.
    idempotent: true,
    effect: 'reads',
    args: { DelaySeconds: unsignedInt, CommandKey: text32 },
    result: {},
    text: 'Asks for an Inform after a delay above 0 s.',
  },
  SetVouchers: {
    clause: 'A.4.1.3',
    since: '1.0',
    required: false,
    idempotent: false,
    effect: 'writes',
    args: {
      VoucherList: { kind: 'list', itemName: 'base64', arrayType: 'soap-enc:base64', item: { kind: 'base64' } },
    },
    result: {},
    text: 'Sets option vouchers. Deprecated.',
  },
  GetOptions: {
    clause: 'A.4.1.4',
    since: '1.0',
    required: false,
    idempotent: true,
    effect: 'reads',
    args: { OptionName: text64 },
    result: {
      OptionList: structList('OptionStruct', {
        OptionName: text64,
        VoucherSN: unsignedInt,
        State: unsignedInt,
        Mode: int,
        StartDate: dateTime,
        ExpirationDate: optional(dateTime),
        IsTransferable: int,
      }),
    },
    text: 'Reads the state of options. Deprecated.',
  },
  Upload: {
    clause: 'A.4.1.5',
    since: '1.0',
    required: false,
    idempotent: false,
    effect: 'reads',
    args: {
      CommandKey: text32,
      FileType: text64,
      URL: text256,
      Username: text256,
      Password: secret256,
      DelaySeconds: unsignedInt,
    },
    result: { Status: int, StartTime: dateTime, CompleteTime: dateTime },
    text: 'Makes the CPE send a file by HTTP PUT. Status as with Download.',
  },
  FactoryReset: {
    clause: 'A.4.1.6',
    since: '1.0',
    required: false,
    idempotent: false,
    effect: 'disrupts',
    args: {},
    result: {},
    text: 'Resets the CPE to factory defaults after the session; 0 BOOTSTRAP follows.',
  },
  GetAllQueuedTransfers: {
    clause: 'A.4.1.7',
    since: '1.1',
    required: false,
    idempotent: true,
    effect: 'reads',
    args: {},
    result: {
      TransferList: structList(
        'AllQueuedTransferStruct',
        { ...queuedTransfer, IsDownload: boolean, FileType: text64, FileSize: unsignedInt, TargetFileName: text256 },
        16,
      ),
    },
    text: 'Lists all transfers, those the ACS did not ask for as well.',
  },
  ScheduleDownload: {
    clause: 'A.4.1.8',
    since: '1.2',
    required: false,
    idempotent: false,
    effect: 'disrupts',
    args: {
      CommandKey: text32,
      FileType: text64,
      URL: text256,
      Username: text256,
      Password: secret256,
      FileSize: unsignedInt,
      TargetFileName: text256,
      TimeWindowList: structList(
        'TimeWindowStruct',
        {
          WindowStart: unsignedInt,
          WindowEnd: unsignedInt,
          WindowMode: text64,
          UserMessage: text256,
          MaxRetries: int,
        },
        2,
      ),
    },
    result: {},
    text: 'Download within one or two time windows; TransferComplete follows.',
  },
  CancelTransfer: {
    clause: 'A.4.1.9',
    since: '1.2',
    required: false,
    idempotent: true,
    effect: 'writes',
    args: { CommandKey: text32 },
    result: {},
    text: 'Cancels the transfers with this key; an unknown key is a success.',
  },
  ChangeDUState: {
    clause: 'A.4.1.10',
    since: '1.2',
    required: false,
    idempotent: false,
    effect: 'disrupts',
    args: { Operations: { kind: 'repeated', item: operations }, CommandKey: optional(text32) },
    result: {},
    text: 'Installs, updates or removes deployment units; DUStateChangeComplete follows.',
  },
} as const satisfies Record<string, MethodRow>;

// ── CPE → ACS ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const ACS_METHODS = {
  GetRPCMethods: {
    clause: 'A.3.1.1',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: {},
    result: { MethodList: textList(64) },
    text: 'Lists the methods the ACS supports.',
  },
  Inform: {
    clause: 'A.3.3.1',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: {
      DeviceId: struct('DeviceIdStruct', {
        Manufacturer: text64,
        OUI: text,
        ProductClass: text64,
        SerialNumber: text64,
      }),
      Event: structList('EventStruct', { EventCode: text64, CommandKey: text32 }, 64),
      MaxEnvelopes: unsignedInt,
      CurrentTime: dateTime,
      RetryCount: unsignedInt,
      ParameterList: parameterValues,
    },
    result: { MaxEnvelopes: unsignedInt },
    text: 'Opens a session: who, why and the values that always come along.',
  },
  TransferComplete: {
    clause: 'A.3.3.2',
    since: '1.0',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: { CommandKey: text32, FaultStruct: faultStruct, StartTime: dateTime, CompleteTime: dateTime },
    result: {},
    text: 'Outcome of a Download, Upload or ScheduleDownload; FaultCode 0 is success.',
  },
  AutonomousTransferComplete: {
    clause: 'A.3.3.3',
    since: '1.1',
    required: true,
    idempotent: true,
    effect: 'reads',
    args: {
      AnnounceURL: text1024,
      TransferURL: text1024,
      IsDownload: boolean,
      FileType: text64,
      FileSize: unsignedInt,
      TargetFileName: text256,
      FaultStruct: faultStruct,
      StartTime: dateTime,
      CompleteTime: dateTime,
    },
    result: {},
    text: 'Outcome of a transfer that the ACS did not ask for.',
  },
  Kicked: {
    clause: 'A.4.2.1',
    since: '1.0',
    required: false,
    idempotent: true,
    effect: 'reads',
    args: { Command: text32, Referer: text64, Arg: text256, Next: text1024 },
    result: { NextURL: text1024 },
    text: 'A user of the LAN asked for a kick. Deprecated.',
  },
  RequestDownload: {
    clause: 'A.4.2.2',
    since: '1.0',
    required: false,
    idempotent: true,
    effect: 'reads',
    args: { FileType: text64, FileTypeArg: structList('ArgStruct', { Name: text64, Value: text256 }, 16) },
    result: {},
    text: 'The CPE asks for a file; the ACS may send Download.',
  },
  DUStateChangeComplete: {
    clause: 'A.4.2.3',
    since: '1.2',
    required: false,
    idempotent: true,
    effect: 'reads',
    args: {
      Results: { kind: 'repeated', item: struct('OpResultStruct', opResult) },
      CommandKey: optional(text32),
    },
    result: {},
    text: 'Outcomes of a ChangeDUState, one for each operation.',
  },
  AutonomousDUStateChangeComplete: {
    clause: 'A.4.2.4',
    since: '1.2',
    required: false,
    idempotent: true,
    effect: 'reads',
    args: {
      Results: {
        kind: 'repeated',
        item: struct('AutonOpResultStruct', { ...opResult, OperationPerformed: text }),
      },
    },
    result: {},
    text: 'Outcomes of changes to deployment units that the ACS did not ask for.',
  },
} as const satisfies Record<string, MethodRow>;

// ── Derived ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type CpeMethod = keyof typeof CPE_METHODS;
type AcsMethod = keyof typeof ACS_METHODS;

/** The value of one field: strings (also dateTime and base64), numbers, booleans, structs and lists. */
type ValueOf<F> = F extends { kind: 'int' | 'unsignedInt' }
  ? number
  : F extends { kind: 'boolean' }
    ? boolean
    : F extends { kind: 'parameterValues' }
      ? ParameterValue[]
      : F extends { variants: infer Variants }
        ? { [T in keyof Variants]: { type: T } & ValuesOf<Variants[T]> }[keyof Variants]
        : F extends { kind: 'struct'; fields: infer Fields }
          ? ValuesOf<Fields>
          : F extends { kind: 'list' | 'repeated'; item: infer Item }
            ? ValueOf<Item>[]
            : string;
type OptionalKeys<Fields> = { [K in keyof Fields]: Fields[K] extends { optional: true } ? K : never }[keyof Fields];
type ValuesOf<Fields> = { -readonly [K in Exclude<keyof Fields, OptionalKeys<Fields>>]: ValueOf<Fields[K]> } & {
  -readonly [K in OptionalKeys<Fields>]?: ValueOf<Fields[K]>;
};

/** Arguments and result of a method of the CPE, as plain data with the XSD's names. */
export type CpeArgs<M extends CpeMethod> = ValuesOf<(typeof CPE_METHODS)[M]['args']>;
export type CpeResult<M extends CpeMethod> = ValuesOf<(typeof CPE_METHODS)[M]['result']>;

/** The row of a method the ACS calls; undefined for unknown ones and for vendors' `X_…`, which take any arguments. */
export function cpeMethod(name: string): MethodRow | undefined {
  return Object.hasOwn(CPE_METHODS, name) ? CPE_METHODS[name as CpeMethod] : undefined;
}

/** The row of a method the CPE calls; undefined means fault 8000. */
export function acsMethod(name: string): MethodRow | undefined {
  return Object.hasOwn(ACS_METHODS, name) ? ACS_METHODS[name as AcsMethod] : undefined;
}
