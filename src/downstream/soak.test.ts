// Everything at once, by chance: events, epochs, gaps, a full disk, killed and slow handlers, RESUMEs, take-overs,
// restarts and crashes of ours. A judge then compares what was dispatched with what every handler got: within a session nothing
// is missing and nothing is out of order; over all, nothing is lost, and nothing comes twice that was not announced.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Random, seededRandom } from '../base/random.ts';
import { EVENT, type EventName } from '../wire/event-type.ts';
import { INTENTS, UNPRIVILEGED_INTENTS } from '../wire/intents.ts';
import { filterOf } from './filter.ts';
import { type LogLine, startWorld, until, type World } from './fixture.ts';
import type { Handler } from './fixture-handler.ts';

const STEPS = 350;
const TYPES: readonly EventName[] = [
  'MESSAGE_CREATE',
  'MESSAGE_CREATE',
  'CHANNEL_UPDATE',
  'INTERACTION_CREATE',
];

/** A dispatch of upstream that is an event. */
interface Truth {
  readonly shard: number;
  readonly epoch: number;
  readonly s: number;
  readonly type: EventName;
}

/** One connection of a bot: what it resumed with, if it did. */
interface Connection {
  readonly handler: Handler;
  readonly resumed: { epoch: number; s: number } | undefined;
}

/** One handler of one shard, over all its processes and connections. */
interface Bot {
  readonly name: string;
  readonly shard: number;
  readonly intents: number;
  readonly connections: Connection[];
  /** The connection that it uses; older ones may still be open, parked. */
  current: Connection | undefined;
  /** The session that its process remembers, and the epoch that it is of. */
  session: { id: string; s: number; epoch: number } | undefined;
}

interface Soak {
  readonly random: Random;
  readonly bots: Bot[];
  readonly truth: Truth[];
  readonly lines: LogLine[];
  world: World;
  /** Ends the time in which the disk takes nothing. */
  heal: (() => void) | undefined;
}

const chance = (soak: Soak, probability: number): boolean => soak.random.next() < probability;
const upTo = (soak: Soak, most: number): number => 1 + Math.floor(soak.random.next() * most);
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Notes what a process would remember of its connection. */
function remember(bot: Bot): void {
  const { current } = bot;
  if (!current) return;
  const { received, session } = current.handler;
  const last = received.findLast(({ t, op }) => op === 9 || t === 'READY');
  if (last?.op === 9) bot.session = undefined;
  else if (last) bot.session = { ...session, epoch: last.d.position.epoch as number };
  else if (current.resumed && bot.session)
    bot.session = { ...bot.session, s: Math.max(current.resumed.s, session.s) };
}

async function connect(soak: Soak, bot: Bot): Promise<void> {
  const handler = await soak.world.connect({
    autoPong: chance(soak, 0.8),
    query: chance(soak, 0.2) ? 'v=10&compress=zlib-stream' : 'v=10',
  });
  const { session } = bot;
  const resumed = session && { epoch: session.epoch, s: session.s };
  bot.current = { handler, resumed };
  bot.connections.push(bot.current);
  if (session) handler.resume(session, bot.name);
  else handler.identify(bot);
}

/** Ends a bot's connection: its process lives on with its session, or dies with it. */
async function disconnect(bot: Bot, how: { dies: boolean }): Promise<void> {
  const { current } = bot;
  if (!current) return;
  current.handler.ws.resume();
  current.handler.ws.terminate();
  await current.handler.closed();
  remember(bot);
  bot.current = undefined;
  if (how.dies) bot.session = undefined;
}

function append(soak: Soak, shard: number, count: number): void {
  const { world } = soak;
  for (let i = 0; i < count; i++) {
    const type = TYPES[Math.floor(soak.random.next() * TYPES.length)]!;
    const bytes = chance(soak, 0.05) ? 60_000 : 40;
    const s = world.events(1, { shard, type, bytes });
    soak.truth.push({ shard, epoch: world.upstream(shard).epoch, s, type });
  }
}

function beginEpoch(soak: Soak, shard: number): void {
  const { epoch } = soak.world.upstream(shard);
  soak.world.ready(shard, 2);
  for (const s of [2, 3]) soak.truth.push({ shard, epoch: epoch + 1, s, type: 'GUILD_CREATE' });
}

/** Discord leaves events out. They are no truth: they were never dispatched. */
function skipAhead(soak: Soak, shard: number): void {
  const { epoch, s } = soak.world.upstream(shard);
  const at = s + 1 + upTo(soak, 5);
  soak.world.eventAt({ epoch, s: at }, { shard });
  soak.truth.push({ shard, epoch, s: at, type: 'MESSAGE_CREATE' });
}

/** The disk is full, or is so no more. */
function fillDisk(soak: Soak): void {
  const { world } = soak;
  if (!soak.heal) {
    const times = Number.POSITIVE_INFINITY;
    soak.heal = world.disk.fail({ call: 'write', path: '.seg', code: 'ENOSPC', times });
    return;
  }
  soak.heal();
  soak.heal = undefined;
  world.tick(1_000);
}

async function replaceDaemon(soak: Soak, how: 'crash' | 'restart'): Promise<void> {
  if (soak.heal) fillDisk(soak);
  const { lines } = soak.world;
  soak.world = await soak.world[how]();
  soak.lines.push(...lines);
  for (const bot of soak.bots) await disconnect(bot, { dies: chance(soak, 0.2) });
}

async function stepBot(soak: Soak, bot: Bot): Promise<void> {
  const { current } = bot;
  if (!current) return chance(soak, 0.7) ? connect(soak, bot) : undefined;
  const isOver = current.handler.ended || current.handler.received.at(-1)?.op === 9;
  if (isOver && chance(soak, 0.5)) return disconnect(bot, { dies: false });
  if (isOver && !current.handler.ended) {
    bot.session = undefined;
    return current.handler.identify(bot);
  }
  const luck = soak.random.next();
  if (luck < 0.06) return disconnect(bot, { dies: false });
  if (luck < 0.1) return disconnect(bot, { dies: true });
  if (luck < 0.14) return current.handler.ws.pause();
  if (luck < 0.3) return current.handler.ws.resume();
  if (luck < 0.32) {
    // A new process takes over while the old one is still there.
    bot.session = undefined;
    bot.current = undefined;
    await connect(soak, bot);
  }
}

async function step(soak: Soak, withRestarts: boolean): Promise<void> {
  const luck = soak.random.next();
  const shard = chance(soak, 0.5) ? 0 : 1;
  if (luck < 0.5) append(soak, shard, upTo(soak, 12));
  else if (luck < 0.52) append(soak, shard, 150);
  else if (luck < 0.53) beginEpoch(soak, shard);
  else if (luck < 0.54) skipAhead(soak, shard);
  else if (luck < 0.56 && withRestarts) await replaceDaemon(soak, chance(soak, 0.5) ? 'crash' : 'restart');
  else if (luck < 0.6 && chance(soak, soak.heal ? 0.5 : 0.25)) fillDisk(soak);
  for (const bot of soak.bots) await stepBot(soak, bot);
  if (chance(soak, 0.6)) soak.world.tick();
  if (chance(soak, 0.4)) await pause();
}

/** Gives every bot an honest connection until it has proven everything. */
async function settleDown(soak: Soak): Promise<void> {
  const { world } = soak;
  if (soak.heal) fillDisk(soak);
  for (const bot of soak.bots) {
    for (const { handler } of bot.connections) handler.ws.terminate();
    await disconnect(bot, { dies: false });
    const handler = await world.connect();
    bot.current = { handler, resumed: bot.session && { ...bot.session } };
    bot.connections.push(bot.current);
    if (bot.session) handler.resume(bot.session, bot.name);
    else handler.identify(bot);
    let answered = 0;
    await until(`${bot.name} of shard ${bot.shard} has everything`, () => {
      const ended = handler.received.filter(({ op }) => op === 9).length;
      if (ended > answered) {
        answered = ended;
        handler.identify(bot);
      }
      world.tick();
      const proven = world.cursors.get(bot.name, bot.shard)!.proven;
      const tip = world.journal.tip(bot.shard);
      return proven.epoch === tip.epoch && proven.s === tip.s;
    });
  }
  soak.lines.push(...world.lines);
}

const nameOf = (epoch: number, s: number): string => `${epoch}:${s}`;
/** Left out of a replay after 2.5 s, which pass at any time here. */
const isOwed = ({ type }: Truth): boolean => type !== 'INTERACTION_CREATE';

/** What a bot got of each event, checking each session on the way: an unbroken run of what it is owed. */
function received(bot: Bot, owed: Truth[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { handler, resumed } of bot.connections) {
    let at = resumed;
    for (const message of handler.received) {
      if (message.t === 'READY') at = message.d.position as { epoch: number; s: number };
      const isEvent = message.op === 0 && message.d.epoch !== undefined;
      if (!isEvent || message.t === 'INTERACTION_CREATE') continue;
      const { epoch } = message.d as { epoch: number };
      const s = message.s!;
      assert.equal(epoch, at?.epoch, `${bot.name} gets events of its session's epoch only`);
      const from = at!.s;
      const next = owed.find((event) => event.epoch === epoch && event.s > from);
      assert.equal(s, next?.s, `${bot.name}/${bot.shard}: after ${nameOf(epoch, from)}`);
      at = { epoch, s };
      times.set(nameOf(epoch, s), (times.get(nameOf(epoch, s)) ?? 0) + 1);
    }
  }
  return times;
}

/** How many log lines of a kind announce something about an event. */
function announced(soak: Soak, bot: Bot, event: string, { epoch, s }: Truth): number {
  return soak.lines.filter((line) => {
    const isOfBot = line.event === event && line['name'] === bot.name && line['shard'] === bot.shard;
    return (
      isOfBot && line['epoch'] === epoch && s > (line['after'] as number) && s <= (line['upTo'] as number)
    );
  }).length;
}

function judge(soak: Soak, bot: Bot): { redelivered: number; skipped: number } {
  const filter = filterOf(bot.intents, UNPRIVILEGED_INTENTS);
  const owed = soak.truth.filter(
    (event) => event.shard === bot.shard && isOwed(event) && !filter?.[EVENT[event.type]],
  );
  const times = received(bot, owed);
  const found = { redelivered: 0, skipped: 0 };
  for (const event of owed) {
    const count = times.get(nameOf(event.epoch, event.s)) ?? 0;
    const what = `${bot.name}/${bot.shard} got ${event.type} ${nameOf(event.epoch, event.s)} ${count} times`;
    if (count === 0) {
      assert.ok(announced(soak, bot, 'handler.skipped', event) > 0, `${what}: it is lost`);
      found.skipped++;
    }
    const again = announced(soak, bot, 'handler.redelivered', event);
    assert.ok(count <= 1 + again, `${what}, ${again} times announced`);
    if (count > 1) found.redelivered++;
  }
  return found;
}

async function begin(seed: number): Promise<Soak> {
  const world = await startWorld();
  const bot = (name: string, shard: number, intents = UNPRIVILEGED_INTENTS): Bot => ({
    name,
    shard,
    intents,
    connections: [],
    current: undefined,
    session: undefined,
  });
  const bots = [bot('bot', 0), bot('bot', 1), bot('logger', 0), bot('slim', 0, INTENTS.GUILDS)];
  const soak: Soak = { random: seededRandom(seed), bots, truth: [], lines: [], world, heal: undefined };
  for (const shard of [0, 1]) world.ready(shard);
  for (const one of bots) {
    const handler = await world.live(one);
    one.current = { handler, resumed: undefined };
    one.connections.push(one.current);
  }
  return soak;
}

/** Counts add up: every event of upstream is one thing or the other for every handler. */
function assertIdentity({ world, truth, bots }: Soak): void {
  for (const { name, shard } of bots) {
    const dispatched = truth.filter((event) => event.shard === shard).length;
    const { delivered, filtered, expired, inDoubt, lost } = world.tally(name, shard);
    const gaps = world
      .logged('handler.gap')
      .filter((line) => line['name'] === name && line['shard'] === shard)
      .reduce((sum, line) => sum + (line['missing'] as number), 0);
    assert.equal(lost, gaps);
    assert.equal(
      delivered + filtered + expired + inDoubt,
      dispatched,
      `${name}/${shard}: ${JSON.stringify(world.tally(name, shard))}`,
    );
  }
}

describe('a soak', () => {
  for (const [seed, withRestarts] of [
    [1, false],
    [2, false],
    [3, true],
    [4, true],
  ] as const) {
    it(`by seed ${seed}${withRestarts ? ', with restarts and crashes,' : ''} loses nothing and doubles nothing unannounced`, async () => {
      const soak = await begin(seed);
      try {
        for (let i = 0; i < STEPS; i++) await step(soak, withRestarts);
        await settleDown(soak);
        const found = soak.bots.map((bot) => judge(soak, bot));
        assert.ok(
          found.some(({ redelivered }) => redelivered > 0),
          'something was in doubt',
        );
        if (!withRestarts) assertIdentity(soak);
      } finally {
        await soak.world.close();
      }
    });
  }
});
