import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ERRORS } from '../base/errors.ts';
import { CLOSE, CLOSE_CODES, type CloseAction, closeAction, closeCode } from './close-code.ts';

// Protocol reference 5.1, written down a second time on purpose.
const EXPECTED: Record<CloseAction, number[]> = {
  resume: [1001, 1005, 1006, 1011, 1012, 4000, 4001, 4002, 4005, 4008],
  'resume-once': [1000, 4003, 4006, 4009],
  identify: [4007],
  fatal: [4004, 4010, 4011, 4012, 4013, 4014],
};

describe('close code', () => {
  test('every code asks for what the reference says', () => {
    for (const [action, codes] of Object.entries(EXPECTED))
      for (const code of codes) assert.equal(closeAction(code), action, String(code));
    const all = Object.values(EXPECTED)
      .flat()
      .sort((a, b) => a - b);
    assert.deepEqual(Object.keys(CLOSE_CODES).map(Number), all);
  });

  test('a code nobody knows is resumable', () => {
    for (const code of [0, 1002, 1009, 3999, 4015, 4999, 65535]) {
      assert.equal(closeAction(code), 'resume');
      assert.equal(closeCode(code).name, 'unknown');
    }
  });

  test('exactly the fatal codes have an error, and none of those is tried again by the parent', () => {
    for (const [code, row] of Object.entries(CLOSE_CODES)) {
      assert.equal(row.error !== undefined, row.action === 'fatal', code);
      if (row.error) assert.equal(ERRORS[row.error].restart, false, code);
    }
  });

  test('the code that keeps a session is neither 1000 nor 1001, and those that end it are not used for it', () => {
    assert.ok(CLOSE.KEEP_SESSION >= 3000 && CLOSE.KEEP_SESSION <= 4999);
    assert.equal(CLOSE.FORGET_SESSION, 1000);
    for (const [name, code] of Object.entries(CLOSE))
      if (name !== 'FORGET_SESSION') assert.ok(code >= 3000 && code <= 4999, name);
  });
});
