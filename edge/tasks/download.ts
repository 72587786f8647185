// download: makes the CPE fetch a file, of ours under a signed URL or of any server, and waits for TransferComplete.

import type { Work } from '../../bus/messages.ts';
import { request } from './answers.ts';
import { transfer } from './transfer.ts';
import { badArgs, countArg, optionalTextArg, textArg } from './work-args.ts';

export const download = transfer({
  check(work) {
    argsOf(work);
    const { fileId, url } = work.args;
    if ((fileId === undefined) === (url === undefined)) throw badArgs(work, 'it needs either fileId or url');
    if (fileId !== undefined) textArg(work, 'fileId');
    // Credentials have arguments of their own (A.3.2.8).
    if (/^[^/]*\/\/[^/]*@/.test(optionalTextArg(work, 'url', 256))) throw badArgs(work, 'url holds a user name');
  },
  request(work, context) {
    const url = optionalTextArg(work, 'url', 256);
    const URL = url === '' ? context.downloadUrl(textArg(work, 'fileId')) : url;
    return request('Download', { CommandKey: work.commandKey, URL, ...argsOf(work), SuccessURL: '', FailureURL: '' });
  },
  needsFile: (work) => (work.args['fileId'] === undefined ? null : textArg(work, 'fileId')),
  event: 'M Download',
  bringsFile: false,
  noun: 'download',
});

function argsOf(work: Work) {
  textArg(work, 'fileType');
  return {
    FileType: optionalTextArg(work, 'fileType', 64),
    Username: optionalTextArg(work, 'username', 256),
    Password: optionalTextArg(work, 'password', 256),
    // 0 means that the size is not known (CWMP T4).
    FileSize: countArg(work, 'fileSize'),
    TargetFileName: optionalTextArg(work, 'targetFileName', 256),
    DelaySeconds: countArg(work, 'delaySeconds'),
  };
}
