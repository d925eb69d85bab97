// Gateway opcodes that a bot may send or receive (protocol reference 2.1).

export const OP = {
  DISPATCH: 0,
  HEARTBEAT: 1,
  IDENTIFY: 2,
  PRESENCE_UPDATE: 3,
  VOICE_STATE_UPDATE: 4,
  RESUME: 6,
  RECONNECT: 7,
  REQUEST_GUILD_MEMBERS: 8,
  INVALID_SESSION: 9,
  HELLO: 10,
  HEARTBEAT_ACK: 11,
  REQUEST_SOUNDBOARD_SOUNDS: 31,
  REQUEST_CHANNEL_INFO: 43,
} as const;

export type Op = (typeof OP)[keyof typeof OP];

/** The version of the gateway that Holdfast speaks to Discord. */
export const GATEWAY_VERSION = 10;

/** Most bytes of one message from a bot to Discord; a larger one is answered with close 4002 (6.1). */
export const SEND_BYTES_MAX = 4096;
