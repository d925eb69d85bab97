// Guilds, their channels, roles and members, as far as bots ask for them at the start.

import type { Account } from '../account.ts';
import type { GuildActs } from '../acts/guild-acts.ts';
import type { Fields } from '../json.ts';
import type { Place } from '../world/place.ts';
import type { Who, World } from '../world/world.ts';
import { created, empty, failed, ok, type Reply } from './reply.ts';
import type { Call, Route } from './router.ts';

export function guildRoutes(context: { account: Account; world: World; guildActs: GuildActs }): Route[] {
  const { account, world, guildActs } = context;
  const inGuild = (act: (place: Place, call: Call) => Reply) => (call: Call) => {
    const place = world.guild(call.params['guild_id']!);
    return place ? act(place, call) : failed(10004);
  };
  const onMember = (act: (who: Who, call: Call) => Reply) =>
    inGuild((place, call) => {
      const id = call.params['user_id']!;
      const who = world.who(id === '@me' ? account.applicationId : id, place);
      return who && world.member(who) ? act(who, call) : failed(10007);
    });
  const memberObject = (who: Who): Fields => ({ ...world.member(who), user: world.user(who) });
  const withRole = (who: Who, roleId: string, has: boolean): Reply => {
    if (!world.part(who.place, 'role', roleId)) return failed(10011);
    const before = (world.member(who)?.['roles'] ?? []) as string[];
    const roles = before.filter((id) => id !== roleId);
    guildActs.changeMember(who, { roles: has ? [...roles, roleId] : roles });
    return empty;
  };
  const path = '/guilds/{guild_id}';
  const memberPath = `${path}/members/{user_id}`;
  return [
    {
      method: 'GET',
      path: '/users/@me/guilds',
      limit: [1, 1000],
      handle({ query }) {
        const limit = Math.max(1, Math.min(200, Number(query.get('limit') ?? 200) || 200));
        const after = BigInt(query.get('after') ?? '0');
        const places = world.places.filter((place) => world.here(place) && BigInt(place.id) > after);
        return ok(
          places.slice(0, limit).map((place) => {
            const { id, name, icon, banner, features } = world.fields(place) as Fields;
            return { id, name, icon, banner, owner: false, permissions: '2248473465835073', features };
          }),
        );
      },
    },
    {
      method: 'GET',
      path,
      handle: inGuild((place, { query }) =>
        ok({
          ...world.fields(place),
          roles: world.parts(place, 'role'),
          emojis: world.parts(place, 'emoji'),
          stickers: [],
          ...(query.get('with_counts') === 'true'
            ? { approximate_member_count: world.memberCount(place), approximate_presence_count: 1 }
            : {}),
        }),
      ),
    },
    {
      method: 'GET',
      path: `${path}/channels`,
      handle: inGuild((place) =>
        ok(world.parts(place, 'channel').map((channel) => ({ ...channel, guild_id: place.id }))),
      ),
    },
    {
      method: 'POST',
      path: `${path}/channels`,
      handle: inGuild((place, { body }) =>
        created({ ...guildActs.createChannel(place, body), guild_id: place.id }),
      ),
    },
    { method: 'GET', path: `${path}/roles`, handle: inGuild((place) => ok(world.parts(place, 'role'))) },
    {
      method: 'POST',
      path: `${path}/roles`,
      handle: inGuild((place, { body }) => ok(guildActs.createRole(place, body))),
    },
    { method: 'GET', path: memberPath, handle: onMember((who) => ok(memberObject(who))) },
    {
      method: 'PATCH',
      path: memberPath,
      handle: onMember((who, { body }) => {
        guildActs.changeMember(who, body);
        return ok(memberObject(who));
      }),
    },
    {
      method: 'PUT',
      path: `${memberPath}/roles/{role_id}`,
      handle: onMember((who, { params }) => withRole(who, params['role_id']!, true)),
    },
    {
      method: 'DELETE',
      path: `${memberPath}/roles/{role_id}`,
      handle: onMember((who, { params }) => withRole(who, params['role_id']!, false)),
    },
  ];
}
