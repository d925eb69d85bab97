// The REST routes without sockets, by protocol reference 9, 10 and 13.6.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryDiscord } from '../memory-client.ts';

describe('REST', () => {
  it('answers as Discord dresses its answers', () => {
    const { rest } = createMemoryDiscord();
    const { headers, status } = rest('GET', '/users/@me');
    assert.equal(status, 200);
    assert.equal(headers['Content-Type'], 'application/json');
    assert.equal(headers['Via'], '1.1 google');
    assert.ok(Date.parse(headers['Date']!) > 0);
    for (const name of ['Limit', 'Remaining', 'Reset', 'Reset-After', 'Bucket'])
      assert.ok(headers[`X-RateLimit-${name}`], name);
  });

  it('hands out the gateway, with the budget for bots', () => {
    const { rest } = createMemoryDiscord({ shards: 7, maxConcurrency: 3 });
    assert.deepEqual(rest('GET', '/gateway', undefined, null).json, { url: 'ws://gateway.invalid' });
    assert.deepEqual(rest('GET', '/gateway/bot').json, {
      url: 'ws://gateway.invalid',
      session_start_limit: { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 3 },
      shards: 7,
    });
  });

  it('refuses a missing or wrong token with the body Discord uses', () => {
    const { rest } = createMemoryDiscord();
    for (const authorization of [null, 'Bot wrong', 'Bearer x']) {
      const { status, json } = rest('GET', '/users/@me', undefined, authorization);
      assert.deepEqual([status, json], [401, { message: '401: Unauthorized', code: 0 }]);
    }
  });

  const notFound: Array<[method: string, path: string, status: number, code: number]> = [
    ['GET', '/nowhere', 404, 0],
    ['PUT', '/users/@me', 405, 0],
    ['GET', '/channels/1', 404, 10003],
    ['POST', '/channels/1/messages', 404, 10003],
    ['GET', '/guilds/1', 404, 10004],
    ['GET', '/users/1', 404, 10013],
    ['POST', '/interactions/1/2/callback', 404, 10062],
    ['POST', '/webhooks/1/2', 404, 10015],
  ];
  for (const [method, path, status, code] of notFound) {
    it(`answers ${method} ${path} with ${status} and code ${code}`, () => {
      const answer = createMemoryDiscord().rest(method, path, {});
      assert.deepEqual([answer.status, answer.json.code], [status, code]);
    });
  }

  it('creates, edits, reads, reacts to and deletes messages, and each is dispatched', () => {
    const { rest, ready, discord } = createMemoryDiscord({ guilds: 1 });
    const client = ready();
    const path = `/channels/${discord.control.guilds()[0]!.textChannelId}/messages`;
    const { json: message } = rest('POST', path, { content: 'one', nonce: '5' });
    assert.equal(rest('PATCH', `${path}/${message.id}`, { content: 'two' }).json.content, 'two');
    assert.equal(rest('PUT', `${path}/${message.id}/reactions/${encodeURIComponent('✂️')}/@me`).status, 204);
    assert.equal(rest('GET', `${path}/${message.id}`).json.reactions[0].emoji.name, '✂️');
    assert.equal(rest('GET', path).json[0].id, message.id);
    assert.equal(rest('DELETE', `${path}/${message.id}`).status, 204);
    assert.equal(rest('DELETE', `${path}/${message.id}`).json.code, 10008);
    const [created, updated, reaction, deleted] = client.take();
    assert.deepEqual([created?.t, created?.d.content, created?.d.nonce], ['MESSAGE_CREATE', 'one', '5']);
    assert.deepEqual([updated?.t, updated?.d.content], ['MESSAGE_UPDATE', 'two']);
    assert.deepEqual([reaction?.t, reaction?.d.emoji.name], ['MESSAGE_REACTION_ADD', '✂️']);
    assert.deepEqual([deleted?.t, deleted?.d.id], ['MESSAGE_DELETE', message.id]);
  });

  it('refuses empty and too long messages', () => {
    const { rest, discord } = createMemoryDiscord();
    const path = `/channels/${discord.control.guilds()[0]!.textChannelId}/messages`;
    assert.equal(rest('POST', path, { content: '' }).json.code, 50006);
    const long = rest('POST', path, { content: 'x'.repeat(2001) });
    assert.deepEqual([long.status, long.json.code], [400, 50035]);
    assert.equal(long.json.errors.content._errors[0].code, 'BASE_TYPE_MAX_LENGTH');
  });

  it('answers 429 when a bucket is empty, and the next window lets through', () => {
    const { rest, discord, clock } = createMemoryDiscord();
    const path = `/channels/${discord.control.guilds()[0]!.textChannelId}/messages`;
    for (let i = 0; i < 5; i++) assert.equal(rest('POST', path, { content: 'x' }).status, 200);
    const refused = rest('POST', path, { content: 'x' });
    assert.equal(refused.status, 429);
    assert.deepEqual(Object.keys(refused.json), ['message', 'retry_after', 'global']);
    assert.match(refused.headers['Retry-After']!, /^\d+$/);
    assert.equal(refused.headers['X-RateLimit-Scope'], 'user');
    clock.advance(5000);
    assert.equal(rest('POST', path, { content: 'x' }).status, 200);
  });

  it('counts all routes together into the global limit, but not interaction callbacks', () => {
    const { rest, discord } = createMemoryDiscord({ restGlobalPerSecond: 10 });
    const [a, b] = discord.control.guilds();
    for (let i = 0; i < 5; i++) {
      rest('GET', `/guilds/${a!.id}`);
      rest('GET', `/guilds/${b!.id}`);
    }
    const refused = rest('GET', '/users/@me');
    assert.deepEqual([refused.status, refused.json.global], [429, true]);
    assert.equal(refused.headers['X-RateLimit-Global'], 'true');
    const { id, token } = discord.control.useCommand({ name: 'roll', options: { dice: '1d6' } });
    assert.equal(rest('POST', `/interactions/${id}/${token}/callback`, { type: 5 }, null).status, 204);
  });

  it('registers commands, globally and for a guild', () => {
    const { rest, discord } = createMemoryDiscord();
    const base = `/applications/${discord.options.applicationId}`;
    assert.deepEqual(
      rest('GET', `${base}/commands`).json.map(({ name }: { name: string }) => name),
      ['roll'],
    );
    const [one, two] = rest('PUT', `${base}/commands`, [
      { name: 'roll', description: 'a' },
      { name: 'help', description: 'b' },
    ]).json;
    assert.deepEqual([one.name, two.name, one.type], ['roll', 'help', 1]);
    const guildId = discord.control.guilds()[0]!.id;
    const posted = rest('POST', `${base}/guilds/${guildId}/commands`, { name: 'here', description: 'c' });
    assert.deepEqual([posted.status, posted.json.guild_id], [201, guildId]);
    assert.equal(rest('PUT', `${base}/commands`, [{ description: 'nameless' }]).json.code, 50035);
    assert.equal(rest('DELETE', `${base}/commands/${two.id}`).status, 204);
    assert.throws(() => discord.control.useCommand({ name: 'help' }), /no such command/);
  });
});

describe('interactions', () => {
  const used = (overrides: Parameters<typeof createMemoryDiscord>[0] = {}) => {
    const memory = createMemoryDiscord({ guilds: 1, ...overrides });
    const client = memory.ready();
    const order = { name: 'roll', options: { dice: '3d6' } };
    const { id, token } = memory.discord.control.useCommand(order);
    const [received] = client.take();
    const hook = `/webhooks/${memory.discord.options.applicationId}/${token}`;
    const answer = (body: unknown, query = '') =>
      memory.rest('POST', `/interactions/${id}/${token}/callback${query}`, body, null);
    return { ...memory, client, id, token, hook, answer, received };
  };

  it('reach the bot with all their fields', () => {
    const { received, id, token, discord } = used();
    assert.equal(received?.t, 'INTERACTION_CREATE');
    assert.deepEqual([received?.d.id, received?.d.token], [id, token]);
    assert.deepEqual(received?.d.data.options, [{ value: '3d6', type: 3, name: 'dice' }]);
    for (const field of 'application_id type guild_id channel_id member version app_permissions locale entitlements authorizing_integration_owners attachment_size_limit'.split(
      ' ',
    ))
      assert.notEqual(received?.d[field], undefined, field);
    assert.equal(received?.d.application_id, discord.options.applicationId);
  });

  it('are answered with a message, once', () => {
    const { answer, client, hook, rest } = used();
    const first = answer({ type: 4, data: { content: 'rolled 11' } }, '?with_response=true');
    assert.equal(first.json.resource.message.content, 'rolled 11');
    assert.deepEqual([client.take()[0]?.t], ['MESSAGE_CREATE']);
    const second = answer({ type: 4, data: { content: 'again' } });
    assert.deepEqual([second.status, second.json.code], [400, 40060]);
    assert.equal(rest('GET', `${hook}/messages/@original`, undefined, null).json.content, 'rolled 11');
    assert.equal(rest('DELETE', `${hook}/messages/@original`, undefined, null).status, 204);
    assert.deepEqual([client.take()[0]?.t], ['MESSAGE_DELETE']);
  });

  it('are lost after three seconds', () => {
    const { answer, clock, discord } = used();
    clock.advance(3001);
    const late = answer({ type: 4, data: { content: 'late' } });
    assert.deepEqual([late.status, late.json.code], [404, 10062]);
    assert.equal(discord.control.state().counters.interactionsLate, 1);
  });

  it('may be deferred; the first follow-up becomes the answer, for fifteen minutes', () => {
    const { answer, client, hook, rest, clock } = used();
    assert.equal(answer({ type: 5 }).status, 204);
    assert.equal(client.take()[0]?.d.flags, 128);
    clock.advance(60_000);
    const { json } = rest('PATCH', `${hook}/messages/@original`, { content: 'done' }, null);
    assert.deepEqual([json.content, json.flags], ['done', 0]);
    assert.equal(client.take()[0]?.t, 'MESSAGE_UPDATE');
    assert.equal(rest('POST', hook, { content: 'and more' }, null).json.content, 'and more');
    clock.advance(900_000);
    assert.equal(rest('POST', hook, { content: 'too late' }, null).json.code, 50027);
  });

  it('answered ephemerally are dispatched as direct messages, without a guild', () => {
    const { answer, client } = used();
    answer({ type: 4, data: { content: 'psst', flags: 64 } });
    const [message] = client.take();
    assert.equal(message?.t, 'MESSAGE_CREATE');
    assert.deepEqual(['guild_id' in message!.d, 'member' in message!.d], [false, false]);
  });

  it('refuse an answer of a kind they cannot take', () => {
    const { answer } = used();
    assert.equal(answer({ type: 8, data: { choices: [] } }).json.code, 50035);
    assert.equal(answer({ type: 5 }).status, 204);
  });
});
