// Misbehaviours of the data model and the RPCs: lines 17–29, 37, 42 and 50 of the list of what CPEs really do, and what is on no list.

import { listTexts, valuesToSet } from './acs-message.ts';
import type { Hooks, OwnRequest, RpcAnswer } from './behaviour.ts';
import type { DataTree } from './data-tree.ts';
import { type Element, element, findAll, list } from './envelope.ts';
import type { Misbehaviour } from './misbehaviour.ts';
import { fault } from './rpc.ts';
import { dateTime, UNKNOWN_TIME } from './timers.ts';
import { childText, type XmlNode } from './xml-tree.ts';

/** Entries in one GetParameterValues or SetParameterValues that weak CPEs still bear. */
export const BATCH_MAX = 8;

/** Changes the entries of the ParameterList in the answer to a method. */
function entries(method: string, change: (entries: Element[], args: XmlNode | null) => Element[]): Hooks {
  return {
    envelope(envelope, sending) {
      if (sending.kind !== 'response' || sending.method !== method) return;
      for (const parameterList of findAll(envelope.body, 'ParameterList'))
        parameterList.children = change(parameterList.children, sending.answers);
    },
  };
}

const nameOf = (entry: Element): Element | undefined => entry.children.find((one) => one.name === 'Name');

/** Answers instead of the CPE when `when` holds. */
function refusing(method: string, code: number, text: string, when: (args: XmlNode, tree: DataTree) => boolean): Hooks {
  return { execute: (called, args, tree) => (called === method && when(args, tree) ? fault(code, text) : null) };
}

const nextLevel = (args: XmlNode): boolean => /^(1|true)$/.test(childText(args, 'NextLevel'));

/** Refuses a SetParameterValues with 9007 for some values. */
function valuesRefused(when: (entry: ReturnType<typeof valuesToSet>[number]) => boolean): Hooks {
  return {
    execute(method, args) {
      if (method !== 'SetParameterValues') return null;
      const bad = valuesToSet(args).filter(when);
      if (bad.length === 0) return null;
      const parameters = bad.map(({ Name }) => ({ name: Name, code: 9007, text: 'Invalid parameter value' }));
      return { ok: false, code: 9003, text: 'Invalid arguments', parameters } satisfies RpcAnswer;
    },
  };
}

const own = (method: string, args: Element[], ...codes: string[]): Hooks => {
  const events = codes.map((EventCode) => ({ EventCode, CommandKey: EventCode.startsWith('M ') ? 'du-1' : '' }));
  return { ownRequests: [{ method, args, events } satisfies OwnRequest] };
};

const goodFault = (): Element => element('FaultStruct', [element('FaultCode', '0'), element('FaultString', '')]);

const operation = (shape: Element): Element[] => [
  element('UUID', '00000000-0000-5000-8000-000000000001'),
  element('DeploymentUnitRef', 'Device.SoftwareModules.DeploymentUnit.1'),
  element('Version', '1.0'),
  element('CurrentState', 'Installed'),
  element('Resolved', '1'),
  element('ExecutionUnitRefList', 'Device.SoftwareModules.ExecutionUnit.1'),
  element('StartTime', dateTime(1_700_000_000_000)),
  element('CompleteTime', dateTime(1_700_000_060_000)),
  shape,
];

const flatFault = (): Element => element('Fault', [element('FaultCode', '0'), element('FaultString', '')]);
const wrappedFault = (): Element => element('Fault', [goodFault()]);
const DU_EVENTS = ['11 DU STATE CHANGE COMPLETE', 'M ChangeDUState'];

/** A blank is all this CPE shows of a passphrase, though its data model does not call it secret (FIELD 27). */
const isPassphrase = (name: string): boolean => /(KeyPassphrase|PreSharedKey|Password)$/.test(name);

/** Where the parameter stands that is an object in every other session (FIELD 28). */
const turning = (root: string): string => `${root}DeviceInfo.X_STARLING_Turning`;

/** Values that make it another device, and not how its ACS reaches it. */
const isOwn = ({ Name }: { Name: string }): boolean => !Name.includes('.ManagementServer.');

export const MODEL_MISBEHAVIOURS: Misbehaviour[] = [
  {
    field: null,
    name: 'values-forgotten',
    text: 'SetParameterValues is answered with success and changes nothing, but for ManagementServer',
    hooks: {
      execute: (method, args) =>
        method === 'SetParameterValues' && valuesToSet(args).some(isOwn)
          ? { ok: true, elements: [element('Status', '0')] }
          : null,
    },
  },
  {
    field: null,
    name: 'values-refused',
    text: 'SetParameterValues is 9007, but for ManagementServer',
    hooks: valuesRefused(isOwn),
  },
  {
    field: 17,
    name: 'gpn-objects-without-dot',
    text: 'objects in GetParameterNames answers lack their dot',
    hooks: entries('GetParameterNames', (all) => {
      for (const entry of all) {
        const name = nameOf(entry);
        if (name !== undefined) name.text = name.text.replace(/\.$/, '');
      }
      return all;
    }),
  },
  {
    field: 18,
    name: 'gpn-omits-objects',
    text: 'GetParameterNames lists parameters only',
    hooks: entries('GetParameterNames', (all, args) =>
      args !== null && nextLevel(args) ? all : all.filter((entry) => !nameOf(entry)?.text.endsWith('.')),
    ),
  },
  {
    field: 19,
    name: 'gpn-outside-path',
    text: 'GetParameterNames lists names outside the path, and the path itself with NextLevel',
    hooks: entries('GetParameterNames', (all, args) => [
      ...all,
      element('ParameterInfoStruct', [element('Name', 'Outside.Of.Everything'), element('Writable', '0')]),
      ...(args !== null && nextLevel(args) && childText(args, 'ParameterPath') !== ''
        ? [
            element('ParameterInfoStruct', [
              element('Name', childText(args, 'ParameterPath')),
              element('Writable', '0'),
            ]),
          ]
        : []),
    ]),
  },
  {
    field: 20,
    name: 'gpv-extra',
    text: 'GetParameterValues answers with parameters nobody asked for',
    hooks: entries('GetParameterValues', (all) => [
      ...all,
      element('ParameterValueStruct', [
        element('Name', 'Nobody.Asked'),
        element('Value', 'x', { 'xsi:type': 'xsd:string' }),
      ]),
    ]),
  },
  {
    field: 20,
    name: 'gpv-omits',
    text: 'GetParameterValues answers leave out the last entry',
    hooks: entries('GetParameterValues', (all) => all.slice(0, -1)),
  },
  {
    field: 20,
    name: 'gpa-omits',
    text: 'GetParameterAttributes answers leave out the last entry',
    hooks: entries('GetParameterAttributes', (all) => all.slice(0, -1)),
  },
  {
    field: 21,
    name: 'names-stale',
    text: 'GetParameterNames lists a parameter that GetParameterValues does not know (9005)',
    hooks: {
      plant: (tree) => tree.plant(`${tree.root}DeviceInfo.X_STARLING_Stale`, {}),
      execute: (method, args, tree) => {
        const stale = `${tree.root}DeviceInfo.X_STARLING_Stale`;
        return method === 'GetParameterValues' &&
          listTexts(args, 'ParameterNames').some(
            (name) => stale.startsWith(name) && (name === stale || name.endsWith('.') || name === ''),
          )
          ? fault(9005, 'Invalid parameter name')
          : null;
      },
    },
  },
  {
    field: 22,
    name: 'gpn-root-refused',
    text: 'GetParameterNames on the empty path is refused',
    hooks: refusing(
      'GetParameterNames',
      9005,
      'Invalid parameter name',
      (args) => childText(args, 'ParameterPath') === '',
    ),
  },
  {
    field: 23,
    name: 'gpn-deep-refused',
    text: 'GetParameterNames of a whole subtree exceeds its memory (9004)',
    hooks: refusing('GetParameterNames', 9004, 'Resources exceeded', (args) => !nextLevel(args)),
  },
  {
    field: 23,
    name: 'gpv-batch-refused',
    text: `more than ${BATCH_MAX} names in GetParameterValues exceed its memory (9004)`,
    hooks: refusing('GetParameterValues', 9004, 'Resources exceeded', (args, tree) => {
      const all = tree.expand(listTexts(args, 'ParameterNames'));
      return all.ok && all.value.length > BATCH_MAX;
    }),
  },
  {
    field: 23,
    name: 'spv-batch-refused',
    text: `more than ${BATCH_MAX} values in SetParameterValues exceed its memory (9004)`,
    hooks: refusing('SetParameterValues', 9004, 'Resources exceeded', (args) => valuesToSet(args).length > BATCH_MAX),
  },
  {
    field: 24,
    name: 'claims-read-only',
    text: 'all parameters claim to be read-only, and can be written',
    hooks: {
      envelope(envelope, sending) {
        if (sending.kind === 'response' && sending.method === 'GetParameterNames')
          for (const writable of findAll(envelope.body, 'Writable')) writable.text = '0';
      },
    },
  },
  {
    field: 25,
    name: 'datetime-milliseconds-refused',
    text: 'dateTime with milliseconds is 9007',
    hooks: valuesRefused(({ Value, type }) => type === 'dateTime' && /\.\d/.test(Value)),
  },
  {
    field: 25,
    name: 'boolean-words-refused',
    text: 'true and false are 9007',
    hooks: valuesRefused(({ Value, type }) => type === 'boolean' && !/^[01]$/.test(Value)),
  },
  {
    field: 26,
    name: 'transfer-complete-never',
    text: 'TransferComplete never comes',
    hooks: { traits: { neverTransferComplete: true } },
  },
  {
    field: 27,
    name: 'passwords-blank',
    text: 'passphrases read as blank although they are set',
    hooks: entries('GetParameterValues', (all) => {
      for (const entry of all)
        if (isPassphrase(nameOf(entry)?.text ?? ''))
          for (const value of entry.children.filter((one) => one.name === 'Value')) value.text = '';
      return all;
    }),
  },
  {
    field: 27,
    name: 'passwords-masked',
    text: 'passphrases read as asterisks',
    hooks: entries('GetParameterValues', (all) => {
      for (const entry of all)
        if (isPassphrase(nameOf(entry)?.text ?? ''))
          for (const value of entry.children.filter((one) => one.name === 'Value')) value.text = '********';
      return all;
    }),
  },
  {
    field: 28,
    name: 'object-turns-into-leaf',
    text: 'a name is an object in odd sessions and a parameter in even ones',
    hooks: {
      beforeSession(tree, session) {
        const path = turning(tree.root);
        tree.remove(path);
        if (session % 2 === 0) tree.plant(path, { value: 'leaf' });
        else {
          tree.plantObject(`${path}.`);
          tree.plant(`${path}.Inner`, { value: 'inner' });
        }
      },
    },
  },
  {
    field: 29,
    name: 'reboots-on-no-op-write',
    text: 'writing the value that is already there makes it reboot',
    hooks: { traits: { rebootsOnNoOpWrite: true } },
  },
  {
    field: 37,
    name: 'rpc-unknown',
    text: 'calls an RPC nobody knows',
    hooks: own('X_STARLING_Unknown', [element('Argument', 'x')]),
  },
  {
    field: 42,
    name: 'udp-address-invalid',
    text: 'an impossible UDPConnectionRequestAddress',
    hooks: {
      plant: (tree) => void tree.set(`${tree.root}ManagementServer.UDPConnectionRequestAddress`, 'no address:at all'),
    },
  },
  {
    field: 42,
    name: 'udp-address-without-stun',
    text: 'a UDPConnectionRequestAddress although STUN is off',
    hooks: {
      plant: (tree) => {
        tree.set(`${tree.root}ManagementServer.UDPConnectionRequestAddress`, '192.0.2.7:7547');
        tree.set(`${tree.root}ManagementServer.STUNEnable`, '0');
      },
    },
  },
  {
    field: 50,
    name: 'autonomous-transfer-complete',
    text: 'AutonomousTransferComplete',
    hooks: own(
      'AutonomousTransferComplete',
      [
        element('AnnounceURL', ''),
        element('TransferURL', 'http://192.0.2.9/firmware'),
        element('IsDownload', '1'),
        element('FileType', '1 Firmware Upgrade Image'),
        element('FileSize', '1024'),
        element('TargetFileName', ''),
        goodFault(),
        element('StartTime', UNKNOWN_TIME),
        element('CompleteTime', UNKNOWN_TIME),
      ],
      '10 AUTONOMOUS TRANSFER COMPLETE',
    ),
  },
  {
    field: 50,
    name: 'request-download',
    text: 'RequestDownload',
    hooks: own(
      'RequestDownload',
      [
        element('FileType', '1 Firmware Upgrade Image'),
        list('FileTypeArg', 'cwmp:ArgStruct', [
          element('ArgStruct', [element('Name', 'Version'), element('Value', '2')]),
        ]),
      ],
      '9 REQUEST DOWNLOAD',
    ),
  },
  {
    field: 50,
    name: 'kicked',
    text: 'Kicked',
    hooks: own(
      'Kicked',
      [
        element('Command', 'show'),
        element('Referer', 'portal'),
        element('Arg', '1'),
        element('Next', 'http://192.0.2.9/next'),
      ],
      '5 KICKED',
    ),
  },
  {
    field: 50,
    name: 'du-complete-repeated',
    text: 'DUStateChangeComplete with repeated Results, as the XSD has it',
    hooks: own(
      'DUStateChangeComplete',
      [
        element('Results', operation(flatFault())),
        element('Results', operation(flatFault())),
        element('CommandKey', 'du-1'),
      ],
      ...DU_EVENTS,
    ),
  },
  {
    field: 50,
    name: 'du-complete-array',
    text: 'DUStateChangeComplete with an array and a flat Fault',
    hooks: own(
      'DUStateChangeComplete',
      [
        list('Results', 'cwmp:OpResultStruct', [element('OpResultStruct', operation(flatFault()))]),
        element('CommandKey', 'du-1'),
      ],
      ...DU_EVENTS,
    ),
  },
  {
    field: 50,
    name: 'du-complete-wrapped-fault',
    text: 'DUStateChangeComplete with an array and a FaultStruct in Fault',
    hooks: own(
      'DUStateChangeComplete',
      [
        list('Results', 'cwmp:OpResultStruct', [element('OpResultStruct', operation(wrappedFault()))]),
        element('CommandKey', 'du-1'),
      ],
      ...DU_EVENTS,
    ),
  },
];
