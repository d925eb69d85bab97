// Relations between settings: what each may be alone is in the table, what they may be together is here.

import { formatDuration, formatSize, isLoopback } from './kind.ts';
import type { Mistake, Origin } from './origin.ts';
import { type SettingName, type Settings, settingOf } from './settings.ts';

/** Discord counts one IDENTIFY per bucket in this time. */
const DISCORD_IDENTIFY_SPACING_MS = 5000;
/** Trimming works by whole segments, so a journal of fewer would lose most of itself at once. */
const JOURNAL_SEGMENTS_MIN = 4;

/** Finds settings that do not go together. Those that could not be read are passed over. */
export function checkRelations(
  settings: Partial<Settings>,
  origins: Readonly<Record<SettingName, Origin>>,
): Mistake[] {
  const mistakes: Mistake[] = [];
  const wrong = (name: SettingName, problem: string): void => {
    mistakes.push({ origin: origins[name], key: settingOf(name).key, problem });
  };
  const { listen, api, gatewayUrl, identifySpacingMs, journalMaxBytes, journalSegmentBytes } = settings;

  if (settings.insecure === false) {
    if (listen && !isLoopback(listen.host)) {
      wrong(
        'listen',
        `found ${listen.host}, which other machines can reach, expected an address of this machine only (127.0.0.1 or [::1]), or insecure: true on a network that nobody else is on`,
      );
    }
    for (const name of ['api', 'gatewayUrl'] as const) {
      const target = name === 'api' ? api : gatewayUrl;
      if (target === undefined) continue;
      const { protocol, hostname } = new URL(target);
      if ((protocol === 'http:' || protocol === 'ws:') && !isLoopback(hostname)) {
        wrong(
          name,
          `found ${target}, which would send the token unencrypted, expected ${protocol === 'http:' ? 'https' : 'wss'}://, or insecure: true`,
        );
      }
    }
  }
  if (api && identifySpacingMs !== undefined && identifySpacingMs < DISCORD_IDENTIFY_SPACING_MS) {
    if (/(?:^|\.)discord(?:app)?\.com$/.test(new URL(api).hostname)) {
      const found = formatDuration(identifySpacingMs);
      wrong(
        'identifySpacingMs',
        `found ${found}, expected at least 5s, because Discord counts one IDENTIFY per bucket in 5 seconds`,
      );
    }
  }
  if (journalMaxBytes !== undefined && journalSegmentBytes !== undefined) {
    const least = JOURNAL_SEGMENTS_MIN * journalSegmentBytes;
    if (journalMaxBytes < least) {
      wrong(
        'journalMaxBytes',
        `found ${formatSize(journalMaxBytes)}, expected at least ${formatSize(least)}, which is ${JOURNAL_SEGMENTS_MIN} segments of journal.segment_bytes`,
      );
    }
  }
  return mistakes;
}
