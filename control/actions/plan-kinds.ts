// How each kind of action is drafted: arguments for the edge, RPCs, diff, impact, risk, expected result, recovery. Pure; one function a
// kind, in the order of the contract. The edge's tasks (edge/tasks/) execute what is drafted here.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { REDACTED } from '../../base/secret-box.ts';
import type { ActionKind } from '../../bus/messages.ts';
import { DEFAULT_STYLE } from '../../cwmp/envelope-style.ts';
import type { Args } from '../../cwmp/message.ts';
import { isPartialPath, isRooted, pathProblem } from '../../cwmp/paths.ts';
import { CPE_METHODS, cpeMethod } from '../../cwmp/rpc-table.ts';
import { writeRequest } from '../../cwmp/soap-writer.ts';
import { DIAGNOSTIC_TESTS, diagnosticRequest, findDiagnostic } from '../../profiles/diagnostics.ts';
import { nearest } from '../../profiles/nearest.ts';
import { staffName, upperFirst } from '../explain/words.ts';
import type { ResolvedName } from '../registry/profile-book.ts';
import { checkLeaf, NO_OBJECT, nameRefusal, objectRefusal } from './model-checks.ts';
import {
  besidePath,
  type Draft,
  type DraftContext,
  type KnownParameter,
  type PlanRefusal,
  SOFTWARE_VERSION,
  valueKnown,
} from './plan.ts';
import type { ActionRequest, ActionRequestOf } from './request.ts';

/** A parameter that is to be set, and to what. */
type Value = ResolvedName & { value: string };
type Drafter<K extends ActionKind> = (context: DraftContext, request: ActionRequestOf<K>) => Draft | PlanRefusal;

const NOTHING_TO_RECOVER = {
  possible: false,
  text: 'Nothing is changed, so there is nothing to take back.',
  inverse: null,
};
const HARMLESS = { reboot: false, serviceCut: false, text: 'None: the device is only read.' };
/** Objects whose change can cut the customer's service, or our own way to the device. */
const SERVICE_PATHS =
  /\.(WANDevice|WANConnectionDevice|WANPPPConnection|WANIPConnection|PPP|DSL|Optical|XPON|ATM|PTM|VLANTermination|IP|Routing|DHCPv4\.Client|DHCPv6\.Client|ManagementServer|X_[^.]*WAN[^.]*)\./;
const WIFI_PATHS = /\.(WiFi|WLANConfiguration)\./;

const refuse = (code: PlanRefusal['code'], message: string): PlanRefusal => ({ type: 'refused', code, message });

/** Reading only: the parts all such drafts share. */
function reading(args: Record<string, unknown>, rpcs: Draft['rpcs'], expected: string): Draft {
  const rest = {
    diff: [],
    effect: 'reads',
    impact: HARMLESS,
    risk: 'none',
    recovery: NOTHING_TO_RECOVER,
  } as const;
  return { args, rpcs, expected, ...rest, diff: [], basis: [], secretNames: [] };
}

const get: Drafter<'get'> = (context, { names }) => {
  const paths: string[] = [];
  for (const name of names) {
    const resolved = context.resolve(name);
    if (resolved.type === 'refused') return resolved;
    if (!paths.includes(resolved.path)) paths.push(resolved.path);
  }
  const size = batchSize(context, 'getBatchNames');
  const rpcs = batches(paths, size).map((ParameterNames) => ({
    method: 'GetParameterValues',
    args: { ParameterNames },
  }));
  return reading({ names: paths }, rpcs, `The values of ${count(paths.length, 'name')} as the device has them now.`);
};

const set: Drafter<'set'> = (context, { values }) => {
  const byPath = new Map<string, Value>();
  for (const [name, given] of Object.entries(values)) {
    const resolved = resolveLeaf(context, name, given);
    if (resolved.type === 'refused') return resolved;
    const double = byPath.get(resolved.path);
    if (double)
      return refuse(
        'bad-action',
        `${name} and ${double.canonical ?? double.path} are the same parameter; name it once.`,
      );
    byPath.set(resolved.path, resolved);
  }
  const wanted = [...byPath.values()];
  const paths = [...byPath.keys()];
  const typed = wanted.map(({ path, value, valueType, secret }) => ({ name: path, value, type: valueType, secret }));
  const list = wanted.map(({ path, value, valueType, secret }) => ({
    Name: path,
    Value: secret ? REDACTED : value,
    Type: valueType || 'xsd:string',
  }));
  const rpcs: Draft['rpcs'] = [
    {
      method: 'GetParameterValues',
      args: { ParameterNames: paths },
      note: 'Values before, and the types the device itself uses.',
    },
    ...batches(list, batchSize(context, 'setBatchValues')).map((ParameterList) => ({
      method: 'SetParameterValues',
      args: { ParameterList, ParameterKey: context.commandKey },
      note: 'Values that are already so are left out.',
    })),
    { method: 'GetParameterValues', args: { ParameterNames: paths }, note: 'Read back.' },
  ];
  const diff = wanted.map((name) => difference(context, name, name.value));
  return {
    args: { values: typed },
    rpcs,
    diff,
    effect: 'writes',
    ...writeImpact(context, paths),
    expected: `${count(paths.length, 'parameter')} read back with the new ${paths.length === 1 ? 'value' : 'values'}.`,
    recovery: setRecovery(context, wanted),
    basis: paths.map((name) => ({ name, value: valueKnown(context, name) })),
    secretNames: wanted
      .filter(({ secret }) => secret)
      .flatMap(({ path, canonical }) => (canonical === null ? [path] : [path, canonical])),
  };
};

const refresh: Drafter<'refresh'> = (context, { name }) => {
  let path = '';
  if (name !== undefined) {
    const resolved = context.resolve(name);
    if (resolved.type === 'refused') return resolved;
    path = resolved.path;
  }
  const shown = path === '' ? context.device.root : path;
  const rpcs: Draft['rpcs'] = [
    {
      method: 'GetParameterNames',
      args: { ParameterPath: shown, NextLevel: false },
      note: 'Level by level where the device needs it.',
    },
    {
      method: 'GetParameterValues',
      args: { ParameterNames: [shown] },
      note: 'In batches, over the names that were found.',
    },
  ];
  return reading({ path }, rpcs, `Everything below ${shown === '' ? 'the root' : shown} is known as it is now.`);
};

const add: Drafter<'add'> = (context, { name, values = {} }) => {
  const resolved = resolveObject(context, name, 'table');
  if (resolved.type === 'refused') return resolved;
  const object = resolved.path;
  const typed: { name: string; value: string; type: string; secret: boolean }[] = [];
  for (const [relative, given] of Object.entries(values)) {
    const problem = relative.endsWith('.') ? 'is an object and has no value' : pathProblem(relative);
    if (problem !== null)
      return refuse('bad-action', `${relative} ${problem}; write names relative to the new instance.`);
    const path = besidePath(object, relative);
    const refused = nameRefusal(context, relative, path);
    if (refused !== null) return refused;
    const value = String(given);
    const checked = checkLeaf(context, { name: relative, path, profileType: '', profileWritable: null }, value);
    if (checked.type === 'refused') return checked;
    typed.push({
      name: relative,
      value,
      type: checked.valueType,
      secret: context.book.isSecret(context.device.profileId, path),
    });
  }
  const ParameterKey = context.commandKey;
  const list = typed.map(({ name: relative, value, type, secret }) => ({
    Name: `${object}{i}.${relative}`,
    Value: secret ? REDACTED : value,
    Type: type,
  }));
  const rpcs: Draft['rpcs'] = [{ method: 'AddObject', args: { ObjectName: object, ParameterKey } }];
  if (list.length > 0) {
    rpcs.push({
      method: 'SetParameterValues',
      args: { ParameterList: list, ParameterKey },
      note: '{i} is the InstanceNumber AddObject answers with.',
    });
    rpcs.push({ method: 'GetParameterValues', args: { ParameterNames: [`${object}{i}.`] }, note: 'Read back.' });
  }
  return {
    args: { objectName: object, values: typed },
    rpcs,
    diff: typed.map((value) => ({
      name: `${object}{i}.${value.name}`,
      canonical: null,
      from: null,
      to: value.secret ? REDACTED : value.value,
      readAt: null,
      ageSeconds: null,
    })),
    effect: 'writes',
    ...writeImpact(context, [object]),
    expected: `A new instance of ${object}${list.length > 0 ? ' with the given values, read back' : ''}.`,
    recovery: { possible: true, text: 'Deletes the instance that was made.', inverse: null },
    basis: [],
    secretNames: typed.filter(({ secret }) => secret).map((value) => value.name),
  };
};

const del: Drafter<'delete'> = (context, { name }) => {
  const resolved = resolveObject(context, name, 'instance');
  if (resolved.type === 'refused') return resolved;
  const object = resolved.path;
  return {
    args: { objectName: object },
    rpcs: [
      { method: 'DeleteObject', args: { ObjectName: object, ParameterKey: context.commandKey } },
      {
        method: 'GetParameterNames',
        args: { ParameterPath: object, NextLevel: true },
        note: 'Fault 9005 shows that it is gone.',
      },
    ],
    diff: [],
    effect: 'writes',
    ...writeImpact(context, [object], 'medium'),
    expected: `${object} and everything below it is gone.`,
    recovery: deleteRecovery(context, object),
    basis: leavesBelow(context, object).map(([name]) => ({ name, value: valueKnown(context, name) })),
    secretNames: [],
  };
};

/** Kinds that only send one RPC and wait for what the device does then. */
function disrupting(
  method: string,
  args: Record<string, unknown>,
  rest: Pick<Draft, 'impact' | 'risk' | 'expected' | 'recovery'>,
): Draft {
  return { args: {}, rpcs: [{ method, args }], diff: [], effect: 'disrupts', basis: [], secretNames: [], ...rest };
}

const reboot: Drafter<'reboot'> = ({ commandKey }) =>
  disrupting(
    'Reboot',
    { CommandKey: commandKey },
    {
      impact: {
        reboot: true,
        serviceCut: true,
        text: 'The device restarts: all services of the customer are cut for some minutes.',
      },
      risk: 'medium',
      expected: 'The device comes back and tells of its boot.',
      recovery: { possible: false, text: 'A restart leaves nothing to take back.', inverse: null },
    },
  );

const factoryReset: Drafter<'factory-reset'> = () =>
  disrupting(
    'FactoryReset',
    {},
    {
      impact: {
        reboot: true,
        serviceCut: true,
        text: 'The device forgets its settings and restarts; service stays cut until it is provisioned again.',
      },
      risk: 'high',
      expected: 'The device comes back with 0 BOOTSTRAP.',
      recovery: {
        possible: false,
        text: 'The device forgets its settings; what was known of them stays in evidence and timeline.',
        inverse: null,
      },
    },
  );

const download: Drafter<'download'> = (context, request) => {
  const { file, commandKey, device } = context;
  if (request.file !== undefined && file === null) {
    return refuse(
      'bad-action',
      `There is no file ${request.file}. Upload it first (POST /files), or look at GET /files.`,
    );
  }
  const firmware = request.fileType.startsWith('1 ');
  const { fileType, url, username, password, targetFileName = '', delaySeconds = 0 } = request;
  const source = file === null ? { url } : { fileId: file.id };
  const login = { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
  const fileSize = file?.bytes ?? 0; // 0: unknown (A.3.2.8).
  const URL = url ?? `a signed address of file ${file!.id}, made when it is sent`;
  return {
    args: { ...source, fileType, fileSize, targetFileName, delaySeconds, ...login },
    rpcs: [
      {
        method: 'Download',
        args: {
          CommandKey: commandKey,
          FileType: fileType,
          URL,
          Username: username ?? '',
          Password: password ?? '',
          FileSize: fileSize,
          TargetFileName: targetFileName,
          DelaySeconds: delaySeconds,
        },
        note: 'Ends with the TransferComplete of the device.',
      },
    ],
    diff: [],
    effect: 'disrupts',
    impact: firmware
      ? {
          reboot: true,
          serviceCut: true,
          text: 'The device installs firmware and restarts: services are cut for minutes.',
        }
      : { reboot: false, serviceCut: true, text: 'The device applies a file; it may restart to do so.' },
    risk: firmware ? 'high' : 'medium',
    expected: 'TransferComplete without a fault.',
    recovery: firmware
      ? firmwareRecovery(context, request.file ?? null)
      : { possible: false, text: 'Needs the earlier file.', inverse: null },
    basis:
      firmware && device.root !== ''
        ? [device.root + SOFTWARE_VERSION].map((name) => ({ name, value: valueKnown(context, name) }))
        : [],
    secretNames: [],
  };
};

const upload: Drafter<'upload'> = ({ commandKey }, { fileType }) => {
  const URL = 'a signed address of this edge, made when it is sent';
  const args = { CommandKey: commandKey, FileType: fileType, URL, Username: '', Password: '', DelaySeconds: 0 };
  return reading(
    { fileType },
    [{ method: 'Upload', args }],
    'The file is stored, and TransferComplete tells no fault.',
  );
};

const diagnose: Drafter<'diagnose'> = (context, request) => {
  const { kind: _k, reason: _r, reference: _f, wake: _w, expiresAt: _e, preview: _p, test: given, ...inputs } = request;
  const test = DIAGNOSTIC_TESTS.find((name) => name === given);
  if (test === undefined) return refuse('bad-action', `${given} is no test. Tests: ${DIAGNOSTIC_TESTS.join(', ')}.`);
  const { root } = context.device;
  if (root === '') return refuse('bad-action', 'The device has not informed yet, so its diagnostics are not known.');
  const diagnostic = findDiagnostic(test, root, (path) => context.known.has(path));
  if (diagnostic === null) return refuse('bad-action', `The data model ${root} has no ${test} diagnostics.`);
  const parameters = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, String(value)]));
  const wanted = diagnosticRequest(diagnostic, parameters);
  if (wanted.type === 'bad') return refuse('bad-action', `${wanted.why}.`);
  const rpcs: Draft['rpcs'] = [
    {
      method: 'SetParameterValues',
      args: { ParameterList: wanted.values, ParameterKey: context.commandKey },
      note: 'Starts the test when the session ends.',
    },
    {
      method: 'GetParameterValues',
      args: { ParameterNames: [diagnostic.object] },
      note: 'After 8 DIAGNOSTICS COMPLETE.',
    },
  ];
  const traffic = test === 'Download' || test === 'Upload';
  return {
    ...reading({ test, parameters }, rpcs, `The results of ${test}.`),
    effect: 'writes',
    impact: {
      reboot: false,
      serviceCut: false,
      text: traffic ? 'The test fills the line while it runs.' : 'A few packets from the device.',
    },
    risk: traffic ? 'low' : 'none',
  };
};

const scheduleInform: Drafter<'schedule-inform'> = ({ commandKey }, { delaySeconds }) => {
  const args = { DelaySeconds: delaySeconds, CommandKey: commandKey };
  return reading(
    { delaySeconds },
    [{ method: 'ScheduleInform', args }],
    `The device informs with 3 SCHEDULED after ${delaySeconds} s.`,
  );
};

const rpc: Drafter<'rpc'> = (context, { method, arguments: given }) => {
  const row = cpeMethod(method);
  const args = { ...given };
  if (row) {
    const unknown = Object.keys(args).find((name) => !Object.hasOwn(row.args, name));
    const takes = Object.keys(row.args).join(', ') || 'nothing';
    if (unknown !== undefined) return refuse('bad-action', `${method} has no argument ${unknown}; it takes ${takes}.`);
    for (const key of ['CommandKey', 'ParameterKey'])
      if (key in row.args && args[key] === undefined) args[key] = context.commandKey;
    const missing = Object.entries(row.args).find(([name, type]) => !type.optional && args[name] === undefined);
    if (missing) return refuse('bad-action', `${method} needs the argument ${missing[0]}; it takes ${takes}.`);
  } else if (!/^X_/.test(method)) {
    const [near] = nearest(method, Object.keys(CPE_METHODS), 1);
    return refuse(
      'bad-action',
      `CWMP has no method ${method}; the nearest is ${near}. Methods of vendors begin with X_.`,
    );
  }
  const unwritable = writingProblem(method, args);
  if (unwritable !== null) return refuse('bad-action', unwritable);
  const effect = row?.effect ?? 'disrupts';
  const risk = { reads: 'none', writes: 'medium', disrupts: 'high' } as const;
  const impact = row ? `${row.text.replace(/\.$/, '')} (${row.clause}).` : 'Not known: a method of the vendor.';
  return {
    args: { method, arguments: args },
    rpcs: [{ method, args }],
    diff: [],
    effect,
    impact: {
      reboot: method === 'Reboot' || method === 'FactoryReset',
      serviceCut: effect === 'disrupts',
      text: impact,
    },
    risk: risk[effect],
    expected: `${method}Response.`,
    recovery:
      effect === 'reads'
        ? NOTHING_TO_RECOVER
        : { possible: false, text: 'The inverse of a free RPC is not known.', inverse: null },
    basis: [],
    secretNames: [],
  };
};

/** Why these arguments cannot be written as XML, or null: better said to the caller now than by the edge when the device comes. */
function writingProblem(method: string, args: Args): string | null {
  try {
    writeRequest(DEFAULT_STYLE, 'urn:dslforum-org:cwmp-1-0', '1', method, args);
    return null;
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

export const DRAFTERS: { readonly [K in ActionRequest['kind']]: Drafter<K> } = {
  get,
  set,
  refresh,
  add,
  delete: del,
  reboot,
  'factory-reset': factoryReset,
  download,
  upload,
  diagnose,
  'schedule-inform': scheduleInform,
  rpc,
};

// ── What several kinds share ─────────────────────────────────────────────────────────────────────────────────────────────

function resolveObject(context: DraftContext, name: string, wanted: 'table' | 'instance'): ResolvedName | PlanRefusal {
  if (isRooted(name) && !isPartialPath(name)) return refuse('bad-action', `${name} ${NO_OBJECT}`);
  const resolved = context.resolve(name);
  if (resolved.type === 'refused') return resolved;
  return objectRefusal(context, name, resolved.path, wanted) ?? resolved;
}

/** A parameter that is to get `given`: not an object, not read-only, and of a type the value fits. */
function resolveLeaf(context: DraftContext, name: string, given: string | number | boolean): Value | PlanRefusal {
  const resolved = context.resolve(name);
  if (resolved.type === 'refused') return resolved;
  const { path, valueType: profileType, writable: profileWritable } = resolved;
  if (path.endsWith('.')) return refuse('bad-action', `${name} is an object and has no value.`);
  const value = String(given);
  const checked = checkLeaf(context, { name, path, profileType, profileWritable }, value);
  return checked.type === 'refused' ? checked : { ...resolved, valueType: checked.valueType, value };
}

function difference(
  { known, nowMs }: DraftContext,
  { path, canonical, secret }: ResolvedName,
  to: string,
): Draft['diff'][number] {
  const before = known.get(path);
  const readAt = before?.readAt ?? null;
  return {
    name: path,
    canonical,
    from: secret ? (before?.sealed ? REDACTED : (before?.value ?? null)) : (before?.value ?? null),
    to: secret ? REDACTED : to,
    readAt: readAt === null ? null : new Date(readAt).toISOString(),
    ageSeconds: readAt === null ? null : Math.max(0, Math.round((nowMs - readAt) / 1000)),
  };
}

/** Sets back what is known now. The device is read again before it is written, and what it says then counts more (recover.ts). */
function setRecovery(context: DraftContext, wanted: ResolvedName[]): Draft['recovery'] {
  const values: Record<string, string> = {};
  for (const { path, secret } of wanted) {
    const value = valueKnown(context, path);
    if (value === null) {
      const text = `The value of ${path} before is not known yet; it is read and recorded when the action runs.`;
      return { possible: false, text, inverse: null };
    }
    // Devices that hide secrets answer '' (FIELD 27): writing that back would blank the secret.
    if (secret && value === '')
      return { possible: false, text: `The device hides the value of ${path}.`, inverse: null };
    values[path] = value;
  }
  return {
    possible: true,
    text: `Sets ${count(wanted.length, 'value')} back to what was known before.`,
    inverse: { kind: 'set', values },
  };
}

function leavesBelow({ known }: DraftContext, object: string): [path: string, KnownParameter][] {
  return [...known].filter(([path]) => path.startsWith(object) && !path.endsWith('.'));
}

/** Makes the instance anew, with what was in it, as far as all of that is known. */
function deleteRecovery(context: DraftContext, object: string): Draft['recovery'] {
  const impossible = (text: string): Draft['recovery'] => ({ possible: false, text, inverse: null });
  const leaves = leavesBelow(context, object);
  if (leaves.length === 0)
    return impossible(`What is in ${object} was never read: refresh it first to be able to make it anew.`);
  if (leaves.length > LIMITS.actionNamesMax) return impossible(`${object} holds more than one action can write.`);
  const values: Record<string, string> = {};
  for (const [path, { writable }] of leaves) {
    const relative = path.slice(object.length);
    if (/(^|\.)\d+\./.test(relative))
      return impossible(`${object} holds instances of its own, which one action cannot make.`);
    if (writable !== true) continue;
    const value = valueKnown(context, path);
    if (value === null) return impossible(`The value of ${path} is not known.`);
    if (value === '' && context.book.isSecret(context.device.profileId, path))
      return impossible(`The device hides the value of ${path}.`);
    values[relative] = value;
  }
  const table = object.replace(/\d+\.$/, '');
  return {
    possible: true,
    text: 'Makes the instance anew with the values it had; it may get another number.',
    inverse: { kind: 'add', name: table, values },
  };
}

function firmwareRecovery({ firmwareBefore }: DraftContext, file: string | null): Draft['recovery'] {
  if (firmwareBefore === null || firmwareBefore.id === file) {
    const text = 'The firmware to return to is not among the files: none was installed from here before.';
    return { possible: false, text, inverse: null };
  }
  return {
    possible: true,
    text: `Installs ${firmwareBefore.name} again, which the device was given before.`,
    inverse: { kind: 'download', fileType: firmwareBefore.fileType, file: firmwareBefore.id },
  };
}

function writeImpact(
  { book, device }: DraftContext,
  paths: string[],
  least: 'low' | 'medium' = 'low',
): Pick<Draft, 'impact' | 'risk'> {
  const service = paths.find((path) => SERVICE_PATHS.test(path));
  if (service !== undefined) {
    const name = upperFirst(staffName(service, book.canonicalOf(device.profileId, service)));
    return {
      impact: {
        reboot: false,
        serviceCut: true,
        text: `${name} carries the customer's service or our way to the device.`,
      },
      risk: 'medium',
    };
  }
  const wifi = paths.some((path) => WIFI_PATHS.test(path));
  const text = wifi ? 'Wi-Fi stations may have to connect again.' : 'None known.';
  return { impact: { reboot: false, serviceCut: false, text }, risk: least };
}

function batchSize({ book, device }: DraftContext, quirk: 'getBatchNames' | 'setBatchValues'): number {
  return book.get(device.profileId).quirks[quirk];
}

function batches<T>(items: T[], size: number): T[][] {
  const made: T[][] = [];
  for (let i = 0; i < items.length; i += size) made.push(items.slice(i, i + size));
  return made;
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
