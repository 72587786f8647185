// The closed list of deviations Starling accepts from CPEs. A reader that bends a rule says so by one of these names: metrics count
// them, sessions keep them, docs print the texts. It says what was bent, never who did it: kinds of CPE belong to profiles.

/** Name → what the CPE did and what was made of it, for docs and metrics. */
export const TOLERANCES = {
  // ── The document ─────────────────────────────────────────────────────────────────────────────────────────────────
  'invalid-utf8':
    'Bytes that are not the UTF-8 they claim to be; read by the XML declaration’s charset or as ISO-8859-1.',
  'unknown-charset': 'A charset nobody knows, over bytes that are valid UTF-8; read as UTF-8.',
  'wrong-charset': 'UTF-16 was announced, single bytes came; read as UTF-8.',
  'junk-before-root': 'Text before the first tag; skipped.',
  'space-before-declaration': 'White space before the XML declaration; skipped.',
  'trailing-junk': 'NUL bytes or text after the envelope; ignored.',
  'control-characters': 'Control characters that XML forbids, within a text; removed.',
  'bare-ampersand': 'An `&` that starts no reference; kept as it is.',
  'unknown-entity': 'A reference to an entity nobody declared; kept as it is.',
  'bad-reference': 'A numeric reference to a character that XML forbids; kept as it is.',
  'markup-in-text': 'Elements inside a text value; left out of it.',
  'repaired-markup':
    'Markup that is not well-formed (stray `<`, unquoted attribute); repaired, read by the second reader.',

  // ── The envelope ─────────────────────────────────────────────────────────────────────────────────────────────────
  'envelope-namespace': 'The Envelope is in no or in an unknown namespace; taken as SOAP 1.1.',
  'undeclared-prefix': 'A namespace prefix that is not declared; matched by local name.',
  'method-namespace': 'The method is not in the cwmp namespace; the one declared nearest was taken.',
  'namespace-version': 'A cwmp namespace that no schema defines (cwmp-1-3 and up); repeated literally.',
  'no-cwmp-namespace': 'A fault without any cwmp namespace in scope; read all the same.',
  'empty-body': 'An envelope with an empty Body; taken as an empty POST.',
  'missing-id': 'No cwmp:ID; correlated by the session.',
  'empty-id': 'An empty cwmp:ID; echoed empty.',
  'unknown-must-understand': 'An unknown header with mustUnderstand; ignored.',
  'hold-requests-from-cpe': 'HoldRequests sent by the CPE; ignored.',
  'bad-header-value': 'A header whose value cannot be read; ignored.',

  // ── Texts and values ─────────────────────────────────────────────────────────────────────────────────────────────
  'padded-text': 'White space around an ID, name, code, number or time; trimmed.',
  'padded-value': 'White space of pretty printing around a value; trimmed.',
  'broken-name': 'A line break inside a parameter name; removed.',
  'missing-name': 'A list entry without Name; skipped.',
  'long-name': 'A parameter name beyond the bound; skipped.',
  'missing-value': 'A parameter without Value; taken as empty.',
  'missing-type': 'A Value without xsi:type; taken as xsd:string.',
  'odd-type': 'An xsi:type that XML Schema does not define; kept as sent.',
  'bad-value': 'A value that does not fit its type; kept as sent.',
  'bad-number': 'A number that is none; taken as 0.',
  'bad-boolean': 'A boolean that is none; taken as false.',
  'bad-time': 'A time that is missing, empty or none; taken as Unknown Time.',
  'missing-field': 'An element that the schema demands is missing; its neutral value was taken.',
  'wrapped-struct': 'A structure inside an element named after its type; unwrapped.',

  // ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────
  'device-id-spelling': 'DeviceId spelt otherwise; read.',
  'missing-product-class': 'No ProductClass; identity is OUI and SerialNumber.',
  'long-manufacturer': 'Manufacturer beyond 64 characters; cut off.',
  'missing-event': 'An Inform without Event; no events.',
  'missing-event-code': 'An event without EventCode; skipped.',
  'event-spelling': 'A standard event in another spelling; taken by the standard’s.',
  'many-events': 'More than 64 events; read.',
  'missing-parameter-list': 'An Inform without ParameterList; no values.',
  'missing-retry-count': 'An Inform without RetryCount; taken as 0.',
  'nested-fault-detail': 'The fault’s detail inside faultstring; read.',
  'missing-fault-code': 'A fault without FaultCode; taken as 9002.',
  'soap-fault': 'A SOAP fault without CWMP detail; code from its text, or 9002.',
} as const satisfies Record<string, string>;

export type Tolerance = keyof typeof TOLERANCES;

const NONE: readonly Tolerance[] = Object.freeze([]);

/** Collects the tolerances of one message; each name counts once. */
export class ToleranceSet {
  #names: Tolerance[] = [];

  add(name: Tolerance): void {
    if (!this.#names.includes(name)) this.#names.push(name);
  }

  /** The names in alphabetical order, so that both readers say the same in whatever order they noticed. */
  list(): readonly Tolerance[] {
    return this.#names.length === 0 ? NONE : this.#names.slice().sort();
  }

  isEmpty(): boolean {
    return this.#names.length === 0;
  }

  clear(): void {
    if (this.#names.length > 0) this.#names = [];
  }
}
