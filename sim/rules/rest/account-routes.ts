// What a bot asks about itself and the gateway before it connects (protocol reference 4.4, 12.6, 13.6), and its
// application commands.

import type { Account } from '../account.ts';
import type { Commands } from '../acts/command-registry.ts';
import type { MessageActs } from '../acts/message-acts.ts';
import { type Fields, isObject, isText } from '../json.ts';
import type { RuleOptions } from '../options.ts';
import type { StartBudget } from '../start-budget.ts';
import type { Timers } from '../timers.ts';
import type { World } from '../world/world.ts';
import { created, empty, failed, invalidForm, ok, type Reply } from './reply.ts';
import type { Call, Route } from './router.ts';

export interface AccountRoutesContext {
  readonly options: RuleOptions;
  readonly timers: Timers;
  readonly account: Account;
  readonly budget: StartBudget;
  readonly commands: Commands;
  readonly messageActs: MessageActs;
  readonly world: World;
  readonly gatewayUrl: () => string;
}

export function accountRoutes(context: AccountRoutesContext): Route[] {
  const { options, timers, account, budget, messageActs, world, gatewayUrl } = context;
  const application = (): Reply => ok(account.application(world.count()));
  return [
    { method: 'GET', path: '/gateway', open: true, limit: null, handle: () => ok({ url: gatewayUrl() }) },
    {
      method: 'GET',
      path: '/gateway/bot',
      limit: [2, 5000],
      handle: () =>
        ok({
          url: gatewayUrl(),
          session_start_limit: budget.read(timers.monotonic()),
          shards: options.shards,
        }),
    },
    { method: 'GET', path: '/users/@me', handle: () => ok(account.user) },
    { method: 'GET', path: '/applications/@me', handle: application },
    { method: 'PATCH', path: '/applications/@me', handle: application },
    { method: 'GET', path: '/oauth2/applications/@me', handle: application },
    {
      method: 'POST',
      path: '/users/@me/channels',
      limit: [10, 10_000],
      handle({ body }) {
        const recipient = isText(body['recipient_id']) ? world.who(body['recipient_id']) : undefined;
        return recipient ? ok(messageActs.direct(world.user(recipient))) : failed(50001);
      },
    },
    {
      method: 'GET',
      path: '/users/{user_id}',
      handle({ params }) {
        if (params['user_id'] === account.applicationId) return ok(account.user);
        const who = world.who(params['user_id']!);
        return who ? ok(world.user(who)) : failed(10013);
      },
    },
    ...commandRoutes(context, '/applications/{application_id}/commands'),
    ...commandRoutes(context, '/applications/{application_id}/guilds/{guild_id}/commands'),
  ];
}

function commandRoutes({ commands, account, world }: AccountRoutesContext, path: string): Route[] {
  /** Runs `act` with the scope (null = global), or refuses another application or an unknown guild. */
  const scoped = (act: (guildId: string | null, call: Call) => Reply) => (call: Call) => {
    if (call.params['application_id'] !== account.applicationId) return failed(10002);
    const guildId = call.params['guild_id'] ?? null;
    if (guildId !== null && !world.guild(guildId)) return failed(50001);
    return act(guildId, call);
  };
  const nameless = (command: unknown): boolean => !isObject(command) || !isText(command['name']);
  const required = (at: string): Reply => invalidForm(at, 'BASE_TYPE_REQUIRED', 'This field is required');
  return [
    { method: 'GET', path, handle: scoped((guildId) => ok(commands.list(guildId))) },
    {
      method: 'PUT',
      path,
      limit: [2, 20_000],
      handle: scoped((guildId, { raw }) => {
        if (!Array.isArray(raw)) return invalidForm('_root', 'BASE_TYPE_BAD_TYPE', 'Expected an array.');
        const wrong = raw.findIndex(nameless);
        return wrong >= 0 ? required(`${wrong}.name`) : ok(commands.replace(guildId, raw as Fields[]));
      }),
    },
    {
      method: 'POST',
      path,
      limit: [5, 20_000],
      handle: scoped((guildId, { body }) => {
        if (nameless(body)) return required('name');
        const put = commands.put(guildId, body);
        return put.created ? created(put.command) : ok(put.command);
      }),
    },
    {
      method: 'GET',
      path: `${path}/{command_id}`,
      handle: scoped((guildId, { params }) => {
        const command = commands.find(guildId, params['command_id']!);
        return command ? ok(command) : failed(10063);
      }),
    },
    {
      method: 'PATCH',
      path: `${path}/{command_id}`,
      handle: scoped((guildId, { params, body }) => {
        const command = commands.find(guildId, params['command_id']!);
        return command ? ok(commands.put(guildId, { ...command, ...body }).command) : failed(10063);
      }),
    },
    {
      method: 'DELETE',
      path: `${path}/{command_id}`,
      handle: scoped((guildId, { params }) =>
        commands.remove(guildId, params['command_id']!) ? empty : failed(10063),
      ),
    },
  ];
}
