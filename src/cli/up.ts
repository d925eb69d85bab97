// `holdfast up`: the daemon, under the small parent that owns the listener; or without a parent, when systemd
// owns the listener and hands it over.

import type { Command } from 'commander';
import { createLog } from '../base/log.ts';
import { loadConfig } from '../config/config.ts';
import { encodeSettings, INHERITED_SETTINGS } from '../config/inherit.ts';
import { warn } from './config.ts';
import type { CommandContext } from './main.ts';
import { addSettingsFlags, sourcesOf } from './settings-flags.ts';

/** Adds the command. */
export function addUp(program: Command, { terminal, run }: CommandContext): void {
  addSettingsFlags(
    program.command('up').description("Hold the bot's sessions, until stopped by SIGTERM or Ctrl-C."),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ DISCORD_TOKEN=... holdfast up
  $ holdfast up --config /etc/holdfast.yaml --log-level debug
  $ holdfast up --shards 4 --intents GUILDS,GUILD_MESSAGES --listen 127.0.0.1:4600

The log goes to standard output, one JSON object a line.`,
    )
    .action(
      run(async (options) => {
        const loaded = loadConfig(sourcesOf(terminal, options));
        const { config } = loaded;
        warn(terminal, loaded);

        const { inheritedListenFd, runDaemon } = await import('../daemon-main.ts');
        const listenFd = inheritedListenFd(terminal.environment as NodeJS.ProcessEnv);
        if (listenFd !== undefined) return runDaemon(config, listenFd);

        // The daemon reads the token anew from where it came from; from the environment it was just taken out.
        const origin = loaded.tokenOrigin;
        const token = origin.type === 'environment' ? { [origin.name]: config.token.reveal() } : {};
        const { runParent } = await import('../parent.ts');
        return runParent({
          host: config.listen.host,
          port: config.listen.port,
          arguments: [],
          environment: { ...terminal.environment, ...token, [INHERITED_SETTINGS]: encodeSettings(config) },
          log: createLog({
            level: config.logLevel,
            now: () => Date.now(),
            write: (line) => terminal.print(line),
          }),
        });
      }),
    );
}
