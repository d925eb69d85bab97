// READY's `d`, with every field that some library refuses to miss (protocol reference 8.1).

import type { Account } from './account.ts';
import type { Fields } from './json.ts';
import type { Session } from './session.ts';
import type { Place } from './world/place.ts';

/** What a gateway process writes into `_trace`. */
export function trace(micros: number): string[] {
  return [JSON.stringify(['gateway-prd-box-1-sim0', { micros }])];
}

export function readyBody(
  session: Session,
  facts: { version: number; account: Account; guilds: readonly Place[]; resumeUrl: string },
): Fields {
  const { version, account, guilds, resumeUrl } = facts;
  return {
    v: version,
    user_settings: {},
    user: account.user,
    ...(session.sharded ? { shard: [session.shard, session.shardCount] } : {}),
    session_type: 'normal',
    session_id: session.id,
    resume_gateway_url: resumeUrl,
    relationships: [],
    private_channels: [],
    presences: [],
    guilds: guilds.map(({ id }) => ({ unavailable: true, id })),
    guild_join_requests: [],
    geo_ordered_rtc_regions: ['newark', 'us-east', 'atlanta', 'us-central', 'us-south'],
    game_relationships: [],
    auth: {},
    application: account.readyApplication(),
    _trace: trace(48_120),
  };
}
