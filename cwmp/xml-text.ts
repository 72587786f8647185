// Text into XML: escaping, and the characters that XML 1.0 cannot carry at all (CWMP E17). Output only; reading is soap-reader.ts.

import { Refused } from '../base/errors.ts';

// One test decides for nearly all text that nothing is to be done. Surrogates are looked at closer: pairs are fine, halves are not.
const SPECIAL = /[&<>"'\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/;
const SPECIAL_OR_PAIR =
  /[\ud800-\udbff][\udc00-\udfff]|[&<>"'\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/g;

/** Escaped form of one special match; null for a character XML cannot carry. */
function escapeOne(special: string): string | null {
  switch (special) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    case "'":
      return '&apos;';
    case '\r':
      // A bare CR would reach the CPE as LF (XML 1.0 §2.11).
      return '&#13;';
    default:
      return special.length === 2 ? special : null;
  }
}

/**
 * Text of ours or of an operator, for element content or a quoted attribute.
 * @throws Refused `xml-character` for a character XML 1.0 does not allow: a numeric reference to it would be no better.
 */
export function escapeText(text: string): string {
  if (!SPECIAL.test(text)) return text;
  return text.replace(SPECIAL_OR_PAIR, (special) => {
    const escaped = escapeOne(special);
    if (escaped !== null) return escaped;
    const code = special.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    throw new Refused(
      422,
      'xml-character',
      `The character U+${code} cannot be sent to a CPE: XML 1.0 does not allow it.`,
    );
  });
}

/** Text a CPE sent and that goes back to it, such as cwmp:ID: what XML cannot carry is left out, never thrown over. */
export function escapeEcho(text: string): string {
  if (!SPECIAL.test(text)) return text;
  return text.replace(SPECIAL_OR_PAIR, (special) => escapeOne(special) ?? '');
}
