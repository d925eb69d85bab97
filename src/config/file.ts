// Reads holdfast.yaml into raw values with their lines, and finds every key that is no setting. It does not
// read the values themselves: that is done the same way for all sources (load.ts).

import { isMap, isScalar, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { nearest } from './nearest.ts';
import { describeFound, type Mistake, type Origin } from './origin.ts';

/** One value of the file. */
export interface FileValue {
  readonly raw: unknown;
  readonly origin: Origin;
}

/** What the file says: values by key, and what is wrong with it. */
export interface FileContent {
  readonly values: ReadonlyMap<string, FileValue>;
  readonly mistakes: readonly Mistake[];
}

/** Reads the text of a file called `path` (as it is shown to people); `keys` are the settings there are. */
export function readFileContent(options: {
  text: string;
  path: string;
  keys: readonly string[];
}): FileContent {
  const { path, keys } = options;
  const lines = new LineCounter();
  const document = parseDocument(options.text, { lineCounter: lines, prettyErrors: false });
  const values = new Map<string, FileValue>();
  const mistakes: Mistake[] = [];
  const at = (offset: number | undefined): Origin =>
    offset === undefined ? { type: 'file', path } : { type: 'file', path, line: lines.linePos(offset).line };

  for (const error of document.errors) {
    mistakes.push({ origin: at(error.pos[0]), key: 'YAML', problem: error.message });
  }
  const walk = (map: YAMLMap, prefix: string): void => {
    for (const pair of map.items as Pair[]) {
      const origin = at(startOf(pair.key));
      const key = prefix + (isScalar(pair.key) ? String(pair.key.value) : '?');
      const sectionKeys = keys.filter((candidate) => candidate.startsWith(`${key}.`));
      if (keys.includes(key)) {
        values.set(key, { raw: toPlain(pair.value), origin });
      } else if (sectionKeys.length > 0 && isMap(pair.value)) {
        walk(pair.value, `${key}.`);
      } else if (sectionKeys.length > 0) {
        const found = describeFound(toPlain(pair.value));
        mistakes.push({
          origin,
          key,
          problem: `found ${found}, expected ${sectionKeys.join(', ')} under it`,
        });
      } else {
        mistakes.push({ origin, key, problem: unknownKey(key, keys) });
      }
    }
  };
  const toPlain = (node: unknown): unknown =>
    node !== null && typeof node === 'object' && 'toJS' in node
      ? (node as { toJS(of: typeof document): unknown }).toJS(document)
      : node;
  if (document.errors.length === 0 && document.contents !== null) {
    if (isMap(document.contents)) walk(document.contents, '');
    else if (!isScalar(document.contents) || document.contents.value !== null) {
      const found = describeFound(toPlain(document.contents));
      mistakes.push({
        origin: at(0),
        key: 'YAML',
        problem: `found ${found}, expected settings as key: value`,
      });
    }
  }
  return { values, mistakes };
}

/** What to say about a key that is no setting; `spell` writes a key the way its source does. */
export function unknownKey(
  key: string,
  keys: readonly string[],
  spell: (key: string) => string = (known) => known,
): string {
  if (/^(?:bot_?|discord_?)?token$/i.test(key)) {
    return 'the token is never read from here; set token_file, or DISCORD_TOKEN in the environment';
  }
  const meant = nearest(key, keys);
  return meant === undefined
    ? 'no such setting; see docs/config.md'
    : `no such setting; did you mean ${spell(meant)}?`;
}

function startOf(node: unknown): number | undefined {
  const range = (node as { range?: [number, number, number] | null } | null)?.range;
  return range?.[0];
}
