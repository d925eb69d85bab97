// Daemon's side and client's side of the admin socket, together over a real Unix socket in a folder of the test.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { OperatingError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { lockFolder } from '../store/lock.ts';
import { type Admin, callAdmin, createAdmin } from './admin.ts';
import { leaveReidentifyRequest, takeReidentifyRequest } from './reidentify-request.ts';

let folder: string;
let admin: Admin | undefined;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-admin-'));
});
afterEach(async () => {
  await admin?.close();
  admin = undefined;
  fs.rmSync(folder, { recursive: true, force: true });
});

async function open(stateDir = folder): Promise<Admin> {
  admin = await createAdmin({
    stateDir,
    log: silentLog,
    status: () => ({ pid: 7 }),
    actions: {
      echo: async (body) => ({ said: body }),
      refuse: async () => {
        throw new OperatingError('STATE_LOCKED', 'held by another');
      },
      break: async () => {
        throw new TypeError('a bug');
      },
    },
  });
  return admin;
}

describe('admin', () => {
  it('answers health and status', async () => {
    await open();
    assert.deepEqual(await callAdmin(folder, 'GET', '/healthz'), { ok: true });
    assert.deepEqual(await callAdmin(folder, 'GET', '/status'), { pid: 7 });
  });

  it('runs actions with their body, or without one', async () => {
    await open();
    assert.deepEqual(await callAdmin(folder, 'POST', '/actions/echo', { a: [1] }), { said: { a: [1] } });
    assert.deepEqual(await callAdmin(folder, 'POST', '/actions/echo'), {});
  });

  it("hands the daemon's refusal on, with its code", async () => {
    await open();
    const refused = callAdmin(folder, 'POST', '/actions/refuse');
    await assert.rejects(refused, { code: 'STATE_LOCKED', message: 'held by another' });
    await assert.rejects(callAdmin(folder, 'POST', '/actions/break'), /a bug/);
  });

  it('names what there is when asked for something else', async () => {
    await open();
    for (const [method, target] of [
      ['POST', '/actions/absent'],
      ['POST', '/actions/toString'],
      ['GET', '/actions/echo'],
      ['GET', '/'],
    ] as const) {
      await assert.rejects(callAdmin(folder, method, target), {
        code: 'USAGE',
        message: /POST \/actions\/echo/,
      });
    }
  });

  it('refuses a body that is no JSON, or too large', async () => {
    const { path: socketPath } = await open();
    const post = (body: string) =>
      new Promise<number>((resolve, reject) => {
        const request = http.request(
          { socketPath: socketPath()!, method: 'POST', path: '/actions/echo' },
          (response) => {
            response.resume();
            resolve(response.statusCode!);
          },
        );
        request.on('error', reject);
        request.end(body);
      });
    assert.equal(await post('{'), 409);
    assert.equal(await post(`"${'x'.repeat(1024 * 1024)}"`), 409);
  });

  it('is open to its own user only, and takes over the socket of a daemon that died', async () => {
    fs.writeFileSync(path.join(folder, 'admin.sock'), '');
    const { path: socketPath } = await open();
    assert.equal(fs.statSync(socketPath()!).mode & 0o777, 0o600);
    assert.deepEqual(await callAdmin(folder, 'GET', '/healthz'), { ok: true });
  });

  it('says that nobody is there, before the start and after the end', async () => {
    const unreachable = { code: 'ADMIN_UNREACHABLE', message: /no Holdfast answers at .*admin\.sock/ };
    await assert.rejects(callAdmin(folder, 'GET', '/status'), unreachable);
    const { close } = await open();
    await close();
    await assert.rejects(callAdmin(folder, 'GET', '/status'), unreachable);
    assert.ok(!fs.existsSync(path.join(folder, 'admin.sock')));
  });

  it('goes on without a socket when it cannot have one', async () => {
    fs.mkdirSync(path.join(folder, 'admin.sock'));
    const { path: socketPath } = await open();
    assert.equal(socketPath(), undefined);
  });

  it('opens again after its folder was lost', async () => {
    const { reopen } = await open();
    fs.rmSync(folder, { recursive: true });
    fs.mkdirSync(folder);
    await reopen();
    assert.deepEqual(await callAdmin(folder, 'GET', '/healthz'), { ok: true });
  });

  it('is found although its folder lies too deep for a socket', async () => {
    const deep = path.join(folder, 'x'.repeat(60), 'y'.repeat(60));
    const { path: socketPath } = await open(deep);
    assert.ok(Buffer.byteLength(socketPath()!) <= 100);
    assert.equal(fs.readFileSync(path.join(deep, 'admin.path'), 'utf8').trim(), socketPath());
    assert.deepEqual(await callAdmin(deep, 'GET', '/healthz'), { ok: true });
  });
});

describe('reidentify request', () => {
  it('is left once and taken once', () => {
    assert.equal(takeReidentifyRequest(folder), false);
    leaveReidentifyRequest(folder);
    assert.equal(takeReidentifyRequest(folder), true);
    assert.equal(takeReidentifyRequest(folder), false);
  });

  it('is refused where a daemon runs, and where there is no state folder', () => {
    const lock = lockFolder(folder, { pid: 1, since: 'now' });
    assert.throws(() => leaveReidentifyRequest(folder), { code: 'STATE_LOCKED' });
    lock.release();
    assert.throws(() => leaveReidentifyRequest(path.join(folder, 'absent')), { code: 'STATE_UNUSABLE' });
  });
});
