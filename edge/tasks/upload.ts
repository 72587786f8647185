// upload: makes the CPE send a file to our file store, and waits for both: TransferComplete and the file.

import { request } from './answers.ts';
import { transfer } from './transfer.ts';
import { countArg, optionalTextArg, textArg } from './work-args.ts';

export const upload = transfer({
  check(work) {
    textArg(work, 'fileType');
    optionalTextArg(work, 'fileType', 64);
  },
  request: (work, context) =>
    request('Upload', {
      CommandKey: work.commandKey,
      FileType: textArg(work, 'fileType'),
      // The signature in the URL is the credential (CWMP T2).
      URL: context.uploadUrl(work.actionId),
      Username: '',
      Password: '',
      DelaySeconds: countArg(work, 'delaySeconds'),
    }),
  needsFile: () => null,
  event: 'M Upload',
  bringsFile: true,
  noun: 'upload',
});
