// Where the admin socket of a state folder is. Unix sockets have room for about 100 bytes of path; for a folder
// that lies deeper, the socket is put under the temporary folder, and `admin.path` in the state folder says where.

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

/** The kernel's limit is 108 on Linux and 104 on macOS, with a final zero. */
const SOCKET_PATH_BYTES_MAX = 100;

/** Where the daemon puts its socket, made ready: folders exist, and `admin.path` tells of a distant place. */
export function prepareSocketPath(stateDir: string): string {
  fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const near = path.join(stateDir, 'admin.sock');
  const note = path.join(stateDir, 'admin.path');
  if (Buffer.byteLength(near) <= SOCKET_PATH_BYTES_MAX) {
    fs.rmSync(note, { force: true });
    return near;
  }
  const user = process.getuid?.() ?? 0;
  const folder = path.join(os.tmpdir(), `holdfast-${user}`);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Others can write beside it; a folder that someone else made first must not be trusted.
  const facts = fs.lstatSync(folder);
  if (!facts.isDirectory() || facts.uid !== user || (facts.mode & 0o077) !== 0) {
    throw new Error(`${folder} is not a folder that only this user can reach`);
  }
  const distant = path.join(
    folder,
    `${createHash('sha256').update(stateDir).digest('hex').slice(0, 16)}.sock`,
  );
  fs.writeFileSync(note, `${distant}\n`, { mode: 0o600 });
  return distant;
}

/** Where a client finds the socket of a state folder. */
export function findSocketPath(stateDir: string): string {
  try {
    return fs.readFileSync(path.join(stateDir, 'admin.path'), 'utf8').trim();
  } catch {
    return path.join(stateDir, 'admin.sock');
  }
}
