// The composition root: the one place that knows every room and hands each what it needs. Reads top to bottom
// like the river: disk, journal, state, handlers, Discord. Start reading at session/step.ts, then here.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import * as path from 'node:path';
import { createAdmin } from './admin/admin.ts';
import { takeReidentifyRequest } from './admin/reidentify-request.ts';
import { type Clock, sleep, systemClock } from './base/clock.ts';
import { OperatingError } from './base/errors.ts';
import type { Log } from './base/log.ts';
import { type Random, systemRandom } from './base/random.ts';
import type { Config } from './config/config.ts';
import { type CursorRow, createCursors } from './downstream/cursors.ts';
import { createDownstream, type SnapshotRequest, type SnapshotRun } from './downstream/downstream.ts';
import { type HandlerSession, openHandlerSessions } from './downstream/handler-sessions.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { type Journal, type JournalCondition, openJournal } from './journal/journal.ts';
import { type LedgerRow, openLedger } from './ledger/ledger.ts';
import { fetchGatewayBot, type GatewayBot } from './rest/gateway-bot.ts';
import { createRest } from './rest/rest.ts';
import { openSessionTable, type SessionRow } from './session/session-table.ts';
import { forEachFrame } from './state/snapshot.ts';
import { openState, type State } from './state/state.ts';
import { createStatus } from './status.ts';
import { type Disk, systemDisk } from './store/disk.ts';
import { type FolderLock, lockFolder } from './store/lock.ts';
import { openRecordFile } from './store/record-file.ts';
import { createUpkeep } from './upkeep.ts';
import { USER_AGENT } from './version.ts';
import { INTENTS } from './wire/intents.ts';

export interface DaemonOptions {
  config: Config;
  log: Log;
  clock?: Clock;
  random?: Random;
  disk?: Disk;
  /** The daemon cannot go on: it has stopped, and ends with this error's exit status (0 for a wished restart). */
  onEnd: (error: OperatingError | undefined) => void;
}

export interface Daemon {
  /** Takes a handler's connection from whoever accepted it. */
  accept(socket: Socket): void;
  /** Listens by itself: on an inherited descriptor, or on an address. Resolves to the port. */
  listen(where: { fd: number } | { host: string; port: number }): Promise<number>;
  /** Ends in order: handlers' proofs, sessions kept, journal flushed. Under two seconds. */
  stop(): Promise<void>;
}

/** The name of the handler that shows the bot's own token. */
const DEFAULT_HANDLER = 'default';
/** How long a start waits for a predecessor that is just ending. */
const LOCK_WAIT_MS = 3_000;
/** What the state's worker may hold before it writes: memory must not follow the size of the bot (bench memory). */
const STATE_BATCH_BYTES = 4 * 1024 * 1024;
const GATEWAY_BOT_MS = 10 * 60_000;
const GATEWAY_BOT_RETRY_MS = 5_000;

/** Starts a daemon on its state folder. @throws STATE_LOCKED, STATE_UNUSABLE, CONFIG_INVALID */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, log } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const disk = options.disk ?? systemDisk;
  const startedAt = clock.now();
  const files = filesOf(config.stateDir);
  const openFile = <T>(file: string) => openRecordFile<T>({ disk, path: file, log });

  makeFolder(disk, config.stateDir);
  let lock = await takeLock(config.stateDir, clock);

  const table = openSessionTable(openFile<SessionRow>(files.sessions));
  const ledger = openLedger({
    recordFile: openFile<LedgerRow>(files.ledger),
    clock,
    log,
    spacingMs: config.identifySpacingMs,
    floor: config.identifyFloor,
    askBudget: () => askSooner(),
  });

  const journal = openJournal({
    disk,
    directory: files.journal,
    clock,
    log,
    segmentBytes: config.journalSegmentBytes,
    maxBytes: config.journalMaxBytes,
    maxAgeMs: config.journalMaxAgeMs,
    cursors: () => cursors.rows(),
    onAppended(buffer, end) {
      upkeep.journalGrew();
      downstream.feed(buffer, end);
    },
    onCondition: (condition) => onJournalCondition(condition),
  });
  const cursors = createCursors(
    journal.recoveredCursors.flat() as unknown as CursorRow[],
    clock.now(),
    (shard) => journal.tip(shard),
  );
  const reset = (): void => {
    const shards = table.layout()?.shardCount ?? 0;
    table.reset(Array.from({ length: shards }, (_, shard) => [shard, journal.tip(shard).epoch] as const));
  };
  if (takeReidentifyRequest(config.stateDir)) reset();
  const stored = table.layout();
  if (stored && stored.botId !== config.botId) {
    throw new OperatingError(
      'CONFIG_INVALID',
      `state folder ${config.stateDir} belongs to bot ${stored.botId}, but the token is of bot ${config.botId}; give each bot a state_dir of its own`,
    );
  }

  const openStateFor = (intents: number): State => {
    // Only presences bring other members in GUILD_CREATE; without them there is nothing to keep up to date.
    const keep = (intents & INTENTS.GUILD_PRESENCES) !== 0;
    const opened = openState({
      directory: config.stateDir,
      journalDirectory: files.journal,
      clock,
      log,
      keepMembers: keep,
      keepPresences: keep,
      batchBytes: STATE_BATCH_BYTES,
      onUnusable: (error) =>
        log.error('state.unusable', { code: error.code }, `${error.message} → ${error.remedy}`),
    });
    opened.appended(journal.end());
    return opened;
  };
  const state = openStateFor(stored?.intents ?? (config.intents === 'auto' ? 0 : config.intents));

  let gatewayBot: GatewayBot | undefined;
  let fleet: Fleet | undefined;
  let proposedIntents: number | undefined;
  let ending = false;
  /** Asks /gateway/bot now instead of when its turn comes. */
  let askSooner = (): void => undefined;
  const token = (): string => config.token.reveal();
  const handlerOf = createTokenCheck(token());

  const rest = createRest({
    api: config.api,
    token,
    log,
    authorised: (bare) => handlerOf(bare) !== undefined,
    localGateway: (host) => ({
      url: config.publicUrl?.replace(/^http/, 'ws') ?? `ws://${host}`,
      shards: table.layout()?.shardCount ?? gatewayBot?.shards ?? 1,
    }),
  });

  const handlerSessions = openHandlerSessions(openFile<HandlerSession>(files.handlers), (error) =>
    log.error('handler-sessions.failing', { message: (error as Error).message }),
  );
  const downstream = createDownstream({
    clock,
    log,
    random,
    journal: () => journal,
    cursors,
    sessions: handlerSessions,
    handlerOf,
    layout: () => table.layout(),
    proposeIntents(intents) {
      proposedIntents ??= intents;
      decideLayout();
    },
    snapshot: (request) => takeSnapshot(request, journal, state),
    onStateLost: (shard) => fleet?.stateLost(shard),
    onCommand: (shard, op, text) => fleet?.send(shard, op, text) ?? false,
    onPresence: (shard, presence) => fleet?.setPresence(shard, presence),
    onRequest: (request, response) => rest.handle(request, response),
    publicUrl: config.publicUrl?.replace(/^http/, 'ws'),
  });

  const upkeep = createUpkeep({
    clock,
    log,
    journal,
    state: () => state,
    cursors,
    table,
    segmentBytes: config.journalSegmentBytes,
    shardCount: () => table.layout()?.shardCount ?? 0,
    lock: () => lock,
    remakeFolder() {
      disk.mkdir(config.stateDir);
      lock = lockFolder(config.stateDir, holder());
      table.recreate(openFile<SessionRow>(files.sessions));
      ledger.recreate(openFile<LedgerRow>(files.ledger));
      handlerSessions.recreate(openFile<HandlerSession>(files.handlers));
      journal.recreate();
      upkeep.checkpoint();
      void admin.reopen();
    },
  });

  /** Shard count and intents are decided once, when both are known, and kept: another value costs IDENTIFYs. */
  const decideLayout = (): void => {
    if (table.layout()) return;
    const shardCount = config.shards === 'auto' ? gatewayBot?.shards : config.shards;
    const intents = config.intents === 'auto' ? proposedIntents : config.intents;
    if (shardCount === undefined || intents === undefined) return;
    table.decide({ shardCount, intents, largeThreshold: config.largeThreshold, botId: config.botId });
    log.info(
      'layout.decided',
      { shardCount, intents },
      'shard count and intents are fixed with the sessions from now on',
    );
    startFleet();
    downstream.layoutChanged();
  };

  const startFleet = (): void => {
    const layout = table.layout();
    if (!layout || fleet || ending) return;
    warnOfDrift(layout, config, log);
    fleet = createFleet({
      clock,
      random,
      log,
      layout,
      table,
      journal,
      ledger,
      token,
      gatewayUrl: () => config.gatewayUrl ?? gatewayBot?.url ?? 'wss://gateway.discord.gg',
      transport: config.compression,
      onFatal: (error) => void end(error),
    });
    if (journal.stats().condition !== 'full') fleet.start();
  };

  const onJournalCondition = (condition: JournalCondition): void => {
    if (condition === 'full') void fleet?.stop();
    else if (condition === 'sound') fleet?.start();
  };

  /** Keeps the budget known. RESUME needs none of this; IDENTIFY waits for it. */
  const watchGatewayBot = async (): Promise<void> => {
    let delay = GATEWAY_BOT_RETRY_MS;
    while (!ending) {
      try {
        const askedAtMs = clock.monotonic();
        gatewayBot = await fetchGatewayBot(config.api, token(), USER_AGENT);
        ledger.updateBudget(gatewayBot, askedAtMs);
        decideLayout();
        delay = GATEWAY_BOT_MS;
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error;
        if (error.code === 'TOKEN_REJECTED') return void end(error);
        log.warn(
          'gateway-bot.failed',
          {},
          `${error.message}; ${gatewayBot ? 'the last answer stays in use' : 'no IDENTIFY leaves before Discord has told the budget'}`,
        );
        delay = GATEWAY_BOT_RETRY_MS;
      }
      await new Promise<void>((resolve) => {
        const timer = clock.after(delay, resolve);
        askSooner = () => {
          timer.cancel();
          resolve();
        };
      });
    }
  };

  const stop = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    askSooner();
    upkeep.stop();
    await Promise.all([downstream.close(), fleet?.stop()]);
    journal.flush();
    journal.syncNow();
    upkeep.checkpoint();
    await Promise.all([state.close(), admin.close()]);
    ledger.close();
    journal.close();
    lock.release();
  };

  const end = async (error: OperatingError | undefined): Promise<void> => {
    if (ending) return;
    if (error) log.error('daemon.ends', { code: error.code }, `${error.message} → ${error.remedy}`);
    await stop();
    options.onEnd(error);
  };

  const admin = await createAdmin({
    stateDir: config.stateDir,
    log,
    status: createStatus({
      config,
      clock,
      startedAt,
      journal,
      state: () => state,
      ledger,
      downstream,
      cursors,
      fleet: () => fleet,
      layout: () => table.layout(),
    }),
    actions: {
      async reidentify() {
        const shards = table.layout()?.shardCount ?? 0;
        await fleet?.forget();
        reset();
        setImmediate(() => void end(undefined));
        return { shards };
      },
    },
  });

  upkeep.start();
  startFleet();
  void watchGatewayBot();
  log.info('daemon.started', { bot: config.botId, shards: table.layout()?.shardCount ?? 'undecided' });

  return {
    accept: (socket) => downstream.accept(socket),
    listen: (where) =>
      new Promise((resolve, reject) => {
        downstream.server.once('error', (error) =>
          reject(new OperatingError('LISTEN_FAILED', (error as Error).message, { cause: error })),
        );
        downstream.server.listen(where, () => {
          const address = downstream.server.address();
          resolve(typeof address === 'object' && address ? address.port : 0);
        });
      }),
    stop,
  };
}

/** Lets downstream read a snapshot from the state's worker, frame by frame. */
function takeSnapshot(request: SnapshotRequest, journal: Journal, state: State): SnapshotRun {
  const { shard, shardCount, epoch, s, sessionId, resumeUrl } = request;
  let stale = false;
  state.appended(journal.end());
  const handle = state.snapshot(
    { shard, shardCount, epoch, s, sessionId, resumeUrl, credit: 0 },
    {
      head(head) {
        stale = head.stale;
      },
      chunk(bytes) {
        const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const payloads: Buffer[] = [];
        forEachFrame(chunk, (start, end) => payloads.push(chunk.subarray(start, end)));
        request.onPayloads(payloads);
      },
      end(outcome) {
        if (outcome === 'done') request.onEnd({ stale });
        else if (outcome === 'lost') request.onLost();
        else if (outcome === 'failed') request.onFailed();
      },
    },
  );
  return { credit: (bytes) => handle.grant(bytes), cancel: () => handle.cancel() };
}

/** Where things lie in a state folder. */
function filesOf(stateDir: string) {
  return {
    sessions: path.join(stateDir, 'sessions.log'),
    ledger: path.join(stateDir, 'ledger.log'),
    handlers: path.join(stateDir, 'handlers.log'),
    journal: path.join(stateDir, 'journal'),
  };
}

/** Makes the state folder, or says why that can't be. */
function makeFolder(disk: Disk, stateDir: string): void {
  try {
    disk.mkdir(stateDir);
  } catch (error) {
    throw new OperatingError(
      'STATE_UNUSABLE',
      `cannot make state folder ${stateDir}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function holder() {
  return { pid: process.pid, since: new Date().toISOString() };
}

/** Takes the folder's lock; a predecessor that is just ending gets a moment. */
async function takeLock(stateDir: string, clock: Clock): Promise<FolderLock> {
  const until = clock.monotonic() + LOCK_WAIT_MS;
  for (;;) {
    try {
      return lockFolder(stateDir, holder());
    } catch (error) {
      if (!(error instanceof OperatingError) || error.code !== 'STATE_LOCKED' || clock.monotonic() > until)
        throw error;
      await sleep(clock, 50);
    }
  }
}

/** Names the handler of a token, comparing in constant time and without keeping the token around. */
function createTokenCheck(token: string): (candidate: string) => string | undefined {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return (candidate) => (timingSafeEqual(digest(candidate), expected) ? DEFAULT_HANDLER : undefined);
}

/** A setting that differs from what the sessions were made with changes nothing until the operator says so. */
function warnOfDrift(layout: { shardCount: number; intents: number }, config: Config, log: Log): void {
  const drift: string[] = [];
  if (config.shards !== 'auto' && config.shards !== layout.shardCount)
    drift.push(`shards ${layout.shardCount} → ${config.shards}`);
  if (config.intents !== 'auto' && config.intents !== layout.intents)
    drift.push(`intents ${layout.intents} → ${config.intents}`);
  if (drift.length === 0) return;
  const price = config.shards === 'auto' ? layout.shardCount : config.shards;
  log.warn(
    'layout.drift',
    { drift },
    `the settings ask for ${drift.join(' and ')}, the sessions were made otherwise and go on; \`holdfast reidentify --yes\` changes them for ${price} IDENTIFYs`,
  );
}
