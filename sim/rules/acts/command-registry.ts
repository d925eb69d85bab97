// Application commands that the bot has registered, global and per guild. One `/roll` is there from the start, so that
// people have something to use before a bot has registered anything.

import type { Fields, Part } from '../json.ts';

export interface Commands {
  /** Commands of a guild, or the global ones. */
  list(guildId: string | null): Part[];
  /** Replaces all commands of a scope (PUT); a command keeps its id while its name stays. */
  replace(guildId: string | null, commands: readonly Fields[]): Part[];
  /** Creates a command, or overwrites the one of that name (POST). */
  put(guildId: string | null, command: Fields): { command: Part; created: boolean };
  find(guildId: string | null, commandId: string): Part | undefined;
  remove(guildId: string | null, commandId: string): boolean;
  /** The command that `/name` means in a guild: its own, else the global one. */
  named(name: string, guildId: string | null): Part | undefined;
}

export function createCommands(applicationId: string, mintId: () => string): Commands {
  const scopes = new Map<string | null, Map<string, Part>>();
  const scope = (guildId: string | null): Map<string, Part> => {
    const commands = scopes.get(guildId) ?? new Map<string, Part>();
    scopes.set(guildId, commands);
    return commands;
  };
  const build = (guildId: string | null, fields: Fields, id: string): Part => ({
    application_id: applicationId,
    version: mintId(),
    default_member_permissions: null,
    type: 1,
    name_localizations: null,
    description: '',
    description_localizations: null,
    dm_permission: true,
    contexts: null,
    integration_types: [0],
    nsfw: false,
    ...(guildId === null ? {} : { guild_id: guildId }),
    ...fields,
    id,
  });
  const put = (guildId: string | null, fields: Fields): { command: Part; created: boolean } => {
    const commands = scope(guildId);
    const known = [...commands.values()].find(
      ({ ['name']: name, ['type']: type }) => name === fields['name'] && type === (fields['type'] ?? 1),
    );
    const command = build(guildId, fields, known?.id ?? mintId());
    commands.set(command.id, command);
    return { command, created: !known };
  };
  put(null, {
    name: 'roll',
    description: 'Roll some dice',
    options: [{ type: 3, name: 'dice', description: 'How many of which', required: true }],
  });
  return {
    list: (guildId) => [...scope(guildId).values()],
    replace(guildId, all) {
      const before = new Map(scope(guildId));
      scopes.delete(guildId);
      for (const [id, command] of before)
        if (all.some((fields) => fields['name'] === command['name'])) scope(guildId).set(id, command);
      return all.map((fields) => put(guildId, fields).command);
    },
    put,
    find: (guildId, commandId) => scope(guildId).get(commandId),
    remove: (guildId, commandId) => scope(guildId).delete(commandId),
    named: (name, guildId) =>
      [...(guildId === null ? [] : scope(guildId).values()), ...scope(null).values()].find(
        (command) => command['name'] === name,
      ),
  };
}
