// A journal of made-up traffic: a backfill, then the mix of events of perf-baselines.md, then state events alone.
// For this room's benchmark; not used by the daemon.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { seededRandom } from '../base/random.ts';
import { KIND, recordBytes, writeRecord } from '../journal/record.ts';
import { segmentName } from '../journal/segment.ts';
import { eventTypeId } from '../wire/event-type.ts';
import { EVENT_MAKERS } from './event-fixture.ts';
import {
  dispatch,
  type Json,
  makeGuild,
  makeMember,
  makeMessage,
  makePresence,
  makeReady,
  makeUser,
  snowflake,
} from './fixture.ts';

/** Where the journal ends after a batch of one kind of traffic, and each shard's `s` there. */
export interface TrafficBatch {
  readonly name: string;
  readonly events: number;
  readonly bytes: number;
  readonly segment: number;
  readonly offset: number;
  readonly sequences: readonly number[];
}

export interface TrafficSize {
  /** Events of the mix, beside 100,000 to warm up with. */
  readonly events: number;
  readonly shards: number;
  readonly guildsPerShard: number;
}

interface Guild {
  readonly id: string;
  readonly shard: number;
  readonly data: Json;
  readonly channels: readonly string[];
}

const SEGMENT_BYTES = 64 * 1024 * 1024;

/** Writes the segments into `directory` and returns the batches. */
export function writeTraffic(directory: string, size: TrafficSize): TrafficBatch[] {
  const random = seededRandom(7);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const one = <Value>(list: readonly Value[]): Value => list[below(list.length)]!;
  const buffer = Buffer.allocUnsafe(SEGMENT_BYTES);
  const sequences: number[] = [];
  const batches: TrafficBatch[] = [];
  let segment = 1;
  let offset = 0;
  let written = 0;

  const flush = (): void =>
    fs.writeFileSync(path.join(directory, segmentName(segment)), buffer.subarray(0, offset));

  const write = (shard: number, event: string, d: unknown): void => {
    const s = (sequences[shard] ?? 0) + 1;
    sequences[shard] = s;
    const payload = dispatch(event, s, d);
    if (offset + recordBytes(payload.length) > SEGMENT_BYTES) {
      flush();
      segment++;
      offset = 0;
    }
    const header = { kind: KIND.DISPATCH, type: eventTypeId(event), shard, epoch: 1, s, receivedAt: 0 };
    offset = writeRecord(buffer, offset, header, payload, 0, payload.length);
    written += recordBytes(payload.length);
  };

  const batch = (name: string, events: number, make: () => void): void => {
    written = 0;
    for (let i = 0; i < events; i++) make();
    batches.push({ name, events, bytes: written, segment, offset, sequences: [...sequences] });
  };

  const guilds: Guild[] = [];
  for (let shard = 0; shard < size.shards; shard++) {
    const own = Array.from({ length: size.guildsPerShard }, () => {
      const shape = { channels: 10 + below(60), roles: 5 + below(40), members: 1 + below(5) };
      const data = makeGuild(snowflake(), shape);
      const channels = (data['channels'] as Json[]).map(({ id }) => id as string);
      return { id: data['id'] as string, shard, data, channels };
    });
    write(shard, 'READY', makeReady(own.map(({ id }) => id)));
    guilds.push(...own);
  }

  // Few guilds have most of the traffic, and they lie anywhere in the database.
  const shuffled = guilds.toSorted(() => random.next() - 0.5);
  const busy = (): Guild => shuffled[Math.floor(shuffled.length * random.next() ** 3)]!;
  // And few channels have most of a guild's.
  const channel = ({ channels }: Guild): string =>
    channels[Math.floor(channels.length * random.next() ** 3)]!;
  const voice = EVENT_MAKERS.filter(({ event }) => event === 'VOICE_STATE_UPDATE');

  const mixed = (): void => {
    const guild = busy();
    const { shard, id } = guild;
    const member = (): Json => ({ ...makeMember(snowflake(), ['1', '2', '3', '4']), guild_id: id });
    const dice = random.next() * 100;
    if (dice < 45) {
      const words = 'lorem ipsum dolor sit amet, consectetur '.repeat(1 + below(10));
      const mentions = below(4) === 0 ? [{ ...makeUser(snowflake()), member: makeMember(snowflake()) }] : [];
      write(shard, 'MESSAGE_CREATE', { ...makeMessage(id, channel(guild), words), mentions });
    } else if (dice < 65) {
      const activity = { type: 0, name: 'a game', id: 'ec0b28a579ecb4bd', created_at: 1_700_000_000_000 };
      write(shard, 'PRESENCE_UPDATE', { ...makePresence(snowflake()), activities: [activity], guild_id: id });
    } else if (dice < 75) write(shard, 'TYPING_START', { user_id: snowflake(), ...member() });
    else if (dice < 83) write(shard, 'GUILD_MEMBER_UPDATE', member());
    else if (dice < 88) write(shard, 'MESSAGE_REACTION_ADD', member());
    else if (dice < 92) write(shard, 'MESSAGE_UPDATE', makeMessage(id, channel(guild)));
    else if (dice < 95) write(shard, 'VOICE_STATE_UPDATE', one(voice).make(guild.data, below));
    else write(shard, 'INTERACTION_CREATE', { ...makeMessage(id, channel(guild)), member: member() });
  };

  const stateEvent = (): void => {
    const guild = busy();
    const maker = one(EVENT_MAKERS);
    const d = maker.make(guild.data, below);
    if (d) write(guild.shard, maker.event, d);
  };

  let next = 0;
  batch('backfill', guilds.length, () => {
    const { shard, data } = guilds[next++]!;
    write(shard, 'GUILD_CREATE', data);
  });
  // Batches as large as thirty seconds bring at 10,000 events a second, and ten at 1,000.
  batch('warm-up', 100_000, mixed);
  for (let done = 0; done < size.events; done += 300_000) batch('mixed', 300_000, mixed);
  for (let i = 0; i < 4; i++) batch('state events', 10_000, stateEvent);
  flush();
  return batches;
}
