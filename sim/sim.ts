// The door of the simulator: `startSim` runs Discord in a box over real sockets on one port. The rules are in rules/;
// here they get a clock, luck and a listener.

import { type Clock, systemClock } from '../src/base/clock.ts';
import { type Random, systemRandom } from '../src/base/random.ts';
import { createControlHttp } from './control-http.ts';
import { type Listener, openListener } from './listener.ts';
import type { Control, CrowdOrder } from './rules/control.ts';
import { createDiscord } from './rules/discord.ts';
import type { RuleOptions, RuleOverrides } from './rules/options.ts';
import type { Truth } from './rules/truth.ts';
import { openTruthFile } from './truth-file.ts';

/** What can be set; every rule of rules/options.ts too. All optional. */
export type SimOptions = RuleOverrides & {
  /** 0, the default, takes a free port. */
  readonly port?: number | undefined;
  /** Address to listen on, and to hand out in URLs; 127.0.0.1. */
  readonly host?: string | undefined;
  /** What `GET /gateway` and READY's `resume_gateway_url` say, without query. Default: own host and port. */
  readonly gatewayUrl?: string | undefined;
  readonly resumeUrl?: string | undefined;
  /** Events per second that people make by themselves from the start. */
  readonly crowd?: number | undefined;
  /** File that truth rows are appended to. */
  readonly truthFile?: string | undefined;
  /** Bearer token of /control/; none by default. */
  readonly controlToken?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
};

/** The levers of the rules, and those that need a socket. */
export type SimControl = Control & {
  /** Refuses connections for so long (see `Listener.refuse`). */
  refuse(order: { ms: number; how?: 'close' | 'rst' | undefined }): Promise<void>;
};

export interface Sim {
  readonly port: number;
  /** `http://host:port`. REST is under `restUrl + '/api'`. */
  readonly url: string;
  readonly restUrl: string;
  /** `ws://host:port`, which `GET /gateway` hands out. */
  readonly gatewayUrl: string;
  /** The token that is valid now. */
  readonly token: string;
  readonly options: RuleOptions;
  readonly control: SimControl;
  readonly truth: Truth;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a simulator; it runs until closed. */
export async function startSim(options: SimOptions = {}): Promise<Sim> {
  const {
    port = 0,
    host = '127.0.0.1',
    crowd = 0,
    truthFile,
    controlToken,
    clock = systemClock,
    random = systemRandom,
    gatewayUrl: givenGatewayUrl,
    resumeUrl,
    ...rules
  } = options;
  const file = truthFile === undefined ? undefined : openTruthFile(truthFile);
  // Known only once it listens; nobody can ask before.
  let listener: Listener;
  const gatewayUrl = (): string => givenGatewayUrl ?? `ws://${host}:${listener.port}`;
  const discord = createDiscord(rules, {
    clock,
    random,
    gatewayUrl,
    ...(resumeUrl === undefined ? {} : { resumeUrl: () => resumeUrl }),
    ...(file ? { truthSink: file.write } : {}),
  });
  const control: SimControl = {
    ...discord.control,
    refuse: ({ ms, how = 'close' }) => listener.refuse(ms, how),
  };
  const serveControl = createControlHttp({ control, truth: discord.truth, token: controlToken });
  listener = await openListener({ discord, control: serveControl, host, port });
  if (crowd > 0) control.crowd.start({ eventsPerSecond: crowd } satisfies CrowdOrder);

  const close = async (): Promise<void> => {
    discord.stop();
    await listener.close();
    file?.close();
  };
  return {
    port: listener.port,
    url: `http://${host}:${listener.port}`,
    restUrl: `http://${host}:${listener.port}`,
    gatewayUrl: gatewayUrl(),
    get token() {
      return discord.account.token();
    },
    options: discord.options,
    control,
    truth: discord.truth,
    close,
    [Symbol.asyncDispose]: close,
  };
}
