// The configuration from outside: sources in, a config or a list of mistakes out. Each test has a folder of its
// own; nothing is read from the machine's real environment.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { OperatingError } from '../base/errors.ts';
import {
  describeConfig,
  loadConfig,
  readSettings,
  SETTING_NAMES,
  type Sources,
  settingOf,
} from './config.ts';

const BOT_ID = '100000000000000001';
const TOKEN = `${Buffer.from(BOT_ID).toString('base64url')}.Gtest0.not-a-real-token-not-a-real-token-00`;

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-config-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

function sources(given: Partial<Sources> = {}): Sources {
  return { flags: {}, environment: { DISCORD_TOKEN: TOKEN }, cwd: folder, home: '/home/nobody', ...given };
}

function writeFile(text: string, name = 'holdfast.yaml'): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** The lines of the error that loading must end with, without their header. */
function mistakesOf(given: Sources): string[] {
  try {
    loadConfig(given);
  } catch (error) {
    assert.ok(error instanceof OperatingError);
    assert.equal(error.code, 'CONFIG_INVALID', error.message);
    return error.message.split('\n  ').slice(1);
  }
  assert.fail('expected mistakes, found none');
}

describe('config', () => {
  it('needs only a token', () => {
    const { config, warnings } = loadConfig(sources());
    assert.deepEqual(config.listen, { host: '127.0.0.1', port: 4600 });
    assert.equal(config.stateDir, '/home/nobody/.local/state/holdfast');
    assert.equal(config.shards, 'auto');
    assert.equal(config.intents, 'auto');
    assert.equal(config.identifySpacingMs, 5250);
    assert.equal(config.journalMaxBytes, 2 * 1024 ** 3);
    assert.equal(config.journalMaxAgeMs, 30 * 60_000);
    assert.equal(config.api, 'https://discord.com/api');
    assert.equal(config.gatewayUrl, undefined);
    assert.equal(config.botId, BOT_ID);
    assert.equal(config.token.reveal(), TOKEN);
    assert.deepEqual(warnings, []);
  });

  it('takes a flag before the environment, the environment before the file, the file before the default', () => {
    writeFile('log:\n  level: error\nshards: 2\nlarge_threshold: 100\n');
    const given = sources({ flags: { logLevel: 'debug' } });
    Object.assign(given.environment, { HOLDFAST_LOG_LEVEL: 'warn', HOLDFAST_SHARDS: '3' });
    const { config, origins } = loadConfig(given);
    assert.equal(config.logLevel, 'debug');
    assert.equal(config.shards, 3);
    assert.equal(config.largeThreshold, 100);
    assert.deepEqual(origins.logLevel, { type: 'flag', name: '--log-level' });
    assert.deepEqual(origins.shards, { type: 'environment', name: 'HOLDFAST_SHARDS' });
    assert.deepEqual(origins.largeThreshold, { type: 'file', path: 'holdfast.yaml', line: 4 });
    assert.deepEqual(origins.compression, { type: 'default' });
  });

  it('reads units, lists of intents, brackets and nested keys', () => {
    writeFile(
      'listen: "[::1]:0"\njournal: { max_bytes: 512MiB, max_age: 1.5h }\nidentify:\n  spacing: 6s\nintents: [guilds, GUILD_MESSAGES]\n',
    );
    const { config } = loadConfig(sources());
    assert.deepEqual(config.listen, { host: '::1', port: 0 });
    assert.equal(config.journalMaxBytes, 512 * 1024 ** 2);
    assert.equal(config.journalMaxAgeMs, 5_400_000);
    assert.equal(config.identifySpacingMs, 6000);
    assert.equal(config.intents, (1 << 0) | (1 << 9));
  });

  it('reports all mistakes of all sources at once, each with its place', () => {
    writeFile('listen: 4600\njournal:\n  max_byte: 1GiB\n  max_age: 30\nshards: none\nhandlers: 3\n');
    const given = sources({ flags: { compression: 'gzip' } });
    Object.assign(given.environment, {
      HOLDFAST_JOURNAL_MAX_BYTES: 'lots',
      HOLDFAST_LISEN: 'x:1',
      DISCORD_TOKEN: 'hunter2',
    });
    const mistakes = mistakesOf(given);
    const expected = [
      /^holdfast\.yaml:1: listen: found 4600, expected host:port/,
      /^holdfast\.yaml:3: journal\.max_byte: no such setting; did you mean journal\.max_bytes\?$/,
      /^holdfast\.yaml:4: journal\.max_age: found 30, expected a duration with its unit/,
      /^holdfast\.yaml:5: shards: found "none", expected auto, or a whole number from 1/,
      /^holdfast\.yaml:6: handlers: no such setting/,
      /^environment HOLDFAST_JOURNAL_MAX_BYTES: journal\.max_bytes: found "lots", expected a size/,
      /^environment HOLDFAST_LISEN: lisen: no such setting; did you mean HOLDFAST_LISTEN\?$/,
      /^flag --compression: compression: found "gzip", expected one of zlib-stream, zstd-stream, none$/,
      /^environment DISCORD_TOKEN: token: found 1 dotted part,/,
    ];
    for (const pattern of expected) {
      assert.ok(
        mistakes.some((line) => pattern.test(line)),
        `no line matches ${pattern}:\n${mistakes.join('\n')}`,
      );
    }
    assert.equal(mistakes.length, expected.length, mistakes.join('\n'));
    assert.ok(!mistakes.join('\n').includes('hunter2'));
  });

  it('reports a wrong value even where another source would win', () => {
    writeFile('log: { level: loud }\n');
    const mistakes = mistakesOf(sources({ flags: { logLevel: 'info' } }));
    assert.match(mistakes[0]!, /^holdfast\.yaml:1: log\.level: found "loud"/);
  });

  it('names the intent that does not exist', () => {
    writeFile('intents:\n  - GUILDS\n  - GUILD_MESAGES\n');
    assert.match(mistakesOf(sources())[0]!, /holdfast\.yaml:1: intents: .*no such intent: GUILD_MESAGES/);
  });

  it('reports broken YAML, doubled keys and empty values with their line', () => {
    writeFile('shards: 1\nshards: 2\n');
    assert.match(mistakesOf(sources())[0]!, /^holdfast\.yaml:2: YAML: .*unique/);
    writeFile('shards:\n');
    assert.match(mistakesOf(sources())[0]!, /^holdfast\.yaml:1: shards: found nothing, expected auto/);
    writeFile('shards: [1\n');
    assert.match(mistakesOf(sources())[0]!, /^holdfast\.yaml:\d: YAML: /);
    writeFile('just words\n');
    assert.match(mistakesOf(sources())[0]!, /expected settings as key: value/);
    writeFile('journal: 2GiB\n');
    assert.match(
      mistakesOf(sources())[0]!,
      /journal: found "2GiB", expected journal\.max_bytes, .* under it/,
    );
  });

  it('accepts an empty file and one with comments only', () => {
    writeFile('# nothing yet\n');
    assert.equal(loadConfig(sources()).config.logLevel, 'info');
    writeFile('');
    assert.equal(loadConfig(sources()).config.logLevel, 'info');
  });

  it('refuses an address that other machines can reach, unless insecure is true', () => {
    writeFile('listen: 0.0.0.0:4600\n');
    assert.match(mistakesOf(sources())[0]!, /^holdfast\.yaml:1: listen: .*insecure: true/);
    writeFile('listen: 0.0.0.0:4600\ninsecure: true\n');
    assert.equal(loadConfig(sources()).config.listen.host, '0.0.0.0');
  });

  it('refuses to send the token unencrypted off this machine', () => {
    writeFile('api: http://sim:4700/api\ngateway_url: ws://sim:4700\n');
    assert.equal(mistakesOf(sources()).length, 2);
    writeFile('api: http://127.0.0.1:4700/api/\ngateway_url: ws://localhost:4700\n');
    const { config } = loadConfig(sources());
    assert.equal(config.api, 'http://127.0.0.1:4700/api');
    assert.equal(config.gatewayUrl, 'ws://localhost:4700');
  });

  it('says what is wrong with an address, and nothing where the expected form says it all', () => {
    writeFile(
      'api: https://discord.com/api/v10\ngateway_url: wss://gateway.discord.gg/?v=10\nlisten: ":4600"\n',
    );
    const mistakes = mistakesOf(sources());
    assert.match(
      mistakes[0]!,
      /^holdfast\.yaml:1: api: .*such as https:\/\/discord\.com\/api; leave the version out$/,
    );
    assert.match(mistakes[1]!, /gateway_url: .*; leave everything from \? or # on out$/);
    assert.match(mistakes[2]!, /listen: found ":4600", expected host:port [^;]*$/);
  });

  it('refuses an IDENTIFY spacing that Discord would punish, and a journal of too few segments', () => {
    writeFile('identify: { spacing: 1s }\njournal: { max_bytes: 100MiB }\n');
    const mistakes = mistakesOf(sources());
    assert.match(mistakes[0]!, /identify\.spacing: found 1s, expected at least 5s/);
    assert.match(mistakes[1]!, /journal\.max_bytes: found 100MiB, expected at least 256MiB/);
    writeFile('identify: { spacing: 50ms }\napi: http://127.0.0.1:4700/api\n');
    assert.equal(loadConfig(sources()).config.identifySpacingMs, 50);
  });

  it('takes relative paths from the file relative to the file, and expands the home folder', () => {
    fs.mkdirSync(path.join(folder, 'etc'));
    const file = writeFile('state_dir: state\n', 'etc/other.yaml');
    assert.equal(loadConfig(sources({ configPath: file })).config.stateDir, path.join(folder, 'etc/state'));
    const flags = { stateDir: 'state' };
    assert.equal(
      loadConfig(sources({ configPath: file, flags })).config.stateDir,
      path.join(folder, 'state'),
    );
    writeFile('state_dir: ~/holdfast\n');
    assert.equal(loadConfig(sources()).config.stateDir, '/home/nobody/holdfast');
  });

  it('says so when the named file does not exist', () => {
    assert.match(
      mistakesOf(sources({ configPath: 'absent.yaml' }))[0]!,
      /^flag --config: config: cannot read/,
    );
  });

  it("keeps its state where systemd says, else in the user's state folder", () => {
    const environment = { DISCORD_TOKEN: TOKEN, STATE_DIRECTORY: '/var/lib/holdfast:/var/lib/other' };
    assert.equal(loadConfig(sources({ environment })).config.stateDir, '/var/lib/holdfast');
    const xdg = { DISCORD_TOKEN: TOKEN, XDG_STATE_HOME: '/xdg' };
    assert.equal(loadConfig(sources({ environment: xdg })).config.stateDir, '/xdg/holdfast');
  });

  it('overlooks the variables that Kubernetes makes for a service called holdfast', () => {
    const environment = {
      DISCORD_TOKEN: TOKEN,
      HOLDFAST_PORT: 'tcp://10.0.0.1:4600',
      HOLDFAST_PORT_4600_TCP_ADDR: '10.0.0.1',
      HOLDFAST_SERVICE_HOST: '10.0.0.1',
      HOLDFAST_SERVICE_PORT_GATEWAY: '4600',
    };
    assert.equal(loadConfig(sources({ environment })).config.listen.port, 4600);
  });

  it('reads where the state is although the rest is wrong', () => {
    writeFile('state_dir: /srv/holdfast\nshards: none\n');
    const read = readSettings(sources({ environment: {} }));
    assert.equal(read.settings.stateDir, '/srv/holdfast');
    assert.equal(read.mistakes.length, 1);
  });

  it('writes every value so that it can be read again', () => {
    const { config } = loadConfig(sources());
    for (const name of SETTING_NAMES) {
      const value = config[name];
      if (value === undefined) continue;
      const setting = settingOf(name);
      assert.deepEqual(setting.schema.parse(setting.format(value)), value, setting.key);
    }
  });

  it('describes every setting with its value and origin, and hides the token', () => {
    writeFile('journal: { max_bytes: 4GiB }\n');
    const rows = describeConfig(loadConfig(sources()));
    assert.equal(rows.length, SETTING_NAMES.length + 1);
    assert.deepEqual(
      rows.find((row) => row.key === 'journal.max_bytes'),
      {
        key: 'journal.max_bytes',
        value: '4GiB',
        from: 'holdfast.yaml:1',
        summary: 'The most disk that the journal may take.',
      },
    );
    assert.equal(rows[0]!.value, '[secret]');
    assert.equal(rows[0]!.from, 'environment DISCORD_TOKEN');
    assert.ok(!JSON.stringify(rows).includes(TOKEN.slice(30)));
  });
});

describe('token', () => {
  it('is taken out of the environment', () => {
    const given = sources();
    loadConfig(given);
    assert.ok(!('DISCORD_TOKEN' in given.environment));
  });

  it('loses a Bot prefix and the white space around it', () => {
    const given = sources({ environment: { DISCORD_TOKEN: ` Bot ${TOKEN}\n` } });
    assert.equal(loadConfig(given).config.token.reveal(), TOKEN);
  });

  it('comes from token_file, with a warning when others can read that', () => {
    const file = writeFile(`${TOKEN}\n`, 'token');
    writeFile('token_file: token\n');
    const given = sources({ environment: {} });
    assert.equal(loadConfig(given).config.token.reveal(), TOKEN);
    assert.deepEqual(loadConfig(given).warnings, []);
    fs.chmodSync(file, 0o644);
    assert.match(loadConfig(given).warnings[0]!, /mode 0644, so others can reach it; chmod 600/);
  });

  it('comes from a systemd credential when nothing else is set', () => {
    writeFile(TOKEN, 'discord_token');
    const { config, tokenOrigin } = loadConfig(sources({ environment: { CREDENTIALS_DIRECTORY: folder } }));
    assert.equal(config.token.reveal(), TOKEN);
    assert.equal(tokenOrigin.type, 'credential');
  });

  it('is missed by its own error when it is nowhere', () => {
    assert.throws(() => loadConfig(sources({ environment: {} })), { code: 'TOKEN_MISSING' });
    assert.throws(() => loadConfig(sources({ environment: { DISCORD_TOKEN: '' } })), {
      code: 'TOKEN_MISSING',
    });
  });

  it('is refused in holdfast.yaml and in HOLDFAST_TOKEN, without being shown', () => {
    writeFile(`token: ${TOKEN}\n`);
    const given = sources();
    given.environment['HOLDFAST_TOKEN'] = TOKEN;
    const mistakes = mistakesOf(given);
    assert.equal(mistakes.length, 2);
    for (const line of mistakes) {
      assert.match(line, /the token is never read from here/);
      assert.ok(!line.includes(TOKEN.slice(30)));
    }
  });

  it('is not shown when it stands where a path was expected', () => {
    writeFile(`token_file: ${TOKEN}\n`);
    const [line] = mistakesOf(sources({ environment: {} }));
    assert.match(line!, /cannot read/);
    assert.ok(!line!.includes(TOKEN.slice(30)));
  });

  it('is refused by shape, in words that do not show it', () => {
    const wrong = ['abc', 'abc.def', 'bm90IGFuIGlk.Gtest0.signature', `"${TOKEN}"`, `${TOKEN}!`, 'a.b.c.d'];
    for (const text of wrong) {
      const [line] = mistakesOf(sources({ environment: { DISCORD_TOKEN: text } }));
      assert.match(line!, /^environment DISCORD_TOKEN: token: found .* expected /);
      assert.ok(!line!.includes(text), line!);
    }
  });

  it('stays hidden however the config is printed', () => {
    const { config } = loadConfig(sources());
    for (const text of [
      `${config.token}`,
      JSON.stringify(config),
      inspect(config, { depth: 5, showHidden: true }),
    ]) {
      assert.ok(!text.includes('not-a-real-token'), text);
      assert.ok(text.includes('[secret]'));
    }
  });
});
