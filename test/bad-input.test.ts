// What may come in and is wrong, from both sides, against real processes: handlers that break every rule, and a
// Discord that talks nonsense. Each wrong thing gets its answer; nobody else notices, and nothing is spent.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Sim, startSim } from '../sim/sim.ts';
import { judge } from '../sim/verdict.ts';
import { INTENTS } from '../src/wire/intents.ts';
import { OP } from '../src/wire/opcode.ts';
import { type FakeGateway, startFakeGateway } from './fake-gateway.ts';
import {
  type BotProcess,
  createBot,
  freePort,
  type HoldfastProcess,
  startHoldfast,
  truthOf,
  waitFor,
} from './processes.ts';
import { connectHandler, exchangeBytes, type RawHandler, sendAndEnd } from './raw-handler.ts';

const SPACING = { HOLDFAST_IDENTIFY_SPACING: '50ms' };
const KIB = 1024;

describe('a handler that breaks the rules', () => {
  let folder: string;
  let sim: Sim;
  let holdfast: HoldfastProcess;
  let bot: BotProcess;
  let daemonPid: number;
  let restRequests: number;

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-bad-input-'));
    sim = await startSim({ identifyIntervalMs: 40, seed: 5 });
    holdfast = startHoldfast({
      api: `${sim.restUrl}/api`,
      token: sim.token,
      stateDir: path.join(folder, 'state'),
      port: await freePort(),
      settings: SPACING,
    });
    bot = createBot({ api: holdfast.api, token: sim.token, witnessFile: path.join(folder, 'witness') });
    daemonPid = await holdfast.daemonPid();
    bot.start();
    await waitFor('the good bot to be ready', () => bot.isReady());
    restRequests = sim.control.state().counters.restRequests;
    sim.control.crowd.start({ eventsPerSecond: 500, mix: { message: 1 } });
  });
  after(async () => {
    await bot?.kill();
    await holdfast?.stop();
    await sim?.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const identify = (fields: Record<string, unknown>): string =>
    JSON.stringify({
      op: OP.IDENTIFY,
      d: { token: sim.token, intents: INTENTS.GUILDS, shard: [0, 1], properties: {}, ...fields },
    });
  const resume = (fields: Record<string, unknown>): string =>
    JSON.stringify({ op: OP.RESUME, d: { token: sim.token, session_id: 'x', seq: 1, ...fields } });
  const isClosed = async (frame: string | Buffer, code: number, reason: RegExp): Promise<void> => {
    const ended = await sendAndEnd(holdfast.port, frame);
    const shown = frame.toString().slice(0, 60);
    assert.equal(ended.code, code, `${shown}: closed with ${ended.code} ${ended.reason}`);
    assert.match(ended.reason, reason, shown);
  };

  it('is closed with 4002 for what is no message', async () => {
    await isClosed('{"op":1,"d":', 4002, /not valid JSON/);
    for (const text of ['[]', 'null', '"op"', '5', '{}', '{"op":"2","d":{}}', '{"op":1.5}'])
      await isClosed(text, 4002, /expected an object with an integer op/);
    await isClosed(Buffer.from('{"op":1,"d":null}'), 4002, /text frame, got a binary frame/);
    for (const op of [OP.IDENTIFY, OP.RESUME, OP.PRESENCE_UPDATE, OP.REQUEST_GUILD_MEMBERS])
      for (const d of ['null', '[]', '"d"']) await isClosed(`{"op":${op},"d":${d}}`, 4002, /needs an object/);
  });

  it('is closed for messages that are too large, whatever their size', async () => {
    const padded = (bytes: number): string => JSON.stringify({ op: OP.HEARTBEAT, d: 'x'.repeat(bytes) });
    await isClosed(padded(20 * KIB), 4002, /20\d{3} bytes, at most 15360/);
    // WebSocket's own code for "too big"; the frame is never held in memory.
    await isClosed(padded(2 * KIB * KIB), 1009, /^/);
  });

  it('is closed with 4001 for an unknown op, and with 4003 for a command before IDENTIFY', async () => {
    for (const op of [0, 5, 7, 10, 11, 99, -1]) await isClosed(`{"op":${op},"d":{}}`, 4001, /Unknown opcode/);
    const presence = { since: null, activities: [], status: 'online', afk: false };
    await isClosed(JSON.stringify({ op: OP.PRESENCE_UPDATE, d: presence }), 4003, /IDENTIFY or RESUME first/);
    const voice = { guild_id: '100000000000000001', channel_id: null, self_mute: false, self_deaf: false };
    await isClosed(JSON.stringify({ op: OP.VOICE_STATE_UPDATE, d: voice }), 4003, /IDENTIFY or RESUME first/);
  });

  it('is closed with 4004 for a wrong token', async () => {
    for (const token of [undefined, null, 5, '', 'x', `${sim.token}x`, 'x'.repeat(5_000)]) {
      await isClosed(identify({ token }), 4004, /Authentication failed/);
      await isClosed(resume({ token }), 4004, /Authentication failed/);
    }
  });

  it('is closed with 4010 for another shard, and told which there are', async () => {
    await isClosed(identify({ shard: [0, 2] }), 4010, /asked for 2; set its shard count to 1$/);
    await isClosed(identify({ shard: [1, 1] }), 4010, /id 1 is not in 0\.\.0/);
    await isClosed(identify({ shard: [-1, 1] }), 4010, /id -1/);
    for (const shard of ['0,1', [0], [0, 1, 2], [0.5, 1], ['0', '1']])
      await isClosed(identify({ shard }), 4010, /expected \[id, count\]/);
  });

  it('is closed with 4013 for intents that do not exist, and with 4014 for more than Holdfast has', async () => {
    for (const intents of [1 << 17, 2 ** 40, -1, 1.5, '513', null, undefined, [1]])
      await isClosed(identify({ intents }), 4013, /documented bits/);
    await isClosed(
      identify({ intents: INTENTS.GUILDS | INTENTS.DIRECT_MESSAGES }),
      4014,
      /add to "intents", then holdfast reidentify --yes: DIRECT_MESSAGES$/,
    );
  });

  it('is closed with 4007 for a seq that is none, and told to identify for a session that is none', async () => {
    for (const seq of [-1, 'x', null, 2 ** 32]) await isClosed(resume({ seq }), 4007, /last s received/);
    await isClosed(resume({ session_id: 5 }), 4002, /session_id/);
    const handler = await connectHandler(holdfast.port);
    handler.socket.send(resume({}));
    await waitFor('op 9', () => handler.received.find(({ op }) => op === OP.INVALID_SESSION));
    handler.socket.terminate();
  });

  it('is closed for a version or an encoding that Holdfast does not speak', async () => {
    const endOf = async (query: string) => (await connectHandler(holdfast.port, query)).ended;
    assert.deepEqual(await endOf('?v=6'), {
      code: 4012,
      reason: 'Invalid API version: 6; Holdfast speaks 9 and 10',
    });
    assert.match((await endOf('?v=10&encoding=etf')).reason, /encoding=json/);
  });

  it('is answered with 400 for bytes that are no HTTP, and cut for none', async () => {
    const status = async (bytes: string | Buffer): Promise<string> =>
      (await exchangeBytes(holdfast.port, bytes)).slice(0, 'HTTP/1.1 400'.length);
    for (const bytes of [
      'no HTTP\r\n\r\n',
      Buffer.from('160301020001000001fc0303', 'hex'),
      '\0\0\0\0',
      'GET / HTTP/1.1\r\n\r\n',
    ])
      assert.equal(await status(bytes), 'HTTP/1.1 400', JSON.stringify(bytes.toString('latin1' as never)));
    const header = `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100 * KIB)}\r\n\r\n`;
    assert.equal(await status(header), 'HTTP/1.1 431');
    const upgrade = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n';
    assert.equal(await status(`${upgrade}\r\n`), 'HTTP/1.1 400');
    const versioned = `${upgrade}sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 7\r\n\r\n`;
    assert.equal(await status(versioned), 'HTTP/1.1 400');
    // Frames that break RFC 6455: not masked, reserved bits.
    const accepted = versioned.replace('version: 7', 'version: 13');
    for (const frame of ['810100', 'f10100']) {
      const answer = await exchangeBytes(
        holdfast.port,
        Buffer.concat([Buffer.from(accepted), Buffer.from(frame, 'hex')]),
      );
      assert.match(answer, /^HTTP\/1\.1 101/);
      assert.ok(answer.includes('\x88\x02\x03\xea'), 'closed with 1002');
    }
  });

  it('gets no request through to Discord with a wrong token, too much body, or a tricky path', async () => {
    const request = async (line: string, headers: string[] = [], body = '') => {
      const head = [`${line} HTTP/1.1`, 'host: x', 'connection: close', ...headers];
      const answer = await exchangeBytes(holdfast.port, `${head.join('\r\n')}\r\n\r\n${body}`);
      return { status: Number(answer.slice(9, 12)), answer };
    };
    const authorised = `authorization: Bot ${sim.token}`;
    for (const credential of [
      '',
      'authorization: Bot x.y.z',
      `authorization: ${sim.token}`,
      'authorization: Bot',
    ]) {
      const { status, answer } = await request('GET /api/v10/users/@me', credential ? [credential] : []);
      assert.equal(status, 401, credential);
      assert.match(
        answer,
        /content-type: application\/json\r\n.*\{"message":"401: Unauthorized","code":0\}$/is,
      );
    }
    const large = await request(
      'POST /api/v10/channels/1/messages',
      [authorised, `content-length: ${33 * KIB * KIB}`],
      '{',
    );
    assert.equal(large.status, 413);
    assert.match(large.answer, /larger than 32 MiB/);
    const tricks: Array<[target: string, status: number]> = [
      ['/', 404],
      ['/apis/v10/users/@me', 404],
      ['/api/v10/../oauth2/token', 400],
      ['/api/v10/%2e%2E/users', 400],
      ['/api/v10/users/./@me', 400],
      ['/api/v10//users/@me', 404],
      ['/api/v10/users%2f@me', 400],
      ['/api/v10/users%5c@me', 400],
      ['/api/v10/users\\@me', 400],
      ['/api/v10/users/%zz', 400],
      ['/api/v10/users/@me?a=#b', 400],
      ['http://elsewhere.invalid/api/v10/users/@me', 400],
    ];
    for (const [target, status] of tricks) {
      const { status: found, answer } = await request(`GET ${target}`, [authorised]);
      assert.equal(found, status, `${target}: ${answer}`);
      assert.match(answer, /\{"message":"[^"]+/, target);
    }
    assert.equal((await request('TRACE /api/v10/users/@me', [authorised])).status, 405);
    assert.equal((await request('POST /api/v10/gateway/bot', [authorised])).status, 405);
    assert.equal(sim.control.state().counters.restRequests, restRequests, 'Discord was asked nothing');
  });

  it('disturbed nobody: not the good bot, not its session, not the daemon', async () => {
    sim.control.crowd.stop();
    await waitFor('the good bot to have everything', async () => {
      const { handlers } = await holdfast.status();
      return handlers.length === 1 && handlers[0]?.state === 'live' && handlers[0].lag === 0;
    });
    const { counters, sessions } = sim.control.state();
    assert.equal(counters.identifies, 1);
    assert.deepEqual(counters.resumes, { ok: 0, failed: 0 });
    assert.equal(counters.connections, 1);
    assert.equal(sessions.filter(({ attached }) => attached).length, 1);
    assert.equal(await holdfast.daemonPid(), daemonPid);
    const witnessed = bot.witnessed();
    assert.equal(
      witnessed.filter(({ t }) => t === 'READY' || t === 'RESUMED').length,
      1,
      'one READY, no RESUMED',
    );
    const verdict = judge(truthOf(sim), witnessed, holdfast.redelivered());
    assert.deepEqual(verdict.findings, []);
    assert.ok(verdict.delivered > 100, `${verdict.delivered} events were delivered meanwhile`);
    assert.deepEqual(
      holdfast.lines.filter(({ level }) => level === 'warn' || level === 'error'),
      [],
      'and the log has no word to say',
    );
  });
});

describe('a Discord that talks nonsense', () => {
  let folder: string;
  let gateway: FakeGateway;
  let holdfast: HoldfastProcess;
  let handler: RawHandler;

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-nonsense-'));
    gateway = await startFakeGateway();
    holdfast = startHoldfast({
      api: gateway.api,
      token: gateway.token,
      stateDir: path.join(folder, 'state'),
      port: await freePort(),
      settings: { ...SPACING, HOLDFAST_COMPRESSION: 'none' },
    });
    await holdfast.daemonPid();
    handler = await connectHandler(holdfast.port);
    const { token } = gateway;
    handler.send({ op: OP.IDENTIFY, d: { token, intents: INTENTS.GUILD_MESSAGES, properties: {} } });
    await waitFor('READY', () => handler.received.find(({ t }) => t === 'READY'));
  });
  after(async () => {
    handler?.socket.terminate();
    await holdfast?.stop();
    await gateway?.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it('is counted and otherwise ignored; what can be understood is journaled and delivered', async () => {
    const daemonPid = await holdfast.daemonPid();
    const wrong = [
      '{"t":"MESSAGE_CREATE","s":2,"op":0,"d":{"content":',
      'no JSON',
      '',
      '[]',
      '5',
      'null',
      '"op"',
      '{"op":"0","d":{}}',
      '{"t":null,"s":null,"op":99,"d":null}',
      '{"t":null,"s":null,"op":2,"d":{}}',
      '{"t":"MESSAGE_CREATE","s":99999999999,"op":0,"d":{}}',
      '{"t":"MESSAGE_CREATE","s":null,"op":0,"d":{}}',
      '{"t":"READY","s":2,"op":0,"d":{}}',
    ];
    for (const text of wrong) gateway.send(text);
    gateway.send('{"op":0,"d":{"content":"odd"},"s":2,"t":"MESSAGE_CREATE"}');
    gateway.send(' { "t": "MESSAGE_CREATE", "s": 3, "op": 0, "d": { "content": "spaced" } } ');
    gateway.send('{"t":"EVENT_OF_TOMORROW","s":4,"op":0,"d":{"a":1}}');
    for (const text of wrong) gateway.send(text);
    gateway.send('{"t":"MESSAGE_CREATE","s":5,"op":0,"d":{"content":"plain"}}');

    const expected = [
      { op: 0, t: 'MESSAGE_CREATE', s: 2, d: { content: 'odd' } },
      { op: 0, t: 'MESSAGE_CREATE', s: 3, d: { content: 'spaced' } },
      { op: 0, t: 'EVENT_OF_TOMORROW', s: 4, d: { a: 1 } },
      { op: 0, t: 'MESSAGE_CREATE', s: 5, d: { content: 'plain' } },
    ];
    const eventsOf = (from: RawHandler) => from.received.filter(({ s }) => s !== null && s > 1);
    await waitFor('the last event', () => eventsOf(handler).length === expected.length);
    assert.deepEqual(eventsOf(handler), expected);

    const { totals, shards } = await holdfast.status();
    assert.equal(totals.malformed, 2 * wrong.length);
    assert.equal(totals.lost, 0);
    assert.deepEqual(
      shards.map(({ phase, s, identifies, resumes, reconnects }) => ({
        phase,
        s,
        identifies,
        resumes,
        reconnects,
      })),
      [{ phase: 'live', s: 5, identifies: 1, resumes: 0, reconnects: 0 }],
    );
    assert.equal(await holdfast.daemonPid(), daemonPid);

    // Once more, from the journal: the handler loses its connection and resumes behind its READY.
    const ready = handler.received.find(({ t }) => t === 'READY')!;
    const { session_id } = ready.d as { session_id: string };
    handler.socket.terminate();
    handler = await connectHandler(holdfast.port);
    handler.send({ op: OP.RESUME, d: { token: gateway.token, session_id, seq: ready.s } });
    await waitFor('RESUMED', () => handler.received.find(({ t }) => t === 'RESUMED'));
    assert.deepEqual(
      eventsOf(handler).filter(({ t }) => t !== 'RESUMED'),
      expected,
    );
    assert.deepEqual(
      gateway.received.filter((op) => op !== OP.HEARTBEAT),
      [OP.IDENTIFY],
    );
  });
});
