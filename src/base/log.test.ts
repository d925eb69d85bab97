import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLog, type Log, type LogLevel, redact } from './log.ts';

// Token-shaped and of nobody: random characters in the shape of the protocol reference, section 12.1.
const ID_PART = Buffer.from('198622483471925248').toString('base64url');
const TOKENS = [
  `${ID_PART}.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs`,
  `${ID_PART}.GwX-_1.${'aB3-_'.repeat(7)}xyz`,
  `${Buffer.from('1298622483471925248').toString('base64url')}.Gabcde.${'Q'.repeat(38)}`,
];

function recordingLog(level: LogLevel = 'debug'): { log: Log; lines: string[] } {
  const lines: string[] = [];
  return { log: createLog({ level, now: () => 0, write: (line) => lines.push(line) }), lines };
}

describe('log', () => {
  test('a line is one JSON object with time, level, event, text and fields', () => {
    const { log, lines } = recordingLog();
    log.warn('shard.resumed', { shard: 3, replayed: 12 }, 'a sentence\nof two lines');
    assert.equal(lines.length, 1);
    assert.ok(!lines[0]!.includes('\n'));
    assert.deepEqual(JSON.parse(lines[0]!), {
      time: '1970-01-01T00:00:00.000Z',
      level: 'warn',
      event: 'shard.resumed',
      text: 'a sentence\nof two lines',
      shard: 3,
      replayed: 12,
    });
  });

  test('lines below the level are dropped', () => {
    const { log, lines } = recordingLog('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { event: string }).event),
      ['c', 'd'],
    );
  });

  test('a child carries its fields and its parents’, and its own win', () => {
    const { log, lines } = recordingLog();
    log.child({ shard: 1, node: 'a' }).child({ shard: 2 }).info('x', { n: 1 });
    const { shard, node, n } = JSON.parse(lines[0]!) as Record<string, unknown>;
    assert.deepEqual({ shard, node, n }, { shard: 2, node: 'a', n: 1 });
  });

  test('a token never leaves, wherever in a line it is', () => {
    for (const token of TOKENS) {
      const { log, lines } = recordingLog();
      const secret = token.slice(token.indexOf('.') + 1);
      log.error(
        'x',
        { header: `Bot ${token}`, nested: { list: [token, `a ${token}, ${token}b`] } },
        `got ${token}!`,
      );
      log
        .child({ token })
        .info('x', { [token]: 1, url: `wss://host/?token=${token}&v=10`, quoted: `"${token}"` });
      for (const line of lines) {
        assert.ok(!line.includes(secret), line);
        assert.ok(!line.includes(secret.split('.')[1]!), line);
        JSON.parse(line);
      }
      assert.match(lines[0]!, /\[secret\]/);
    }
  });

  test('what only looks a little like a token stays', () => {
    const harmless = [
      'gateway-us-east1-b.discord.gg',
      '2026-11-24T21:05:00.000Z',
      'shard.resumed 1.2.3 node v26.10.0',
      '198622483471925248',
      '10.0.0.1:8080',
    ];
    for (const text of harmless) assert.equal(redact(text), text);
  });
});
