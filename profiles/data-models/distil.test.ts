import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dataModel, TABLE_FILES } from '../data-model.ts';
import { distil, readDocuments } from './distil.ts';

const document = (models: string, types = ''): string => `<?xml version="1.0" encoding="UTF-8"?>
  <dm:document xmlns:dm="urn:broadband-forum-org:cwmp:datamodel-1-14" file="made.xml">${types}${models}</dm:document>`;
const model = (name: string, objects: string): string => `<model name="${name}">${objects}</model>`;
const object = (name: string, parameters: string, access = 'readOnly'): string =>
  `<object name="${name}" access="${access}" minEntries="0" maxEntries="unbounded">${parameters}</object>`;
const parameter = (name: string, syntax: string, access = 'readWrite', attributes = ''): string =>
  `<parameter name="${name}" access="${access}"><description>Prose with | and more.</description>
   <syntax ${attributes}>${syntax}</syntax></parameter>`;

/** The lines of the parameters in one made model. */
function linesOf(parameters: string, types = ''): string[] {
  const [table] = distil([document(model('Device:2.1', object('Device.A.{i}.', parameters, 'readWrite')), types)]);
  return table!.text.trimEnd().split('\n').slice(3);
}

const TYPES = `
  <dataType name="Short"><string><size maxLength="8"/></string></dataType>
  <dataType name="Shorter" base="Short"><size maxLength="4"/><pattern value=""/><pattern value="[A-Z]+ x"/></dataType>
  <dataType name="State"><string><enumeration value="None" access="readOnly"/><enumeration value="Asked"/></string></dataType>
  <dataType name="IPAddress"><string><size maxLength="45"/></string></dataType>`;

test.each<[string, string, string]>([
  ['a plain string', parameter('P', '<string/>'), ' P w string'],
  ['without access', '<parameter name="P"><syntax><dateTime/></syntax></parameter>', ' P r dateTime'],
  ['written once', parameter('P', '<string/>', 'writeOnceReadOnly'), ' P w string'],
  ['a hidden one', parameter('P', '<string/>', 'readWrite', 'hidden="true"'), ' P w string secret'],
  ['a secured one', parameter('P', '<string/>', 'readWrite', 'secured="true"'), ' P w string secret'],
  ['a hidden command', parameter('P', '<boolean/>', 'readWrite', 'hidden="true" command="true"'), ' P w boolean'],
  [
    'ranges and units',
    parameter(
      'P',
      '<int><range maxInclusive="-1"/><range minInclusive="3" maxInclusive="9"/><units value="dB / 10"/></int>',
    ),
    ' P w int range=..-1,3..9 units=dB%20/%2010',
  ],
  [
    'sizes',
    parameter('P', '<hexBinary><size minLength="5" maxLength="5"/><size/></hexBinary>'),
    ' P w hexBinary length=5',
  ],
  [
    'a list',
    parameter('P', '<list maxItems="4"><size maxLength="32"/></list><string><enumeration value="a b"/></string>'),
    ' P w string list=..4 whole=..32 values=a%20b',
  ],
  ['a list of lists', parameter('P', '<list nestedBrackets="required"/><dataType ref="Short"/>'), ' P w string'],
  ['a data type', parameter('P', '<dataType ref="Short"/>'), ' P w string length=..8'],
  ['a derived data type', parameter('P', '<dataType ref="Shorter"/>'), ' P w string length=..4 like= like=[A-Z]+%20x'],
  ['a data type with a format', parameter('P', '<dataType ref="IPAddress"/>'), ' P w string as=IPAddress'],
  [
    'a data type with values of its own and more',
    parameter('P', '<dataType ref="State"><enumeration value="Broken" access="readOnly"/></dataType>'),
    ' P w string values=Asked cpe=None|Broken',
  ],
  ['values nobody writes', parameter('P', '<dataType ref="State"/>', 'readOnly'), ' P r string values=None|Asked'],
])('%s becomes a line', (_, xml, line) => {
  expect(linesOf(xml, TYPES)).toEqual([line]);
});

test.each([
  ['beside it', 'Supported', 'Device.A.{i}.Supported'],
  ['one step up', '#.Supported', 'Device.Supported'],
  ['from the root', '.Supported', 'Device.Supported'],
])('an enumerationRef %s brings the values listed there, and its null value', (_, target, path) => {
  const listed = parameter('Supported', '<list/><string><enumeration value="x"/></string>', 'readOnly');
  const refers = parameter('P', `<string><enumerationRef targetParam="${target}" nullValue="off"/></string>`);
  const objects = object('Device.', listed) + object('Device.A.{i}.', listed + refers);
  expect(distil([document(model('Device:2.1', objects))])[0]!.text).toContain(` P w string values=off|x of=${path}\n`);
});

test('the newest version of a model is taken, and what only an older major version has is added', () => {
  const one = parameter('Old', '<string/>') + parameter('Both', '<int/>');
  const two = parameter('Both', '<boolean/>');
  const documents = [
    document(model('Device:2.1', object('Device.', parameter('Gone', '<int/>')))),
    document(model('Device:1.4', object('Device.LAN.', one) + object('Device.', one))),
    document(model('Device:2.10', object('Device.', two))),
  ];
  const [table] = distil(documents);
  expect(table).toMatchObject({ root: 'Device.', models: ['Device:2.10', 'Device:1.4'] });
  expect(table!.text.split('\n\n').slice(1)).toEqual([
    'Device.\n Both w boolean\n Old w string',
    'Device.LAN.\n Both w int\n Old w string\n',
  ]);
});

test.each([
  ['definitions elsewhere', document('<import file="x.xml"/>'), /-full\.xml/],
  [
    'an unknown data type',
    document(model('Device:2.1', object('Device.', parameter('P', '<dataType ref="Foo"/>')))),
    /Device\.P is a Foo/,
  ],
  [
    'a range of a string',
    document(model('Device:2.1', object('Device.', parameter('P', '<string><range minInclusive="1"/></string>')))),
    /Device\.P/,
  ],
  [
    'no syntax',
    document(model('Device:2.1', object('Device.', '<parameter name="P" access="readOnly"/>'))),
    /no syntax/,
  ],
])('%s: no table is made, and the error says where', (_, xml, message) => {
  expect(() => distil([xml])).toThrow(message);
});

const MODELS = '../shared/datamodels';
if (!existsSync(MODELS)) console.log('skipped: ../shared/datamodels is not here, the tables are not made anew');

test.skipIf(!existsSync(MODELS))(
  'the tables are those of the data models (npm run distil prints them anew)',
  { timeout: 60_000 },
  () => {
    const tables = distil(readDocuments(MODELS));
    expect(tables.map(({ root }) => root)).toEqual(Object.keys(TABLE_FILES));
    for (const { root, text } of tables) {
      // Compared at once, and not by a diff of ten thousand lines.
      const isSame = readFileSync(new URL(TABLE_FILES[root], import.meta.url), 'utf8') === text;
      expect(isSame, `${TABLE_FILES[root]} is older than ${MODELS}`).toBe(true);
      expect(dataModel(root).object(root)).toEqual({ kind: 'object', createable: false });
    }
  },
);
