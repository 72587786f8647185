// SecretService: rotation, and reading one secret.

import type { ControlContext } from '../context.ts';
import type { Reconciler } from '../reconciler.ts';
import type { SecretService } from '../services.ts';
import { readSecret } from './read-secret.ts';
import { beginRotation, rotationView } from './rotation.ts';

/** @param rotating carries rotations on: told when one begins. */
export function secretService(context: ControlContext, rotating: Reconciler): SecretService {
  return {
    rotation: () => rotationView(context),
    async rotate(key, principal) {
      await beginRotation(context, key, principal);
      rotating.signal();
      return await rotationView(context);
    },
    read: (deviceId, question, principal) => readSecret(context, deviceId, question, principal),
  };
}
