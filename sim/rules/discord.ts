// Discord in a box: the door of the rules, and the one place where they are put together. It does no I/O: connections,
// requests, time and luck come from outside, so the same rules run over real sockets and in virtual time.

import type { Clock } from '../../src/base/clock.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { type Account, createAccount } from './account.ts';
import { createCommands } from './acts/command-registry.ts';
import { createGuildActs } from './acts/guild-acts.ts';
import { createInteractionActs } from './acts/interaction-acts.ts';
import { createMessageActs } from './acts/message-acts.ts';
import { createClientRequests } from './client-request.ts';
import {
  type Carried,
  type Connection,
  createConnections,
  type GatewayQuery,
  type Port,
} from './connection.ts';
import { type Control, createControl } from './control.ts';
import { createCounters } from './counters.ts';
import { type Crowd, createCrowd } from './crowd.ts';
import { createFanOut } from './fan-out.ts';
import { createFaults, type Faults } from './faults.ts';
import { createIdentifyBuckets } from './identify-buckets.ts';
import { type RuleOptions, type RuleOverrides, ruleOptions } from './options.ts';
import { accountRoutes } from './rest/account-routes.ts';
import { channelRoutes } from './rest/channel-routes.ts';
import { guildRoutes } from './rest/guild-routes.ts';
import { interactionRoutes } from './rest/interaction-routes.ts';
import type { RestRequest, RestResponse } from './rest/reply.ts';
import { createRest } from './rest/router.ts';
import { createSessions, type Session } from './session.ts';
import { createSessionStart } from './session-start.ts';
import { createIds } from './snowflake.ts';
import { createStartBudget } from './start-budget.ts';
import { createTimers } from './timers.ts';
import { createTruth, type Truth, type TruthRow } from './truth.ts';
import { createMessageStore } from './world/message.ts';
import { createWorld, type World } from './world/world.ts';

export interface DiscordPorts {
  readonly clock: Clock;
  /** Luck for session ids and tokens. The crowd has its own, from the seed. */
  readonly random: Random;
  /** WebSocket base that `GET /gateway` and READY hand out, without query (1.2). */
  readonly gatewayUrl: () => string;
  readonly resumeUrl?: () => string;
  /** Gets every truth row as it is recorded. */
  readonly truthSink?: (row: TruthRow) => void;
}

export interface Discord {
  readonly options: RuleOptions;
  readonly account: Account;
  readonly truth: Truth;
  readonly world: World;
  readonly faults: Faults;
  readonly crowd: Crowd;
  readonly control: Control;
  /** A client has connected to the gateway. */
  accept(port: Port, query: GatewayQuery): Carried;
  /** A client has sent a REST request. */
  rest(request: RestRequest): RestResponse;
  /** Stops every timer. */
  stop(): void;
}

export function createDiscord(overrides: RuleOverrides, ports: DiscordPorts): Discord {
  const options = ruleOptions(overrides);
  const { random, gatewayUrl, resumeUrl = gatewayUrl, truthSink } = ports;
  const timers = createTimers(ports.clock);
  const mintId = createIds(() => timers.now());
  const counters = createCounters();
  const faults = createFaults();
  const truth = createTruth({ rowsMax: options.truthRows, ...(truthSink ? { sink: truthSink } : {}) });
  const account = createAccount(options);
  const { maxConcurrency } = options;
  const budget = createStartBudget({
    total: options.sessionStartTotal,
    remaining: options.sessionStartRemaining,
    windowMs: options.sessionStartWindowMs,
    maxConcurrency,
  });
  const buckets = createIdentifyBuckets({ maxConcurrency, intervalMs: options.identifyIntervalMs });
  const base = { options, timers, random, truth, faults, counters, account };

  const world = createWorld(options, account.user);
  const messages = createMessageStore({
    botMessages: options.botMessagesKept,
    memberMessages: options.memberMessagesKept,
  });
  const commands = createCommands(options.applicationId, mintId);

  const sessions = createSessions({ ...base, onEnded: (session) => requests.leaveVoice(session) });
  const fanOut = createFanOut({ options, sessions, world, mintId });
  const messageActs = createMessageActs({ ...base, world, messages, fanOut, mintId });
  const guildActs = createGuildActs({ timers, world, fanOut, mintId });
  const interactionActs = createInteractionActs({ ...base, world, commands, messageActs, fanOut, mintId });
  const requests = createClientRequests({ ...base, world, fanOut, mintId });

  const carrier = (session: Session): Connection | undefined =>
    [...connections.all()].find((connection) => connection === session.outlet);
  const sessionStart = createSessionStart({
    ...base,
    ...{ budget, buckets, sessions, world, fanOut, resumeUrl, carrier },
  });
  const connections = createConnections({
    ...base,
    sessions,
    identify: sessionStart.identify,
    resume: sessionStart.resume,
    request: requests.request,
  });

  const acts = { messages, messageActs, guildActs, interactionActs };
  const crowd = createCrowd({ timers, random: seededRandom(options.seed), world, ...acts });
  const control = createControl({
    ...{ ...base, ...acts, budget, sessions, world, crowd, sessionStart },
    connections: () => connections.all(),
  });
  const rest = createRest({
    ...base,
    routes: [
      ...accountRoutes({ options, timers, account, budget, commands, messageActs, world, gatewayUrl }),
      ...channelRoutes({ account, world, messages, messageActs, guildActs, mintId }),
      ...interactionRoutes({ account, interactionActs, messageActs, messages, mintId }),
      ...guildRoutes({ account, world, guildActs }),
    ],
  });
  return {
    ...{ options, account, truth, world, faults, crowd, control, rest },
    accept: connections.accept,
    stop() {
      crowd.stop();
      timers.stop();
    },
  };
}
