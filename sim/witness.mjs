// Loaded into a discord.js bot with `--import`: writes down every dispatch the bot receives, one line each, with a
// synchronous append, so that a kill -9 of the bot loses no line. The bot itself stays an ordinary one.
// WITNESS_FILE names the file; without it nothing happens.

import { appendFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { Client } from 'discord.js';

const file = process.env.WITNESS_FILE;
if (file) {
  const { login } = Client.prototype;
  Client.prototype.login = function witnessedLogin(...args) {
    // First in line: a listener of the bot that throws must not hide an event from the witness.
    this.prependListener('raw', (packet, shard) => {
      if (packet.op !== 0) return;
      const { t, s, d } = packet;
      const guilds = t === 'READY' ? d.guilds.length : undefined;
      const line = { run: process.pid, shard, s, t, hash: crc32(JSON.stringify(d)), at: Date.now(), guilds };
      appendFileSync(file, `${JSON.stringify(line)}\n`);
    });
    return login.apply(this, args);
  };
}
