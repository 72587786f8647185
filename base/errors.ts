// Thrown errors are tagged classes with a closed tag set; expected outcomes are values and live with their functions.
// `message` may be shown to a CPE, caller or operator; `detail` stays in our log.

export type ErrorTag =
  | 'acs-fault'
  | 'cpe-fault'
  | 'session-violation'
  | 'connector'
  | 'config'
  | 'refused'
  | 'store'
  | 'bus';

/** The common shape: match on `tag` and `code`, never on text. */
export class StarlingError extends Error {
  readonly tag: ErrorTag;
  readonly code: string;
  readonly detail: string | undefined;

  constructor(tag: ErrorTag, code: string, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.tag = tag;
    this.code = code;
    this.detail = options.detail;
  }
}

/** A fault of ours in answer to a CPE request: 8000–8006 and 8800–8899 (cwmp-1-4.xsd, ACSFaultCodeType). */
export class AcsFault extends StarlingError {
  override name = 'AcsFault';
  constructor(code: number, message: string, options?: { detail?: string; cause?: unknown }) {
    super('acs-fault', String(code), message, options);
  }
}

/** Configuration that cannot be used: said in full at start, with what to do. */
export class ConfigError extends StarlingError {
  override name = 'ConfigError';
  constructor(code: string, message: string, options?: { detail?: string; cause?: unknown }) {
    super('config', code, message, options);
  }
}

/** A request of an operator or program that we will not do; `code` is a short kebab-case reason, `status` its HTTP status. */
export class Refused extends StarlingError {
  override name = 'Refused';
  readonly status: number;
  constructor(status: number, code: string, message: string, options?: { detail?: string; cause?: unknown }) {
    super('refused', code, message, options);
    this.status = status;
  }
}

export type StoreErrorCode = 'disk-full' | 'outbox-full' | 'broken' | 'slow';

/** The edge store cannot take a write: nothing that was handed over with it may be acknowledged to anybody. */
export class StoreError extends StarlingError {
  override name = 'StoreError';
  constructor(code: StoreErrorCode, message: string, options?: { detail?: string; cause?: unknown }) {
    super('store', code, message, options);
  }
}

export type BusErrorCode = 'no-subscriber' | 'not-taken' | 'closed';

/** A batch did not reach the other side durably: publish it again. */
export class BusError extends StarlingError {
  override name = 'BusError';
  constructor(code: BusErrorCode, message: string, options?: { detail?: string; cause?: unknown }) {
    super('bus', code, message, options);
  }
}

/** Errors cross a thread or the bus as plain data: structured clone drops class, tag and code. */
export interface WireError {
  tag: ErrorTag | 'unknown';
  code: string;
  message: string;
}

export function toWire(error: unknown): WireError {
  if (error instanceof StarlingError) return { tag: error.tag, code: error.code, message: error.message };
  return { tag: 'unknown', code: 'unknown', message: error instanceof Error ? error.message : String(error) };
}
