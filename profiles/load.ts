// Reads the YAML files of this folder, and of the operator's own, into profiles: shape checked, inheritance resolved, braces expanded. All
// I/O of profiles/ (the data models too) is done here, once at start; whatever is wrong with a file is said with its name and key.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { DEFAULT_STYLE, type EnvelopeStyle } from '../cwmp/envelope-style.ts';
import { isRooted, pathProblem } from '../cwmp/paths.ts';
import { dataModel } from './data-model.ts';
import type { CanonicalName, Profile, ProfileMatch, Quirks } from './profile.ts';

const SHIPPED = fileURLToPath(new URL('.', import.meta.url));

export const DEFAULT_QUIRKS: Quirks = {
  getBatchNames: LIMITS.getBatchNames,
  setBatchValues: LIMITS.setBatchValues,
  walkNextLevel: false,
  skipRootGpn: false,
  ignoreWritable: false,
  transferCompleteAfterSeconds: null,
  slowMethods: [],
  blankReads: [],
  ignoreDataModel: [],
  // Some CPEs need it and none is known to mind (CWMP C2, FIELD 31).
  cookiePath: true,
};

const TYPES = ['string', 'int', 'unsignedInt', 'long', 'unsignedLong', 'boolean', 'dateTime', 'base64', 'hexBinary'];
const pattern = z.string().refine(isPattern, 'is no regular expression');
const positive = z.number().int().min(1);

const fileSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,40}$/, 'is lower-case letters, digits and dashes'),
  title: z.string().min(1),
  extends: z.string().optional(),
  root: z.enum(['', 'Device.', 'InternetGatewayDevice.']).optional(),
  match: z
    .strictObject({
      manufacturer: pattern.optional(),
      oui: z
        .array(z.string().regex(/^[0-9A-F]{6}$/, 'is six upper-case hexadecimal digits'))
        .min(1)
        .optional(),
      productClass: pattern.optional(),
      softwareVersion: pattern.optional(),
    })
    .default({}),
  style: z
    .strictObject({
      xmlDeclaration: z.boolean(),
      soapPrefix: z.enum(['soap-env', 'SOAP-ENV', 'soapenv', 'soap']),
      booleans: z.enum(['words', 'digits']),
      dateTimeMilliseconds: z.boolean(),
      namespace: z
        .string()
        .regex(/^urn:dslforum-org:cwmp-1-\d$/, 'is a namespace of CWMP')
        .nullable(),
    } satisfies Record<keyof EnvelopeStyle, z.ZodType>)
    .partial()
    .default({}),
  quirks: z
    .strictObject({
      getBatchNames: positive,
      setBatchValues: positive,
      walkNextLevel: z.boolean(),
      skipRootGpn: z.boolean(),
      ignoreWritable: z.boolean(),
      transferCompleteAfterSeconds: positive.nullable(),
      slowMethods: z.array(z.string()),
      blankReads: z.array(z.string()),
      ignoreDataModel: z.array(
        z.string().refine((path) => isRooted(path) && pathProblem(path) === null, 'is a path, or its beginning'),
      ),
      cookiePath: z.boolean(),
    } satisfies Record<keyof Quirks, z.ZodType>)
    .partial()
    .default({}),
  names: z
    .record(
      z.string().regex(/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/, 'is lower-case words with dots and dashes'),
      z.strictObject({
        paths: z.array(z.string()).min(1).optional(),
        /** `object` for a table or object, whose path ends with a dot. */
        type: z.enum([...TYPES, 'object']).optional(),
        writable: z.boolean().optional(),
        secret: z.boolean().optional(),
        text: z.string().min(1).optional(),
      }),
    )
    .default({}),
});
type ProfileFile = z.infer<typeof fileSchema> & { file: string };

function isPattern(source: string): boolean {
  try {
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}

/**
 * Every profile of the operator's folder and of the shipped one, sub-folders included, by id; the operator's come first, which is what
 * ProfileChooser prefers among equally specific ones. An operator's profile may extend a shipped one, and has an id of its own.
 * @param own the operator's folder (STARLING_PROFILES_DIR), null for none.
 * @throws ConfigError `bad-profile`, naming file and key; `profiles-dir` when `own` cannot be read.
 */
export function loadProfiles(own: string | null = null, shipped: string = SHIPPED): ReadonlyMap<string, Profile> {
  const files = new Map<string, ProfileFile>();
  const shippedIds = readFolder(shipped, yamlFiles(shipped), files);
  const ownIds = own === null ? [] : readFolder(own, ownYamlFiles(own), files);
  const profiles = new Map<string, Profile>();
  for (const id of [...ownIds, ...shippedIds]) profiles.set(id, build(files.get(id)!, files));
  // Read now, so that no session waits for it.
  for (const root of ['Device.', 'InternetGatewayDevice.'] as const) dataModel(root);
  return profiles;
}

/** Adds the profiles of a folder to `files`; returns their ids in order. */
function readFolder(folder: string, paths: string[], files: Map<string, ProfileFile>): string[] {
  const ids: string[] = [];
  for (const path of paths) {
    const file = relative(folder, path);
    const read = readProfile(file, readFileSync(path, 'utf8'));
    const other = files.get(read.id);
    if (other !== undefined) throw bad(file, `id: ${read.id} is already the id of ${other.file}`);
    files.set(read.id, read);
    ids.push(read.id);
  }
  return ids.sort();
}

function ownYamlFiles(folder: string): string[] {
  try {
    return yamlFiles(folder);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('profiles-dir', `STARLING_PROFILES_DIR ${folder} cannot be read: ${why}`, { cause });
  }
}

function yamlFiles(folder: string): string[] {
  const paths: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) paths.push(...yamlFiles(path));
    else if (entry.name.endsWith('.yaml')) paths.push(path);
  }
  return paths.sort();
}

function readProfile(file: string, source: string): ProfileFile {
  let raw: unknown;
  try {
    raw = parse(source);
  } catch (cause) {
    throw bad(file, cause instanceof Error ? cause.message : String(cause));
  }
  const checked = fileSchema.safeParse(raw);
  if (checked.success) return { ...checked.data, file };
  const problems = checked.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`);
  throw bad(file, problems.join('; '));
}

function bad(file: string, why: string): ConfigError {
  return new ConfigError('bad-profile', `profile ${file}: ${why}`);
}

/** The file and what it extends, the most general first. */
function lineage(file: ProfileFile, files: ReadonlyMap<string, ProfileFile>): ProfileFile[] {
  const chain = [file];
  for (let next = file; next.extends !== undefined; ) {
    const parent = files.get(next.extends);
    if (parent === undefined) throw bad(next.file, `extends: there is no profile ${next.extends}`);
    if (chain.includes(parent)) throw bad(next.file, `extends: ${parent.id} extends this profile in turn`);
    chain.unshift(parent);
    next = parent;
  }
  return chain;
}

function build(file: ProfileFile, files: ReadonlyMap<string, ProfileFile>): Profile {
  let root = '';
  let match: ProfileMatch = {};
  let style = DEFAULT_STYLE;
  let quirks = DEFAULT_QUIRKS;
  const entries = new Map<string, ProfileFile['names'][string]>();
  for (const step of lineage(file, files)) {
    root = step.root ?? root;
    match = { ...match, ...step.match };
    style = { ...style, ...step.style };
    quirks = { ...quirks, ...step.quirks };
    for (const [name, entry] of Object.entries(step.names)) entries.set(name, { ...entries.get(name), ...entry });
  }
  if (root !== '') match = { root: root as 'Device.' | 'InternetGatewayDevice.', ...match };
  const names: Record<string, CanonicalName> = {};
  for (const [name, entry] of entries) names[name] = canonicalName(file.file, root, name, entry);
  return { id: file.id, title: file.title, root, match, names, style, quirks };
}

function canonicalName(file: string, root: string, name: string, entry: ProfileFile['names'][string]): CanonicalName {
  const { paths, type, writable = true, secret = false, text } = entry;
  if (paths === undefined || type === undefined || text === undefined) {
    throw bad(file, `names.${name}: paths, type and text are needed, here or in a profile it extends`);
  }
  const candidates = paths.flatMap(expandBraces);
  if (candidates.length > LIMITS.profileCandidatesMax) {
    throw bad(
      file,
      `names.${name}.paths: ${candidates.length} paths, at most ${LIMITS.profileCandidatesMax} are allowed`,
    );
  }
  for (const path of candidates) {
    const problem = pathProblem(path);
    if (problem !== null) throw bad(file, `names.${name}.paths: ${path} ${problem}`);
    if (!path.startsWith(root)) throw bad(file, `names.${name}.paths: ${path} is not below ${root}`);
    if (path.endsWith('.') !== (type === 'object')) {
      throw bad(file, `names.${name}.paths: ${path} must ${type === 'object' ? '' : 'not '}end with a dot`);
    }
  }
  return { paths: candidates, type: type === 'object' ? '' : `xsd:${type}`, writable, secret, text };
}

/** `A.{1,2}.{b,c}` → A.1.b, A.1.c, A.2.b, A.2.c: the leftmost varies slowest. */
export function expandBraces(path: string): string[] {
  const match = /\{([^{}]*)\}/.exec(path);
  if (match === null) return [path];
  const before = path.slice(0, match.index);
  const after = expandBraces(path.slice(match.index + match[0].length));
  return match[1]!.split(',').flatMap((choice) => after.map((rest) => before + choice + rest));
}
