// The TLS fronts that CPEs come through: in which headers they say who connected to them, and whose word counts. A header of anybody else is
// what a CPE made up.

import type { Config } from '../base/config.ts';
import { LIMITS } from '../base/limits.ts';
import { Networks } from '../base/networks.ts';
import { addressText } from './address-text.ts';
import type { HttpFront } from './http.ts';

type FrontConfig = Pick<Config, 'cpeAuth' | 'certificateHeader' | 'addressHeader' | 'trustedFronts'>;

/**
 * What is read of the headers of a front; null where none is waited for, so that no POST is asked for them.
 * @throws ConfigError `bad-network` for an entry of STARLING_TRUSTED_FRONTS that is none.
 */
export function frontOf({ cpeAuth, certificateHeader, addressHeader, trustedFronts }: FrontConfig): HttpFront | null {
  const readsCertificates = cpeAuth === 'certificate-header' || cpeAuth === 'certificate-or-digest';
  if (!readsCertificates && addressHeader === null) return null;
  const networks = new Networks(trustedFronts);
  // A POP has a handful of fronts, and each POST comes from one of them.
  const known = new Map<string, boolean>();
  return {
    certificateHeader: readsCertificates ? certificateHeader.toLowerCase() : '',
    addressHeader: (addressHeader ?? '').toLowerCase(),
    isTrusted(peer) {
      const text = addressText(peer);
      let trusted = known.get(text);
      if (trusted === undefined) {
        trusted = networks.has(text);
        if (known.size >= LIMITS.frontPeersMax) known.clear();
        known.set(text, trusted);
      }
      return trusted;
    },
  };
}
