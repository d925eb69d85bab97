import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRoute } from './route.ts';

function accepted(method: string, target: string) {
  const route = parseRoute(method, target);
  assert.ok('kind' in route, `${target} was refused: ${JSON.stringify(route)}`);
  return route;
}

function refused(method: string, target: string | undefined): number {
  const route = parseRoute(method, target);
  assert.ok('status' in route, `${target} was accepted`);
  return route.status;
}

describe('rest route', () => {
  it('keeps the version, the path and the query as they came', () => {
    assert.deepEqual(accepted('GET', '/api/v10/channels/1/messages?limit=5&around=7'), {
      method: 'GET',
      version: 'v10',
      path: '/channels/1/messages',
      query: '?limit=5&around=7',
      kind: 'bot',
    });
    assert.equal(accepted('GET', '/api/v9/users/@me').version, 'v9');
    assert.equal(accepted('GET', '/api/users/@me').version, '');
    const emoji = '/channels/1/messages/2/reactions/%F0%9F%8E%B2/@me';
    assert.equal(accepted('PUT', `/api/v10${emoji}`).path, emoji);
    assert.equal(accepted('PUT', '/api/v10/channels/1/messages/2/reactions/dice:3/@me').kind, 'bot');
  });

  it('knows the routes that are answered here, with and without a version', () => {
    assert.equal(accepted('GET', '/api/v10/gateway').kind, 'gateway');
    assert.equal(accepted('GET', '/api/gateway').kind, 'gateway');
    assert.equal(accepted('GET', '/api/v10/gateway/bot').kind, 'gateway-bot');
    assert.equal(accepted('GET', '/api/v10/gateway/bots').kind, 'bot');
  });

  it('knows the routes whose path is their credential', () => {
    assert.equal(
      accepted('POST', '/api/v10/interactions/1/aW50/callback?with_response=true').kind,
      'token-in-path',
    );
    assert.equal(accepted('PATCH', '/api/v10/webhooks/1/tok/messages/@original').kind, 'token-in-path');
    assert.equal(accepted('POST', '/api/v10/webhooks/1/tok').kind, 'token-in-path');
    assert.equal(accepted('GET', '/api/v10/webhooks/1').kind, 'bot');
    assert.equal(accepted('GET', '/api/v10/channels/1/webhooks').kind, 'bot');
  });

  it('refuses targets that could mean something else to Discord', () => {
    for (const target of [
      '/api/v10/../oauth2',
      '/api/v10/channels/./1',
      '/api/v10/channels/%2e%2E/1',
      '/api/v10/channels/.%2e',
      '/api/v10/channels%2F1',
      '/api/v10/channels\\1',
      '/api/v10/channels%5c1',
      '/api/v10/channels/1#x',
      '/api/v10/channels/1?a=#x',
      '/api/v10/channels/1 2',
      '/api/v10/channels/%zz',
      '/api/v10/channels/\u00e9',
      'http://discord.com/api/v10/users/@me',
      '*',
      '',
      undefined,
    ]) {
      assert.equal(refused('GET', target), 400, String(target));
    }
  });

  it('answers 404 outside /api and for empty parts of a path', () => {
    for (const target of ['/', '/api', '/api/', '/apix/v10/users', '/v10/users/@me', '/api/v10//users']) {
      const route = parseRoute('GET', target);
      // `/api/` alone has an empty path, which Discord itself answers.
      if (target === '/api/') assert.ok('kind' in route);
      else assert.equal(refused('GET', target), 404, target);
    }
  });

  it('answers 405 to methods that Discord does not have', () => {
    for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'get'])
      assert.equal(refused(method, '/api/v10/users/@me'), 405);
    assert.equal(refused('POST', '/api/v10/gateway/bot'), 405);
  });
});
