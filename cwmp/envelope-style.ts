// How an envelope is spelt for one kind of CPE. Conforming CPEs take any of them; the switches exist for those that compare bytes
// (FIELD 54). Profiles choose; the writer obeys.

export interface EnvelopeStyle {
  /** `<?xml …?>` in front: one vendor needs it, another breaks on it. */
  xmlDeclaration: boolean;
  /** Prefix of the SOAP envelope namespace, compared literally by some parsers. */
  soapPrefix: 'soap-env' | 'SOAP-ENV' | 'soapenv' | 'soap';
  /** Booleans in values and arguments as words (true/false) or digits (1/0). */
  booleans: 'words' | 'digits';
  /** dateTime with milliseconds or without. */
  dateTimeMilliseconds: boolean;
  /** The cwmp namespace to answer in instead of the CPE's own, or null. */
  namespace: string | null;
}

export const DEFAULT_STYLE: EnvelopeStyle = {
  xmlDeclaration: true,
  soapPrefix: 'soap-env',
  booleans: 'digits',
  dateTimeMilliseconds: false,
  namespace: null,
};
