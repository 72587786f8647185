// Which namespaces a message is in: of SOAP for its Envelope, of CWMP for its method. Only the declarations of Envelope, Body and method
// matter (FIELD 2); everything else is matched by local name. It looks at positions in the document and cuts out no text.

import { LIMITS } from '../base/limits.ts';
import type { Scanner } from './scanner.ts';

const SOAP_1_1 = 'http://schemas.xmlsoap.org/soap/envelope/';
const CWMP = 'urn:dslforum-org:cwmp-1-';
/** The namespaces by their last digit, so that no message carries a slice of its document for it (CWMP V1, V4). */
const CWMP_NAMESPACES = Array.from({ length: 10 }, (_, digit) => CWMP + digit);

const FIELDS = 5;

/** The declarations of the document in hand. */
export class Namespaces {
  /** Declarations, innermost last: prefix start and end, value start and end of each, last digit of the cwmp namespace or −1. */
  readonly #declared = new Int32Array(3 * FIELDS * LIMITS.xmlAttributesMax);
  #count = 0;

  clear(): void {
    this.#count = 0;
  }

  /** Adds the declarations of the tag opened last. */
  declare(s: Scanner): void {
    if (s.attributeCount === 0) return;
    const before = this.#count;
    const declared = this.#declared;
    this.#count = before + s.declarations(declared, before, FIELDS);
    for (let i = before; i < this.#count; i += FIELDS)
      declared[i + 4] = cwmpDigit(s.doc, declared[i + 2]!, declared[i + 3]!);
  }

  /** A copy of what is declared, and back. */
  save(): Int32Array {
    return this.#declared.slice(0, this.#count);
  }

  restore(saved: Int32Array): void {
    this.#declared.set(saved);
    this.#count = saved.length;
  }

  /** Index of the declaration that the prefix of the last opened tag is bound by; −1 when by none. */
  #bindingOf(s: Scanner): number {
    const { doc, rawStart } = s;
    const declared = this.#declared;
    const length = s.localStart === rawStart ? 0 : s.localStart - rawStart - 1;
    for (let i = this.#count - FIELDS; i >= 0; i -= FIELDS) {
      const start = declared[i]!;
      if (declared[i + 1]! - start !== length) continue;
      let equal = 0;
      while (equal < length && doc.charCodeAt(start + equal) === doc.charCodeAt(rawStart + equal)) equal++;
      if (equal === length) return i;
    }
    return -1;
  }

  /** The cwmp namespace that declaration `i` names, or null. */
  #cwmpAt(i: number): string | null {
    const digit = this.#declared[i + 4]!;
    return digit < 0 ? null : CWMP_NAMESPACES[digit]!;
  }

  /** After OPEN of the Envelope: refuses SOAP 1.2, tolerates what is neither. */
  enterEnvelope(s: Scanner): void {
    this.declare(s);
    const binding = this.#bindingOf(s);
    if (binding < 0) {
      s.tolerances.add(s.localStart === s.rawStart ? 'envelope-namespace' : 'undeclared-prefix');
      return;
    }
    const start = this.#declared[binding + 2]!;
    const end = this.#declared[binding + 3]!;
    if (end - start === SOAP_1_1.length && s.doc.startsWith(SOAP_1_1, start)) return;
    if (/^http:\/\/www\.w3\.org\/200\d\/\d\d\/soap-envelope/.test(s.doc.slice(start, end))) s.refuse('soap-version');
    else s.tolerances.add('envelope-namespace');
  }

  /**
   * After OPEN of the method: the cwmp namespace its prefix is bound to on the method, the Body or the Envelope, else the nearest cwmp
   * namespace declared on one of them (FIELD 2). A fault needs none. Null when the document is refused for it.
   */
  ofMethod(s: Scanner): string | null {
    const isFault = s.is('Fault');
    this.declare(s);
    const binding = this.#bindingOf(s);
    if (binding < 0 && s.localStart !== s.rawStart) s.tolerances.add('undeclared-prefix');
    let namespace = binding < 0 || isFault ? null : this.#cwmpAt(binding);
    if (namespace === null) {
      for (let i = this.#count - FIELDS; i >= 0 && namespace === null; i -= FIELDS) namespace = this.#cwmpAt(i);
      if (namespace !== null && !isFault) s.tolerances.add('method-namespace');
    }
    if (namespace === null) {
      if (!isFault) {
        s.refuse('not-cwmp');
        return null;
      }
      s.tolerances.add('no-cwmp-namespace');
      return '';
    }
    // Only 1-0, 1-1 and 1-2 are in schemas (CWMP V1).
    if (namespace > CWMP_NAMESPACES[2]!) s.tolerances.add('namespace-version');
    return namespace;
  }
}

/** Last digit of `urn:dslforum-org:cwmp-1-<digit>`; −1 for any other text. */
function cwmpDigit(doc: string, start: number, end: number): number {
  if (end - start !== CWMP.length + 1 || !doc.startsWith(CWMP, start)) return -1;
  const digit = doc.charCodeAt(end - 1) - 48;
  return digit >= 0 && digit <= 9 ? digit : -1;
}
