// The peer: @discordjs/ws 2 with zlib-sync, merely receiving what the replay gateway plays.

import { REST } from '@discordjs/rest';
import { CompressionMethod, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';

const options = JSON.parse(process.argv[2]);
const rest = new REST({ api: `http://127.0.0.1:${options.port}/api`, version: '10' }).setToken(options.token);
const manager = new WebSocketManager({
  token: options.token,
  intents: 0,
  rest,
  shardCount: options.shards,
  compression: options.compression === null ? null : CompressionMethod.ZlibSync,
  fetchGatewayInformation: () => rest.get('/gateway/bot'),
});
let ready = 0;
let received = 0;
let before;
manager.on(WebSocketShardEvents.Ready, () => {
  if (++ready === options.shards) process.send({ ready });
});
manager.on(WebSocketShardEvents.Dispatch, () => {
  received++;
  // READYs are dispatches too.
  if (received === options.warm + options.shards) {
    before = process.cpuUsage();
    process.send({ warm: received });
  }
  if (received === options.expected + options.shards) {
    const used = process.cpuUsage(before);
    process.send({ done: received, cpuUs: used.user + used.system });
  }
});
manager.on(WebSocketShardEvents.Error, (error) => process.send({ error: String(error) }));
await manager.connect();
