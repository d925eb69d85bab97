// The simulator as a part of a benchmark: a process of its own, asked by messages. `resumes` answers how many
// RESUMEs and IDENTIFYs succeeded and when the last one did.

import { type SimOptions, startSim } from '../sim/sim.ts';

const sim = await startSim(JSON.parse(process.argv[2] ?? '{}') as SimOptions);
let lastResumeAt = 0;
let seen = 0;
setInterval(() => {
  const { ok } = sim.control.state().counters.resumes;
  if (ok === seen) return;
  seen = ok;
  lastResumeAt = Date.now();
}, 5);

process.on('message', (message) => {
  if (message === 'counters') {
    const { counters } = sim.control.state();
    process.send?.({
      counters: true,
      identifies: counters.identifies,
      resumes: counters.resumes.ok,
      lastResumeAt,
    });
  } else if (message === 'cut') {
    sim.control.cut({ shards: 'all', how: 'rst' });
  } else if (typeof message === 'string' && message.startsWith('crowd ')) {
    sim.control.crowd.start({ eventsPerSecond: Number(message.slice(6)) });
  } else if (message === 'quiet') {
    sim.control.crowd.stop();
  }
});
process.send?.({ port: sim.port, token: sim.token });
