// The task of each kind of action.

import type { ActionKind } from '../../bus/messages.ts';
import { add } from './add.ts';
import { deleteObject } from './delete.ts';
import { diagnose } from './diagnose.ts';
import { download } from './download.ts';
import { factoryReset } from './factory-reset.ts';
import { get } from './get.ts';
import { reboot } from './reboot.ts';
import { refresh } from './refresh.ts';
import { rpc } from './rpc.ts';
import { scheduleInform } from './schedule-inform.ts';
import { set } from './set.ts';
import type { Task } from './task.ts';
import { upload } from './upload.ts';

export const TASKS: Readonly<Record<ActionKind, Task>> = {
  get,
  set,
  refresh,
  add,
  delete: deleteObject,
  reboot,
  'factory-reset': factoryReset,
  download,
  upload,
  diagnose,
  'schedule-inform': scheduleInform,
  rpc,
};
