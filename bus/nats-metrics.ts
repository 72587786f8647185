// What is counted of the road over NATS, on either side.

import type { Registry } from 'prom-client';
import { gauge, Latency, Tally } from '../base/metrics.ts';

/** Outcomes of a message that was published. */
export const STORED = 0;
export const FAILED = 1;

export class NatsMetrics {
  /** 1 while there is a link. */
  connected = 0;
  readonly reconnects: Tally;
  readonly bytes: Tally;
  readonly messages: Tally;
  readonly unreadable: Tally;
  readonly rejected: Tally;
  readonly seconds: Latency;

  constructor(registry: Registry) {
    gauge(registry, 'starling_nats_connected', '1 while NATS can be used.', () => this.connected);
    this.reconnects = new Tally(registry, 'starling_nats_reconnects_total', 'Times the connection came back.');
    this.bytes = new Tally(registry, 'starling_nats_bytes_total', 'Bytes of stored messages, packed.', 'direction');
    this.messages = new Tally(registry, 'starling_nats_messages_total', 'Messages, each a batch.', 'direction');
    this.unreadable = new Tally(
      registry,
      'starling_nats_unreadable_total',
      'Messages that were no batch; handed on as they came, to be parked.',
    );
    this.rejected = new Tally(registry, 'starling_nats_rejected_total', 'Batches that were not taken and come again.');
    this.seconds = new Latency(
      registry,
      'starling_nats_publish_seconds',
      'Time until the hub had a message.',
      'outcome',
      ['stored', 'failed'],
    );
  }
}
