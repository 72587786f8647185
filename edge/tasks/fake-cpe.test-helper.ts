// A CPE without sockets or XML for the tests of tasks and planner: it answers requests on a tree in memory, and misbehaves as told.
// Deliberately its own little model, so that a mistake of the tasks is not mirrored here.

import type { Args, CpeFault, ParameterInfo, ParameterValue } from '../../cwmp/message.ts';
import type { AcsRequest } from '../../cwmp/session.ts';
import type { Answer } from './task.ts';

export interface FakeParameter {
  value: string;
  type: string;
  writable: boolean;
}

/** Ways to misbehave; none is on unless set. */
export interface Misbehaviour {
  /** GetParameterValues of more names, or more values in one answer, is fault 9004. */
  readMax?: number;
  /** SetParameterValues answers Status 1 and applies nothing yet. */
  later?: boolean;
  /** SetParameterValues accepts these names, and nothing changes. */
  ignores?: string[];
  /** These read as ''. */
  hides?: string[];
  /** Left out of answers. */
  omits?: string[];
  /** Top-level fault of a refused write, without details, instead of 9003 with them (CWMP F3). */
  flatFault?: number;
  /** GetParameterNames with NextLevel=0 is this fault. */
  deepFault?: number;
  /** GetParameterNames of '' is this fault. */
  emptyPathFault?: number;
  /** Objects are listed without their dot (FIELD 17), or not at all (FIELD 18). */
  objects?: 'without-dot' | 'omitted';
  /** Methods that are always a fault. */
  faults?: Record<string, number>;
  /** Methods answered with this instead. */
  answers?: Record<string, Args>;
}

export function fault(FaultCode: number, details: CpeFault['SetParameterValuesFault'] = []): Answer {
  return { type: 'fault', fault: { FaultCode, FaultString: `Fault ${FaultCode}`, SetParameterValuesFault: details } };
}

export class FakeCpe {
  readonly tree = new Map<string, FakeParameter>();
  /** Tables, which exist also while they are empty. */
  readonly tables = new Set<string>();
  /** Everything that arrived, in order. */
  readonly received: AcsRequest[] = [];
  misbehaviour: Misbehaviour = {};
  readonly #instances = new Map<string, number>();

  /** Leaves as `path: value` or `path: [value, type, writable?]`. */
  constructor(tree: Record<string, string | [string, string, boolean?]>, tables: string[] = []) {
    for (const [path, leaf] of Object.entries(tree)) {
      const [value, type, writable = true] = typeof leaf === 'string' ? [leaf, 'xsd:string'] : leaf;
      this.tree.set(path, { value, type, writable });
    }
    for (const table of tables) this.tables.add(table);
  }

  value(path: string): string | undefined {
    return this.tree.get(path)?.value;
  }

  count(method: string): number {
    return this.received.filter((request) => request.method === method).length;
  }

  answer(request: AcsRequest): Answer {
    this.received.push(structuredClone(request));
    const { method, args } = request;
    const code = this.misbehaviour.faults?.[method];
    if (code !== undefined) return fault(code);
    const result = this.misbehaviour.answers?.[method];
    if (result !== undefined) return { type: 'response', method, result };
    switch (method) {
      case 'GetParameterValues':
        return this.#read(args.ParameterNames as string[]);
      case 'SetParameterValues':
        return this.#write(args.ParameterList as ParameterValue[]);
      case 'GetParameterNames':
        return this.#list(args.ParameterPath as string, args.NextLevel as boolean);
      case 'AddObject':
        return this.#add(args.ObjectName as string);
      case 'DeleteObject':
        return this.#delete(args.ObjectName as string);
      case 'Reboot':
      case 'FactoryReset':
      case 'ScheduleInform':
        return { type: 'response', method, result: {} };
      case 'Download':
      case 'Upload':
        return { type: 'response', method, result: { Status: 1, StartTime: '', CompleteTime: '' } };
      default:
        return fault(9000);
    }
  }

  #exists(object: string): boolean {
    return object === '' || this.tables.has(object) || [...this.tree.keys()].some((path) => path.startsWith(object));
  }

  #read(names: string[]): Answer {
    const { readMax = Number.POSITIVE_INFINITY, hides = [], omits = [] } = this.misbehaviour;
    if (names.length > readMax) return fault(9004);
    const ParameterList: ParameterValue[] = [];
    for (const name of names) {
      const partial = name === '' || name.endsWith('.');
      if (partial ? !this.#exists(name) : !this.tree.has(name)) return fault(9005);
      for (const [Name, { value, type }] of this.tree) {
        if (!(partial ? Name.startsWith(name) : Name === name) || omits.includes(Name)) continue;
        ParameterList.push({ Name, Value: hides.includes(Name) ? '' : value, Type: type });
      }
    }
    if (ParameterList.length > readMax) return fault(9004);
    return { type: 'response', method: 'GetParameterValues', result: { ParameterList } };
  }

  #write(list: ParameterValue[]): Answer {
    const { ignores = [], later = false, flatFault } = this.misbehaviour;
    const details: CpeFault['SetParameterValuesFault'] = [];
    for (const { Name, Value, Type } of list) {
      const known = this.tree.get(Name);
      const bad = (FaultCode: number) =>
        details.push({ ParameterName: Name, FaultCode, FaultString: `Fault ${FaultCode}` });
      if (known === undefined) bad(9005);
      else if (!known.writable) bad(9008);
      else if (known.type !== Type) bad(9006);
      else if (Value === 'bad') bad(9007);
    }
    if (details.length > 0) return flatFault === undefined ? fault(9003, details) : fault(flatFault);
    if (!later) {
      for (const { Name, Value } of list) if (!ignores.includes(Name)) this.tree.get(Name)!.value = Value;
    }
    return { type: 'response', method: 'SetParameterValues', result: { Status: later ? 1 : 0 } };
  }

  #list(path: string, nextLevel: boolean): Answer {
    const { deepFault, emptyPathFault, objects: manner } = this.misbehaviour;
    if (path === '' && emptyPathFault !== undefined) return fault(emptyPathFault);
    if (!nextLevel && deepFault !== undefined) return fault(deepFault);
    const leaf = path !== '' && !path.endsWith('.');
    if (leaf && nextLevel) return fault(9003);
    if (leaf ? !this.tree.has(path) : !this.#exists(path)) return fault(9005);
    const names = new Map<string, ParameterInfo>();
    if (path !== '' && !leaf && !nextLevel) names.set(path, { Name: path, Writable: this.tables.has(path) });
    for (const name of [...this.tables, ...this.tree.keys()]) {
      if (leaf ? name !== path : !name.startsWith(path)) continue;
      for (let dot = name.indexOf('.', path.length); dot >= 0; dot = name.indexOf('.', dot + 1)) {
        const object = name.slice(0, dot + 1);
        names.set(object, { Name: object, Writable: this.tables.has(object) });
        if (nextLevel) break;
      }
      const writable = this.tree.get(name)?.writable;
      const own = !nextLevel || !name.slice(path.length).includes('.');
      if (writable !== undefined && own) names.set(name, { Name: name, Writable: writable });
    }
    let ParameterList = [...names.values()];
    if (manner === 'omitted') ParameterList = ParameterList.filter(({ Name }) => !Name.endsWith('.'));
    if (manner === 'without-dot')
      ParameterList = ParameterList.map((info) => ({ ...info, Name: info.Name.replace(/\.$/, '') }));
    return { type: 'response', method: 'GetParameterNames', result: { ParameterList } };
  }

  #add(table: string): Answer {
    if (!this.tables.has(table)) return fault(9005);
    const present = [...this.tree.keys()].filter((path) => path.startsWith(table));
    const numbers = present.map((path) => Number.parseInt(path.slice(table.length), 10));
    // Numbers are never given anew (CWMP X3).
    const InstanceNumber = Math.max(this.#instances.get(table) ?? 0, ...numbers) + 1;
    this.#instances.set(table, InstanceNumber);
    this.tree.set(`${table}${InstanceNumber}.Enable`, { value: '0', type: 'xsd:boolean', writable: true });
    this.tree.set(`${table}${InstanceNumber}.Name`, { value: '', type: 'xsd:string', writable: true });
    return { type: 'response', method: 'AddObject', result: { InstanceNumber, Status: 0 } };
  }

  #delete(object: string): Answer {
    const paths = [...this.tree.keys()].filter((path) => path.startsWith(object));
    if (paths.length === 0) return fault(9005);
    for (const path of paths) this.tree.delete(path);
    return { type: 'response', method: 'DeleteObject', result: { Status: 0 } };
  }
}
