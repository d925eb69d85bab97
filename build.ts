// `npm run build` (and `npm pack` through it): writes `dist/`, the same files without types, because Node refuses to
// strip types inside node_modules. No bundler: one file stays one file, and a stack trace keeps its line numbers.

import * as fs from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import * as path from 'node:path';

const ROOT = import.meta.dirname;
const DIST = path.join(ROOT, 'dist');
/** A relative specifier that ends in .ts, in an import, an export, or a `new URL(...)`. */
const SPECIFIER = /((?:from|import|URL\(|import\()\s*)(['"])(\.{1,2}\/[^'"]+)\.ts\2/g;

fs.rmSync(DIST, { recursive: true, force: true });
for (const folder of ['src', 'sim']) {
  for (const file of fs.readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || /\.(test|cases|bench)\.ts$/.test(file)) continue;
    const source = fs.readFileSync(path.join(ROOT, folder, file), 'utf8');
    const target = path.join(DIST, folder, file.replace(/\.ts$/, '.js'));
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, stripTypeScriptTypes(source).replace(SPECIFIER, '$1$2$3.js$2'));
  }
}
// version.ts reads the package's name and version from beside `src`.
fs.copyFileSync(path.join(ROOT, 'package.json'), path.join(DIST, 'package.json'));
