// The road a role uses: over NATS when there is a URL, else within the process.

import type { Registry } from 'prom-client';
import type { Config } from '../base/config.ts';
import { ConfigError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import { type NatsTransport, openNats } from '../bus/nats.ts';
import { edgeName } from '../bus/subjects.ts';
import type { BusQuestions, BusTransport } from '../bus/transport.ts';

export interface Road {
  transport: BusTransport;
  /** Where files are asked for; null when nobody is elsewhere. */
  questions: BusQuestions | null;
  problems(): string[];
}

/** Of `up`: edge and control in this process, over NATS when that is configured. */
export async function openRoad(config: Config, log: Log, registry: Registry): Promise<Road> {
  if (config.natsUrl === null) return { transport: new InProcessTransport(), questions: null, problems: () => [] };
  const nats = await connectTo(config.natsUrl, config, `up.${config.edgeId}`, config.natsReplicas, log, registry);
  // Other edges may be elsewhere; what lies on the disk both share is not asked for.
  return { transport: nats, questions: nats, problems: () => nats.problems() };
}

/**
 * Of an edge or a control alone.
 * @throws ConfigError `nats-needed` without a URL.
 */
export async function openNatsRoad(
  role: 'edge' | 'control',
  config: Config,
  log: Log,
  registry: Registry,
): Promise<Road & { questions: BusQuestions }> {
  if (config.natsUrl === null) {
    const where = role === 'edge' ? 'the NATS leaf of its POP' : 'the NATS hub';
    throw new ConfigError(
      'nats-needed',
      `starling ${role} needs STARLING_NATS_URL, ${where}. To run edge and control in one process without NATS use starling up.`,
    );
  }
  const isEdge = role === 'edge';
  const name = isEdge ? edgeName(config.pop, config.edgeId) : 'control';
  const nats = await connectTo(config.natsUrl, config, name, isEdge ? null : config.natsReplicas, log, registry);
  return { transport: nats, questions: nats, problems: () => nats.problems() };
}

function connectTo(
  url: string,
  config: Config,
  name: string,
  replicas: number | null,
  log: Log,
  registry: Registry,
): Promise<NatsTransport> {
  const { natsCredentials, natsNkey, natsCa, natsCertificate, natsKey, natsDomain } = config;
  const options = {
    ...{ url, name, replicas, credentials: natsCredentials, nkey: natsNkey },
    ...{ ca: natsCa, certificate: natsCertificate, key: natsKey, domain: natsDomain },
  };
  return openNats(options, log, registry);
}
