// Changes messages the way bad memory, bad stacks and bad people do: cuts, swaps, doubled pieces, noise in bytes, tags and attributes.
// Deterministic for its random source (random.ts), so that a finding can be made again from its seed.

const PIECES = [
  '<',
  '>',
  '&',
  '"',
  "'",
  '/',
  '=',
  ':',
  ';',
  ' ',
  '\n',
  '\r\n',
  '\0',
  '\x02',
  '\ufeff',
  '\u00e9',
  '\u{1f422}',
  ']]>',
  '-->',
  '?>',
  '<!--',
  '<![CDATA[',
  '<![CDATA[x]]>',
  '<!-- c -->',
  '<?pi x?>',
  '<!DOCTYPE a>',
  '&amp;',
  '&lt;',
  '&#10;',
  '&#0;',
  '&x;',
  '&#x41;',
  '</Name>',
  '<Name>',
  '<Value/>',
  '</Value>',
  '<x>',
  '</x>',
  '<x/>',
  '<x y="z">',
  ' y="z"',
  ' xmlns=""',
  ' xmlns:cwmp="urn:x"',
  ' xsi:type="xsd:int"',
  " type='q:boolean'",
  '<Fault>',
  '<detail>',
  '<OpResultStruct>',
  '</OpResultStruct>',
  'cwmp:',
  'Response',
]; // prettier-ignore

/** One to three changes to `bytes`; a good part of them leave it well-formed. */
export function mutate(bytes: Buffer, random: () => number): Buffer {
  let out = bytes;
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) out = change(out, random);
  return out;
}

function change(bytes: Buffer, random: () => number): Buffer {
  const at = (max: number) => Math.floor(random() * max);
  const from = at(bytes.length + 1);
  const to = Math.min(bytes.length, from + 1 + at(random() < 0.7 ? 12 : 400));
  const before = bytes.subarray(0, from);
  const after = bytes.subarray(to);
  switch (at(16)) {
    case 0:
      return Buffer.concat([before, after]);
    case 1:
      return Buffer.concat([before, bytes.subarray(from, to), bytes.subarray(from, to), after]);
    case 2:
      return Buffer.from(before);
    case 3: {
      const other = at(bytes.length + 1);
      return Buffer.concat([before, bytes.subarray(other, other + 1 + at(80)), bytes.subarray(from)]);
    }
    case 4: {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[at(copy.length)] = at(256);
      return copy;
    }
    case 5:
      return withinTag(bytes, from, random);
    case 6:
    case 7:
    case 8:
      return Buffer.concat([before, Buffer.from(PIECES[at(PIECES.length)]!), bytes.subarray(from)]);
    default:
      return withLeaf(bytes, from, random);
  }
}

/** Takes an element without children out, doubles it, moves it, or changes its text. */
function withLeaf(bytes: Buffer, from: number, random: () => number): Buffer {
  const text = bytes.toString('latin1');
  const leaf = /<([\w:.-]+)[^<>]*>([^<]*)<\/\1>/g;
  leaf.lastIndex = Math.min(from, Math.floor(text.length * 0.9));
  const match = leaf.exec(text);
  if (match === null) return bytes;
  const [whole, , inner] = match;
  const start = text.slice(0, match.index);
  const end = text.slice(match.index + whole.length);
  const piece = PIECES[Math.floor(random() * PIECES.length)]!;
  const inside = match.index + whole.lastIndexOf('</') - Math.floor(random() * (inner!.length + 1));
  switch (Math.floor(random() * 6)) {
    case 0:
      return Buffer.from(start + end, 'latin1');
    case 1:
      return Buffer.from(start + whole + whole + end, 'latin1');
    case 2:
      return Buffer.from(start + end.replace('</', () => `${whole}</`), 'latin1');
    case 3:
      return Buffer.from(start + whole.replace(inner!, () => inner!.replace(/[a-z]+/, 'TRUE')) + end, 'latin1');
    default:
      return Buffer.concat([bytes.subarray(0, inside), Buffer.from(piece), bytes.subarray(inside)]);
  }
}

/** Puts a piece in front of the `>` of the next tag, where attributes go. */
function withinTag(bytes: Buffer, from: number, random: () => number): Buffer {
  const end = bytes.indexOf('>', from);
  if (end < 0) return bytes;
  const piece = Buffer.from(PIECES[Math.floor(random() * PIECES.length)]!);
  return Buffer.concat([bytes.subarray(0, end), piece, bytes.subarray(end)]);
}
