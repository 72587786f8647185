// The methods an ACS may call, as this CPE carries them out (A.3.2, A.4.1). Each takes the arguments as XML and returns the elements of
// its response or a fault. Sessions, and what happens after them, belong to the host.

import { LIMITS } from '../../base/limits.ts';
import { booleanArg, listTexts, valuesToSet } from './acs-message.ts';
import type { RpcAnswer } from './behaviour.ts';
import type { DataTree } from './data-tree.ts';
import type { Diagnostics } from './diagnostics.ts';
import { type Element, element, list } from './envelope.ts';
import type { CwmpVersion } from './kinds.ts';
import { UNKNOWN_TIME } from './timers.ts';
import type { TransferQueue } from './transfers.ts';
import { child, childText, type XmlNode } from './xml-tree.ts';

export interface RpcHost {
  tree: DataTree;
  version: CwmpVersion;
  diagnostics: Diagnostics;
  transfers: TransferQueue;
  /** A successful SetParameterValues: what was written, whether any value is new, and the key to keep. */
  written(paths: string[], changed: boolean, parameterKey: string): void;
  scheduleInform(delaySeconds: number, commandKey: string): void;
  /** After the session has ended (S15). */
  rebootLater(commandKey: string): void;
  factoryResetLater(): void;
}

type Method = { since: CwmpVersion; run: (host: RpcHost, args: XmlNode) => RpcAnswer };

const done = (...elements: Element[]): RpcAnswer => ({ ok: true, elements });

/** A fault; texts are those of A.5.1 unless something more useful can be said. */
export function fault(code: number, text: string): RpcAnswer {
  return { ok: false, code, text, parameters: [] };
}

const setParameterKey = (host: RpcHost, args: XmlNode): void => {
  host.written([], false, childText(args, 'ParameterKey'));
};

const METHODS: Record<string, Method> = {
  GetRPCMethods: {
    since: '1.0',
    run: ({ version }) => {
      const names = Object.keys(METHODS).filter((name) => METHODS[name]!.since <= version);
      return done(
        list(
          'MethodList',
          'xsd:string',
          names.map((name) => element('string', name)),
        ),
      );
    },
  },
  SetParameterValues: { since: '1.0', run: setParameterValues },
  GetParameterValues: {
    since: '1.0',
    run: ({ tree }, args) => {
      const paths = tree.expand(listTexts(args, 'ParameterNames'));
      if (!paths.ok) return fault(paths.code, paths.text);
      const entries = paths.value.map((path) => valueStruct(tree.read(path)!));
      return done(list('ParameterList', 'cwmp:ParameterValueStruct', entries));
    },
  },
  GetParameterNames: {
    since: '1.0',
    run: ({ tree }, args) => {
      const names = tree.names(childText(args, 'ParameterPath'), booleanArg(args, 'NextLevel'));
      if (!names.ok) return fault(names.code, names.text);
      const entries = names.value.map(({ Name, Writable }) =>
        element('ParameterInfoStruct', [element('Name', Name), element('Writable', Writable ? '1' : '0')]),
      );
      return done(list('ParameterList', 'cwmp:ParameterInfoStruct', entries));
    },
  },
  SetParameterAttributes: { since: '1.0', run: setParameterAttributes },
  GetParameterAttributes: {
    since: '1.0',
    run: ({ tree }, args) => {
      const paths = tree.expand(listTexts(args, 'ParameterNames'));
      if (!paths.ok) return fault(paths.code, paths.text);
      const entries = paths.value.map((path) =>
        element('ParameterAttributeStruct', [
          element('Name', path),
          element('Notification', String(tree.notification(path))),
          list(
            'AccessList',
            'xsd:string',
            tree.accessList(path).map((entity) => element('string', entity)),
          ),
        ]),
      );
      return done(list('ParameterList', 'cwmp:ParameterAttributeStruct', entries));
    },
  },
  AddObject: {
    since: '1.0',
    run: (host, args) => {
      const added = host.tree.add(childText(args, 'ObjectName'));
      if (!added.ok) return fault(added.code, added.text);
      setParameterKey(host, args);
      return done(element('InstanceNumber', String(added.value)), element('Status', '0'));
    },
  },
  DeleteObject: {
    since: '1.0',
    run: (host, args) => {
      const deleted = host.tree.delete(childText(args, 'ObjectName'));
      if (!deleted.ok) return fault(deleted.code, deleted.text);
      setParameterKey(host, args);
      return done(element('Status', '0'));
    },
  },
  Reboot: {
    since: '1.0',
    run: (host, args) => {
      host.rebootLater(childText(args, 'CommandKey'));
      return done();
    },
  },
  Download: {
    since: '1.0',
    run: (host, args) => {
      const FileType = childText(args, 'FileType');
      if (!/^([1-6] |X )/.test(FileType)) return fault(9003, `FileType ${FileType} is unknown`);
      return queue(host, 'Download', args, seconds(args, 'DelaySeconds'), null);
    },
  },
  Upload: { since: '1.0', run: (host, args) => queue(host, 'Upload', args, seconds(args, 'DelaySeconds'), null) },
  FactoryReset: {
    since: '1.0',
    run: (host) => {
      host.factoryResetLater();
      return done();
    },
  },
  ScheduleInform: {
    since: '1.0',
    run: (host, args) => {
      const delaySeconds = seconds(args, 'DelaySeconds');
      if (!(delaySeconds > 0)) return fault(9003, 'DelaySeconds must be greater than 0');
      host.scheduleInform(delaySeconds, childText(args, 'CommandKey'));
      return done();
    },
  },
  GetAllQueuedTransfers: {
    since: '1.1',
    run: ({ transfers }) => {
      const entries = transfers
        .list()
        .map((one) =>
          element('AllQueuedTransferStruct', [
            element('CommandKey', one.CommandKey),
            element('State', String(one.State)),
            element('IsDownload', one.method === 'Upload' ? '0' : '1'),
            element('FileType', one.FileType),
            element('FileSize', String(one.FileSize)),
            element('TargetFileName', one.TargetFileName),
          ]),
        );
      return done(list('TransferList', 'cwmp:AllQueuedTransferStruct', entries));
    },
  },
  ScheduleDownload: { since: '1.2', run: scheduleDownload },
  CancelTransfer: {
    since: '1.2',
    run: ({ transfers }, args) =>
      transfers.cancel(childText(args, 'CommandKey'))
        ? done()
        : fault(9021, 'Cancelation of file transfer not permitted in current transfer state'),
  },
};

/** Carries one request out. Unknown methods, and those of a later version, are 9000. */
export function execute(host: RpcHost, method: string, args: XmlNode): RpcAnswer {
  const known = METHODS[method];
  if (known === undefined || known.since > host.version) return fault(9000, 'Method not supported');
  return known.run(host, args);
}

/** One entry of a ParameterList with its xsi:type. */
export function valueStruct({ Name, Value, type }: { Name: string; Value: string; type: string }): Element {
  return element('ParameterValueStruct', [
    element('Name', Name),
    element('Value', Value, { 'xsi:type': `xsd:${type}` }),
  ]);
}

/** A.3.2.1: all or nothing; each bad parameter is named in a SetParameterValuesFault under the top-level 9003. */
function setParameterValues(host: RpcHost, args: XmlNode): RpcAnswer {
  const { tree, diagnostics } = host;
  const values = valuesToSet(args);
  const names = new Set(values.map(({ Name }) => Name));
  if (names.size !== values.length) return fault(9003, 'A parameter is named twice');
  const parameters: { name: string; code: number; text: string }[] = [];
  for (const { Name, Value, type } of values) {
    let code = tree.checkWrite(Name, Value, type);
    if (code === 0 && (diagnostics.refuses(Name, Value) || isBadAcsUrl(Name, Value))) code = 9007;
    if (code !== 0) parameters.push({ name: Name, code, text: WRITE_FAULTS[code]! });
  }
  if (parameters.length > 0) return { ok: false, code: 9003, text: 'Invalid arguments', parameters };
  let changed = false;
  for (const { Name, Value } of values) changed = tree.set(Name, tree.normalise(Name, Value)) || changed;
  diagnostics.written([...names]);
  host.written([...names], changed, childText(args, 'ParameterKey'));
  return done(element('Status', '0'));
}

/** A CPE that took such a URL would never be heard of again. */
function isBadAcsUrl(name: string, value: string): boolean {
  return name.endsWith('.ManagementServer.URL') && !(/^https?:/i.test(value) && URL.canParse(value));
}

const WRITE_FAULTS: Record<number, string> = {
  9005: 'Invalid parameter name',
  9006: 'Invalid parameter type',
  9007: 'Invalid parameter value',
  9008: 'Attempt to set a non-writable parameter',
};

/** A.3.2.4: all or nothing. */
function setParameterAttributes({ tree, version }: RpcHost, args: XmlNode): RpcAnswer {
  const changes: { paths: string[]; notification: number | null; accessList: string[] | null }[] = [];
  for (const entry of child(args, 'ParameterList')?.children ?? []) {
    const name = childText(entry, 'Name');
    const paths = tree.expand([name]);
    if (!paths.ok) return fault(paths.code, paths.text);
    const notification = booleanArg(entry, 'NotificationChange') ? seconds(entry, 'Notification') : null;
    // Values 3 to 6 came with CWMP 1.4 (CWMP N1).
    if (notification !== null && !(notification >= 0 && notification <= (version >= '1.4' ? 6 : 2)))
      return fault(9003, `Notification ${notification} is not defined`);
    for (const path of paths.value) {
      const code = notification === null ? 0 : tree.checkNotification(path, notification, path === name);
      if (code !== 0) return fault(code, 'Notification request rejected');
    }
    const accessList = booleanArg(entry, 'AccessListChange') ? listTexts(entry, 'AccessList') : null;
    changes.push({ paths: paths.value, notification, accessList });
  }
  for (const { paths, notification, accessList } of changes)
    for (const path of paths) tree.setAttributes(path, notification, accessList);
  return done();
}

/** A.4.1.8: one or two windows in seconds from now, not overlapping. */
function scheduleDownload(host: RpcHost, args: XmlNode): RpcAnswer {
  const windows = (child(args, 'TimeWindowList')?.children ?? []).map((window) => {
    return { start: seconds(window, 'WindowStart'), end: seconds(window, 'WindowEnd') };
  });
  const [first, second] = windows;
  if (first === undefined || windows.length > 2) return fault(9003, 'TimeWindowList must have one or two entries');
  if (windows.some(({ start, end }) => !(end > start)) || (second !== undefined && second.start < first.end))
    return fault(9003, 'The time windows are empty or overlap');
  return queue(host, 'ScheduleDownload', args, first.start, (second ?? first).end);
}

function queue(
  host: RpcHost,
  method: 'Download' | 'Upload' | 'ScheduleDownload',
  args: XmlNode,
  startsInSeconds: number,
  endsInSeconds: number | null,
): RpcAnswer {
  const URL = childText(args, 'URL');
  if (URL === '' || URL.length > LIMITS.fileUrlCharsMax)
    return fault(9003, 'URL is empty or longer than 256 characters');
  if (!/^https?:\/\//i.test(URL)) return fault(9013, 'Unsupported protocol for file transfer');
  const queued = host.transfers.add({
    method,
    CommandKey: childText(args, 'CommandKey'),
    FileType: childText(args, 'FileType'),
    URL,
    Username: childText(args, 'Username'),
    Password: childText(args, 'Password'),
    FileSize: seconds(args, 'FileSize'),
    TargetFileName: childText(args, 'TargetFileName'),
    startsInMs: startsInSeconds * 1_000,
    endsInMs: endsInSeconds === null ? null : endsInSeconds * 1_000,
  });
  if (!queued) return fault(9004, 'Resources exceeded: the transfer queue is full');
  if (method === 'ScheduleDownload') return done();
  // Status 1: the outcome comes with TransferComplete.
  return done(element('Status', '1'), element('StartTime', UNKNOWN_TIME), element('CompleteTime', UNKNOWN_TIME));
}

/** A numeric argument; 0 when it is missing. */
function seconds(args: XmlNode, local: string): number {
  return Number(childText(args, local) || 0);
}
