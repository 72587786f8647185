// Forwards a port of its own to another, inside the network namespace of netem.ts, and says which it is.

import { PortProxy } from './port-proxy.ts';

const [host = '', targetHost = '', target = ''] = process.argv.slice(2);
const proxy = await PortProxy.open(Math.random, host);
proxy.targetHost = targetHost;
proxy.target = Number(target);
process.stdout.write(`${proxy.port}\n`);
