// Thrown errors are tagged classes with a closed tag set; expected outcomes are values and live with their functions. Faults of CWMP are
// values too: see cwmp/faults.ts.
// `message` may be shown to a CPE, caller or operator; `detail` stays in our log.

export type ErrorTag = 'config' | 'refused' | 'store' | 'bus';

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
