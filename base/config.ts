// The one table of options. Flags, environment, config file and docs/config.md all come from it; nothing else reads process.env.

import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { ConfigError } from './errors.ts';
import { LIMITS } from './limits.ts';

type Kind = 'text' | 'port' | 'integer' | 'boolean' | 'list' | 'secret';

interface Option {
  env: string;
  kind: Kind;
  /** Default as shown in docs; computed ones are named in words by `defaultText`. */
  value: string | number | boolean | string[] | null;
  defaultText?: string;
  choices?: readonly string[];
  min?: number;
  max?: number;
  text: string;
}

export const CPE_AUTH_MODES = ['none', 'basic', 'digest', 'certificate-header', 'certificate-or-digest'] as const;
export type CpeAuthMode = (typeof CPE_AUTH_MODES)[number];
export const CPE_DIGEST_ALGORITHMS = ['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'] as const;
export const BASIC_IN_DIGEST = ['refused', 'unasked', 'offered'] as const;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export const OPTIONS = {
  cwmpHost: { env: 'STARLING_CWMP_HOST', kind: 'text', value: '127.0.0.1', text: 'Address the CWMP port listens on.' },
  cwmpPort: { env: 'STARLING_CWMP_PORT', kind: 'port', value: 7547, text: 'CWMP port: any path, files under /files/.' },
  cwmpPublicUrl: {
    env: 'STARLING_CWMP_PUBLIC_URL',
    kind: 'text',
    value: null,
    defaultText: 'http://<cwmp host>:<cwmp port>',
    text: 'Base URL under which CPEs reach this edge; file URLs start with it.',
  },
  httpHost: {
    env: 'STARLING_HTTP_HOST',
    kind: 'text',
    value: '127.0.0.1',
    text: 'Address of API, /metrics and /healthz.',
  },
  httpPort: { env: 'STARLING_HTTP_PORT', kind: 'port', value: 8080, text: 'Port of API, /metrics and /healthz.' },
  cwmpTlsCertificate: {
    env: 'STARLING_CWMP_TLS_CERTIFICATE',
    kind: 'text',
    value: null,
    text: 'PEM file of the certificate, its chain behind it, with which the CWMP port speaks TLS by itself, without a front.',
  },
  cwmpTlsKey: {
    env: 'STARLING_CWMP_TLS_KEY',
    kind: 'text',
    value: null,
    text: 'PEM file of the key that belongs to it.',
  },
  dataDir: {
    env: 'STARLING_DATA_DIR',
    kind: 'text',
    value: './data',
    text: 'Folder of everything Starling keeps on disk.',
  },
  profilesDir: {
    env: 'STARLING_PROFILES_DIR',
    kind: 'text',
    value: null,
    text: "Folder of the operator's own device profiles (YAML), beside the shipped ones; the same for edge and control.",
  },
  databaseUrl: {
    env: 'STARLING_DATABASE_URL',
    kind: 'secret',
    value: null,
    defaultText: 'a private cluster in the data folder',
    text: 'PostgreSQL (15 or newer) of the control plane, as postgres://user:password@host:port/database.',
  },
  natsUrl: {
    env: 'STARLING_NATS_URL',
    kind: 'secret',
    value: null,
    defaultText: 'edge and control in one process',
    text: 'NATS between edge and control, as nats://host:4222 or tls://user:password@host:4222, several with commas between. An edge names the leaf of its POP.',
  },
  natsCredentials: {
    env: 'STARLING_NATS_CREDENTIALS',
    kind: 'text',
    value: null,
    text: 'Credentials file (.creds) with which NATS lets us in.',
  },
  natsNkey: {
    env: 'STARLING_NATS_NKEY',
    kind: 'text',
    value: null,
    text: 'File of the nkey seed with which NATS lets us in.',
  },
  natsCa: {
    env: 'STARLING_NATS_CA',
    kind: 'text',
    value: null,
    text: 'PEM file of the authority that signed the certificate of NATS; makes TLS a must.',
  },
  natsCertificate: {
    env: 'STARLING_NATS_CERTIFICATE',
    kind: 'text',
    value: null,
    text: 'PEM file of the client certificate shown to NATS.',
  },
  natsKey: { env: 'STARLING_NATS_KEY', kind: 'text', value: null, text: 'PEM file of the key that belongs to it.' },
  natsDomain: {
    env: 'STARLING_NATS_DOMAIN',
    kind: 'text',
    value: null,
    defaultText: 'the server connected to has the streams itself',
    text: 'JetStream domain of the hub; to be set for an edge behind a leaf.',
  },
  natsReplicas: {
    env: 'STARLING_NATS_REPLICAS',
    kind: 'integer',
    value: 1,
    min: 1,
    max: 5,
    text: 'Servers of the hub that hold each stream, when control makes it: 3 in a cluster of three.',
  },
  databaseWaitSeconds: {
    env: 'STARLING_DATABASE_WAIT_SECONDS',
    kind: 'integer',
    value: 60,
    min: 0,
    max: 86_400,
    text: 'Longest wait at start for a PostgreSQL that cannot be reached yet.',
  },
  installationKeyFile: {
    env: 'STARLING_INSTALLATION_KEY_FILE',
    kind: 'text',
    value: null,
    defaultText: 'installation.key in the data folder, made at first start',
    text: 'File of the key that seals secrets in the database. Every control on one database needs the same one.',
  },
  evidenceRetentionDays: {
    env: 'STARLING_EVIDENCE_RETENTION_DAYS',
    kind: 'integer',
    value: 0,
    min: 0,
    max: 36_500,
    text: 'Days after which records of evidence lose their content; their place in the chain stays, and it verifies. 0 keeps it for ever.',
  },
  eventRetentionDays: {
    env: 'STARLING_EVENT_RETENTION_DAYS',
    kind: 'integer',
    value: 400,
    min: 0,
    max: 36_500,
    text: 'Days after which entries of the timeline go. 0 keeps them for ever.',
  },
  edgeId: {
    env: 'STARLING_EDGE_ID',
    kind: 'text',
    value: null,
    defaultText: 'the host name up to its first dot',
    text: 'Name of this edge; unique among all edges, never reused for another one.',
  },
  pop: { env: 'STARLING_POP', kind: 'text', value: 'default', text: 'Name of the POP this edge stands in.' },
  popShared: {
    env: 'STARLING_POP_SHARED',
    kind: 'boolean',
    value: false,
    text: 'POPs have several edges that serve the same CPEs: control gives work to all of them, and one claims it before it runs. The same for control and all edges.',
  },
  edgeThreads: {
    env: 'STARLING_EDGE_THREADS',
    kind: 'integer',
    value: null,
    defaultText: 'cores − 1, at least 1',
    min: 1,
    max: 256,
    text: 'Session threads; all listen on the CWMP port.',
  },
  edgeAdminHost: {
    env: 'STARLING_EDGE_ADMIN_HOST',
    kind: 'text',
    value: '127.0.0.1',
    text: 'Address of /metrics and /healthz of an edge that runs alone.',
  },
  edgeAdminPort: {
    env: 'STARLING_EDGE_ADMIN_PORT',
    kind: 'port',
    value: 7548,
    text: 'Port of /metrics and /healthz of an edge that runs alone.',
  },
  adminToken: {
    env: 'STARLING_ADMIN_TOKEN',
    kind: 'secret',
    value: null,
    defaultText: 'made and printed once at first start',
    text: 'First admin token of the API; 24 to 256 printable ASCII characters without blanks.',
  },
  cpeAuth: {
    env: 'STARLING_CPE_AUTH',
    kind: 'text',
    value: null,
    defaultText: 'none on loopback; any other address refuses to start until one is chosen',
    choices: CPE_AUTH_MODES,
    text: 'How CPEs prove who they are; certificates are told by a trusted TLS front (docs/operating/tls-front.md).',
  },
  cpeUsername: {
    env: 'STARLING_CPE_USERNAME',
    kind: 'text',
    value: null,
    text: 'User name of the bootstrap secret that CPEs without a secret of their own may share.',
  },
  cpePassword: { env: 'STARLING_CPE_PASSWORD', kind: 'secret', value: null, text: 'Password of the bootstrap secret.' },
  cpeDigestAlgorithms: {
    env: 'STARLING_CPE_DIGEST_ALGORITHMS',
    kind: 'list',
    value: ['MD5', 'SHA-256'],
    choices: CPE_DIGEST_ALGORITHMS,
    text: 'Digest challenges offered to CPEs, in this order. Offer one alone to CPEs that fail on a second challenge.',
  },
  cpeBasicInDigest: {
    env: 'STARLING_CPE_BASIC_IN_DIGEST',
    kind: 'text',
    value: 'refused',
    choices: BASIC_IN_DIGEST,
    text: 'Basic credentials in digest mode, for CPEs that know nothing else: refused, taken when sent unasked, or offered after the Digest challenges.',
  },
  certificateHeader: {
    env: 'STARLING_CERTIFICATE_HEADER',
    kind: 'text',
    value: 'x-client-certificate-cn',
    text: 'Header in which the trusted TLS front tells the common name of the client certificate.',
  },
  addressHeader: {
    env: 'STARLING_ADDRESS_HEADER',
    kind: 'text',
    value: null,
    defaultText: "not set: the connection's own address",
    text: 'Header in which the trusted TLS front tells the address of the CPE, one address and nothing else.',
  },
  trustedFronts: {
    env: 'STARLING_TRUSTED_FRONTS',
    kind: 'list',
    value: ['127.0.0.0/8', '::1/128'],
    text: 'Networks of TLS fronts whose headers, for certificate and address, are believed.',
  },
  connectionRequestNetworks: {
    env: 'STARLING_CONNECTION_REQUEST_NETWORKS',
    kind: 'list',
    value: [],
    text: "Networks besides a CPE's own address that connection requests may go to.",
  },
  manageConnectionRequest: {
    env: 'STARLING_MANAGE_CONNECTION_REQUEST',
    kind: 'boolean',
    value: true,
    text: 'Give each CPE a connection-request user name and password of its own at first contact.',
  },
  connectionRequestUsername: {
    env: 'STARLING_CONNECTION_REQUEST_USERNAME',
    kind: 'text',
    value: null,
    text: "Connection-request user name tried when a device's own is not known or not accepted.",
  },
  connectionRequestPassword: {
    env: 'STARLING_CONNECTION_REQUEST_PASSWORD',
    kind: 'secret',
    value: null,
    text: 'Password that belongs to it.',
  },
  connectionRequestBasic: {
    env: 'STARLING_CONNECTION_REQUEST_BASIC',
    kind: 'boolean',
    value: true,
    text: 'Answer CPEs that ask for Basic in a connection request; it sends that password in clear.',
  },
  drainSeconds: {
    env: 'STARLING_DRAIN_SECONDS',
    kind: 'integer',
    value: 20,
    min: 0,
    max: 600,
    text: 'Longest wait for open sessions after SIGTERM.',
  },
  logLevel: {
    env: 'STARLING_LOG_LEVEL',
    kind: 'text',
    value: 'info',
    choices: LOG_LEVELS,
    text: 'Least level that is logged.',
  },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;

/** The effective configuration; nulls of the table are replaced by their computed defaults where there is one. */
export interface Config {
  cwmpHost: string;
  cwmpPort: number;
  cwmpPublicUrl: string | null;
  cwmpTlsCertificate: string | null;
  cwmpTlsKey: string | null;
  httpHost: string;
  httpPort: number;
  dataDir: string;
  profilesDir: string | null;
  databaseUrl: string | null;
  natsUrl: string | null;
  natsCredentials: string | null;
  natsNkey: string | null;
  natsCa: string | null;
  natsCertificate: string | null;
  natsKey: string | null;
  natsDomain: string | null;
  natsReplicas: number;
  databaseWaitSeconds: number;
  installationKeyFile: string | null;
  evidenceRetentionDays: number;
  eventRetentionDays: number;
  edgeId: string;
  pop: string;
  popShared: boolean;
  edgeThreads: number;
  edgeAdminHost: string;
  edgeAdminPort: number;
  adminToken: string | null;
  cpeAuth: CpeAuthMode;
  cpeUsername: string | null;
  cpePassword: string | null;
  cpeDigestAlgorithms: (typeof CPE_DIGEST_ALGORITHMS)[number][];
  cpeBasicInDigest: (typeof BASIC_IN_DIGEST)[number];
  certificateHeader: string;
  addressHeader: string | null;
  trustedFronts: string[];
  connectionRequestNetworks: string[];
  manageConnectionRequest: boolean;
  connectionRequestUsername: string | null;
  connectionRequestPassword: string | null;
  connectionRequestBasic: boolean;
  drainSeconds: number;
  logLevel: string;
}

/** `cwmpPort` → `--cwmp-port`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

/**
 * Builds the configuration. Flags win over environment, environment over the config file, the file over defaults.
 * @param flags by option name, as text. @param env usually process.env. @param file a JSON file of option names, or null.
 * @throws ConfigError naming the option, the value and what is accepted.
 */
export function loadConfig(
  flags: Partial<Record<string, string>>,
  env: Record<string, string | undefined>,
  file: string | null = env['STARLING_CONFIG'] ?? null,
): Config {
  const fromFile = file === null ? {} : readConfigFile(file);
  const known = new Set<string>(Object.values(OPTIONS).map((option) => option.env));
  known.add('STARLING_CONFIG');
  // Of the commands that speak to the API: it may be set in the shell that starts a role.
  known.add('STARLING_TOKEN');
  for (const name of Object.keys(env)) {
    if (
      name.startsWith('STARLING_') &&
      !known.has(name) &&
      !name.startsWith('STARLING_BENCH_') &&
      !name.startsWith('STARLING_TEST_')
    ) {
      throw new ConfigError(
        'unknown-option',
        `${name} is set, but there is no such option. docs/config.md lists them all.`,
      );
    }
  }
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(OPTIONS) as [OptionName, Option][]) {
    const flag = flags[name];
    const variable = env[option.env];
    if (flag !== undefined) values[name] = parseOption(flagOf(name), option, flag);
    else if (variable !== undefined && variable !== '') values[name] = parseOption(option.env, option, variable);
    else if (fromFile[name] !== undefined)
      values[name] = parseOption(`${name} in ${file}`, option, String(fromFile[name]));
    else values[name] = option.value;
  }
  values['edgeId'] ??= edgeIdOf(hostname());
  values['edgeThreads'] ??= Math.max(1, availableParallelism() - 1);
  for (const name of ['edgeId', 'pop'] as const) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(String(values[name]))) {
      const option = OPTIONS[name].env;
      throw new ConfigError(
        'bad-name',
        `${option} is "${values[name]}": use 1 to 64 of A-Z a-z 0-9 _ - (it becomes part of a bus subject).`,
      );
    }
  }
  if (values['cpeAuth'] === null) {
    if (!isLoopback(String(values['cwmpHost']))) {
      throw new ConfigError(
        'cpe-auth-needed',
        `STARLING_CWMP_HOST is ${values['cwmpHost']}, which other machines can reach: choose how CPEs prove who they are ` +
          `with STARLING_CPE_AUTH (${CPE_AUTH_MODES.join(', ')}).`,
      );
    }
    values['cpeAuth'] = 'none';
  }
  if ((values['cpeUsername'] === null) !== (values['cpePassword'] === null)) {
    throw new ConfigError('half-secret', 'Set STARLING_CPE_USERNAME and STARLING_CPE_PASSWORD together, or neither.');
  }
  if ((values['cwmpTlsCertificate'] === null) !== (values['cwmpTlsKey'] === null)) {
    throw new ConfigError(
      'half-tls',
      'Set STARLING_CWMP_TLS_CERTIFICATE and STARLING_CWMP_TLS_KEY together, or neither.',
    );
  }
  if ((values['natsCertificate'] === null) !== (values['natsKey'] === null)) {
    throw new ConfigError('half-tls', 'Set STARLING_NATS_CERTIFICATE and STARLING_NATS_KEY together, or neither.');
  }
  if (values['natsDomain'] !== null && !/^[A-Za-z0-9_-]{1,64}$/.test(String(values['natsDomain']))) {
    throw new ConfigError(
      'bad-name',
      'STARLING_NATS_DOMAIN must be 1 to 64 of A-Z a-z 0-9 _ - (it becomes part of a subject).',
    );
  }
  if (typeof values['adminToken'] === 'string') checkAdminToken(values['adminToken']);
  return values as unknown as Config;
}

/** What can be a bearer token: printable ASCII without blanks goes into a header as it is (RFC 6750 §2.1). */
export const TOKEN_TEXT = new RegExp(`^[\\x21-\\x7e]{${LIMITS.tokenCharsMin},${LIMITS.tokenCharsMax}}$`);

/** @throws ConfigError `weak-token` for a token that is easily guessed, or that no caller could send. */
export function checkAdminToken(token: string): void {
  if (TOKEN_TEXT.test(token)) return;
  const want = `${LIMITS.tokenCharsMin} to ${LIMITS.tokenCharsMax} printable ASCII characters without blanks`;
  throw new ConfigError('weak-token', `STARLING_ADMIN_TOKEN must have ${want}.`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function readConfigFile(file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('config-file', `The config file ${file} cannot be used: ${why}`, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError('config-file', `The config file ${file} must hold one JSON object of option names.`);
  }
  for (const name of Object.keys(parsed)) {
    if (!Object.hasOwn(OPTIONS, name))
      throw new ConfigError('unknown-option', `${file} sets "${name}": there is no such option.`);
  }
  return parsed as Record<string, unknown>;
}

function parseOption(where: string, option: Option, text: string): unknown {
  const refuse = (expected: string): never => {
    const shown = option.kind === 'secret' ? '(hidden)' : `"${text}"`;
    throw new ConfigError('bad-value', `${where} is ${shown}: expected ${expected}.`);
  };
  const { choices } = option;
  if (choices && option.kind !== 'list' && !choices.includes(text)) return refuse(`one of ${choices.join(', ')}`);
  switch (option.kind) {
    case 'text':
    case 'secret':
      return text;
    case 'list': {
      const parts = text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
      const known = choices === undefined || (parts.length > 0 && parts.every((part) => choices.includes(part)));
      return known ? parts : refuse(`some of ${choices.join(', ')}, separated by commas`);
    }
    case 'boolean':
      if (text === 'true' || text === '1') return true;
      if (text === 'false' || text === '0') return false;
      return refuse('true or false');
    case 'port':
    case 'integer': {
      const [min, max] =
        option.kind === 'port' ? [0, 65_535] : [option.min ?? 0, option.max ?? Number.MAX_SAFE_INTEGER];
      const number = Number(text);
      if (!/^\d+$/.test(text) || number < min || number > max) return refuse(`a whole number from ${min} to ${max}`);
      return number;
    }
  }
}

/** docs/config.md, printed from the table. */
export function printConfigDoc(): string {
  const rows = Object.entries(OPTIONS as Record<string, Option>).map(([name, option]) => {
    const shown = option.defaultText ?? (option.value === null ? 'not set' : `\`${String(option.value)}\``);
    const quantity = option.kind === 'list' ? 'Some' : 'One';
    const choices = option.choices ? ` ${quantity} of ${option.choices.map((c) => `\`${c}\``).join(', ')}.` : '';
    return `| \`${option.env}\` | \`${flagOf(name)}\` | \`${name}\` | ${shown} | ${option.text}${choices} |`;
  });
  return [
    '# Configuration',
    '',
    'Printed from the option table in `base/config.ts` by `npm run docs`. Flags win over the environment, the environment over the config file',
    '(JSON, named by `STARLING_CONFIG`), the file over the defaults. An unknown option is an error, not a silence.',
    '`STARLING_TOKEN` is no option of these: `starling evidence export` takes it for its `--token`, and so do the other commands that speak to the API.',
    '',
    '| environment | flag | config file | default | what it is |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

/** A host name as an edge id: up to its first dot, with a dash for what a bus subject cannot hold. */
export function edgeIdOf(host: string): string {
  const name = (host.split('.')[0] ?? '').replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 64);
  return name === '' ? 'edge' : name;
}
