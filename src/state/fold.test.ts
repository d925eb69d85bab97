// Folds made-up events and compares what a snapshot then says with the plain-object reference: one case for
// each kind of event first, then random sequences with commits and overlays at random points.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EVENT, EVENT_TYPES, type EventName, eventTypeId } from '../wire/event-type.ts';
import { EVENT_MAKERS, type EventMaker } from './event-fixture.ts';
import { changesState, EFFECTS } from './events.ts';
import {
  dispatch,
  type Json,
  makeGuild,
  makeMessage,
  makeReady,
  makeUser,
  SELF,
  snowflake,
} from './fixture.ts';
import { foldRecord } from './fold.ts';
import type { FoldOptions } from './fold-event.ts';
import { Overlay } from './overlay.ts';
import { createReference, ordered } from './reference.ts';
import { createSnapshot } from './snapshot.ts';
import { SpliceError } from './splice.ts';
import { openStateStore } from './store.ts';

const SESSION = { shard: 3, shardCount: 8, sessionId: 'ours', resumeUrl: 'ws://localhost:1' };
const LEAN: FoldOptions = { keepMembers: false, keepPresences: false };
const FULL: FoldOptions = { keepMembers: true, keepPresences: true };

function createBench(options: FoldOptions) {
  const store = openStateStore(':memory:');
  const reference = createReference(options);
  let overlay = new Overlay(store.reader, SESSION.shard);
  let s = 0;
  return {
    reference,
    apply(event: EventName, d: Json) {
      s++;
      reference.apply(event, d);
      const bytes = dispatch(event, s, d);
      foldRecord(overlay, { type: eventTypeId(event), bytes, start: 0, end: bytes.length }, options);
    },
    commit() {
      const scan = { segment: 1, offset: s };
      store.commit({ overlays: [overlay], positions: [], scan, aside: [], durable: false });
      overlay = new Overlay(store.reader, SESSION.shard);
    },
    frames(at = s): Array<{ t: string; s: number; op: number; d: Json }> {
      const snapshot = createSnapshot(overlay, SESSION, at, () => assert.fail('nothing is left in place'));
      assert.ok(snapshot);
      const frames = [...snapshot.frames()].map((pieces) => JSON.parse(Buffer.concat(pieces).toString()));
      assert.equal(frames.length, snapshot.guilds + 1);
      return frames;
    },
    rows: (guild: string) => overlay.guild(guild)?.parts() ?? [],
    overlay: () => overlay,
    sequence: () => s,
  };
}

type Bench = ReturnType<typeof createBench>;

/** Compares the snapshot with the reference, frame by frame. */
function check(bench: Bench): void {
  const [ready, ...guilds] = bench.frames();
  const expected = bench.reference.expected();
  assert.equal(ready!.t, 'READY');
  assert.equal(ready!.s, bench.sequence() - guilds.length);
  // A guild that was left and joined again may keep its old place in the list.
  const listed = (ready!.d['guilds'] as Json[]).toSorted((a, b) =>
    String(a['id']) < String(b['id']) ? -1 : 1,
  );
  assert.deepEqual(
    { ...ready!.d, guilds: listed },
    {
      ...expected.ready,
      guilds: expected.listed.toSorted().map((id) => ({ id, unavailable: true })),
      session_id: SESSION.sessionId,
      resume_gateway_url: SESSION.resumeUrl,
      shard: [SESSION.shard, SESSION.shardCount],
    },
  );
  assert.deepEqual(
    guilds.map(({ s }) => s),
    guilds.map((_, i) => ready!.s + 1 + i),
  );
  assert.deepEqual(new Set(guilds.map(({ d }) => d['id'])), new Set(expected.frames.keys()));
  for (const { t, d, op } of guilds) {
    const wanted = expected.frames.get(d['id'] as string)!;
    assert.equal(op, 0);
    assert.equal(t, wanted.t);
    assert.deepEqual(
      t === 'GUILD_CREATE' ? ordered(d) : d,
      t === 'GUILD_CREATE' ? ordered(wanted.d) : wanted.d,
    );
  }
}

function openGuild(options: FoldOptions): { bench: Bench; id: string } {
  const id = snowflake();
  const bench = createBench(options);
  bench.apply('READY', makeReady([id]));
  bench.apply('GUILD_CREATE', makeGuild(id, { threads: 4, presences: 3, voice: 2 }));
  return { bench, id };
}

/** Makes the event until there was something to make it about, and checks after each. */
function runMaker(maker: EventMaker, options: FoldOptions, commits: boolean): void {
  let made = 0;
  for (let choice = 0; choice < 3; choice++) {
    const { bench, id } = openGuild(options);
    if (commits) bench.commit();
    const d = maker.make(bench.reference.guild(id)!, (below) => choice % below);
    if (!d) continue;
    made++;
    bench.apply(maker.event, d);
    if (commits) bench.commit();
    check(bench);
    // A second one meets the row that the first one left.
    const again = maker.make(bench.reference.guild(id)!, (below) => (choice + 1) % below);
    if (again) bench.apply(maker.event, again);
    if (commits) bench.commit();
    check(bench);
  }
  assert.ok(made > 0);
}

describe('fold', () => {
  for (const maker of EVENT_MAKERS) {
    const name = `applies ${maker.event}${maker.about && `: ${maker.about}`}`;
    test(name, () => {
      for (const options of [LEAN, FULL])
        for (const commits of [false, true]) runMaker(maker, options, commits);
    });
  }

  test('has a case for every event that changes a guild', () => {
    const elsewhere = new Set<string>(['READY', 'USER_UPDATE', 'GUILD_CREATE', 'GUILD_DELETE']);
    const made = new Set<string>(EVENT_MAKERS.map(({ event }) => event));
    for (const [name, effect] of Object.entries(EFFECTS))
      assert.equal(effect.does !== 'nothing', made.has(name) || elsewhere.has(name), name);
  });

  test('knows every event of the wire, and takes unknown ones for nothing', () => {
    assert.deepEqual(Object.keys(EFFECTS).sort(), EVENT_TYPES.filter(Boolean).slice().sort());
    for (const [name, effect] of Object.entries(EFFECTS))
      assert.equal(changesState(EVENT[name as EventName]), effect.does !== 'nothing');
    for (const type of [0, EVENT_TYPES.length, 200, 255]) assert.equal(changesState(type), false);
  });

  test('equals the reference after any sequence of events, whenever it is stored', () => {
    const step = fc.tuple(fc.nat(999), fc.nat(999), fc.nat(9));
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.boolean(),
        fc.boolean(),
        (steps, full, lists) => {
          // What the bot still belongs to of an archived thread that a list then leaves out is nobody's business.
          const makers = EVENT_MAKERS.filter(
            ({ event, about }) => about !== 'archived' || !lists || event !== 'THREAD_UPDATE',
          ).filter(({ event }) => lists || event !== 'THREAD_LIST_SYNC');
          const bench = createBench(full ? FULL : LEAN);
          const ids = [snowflake(), snowflake()];
          bench.apply('READY', makeReady(ids));
          for (const id of ids) bench.apply('GUILD_CREATE', makeGuild(id, { threads: 3 }));
          for (const [which, choice, act] of steps) {
            let asked = 0;
            const pick = (below: number): number => (choice + asked++ * 7) % below;
            const id = ids[choice % 2]!;
            if (act === 0) bench.commit();
            if (act === 1 && which % 5 === 0) bench.apply('GUILD_DELETE', { id, unavailable: true });
            if (act === 1 && which % 5 === 1) bench.apply('GUILD_DELETE', { id });
            if (act === 1 && which % 5 > 1) bench.apply('GUILD_CREATE', makeGuild(id, { threads: 3 }));
            if (act === 2 && which % 9 === 0) bench.apply('READY', makeReady(ids));
            const guild = bench.reference.guild(id);
            const maker = makers[which % makers.length]!;
            const d = guild?.['id'] === undefined ? undefined : maker.make(guild, pick);
            if (d) bench.apply(maker.event, d);
            if (act === 3) check(bench);
          }
          check(bench);
          bench.commit();
          check(bench);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('keeps every byte of a guild that nothing touched', () => {
    const bench = createBench(LEAN);
    const id = snowflake();
    const text = `{ "id":"${id}", "unavailable" : false,"x":123456789012345678901234567890.10 ,"members":[ ] }`;
    bench.apply('READY', makeReady([id]));
    const bytes = Buffer.from(`{"t":"GUILD_CREATE","s":2,"op":0,"d":${text}}`);
    const record = { type: EVENT.GUILD_CREATE, bytes, start: 0, end: bytes.length };
    foldRecord(bench.overlay(), record, LEAN);
    for (let round = 0; round < 2; round++) {
      const snapshot = createSnapshot(bench.overlay(), SESSION, 2, () => Buffer.alloc(0))!;
      const [, frame] = [...snapshot.frames()];
      assert.equal(Buffer.concat(frame!).toString(), bytes.toString());
      bench.commit();
    }
  });

  test('adds unavailable:false to the guild of a join, and nothing else', () => {
    const bench = createBench(LEAN);
    const id = snowflake();
    const { unavailable, ...joined } = makeGuild(id);
    assert.equal(unavailable, false);
    bench.apply('READY', makeReady([]));
    bench.apply('GUILD_CREATE', joined);
    check(bench);
    assert.equal(bench.frames()[1]!.d['unavailable'], false);
  });

  test('lists a guild whose data has not come, without a frame for it', () => {
    const bench = createBench(LEAN);
    const [here, coming, down] = [snowflake(), snowflake(), snowflake()];
    bench.apply('READY', makeReady([here, coming, down]));
    bench.apply('GUILD_CREATE', makeGuild(here));
    bench.apply('GUILD_DELETE', { id: down, unavailable: true });
    check(bench);
    const [ready, ...rest] = bench.frames();
    assert.equal((ready!.d['guilds'] as Json[]).length, 3);
    assert.deepEqual(
      rest.map(({ t, s, d }) => [t, s, d['id']]),
      [
        ['GUILD_CREATE', 2, here],
        ['GUILD_DELETE', 3, down],
      ],
    );
    assert.equal(ready!.s, 1);
  });

  test('takes a GUILD_CREATE with unavailable:true for a guild that is down', () => {
    const bench = createBench(LEAN);
    const id = snowflake();
    bench.apply('READY', makeReady([]));
    bench.apply('GUILD_CREATE', { id, unavailable: true });
    check(bench);
    assert.deepEqual(bench.frames()[1], { t: 'GUILD_DELETE', s: 2, op: 0, d: { id, unavailable: true } });
  });

  test('ignores events of a guild that is listed, down or unknown', () => {
    const bench = createBench(FULL);
    const [listed, down] = [snowflake(), snowflake()];
    bench.apply('READY', makeReady([listed, down]));
    bench.apply('GUILD_DELETE', { id: down, unavailable: true });
    for (const id of [listed, down, snowflake()]) {
      const guild = makeGuild(id, { threads: 3 });
      for (const { event, make } of EVENT_MAKERS) bench.apply(event, make(guild, () => 0)!);
    }
    bench.commit();
    check(bench);
    bench.apply('GUILD_CREATE', makeGuild(listed));
    check(bench);
    assert.deepEqual(bench.rows(listed), []);
  });

  test('forgets parts when the guild comes anew', () => {
    const { bench, id } = openGuild(FULL);
    for (const { event, make } of EVENT_MAKERS) {
      const d = make(bench.reference.guild(id)!, () => 0);
      if (d) bench.apply(event, d);
    }
    bench.commit();
    assert.ok(bench.rows(id).length > 10);
    bench.apply('GUILD_CREATE', makeGuild(id));
    bench.commit();
    check(bench);
    assert.deepEqual(bench.rows(id), []);
  });

  test('leaves no row behind for people who pass through a voice channel', () => {
    const { bench, id } = openGuild(LEAN);
    bench.commit();
    const guild = bench.reference.guild(id)!;
    const channel = (guild['channels'] as Json[])[0]!['id'];
    for (let i = 0; i < 20; i++) {
      const user = snowflake();
      const state = {
        user_id: user,
        guild_id: id,
        session_id: 'x',
        member: { user: makeUser(user), roles: [] },
      };
      bench.apply('VOICE_STATE_UPDATE', { ...state, channel_id: channel });
      if (i % 2) bench.commit();
      bench.apply('VOICE_STATE_UPDATE', { ...state, channel_id: null });
    }
    bench.commit();
    check(bench);
    assert.deepEqual(bench.rows(id), []);
  });

  test('counts messages over several commits, until the channel or the guild comes anew', () => {
    const { bench, id } = openGuild(LEAN);
    const data = structuredClone(bench.reference.guild(id)!);
    const [thread] = data['threads'] as Json[];
    const post = (count: number): void => {
      for (let i = 0; i < count; i++) bench.apply('MESSAGE_CREATE', makeMessage(id, thread!['id'] as string));
    };
    for (const commits of [false, true]) {
      const commit = (): void => void (commits && bench.commit());
      for (const anew of [
        () => bench.apply('THREAD_UPDATE', { ...thread!, guild_id: id }),
        () => bench.apply('GUILD_CREATE', data),
        () => {
          bench.apply('READY', makeReady([id]));
          bench.apply('GUILD_CREATE', data);
        },
        () => {
          bench.apply('GUILD_DELETE', { id });
          bench.apply('GUILD_CREATE', data);
        },
      ]) {
        post(3);
        commit();
        post(2);
        check(bench);
        commit();
        check(bench);
        anew();
        check(bench);
        commit();
        check(bench);
        post(1);
        check(bench);
        anew();
        commit();
        check(bench);
      }
    }
  });

  test('refreshes the user in READY, and forgets that at the next READY', () => {
    const { bench, id } = openGuild(LEAN);
    bench.apply('USER_UPDATE', { id: SELF, username: 'renamed', avatar: null });
    bench.apply('USER_UPDATE', { id: SELF, verified: false });
    check(bench);
    bench.commit();
    bench.apply('USER_UPDATE', { id: SELF, bio: 'x' });
    check(bench);
    bench.commit();
    check(bench);
    bench.apply('READY', makeReady([id]));
    check(bench);
    bench.commit();
    check(bench);
  });

  test('adds private_channels and replaces what is ours in READY', () => {
    const bench = createBench(LEAN);
    const { private_channels, ...ready } = makeReady([], { shard: [0, 1], undocumented: { a: [1] } });
    assert.deepEqual(private_channels, []);
    bench.apply('READY', ready);
    const [frame] = bench.frames();
    assert.deepEqual(frame!.d['private_channels'], []);
    assert.deepEqual(frame!.d['shard'], [3, 8]);
    assert.deepEqual(frame!.d['undocumented'], { a: [1] });
  });

  test('knows nothing of direct messages', () => {
    const { bench } = openGuild(LEAN);
    const before = bench.frames();
    bench.apply('MESSAGE_CREATE', makeMessage(undefined, snowflake()));
    bench.apply('CHANNEL_PINS_UPDATE', { channel_id: snowflake(), last_pin_timestamp: null });
    bench.apply('PRESENCE_UPDATE', { user: { id: snowflake() }, status: 'online' });
    assert.deepEqual(bench.frames(before.at(-1)!.s), before);
  });

  test('refuses events of a wrong shape', () => {
    const { bench, id } = openGuild(FULL);
    const wrong: Array<[EventName, unknown]> = [
      ['GUILD_ROLE_CREATE', { guild_id: id }],
      ['GUILD_ROLE_CREATE', { role: { id: '1' } }],
      ['GUILD_ROLE_CREATE', { role: {}, guild_id: id }],
      ['GUILD_CREATE', { name: 'without id' }],
      ['GUILD_CREATE', []],
      ['READY', { user: {}, guilds: [] }],
      ['READY', null],
      ['MESSAGE_CREATE', { guild_id: id }],
      ['MESSAGE_CREATE', 7],
      ['GUILD_MEMBER_ADD', { guild_id: id, user: null }],
      ['THREAD_LIST_SYNC', { guild_id: id }],
      ['GUILD_EMOJIS_UPDATE', { guild_id: id }],
      ['VOICE_STATE_UPDATE', { guild_id: id, channel_id: null }],
    ];
    for (const [event, d] of wrong) {
      const bytes = dispatch(event, 9, d);
      const record = { type: EVENT[event], bytes, start: 0, end: bytes.length };
      assert.throws(
        () => foldRecord(bench.overlay(), record, FULL),
        SpliceError,
        `${event} ${JSON.stringify(d)}`,
      );
    }
  });

  test('never numbers a frame below 1', () => {
    const { bench } = openGuild(LEAN);
    assert.deepEqual(
      bench.frames(1).map(({ s }) => s),
      [1, 1],
    );
  });
});
