// Holds docs/config.md to the table of settings. `UPDATE_DOCS=1 npm test -- config/document` rewrites it.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { configDocument } from './document.ts';

const file = path.join(import.meta.dirname, '../../docs/config.md');

describe('docs/config.md', () => {
  it('is what the table of settings says', () => {
    if (process.env['UPDATE_DOCS']) fs.writeFileSync(file, configDocument());
    const found = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
    assert.ok(found === configDocument(), 'stale; run: UPDATE_DOCS=1 npm test -- config/document');
  });
});
