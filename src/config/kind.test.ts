import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  address,
  duration,
  formatDuration,
  formatSize,
  integer,
  intents,
  isLoopback,
  size,
  url,
} from './kind.ts';
import { nearest } from './nearest.ts';

const anyDuration = duration({ leastMs: 0, mostMs: Number.MAX_SAFE_INTEGER });
const anySize = size({ leastBytes: 0, mostBytes: Number.MAX_SAFE_INTEGER });

function refuses(schema: { safeParse(raw: unknown): { success: boolean } }, raws: readonly unknown[]): void {
  for (const raw of raws) assert.equal(schema.safeParse(raw).success, false, JSON.stringify(raw));
}

describe('kinds of settings', () => {
  it('reads durations with their unit, and no others', () => {
    const read = (text: string) => anyDuration.schema.parse(text);
    assert.equal(read('250ms'), 250);
    assert.equal(read('5.25s'), 5250);
    assert.equal(read('30 m'), 1_800_000);
    assert.equal(read('2h'), 7_200_000);
    assert.equal(read('1d'), 86_400_000);
    refuses(anyDuration.schema, [30, '30', '-1s', '1h30m', '5 parsecs', '', 'ms', null, true, '1e3s', '5S']);
  });

  it('reads sizes with their unit, or as bytes', () => {
    const read = (raw: unknown) => anySize.schema.parse(raw);
    assert.equal(read('512MiB'), 536_870_912);
    assert.equal(read('1.5GiB'), 1_610_612_736);
    assert.equal(read('2GB'), 2_000_000_000);
    assert.equal(read('4096'), 4096);
    assert.equal(read(4096), 4096);
    refuses(anySize.schema, ['512mib', '1.5', 1.5, -1, '', 'GiB', null, Number.POSITIVE_INFINITY]);
  });

  it('writes every duration and size so that it reads the same again', () => {
    fc.assert(fc.property(fc.nat(1e12), (ms) => anyDuration.schema.parse(formatDuration(ms)) === ms));
    fc.assert(fc.property(fc.nat(1e15), (bytes) => anySize.schema.parse(formatSize(bytes)) === bytes));
  });

  it('keeps numbers within their bounds', () => {
    const { schema } = integer({ least: 1, most: 9 });
    assert.equal(schema.parse('9'), 9);
    refuses(schema, [0, 10, '10', 1.5, '1.5', 'x', '', true, null, '0x1']);
  });

  it('reads addresses', () => {
    const read = (text: string) => address.schema.parse(text);
    assert.deepEqual(read('localhost:0'), { host: 'localhost', port: 0 });
    assert.deepEqual(read('[fe80::1]:80'), { host: 'fe80::1', port: 80 });
    assert.equal(address.format(read('[::1]:4600')), '[::1]:4600');
    refuses(address.schema, [
      '4600',
      ':4600',
      'host',
      'host:',
      'host:65536',
      '::1:4600',
      'a b:1',
      'http://x:1',
      4600,
    ]);
  });

  it('reads URLs without query, and without their last slash', () => {
    const { schema } = url({ schemes: ['https'], example: '' });
    assert.equal(schema.parse('https://discord.com/api/'), 'https://discord.com/api');
    refuses(schema, [
      'http://discord.com',
      'discord.com',
      'https://x/?v=10',
      'https://x/#y',
      'https://u:p@x',
      5,
    ]);
  });

  it('reads intents in every form', () => {
    const read = (raw: unknown) => intents.schema.parse(raw);
    assert.equal(read('auto'), 'auto');
    assert.equal(read(513), 513);
    assert.equal(read('513'), 513);
    assert.equal(read('guilds, GUILD_MESSAGES'), 513);
    assert.equal(read(['GUILDS']), 1);
    assert.equal(intents.format(513), 'GUILDS, GUILD_MESSAGES');
    refuses(intents.schema, ['nonsense', -1, 2 ** 40, null, {}, [5]]);
  });

  it('knows which hosts are this machine', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1', '[::1]'])
      assert.ok(isLoopback(host), host);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.1.example.org', '']) {
      assert.ok(!isLoopback(host), host);
    }
  });
});

describe('nearest name', () => {
  const names = ['journal.max_bytes', 'journal.max_age', 'listen', 'log.level', 'shards'];

  it('finds what was meant, whatever the spelling', () => {
    assert.equal(nearest('journal.maxBytes', names), 'journal.max_bytes');
    assert.equal(nearest('journal-max-age', names), 'journal.max_age');
    assert.equal(nearest('lissten', names), 'listen');
    assert.equal(nearest('loglevel', names), 'log.level');
  });

  it('finds nothing when nothing is near', () => {
    assert.equal(nearest('workers', names), undefined);
    assert.equal(nearest('x', names), undefined);
  });
});
